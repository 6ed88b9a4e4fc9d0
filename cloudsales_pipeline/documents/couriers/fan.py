"""FAN Courier's API 2 (api.fancourier.ro).

What belongs here: its paths, fields and codes, and what they mean in the port's words. What does not: HTTP (`transport`),
tokens (`session`), what an error means (`outcomes`).

From the contract couriers.md: the sign-in, `intern-awb`, `awb/label`, `reports/awb/tracking`, `DELETE awb`, errors with HTTP 200,
whole kilograms. From public clients (2023 to 2026), nothing of it called live: the codes of events, `pickupLocationId` for a
FANbox, and the day's report `reports/awb`, in whose rows `info.content` comes back as it was sent. So our reference is the first
word of `content`; FAN has no field for it and does not mind one that it has seen before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from cloudsales_pipeline.channels.transport import Transport
from cloudsales_pipeline.documents.couriers import outcomes, texts
from cloudsales_pipeline.documents.couriers.labels import whole_pdf
from cloudsales_pipeline.documents.couriers.port import (
    CourierAwayError,
    CourierError,
    CourierRefusedError,
    Created,
    ParcelEvent,
    ParcelState,
    Shipment,
)
from cloudsales_pipeline.documents.couriers.session import Session, Token, decoded
from cloudsales_pipeline.documents.couriers.times import BUCHAREST, instant
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.documents import CourierSettings

TOKEN_LIFE = timedelta(hours=24)
TRACKED_AT_ONCE = 20  # keeps the request line short
REPORT_PAGE = 100
REPORT_PAGES = 200
DAYS_BACK = 14  # of reports that a look-up reads
CONTENT = 100
GONE = re.compile(r"sters|anulat|deleted|not found|nu exist|nu a fost gasit|inexistent", re.IGNORECASE)
# What can't be deleted is not gone, although the same word says so.
CANT = re.compile(r"\bnu (mai |se )*(poate|pot)\b|\bnu a fost (sters|anulat)|can ?not|can't|unable|imposibil", re.IGNORECASE)
EMPTY_DAY = re.compile(r"no data|without data|fara date|nu exista date", re.IGNORECASE)
SIGNED_OUT = re.compile(r"unauth|token", re.IGNORECASE)
UNSURE = re.compile(r"server error|internal|timeout|timed out|try again|incercati", re.IGNORECASE)

# Codes that say where a parcel is. What says only why it was not delivered today (S3 to S30), or asks for a return (S16, S33),
# leaves the state as it was.
STATES: dict[str, ParcelState] = {
    "C0": "shipped",
    "C1": "shipped",
    "S1": "shipped",
    "S35": "shipped",
    "S47": "shipped",
    "S46": "in_locker",  # "handed to the delivery point": a FANbox or a shop
    "S2": "delivered",
    "S43": "returned",
    "S37": "lost",  # "compensated"
}

Loose = int | float | str | None


class _Made(Struct, frozen=True):
    awbNumber: int | str | None = None  # noqa: N815 - FAN's names
    tariff: Loose = None
    errors: Any = None


class _Order(Struct, frozen=True):
    response: list[_Made] | None = None
    status: str = ""
    message: Any = ""


class _Report(Struct, frozen=True):
    status: str = ""
    message: Any = ""
    data: Any = None
    total: Loose = None


class Fan:
    """One account at FAN Courier; see `Courier` for what each method promises.

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
            raise SettingsError(f"couriers.{name}.client_id is not the number of a client at FAN Courier.")
        self._name = name
        self._settings = settings
        self._client = settings.client_id
        self._user, self._password = settings.credentials()
        self._now = now
        self._transport = transport
        self._session = Session(
            transport, sign_in=self._sign_in, header=lambda token: {"Authorization": f"Bearer {token}"}, now=now
        )

    def create(self, shipment: Shipment) -> Created:
        """Order the carriage. FAN takes any number of orders with one reference, so this is never repeated here."""
        body = msgspec.json.encode({"clientId": int(self._client), "shipments": [self._shipment(shipment)]})
        with outcomes.writing(self._name, "a waybill"):
            answer = self._session.call(
                "POST", "/intern-awb", operation="createWaybill", json=body, decode=lambda raw: decoded(raw, _Order)
            ).value
        return self._made(answer)

    def find_by_reference(self, reference: str, day: date) -> Created | None:
        """Look through the reports of each day since: FAN can't be asked for one waybill by our reference.

        A report that is not whole says nothing: then it can't be said now. Deleted waybills are not in it.
        """
        wanted, today = texts.reference(reference).casefold(), self._now().astimezone(BUCHAREST).date()
        if today - day > timedelta(days=DAYS_BACK):
            message = f"{self._name}: reports of more than {DAYS_BACK} days back are not read."
            raise CourierAwayError(message, reason="too_old", next_step="look on FAN's own pages, then tell the waybill")
        for back in range(max((today - day).days, 0) + 1):
            for info in self._report(today - timedelta(days=back)):
                if _reference(info) == wanted and (number := texts.number_of(info.get("awbNumber"))):
                    return Created(number=number, barcodes=(number,), cost=texts.money(info.get("cost")))
        return None

    def label(self, number: str) -> bytes:
        """The label as a PDF; FAN says what is wrong as JSON with 200."""
        query = [
            ("clientId", self._client),
            ("awbs[]", texts.known_number(number)),
            ("pdf", "1"),
            ("format", self._settings.label_format),
        ]
        accept = "application/pdf, application/json"
        with outcomes.reading(self._name, "a label"):
            answer = self._session.call(
                "GET",
                "/awb/label",
                operation="getLabel",
                query=query,
                decode=bytes,
                accept=accept,
                expected=frozenset({200, 404}),
            )
        if answer.status == 404:
            raise CourierRefusedError(f"{self._name} has no label for this waybill.", reason="label_missing")
        return whole_pdf(self._name, answer.value)

    def track(self, numbers: Sequence[str]) -> list[ParcelEvent]:
        """All events of these parcels."""
        events: list[ParcelEvent] = []
        for start in range(0, len(numbers), TRACKED_AT_ONCE):
            batch = [texts.known_number(number) for number in numbers[start : start + TRACKED_AT_ONCE]]
            query = [("clientId", self._client), *(("awb[]", number) for number in batch), ("language", "ro")]
            answer = self._ask("/reports/awb/tracking", "trackParcels", query, "the parcels' events")
            for parcel in answer.data if isinstance(answer.data, list) else []:
                events += [event for event in _events(parcel) if event.number in batch]
        return events

    def track_since(self, moment: datetime) -> None:
        """FAN can't be asked so."""
        return

    def cancel(self, number: str) -> None:
        """Delete the waybill; one that FAN does not have any more is cancelled."""
        query = [("clientId", self._client), ("awb", texts.known_number(number))]
        with outcomes.writing(self._name, "a cancellation"):
            answer = self._session.call(
                "DELETE", "/awb", operation="deleteWaybill", query=query, decode=lambda raw: decoded(raw, _Report)
            ).value
        said = texts.plain(str(answer.message))
        if answer.status == "success" or (GONE.search(said) and not CANT.search(said)):
            return
        if CANT.search(said):
            step = "ask for the parcel's return instead"
            raise CourierRefusedError(f"{self._name} does not take the waybill back.", reason="on_its_way", next_step=step)
        raise self._failure("a cancellation", answer.message)

    def close(self) -> None:
        """Let go of connections."""
        self._transport.close()

    # ------------------------------------------------------------ asking

    def _sign_in(self) -> Token:
        query = [("username", self._user), ("password", self._password.get_secret_value())]
        data = self._transport.call(
            "POST", "/login", operation="signIn", query=query, decode=lambda raw: decoded(raw, _Report)
        ).value.data
        token = data.get("token") if isinstance(data, dict) else None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,8192}", token):
            raise outcomes.signed_out(self._name)
        latest = self._now() + TOKEN_LIFE
        return Token(token, min(instant(data.get("expiresAt")) or latest, latest))

    def _ask(self, path: str, operation: str, query: list[tuple[str, str]], what: str) -> _Report:
        with outcomes.reading(self._name, what):
            answer = self._session.call(
                "GET", path, operation=operation, query=query, decode=lambda raw: decoded(raw, _Report)
            ).value
        if answer.status != "success":
            raise self._later(what, answer.message)
        return answer

    def _report(self, day: date) -> Iterator[dict[str, Any]]:
        """`info` of each waybill of a day.

        Whole is a report whose rows are as many as its total says, or, where it says none, that ends in an empty page.

        Raises:
            CourierAwayError: it did not come whole.
        """
        seen: set[str] = set()
        for page in range(1, REPORT_PAGES + 1):
            answer = self._report_page(day, page)
            rows = _infos(answer.data)
            yield from rows
            fresh = {texts.number_of(info.get("awbNumber")) for info in rows} - seen - {""}
            seen |= fresh
            total = _count(answer.total)
            if not rows if total is None else len(seen) >= total:
                return
            if not fresh:
                break
        raise CourierAwayError(f"{self._name} did not give all of a day's waybills.", reason="report_cut")

    def _report_page(self, day: date, page: int) -> _Report:
        """A page; an empty one where FAN says that the day has no waybills."""
        query = [("clientId", self._client), ("date", day.isoformat()), ("perPage", str(REPORT_PAGE)), ("page", str(page))]
        what = "a day's waybills"
        with outcomes.reading(self._name, what):
            answer = self._session.call(
                "GET",
                "/reports/awb",
                operation="listWaybills",
                query=query,
                decode=lambda raw: decoded(raw, _Report),
                expected=frozenset({200, 404}),
            ).value
        if answer.status == "success":
            return answer
        if page == 1 and EMPTY_DAY.search(str(answer.message)):
            return _Report(total=0)
        raise self._later(what, answer.message)

    def _later(self, what: str, message: object) -> CourierAwayError:
        if SIGNED_OUT.search(str(message)):
            self._session.forget()
            return outcomes.signed_out(self._name)
        return CourierAwayError(f"{self._name} did not give {what}.", next_step="try again later")

    def _failure(self, what: str, message: object) -> CourierError:
        """A whole order that failed, told with 200 by a message alone."""
        said = str(message)
        if SIGNED_OUT.search(said):
            return self._later(what, said)
        if UNSURE.search(said):
            return outcomes.unclear(self._name, what)
        return outcomes.refusal(self._name, what, [("", said)])

    # ------------------------------------------------------------ the order

    def _shipment(self, shipment: Shipment) -> dict[str, Any]:
        texts.check(shipment)
        county, town, sector = texts.place(shipment)
        locker = shipment.address.locker_id
        street = texts.cut(f"{shipment.address.street}{f', sector {sector}' if sector else ''}", 250)
        address = {
            "county": county,
            "locality": town,
            "street": street,
            "streetNo": "",
            "zipCode": texts.cut(shipment.address.postal_code, 10),
            **({"pickupLocationId": texts.cut(locker, 60)} if locker else {}),
        }
        name = texts.cut(shipment.name, 100)
        info = {
            "service": self._service(shipment),
            "packages": {"parcel": 1, "envelope": 0},
            "weight": -(-shipment.weight_grams // 1000),
            "cod": float(shipment.cash_on_delivery),
            "declaredValue": 0,
            "payment": "sender",
            "content": texts.cut(f"{texts.reference(shipment.reference)} {shipment.contents}", CONTENT),
            "dimensions": {"length": 1, "height": 1, "width": 1},  # nobody here knows them; FAN measures
            "options": [],
        }
        phone, email = texts.phone(shipment.phone), texts.cut(shipment.email, 100)
        recipient = {"name": name, "contactPerson": name, "phone": phone, "email": email, "address": address}
        return {"info": info, "recipient": recipient}

    def _service(self, shipment: Shipment) -> str:
        if shipment.address.locker_id:
            return shipment.service or self._settings.locker_service or "FANbox"
        return shipment.service or self._settings.service or "Standard"

    def _made(self, answer: _Order) -> Created:
        """One order was sent, so one answer counts."""
        if not answer.response:
            if answer.status in ("fail", "error") and answer.message:
                raise self._failure("a waybill", answer.message)
            raise outcomes.unclear(self._name, "a waybill")
        made = answer.response[0]
        if number := texts.number_of(made.awbNumber):
            return Created(number=number, barcodes=(number,), cost=texts.money(made.tariff))
        if complaints := outcomes.complaints_in(made.errors):
            raise outcomes.refusal(self._name, "a waybill", complaints)
        raise outcomes.unclear(self._name, "a waybill")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _reference(info: dict[str, Any]) -> str:
    """The first word of what is said to be in the parcel, whatever became of its capitals."""
    words = str(info.get("content") or "").casefold().split()
    return words[0] if words else ""


def _events(parcel: Any) -> Iterator[ParcelEvent]:
    """A parcel's events; one without a code or a time is left out, for it could neither be kept nor ordered."""
    if not isinstance(parcel, dict) or not isinstance(parcel.get("events"), list):
        return
    number = texts.number_of(parcel.get("awbNumber"))
    for event in parcel["events"]:
        if not isinstance(event, dict):
            continue
        code, at = texts.number_of(event.get("id")), instant(event.get("date"))
        if code and at:
            yield ParcelEvent(number=number, occurred_at=at, code=code, state=_state(code))


def _state(code: str) -> ParcelState | None:
    return STATES.get(code) or ("shipped" if re.fullmatch(r"H\d{1,2}", code) else None)


def _infos(data: Any) -> list[dict[str, Any]]:
    rows = data if isinstance(data, list) else []
    return [row["info"] for row in rows if isinstance(row, dict) and isinstance(row.get("info"), dict)]


def _count(value: object) -> int | None:
    return int(str(value)) if str(value).isdecimal() else None
