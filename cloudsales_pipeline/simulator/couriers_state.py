"""What the simulated couriers hold: parcels by number and reference, tokens, and the complaints that tests ask for.

What belongs here: the state and the moves of a parcel. What does not: HTTP, and a courier's words (`couriers_fan`,
`couriers_sameday`).
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any, Literal

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator.faults import FaultPlan

CourierKind = Literal["fan", "sameday"]
Move = Literal["shipped", "in_locker", "delivered", "returned"]

PASSWORD = "courier-simulator"  # noqa: S105 - opens nothing but invented data on this machine
USER = "retailer"
FAN_CLIENT = "7032158"
SAMEDAY_PICKUP_POINT = "4711"

# The codes by which each courier says so; Sameday's second is `inReturn`.
FAN_CODES: dict[Move, tuple[str, ...]] = {
    "shipped": ("C0", "H3", "H10"),
    "in_locker": ("S46",),
    "delivered": ("S1", "S2"),
    "returned": ("S33", "S43"),
}
SAMEDAY_CODES: dict[Move, tuple[tuple[int, bool], ...]] = {
    "shipped": ((4, False), (56, False)),
    "in_locker": ((78, False),),
    "delivered": ((33, False), (9, False)),
    "returned": ((56, True), (9, True)),
}


@dataclass
class ParcelEventMade:
    """A courier's code at a moment (aware UTC)."""

    code: str
    at: datetime
    in_return: bool = False


@dataclass
class Parcel:
    """A waybill that was made, with what was asked for as it came."""

    courier: CourierKind
    number: str
    reference: str
    made_at: datetime
    asked: dict[str, Any]
    cost: float
    events: list[ParcelEventMade] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    cancelled: bool = False

    @property
    def state(self) -> str:
        """`created`, `cancelled`, or the last move."""
        return "cancelled" if self.cancelled else self.moves[-1] if self.moves else "created"


class Couriers:
    """Both couriers. Safe to change from another thread while they are served.

    Attributes:
        faults: strikes by operation: `fan.create`, `sameday.label` and so on; see `couriers.OPERATIONS`.
        sign_ins: how often each courier was signed in to.
        report: what is wrong with FAN's report of a day: `short` (its last row is missing, though its total counts it), `untold`
            (no total), `stuck` (every page is the first).
        page_size: at most so many rows in a page of FAN's report and of Sameday's changes.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self._lock = RLock()
        self.forget()

    def forget(self) -> None:
        """All is as in the beginning: no parcels, tokens, faults or counts."""
        self.faults = FaultPlan()
        self.sign_ins: Counter[str] = Counter()
        self.page_size = 500
        self.report: Literal["", "short", "untold", "stuck"] = ""
        self._parcels: list[Parcel] = []
        self._tokens: dict[str, tuple[CourierKind, datetime]] = {}
        self._complaints: dict[CourierKind, deque[dict[str, Any]]] = {"fan": deque(), "sameday": deque()}

    # ------------------------------------------------------------ for tests and the demo

    def made(self, courier: CourierKind | None = None) -> list[Parcel]:
        """Every waybill that was made, cancelled ones too, in order."""
        with self._lock:
            return [parcel for parcel in self._parcels if courier in (None, parcel.courier)]

    def advance(self, number: str, to: Move) -> Parcel:
        """The parcel moves on; one that is on no way yet is picked up first.

        Raises:
            InputError: no such parcel, or it is cancelled.
        """
        with self._lock:
            parcel = self.find(number)
            if parcel is None or parcel.cancelled:
                raise InputError(f"No courier here carries {number}.")
            if to != "shipped" and not parcel.moves:
                self.advance(number, "shipped")
            at = max(self.now(), parcel.events[-1].at + timedelta(seconds=1))
            for place, (code, in_return) in enumerate(_codes(parcel.courier, to)):
                parcel.events.append(ParcelEventMade(code, at + timedelta(seconds=place), in_return))
            parcel.moves.append(to)
            return parcel

    def expire_tokens(self) -> None:
        """No token that was given is taken any more, whatever was said of its end."""
        with self._lock:
            self._tokens.clear()

    def complain(self, courier: CourierKind, errors: dict[str, Any], *, times: int = 1) -> None:
        """The next orders are refused with these errors, as the courier writes them."""
        with self._lock:
            self._complaints[courier].extend([errors] * times)

    # ------------------------------------------------------------ for the couriers' sides

    def sign_in(self, courier: CourierKind, user: str, password: str, life: timedelta) -> tuple[str, datetime] | None:
        """A token and its end; None for a wrong password."""
        with self._lock:
            self.sign_ins[courier] += 1
            if (user, password) != (USER, PASSWORD):
                return None
            token, ends_at = secrets.token_hex(24), self.now() + life
            self._tokens[token] = (courier, ends_at)
            return token, ends_at

    def knows(self, courier: CourierKind, token: str) -> bool:
        """Whether the token is this courier's and holds."""
        with self._lock:
            known = self._tokens.get(token)
            return known is not None and known[0] == courier and known[1] > self.now()

    def complaint(self, courier: CourierKind) -> dict[str, Any] | None:
        """Errors that a test asked for, once."""
        with self._lock:
            waiting = self._complaints[courier]
            return waiting.popleft() if waiting else None

    def add(self, courier: CourierKind, reference: str, asked: dict[str, Any], cost: float) -> Parcel:
        """A new waybill."""
        with self._lock:
            place = len(self._parcels) + 1
            number = f"23323{place:08d}" if courier == "fan" else f"1ONB{place:011d}"
            parcel = Parcel(courier, number, reference, self.now(), asked, cost)
            parcel.events.append(ParcelEventMade("1" if courier == "sameday" else "", self.now()))
            self._parcels.append(parcel)
            return parcel

    def find(self, number: str, courier: CourierKind | None = None) -> Parcel | None:
        """By number."""
        with self._lock:
            return next((parcel for parcel in self.made(courier) if parcel.number == number), None)

    def by_reference(self, courier: CourierKind, reference: str) -> Parcel | None:
        """The first that has this reference."""
        with self._lock:
            return next((parcel for parcel in self.made(courier) if parcel.reference == reference), None)

    def cancel(self, parcel: Parcel) -> bool:
        """Whether it could be taken back."""
        with self._lock:
            if parcel.moves:
                return False
            parcel.cancelled = True
            return True


def _codes(courier: CourierKind, to: Move) -> list[tuple[str, bool]]:
    if courier == "fan":
        return [(code, False) for code in FAN_CODES[to]]
    return [(str(code), in_return) for code, in_return in SAMEDAY_CODES[to]]


def label_pdf(number: str) -> bytes:
    """A small PDF that says the waybill's number."""
    text = f"BT /F1 18 Tf 20 60 Td (AWB {number}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 298 420]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for place, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (place, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + end
