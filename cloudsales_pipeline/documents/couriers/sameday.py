"""Sameday's API (api.sameday.ro).

What belongs here: its paths, and what its answers mean in the port's words. What does not: the fields of an order and its codes
(`sameday_fields`), HTTP (`transport`), tokens (`session`), what an error means (`outcomes`).

From the contract couriers.md: the sign-in, `/api/awb`, the label, the parcel's history, `status-sync`, `awb.not_unique`. From
Sameday's own PHP SDK and from public clients that say they measured it (2026), nothing of it called live: bodies are forms with
PHP's nesting, an order is answered 201 and a deletion 204 without a body, a window of `status-sync` is under two hours, a page
of it may come short, a reference stays taken after its waybill is cancelled, and `GET /api/client/awb/REFERENCE` finds a waybill
by our reference. Of that last answer nobody shows the shape: only a waybill's number that is plainly there is believed, and what
became of it is asked of `/api/client/awb/NUMBER/status`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct

from cloudsales_pipeline.channels.transport import Transport
from cloudsales_pipeline.documents.couriers import outcomes, sameday_fields, texts
from cloudsales_pipeline.documents.couriers.labels import whole_pdf
from cloudsales_pipeline.documents.couriers.port import (
    CourierAwayError,
    CourierRefusedError,
    Created,
    ParcelEvent,
    Shipment,
)
from cloudsales_pipeline.documents.couriers.session import Session, Token, decoded
from cloudsales_pipeline.documents.couriers.times import instant
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.documents import CourierSettings

TOKEN_LIFE = timedelta(hours=12)
WINDOW = timedelta(seconds=7000)  # of status-sync, which refuses 7200
FARTHEST = timedelta(days=7)  # beyond it the parcels are asked one by one: fewer calls than some 90 windows
PAGE = 500
PAGES = 200
COMPLAINED = frozenset({400, 409, 422})
MISSING = 404


class _Made(Struct, frozen=True):
    awbNumber: int | str | None = None  # noqa: N815 - Sameday's names
    awbCost: int | float | str | None = None  # noqa: N815
    parcels: Any = None
    errors: Any = None
    error: Any = None
    message: Any = None


class _SignedIn(Struct, frozen=True):
    token: str
    expire_at: str = ""
    expire_at_utc: str | int | None = None


class _Page(Struct, frozen=True):
    data: list[Any] | dict[str, Any] | None = None
    pages: int | None = None


class Sameday:
    """One account at Sameday; see `Courier` for what each method promises.

    Args:
        name: the courier's key in the settings, for errors.
        now: aware UTC.
    """

    def __init__(
        self,
        name: str,
        settings: CourierSettings,
        transport: Transport,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not settings.client_id.isdecimal():
            raise SettingsError(f"couriers.{name}.client_id is not the number of a pickup point at Sameday.")
        if settings.contact_person and not settings.contact_person.isdecimal():
            raise SettingsError(f"couriers.{name}.contact_person is not the number of a contact person at Sameday.")
        self._name = name
        self._settings = settings
        self._user, self._password = settings.credentials()
        self._now = now
        self._transport = transport
        self._session = Session(transport, sign_in=self._sign_in, header=lambda token: {"X-Auth-Token": token}, now=now)

    def create(self, shipment: Shipment) -> Created:
        """Order the carriage. Where our reference was used before, the waybill exists: it is looked up, not ordered again."""
        form = sameday_fields.order(shipment, self._settings)
        with outcomes.writing(self._name, "a waybill"):
            answer = self._session.call(
                "POST",
                "/api/awb",
                operation="createWaybill",
                form=form,
                decode=lambda raw: decoded(raw, _Made),
                expected=frozenset({200, 201}) | COMPLAINED,
            )
        made = answer.value
        if answer.status not in COMPLAINED and (number := texts.number_of(made.awbNumber)):
            return Created(number=number, barcodes=_barcodes(made.parcels, "awbNumber"), cost=texts.money(made.awbCost))
        complaints = outcomes.complaints_in(made.errors) + outcomes.complaints_in(made.error)
        if outcomes.reason_of(complaints) == "reference_used":
            return self._existing(shipment.reference)
        if complaints or answer.status in COMPLAINED:
            raise outcomes.refusal(self._name, "a waybill", complaints or [("", str(made.message))])
        raise outcomes.unclear(self._name, "a waybill")

    def find_by_reference(self, reference: str, day: date) -> Created | None:
        """Asked by our reference; the day does not matter. One that was cancelled is none."""
        found = self._looked_up(reference)
        return found[0] if found and not found[1] else None

    def label(self, number: str) -> bytes:
        """The label as a PDF."""
        path = f"/api/awb/download/{texts.known_number(number)}/{self._settings.label_format}"
        accept = "application/pdf, application/json"
        expected = frozenset({200, 400, MISSING})
        with outcomes.reading(self._name, "a label"):
            answer = self._session.call("GET", path, operation="getLabel", decode=bytes, accept=accept, expected=expected)
        if answer.status != 200:
            raise CourierRefusedError(f"{self._name} has no label for this waybill.", reason="label_missing")
        return whole_pdf(self._name, answer.value)

    def track(self, numbers: Sequence[str]) -> list[ParcelEvent]:
        """All events of these parcels, a call for each: `track_since` costs less where many move."""
        events: list[ParcelEvent] = []
        for number in numbers:
            path = f"/api/client/parcel/{texts.known_number(number)}{sameday_fields.FIRST_PARCEL}/status-history"
            history = self._ask(path, "trackParcel", "a parcel's events")
            rows = history.get("parcelHistory") if isinstance(history, dict) else None
            events += sameday_fields.events(rows, number)
        return events

    def track_since(self, moment: datetime) -> list[ParcelEvent] | None:
        """What happened to any parcel since then, in windows; None for longer ago than a week."""
        now = self._now()
        if moment.tzinfo is None:
            raise ValueError("moment needs a time zone")
        if now - moment > FARTHEST:
            return None
        events: list[ParcelEvent] = []
        start = moment
        while start < now:
            end = min(start + WINDOW, now)
            for rows in self._changes(start, end):
                events += sameday_fields.events(rows)
            start = end
        return list(dict.fromkeys(events))  # where windows meet, an event may be in both

    def cancel(self, number: str) -> None:
        """Delete the waybill; one that is cancelled, or that Sameday does not know, is cancelled."""
        path = f"/api/awb/{texts.known_number(number)}"
        with outcomes.writing(self._name, "a cancellation"):
            status = self._session.call(
                "DELETE",
                path,
                operation="deleteWaybill",
                decode=lambda raw: decoded(raw, object) if raw else None,
                expected=frozenset({200, 204, MISSING}) | COMPLAINED,
            ).status
        if status in COMPLAINED and not self._is_cancelled(number):
            step = "ask for the parcel's return instead"
            raise CourierRefusedError(f"{self._name} does not take the waybill back.", reason="on_its_way", next_step=step)

    def close(self) -> None:
        """Let go of connections."""
        self._transport.close()

    # ------------------------------------------------------------ looking up

    def _existing(self, reference: str) -> Created:
        """The waybill that has taken our reference; an order was answered so, and made nothing."""
        try:
            found = self._looked_up(reference)
        except CourierAwayError:
            found = None
        if found is None:
            raise outcomes.unclear(self._name, "a waybill whose reference it has already")
        created, cancelled = found
        if cancelled:
            step = "ask for a waybill again, under another reference"
            message = f"{self._name} keeps our reference for a waybill that was cancelled."
            raise CourierRefusedError(message, reason="reference_used", next_step=step)
        return created

    def _looked_up(self, reference: str) -> tuple[Created, bool] | None:
        """The waybill under a reference and whether it is cancelled; None: Sameday has no such reference."""
        wanted = texts.reference(reference)
        answer = self._ask(f"/api/client/awb/{wanted}", "findWaybill", "a waybill by our reference")
        if answer is None:
            return None
        number = sameday_fields.number_found(answer, wanted)
        status = self._ask(f"/api/client/awb/{number}/status", "getWaybill", "a waybill") if number else None
        if not isinstance(status, dict) or not isinstance(status.get("expeditionSummary"), dict):
            message = f"{self._name} did not say which waybill has our reference."
            raise CourierAwayError(message, next_step="look on Sameday's own pages")
        barcodes = _barcodes(status.get("parcelsStatus"), "parcelAwbNumber") or (number + sameday_fields.FIRST_PARCEL,)
        return Created(number=number, barcodes=barcodes), status["expeditionSummary"].get("canceled") is True

    def _is_cancelled(self, number: str) -> bool:
        status = self._ask(f"/api/client/awb/{number}/status", "getWaybill", "a waybill")
        summary = status.get("expeditionSummary") if isinstance(status, dict) else None
        return status is None or (isinstance(summary, dict) and summary.get("canceled") is True)

    # ------------------------------------------------------------ asking

    def _sign_in(self) -> Token:
        headers = {"X-Auth-Username": self._user, "X-Auth-Password": self._password.get_secret_value()}
        answer = self._transport.call(
            "POST",
            "/api/authenticate",
            operation="signIn",
            headers=headers,
            form=[("remember_me", "1")],
            decode=lambda raw: decoded(raw, _SignedIn),
            expected=frozenset({200, 201}),
        ).value
        if not re.fullmatch(r"[\x21-\x7e]{1,8192}", answer.token):
            raise outcomes.signed_out(self._name)
        latest = self._now() + TOKEN_LIFE
        return Token(answer.token, min(instant(answer.expire_at) or latest, latest))

    def _ask(self, path: str, operation: str, what: str) -> Any:
        """JSON of any shape; None where Sameday does not have it."""
        with outcomes.reading(self._name, what):
            answer = self._session.call(
                "GET", path, operation=operation, decode=lambda raw: decoded(raw, object), expected=frozenset({200, MISSING})
            )
        return answer.value if answer.status == 200 else None

    def _changes(self, start: datetime, end: datetime) -> Iterator[Any]:
        """The pages of a window; how many there are is Sameday's to say, for a short page need not be the last."""
        window = [("startTimestamp", str(int(start.timestamp()))), ("endTimestamp", str(int(end.timestamp()) + 1))]
        for page in range(1, PAGES + 1):
            query = [*window, ("page", str(page)), ("countPerPage", str(PAGE))]
            with outcomes.reading(self._name, "what happened to parcels"):
                answer = self._session.call(
                    "GET",
                    "/api/client/status-sync",
                    operation="listChanges",
                    query=query,
                    decode=lambda raw: decoded(raw, _Page),
                ).value
            yield answer.data
            if not answer.data or (answer.pages is not None and page >= answer.pages):
                return
        raise CourierAwayError(f"{self._name} has more than {PAGES} pages of events in two hours.", reason="too_many_pages")


def _barcodes(parcels: Any, field: str) -> tuple[str, ...]:
    rows = parcels if isinstance(parcels, list) else []
    return tuple(filter(None, (texts.number_of(row.get(field)) for row in rows if isinstance(row, dict))))
