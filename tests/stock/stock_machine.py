"""A state machine over the ledger, reservations, rules and pushes, beside a model of a few dictionaries that knows what must be.

What belongs here: the steps, the model, the invariants. What does not: when it runs, and with which bug planted
(test_invariants).
"""

from __future__ import annotations

import itertools
import math
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import ChannelUnreachableError, OutcomeUnknownError
from cloudsales_pipeline.channels.port import StockResult, StockUpdate
from cloudsales_pipeline.settings import LimitSettings, Settings
from cloudsales_pipeline.stock import movements
from cloudsales_pipeline.stock.movements import Movement, PostResult
from cloudsales_pipeline.stock.publisher import publish
from cloudsales_pipeline.stock.reservations import Demand, release, reserve
from cloudsales_pipeline.stock.rules import sync_rules
from tests.stock.fake_channel import FakeStock
from tests.stock.rule_world import put_listings, put_products, with_channels

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SKUS, PLACES = ("S1", "S2", "S3"), ("A", "B")
RUNS = itertools.count(1)
FAST = LimitSettings(requests_per_minute=60_000)
Pair = tuple[str, str]

RULES: tuple[dict[str, Any], ...] = (
    {"warehouses": ["A"]},
    {"warehouses": ["A", "B"]},
    {"warehouses": ["A", "B"], "buffer": 2},
    {"warehouses": ["A", "B"], "share": "0.5"},
    {"warehouses": ["B"], "cap": 3},
    {"warehouses": ["A", "B"], "by_sku": {"S1": {"warehouses": ["B"]}}},
    {"warehouses": ["A", "B"], "by_sku": {"S1": {"buffer": 3}, "S2": {"share": "0.3"}}},
    {"warehouses": []},
)
skus, places, pieces = st.sampled_from(SKUS), st.sampled_from(PLACES), st.integers(1, 6)


class Channel(FakeStock):
    """The channel of the machine: its first failure ends the pass, so that no step waits."""

    def __init__(self, name: str, variants: Sequence[str], *, asynchronous: bool) -> None:
        super().__init__(variants, name=name, batch=2, asynchronous=asynchronous)
        self.stop = threading.Event()
        self.unknown: set[str] = set()

    def push_stock(self, updates: Any) -> tuple[StockResult, ...]:
        if self.fails_before or self.fails_after:
            self.stop.set()
        return super().push_stock(updates)

    def _set(self, update: StockUpdate) -> StockResult:
        held = self.shows.pop(update.variant_id) if update.variant_id in self.unknown else None
        result = super()._set(update)
        if held is not None:
            self.shows[update.variant_id] = held
        return result

    def stock_result(self, ticket: str) -> tuple[StockResult, ...]:
        return super().stock_result(ticket) if ticket in self.waiting else ()


