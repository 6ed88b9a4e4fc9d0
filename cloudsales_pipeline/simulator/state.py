"""The simulated channel's memory: the shop, its orders and their documents, behind one lock.

What belongs here: orders, what they take from the offer, and the rules by which they change. What does not: listing and offered
stock (`shop`), HTTP (`api`), faults (`faults`), making data (`fashion`, `orders`) and reading files (`datafile`).

Every public method may be called from any thread: a test changes the state while the server answers.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator.faults import FaultPlan
from cloudsales_pipeline.simulator.goods import Sellable
from cloudsales_pipeline.simulator.orders import Bought, make_order, refunded, with_lines, with_returns
from cloudsales_pipeline.simulator.shapes import Listing, encode
from cloudsales_pipeline.simulator.shelf import Entry, Key
from cloudsales_pipeline.simulator.shop import Offer, Shop, stamp_of

FINAL = ("cancelled", "returned")
TRIES = 50  # to find by chance something that is offered


class Sale(NamedTuple):
    """Pieces that a buyer took, and what was offered of them at that moment (and under which version)."""

    order_id: str
    variant_id: str
    quantity: int
    offered: int
    version: int
    sold_at: datetime

    @property
    def beyond_offer(self) -> int:
        """Pieces sold that were not offered."""
        return max(0, self.quantity - self.offered)


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


class State(Shop):
    """One channel's memory.

    Args:
        listing: generated products; more can be put in at any time, also as raw bytes with any flaw.
        clock: the channel's time, aware; what it changes is stamped with it.
    """

    def __init__(self, listing: Listing | None = None, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(clock)
        self.faults = FaultPlan()
        self.acknowledged: dict[str, int] = {}
        self.statuses: dict[str, list[tuple[str, str | None]]] = {}
        self.documents: dict[str, dict[tuple[str, str], Document]] = {}
        self.sales: list[Sale] = []
        self._orders: dict[str, dict[str, Any]] = {}
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

    def counts(self) -> dict[str, int]:
        """How many of each the channel holds."""
        with self.lock:
            return {
                **{kind: len(shelf) for kind, shelf in self._shelves.items()},
                "variants": len(self._offers),
                "stock_writes": len(self.stock_history),
                "acknowledged": len(self.acknowledged),
                "documents": sum(map(len, self.documents.values())),
                "pieces_sold": sum(sale.quantity for sale in self.sales),
                "pieces_sold_beyond_offer": sum(sale.beyond_offer for sale in self.sales),
                "faults_injected": len(self.faults.log),
            }

    # ------------------------------------------------------------ orders

    def place_order(
        self,
        seed: int | None = None,
        *,
        only_offered: bool = False,
        lines: Sequence[tuple[str, int]] | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """A new order. Its pieces are taken from the offer, never below 0; each line is noted in `sales`.

        Args:
            seed: same seed and same state: same order.
            only_offered: sell only what is offered, as a marketplace does; else more may be sold than is there.
            lines: (variant_id, pieces) of each line; chosen by chance where it is None.
            fields: replace what is generated, whatever they say.

        Raises:
            InputError: nothing that can be sold with a price, or `lines` names what can't be.
        """
        with self.lock:
            chance = random.Random(len(self._orders) if seed is None else seed)  # noqa: S311 - repeatable data
            bought = self._chosen(chance, only_offered) if lines is None else self._asked_for(lines, only_offered)
            order_id = f"FO{100_001 + len(self._orders)}"
            order = {**make_order(order_id, self._now(), bought, chance), **fields}
            self._keep_order(order)
            for sellable, quantity in bought:
                self._take(order["id"], sellable.variant_id, quantity)
            return order

    def put_order(self, order: dict[str, Any]) -> None:
        """List an order as it is, flaws included; it needs an id, a revision and updated_at. The offer does not change."""
        with self.lock:
            if order["id"] in self._orders:
                self._shelves["orders"].remove(_order_key(self._orders[order["id"]]))
            self._keep_order(order)

    def pay_order(self, order_id: str) -> dict[str, Any]:
        """The buyer pays. Raises UnknownOrderError, FinalOrderError."""
        with self.lock:
            order = self._living(order_id)
            payment = {**order["payment"], "status": "paid", "paid_at": self._now()}
            return self.change_order(order_id, status="paid", payment=payment)

    def cancel_order(self, order_id: str) -> dict[str, Any]:
        """The buyer cancels; the offer stays until the seller says more. Raises UnknownOrderError, FinalOrderError."""
        with self.lock:
            order = refunded(self._living(order_id))
            return self.change_order(order_id, status="cancelled", payment=order["payment"])

    def amend_order(self, order_id: str, lines: Sequence[tuple[str, int]], *, only_offered: bool = False) -> dict[str, Any]:
        """The order is about these (variant_id, pieces) from now on; what is more than before is taken from the offer.

        Raises:
            UnknownOrderError, FinalOrderError: there is none, or it is over.
            InputError: a variant that is not listed, or not offered in such a number.
            ValueError: a line without pieces, or with fewer than were returned.
        """
        with self.lock:
            order = self._living(order_id)
            more = _sum(lines) - _sum((line["variant_id"], line["quantity"]) for line in order["lines"])
            changed = with_lines(order, self._asked_for(lines, only_offered=False))
            self._asked_for(list(more.items()), only_offered)
            for variant_id, quantity in more.items():
                self._take(order_id, variant_id, quantity)
            return self.change_order(order_id, **{name: changed[name] for name in ("lines", "discounts", "total")})

    def return_lines(self, order_id: str, pieces: dict[str, int]) -> dict[str, Any]:
        """The buyer sends back so many pieces of each line id; wholly returned, the order is over.

        Raises:
            UnknownOrderError, FinalOrderError: there is none, or it is over.
            ValueError: a line that the order has not, or more than is left of it.
        """
        with self.lock:
            changed = with_returns(self._living(order_id), pieces)
            return self.change_order(order_id, **{name: changed[name] for name in ("lines", "status", "payment")})

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

    def last_orders(self, count: int) -> list[dict[str, Any]]:
        """The orders that changed last, in the order they are listed."""
        with self.lock:
            return [json.loads(entry.payload) for entry in self._shelves["orders"].last(count)]

    def change_order(self, order_id: str, **fields: Any) -> dict[str, Any]:
        """Change an order: its revision grows, and it is listed again at the end.

        Raises:
            UnknownOrderError: there is none with this id.
        """
        with self.lock:
            order = self.order(order_id)
            changed = {**order, "revision": order["revision"] + 1, "updated_at": self._now(), **fields}
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
        self._list(categories, products)
        for payload in orders:
            self._keep_order(json.loads(payload))

    def _keep_order(self, order: dict[str, Any]) -> None:
        self._orders[order["id"]] = order
        stamp = datetime.fromisoformat(order["updated_at"])
        payload = json.dumps(order, ensure_ascii=False).encode("utf-8", "surrogatepass")
        self._shelves["orders"].put(Entry(_order_key(order), stamp, payload))

    def _living(self, order_id: str) -> dict[str, Any]:
        order = self.order(order_id)
        if order["status"] in FINAL:
            raise FinalOrderError(order["status"])
        return order

    def _chosen(self, chance: random.Random, only_offered: bool) -> list[Bought]:
        """One to four variants in one currency."""
        sellables = self._goods.all()
        picks = chance.sample(sellables, min(len(sellables), chance.choice((1, 1, 2, 2, 3, 4))))
        if only_offered:
            picks = [one for one in picks if self._offered(one.variant_id)] or self._offered_ones(sellables, chance)
        if not picks:
            raise InputError(f"Nothing with a price is {'offered' if only_offered else 'listed'}, so nothing can be ordered.")
        wanted = [(one, chance.choice((1, 1, 1, 2))) for one in picks if one.currency == picks[0].currency]
        return [(one, min(count, self._offered(one.variant_id)) if only_offered else count) for one, count in wanted]

    def _offered_ones(self, sellables: Sequence[Sellable], chance: random.Random) -> list[Sellable]:
        """One that is offered, if any; only where little is left is all looked through."""
        for one in chance.choices(sellables, k=TRIES) if sellables else ():
            if self._offered(one.variant_id):
                return [one]
        offered = [one for one in sellables if self._offered(one.variant_id)]
        return [chance.choice(offered)] if offered else []

    def _asked_for(self, lines: Sequence[tuple[str, int]], only_offered: bool) -> list[Bought]:
        for variant_id, quantity in _sum(lines).items():
            if only_offered and quantity > self._offered(variant_id):
                raise InputError(f"{variant_id}: {self._offered(variant_id)} are offered, not {quantity}.")
        found = [(self._goods.find(variant_id), quantity) for variant_id, quantity in lines]
        if any(one is None or quantity < 1 for one, quantity in found):
            raise InputError("A variant is not listed with a price, or no pieces of it are asked for.")
        return [(one, quantity) for one, quantity in found if one is not None]

    def _take(self, order_id: str, variant_id: str, quantity: int) -> None:
        """Sold pieces are no longer offered; the version stays, since it is the seller's."""
        offer = self._offers.get(variant_id, Offer(0, -1))
        self.sales.append(Sale(order_id, variant_id, quantity, offer.quantity, offer.version, self.clock()))
        self._offers[variant_id] = Offer(max(0, offer.quantity - quantity), offer.version)


def _sum(lines: Iterable[tuple[str, int]]) -> Counter[str]:
    total = Counter[str]()
    for variant_id, quantity in lines:
        total[variant_id] += quantity
    return total


def _order_key(order: dict[str, Any]) -> Key:
    return (stamp_of(datetime.fromisoformat(order["updated_at"]), micro=True), order["id"])
