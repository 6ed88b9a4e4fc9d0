"""What happens to orders, and when telling of it has no point any more.

What belongs here: the events' order and what stands of an order, pure. What does not: rules, texts, rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cloudsales_pipeline.messages.facts import REACHED, OrderFacts

CLOSED = ("cancelled", "expired", "returned")
ENDS = frozenset({"cancelled", "expired", "returned", "waybill_delivered", "waybill_returned", "stock_arrived"})
"""After these, what comes before them is wrong or stale, whether or not a rule tells of them."""
_WAYBILLS = ("waybill_issued", "waybill_shipped", "waybill_in_locker", "waybill_delivered", "waybill_returned")
_NEVER_MADE = ("cancelled", "expired")
POINTLESS_AFTER: Mapping[str, frozenset[str]] = {
    "order_imported": frozenset((*_NEVER_MADE, "waybill_delivered", "waybill_returned", "returned")),
    "waiting_for_stock": frozenset((*_NEVER_MADE, "stock_arrived", *_WAYBILLS, "returned")),
    "stock_arrived": frozenset((*_NEVER_MADE, *_WAYBILLS, "returned")),
    "paid": frozenset((*_NEVER_MADE, "waybill_delivered", "waybill_returned", "returned")),
    "proforma_issued": frozenset((*_NEVER_MADE, "paid", "invoice_issued", "returned")),
    "waybill_issued": frozenset((*_NEVER_MADE, *_WAYBILLS[1:], "returned")),
    "waybill_shipped": frozenset((*_WAYBILLS[2:], "returned")),
    "waybill_in_locker": frozenset((*_WAYBILLS[3:], "returned")),
    "waybill_delivered": frozenset(),
    "waybill_returned": frozenset(),
    "invoice_issued": frozenset(),
    "storno_issued": frozenset(),
    "cancelled": frozenset(),
    "expired": frozenset(),
    "returned": frozenset(),
}
"""An invoice and its correction are told whatever comes after: they are the buyer's papers."""
WAYBILL_CANCELLED = "waybill_cancelled"
"""Noted where a rule tells of parcels, so that what waits to be sent of them is withdrawn; nobody is told of it."""
OF_PARCELS = {
    "waybill_issued": "created",
    "waybill_shipped": "shipped",
    "waybill_in_locker": "in_locker",
    "waybill_delivered": "delivered",
    "waybill_returned": "returned",
}


def standing(order: OrderFacts) -> set[str]:
    """What can be said to have happened, by the order as it is; of parcels what all of them have reached."""
    found = {order.status} & set(CLOSED)
    if order.waiting == 0 and order.lines:
        found.add("stock_arrived")
    if any(one.kind == "fiscal_invoice" for one in order.documents):
        found.add("invoice_issued")
    if order.status == "paid":
        found.add("paid")
    return found | {event for event, state in OF_PARCELS.items() if all_reached(order, state)}


def all_reached(order: OrderFacts, state: str) -> bool:
    """Whether every parcel is there or further, lost ones aside. What came back was not delivered."""
    states = [one.state for one in order.under_way()] if not order.pending else []
    if state in ("delivered", "returned", "in_locker"):
        further = {state} | ({"delivered"} if state == "in_locker" else set())
        return bool(states) and state in states and all(one in further for one in states)
    return bool(states) and all(REACHED.index(one) >= REACHED.index(state) for one in states)


def has_no_point(event: str, happened: Collection[str], told: Collection[str]) -> bool:
    """Whether something later makes it pointless: an end, or what `told` tells the same person by the same medium."""
    later = POINTLESS_AFTER[event] & set(happened)
    return bool(later & ENDS) or bool(later & set(told))
