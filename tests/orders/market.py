"""A small market: a channel that hands out orders written in our own words, two warehouses, and what a test asks of it all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.channels.port import (
    Address,
    Buyer,
    ChannelOrder,
    ChannelOrderStatus,
    DeliveryMethod,
    OrderDiscount,
    OrderHead,
    OrderLine,
    PaymentMethod,
    PaymentStatus,
)
from cloudsales_pipeline.codes import code_key
from cloudsales_pipeline.orders.intake import BatchResult, take_in
from cloudsales_pipeline.orders.payloads import store
from cloudsales_pipeline.settings import ChannelSettings, OrderSettings, StockRuleSettings
from cloudsales_pipeline.stock.movements import post
from tests.stock.shelf import receipt, rows, stock_world

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOME = Address("Ana Câmpeanu", "+40700000001", "Strada Teiului 3", "Cluj-Napoca", "Cluj", "400001", "RO", None)


class OurWords:
    """Reads payloads that are a ChannelOrder as JSON; b"torn" and the like can't be read."""

    def order_head(self, payload: bytes) -> OrderHead:
        order = self.parse_order(payload)
        return OrderHead(order.order_id, order.revision, order.updated_at)

    def parse_order(self, payload: bytes) -> ChannelOrder:
        try:
            return msgspec.json.decode(payload, type=ChannelOrder)
        except msgspec.DecodeError:
            raise PayloadError("unreadable", "not an order") from None


PARSER = OurWords()


def line(sku: str, quantity: int = 1, *, line_id: str = "1", price: str = "100.00", returned: int = 0) -> OrderLine:
    """A line of the product whose SKU is the variant's code."""
    return OrderLine(
        line_id=line_id,
        variant_id=f"v-{sku}",
        code=sku,
        ean=None,
        name=f"Rochie {sku}",
        quantity=quantity,
        unit_price=Decimal(price),
        vat_rate=Decimal(21),
        returned=returned,
    )


def order(
    order_id: str,
    *lines: OrderLine,
    revision: int = 1,
    status: str = "new",
    minutes: int = 0,
    discounts: tuple[OrderDiscount, ...] = (),
    **fields: Any,
) -> ChannelOrder:
    """An order placed `minutes` after noon, whose total adds up; its revision n changed n seconds later."""
    placed = NOON + timedelta(minutes=minutes)
    goods = sum((one.unit_price * one.quantity for one in lines), Decimal(0))
    taken_off = sum((one.amount for one in discounts), Decimal(0))
    given: dict[str, Any] = {
        "order_id": order_id,
        "revision": revision,
        "status": ChannelOrderStatus(status),
        "placed_at": placed,
        "updated_at": placed + timedelta(seconds=revision),
        "buyer": Buyer("Ana Câmpeanu", "ana@example.invalid", "+40700000001", None),
        "billing": None,
        "delivery": HOME,
        "payment_method": PaymentMethod.CASH_ON_DELIVERY,
        "payment_status": PaymentStatus.PAID if status == "paid" else PaymentStatus.PENDING,
        "paid_at": None,
        "delivery_method": DeliveryMethod.COURIER,
        "courier": None,
        "delivery_price": Decimal("19.99"),
        "currency": "RON",
        "lines": lines,
        "discounts": discounts,
        "total": goods + Decimal("19.99") - taken_off,
        "note": None,
    }
    return ChannelOrder(**(given | fields))


def payload(one: ChannelOrder) -> bytes:
    return msgspec.json.encode(one)


def shop(policy: str = "partial", warehouses: Sequence[str] = ("CENTRAL",), **orders: Any) -> ChannelSettings:
    """A channel's settings: it reserves in the first warehouse first."""
    return ChannelSettings(
        kind="fashionup",
        url="http://127.0.0.1:9/v1",
        stock=StockRuleSettings(warehouses=tuple(warehouses)),
        orders=OrderSettings.model_validate({"warehouse": warehouses[0], "policy": policy, **orders}),
    )


def market(engine: Engine, stock: dict[str, int], *, more: Sequence[str] = (), channels: Sequence[str] = ("fashionup",)) -> None:
    """Products with these pieces in CENTRAL, products without any (`more`), and these channels."""
    stock_world(engine, [*stock, *more])
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into cloudsales.channel (channel, kind) select c, 'fashionup' from unnest(cast(:channels as text[])) c"
                " on conflict do nothing"
            ),
            {"channels": list(channels)},
        )
        connection.execute(
            sa.text(
                "insert into cloudsales.code_key (key, product_id, kinds) select u.key, p.product_id, 1"
                " from unnest(cast(:keys as text[]), cast(:skus as text[])) u (key, sku) join cloudsales.product p using (sku)"
            ),
            {"keys": [code_key(sku) for sku in (*stock, *more)], "skus": [*stock, *more]},
        )
    movements = [receipt(f"open-{sku}", sku, quantity) for sku, quantity in stock.items() if quantity]
    if movements:
        assert post(engine, movements).posted == len(movements)


def receive(
    engine: Engine, *orders: ChannelOrder, channel: str = "fashionup", settings: ChannelSettings | None = None
) -> BatchResult:
    """Store these as one page, and take in all that is stored."""
    with engine.begin() as connection:
        store(connection, channel, PARSER, [payload(one) for one in orders])
    return drain(engine, channel=channel, settings=settings)


def drain(engine: Engine, *, channel: str = "fashionup", settings: ChannelSettings | None = None) -> BatchResult:
    total = BatchResult()
    while (batch := take_in(engine, PARSER, channel, settings or shop())).read:
        total += batch
    return total


def lines_of(engine: Engine) -> dict[str, tuple[int, int, int, int, int]]:
    """channel/order/line → (ordered, reserved, waiting, issued, cancelled)."""
    found = rows(
        engine,
        "select channel || '/' || external_id || '/' || line_id, quantity, reserved, waiting, issued, cancelled"
        " from analytics.sales_order_line order by 1",
    )
    return {owner: tuple(figures) for owner, *figures in found}  # type: ignore[misc]


def statuses(engine: Engine) -> dict[str, str]:
    return dict(rows(engine, "select external_id, status from analytics.sales_order"))  # type: ignore[arg-type]


def told(engine: Engine, *kinds: str) -> list[tuple[str, str, int | None]]:
    """Events as (kind, reference, pieces), in their order."""
    found = rows(engine, "select kind, reference, quantity from cloudsales.event order by event_id")
    return [one for one in found if not kinds or one[0] in kinds]  # type: ignore[misc]
