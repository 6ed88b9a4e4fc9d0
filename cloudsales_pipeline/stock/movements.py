"""Posting movements to the ledger: judge a batch row by row, exactly, and write what is good in one statement.

What belongs here: which movements may be posted, and why one may not. What does not: files and commands (`files`, the command
line), reservations (`reservations`), and levels, which the database moves in the statement that writes the movement.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.codes import code_key
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.stock.reservations import Level, Pair, displace, lock_levels

LARGEST = 1_000_000
MOST_ON_HAND = 2**31 - 1  # what a level can hold
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # year 26 is a typing error; before year 1 in UTC can't be read back
LONGEST_REFERENCE = 200
CLOCKS_DIFFER = timedelta(minutes=5)  # a till's clock may be ahead of ours by so much
ANOTHER_POSTED_IT = frozenset({"23505"})  # a reference that another posted at this moment: found on the second look
SIGN = {"receipt": 1, "return": 1, "transfer_in": 1, "sale": -1, "transfer_out": -1, "adjustment": 1, "count": 1}
TRANSFER = frozenset({"transfer_in", "transfer_out"})

Then = Callable[[Connection, set[Pair]], object]
"""What is done behind movements, in their transaction, with the places that gained pieces: whoever waits for them is served
before any channel is shown one (the orders stage's `serve`; stock itself knows no orders)."""


def nothing(_connection: Connection, _gained: set[Pair]) -> None:
    """Nobody waits for pieces."""


@dataclass(frozen=True)
class Movement:
    """One movement as a person or a store says it.

    Args:
        reference: the business document; all its lines are posted together, once.
        sku: the product's SKU, or another of its codes.
        reason: receipt, sale, return, adjustment, count, transfer_in or transfer_out.
        quantity: pieces, positive; of an adjustment with its sign; of a count what was found.
        occurred_at: aware; None: now.
        row: where it stands in its file, for the person who corrects it.
    """

    reference: str
    warehouse: str
    sku: str
    reason: str
    quantity: int
    occurred_at: datetime | None = None
    row: int = 0


@dataclass(frozen=True)
class Refused:
    """A movement that was not posted: a reason code, and the evidence."""

    movement: Movement
    reason: str
    detail: dict[str, object]


@dataclass
class PostResult:
    """What became of a batch; rows_in = posted + unchanged + refused (I-44). displaced: pieces taken from reservations (I-07)."""

    posted: int = 0
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)
    displaced: int = 0


@dataclass(frozen=True)
class _Line:
    movement: Movement
    product_id: int
    at: datetime
    units: int  # as the ledger has it; of a count, what was found

    @property
    def pair(self) -> Pair:
        return self.product_id, self.movement.warehouse

    @property
    def content(self) -> tuple[object, ...]:
        return (*self.pair, self.movement.reason, self.units)


def post(
    engine: Engine,
    movements: Sequence[Movement],
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    facts: bool = False,
    then: Then = nothing,
) -> PostResult:
    """Post a batch in a transaction of its own, tried again after a deadlock or a connection lost while committing.

    A repeat is safe: what was posted before is found by its reference (F-21, F-22, I-10).

    Raises:
        DatabaseError: the database can't be reached, or others kept changing the same rows.
    """

    def work(connection: Connection) -> PostResult:
        return post_movements(connection, movements, now=now(), facts=facts, then=then)

    return unit_of_work(engine, work, also=ANOTHER_POSTED_IT, repeatable=True)


