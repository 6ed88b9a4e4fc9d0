"""Judging the rows of a delivery against the database: who sent it, of which product, for which order, whether it came before.

What belongs here: reasons why a row is not received, each exact. What does not: writing anything (`receipts`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.purchasing.receipt_rows import Delivered, Evidence, Held
from cloudsales_pipeline.stock.movements import Movement, plain_fault, products_of_skus

Delivery = tuple[str, str]


@dataclass(frozen=True)
class Row:
    """A row that can be received: with its supplier's key, its product and its warehouse."""

    delivered: Delivered
    product_id: int
    sku: str
    warehouse: str

    @property
    def quantity(self) -> int:
        """Pieces."""
        return self.delivered.quantity

    @property
    def at(self) -> datetime | None:
        """When it came."""
        return self.delivered.at


@dataclass
class Judged:
    """The rows of a file: to be received, received before, and held. `rows_before`: how many lines a delivery has already."""

    fresh: list[Row] = field(default_factory=list)
    unchanged: list[Delivered] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    rows_before: dict[Delivery, int] = field(default_factory=dict)

    def movement_reference(self, delivery: Delivery) -> str:
        """The ledger's reference of a delivery; rows that follow later have one of their own, for a reference is posted once."""
        later = self.rows_before.get(delivery, 0)
        return f"receipt:{delivery[0]}/{delivery[1]}" + (f"+{later}" if later else "")


def judge(connection: Connection, delivered: Sequence[Delivered], warehouse: str | None, now: datetime) -> Judged:
    """What is to be received of these rows, in a few statements for all of them.

    Args:
        warehouse: for rows that name none.
    """
    judged = Judged()
    rows = _known_rows(connection, delivered, warehouse or "", now, judged)
    rows = _one_warehouse(rows, judged)
    _before(connection, rows, judged)
    return judged


def _known_rows(
    connection: Connection, delivered: Sequence[Delivered], warehouse: str, now: datetime, judged: Judged
) -> list[Row]:
    world = _World(connection, delivered)
    rows = []
    for given in delivered:
        supplier = world.suppliers.get(given.supplier.casefold())
        one = replace(given, supplier=supplier or given.supplier, warehouse=given.warehouse or warehouse)
        product = world.product(one)
        fault = world.fault(one, supplier, product, now)
        if fault or product is None:
            judged.held.append(Held(one, *(fault or ("unknown_sku", {}))))
        else:
            rows.append(Row(one, product, world.skus[product], one.warehouse))
    return rows


class _World:
    """What the rows name, as the database has it."""

    def __init__(self, connection: Connection, rows: Sequence[Delivered]) -> None:
        self._connection = connection
        names = list({row.supplier.casefold() for row in rows})
        self.suppliers = {row.name_key: row.supplier for row in self._ask("suppliers", names=names)}
        self.warehouses = frozenset(row.warehouse for row in self._ask("warehouses"))
        self.orders = {row.number: row.supplier for row in self._ask("orders", numbers=list({row.order for row in rows}))}
        self.products = products_of_skus(connection, {row.sku for row in rows})
        self.by_supplier_code = self._supplier_codes(rows)
        ids = [*self.products.values(), *self.by_supplier_code.values()]
        self.skus = {row.product_id: row.sku for row in self._ask("skus", products=list(set(ids)))}

    def _ask(self, step: str, **values: object) -> Sequence[sa.Row[Any]]:
        return self._connection.execute(sa.text(steps(__package__, "receipts")[step]), values).all()

    def _supplier_codes(self, rows: Sequence[Delivered]) -> dict[tuple[str, str], int]:
        unknown = [(key, row.sku) for row in rows if row.sku not in self.products and (key := self._key(row))]
        values = {"suppliers": [supplier for supplier, _ in unknown], "codes": [code for _, code in unknown]}
        found = self._ask("by_supplier_code", **values) if unknown else []
        return {(row.supplier, row.code): row.product_id for row in found}

    def _key(self, row: Delivered) -> str | None:
        return self.suppliers.get(row.supplier.casefold())

    def product(self, row: Delivered) -> int | None:
        """By SKU, else another of our codes, else the supplier's own code."""
        return self.products.get(row.sku) or self.by_supplier_code.get((row.supplier, row.sku))

    def fault(self, row: Delivered, supplier: str | None, product: int | None, now: datetime) -> tuple[str, Evidence] | None:
        """A reason code with evidence; None where nothing is wrong."""
        if supplier is None:
            return "unknown_supplier", {"what": "no supplier of the settings has this key or name"}
        movement = Movement(row.reference, row.warehouse, row.sku, "receipt", row.quantity, row.at)
        if plain := plain_fault(movement, self.warehouses, now):
            return plain[0], {"what": plain[1]}
        if product is None:
            return "unknown_sku", {"what": "no product has this SKU, EAN, additional code or code of the supplier"}
        if row.order and self.orders.get(row.order) != supplier:
            return "unknown_order", {"what": f"{supplier} has no order of this number; without one the oldest orders are taken"}
        return None


