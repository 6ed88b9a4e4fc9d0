"""Publishing over a real connection to a channel that misbehaves: the end is right, and nothing older ever shows over newer.

What belongs here: the fault list's channel part (F-01 to F-16 as they concern a push), the harsh level, SIGKILL at each step.
What does not: the database's faults (test_database_faults).
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.attempts import OneAttempt
from cloudsales_pipeline.database.engine import create_engine, steps
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.simulator.faults import Fault
from cloudsales_pipeline.simulator.server import RunningServer, running
from cloudsales_pipeline.simulator.state import State
from cloudsales_pipeline.stock import publishing
from cloudsales_pipeline.stock.movements import Movement, post
from cloudsales_pipeline.stock.publisher import PublishResult
from cloudsales_pipeline.stock.publishing import publish_all
from cloudsales_pipeline.stock.reservations import Demand, release, reserve
from cloudsales_pipeline.stock.rules import sync_rules
from tests.killing import killed_at_each_step
from tests.listing.fake_channel import product, variant
from tests.stock.planted import states
from tests.stock.rule_world import put_listings, put_products, with_channels

pytestmark = pytest.mark.timeout(120)
SKUS = [f"S{n:02}" for n in range(1, 21)]
VARIANTS = [f"v{sku}" for sku in SKUS]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
RULES: list[dict[str, Any]] = [
    {"warehouses": ["A", "B"]},
    {"warehouses": ["A", "B"], "buffer": 2},
    {"warehouses": ["A"], "share": "0.5"},
    {"warehouses": ["A", "B"], "cap": 4, "by_sku": {"S03": {"warehouses": ["B"]}}},
]
QUICK = replace(publishing.CALL, total_seconds=1.5, attempt_seconds=0.4, read_seconds=0.3, longest_pause=0.2, backoff_base=0.02)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    """A simulator with twenty listings, and a publisher with little patience."""
    monkeypatch.setenv("SHOP_TOKEN", "t")
    monkeypatch.setattr(publishing, "CALL", QUICK)
    products = [product(f"p{name}", [variant(name)]) for name in VARIANTS]
    with running(State.of([], [json.dumps(one).encode() for one in products], []), token="t") as server:
        yield server


def told_of(settings: Settings, url: str, rule: dict[str, Any] = RULES[0], brake: float = 0.3) -> Settings:
    return with_channels(
        settings,
        fashionup={
            "url": url,
            "token_env": "SHOP_TOKEN",
            "stock": rule,
            "limits": {"requests_per_minute": 60_000, "hold_if_share_to_zero": brake},
        },
    )


@pytest.fixture
def told(engine: Engine, settings: Settings, shop: RunningServer) -> Settings:
    """Twenty products with seven pieces each, listed on the shop and due there."""
    told = told_of(settings, shop.url)
    put_products(engine, *SKUS)
    sync_rules(engine, told)
    put_listings(engine, *SKUS)
    post(engine, [Movement(f"NIR-{sku}", "A", sku, "receipt", 7, LONG_AGO) for sku in SKUS])
    return told


def publish_now(engine: Engine, told: Settings, seconds: float = 0.2) -> PublishResult:
    return publish_all(told, engine, seconds=seconds, keep_listening=False)["fashionup"]


def time_passes(engine: Engine) -> None:
    """All that waits for a later moment may be tried again."""
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.publication set retry_at = now() where retry_at > now()")
        connection.exec_driver_sql("update cloudsales.stock_channel set next_try_at = null")
        connection.exec_driver_sql("delete from cloudsales.channel_pause")


def published_in_the_end(engine: Engine, told: Settings) -> None:
    """I-23, with the faults over."""
    for _ in range(8):
        time_passes(engine)
        publish_now(engine, told, seconds=2)
        if states(engine).keys() <= {"done", "unknown"}:
            return
    raise AssertionError(states(engine))


def never_went_back(state: State) -> bool:
    """I-21, by all that was ever set."""
    newest: dict[str, int] = {}
    for write in state.stock_history:
        if write.result == "set":
            if write.version < newest.get(write.variant_id, -1):
                return False
            newest[write.variant_id] = write.version
    return True


def last_versions_are_acknowledged_and_shown(engine: Engine, state: State) -> None:
    """I-23, I-25."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "select variant_id, quantity, version, acknowledged_version, acknowledged_quantity from cloudsales.publication"
        ).all()
    offers = state.offers(VARIANTS)
    assert len(rows) == len(VARIANTS)
    for row in rows:
        assert (row.acknowledged_version, row.acknowledged_quantity) == (row.version, row.quantity)
        assert offers[row.variant_id] == (row.quantity, row.version)


