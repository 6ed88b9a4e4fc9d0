"""The simulated channel's memory: listing, offered stock, orders and their documents, behind one lock.

What belongs here: what the channel holds and the rules by which it changes. What does not: HTTP (`api`), faults (`faults`),
making data (`fashion`, `orders`) and reading files (`datafile`).

Every public method may be called from any thread: a test changes the state while the server answers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from threading import RLock
from typing import Any, NamedTuple

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator import datafile
from cloudsales_pipeline.simulator.faults import FaultPlan
from cloudsales_pipeline.simulator.orders import Sellable, make_order
from cloudsales_pipeline.simulator.shapes import PLACEHOLDER_ORIGIN, Listing, encode
from cloudsales_pipeline.simulator.shelf import Entry, Key, Page, Shelf

MOST_PIECES = 1_000_000
HIGHEST_VERSION = 2**63 - 1
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
FINAL = ("cancelled", "returned")
SELLABLES_KEPT = 5_000  # enough variety for random orders


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


class Document(NamedTuple):
    """A document that the seller handed over for an order."""

    kind: str
    number: str
    courier: str | None
    tracking_url: str | None
    content: bytes | None


class UnknownOrderError(LookupError):
    """The channel has no such order."""


class FinalOrderError(Exception):
    """A cancelled or returned order takes no other status."""


class State:
    """One channel's memory.

    Args:
        listing: generated products; more can be put in at any time, also as raw bytes with any flaw.
        clock: the channel's time, aware; what it changes is stamped with it.
    """

    def __init__(self, listing: Listing | None = None, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.lock = RLock()
        self.clock = clock
        self.faults = FaultPlan()
        self.origin = PLACEHOLDER_ORIGIN
        self.stock_history: list[StockWrite] = []
        self.acknowledged: dict[str, int] = {}
        self.statuses: dict[str, list[tuple[str, str | None]]] = {}
        self.documents: dict[str, dict[tuple[str, str], Document]] = {}
        self._shelves = {"categories": Shelf(), "products": Shelf(), "orders": Shelf()}
        self._offers: dict[str, Offer] = {}
        self._orders: dict[str, dict[str, Any]] = {}
        self._repeats: dict[str, int] = {}
        if listing:
            self._load(map(encode, listing.categories), map(encode, listing.products), ())

    @classmethod
    def of(
        cls,
        categories: Iterable[bytes],
        products: Iterable[bytes],
        orders: Iterable[bytes] = (),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> State:
        """The channel that holds these items, each given as its JSON (`datafile.read`, `fashion.payloads`)."""
        state = cls(clock=clock)
        state._load(categories, products, orders)
        return state

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
            self.put_product({**product, "updated_at": _text(self.clock()), **changes})

    def remove_product(self, product_id: str) -> bool:
        """Take a product out of the listing; False where it is not listed."""
        with self.lock:
            return self._shelves["products"].remove((product_id, _place(0)))

    def counts(self) -> dict[str, int]:
        """How many of each the channel holds."""
        with self.lock:
            return {
                **{kind: len(shelf) for kind, shelf in self._shelves.items()},
                "variants": len(self._offers),
                "stock_writes": len(self.stock_history),
                "acknowledged": len(self.acknowledged),
                "documents": sum(map(len, self.documents.values())),
                "faults_injected": len(self.faults.log),
            }

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

    # ------------------------------------------------------------ orders

    def place_order(self, seed: int | None = None, **fields: Any) -> dict[str, Any]:
        """A new random order of listed variants; `fields` replace what is generated.

        Raises:
            InputError: nothing with a price is listed.
        """
        with self.lock:
            chance = random.Random(len(self._orders) if seed is None else seed)  # noqa: S311 - repeatable data
            sellables = self._sellables()
            if not sellables:
                raise InputError("Nothing with a price is listed, so nothing can be ordered.")
            order_id = f"FO{100_001 + len(self._orders)}"
            order = {**make_order(order_id, _text(self.clock()), sellables, chance), **fields}
            self._keep_order(order)
            return order

    def order(self, order_id: str) -> dict[str, Any]:
        """An order as it stands.

        Raises:
            UnknownOrderError: there is none with this id.
        """
        with self.lock:
            if order_id not in self._orders:
                raise UnknownOrderError(order_id)
            return self._orders[order_id]

    def orders(self) -> list[dict[str, Any]]:
        """All orders, in the order they are listed."""
        with self.lock:
            return [json.loads(entry.payload) for entry in self._shelves["orders"].entries()]

    def change_order(self, order_id: str, **fields: Any) -> dict[str, Any]:
        """Change an order: its revision grows, and it is listed again at the end.

        Raises:
            UnknownOrderError: there is none with this id.
        """
        with self.lock:
            order = self.order(order_id)
            changed = {**order, "revision": order["revision"] + 1, "updated_at": _text(self.clock()), **fields}
            self._shelves["orders"].remove(_order_key(order))
            self._keep_order(changed)
            return changed

    def acknowledge(self, order_id: str) -> None:
        """The seller holds the order; how often it said so is counted."""
        with self.lock:
            self.order(order_id)
            self.acknowledged[order_id] = self.acknowledged.get(order_id, 0) + 1

    def advance(self, order_id: str, status: str, reason: str | None) -> None:
        """The seller sets a status; cancelled and returned change the order itself, the same again nothing.

        Raises:
            UnknownOrderError: there is none with this id.
            FinalOrderError: it is cancelled or returned, and the status is another.
        """
        with self.lock:
            order = self.order(order_id)
            if order["status"] in FINAL and order["status"] != status:
                raise FinalOrderError(order["status"])
            self.statuses.setdefault(order_id, []).append((status, reason))
            if status in FINAL and order["status"] != status:
                self.change_order(order_id, status=status)

    def add_document(self, order_id: str, document: Document) -> bool:
        """Keep a document; False where the order has one of this kind and number, which stays as it is.

        Raises:
            UnknownOrderError: there is none with this id.
        """
        with self.lock:
            self.order(order_id)
            kept = self.documents.setdefault(order_id, {})
            key = (document.kind, document.number)
            if key in kept:
                return False
            kept[key] = document
            return True

    # ------------------------------------------------------------ inside

    def _load(self, categories: Iterable[bytes], products: Iterable[bytes], orders: Iterable[bytes]) -> None:
        places = enumerate(categories)
        self._shelves["categories"] = Shelf(Entry((f"{n:08d}", ""), LONG_AGO, payload) for n, payload in places)
        self._shelves["products"] = Shelf([self._entry(payload, again=True) for payload in products])
        for payload in orders:
            self._keep_order(json.loads(payload))

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

    def _keep_order(self, order: dict[str, Any]) -> None:
        self._orders[order["id"]] = order
        stamp = datetime.fromisoformat(order["updated_at"])
        payload = json.dumps(order, ensure_ascii=False).encode("utf-8", "surrogatepass")
        self._shelves["orders"].put(Entry(_order_key(order), stamp, payload))

    def _sellables(self) -> Sequence[Sellable]:
        found: list[Sellable] = []
        for entry in self._shelves["products"].entries():
            found += _sellables_of(entry.payload)
            if len(found) >= SELLABLES_KEPT:
                break
        return found


def _sellables_of(payload: bytes) -> list[Sellable]:
    """The variants of a product that can be ordered; what is flawed is passed over."""
    try:
        product = json.loads(payload)
        return [_sellable(variant, str(product["name"])) for variant in product["variants"]]
    except (ValueError, KeyError, TypeError, InvalidOperation):
        return []


def _sellable(variant: dict[str, Any], name: str) -> Sellable:
    price, vat_rate = variant["price"], variant.get("vat_rate", "21")
    amount, currency = Decimal(price["amount"]), price["currency"]
    return Sellable(variant["id"], variant.get("code"), variant.get("ean"), name, amount, currency, vat_rate)


def _order_key(order: dict[str, Any]) -> Key:
    return (_text(datetime.fromisoformat(order["updated_at"]), micro=True), order["id"])


def _text(moment: datetime, *, micro: bool = False) -> str:
    """RFC 3339 in UTC; with a fixed number of digits where it is to be sorted."""
    utc = moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds" if micro else "auto").replace("+00:00", "Z")


def _place(number: int) -> str:
    return f"{number:06d}"
