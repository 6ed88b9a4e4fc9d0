"""The courier port: what each courier offers, in our words. Adapters speak the courier's words.

What belongs here: the protocol, the frozen objects that cross it, and what a courier can do to us, as errors. What does not:
HTTP, a courier's field names, and our database.

No courier has a key that makes a repeated order harmless, so our reference goes with each (I-37), and after an unclear answer
`find_by_reference` is asked before anything is created again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

from cloudsales_pipeline.errors import CloudSalesError

ParcelState = Literal["created", "shipped", "in_locker", "delivered", "returned", "lost"]


class Address(Struct, frozen=True, kw_only=True):
    """Where a parcel goes; `county` as our list of Romania's has it, empty: none of them. Personal data."""

    county: str
    city: str
    street: str
    postal_code: str = ""
    country: str = "RO"
    locker_id: str | None = None


class Shipment(Struct, frozen=True, kw_only=True):
    """One parcel to be carried, under our reference."""

    reference: str
    service: str
    name: str
    phone: str
    address: Address
    weight_grams: int
    email: str = ""
    company: bool = False
    cash_on_delivery: Decimal = Decimal(0)
    currency: str = "RON"
    contents: str = ""


class Created(Struct, frozen=True, kw_only=True):
    """A waybill that the courier has: its number, the barcodes of its parcels, and what it costs, where the courier says so."""

    number: str
    barcodes: tuple[str, ...] = ()
    cost: Decimal | None = None
    currency: str = "RON"


class ParcelEvent(Struct, frozen=True, kw_only=True):
    """What happened to a parcel. `state` is None where the courier's code says nothing of where the parcel is."""

    number: str
    occurred_at: datetime
    code: str
    state: ParcelState | None


class CourierError(CloudSalesError):
    """A courier did not do what was asked. Messages hold no name, address, telephone number, token or body."""


class CourierRefusedError(CourierError):
    """The courier surely did not do it, and will not: `reason` as a code, such as address_invalid."""

    def __init__(self, message: str, *, reason: str = "refused", next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.reason = reason


class CourierAwayError(CourierError):
    """The courier surely did not do it, but may later: no connection, too many requests, signed in wrongly, a fault of its own.

    `retry_at`: not before then, where it said so.
    """

    def __init__(self, message: str, *, reason: str = "away", retry_at: datetime | None = None, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.reason = reason
        self.retry_at = retry_at


class CourierUnclearError(CourierError):
    """The courier may or may not have done it: look it up by our reference before anything else (F-03, F-08)."""


class Courier(Protocol):
    """One account with one courier. Each call has time-outs, a deadline, a byte cap, and ends in an answer or a CourierError."""

    def create(self, shipment: Shipment) -> Created:
        """Order the parcel's carriage; called once, never repeated by the adapter.

        Raises:
            CourierRefusedError, CourierAwayError, CourierUnclearError.
        """

    def find_by_reference(self, reference: str, day: date) -> Created | None:
        """The waybill made under our reference on that day or later; None: there surely is none.

        Raises:
            CourierAwayError: it can't be said now.
        """

    def label(self, number: str) -> bytes:
        """The label as a PDF.

        Raises:
            CourierRefusedError: there is none, or what came is no PDF (reason label_not_pdf).
            CourierAwayError: later.
        """

    def track(self, numbers: Sequence[str]) -> list[ParcelEvent]:
        """All that happened to these parcels so far; those that the courier does not know are left out.

        Raises:
            CourierAwayError: later.
        """

    def track_since(self, moment: datetime) -> list[ParcelEvent] | None:
        """What happened to any parcel of the account since then; None: this courier can't be asked so.

        Raises:
            CourierAwayError: later.
        """

    def cancel(self, number: str) -> None:
        """Take the waybill back; one that is cancelled already is no error.

        Raises:
            CourierRefusedError: it is on its way already.
            CourierAwayError, CourierUnclearError.
        """

    def close(self) -> None:
        """Let go of connections."""
