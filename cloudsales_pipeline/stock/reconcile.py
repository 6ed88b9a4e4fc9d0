"""Reconciling one channel: read back what it really shows, correct what differs, list what nobody looks after.

What belongs here: which listings are read and in what order, how fast, and handing the answers to reconcile.sql, which judges
them. What does not: sending the corrections (stock.publisher, which finds them due), and showing what was found (stock.offers).

No lease is held. A publication is compared only if it is just as it was before the channel was asked: acknowledged, with the
same version, at the same moment. Whatever changes a figure raises that version first (I-24), so an answer that is older than a
change is never taken for drift, and a correction never overwrites a newer figure. docs/decisions/0015 has the reasons.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import asdict

from cloudsales_pipeline.channels.port import OfferedStock, SalesChannel
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.settings import LimitSettings, StockSettings
from cloudsales_pipeline.stock import pushes

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

SETTLES_SECONDS = 60.0
"""What a channel acknowledged a moment ago, another of its servers may not show yet: it is read in the next round."""

AGAIN_SECONDS = 900.0
"""How long less than wanted must last to be believed. It may have sold one, and the order is under way: orders are asked for
every few seconds, so after a quarter of an hour it has come and lowered the figure here. A hiccup has passed by then too."""

REPORT_HOLDS_SECONDS = 86_400.0
"""A report without versions may be a day old (channels.store): it says nothing of a figure that was acknowledged since."""

SHARE_OF_LIMIT = 0.05
"""Of the channel's requests a minute, one for each batch (which takes up to three): publishing keeps its 80 in 100."""

SHARE_OF_ROUND = 4
"""Second looks, and ghosts, each have at most one in so many of a reconciliation's listings: the rotation has the rest."""

FEW = 20
"""Below so many listings a share says nothing."""

LAST_ID = 2**63 - 1
MOST_PIECES = 2**31 - 1


class Reconciliation(Struct, kw_only=True):
    """What one reconciliation found, in listings.

    read: were asked for, ghosts included. changed: changed meanwhile, left alone. unreported: the store's report says nothing of
    them. drifted: showed another figure, of which `corrected` are due again and the rest wait for a second look. suspected: all
    that wait for a second look, absent ones included. back: known again, and due. ghosts: of `ghosts_read`, those on sale.
    never_acknowledged, not_shown: are listed as such now. doubted: too many suspected at once. came_round: every listing of the
    channel had its turn in this reconciliation.
    """

    read: int = 0
    agreed: int = 0
    drifted: int = 0
    corrected: int = 0
    suspected: int = 0
    not_shown: int = 0
    back: int = 0
    changed: int = 0
    unreported: int = 0
    ghosts_read: int = 0
    ghosts: int = 0
    never_acknowledged: int = 0
    doubted: bool = False
    came_round: bool = False


def reconcile(
    engine: Engine,
    channel: SalesChannel,
    limits: LimitSettings,
    stock: StockSettings,
    *,
    deadline: float,
    stop: threading.Event | None = None,
    progress: Callable[[Mapping[str, object]], None] = lambda _: None,
) -> Reconciliation:
    """Read back at most `stock.reconcile_listings` listings, until `deadline` (of time.monotonic) or `stop`.

    Args:
        progress: called after each batch with the counts so far.

    Raises:
        ChannelError: the channel did not answer; what was read before is written down, and the next reconciliation goes on
            behind it (I-42).
        RefusedError: another reconciliation of the channel goes on at the same time.
    """
    pushes.register(engine, channel.name)
    reading = _Reading(engine, channel, limits, stock, deadline, stop or threading.Event(), progress)
    return reading.run()


