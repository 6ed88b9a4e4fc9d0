"""The notice to the person responsible for purchasing: what came, what more than was on order, what is missing, who was served.

What belongs here: its text. Orders by their numbers alone: no customer's name, and no address. What does not: sending.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloudsales_pipeline.outbox.messages import Outgoing
from cloudsales_pipeline.purchasing.allotting import Allotted
from cloudsales_pipeline.purchasing.receipt_judging import Delivery, Judged
from cloudsales_pipeline.purchasing.wording import plain

MOST_SHOWN = 50  # lines of each part
NOTICE: dict[str, dict[str, str]] = {
    "ro": {
        "subject": "Recepție {supplier} {reference}: {pieces} bucăți",
        "ordered": "Au venit, din comenzi",
        "over": "Peste ce era comandat",
        "unordered": "Necomandate",
        "missing": "Lipsesc încă din comenzile atinse",
        "served": "Au primit marfă comenzile",
        "more": "… și încă {}",
        "piece": "buc.",
    },
    "en": {
        "subject": "Goods received from {supplier}, {reference}: {pieces} pieces",
        "ordered": "Came, as ordered",
        "over": "More than was on order",
        "unordered": "Never ordered",
        "missing": "Still missing of these orders",
        "served": "Orders that were served",
        "more": "… and {} more",
        "piece": "pcs",
    },
}


@dataclass(frozen=True)
class Came:
    """Pieces that came, and their kind: ordered, over, unordered."""

    allotted: Allotted
    kind: str


def notices(
    came: Sequence[Came], judged: Judged, missing: Sequence[Any], served: Sequence[Any], *, address: str, language: str
) -> list[Outgoing]:
    """One message for each delivery.

    Args:
        missing: rows (supplier, number, quantity) of the orders that the file's deliveries came for.
        served: rows (reference channel/order/line, product_id, quantity) of who was served.
    """
    skus = {row.product_id: row.sku for row in judged.fresh}
    by_delivery: dict[Delivery, list[Came]] = defaultdict(list)
    for one in came:
        by_delivery[one.allotted.delivery].append(one)
    return [_notice(delivery, some, judged, skus, missing, served, address, language) for delivery, some in by_delivery.items()]


def _notice(
    delivery: Delivery,
    came: Sequence[Came],
    judged: Judged,
    skus: dict[int, str],
    missing: Sequence[Any],
    served: Sequence[Any],
    address: str,
    language: str,
) -> Outgoing:
    words = NOTICE[language]
    supplier, reference = delivery
    pieces = sum(one.allotted.quantity for one in came)
    products = {one.allotted.product_id for one in came}
    parts = {
        kind: [(skus[one.allotted.product_id], one.allotted.quantity) for one in came if one.kind == kind]
        for kind in ("ordered", "over", "unordered")
    }
    parts["missing"] = [(row.number, row.quantity) for row in missing if row.supplier == supplier]
    parts["served"] = [(row.reference.rpartition("/")[0], row.quantity) for row in served if row.product_id in products]
    text = "\n\n".join(_part(words, kind, lines) for kind, lines in parts.items() if lines)
    later = judged.rows_before.get(delivery, 0)
    title = words["subject"].format(supplier=plain(supplier), reference=plain(reference), pieces=pieces)
    event = "goods_received" + (f"_{later}" if later else "")
    return Outgoing(
        "goods_receipt", f"{supplier}/{reference}", event, "email", address, title, text + "\n", language=language, urgency=2
    )


def _part(words: dict[str, str], kind: str, lines: Sequence[tuple[str, int]]) -> str:
    total = sum(quantity for _, quantity in lines)
    shown = [f"  {plain(name)}: {quantity} {words['piece']}" for name, quantity in lines[:MOST_SHOWN]]
    more = [f"  {words['more'].format(len(lines) - MOST_SHOWN)}"] if len(lines) > MOST_SHOWN else []
    return "\n".join([f"{words[kind]} ({total} {words['piece']}):", *shown, *more])
