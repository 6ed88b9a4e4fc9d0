"""FashionUp's contract over the known shop, as small as it can be; the simulator takes its place where it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email import message_from_bytes
from typing import Any

from tests.channels.http_fake import Asked, serving
from tests.channels.known_shop import KnownShop

CAP = 500


@contextmanager
def serve(shop: KnownShop) -> Iterator[str]:
    """The shop at a URL of its own."""

    def answering(asked: Asked) -> tuple[int, Any]:
        match asked.method, asked.parts:
            case "GET", ["categories"]:
                return _page(shop.categories, asked)
            case "GET", ["products"]:
                return _page(shop.products, asked)
            case "GET", ["orders"]:
                return _page(sorted(shop.orders, key=lambda order: (order["updated_at"], order["id"])), asked)
            case "GET", ["stock"]:
                ids = asked.query.get("variant_id", [])
                known = [(one, *shop.stock[one]) for one in ids if one in shop.stock]
                return (
                    (400, {})
                    if len(ids) > CAP
                    else (200, {"items": [{"variant_id": one, "quantity": q, "version": v} for one, q, v in known]})
                )
            case "PUT", ["stock"]:
                items = json.loads(asked.body)["items"]
                results = [{"variant_id": one["variant_id"], "result": shop.set_stock(**one)} for one in items]
                return (400, {}) if len(items) > CAP else (200, {"results": results})
            case "PUT", ["orders", order_id, "acknowledgement"]:
                return shop.acknowledge(order_id), {}
            case "PUT", ["orders", order_id, "status"]:
                shop.statuses[order_id] = json.loads(asked.body)["status"]
                return 204, {}
            case "POST", ["orders", order_id, "documents"]:
                fields = _multipart(asked)
                kind, number = fields["kind"].decode(), fields["number"].decode()
                return shop.keep_document(order_id, kind, number, fields.get("file", b"")), {}
        return 404, {}

    with serving(answering) as url:
        yield url


def _page(items: list[dict[str, Any]], asked: Asked) -> tuple[int, Any]:
    limit, start = int(asked.first("limit", "100")), int(asked.first("cursor", "0"))
    if not 1 <= limit <= CAP:
        return 400, {}
    if since := asked.first("updated_since"):
        bound = datetime.fromisoformat(since)
        items = [item for item in items if datetime.fromisoformat(item["updated_at"]) >= bound]
    end = start + limit
    return 200, {"items": items[start:end], "next_cursor": str(end) if end < len(items) else None, "total": len(items)}


def _multipart(asked: Asked) -> dict[str, bytes]:
    message = message_from_bytes(b"Content-Type: " + asked.content_type.encode() + b"\r\n\r\n" + asked.body)
    assert message.get_content_type() == "multipart/form-data"
    parts = message.get_payload()
    assert isinstance(parts, list)
    return {
        str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True) or b"")  # type: ignore[arg-type, union-attr]
        for part in parts
    }
