"""Movements at a steady rate, each with the moment of its commit; and when a shop's log has their figures.

Each movement sells one piece, so that a product's k-th sale makes the figure START - k: a shop has it when it was first told
that figure or a lower one.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
from sqlalchemy.engine import Engine

from benchmarks.stock_server import Push
from benchmarks.stock_world import START, WAREHOUSE
from cloudsales_pipeline.stock.movements import Movement, post_movements

Sale = tuple[float, str, int]
"""When it was committed (time.time()), the listing, and the figure that it made."""


class Load:
    """Sales of products taken at random, by the same seed each time."""

    def __init__(self, engine: Engine, products: int) -> None:
        self._engine, self._products = engine, products
        self._choice = random.Random(1)
        self._sold: Counter[int] = Counter()
        self._number = 0

    def batch(self, size: int) -> list[Sale]:
        """Post so many sales in one transaction."""
        products = [self._choice.randint(1, self._products) for _ in range(size)]
        movements = [Movement(f"sale-{self._next()}", WAREHOUSE, f"S{product}", "sale", 1) for product in products]
        with self._engine.connect() as connection:
            posted = post_movements(connection, movements, now=datetime.now(UTC)).posted
            connection.commit()
        at = time.time()
        if posted != size:
            raise SystemExit(f"WRONG RESULT in lag: {posted} of {size} movements were posted")
        self._sold.update(products)
        return [(at, f"V{product}", START - self._sold[product]) for product in set(products)]

    def steadily(self, seconds: float, rate: int, batch: int) -> list[Sale]:
        """`rate` sales a second in batches; where one is late the next follows at once."""
        sales: list[Sale] = []
        started = time.perf_counter()
        for number in range(int(seconds * rate / batch)):
            time.sleep(max(0.0, started + number * batch / rate - time.perf_counter()))
            sales += self.batch(batch)
        return sales

    def _next(self) -> int:
        self._number += 1
        return self._number


def lags(sales: Sequence[Sale], log: Sequence[Push], shop: str) -> list[float | None]:
    """Of each sale, the seconds from its commit until the shop was told its figure or a later one; None: it was not."""
    told: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for push in log:
        if push.shop == shop:
            for variant, quantity in push.items:
                told[variant].append((quantity, push.at))
    found: list[float | None] = []
    for at, variant, figure in sales:
        came = next((moment for quantity, moment in told[variant] if quantity <= figure), None)
        found.append(None if came is None else came - at)
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    return sorted(values)[max(0, -(-len(values) * round(share * 1000) // 1000) - 1)]


@contextmanager
def bare_notify(engine: Engine) -> Iterator[list[float]]:
    """Seconds from a NOTIFY's commit to its arrival in another session, four times a second: what the machine is worth."""
    found: list[float] = []
    stop = threading.Event()
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def measure() -> None:
        with psycopg.connect(address, autocommit=True) as ear, psycopg.connect(address, autocommit=True) as mouth:
            ear.execute("listen bench")
            while not stop.wait(0.25):
                mouth.execute("notify bench")
                at = time.perf_counter()
                list(ear.notifies(timeout=5, stop_after=1))
                found.append(time.perf_counter() - at)

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
