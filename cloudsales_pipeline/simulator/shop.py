"""The simulated channel's listing and what it offers of it, behind one lock.

What belongs here: categories, products, offered stock, and the rules by which they change. What does not: orders (`state`), HTTP
(`api`), making data (`fashion`) and reading files (`datafile`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any, NamedTuple

from cloudsales_pipeline.simulator import datafile
from cloudsales_pipeline.simulator.goods import Goods
from cloudsales_pipeline.simulator.shapes import PLACEHOLDER_ORIGIN
from cloudsales_pipeline.simulator.shelf import Entry, Key, Page, Shelf

MOST_PIECES = 1_000_000
HIGHEST_VERSION = 2**63 - 1
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


class Offer(NamedTuple):
    """What is offered of a variant; version -1 means that the seller never said."""

    quantity: int
    version: int


class StockWrite(NamedTuple):
    """One item of a PUT /stock as it was judged: set, stale, unknown_variant or rejected."""

    variant_id: str
    quantity: int
    version: int
    result: str
    detail: str = ""


class Shop:
    """What a channel lists and offers. Every public method may be called from any thread."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.lock = RLock()
        self.clock = clock
        self.origin = PLACEHOLDER_ORIGIN
        self.stock_history: list[StockWrite] = []
        self._shelves = {"categories": Shelf(), "products": Shelf(), "orders": Shelf()}
        self._offers: dict[str, Offer] = {}
        self._repeats: dict[str, int] = {}
        self._goods = Goods(self._listed)
        self._last_stamp = LONG_AGO

    def bind(self, origin: str) -> None:
        """Say at which address the server listens: the images of the generated products are found there."""
        with self.lock:
            before, after, self.origin = self.origin.encode(), origin.encode(), origin
            self._shelves["products"].rewrite(lambda payload: payload.replace(before, after))

    # ------------------------------------------------------------ lists

    def page(self, kind: str, after: Key | None, limit: int, since: datetime | None = None, *, overlap: int = 0) -> Page:
        """A page of `categories`, `products` or `orders`."""
        with self.lock:
            return self._shelves[kind].page(after, limit, since, overlap=overlap)

    def products(self) -> list[bytes]:
        """All products as they are served."""
        with self.lock:
            return [entry.payload for entry in self._shelves["products"].entries()]

    def first_products(self, count: int) -> list[bytes]:
        """The first products of the listing, as they are served."""
        return [entry.payload for entry in self.page("products", None, count).entries]

    def put_product(self, payload: bytes | dict[str, Any], *, again: bool = False) -> None:
        """List a product, or replace it; bytes are served as they are, whatever they are.

        Args:
            payload: JSON of one product.
            again: keep what is listed under its id and serve this one too (the same listing twice).
        """
        raw = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass")
        with self.lock:
            entry = self._entry(raw, again=again)
            self._shelves["products"].put(entry)
            self._goods.put(entry)

    def touch_product(self, product_id: str, **changes: Any) -> None:
        """Change fields of a product and its updated_at.

        Raises:
            LookupError: it is not listed.
        """
        with self.lock:
            after = (product_id, "")
            entry = next(iter(self._shelves["products"].page(after, 1).entries), None)
            if entry is None or entry.key[0] != product_id:
                raise LookupError(f"no product {product_id}")
            product = json.loads(entry.payload)
            self.put_product({**product, "updated_at": stamp_of(self.clock()), **changes})

    def remove_product(self, product_id: str) -> bool:
        """Take a product out of the listing; False where it is not listed."""
        with self.lock:
            key = (product_id, _place(0))
            self._goods.remove(key)
            return self._shelves["products"].remove(key)

    # ------------------------------------------------------------ stock

    def offers(self, variant_ids: Iterable[str]) -> dict[str, Offer]:
        """What is offered of these variants; unknown ones are left out."""
        with self.lock:
            return {name: self._offers[name] for name in variant_ids if name in self._offers}

    def set_stock(self, updates: Iterable[tuple[str, int, int]]) -> list[StockWrite]:
        """Judge and apply (variant_id, quantity, version), in order; a version below the highest seen changes nothing."""
        with self.lock:
            judged = [self._set_one(*update) for update in updates]
            self.stock_history += judged
            return judged

    def _set_one(self, variant_id: str, quantity: int, version: int) -> StockWrite:
        offer = self._offers.get(variant_id)
        if offer is None:
            return StockWrite(variant_id, quantity, version, "unknown_variant")
        if quantity > MOST_PIECES or version > HIGHEST_VERSION:
            return StockWrite(variant_id, quantity, version, "rejected", f"at most {MOST_PIECES} pieces, version below 2^63")
        if version < offer.version:
            return StockWrite(variant_id, quantity, version, "stale", f"version {offer.version} was seen")
        self._offers[variant_id] = Offer(quantity, version)
        return StockWrite(variant_id, quantity, version, "set")

    # ------------------------------------------------------------ inside

    def _list(self, categories: Iterable[bytes], products: Iterable[bytes]) -> None:
        places = enumerate(categories)
        self._shelves["categories"] = Shelf(Entry((f"{n:08d}", ""), LONG_AGO, payload) for n, payload in places)
        self._shelves["products"] = Shelf([self._entry(payload, again=True) for payload in products])

    def _listed(self) -> list[Entry]:
        return self._shelves["products"].entries()

    def _entry(self, payload: bytes, *, again: bool) -> Entry:
        """The payload with its place in the list; its variants are on offer from now on."""
        head = datafile.head_of(payload)
        for variant in head.variants:
            self._offers.setdefault(variant.id, Offer(variant.stock, -1))
        place = 0
        if again:
            place = self._repeats.get(head.id, -1) + 1
        self._repeats[head.id] = max(place, self._repeats.get(head.id, 0))
        return Entry((head.id, _place(place)), head.updated_at or LONG_AGO, payload)

    def _offered(self, variant_id: str) -> int:
        return self._offers[variant_id].quantity if variant_id in self._offers else 0

    def _now(self) -> str:
        """The time of a change, later than that of each before: a changed order comes at the end, whatever the clock does."""
        self._last_stamp = max(self.clock(), self._last_stamp + TICK)
        return stamp_of(self._last_stamp)


def stamp_of(moment: datetime, *, micro: bool = False) -> str:
    """RFC 3339 in UTC; with a fixed number of digits where it is to be sorted."""
    utc = moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds" if micro else "auto").replace("+00:00", "Z")


def _place(number: int) -> str:
    return f"{number:06d}"
