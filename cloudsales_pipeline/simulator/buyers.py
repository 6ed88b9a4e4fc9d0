"""Buyers: orders placed, paid, cancelled and sent back while the server runs, for the demo and for load.

What belongs here: when something happens and what, by chance from a seed. What does not: what it does to an order (`state`).
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator.state import FINAL, State

SECOND_THOUGHTS = 0.25  # of the orders placed, so many are followed by something done to an earlier one
RECENT = 200  # orders that buyers still think of
MOST_BEHIND = 5.0  # seconds: after a longer pause (a laptop asleep) nothing is made up for


class Buyers:
    """One step at a time; the same seed over the same state does the same."""

    def __init__(self, state: State, seed: int) -> None:
        self._state = state
        self._chance = random.Random(seed)  # noqa: S311 - repeatable data
        self._placed: list[str] = []

    def step(self) -> None:
        """Place an order of what is offered, if anything is, and now and then pay, cancel or send back an earlier one."""
        seed = self._chance.getrandbits(64)
        with contextlib.suppress(InputError):  # sold out: buyers come again
            self._placed.append(self._state.place_order(seed, only_offered=True)["id"])
        if self._placed and self._chance.random() < SECOND_THOUGHTS:
            self._think_again(self._chance.choice(self._placed[-RECENT:]))

    def _think_again(self, order_id: str) -> None:
        chosen = self._chance.choice(("pay", "pay", "cancel", "return"))
        with self._state.lock:
            order = self._state.order(order_id)
            if order["status"] in FINAL:
                return
            if chosen == "cancel":
                self._state.cancel_order(order_id)
            elif order["payment"]["status"] == "pending":
                self._state.pay_order(order_id)  # nobody sends back what is not paid for
            elif chosen == "return":
                line = self._chance.choice(order["lines"])
                if line["returned_quantity"] < line["quantity"]:
                    self._state.return_lines(order_id, {line["id"]: 1})


@contextlib.contextmanager
def buying(state: State, orders_per_minute: float, seed: int) -> Iterator[None]:
    """Buyers at work in a thread until the end of the block; none where the rate is 0."""
    if not orders_per_minute:
        yield
        return
    over = threading.Event()
    arguments = (Buyers(state, seed), 60 / orders_per_minute, over)
    thread = threading.Thread(target=_keep_buying, args=arguments, name="fashionup-buyers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _keep_buying(buyers: Buyers, seconds_between: float, over: threading.Event) -> None:
    due = time.monotonic() + seconds_between
    while not over.wait(max(0.0, due - time.monotonic())):
        buyers.step()
        due = max(due + seconds_between, time.monotonic() - MOST_BEHIND)
