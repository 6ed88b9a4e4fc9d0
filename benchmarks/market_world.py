"""Our side of the market: products that all channels sell, importers, publishers, a warehouse, and a reader who only looks.

What belongs here: setting it up, letting it run, bringing it to rest, and what must hold then. What does not: the channels and
their buyers (`market_shop`), the exposure's definition (`market_exposure`), how large it is and what is printed (`market`).
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import URL, Engine

from benchmarks import market_sql
from benchmarks.market_exposure import Exposure, Histories, exposure
from benchmarks.market_shop import Buyer, WatchedShop, as_it_stands
from cloudsales_pipeline.channels.limits import TransportLimits
from cloudsales_pipeline.channels.registry import open_channel
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.orders import life
from cloudsales_pipeline.orders.importing import ImportResult, import_orders
from cloudsales_pipeline.orders.quality import check_orders
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.settings import (
    ChannelSettings,
    DatabaseSettings,
    LimitSettings,
    OrderSettings,
    Settings,
    StockRuleSettings,
    StockSettings,
    WarehouseSettings,
)
from cloudsales_pipeline.simulator.faults import Level
from cloudsales_pipeline.simulator.server import running
from cloudsales_pipeline.stock import reconcile as reconciling
from cloudsales_pipeline.stock.movements import Movement, post
from cloudsales_pipeline.stock.publishing import publish_all
from cloudsales_pipeline.stock.quality import check_stock
from cloudsales_pipeline.stock.rules import sync_rules

WAREHOUSE = "CENTRAL"
TOKEN = "market"  # noqa: S105 - opens nothing but a simulator on this machine
TOKEN_VARIABLE = "CLOUDSALES_MARKET_TOKEN"  # noqa: S105
PATIENCE = TransportLimits(
    attempts=3, total_seconds=8.0, attempt_seconds=4.0, read_seconds=3.0, longest_pause=1.5, backoff_base=0.05
)
PIECES_AN_ORDER = 2.2
"""Goods come in about as fast as they sell, so that all stays scarce and the buyers are not stopped."""
ROUNDS = 60


class Size(Struct, frozen=True, kw_only=True):
    """How large a market is. `orders`: of each channel; `a_second`: at most so many of them. `pieces`: of each product at first."""

    channels: int
    orders: int
    products: int
    pieces: int
    a_second: float
    faults: Level = "harsh"
    seed: int = 1


class Seen(Struct):
    """What the reader saw: how often it looked, and what did not hold then."""

    looks: int = 0
    broken: list[str] = []


class Outcome(Struct, frozen=True, kw_only=True):
    """A market that has come to rest.

    Args:
        broken: what does not hold in the end; empty: all does. looks: of the reader, during the whole of it.
        shown_too_few: listings that offered fewer than they should, before what they show was read back.
        put_back: pieces on offer again by a push that was repeated after a sale.
        waiting: pieces that orders wait for in the end.
    """

    orders: int
    changes: int
    amended: int
    seconds: float
    resting_seconds: float
    looks: int
    broken: tuple[str, ...]
    faults: int
    waiting: int
    shown_too_few: int
    put_back: int
    exposure: Exposure


def play(engine: Engine, size: Size) -> Outcome:
    """Open the market on an empty, migrated database; let it run until all orders are placed; bring it to rest, and look."""
    os.environ[TOKEN_VARIABLE] = TOKEN
    names = [f"shop{number}" for number in range(1, size.channels + 1)]
    skus = [f"S{number:04}" for number in range(1, size.products + 1)]
    shops = {name: WatchedShop.with_products(skus) for name in names}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(shop, token=TOKEN)) for name, shop in shops.items()}
        settings = _settings(engine.url, {name: server.url for name, server in servers.items()})
        market = Market(engine, settings, shops, skus, size)
        market.fill()
        return market.run()


class Market:
    """A market that is set up."""

    def __init__(
        self, engine: Engine, settings: Settings, shops: dict[str, WatchedShop], skus: Sequence[str], size: Size
    ) -> None:
        self.engine, self.settings, self.shops, self.skus, self.size = engine, settings, shops, skus, size
        self.over, self._stop_reading = threading.Event(), threading.Event()
        self.failures: list[BaseException] = []
        self.seen = Seen()
        self.amended = 0

    # -------------------------------------------------------------------------------------------- before

    def fill(self) -> None:
        """Products with a listing on each channel, the first pieces, and these offered everywhere."""
        sync_rules(self.engine, self.settings)
        with self.engine.begin() as connection:
            for statement in market_sql.FILL:
                connection.execute(sa.text(statement), {"skus": list(self.skus), "channels": list(self.shops)})
        post(self.engine, [Movement(f"FIRST-{sku}", WAREHOUSE, sku, "receipt", self.size.pieces) for sku in self.skus])
        publish_all(self.settings, self.engine, seconds=30, keep_listening=False)

    # -------------------------------------------------------------------------------------------- while it runs

    def run(self) -> Outcome:
        """Until all orders are placed, and then to rest."""
        for number, shop in enumerate(self.shops.values()):
            shop.faults.level(self.size.faults, self.size.seed + number)
        buyers = [
            Buyer(shop, self.size.orders, self.size.a_second, self.over, self.size.seed * 100 + number)
            for number, shop in enumerate(self.shops.values())
        ]
        begin = time.time()
        reader = threading.Thread(target=self._guarded, args=(self._read,), daemon=True)
        workers = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in self._work(buyers)]
        for thread in (reader, *workers, *buyers):
            thread.start()
        for buyer in buyers:
            while buyer.is_alive() and not self.failures:
                buyer.join(0.1)
        end = time.time()
        self.over.set()
        for thread in (*workers, *buyers):
            thread.join(60)
        struck = sum(len(shop.faults.log) for shop in self.shops.values())
        broken = self._rest() if not self.failures else []
        shown_too_few = self._read_back()
        broken += self._wrong()
        self._stop_reading.set()
        reader.join(60)
        return Outcome(
            orders=sum(len(buyer.placed) for buyer in buyers),
            changes=sum(buyer.changes for buyer in buyers),
            amended=self.amended,
            seconds=end - begin,
            resting_seconds=time.time() - end,
            looks=self.seen.looks,
            broken=(*(repr(one) for one in self.failures), *self.seen.broken, *broken),
            faults=struck,
            waiting=int(self._rows("select coalesce(sum(waiting), 0) as pieces from cloudsales.sales_order_line")[0].pieces),
            shown_too_few=shown_too_few,
            put_back=sum(shop.put_back for shop in self.shops.values()),
            exposure=exposure(self._histories(), begin, end),
        )

    def _work(self, buyers: Sequence[Buyer]) -> Iterator[Callable[[], None]]:
        for name in self.shops:
            yield lambda name=name: self._import_on([name], 0.05)  # type: ignore[misc]
        yield lambda: self._import_on(list(self.shops), 0.2)  # a second one, now here and now there
        yield self._publish_on
        yield self._publish_on
        yield lambda: self._receive_on(buyers)
        yield self._issue_on

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.failures.append(error)

    @contextmanager
    def _own(self) -> Iterator[Engine]:
        engine = create_engine(self.engine.url)
        try:
            yield engine
        finally:
            engine.dispose()

    def _import_on(self, names: Sequence[str], pause: float) -> None:
        chance = random.Random(len(names))
        with self._own() as engine:
            while not self.over.is_set():
                self.amended += self._import(engine, chance.choice(names), 10).batch.amended
                self.over.wait(pause)

    def _import(self, engine: Engine, name: str, seconds: float) -> ImportResult:
        settings = self.settings.channel(name)
        channel = open_channel(name, settings, database=engine, limits=PATIENCE)
        try:
            return import_orders(engine, channel, settings, deadline=time.monotonic() + seconds)
        finally:
            channel.close()

    def _publish_on(self) -> None:
        with self._own() as engine:
            while not self.over.is_set():
                publish_all(self.settings, engine, seconds=5, stop=self.over)

    def _receive_on(self, buyers: Sequence[Buyer]) -> None:
        """About as many pieces as were ordered since the last look, now and then a count that finds one fewer."""
        chance, number, before = random.Random(self.size.seed), 0, 0
        with self._own() as engine:
            while not self.over.wait(0.25):
                placed = sum(len(buyer.placed) for buyer in buyers)
                pieces = max(len(buyers), int((placed - before) * PIECES_AN_ORDER))
                before, number = placed, number + 1
                chosen = Counter(chance.choices(self.skus, k=pieces))
                receipts = [Movement(f"NIR-{number}", WAREHOUSE, sku, "receipt", many) for sku, many in chosen.items()]
                post(engine, receipts, then=serve)
                if number % 8 == 0:
                    self._count(engine, number, chance.choice(self.skus))

    def _count(self, engine: Engine, number: int, sku: str) -> None:
        query = "select on_hand from cloudsales.stock_level join cloudsales.product using (product_id) where sku = :sku"
        found = self._rows(query, sku=sku)[0].on_hand
        post(engine, [Movement(f"INV-{number}", WAREHOUSE, sku, "count", max(0, found - 1))], then=serve)

    def _issue_on(self) -> None:
        """Parcels leave, of orders taken by chance."""
        with self._own() as engine:
            while not self.over.wait(0.2):
                for row in self._rows(market_sql.PAID):
                    with suppress(RefusedError):
                        life.issue(engine, row.channel, row.external_id, partial=True)

    def _read(self) -> None:
        """Look again and again, on a connection of its own, whether what must hold at every commit holds."""
        with self._own() as engine, engine.connect() as connection:
            while not self._stop_reading.wait(0.02):
                row = connection.execute(sa.text(market_sql.LOOK)).one()
                connection.rollback()
                self.seen.looks += 1
                self.seen.broken += [f"{name}: {value}" for name, value in row._asdict().items() if value][:5]

    # -------------------------------------------------------------------------------------------- at rest

    def _rest(self) -> list[str]:
        """No more faults, no more waiting for a later try: import and publish until nothing is left to do."""
        for shop in self.shops.values():
            shop.faults.clear()
        for _ in range(ROUNDS):
            self._time_passes()
            for name in self.shops:
                self._import(self.engine, name, 60)
            self._publish()
            if not (left := self._left()):
                return []
        return [f"never came to rest: {left}"]

    def _publish(self) -> None:
        publish_all(self.settings, self.engine, seconds=20, keep_listening=False, wait_for_lease=5)

    def _time_passes(self) -> None:
        with self.engine.begin() as connection:
            for statement in market_sql.TIME_PASSES:
                connection.exec_driver_sql(statement)

    def _left(self) -> dict[str, int]:
        return {name: value for name, value in self._rows(market_sql.LEFT)[0]._asdict().items() if value}

    def _read_back(self) -> int:
        """How many listings offer fewer than we said: their buyers changed their minds before we knew. Reading back heals it."""
        different = sum(offers[0] < wanted[0] for offers, wanted in self._shown())
        if different:
            with patch.object(reconciling, "SETTLES_SECONDS", 0.0), patch.object(reconciling, "AGAIN_SECONDS", 0.0):
                for name in (*self.shops, *self.shops):  # the second look believes the first
                    self._reconcile(name)
            self._publish()
        return different

    def _reconcile(self, name: str) -> None:
        settings = self.settings.channel(name)
        channel = open_channel(name, settings, database=self.engine, limits=PATIENCE)
        try:
            limits = settings.limits
            reconciling.reconcile(self.engine, channel, limits, StockSettings(), deadline=time.monotonic() + 60)
        finally:
            channel.close()

    def _shown(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Of each listing what its channel offers, and what we say it should: (pieces, version)."""
        rows = self._rows("select channel, variant_id, quantity, version from cloudsales.publication")
        offers = {name: shop.offers(f"V-{sku}" for sku in self.skus) for name, shop in self.shops.items()}
        return [(offers[row.channel][row.variant_id], (row.quantity, row.version)) for row in rows]

    def _wrong(self) -> list[str]:
        """What does not hold at rest; empty: all does."""
        results = [*check_stock(self.engine), *check_orders(self.engine, self.settings.channels)]
        wrong = [f"{one.rule}: {one.offending_rows} of {one.checked_rows}, {one.sample}" for one in results if not one.passed]
        shown = self._shown()
        if len(shown) != len(self.shops) * len(self.skus):
            wrong.append(f"{len(shown)} listings are published")
        if differ := [one for one in shown if tuple(one[0]) != one[1]]:
            wrong.append(f"{len(differ)} listings show another figure than ours, such as {differ[0]}")
        return wrong + self._lost_or_doubled()

    def _lost_or_doubled(self) -> list[str]:
        """Every order of every channel is here once, at its last revision with its lines, and the channel was told."""
        rows = self._rows(market_sql.ORDERS)
        wrong = [] if len(rows) == len({(row.channel, row.external_id) for row in rows}) else ["an order is here twice"]
        found = {(row.channel, row.external_id): row for row in rows}
        for name, shop in self.shops.items():
            for order_id, order in as_it_stands(shop).items():
                row = found.pop((name, order_id), None)
                if row is None or row.revision != order["revision"]:
                    wrong.append(f"{name}/{order_id}: lost, or not at revision {order['revision']}")
                elif row.acknowledgement != "done" or not shop.acknowledged.get(order_id):
                    wrong.append(f"{name}/{order_id}: not acknowledged")
                elif not (row.frozen or row.wanted == sum(line["quantity"] for line in order["lines"])):
                    wrong.append(f"{name}/{order_id}: {row.wanted} pieces")
        return [*wrong[:10], *(f"{key}: no such order" for key in list(found)[:5])]

    def _histories(self) -> Histories:
        decided: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for row in self._rows(market_sql.DECIDED):
            decided.setdefault((row.channel, row.external_id), []).append((row.revision, row.at))
        unread, sold = [], []
        for name, shop in self.shops.items():
            for one in shop.sold:
                sold.append((one.at, one.sku, one.quantity))
                known = [at for revision, at in decided.get((name, one.order_id), []) if revision >= one.revision]
                unread += [(one.at, one.sku, one.quantity), (min(known, default=time.time()), one.sku, -one.quantity)]
        return Histories(
            on_hand=[(row.at, row.sku, row.pieces) for row in self._rows(market_sql.ON_HAND)],
            reserved=[(row.at, row.sku, row.pieces) for row in self._rows(market_sql.RESERVED)],
            unread=unread,
            offered={name: shop.offered for name, shop in self.shops.items()},
            sold=sold,
        )

    def _rows(self, sql: str, **values: Any) -> Sequence[sa.Row[Any]]:
        with self.engine.connect() as connection:
            return connection.execute(sa.text(sql), values).all()


def _settings(url: URL, addresses: dict[str, str]) -> Settings:
    # The brake would stop a channel on which much sells out at once, and ask a person: here all is scarce.
    limits = LimitSettings(requests_per_minute=100_000, hold_if_share_to_zero=1.0)
    channels = {
        name: ChannelSettings(
            kind="fashionup",
            url=address,
            token_env=TOKEN_VARIABLE,
            page_size=100,
            limits=limits,
            stock=StockRuleSettings(warehouses=(WAREHOUSE,)),
            orders=OrderSettings(warehouse=WAREHOUSE),
        )
        for name, address in addresses.items()
    }
    database = DatabaseSettings.model_validate({"url": url.render_as_string(hide_password=False)})
    return Settings(database=database, warehouses={WAREHOUSE: WarehouseSettings()}, channels=channels)
