"""What a call's end means for a parcel: done, surely not done, or unclear.

What belongs here: the transport's errors as the port's, and a courier's complaint as a reason code. What does not: HTTP, and a
courier's own fields.

| how a write ended | means |
|---|---|
| no connection, no name, 401/403 after a second sign-in, 404, 408, 429 | surely not done: away |
| another 4xx, an error in a 200 | surely not done: refused |
| time-out, reset, a cut or foreign body, 5xx, a redirect | may have been done: unclear |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cloudsales_pipeline.channels.errors import (
    AuthenticationError,
    ChannelError,
    ChannelRefusedError,
    ChannelUnreachableError,
    RateLimitedError,
)
from cloudsales_pipeline.documents.couriers.port import (
    CourierAwayError,
    CourierError,
    CourierRefusedError,
    CourierUnclearError,
)

NOT_NOW = frozenset({404, 408, 425})  # a wrong address of ours, or a server that did not get all of it
DEPTH = 6
COMPLAINTS = 20

# The first that is found in a complaint's field or words decides; couriers answer in Romanian or English.
REASONS = (
    ("reference_used", ("not_unique",)),
    ("address_invalid", ("cod postal",)),
    ("phone_invalid", ("phone", "telefon")),
    ("email_invalid", ("email", "e-mail")),
    ("locker_unknown", ("locker", "pickuplocation", "fanbox", "easybox", "ooh")),
    ("cash_on_delivery", ("cashondelivery", "cod", "ramburs", "bank", "iban")),
    ("weight_invalid", ("weight", "greutate")),
    ("account_wrong", ("pickuppoint", "contactperson", "clientid", "client id", "punct de ridicare")),
    ("service_unknown", ("service", "serviciu")),
    (
        "address_invalid",
        ("county", "city", "locality", "street", "zip", "postal", "address", "judet", "localitate", "strada", "adresa"),
    ),
    ("name_invalid", ("name", "nume")),
)


@contextmanager
def reading(courier: str, what: str) -> Iterator[None]:
    """Ends of a question: whatever goes wrong, it can be asked later.

    Raises:
        CourierAwayError: see the port.
    """
    try:
        yield
    except ChannelError as error:
        raise _away(courier, what, error) from None


@contextmanager
def writing(courier: str, what: str) -> Iterator[None]:
    """Ends of an order or a cancellation, by the table above.

    Raises:
        CourierRefusedError, CourierAwayError, CourierUnclearError.
    """
    try:
        yield
    except ChannelError as error:
        raise _ended(courier, what, error) from None


def _ended(courier: str, what: str, error: ChannelError) -> CourierError:
    if isinstance(error, RateLimitedError | AuthenticationError | ChannelUnreachableError):
        return _away(courier, what, error)
    if isinstance(error, ChannelRefusedError):
        if error.status in NOT_NOW:
            return _away(courier, what, error)
        step = "look at what was asked of it"
        return CourierRefusedError(f"{courier} refused {what} (HTTP {error.status}).", next_step=step)
    return unclear(courier, what)


def _away(courier: str, what: str, error: ChannelError) -> CourierAwayError:
    if isinstance(error, RateLimitedError):
        message = f"{courier} wants to be asked later for {what}."
        return CourierAwayError(message, reason="too_many_requests", retry_at=error.retry_at)
    if isinstance(error, AuthenticationError):
        return signed_out(courier)
    status = f" (HTTP {error.status})" if isinstance(error, ChannelRefusedError) else f" ({type(error).__name__})"
    step = f"check couriers.{courier}.url and that the server there is up"
    return CourierAwayError(f"{courier} gave no usable answer to {what}{status}.", next_step=step)


def signed_out(courier: str) -> CourierAwayError:
    """It takes neither the token nor the password."""
    step = f"check the variables that couriers.{courier}.user_env and password_env name"
    return CourierAwayError(f"{courier} does not let us sign in.", reason="signed_out", next_step=step)


def unclear(courier: str, what: str) -> CourierUnclearError:
    """It may have been done."""
    message = f"{courier} gave no clear answer to {what}: it may have been done."
    return CourierUnclearError(message, next_step="look it up by our reference before anything else")


def refusal(courier: str, what: str, complaints: Sequence[tuple[str, str]]) -> CourierRefusedError:
    """A courier's complaints, (field, words) each, as a reason. None of them goes into the error: they may repeat an address."""
    reason = reason_of(complaints)
    step = "correct the order or the settings, then ask for a waybill again"
    return CourierRefusedError(f"{courier} refused {what}: {reason}.", reason=reason, next_step=step)


def reason_of(complaints: Iterable[tuple[str, str]]) -> str:
    """A reason code of `REASONS`, by field before words; `refused` where none fits."""
    known = list(complaints)
    for texts in ([field for field, _ in known], [words for _, words in known]):
        said = " ".join(texts).lower()
        for reason, marks in REASONS:
            if any(re.search(rf"(?<![a-z]){re.escape(mark)}" if len(mark) < 4 else re.escape(mark), said) for mark in marks):
                return reason
    return "refused"


def complaints_in(value: Any, field: str = "", depth: int = 0) -> list[tuple[str, str]]:
    """Every text in a courier's `errors`, with the path to it; Symfony's `children` and `errors` are no part of the path."""
    if depth > DEPTH:
        return []
    if isinstance(value, str):
        return [(field, value[:500])] if value.strip() else []
    found: list[tuple[str, str]] = []
    if isinstance(value, Mapping):
        for key, inner in list(value.items())[:COMPLAINTS]:
            name = field if key in ("children", "errors") else f"{field}.{key}".lstrip(".")
            found += complaints_in(inner, name, depth + 1)
    elif isinstance(value, list):
        for inner in value[:COMPLAINTS]:
            found += complaints_in(inner, field, depth + 1)
    return found[:COMPLAINTS]