def post_movements(
    connection: Connection,
    movements: Sequence[Movement],
    *,
    now: datetime,
    facts: bool = False,
    file_id: int | None = None,
    then: Then = nothing,
) -> PostResult:
    """Post what is good of a batch, in the caller's transaction; the rest comes back with its reasons.

    Rows are judged in their order: a receipt makes room for the sale behind it. A count is compared with what was on hand
    when it was made, so that later movements which are already recorded stay. A count below what is reserved takes the
    newest reservations back to waiting (I-07); so does a sale of `facts` (a till's: the piece is gone); any other movement
    that would leave less than is reserved is refused.
    """
    result = PostResult()
    lines = _readable(connection, movements, now, result)
    posted = _posted(connection, lines)
    lines = _not_posted_before(connection, lines, posted, result)
    lines = _whole_transfers(lines, result)
    if not lines:
        return result
    levels = lock_levels(connection, {line.pair for line in lines})
    later = _later_than_counts(connection, lines)
    walk = _Walk(levels, later, facts)
    for group in _in_order(lines):
        walk.take(group)
    result.refused += walk.refused
    result.displaced = displace(connection, walk.displaced)
    _write(connection, walk.accepted, posted, file_id)
    result.posted = len(walk.accepted)
    if gained := {line.pair for line, change in walk.accepted if change > 0}:
        then(connection, gained)
    return result


# ------------------------------------------------------------------------------------------------ what can be read


def plain_fault(movement: Movement, warehouses: frozenset[str], now: datetime) -> tuple[str, str] | None:
    """A reason code and words for what is wrong with a movement by itself; None where nothing is. Pure."""
    if not movement.reference.strip() or len(movement.reference) > LONGEST_REFERENCE or not _is_storable(movement.reference):
        return "bad_reference", f"a reference has 1 to {LONGEST_REFERENCE} characters"
    if movement.reason not in SIGN:
        return "unknown_reason", f"known are: {', '.join(SIGN)}"
    if movement.warehouse not in warehouses:
        return "unknown_warehouse", f"known are: {', '.join(sorted(warehouses)) or 'none'}"
    if abs(movement.quantity) > LARGEST:
        return "quantity_too_large", f"at most {LARGEST} pieces in one movement"
    if movement.quantity < 0 and movement.reason != "adjustment":
        return "negative_quantity", "only an adjustment may be negative; a sale or transfer_out is written as a positive number"
    if movement.quantity == 0 and movement.reason != "count":
        return "zero_quantity", "only a count may be zero"
    if movement.occurred_at is not None and movement.occurred_at > now + CLOCKS_DIFFER:
        return "future_date", f"it is {now:%Y-%m-%d %H:%M} UTC"
    if movement.occurred_at is not None and movement.occurred_at < EARLIEST:
        return "bad_time", f"a time since {EARLIEST:%Y} is expected"
    return None


def _is_storable(text: str) -> bool:
    """Whether a database takes it: no NUL, and no half character, as a shell passes on bytes that are not UTF-8."""
    return "\x00" not in text and text.encode(errors="replace").decode() == text


def _readable(connection: Connection, movements: Sequence[Movement], now: datetime, result: PostResult) -> list[_Line]:
    warehouses = frozenset(connection.execute(sa.text("select warehouse from cloudsales.warehouse")).scalars())
    products = products_of_skus(connection, {movement.sku.strip() for movement in movements})
    lines = []
    for given in movements:
        movement = replace(given, reference=given.reference.strip(), warehouse=given.warehouse.strip(), sku=given.sku.strip())
        fault = plain_fault(movement, warehouses, now)
        product_id = products.get(movement.sku)
        if fault:
            result.refused.append(Refused(movement, fault[0], {"what": fault[1]}))
        elif product_id is None:
            result.refused.append(Refused(movement, "unknown_sku", {"what": "no product has this SKU, EAN or additional code"}))
        else:
            at = movement.occurred_at or now
            lines.append(_Line(movement, product_id, min(at, now), movement.quantity * SIGN[movement.reason]))
    return lines


def products_of_skus(connection: Connection, skus: set[str]) -> dict[str, int]:
    """The products by SKU as written, else by any of their codes; a code of two products is nobody's."""
    readable = [sku for sku in skus if _is_storable(sku)]
    keys = {sku: key for sku in readable if (key := code_key(sku)) is not None}
    queries = steps(__package__, "movements")
    by_sku = connection.execute(sa.text(queries["by_sku"]), {"skus": readable}).all()
    found: dict[str, int] = {row.sku: row.product_id for row in by_sku}
    missing = {sku: key for sku, key in keys.items() if sku not in found}
    if missing:
        rows = connection.execute(sa.text(queries["by_code"]), {"keys": list(set(missing.values()))}).all()
        by_key = {row.key: row.product_id for row in rows}
        found.update({sku: by_key[key] for sku, key in missing.items() if key in by_key})
    return found