# ------------------------------------------------------------------------------------------------ one fault at a time

TROUBLE = [
    ("F-02 F-03 reset", Fault.RESET, 0, "OutcomeUnknownError"),
    ("F-03 F-08 reset after the work", Fault.RESET_AFTER_WORK, 0, "OutcomeUnknownError"),
    ("F-03 F-08 time-out after the work", Fault.STALL, 0.6, "OutcomeUnknownError"),
    ("F-04 cut body", Fault.CUT_BODY, 0, "OutcomeUnknownError"),
    ("F-04 cut body in chunks", Fault.CUT_CHUNKED, 0, "OutcomeUnknownError"),
    ("F-04 cut body without a length", Fault.CUT_UNSIZED, 0, "OutcomeUnknownError"),
    ("F-05 slow drip", Fault.SLOW_DRIP, 2, "OutcomeUnknownError"),
    ("F-06 HTML with 200", Fault.HTML_PAGE, 0, "OutcomeUnknownError"),
    ("F-06 half a JSON with 200", Fault.BROKEN_JSON, 0, "OutcomeUnknownError"),
    ("F-07 429 with seconds", Fault.TOO_MANY, 30, "RateLimitedError"),
    ("F-07 429 with a date", Fault.TOO_MANY_DATE, 30, "RateLimitedError"),
    ("F-07 429 with nothing", Fault.TOO_MANY_BARE, 0, "RateLimitedError"),
    ("F-07 429 with 1e9", Fault.TOO_MANY, 1e9, "RateLimitedError"),
    ("F-08 500 after the work", Fault.FAILED_AFTER_WORK, 0, "ServerFailedError"),
    ("F-09 401 in the middle", Fault.UNAUTHORISED, 0, "AuthenticationError"),
    ("F-15 200 MB in gzip", Fault.GZIP_BOMB, 0, "BodyTooLargeError"),
    ("F-16 redirect to another host", Fault.REDIRECT, 0, "RedirectRefusedError"),
    ("503", Fault.UNAVAILABLE, 0, "ServerFailedError"),
]


@pytest.mark.parametrize(("fault", "seconds", "failure"), [one[1:] for one in TROUBLE], ids=[one[0] for one in TROUBLE])
def test_after_a_fault_on_every_attempt_nothing_is_lost_and_the_next_pass_publishes_all(
    engine: Engine, told: Settings, shop: RunningServer, fault: Fault, seconds: float, failure: str
) -> None:
    shop.state.faults.always("putStock", fault, seconds=seconds)
    done = publish_now(engine, told)
    assert (done.acknowledged, done.due, done.failure) == (0, 20, failure)
    post(engine, [Movement("BON-1", "A", "S05", "sale", 3, LONG_AGO + timedelta(days=1))])  # moves on meanwhile
    shop.state.faults.clear()
    published_in_the_end(engine, told)
    last_versions_are_acknowledged_and_shown(engine, shop.state)
    assert never_went_back(shop.state)
    assert shop.state.offers(["vS05", "vS06"]) == {"vS05": (4, 2), "vS06": (7, 1)}


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://nowhere.invalid/v1"], ids=["F-01 refused", "F-01 DNS"])
def test_a_channel_that_can_not_be_reached_gets_all_once_it_can(
    engine: Engine, settings: Settings, told: Settings, shop: RunningServer, url: str
) -> None:
    done = publish_now(engine, told_of(settings, url))
    assert (done.acknowledged, done.due, done.failure) == (0, 20, "ChannelUnreachableError")
    published_in_the_end(engine, told)
    last_versions_are_acknowledged_and_shown(engine, shop.state)


def test_f07_a_wish_to_wait_for_30_years_is_heeded_for_an_hour_by_everybody(
    engine: Engine, told: Settings, shop: RunningServer
) -> None:
    shop.state.faults.queue("putStock", Fault.TOO_MANY, seconds=1e9)
    publish_now(engine, told)
    requests = shop.state.faults.requests["putStock"]
    assert publish_now(engine, told).requests == 0
    assert shop.state.faults.requests["putStock"] == requests
    with engine.connect() as connection:
        waits = connection.exec_driver_sql(
            "select extract(epoch from next_try_at - now())::float8, extract(epoch from paused_until - now())::float8"
            " from cloudsales.stock_channel join cloudsales.channel_pause using (channel)"
        ).one()
    assert all(3500 < wait <= 3600 for wait in waits)