class StockMachine(RuleBasedStateMachine):
    """Each run has products and a channel of its own, in the database of `engine`."""

    engine: ClassVar[Engine]
    settings: ClassVar[Settings]

    def __init__(self) -> None:
        super().__init__()
        self.run = next(RUNS)
        self.channel_name = f"shop{self.run}"
        self.real = {sku: f"{sku}.{self.run}" for sku in SKUS}
        self.on_hand: dict[Pair, int] = {}
        self.open: list[tuple[str, str, str, int]] = []  # owner, sku, warehouse, pieces; the earliest placed first
        self.ended: list[str] = []
        self.clock = 0
        self.last: list[Movement] = []
        self.versions: dict[Pair, tuple[tuple[int, int], int]] = {}
        self.published: dict[str, tuple[int | None, int]] = {}
        self.tampered: set[str] = set()

    @initialize(asynchronous=st.booleans(), rule_number=st.integers(0, len(RULES) - 1))
    def begin(self, asynchronous: bool, rule_number: int) -> None:
        self.channel = Channel(self.channel_name, [f"v{sku}" for sku in self.real.values()], asynchronous=asynchronous)
        put_products(self.engine, *self.real.values())
        self.products = self._numbers()
        self.change_rule(rule_number)
        put_listings(self.engine, *self.real.values(), channel=self.channel_name)

    def teardown(self) -> None:
        if hasattr(self, "channel") and sys.exc_info()[0] is None:  # nothing went wrong before
            self._converges()

    # ------------------------------------------------------------ movements

    @rule(sku=skus, place=places, quantity=pieces, reason=st.sampled_from(["receipt", "return"]))
    def more(self, sku: str, place: str, quantity: int, reason: str) -> None:
        assert self._post(Movement(self._name(), place, self.real[sku], reason, quantity, self._now())).posted == 1
        self._add(sku, place, quantity)

    @rule(sku=skus, place=places, quantity=pieces, how=st.sampled_from(["sale", "till", "adjustment"]))
    def less(self, sku: str, place: str, quantity: int, how: str) -> None:
        units = -quantity if how == "adjustment" else quantity
        reason = "adjustment" if how == "adjustment" else "sale"
        result = self._post(Movement(self._name(), place, self.real[sku], reason, units, self._now()), facts=how == "till")
        left = self.on_hand.get((sku, place), 0) - quantity
        taken = max(0, self._held(sku, place) - left)
        if left < 0 or (taken and how != "till"):
            assert [one.reason for one in result.refused] == ["not_enough_stock" if left < 0 else "not_enough_available"]
            return
        assert (result.posted, result.displaced) == (1, taken)
        self._add(sku, place, -quantity)
        self._displace(sku, place, taken)

    @rule(sku=skus, place=places, found=st.integers(0, 6))
    def count(self, sku: str, place: str, found: int) -> None:
        result = self._post(Movement(self._name(), place, self.real[sku], "count", found, self._now()))
        taken = max(0, self._held(sku, place) - found)
        assert (result.posted, result.displaced) == (1, taken)
        self.on_hand[sku, place] = found
        self._displace(sku, place, taken)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def count_below_what_is_held(self, data: st.DataObject) -> None:
        """I-07."""
        _, sku, place, _ = data.draw(st.sampled_from(self.open))
        self.count(sku, place, data.draw(st.integers(0, self._held(sku, place) - 1)))

    @rule(sku=skus, quantity=pieces, back=st.booleans())
    def transfer(self, sku: str, quantity: int, back: bool) -> None:
        out, to = ("B", "A") if back else ("A", "B")
        name, now = self._name(), self._now()
        result = self._post(
            Movement(name, to, self.real[sku], "transfer_in", quantity, now),
            Movement(name, out, self.real[sku], "transfer_out", quantity, now),
        )
        if self.on_hand.get((sku, out), 0) - self._held(sku, out) < quantity:
            assert (result.posted, len(result.refused)) == (0, 2)
            return
        assert result.posted == 2
        self._add(sku, out, -quantity)
        self._add(sku, to, quantity)

    @precondition(lambda self: self.last)
    @rule(other=st.booleans())
    def repeat(self, other: bool) -> None:
        """I-10: what was posted does nothing again; with other content it is refused."""
        before = self.last
        given = [Movement(m.reference, m.warehouse, m.sku, m.reason, m.quantity + other, m.occurred_at) for m in before]
        result = movements.post(self.engine, given)
        assert (result.posted, result.unchanged, len(result.refused)) == (0, 0 if other else len(given), len(given) * other)

    @rule(sku=skus, place=places, quantity=pieces)
    def change_that_is_rolled_back(self, sku: str, place: str, quantity: int) -> None:
        """I-24: neither the change nor its mark is there."""
        with self.engine.connect() as connection:
            movement = Movement(self._name(), place, self.real[sku], "receipt", quantity, self._now())
            movements.post_movements(connection, [movement], now=datetime.now(UTC))
            connection.rollback()

    # ------------------------------------------------------------ reservations

    @rule(sku=skus, place=places, quantity=pieces)
    def hold(self, sku: str, place: str, quantity: int) -> None:
        owner = self._name()
        free = self.on_hand.get((sku, place), 0) - self._held(sku, place)
        with self.engine.begin() as connection:
            got = reserve(connection, [Demand(owner, self.products[sku], place, quantity, self._now())])
        assert got == [min(free, quantity)]
        if got[0]:
            self.open.append((owner, sku, place, got[0]))

    @precondition(lambda self: self.open or self.ended)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """Also one that has ended: then nothing happens (I-16)."""
        owner = data.draw(st.sampled_from([one[0] for one in self.open] + self.ended[-3:]))
        with self.engine.begin() as connection:
            given = release(connection, [owner])
        held = [one for one in self.open if one[0] == owner]
        assert list(given.items()) == [(owner, one[3]) for one in held]
        self._end(owner)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def issue(self, data: st.DataObject) -> None:
        """The pieces leave: the reservation ends and a sale is posted, in one transaction."""
        owner, sku, place, quantity = data.draw(st.sampled_from(self.open))
        sale = Movement(f"issue-{owner}", place, self.real[sku], "sale", quantity, self._now())
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(
                    "update cloudsales.reservation set state = 'issued', ended_at = now() where owner = :o and state = 'open'"
                ),
                {"o": owner},
            )
            assert movements.post_movements(connection, [sale], now=datetime.now(UTC)).posted == 1
        self._end(owner)
        self._add(sku, place, -quantity)

    # ------------------------------------------------------------ rules

    @rule(number=st.integers(0, len(RULES) - 1))
    def change_rule(self, number: int) -> None:
        self.rule = RULES[number]
        mine = {self.real[sku]: other for sku, other in self.rule.get("by_sku", {}).items()}
        sync_rules(self.engine, with_channels(self.settings, **{self.channel_name: {"stock": {**self.rule, "by_sku": mine}}}))

    # ------------------------------------------------------------ pushes

    @rule()
    def push(self) -> None:
        self.channel.stop.clear()
        self._publish()

    @rule(failure=st.sampled_from(["unreachable", "lost answer", "change meanwhile"]), sku=skus, place=places)
    def push_with_trouble(self, failure: str, sku: str, place: str) -> None:
        self.channel.stop.clear()
        if failure == "unreachable":
            self.channel.fails_before = [ChannelUnreachableError("no connection", channel=self.channel_name)]
        elif failure == "lost answer":
            self.channel.fails_after = [OutcomeUnknownError("no answer", channel=self.channel_name)]
        elif failure == "change meanwhile":
            self.channel.during = lambda: self.more(sku, place, 1, "receipt")
        self._publish()
        self.channel.fails_before, self.channel.fails_after, self.channel.during = [], [], None

    @rule(sku=skus)
    def channel_refuses(self, sku: str) -> None:
        self.channel.refuses ^= {f"v{self.real[sku]}"}

    @rule(sku=skus)
    def channel_forgets(self, sku: str) -> None:
        self.channel.unknown ^= {f"v{self.real[sku]}"}

    @rule(sku=skus, ahead=st.integers(1, 5))
    def channel_has_seen_a_higher_version(self, sku: str, ahead: int) -> None:
        """Of a listing that is to be sent: one that is done and changed over there is reconciliation's (test_reconcile)."""
        variant = f"v{self.real[sku]}"
        if any(row.variant_id == variant and row.state == "done" for row in self._publications()):
            return
        self.channel.shows[variant] = (77, (self.published[variant][1] if variant in self.published else 0) + ahead)
        self.tampered.add(variant)

    @rule()
    def channel_answers(self) -> None:
        self.channel.answers = not self.channel.answers

    @rule()
    def time_passes(self) -> None:
        """Whatever waits may be tried again, and the channel too."""
        here = {"c": self.channel_name}
        with self.engine.begin() as connection:
            sooner = "update cloudsales.publication set retry_at = now() where channel = :c and retry_at > now()"
            connection.execute(sa.text(sooner), here)
            connection.execute(sa.text("update cloudsales.stock_channel set next_try_at = null where channel = :c"), here)

    # ------------------------------------------------------------ what must hold after each step

    @invariant()
    def i06_i09_levels_are_the_ledger_and_hold_what_is_reserved(self) -> None:
        found = self._pairs("select sku, warehouse, on_hand, reserved from analytics.stock_level where sku = any (:skus)")
        ledger = self._pairs(
            "select sku, warehouse, sum(quantity)::integer from analytics.stock_movement where sku = any (:skus) group by 1, 2"
        )
        held = self._pairs(
            "select sku, warehouse, sum(quantity)::integer from analytics.reservation where state = 'open' and sku = any (:skus)"
            " group by 1, 2"
        )
        assert {pair: level[0] for pair, level in found.items()} == self.on_hand
        assert {pair: total[0] for pair, total in ledger.items()} == self.on_hand
        model = {pair: self._held(*pair) for pair in self.on_hand if self._held(*pair)}
        assert {pair: level[1] for pair, level in found.items() if level[1]} == model
        assert {pair: total[0] for pair, total in held.items()} == model
        assert all(0 <= reserved <= on_hand for on_hand, reserved in found.values())

    @invariant()
    def i07_i16_each_owner_holds_what_it_should(self) -> None:
        """The newest give way first, and of one that was split the rest goes on."""
        found = self._rows(
            "select owner, sum(quantity)::integer as quantity from analytics.reservation where state = 'open' and sku = any (:skus)"
            " group by owner"
        )
        assert {row.owner: row.quantity for row in found} == {owner: quantity for owner, _, _, quantity in self.open}

    @invariant()
    def i12_a_levels_version_grows_with_every_change(self) -> None:
        found = self._pairs(
            "select sku, warehouse, on_hand, reserved, version from analytics.stock_level where sku = any (:skus)"
        )
        for pair, (on_hand, reserved, version) in found.items():
            before, old = self.versions.get(pair, ((0, 0), 0))
            assert version > old if (on_hand, reserved) != before else version >= old, pair
            self.versions[pair] = (on_hand, reserved), version

    @invariant()
    def i22_i24_what_is_wanted_is_what_the_rule_gives_and_what_differs_is_marked(self) -> None:
        for row in self._publications():
            assert row.quantity == self._expected(row.variant_id[1:].removesuffix(f".{self.run}")), row
            before, old = self.published.get(row.variant_id, (None, 0))
            assert row.version > old if row.quantity != before else row.version >= old, row
            self.published[row.variant_id] = row.quantity, row.version
            assert (row.state == "unknown") == (row.quantity is None), row
            if row.state == "done":
                assert (row.acknowledged_quantity, row.acknowledged_version) == (row.quantity, row.version), row
                if row.variant_id not in self.tampered:
                    assert self.channel.shows[row.variant_id] == (row.quantity, row.version), row

    @invariant()
    def i21_what_the_channel_was_told_never_goes_back(self) -> None:
        if hasattr(self, "channel"):
            assert self.channel.versions_never_went_back()
            assert self.channel.overlaps == 0
            told = [update for call in self.channel.calls for update in call]
            newest: dict[str, int] = {}
            for update in told:
                assert update.version >= newest.get(update.variant_id, 0), update
                newest[update.variant_id] = update.version

    def _converges(self) -> None:
        """I-23, I-25: a healthy channel ends with every figure at its last version."""
        self.channel.refuses, self.channel.unknown, self.channel.answers = set(), set(), True
        for _ in range(6):
            self.channel.stop.clear()
            self.time_passes()
            self._publish()
        self.tampered.clear()
        self.i22_i24_what_is_wanted_is_what_the_rule_gives_and_what_differs_is_marked()
        self.i21_what_the_channel_was_told_never_goes_back()
        for row in self._publications():
            assert row.state == ("unknown" if row.quantity is None else "done"), row
            if row.quantity is not None:
                assert self.channel.shows[row.variant_id] == (row.quantity, row.version)

    # ------------------------------------------------------------ the model and its small parts

    def _expected(self, sku: str) -> int | None:
        """The rule, worked out from the model: none of it is ours."""
        mine = self.rule | self.rule.get("by_sku", {}).get(sku, {})
        known = [place for place in mine["warehouses"] if (sku, place) in self.on_hand]
        if not known:
            return None
        available = sum(self.on_hand[sku, place] - self._held(sku, place) for place in known)
        share = math.floor((available - mine.get("buffer", 0)) * Decimal(mine.get("share", 1)))
        return max(0, min(share, mine.get("cap", share)))

    def _post(self, *given: Movement, facts: bool = False) -> PostResult:
        result = movements.post(self.engine, given, facts=facts)
        if result.posted:
            self.last = list(given)
        return result

    def _add(self, sku: str, place: str, quantity: int) -> None:
        self.on_hand[sku, place] = self.on_hand.get((sku, place), 0) + quantity

    def _held(self, sku: str, place: str) -> int:
        return sum(one[3] for one in self.open if one[1:3] == (sku, place))

    def _displace(self, sku: str, place: str, taken: int) -> None:
        """The newest give way first (I-07)."""
        for owner, *pair, quantity in reversed(self.open):
            if taken and pair == [sku, place]:
                gone = min(taken, quantity)
                taken -= gone
                where = next(n for n, one in enumerate(self.open) if one[0] == owner)
                self.open[where] = (owner, sku, place, quantity - gone)
        self.ended += [one[0] for one in self.open if not one[3]]
        self.open = [one for one in self.open if one[3]]

    def _end(self, owner: str) -> None:
        self.open = [one for one in self.open if one[0] != owner]
        self.ended.append(owner)

    def _publish(self) -> None:
        publish(
            self.engine,
            self.channel,
            FAST,
            deadline=time.monotonic() + 1.5,
            keep_listening=False,
            stop=self.channel.stop,
        )

    def _now(self) -> datetime:
        self.clock += 1
        return BEGIN + timedelta(minutes=self.clock)

    def _name(self) -> str:
        self.clock += 1
        return f"D-{self.run}-{self.clock}"

    def _numbers(self) -> dict[str, int]:
        by_name = {name: sku for sku, name in self.real.items()}
        rows = self._rows("select sku, product_id from cloudsales.product where sku = any (:skus)")
        return {by_name[row.sku]: row.product_id for row in rows}

    def _pairs(self, sql: str) -> dict[Pair, tuple[int, ...]]:
        return {(row[0].removesuffix(f".{self.run}"), row[1]): tuple(row[2:]) for row in self._rows(sql)}

    def _publications(self) -> Sequence[Any]:
        return self._rows(
            "select variant_id, quantity, version, state, acknowledged_version, acknowledged_quantity"
            " from cloudsales.publication where channel = :channel"
        )

    def _rows(self, sql: str) -> Sequence[Any]:
        facts: Mapping[str, Any] = {"skus": list(self.real.values()), "channel": self.channel_name}
        facts = {name: value for name, value in facts.items() if f":{name}" in sql}
        with self.engine.connect() as connection:
            return connection.execute(sa.text(sql), facts).all()