# ------------------------------------------------------------------------------------------------ references


_Posted = dict[str, list[sa.Row[Any]]]
"""The ledger's rows of each reference, by line. New lines are numbered behind these, and by no later look: a reference that
another posts at this moment then breaks the unique key, and all of the batch is judged anew."""


def _posted(connection: Connection, lines: list[_Line]) -> _Posted:
    references = list({line.movement.reference for line in lines})
    found: _Posted = defaultdict(list)
    for row in connection.execute(sa.text(steps(__package__, "movements")["posted"]), {"references": references}):
        found[row.reference].append(row)
    return dict(found)


def _not_posted_before(connection: Connection, lines: list[_Line], posted: _Posted, result: PostResult) -> list[_Line]:
    """The lines of new references; those of a known one are a repeat, or refused with what it was posted with."""
    if not posted:
        return lines
    left: dict[str, Counter[tuple[object, ...]]] = {
        reference: Counter((row.product_id, row.warehouse, row.reason, row.units) for row in rows)
        for reference, rows in posted.items()
    }
    held = _held_lines(connection, list(posted))
    fresh = []
    for line in lines:
        known = left.get(line.movement.reference)
        if known is None:
            fresh.append(line)
        elif known[line.content] > 0:
            known[line.content] -= 1
            result.unchanged += 1
        elif _key(line.movement) in held:
            fresh.append(line)
        else:
            result.refused.append(_reused(line, posted[line.movement.reference]))
    return fresh


def _reused(line: _Line, rows: Sequence[sa.Row[Any]]) -> Refused:
    before = [f"{row.reason} {abs(row.units)} of {row.sku} in {row.warehouse}" for row in rows[:5]]
    what = "this reference was posted with other content; give a correction a reference of its own"
    return Refused(line.movement, "reference_reused", {"what": what, "posted": before})


def _held_lines(connection: Connection, references: list[str]) -> set[tuple[str, ...]]:
    """Lines of these references that wait in quarantine: they were in the document, so they may still follow."""
    rows = connection.execute(sa.text(steps(__package__, "movements")["held"]), {"references": references}).all()
    return {(row.reference, row.warehouse, row.sku, row.reason) for row in rows}


def _key(movement: Movement) -> tuple[str, ...]:
    return movement.reference, movement.warehouse, movement.sku, movement.reason


def _whole_transfers(lines: list[_Line], result: PostResult) -> list[_Line]:
    """A transfer's lines sum to nothing for each product of its reference, or all of them are refused (I-11)."""
    sums: Counter[tuple[str, int]] = Counter()
    for line in lines:
        if line.movement.reason in TRANSFER:
            sums[line.movement.reference, line.product_id] += line.units
    good = []
    for line in lines:
        missing = sums[line.movement.reference, line.product_id] if line.movement.reason in TRANSFER else 0
        if missing:
            what = f"out and in of one reference must sum to nothing; they sum to {missing}"
            result.refused.append(Refused(line.movement, "transfer_incomplete", {"what": what}))
        else:
            good.append(line)
    return good


# ------------------------------------------------------------------------------------------------ one row after the other


def _in_order(lines: list[_Line]) -> list[list[_Line]]:
    """Lines in their order; a transfer's lines of one product stand together, the outgoing first, where its first line is."""
    groups: dict[object, list[_Line]] = {}
    for position, line in enumerate(lines):
        transfer = line.movement.reason in TRANSFER
        key: object = (line.movement.reference, line.product_id) if transfer else position
        groups.setdefault(key, []).append(line)
    return [sorted(group, key=lambda line: line.units) for group in groups.values()]


