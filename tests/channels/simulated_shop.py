"""The known shop served by the simulator: the conformance suite on the server that the demo and the tests run against."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloudsales_pipeline.simulator.server import running
from cloudsales_pipeline.simulator.state import State
from tests.channels.known_shop import TOKEN, KnownShop


class Live:
    """What the simulator holds at the moment of the comparison."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read

    def __eq__(self, other: object) -> bool:
        return self._read() == other


@contextmanager
def serve(shop: KnownShop) -> Iterator[str]:
    """Serve the shop's data; what is done to it shows in the shop's own attributes."""
    state = State.of(*([json.dumps(item).encode() for item in items] for items in (shop.categories, shop.products, shop.orders)))
    shop.acknowledged = state.acknowledged  # type: ignore[assignment]
    shop.statuses = Live(lambda: {order: said[-1][0] for order, said in state.statuses.items()})  # type: ignore[assignment]
    shop.documents = Live(  # type: ignore[assignment]
        lambda: {(order, *key): document.content for order, kept in state.documents.items() for key, document in kept.items()}
    )
    with running(state, token=TOKEN) as server:
        yield server.url
