"""Whether an order's figures add up. Pure; nothing is ever corrected (I-20)."""

from __future__ import annotations

from decimal import Decimal

from cloudsales_pipeline.channels.port import ChannelOrder


def expected_total(order: ChannelOrder) -> Decimal:
    """Lines + delivery − discounts, tax included, to the cent."""
    goods = sum((line.unit_price * line.quantity for line in order.lines), Decimal(0))
    return goods + order.delivery_price - sum((one.amount for one in order.discounts), Decimal(0))


def line_discounts(order: ChannelOrder) -> dict[str, Decimal]:
    """What is taken off each line, by its id; a discount on the whole order is not among them."""
    sums: dict[str, Decimal] = {}
    for one in order.discounts:
        if one.line_id is not None:
            sums[one.line_id] = sums.get(one.line_id, Decimal(0)) + one.amount
    return sums


def order_discount(order: ChannelOrder) -> Decimal:
    """What is taken off the order as a whole."""
    return sum((one.amount for one in order.discounts if one.line_id is None), Decimal(0))