class _Reading:
    """One reconciliation: its budget, its pace and its counts."""

    def __init__(
        self,
        engine: Engine,
        channel: SalesChannel,
        limits: LimitSettings,
        stock: StockSettings,
        deadline: float,
        stop: threading.Event,
        progress: Callable[[Mapping[str, object]], None],
    ) -> None:
        self._engine, self._channel, self._name = engine, channel, channel.name
        self._limits, self._stock = limits, stock
        self._deadline, self._stop, self._progress = deadline, stop, progress
        self._interval = 60.0 / limits.requests_per_minute / SHARE_OF_LIMIT
        self._next_at = time.monotonic()
        self._looked: list[int] = []
        self._found = Reconciliation()

    def run(self) -> Reconciliation:
        """What costs no request first, then what is most likely to matter, then round the listings as far as there is room."""
        self._look_at_ourselves()
        portion = max(1, self._stock.reconcile_listings // SHARE_OF_ROUND)
        self._second_looks(portion)
        self._ghosts(min(portion, self._left()))
        self._go_round()
        self._finish()
        return self._found

    def _look_at_ourselves(self) -> None:
        waited = self._stock.unreached_after.total_seconds()
        with self._engine.begin() as connection:
            self._run(connection, "tidy")
            self._found.never_acknowledged = self._run(connection, "never_acknowledged", waited=waited).scalar_one()

    def _second_looks(self, portion: int) -> None:
        """What seemed to show too little before, or was not there: this time it is believed."""
        after = 0
        while portion > 0 and self._in_time():
            limit = min(self._room(), portion)
            with self._engine.connect() as connection:
                rows = self._run(
                    connection, "second_looks", after=after, limit=limit, again=AGAIN_SECONDS, settles=SETTLES_SECONDS
                ).all()
            if rows:
                self._look(rows)
                self._looked += [row.publication_id for row in rows]
            if len(rows) < limit:
                return
            after, portion = rows[-1].publication_id, portion - len(rows)

    def _ghosts(self, portion: int) -> None:
        """Listings on sale over there without a publication here: what they offer now."""
        if not self._channel.capabilities.own_listing:
            return
        with self._engine.connect() as connection:
            names: list[str] = list(self._run(connection, "ghost_candidates", limit=portion).scalars())
        size = self._channel.capabilities.stock_batch
        for start in range(0, len(names), size):
            if not self._in_time():
                return
            batch = names[start : start + size]
            offered = self._read(batch)
            quantities = [offered[name].quantity if name in offered else 0 for name in batch]
            with self._engine.begin() as connection:
                self._found.ghosts += self._run(connection, "ghosts", variants=batch, quantities=quantities).scalar_one()
            self._found.ghosts_read += len(batch)
            self._progress(asdict(self._found))

    def _go_round(self) -> None:
        """From where the last one ended, to the last listing, and on from the first one up to there."""
        with self._engine.connect() as connection:
            start: int = self._run(connection, "cursor").scalar_one()
        after, until = start, LAST_ID
        while self._left() > 0 and self._in_time():
            limit = self._room()
            with self._engine.connect() as connection:
                facts = {"after": after, "until": until, "limit": limit, "settles": SETTLES_SECONDS, "looked": self._looked}
                rows = self._run(connection, "next", **facts).all()
            ended = len(rows) < limit
            behind = 0 if ended and until == LAST_ID else rows[-1].publication_id if rows else after
            self._look(rows, cursor=(after, behind))
            if ended and (until == start or start == 0):
                self._found.came_round = True
                return
            after, until = behind, start if ended else until

    def _look(self, rows: Sequence[sa.Row[Any]], cursor: tuple[int, int] | None = None) -> None:
        """Ask the channel of these, then judge and write all of the batch, and the cursor, in one transaction (I-42)."""
        offered = self._read([row.variant_id for row in rows])
        answers = [offered.get(row.variant_id) for row in rows]
        with self._engine.begin() as connection:
            if rows:
                self._judge(connection, rows, answers)
            if cursor is not None:
                moved = self._run(connection, "move_on", before=cursor[0], after=cursor[1]).rowcount
                if not moved:
                    raise RefusedError(
                        f"Another reconciliation of {self._name} is under way.", next_step="let it end; it does the same"
                    )
        self._progress(asdict(self._found))

    def _judge(self, connection: Connection, rows: Sequence[sa.Row[Any]], answers: Sequence[OfferedStock | None]) -> None:
        columns = {
            "ids": [row.publication_id for row in rows],
            "versions": [row.version for row in rows],
            "acknowledged": [row.acknowledged_at for row in rows],
            "states": [row.state for row in rows],
            "quantities": [None if offer is None else offer.quantity for offer in answers],
            "theirs": [None if offer is None or offer.version is None else offer.version for offer in answers],
        }
        self._run(connection, "lock", ids=columns["ids"])
        verdicts = self._run(
            connection,
            "compare",
            own_listing=self._channel.capabilities.own_listing,
            again=AGAIN_SECONDS,
            report_holds=REPORT_HOLDS_SECONDS,
            highest=pushes.HIGHEST_VERSION,
            **columns,
        )
        for row in verdicts:
            self._count(row.act, row.verdict, row.listings)

    def _count(self, act: str, verdict: str, listings: int) -> None:
        name = "agreed" if act == "agrees" else act
        setattr(self._found, name, getattr(self._found, name) + listings)
        if verdict in ("higher", "lower"):
            self._found.drifted += listings

    def _read(self, variants: Sequence[str]) -> dict[str, OfferedStock]:
        """What the channel offers of these, at the pace that leaves publishing its share; numbers as our tables can hold them."""
        if not variants:
            return {}
        self._stop.wait(max(0.0, min(self._next_at, self._deadline) - time.monotonic()))
        self._next_at = time.monotonic() + self._interval
        offered = self._channel.read_stock(variants)
        self._found.read += len(variants)
        return {offer.variant_id: _within_bounds(offer) for offer in offered}

    def _finish(self) -> None:
        found = self._found
        share = found.suspected / found.read if found.read else 0.0
        found.doubted = found.read >= FEW and share > self._limits.hold_if_share_to_zero
        with self._engine.begin() as connection:
            if found.doubted:
                self._run(connection, "doubt", listings=found.suspected, share=round(share, 4))
            self._run(connection, "finish")

    def _left(self) -> int:
        return self._stock.reconcile_listings - self._found.read

    def _room(self) -> int:
        return min(self._channel.capabilities.stock_batch, self._left())

    def _in_time(self) -> bool:
        return not self._stop.is_set() and time.monotonic() < self._deadline

    def _run(self, connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
        text = steps("cloudsales_pipeline.stock", "reconcile")[step]
        return connection.execute(sa.text(text), {"channel": self._name, **values})


def _within_bounds(offer: OfferedStock) -> OfferedStock:
    quantity = max(-1, min(offer.quantity, MOST_PIECES))
    version = None if offer.version is None else max(-1, min(offer.version, pushes.HIGHEST_VERSION))
    return OfferedStock(offer.variant_id, quantity, version)