def _one_warehouse(rows: list[Row], judged: Judged) -> list[Row]:
    """A delivery comes to one place: its first row's."""
    place: dict[Delivery, str] = {}
    good = []
    for row in rows:
        first = place.setdefault(row.delivered.delivery, row.warehouse)
        if row.warehouse == first:
            good.append(row)
        else:
            what = f"this delivery came to {first}; give what came elsewhere a reference of its own"
            judged.held.append(Held(row.delivered, "other_warehouse", {"what": what}))
    return good


# ------------------------------------------------------------------------------------------------ what came before


def _before(connection: Connection, rows: list[Row], judged: Judged) -> None:
    """New deliveries whole; of a known one what waited in quarantine, and nothing else (I-10)."""
    known = _received(connection, rows, judged)
    if not known:
        judged.fresh = rows
        return
    waiting = _waiting(connection, [row for row in rows if row.delivered.delivery in known])
    by_product: dict[tuple[Delivery, int], list[Row]] = defaultdict(list)
    for row in rows:
        if row.delivered.delivery in known:
            by_product[row.delivered.delivery, row.product_id].append(row)
        else:
            judged.fresh.append(row)
    for (delivery, product), group in by_product.items():
        _sort(group, known[delivery][product], waiting, judged)


def _sort(group: list[Row], before: int, waiting: set[tuple[str, object]], judged: Judged) -> None:
    """A product's rows in a known delivery: as they were, or what followed, or another content."""
    later = [row for row in group if _may_follow(row.delivered, waiting)]
    same = [row for row in group if not _may_follow(row.delivered, waiting)]
    if sum(row.quantity for row in group) == before:
        judged.unchanged += [row.delivered for row in group]
    elif later and (not same or sum(row.quantity for row in same) == before):
        judged.fresh += later
        judged.unchanged += [row.delivered for row in same]
    else:
        what = "this delivery was received with other content; give a correction a reference of its own"
        judged.held += [Held(row.delivered, "reference_reused", {"what": what, "received": before}) for row in group]


def _may_follow(one: Delivered, waiting: set[tuple[str, object]]) -> bool:
    return (one.reference, one.sku) in waiting or (one.reference, one.row) in waiting


def _received(connection: Connection, rows: Sequence[Row], judged: Judged) -> dict[Delivery, Counter[int]]:
    deliveries = list({row.delivered.delivery for row in rows})
    values = {"suppliers": [supplier for supplier, _ in deliveries], "references": [reference for _, reference in deliveries]}
    known: dict[Delivery, Counter[int]] = defaultdict(Counter)
    for row in connection.execute(sa.text(steps(__package__, "receipts")["known"]), values):
        known[row.supplier, row.reference][row.product_id] = row.quantity
        judged.rows_before[row.supplier, row.reference] = row.rows
    return known


def _waiting(connection: Connection, rows: Sequence[Row]) -> set[tuple[str, object]]:
    """Rows in quarantine: they were in the document, so they may still follow, by their SKU or by their place."""
    references = list({row.delivered.reference for row in rows})
    found = connection.execute(sa.text(steps(__package__, "receipts")["held"]), {"references": references}).all()
    return {(row.reference, mark) for row in found for mark in (row.sku, row.row)}
