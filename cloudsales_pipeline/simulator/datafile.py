"""Reads a data file: {"categories": […], "products": […], "orders": […]} in the contract's shapes.

What belongs here: finding out whether a file can be served, and the little that serving needs to know of an item. What does
not: judging the items. A product with a bad price is served with its bad price, because that is what a pipeline must survive.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cloudsales_pipeline.errors import InputError

SHAPE = 'a JSON object with "products" (a list of objects) and, if any, "categories" and "orders"'


class Data(NamedTuple):
    """The items of a file, each as its own JSON text."""

    categories: list[bytes]
    products: list[bytes]
    orders: list[bytes]


class VariantHead(NamedTuple):
    """A variant's id and the stock that the listing shows."""

    id: str
    stock: int


class ProductHead(NamedTuple):
    """What serving needs to know of a product; an id that can't be read is empty."""

    id: str
    updated_at: datetime | None
    variants: list[VariantHead]


class _File(msgspec.Struct):
    products: list[msgspec.Raw]
    categories: list[msgspec.Raw] = []
    orders: list[msgspec.Raw] = []


class _Variant(msgspec.Struct):
    id: str
    stock: int = 0


class _Product(msgspec.Struct):
    id: str
    updated_at: datetime
    variants: list[_Variant]


_quick = msgspec.json.Decoder(_Product)


def read(path: Path) -> Data:
    """The file's items.

    Raises:
        InputError: no file, not JSON, not this shape, or an order without id and updated_at; says where.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise InputError(f"{path.name} can't be read: {error.strerror}.", next_step="name a file that exists") from None
    except RecursionError:
        raise InputError(f"{path.name} nests too deeply to be read.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} can't be served: {error}.", next_step=f"give {SHAPE}") from None
    data = Data(*([bytes(item) for item in items] for items in (file.categories, file.products, file.orders)))
    for name, items in data._asdict().items():
        for number, item in enumerate(items):
            _require(item, f"{path.name}, {name}[{number}]", order=name == "orders")
    return data


def head_of(payload: bytes) -> ProductHead:
    """Id, time and variants of a product, as far as they can be read."""
    try:
        product = _quick.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _patient(payload)
    stamp = product.updated_at if product.updated_at.tzinfo else product.updated_at.replace(tzinfo=UTC)
    return ProductHead(product.id, stamp, [VariantHead(variant.id, max(0, variant.stock)) for variant in product.variants])


def _patient(payload: bytes) -> ProductHead:
    """The same for a flawed product: what can't be read is left out."""
    try:
        product = json.loads(payload)
    except (ValueError, RecursionError):
        return ProductHead("", None, [])
    if not isinstance(product, dict):
        return ProductHead("", None, [])
    variants = product.get("variants")
    heads = [_variant_head(item) for item in variants if isinstance(item, dict)] if isinstance(variants, list) else []
    name = product.get("id")
    return ProductHead(name if isinstance(name, str) else "", _moment(product.get("updated_at")), [h for h in heads if h.id])


def _variant_head(variant: dict[str, Any]) -> VariantHead:
    name, stock = variant.get("id"), variant.get("stock")
    return VariantHead(name if isinstance(name, str) else "", max(0, stock) if isinstance(stock, int) else 0)


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _require(item: bytes, where: str, *, order: bool) -> None:
    if not item.lstrip().startswith(b"{"):
        raise InputError(f"{where} is not an object.", next_step=f"give {SHAPE}")
    if not order:
        return
    data = json.loads(item)
    if not (isinstance(data.get("id"), str) and isinstance(data.get("revision"), int) and _moment(data.get("updated_at"))):
        raise InputError(f"{where} has no id, revision or updated_at, by which orders are listed.")