def _later_than_counts(connection: Connection, lines: list[_Line]) -> dict[tuple[Pair, datetime], int]:
    """For each count the sum of what is recorded already and happened after it."""
    counts = [line for line in lines if line.movement.reason == "count"]
    if not counts:
        return {}
    values = {
        "products": [line.product_id for line in counts],
        "warehouses": [line.movement.warehouse for line in counts],
        "instants": [line.at for line in counts],
    }
    rows = connection.execute(sa.text(steps(__package__, "movements")["later"]), values).all()
    return {((row.product_id, row.warehouse), row.instant): row.quantity for row in rows}


class _Walk:
    """The levels as they would be after each row: exact, where a sum over the batch would refuse or allow too much."""

    def __init__(self, levels: dict[Pair, Level], later: dict[tuple[Pair, datetime], int], facts: bool) -> None:
        self.on_hand = {pair: level.on_hand for pair, level in levels.items()}
        self.reserved = {pair: level.reserved for pair, level in levels.items()}
        self.later = later
        self.facts = facts
        self.accepted: list[tuple[_Line, int]] = []
        self.changes: dict[Pair, list[tuple[datetime, int]]] = defaultdict(list)  # of what was accepted
        self.refused: list[Refused] = []
        self.displaced: Counter[Pair] = Counter()

    def take(self, group: list[_Line]) -> None:
        """Accept all lines of a group, or none."""
        before = {line.pair: self.on_hand[line.pair] for line in group}
        for done, line in enumerate(group):
            fault = self._one(line)
            if fault:
                self.on_hand |= before
                for accepted in group[:done]:
                    self.accepted.pop()
                    self.changes[accepted.pair].pop()
                self.refused += [Refused(other.movement, fault[0], fault[1]) for other in group]
                return

    def _one(self, line: _Line) -> tuple[str, dict[str, object]] | None:
        pair = line.pair
        change = self._change(line)
        left = self.on_hand[pair] + change
        evidence: dict[str, object] = {"on_hand": self.on_hand[pair], "reserved": self.reserved[pair]}
        if left < 0:
            reason = "count_contradicted" if line.movement.reason == "count" else "not_enough_stock"
            return reason, {**evidence, "what": f"{left} pieces would be left"}
        if left > MOST_ON_HAND:
            return "quantity_too_large", {**evidence, "what": f"a warehouse holds at most {MOST_ON_HAND} pieces of a product"}
        if left < self.reserved[pair]:
            if not (line.movement.reason == "count" or (self.facts and line.movement.reason == "sale")):
                return "not_enough_available", {**evidence, "what": "orders hold what would be taken"}
            self.displaced[pair] += self.reserved[pair] - left
            self.reserved[pair] = left
        self.on_hand[pair] = left
        self.accepted.append((line, change))
        self.changes[pair].append((line.at, change))
        return None

    def _change(self, line: _Line) -> int:
        if line.movement.reason != "count":
            return line.units
        of_batch = sum(change for at, change in self.changes[line.pair] if at > line.at)
        believed = self.on_hand[line.pair] - self.later.get((line.pair, line.at), 0) - of_batch
        return line.units - believed


def _write(connection: Connection, accepted: list[tuple[_Line, int]], posted: _Posted, file_id: int | None) -> None:
    """One INSERT; its trigger moves the levels and marks the publications in the same statement."""
    if not accepted:
        return
    numbers: Counter[str] = Counter({reference: rows[-1].line for reference, rows in posted.items()})
    rows = []
    for line, change in accepted:
        numbers[line.movement.reference] += 1
        rows.append(
            {
                "warehouse": line.movement.warehouse,
                "product_id": line.product_id,
                "quantity": change,
                "reason": line.movement.reason,
                "counted": line.units if line.movement.reason == "count" else None,
                "reference": line.movement.reference,
                "line": numbers[line.movement.reference],
                "occurred_at": line.at.isoformat(),
            }
        )
    connection.execute(sa.text(steps(__package__, "movements")["write"]), {"rows": json.dumps(rows), "file_id": file_id})