# ------------------------------------------------------------------------------------------------ everything at once


class Clerk:
    """Moves stock, holds it, changes the rule; and knows from its own notes alone what must be shown in the end."""

    def __init__(self, engine: Engine, settings: Settings, url: str, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - repeatable
        self.engine, self._settings, self._url = engine, settings, url
        self.rule = RULES[0]
        self.on_hand: Counter[tuple[str, str]] = Counter({("A", sku): 7 for sku in SKUS})
        self.held: dict[str, tuple[str, str, int]] = {}
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("select sku, product_id from cloudsales.product").all()
        self.products = {row.sku: row.product_id for row in rows}
        self.turns = 0

    def told(self) -> Settings:
        return told_of(self._settings, self._url, self.rule, brake=1.0)

    def turn(self) -> None:
        self.turns += 1
        self.chance.choice([self.receive, self.receive, self.sell, self.sell, self.transfer, self.hold, self.give_back])()
        if self.turns % 25 == 0:
            self.rule = self.chance.choice(RULES)
            sync_rules(self.engine, self.told())

    def free(self, place: str, sku: str) -> int:
        return self.on_hand[place, sku] - sum(q for p, s, q in self.held.values() if (p, s) == (place, sku))

    def receive(self) -> None:
        self._post([(self._place(), sku, "receipt", self.chance.randint(1, 5)) for sku in self._skus()])

    def sell(self) -> None:
        place = self._place()
        self._post([(place, sku, "sale", free) for sku in self._skus() if (free := self.free(place, sku)) > 0])

    def transfer(self) -> None:
        sku, out = self._skus()[0], self._place()
        if free := self.free(out, sku):
            self._post([(out, sku, "transfer_out", free), ("B" if out == "A" else "A", sku, "transfer_in", free)])

    def hold(self) -> None:
        sku, place = self._skus()[0], self._place()
        with self.engine.begin() as connection:
            owner = f"order-{self.turns}"
            got = reserve(connection, [Demand(owner, self.products[sku], place, 2, LONG_AGO)])[0]
        if got:
            self.held[owner] = (place, sku, got)

    def give_back(self) -> None:
        if self.held:
            owner = self.chance.choice(list(self.held))
            with self.engine.begin() as connection:
                release(connection, [owner])
            del self.held[owner]

    def expected(self, sku: str) -> int:
        mine = self.rule | self.rule.get("by_sku", {}).get(sku, {})
        available = sum(self.free(place, sku) for place in mine["warehouses"])
        share = math.floor((available - mine.get("buffer", 0)) * Decimal(mine.get("share", 1)))
        return max(0, min(share, mine.get("cap", share)))

    def _post(self, lines: list[tuple[str, str, str, int]]) -> None:
        if lines:
            given = [Movement(f"D-{self.turns}", place, sku, reason, q, LONG_AGO) for place, sku, reason, q in lines]
            assert post(self.engine, given).posted == len(lines)
            for place, sku, reason, quantity in lines:
                self.on_hand[place, sku] += -quantity if reason in ("sale", "transfer_out") else quantity

    def _skus(self) -> list[str]:
        return self.chance.sample(SKUS, 3)

    def _place(self) -> str:
        return self.chance.choice("AB")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_under_harsh_faults_two_publishers_end_with_every_figure_at_its_last_version(
    engine: Engine, database_url: URL, settings: Settings, told: Settings, shop: RunningServer, seed: int
) -> None:
    """I-21, I-23, I-25, F-27: while stock moves, orders hold it and the rule changes; a brake would need a person, so it is off."""
    post(engine, [Movement("NIR-0", "B", sku, "receipt", 1, LONG_AGO) for sku in SKUS])
    clerk = Clerk(engine, settings, shop.url, seed)
    clerk.on_hand.update({("B", sku): 1 for sku in SKUS})
    shop.state.faults.level("harsh", seed)
    over = threading.Event()
    failures: list[BaseException] = []

    def publish_on() -> None:
        own = create_engine(database_url)
        try:
            while not over.is_set():
                publish_all(clerk.told(), own, seconds=0.5, stop=over)
                time_passes(own)
        except BaseException as error:
            failures.append(error)
        finally:
            own.dispose()

    publishers = [threading.Thread(target=publish_on) for _ in range(2)]
    for thread in publishers:
        thread.start()
    begun = time.monotonic()

    def struck() -> Counter[Any]:
        return Counter(fault for operation, fault in shop.state.faults.log if operation == "putStock")

    def went_on() -> float:
        return time.monotonic() - begun

    # Longer on a busy machine, which gets less done in four seconds.
    while not failures and (went_on() < 4 or ((clerk.turns <= 25 or struck().total() < 5) and went_on() < 40)):
        clerk.turn()
        time.sleep(0.01)
    over.set()
    for thread in publishers:
        thread.join(20)
    assert failures == []
    faults = struck().total()
    shop.state.faults.clear()
    published_in_the_end(engine, clerk.told())
    last_versions_are_acknowledged_and_shown(engine, shop.state)
    assert {name: offer.quantity for name, offer in shop.state.offers(VARIANTS).items()} == {
        f"v{sku}": clerk.expected(sku) for sku in SKUS
    }
    assert never_went_back(shop.state)
    assert clerk.turns > 25
    assert faults >= 5


# ------------------------------------------------------------------------------------------------ SIGKILL


def _http(count: Callable[..., None]) -> None:
    """The steps at the wire: about to send, and answered."""
    handle = OneAttempt.handle_request

    def counted(self: OneAttempt, request: Any) -> Any:
        count(f"before {request.method} {request.url.path}")
        answer = handle(self, request)
        count(f"after {request.method} {request.url.path}")
        return answer

    OneAttempt.handle_request = counted  # type: ignore[method-assign]


def _names(kills: list[str]) -> list[str]:
    """Statements by their names in our files."""
    files = {name: steps("cloudsales_pipeline.stock", name) for name in ("pushes", "rules")}
    known = {" ".join(text.split()): step for file in files.values() for step, text in file.items()}
    return [known.get(plain := re.sub(r"%\((\w+)\)s(::\w+(\[\])?)?", r":\1", kill), plain[:60]) for kill in kills]


def test_f24_a_publisher_killed_at_any_step_leaves_a_history_that_never_goes_back_and_an_end_that_is_right(
    engine: Engine, database_url: URL, told: Settings, shop: RunningServer
) -> None:
    """I-41: one channel lives through all the kills. A pass has two listings due, one of which the channel has overtaken."""
    publish_now(engine, told, seconds=5)
    kills: list[str] = []

    def again(turn: int) -> None:
        """Two listings are due; of one the channel has seen a higher version, so that reading back is swept too."""
        post(engine, [Movement(f"NIR-{turn}", "A", sku, "receipt", 1, LONG_AGO) for sku in SKUS[:2]])
        version = shop.state.offers(["vS02"])["vS02"].version
        shop.state.set_stock([("vS02", 99, version + 5)])

    again(0)
    for step in killed_at_each_step(database_url, lambda own: publish_now(own, told, seconds=5), also=_http, told=kills):
        assert never_went_back(shop.state)
        again(step)
        time_passes(engine)
    names = _names(kills)
    sys.stdout.write("\n".join(f"{number} {name}" for number, name in enumerate(names, start=1)))
    assert {"before PUT /v1/stock", "after PUT /v1/stock", "before GET /v1/stock", "after GET /v1/stock"} <= set(names)
    assert {"register", "revive", "claim", "lock", "acknowledge", "raise_stale", "before COMMIT", "after COMMIT"} <= set(names)
    published_in_the_end(engine, told)
    last_versions_are_acknowledged_and_shown(engine, shop.state)
    assert never_went_back(shop.state)
    assert shop.state.offers(["vS01"])["vS01"].quantity == 7 + 1 + len(kills)


def test_f24_killed_while_its_request_is_done_and_not_answered_a_publisher_does_no_harm(
    engine: Engine, database_url: URL, told: Settings, shop: RunningServer
) -> None:
    shop.state.faults.queue("putStock", Fault.STALL, seconds=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            publish_now(create_engine(database_url), told)
        finally:
            os._exit(0)
    until = time.monotonic() + 20
    while not shop.state.stock_history and time.monotonic() < until:
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert len(shop.state.stock_history) == 20
    assert states(engine) == {"due": 20}
    published_in_the_end(engine, told)
    last_versions_are_acknowledged_and_shown(engine, shop.state)
    assert never_went_back(shop.state)
