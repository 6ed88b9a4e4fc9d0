"""Reads what a client sent, strictly: parameters, JSON bodies, multipart forms. What does not fit is a `ProblemError`.

What belongs here: 400 (can't be read), 413 (too big), 415 (another media type), 422 (read, but not what the contract allows).
What does not: what the request means (`api`).
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Literal, NoReturn, TypeVar, get_args

import msgspec
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from cloudsales_pipeline.simulator.problems import ProblemError
from cloudsales_pipeline.simulator.shelf import Key, read_cursor
from cloudsales_pipeline.simulator.state import Document

DEFAULT_LIMIT = 100
MOST_AT_ONCE = 500
JSON_CAP = 1_000_000
FORM_CAP = 20_000_000
DocumentKind = Literal["proforma_invoice", "fiscal_invoice", "credit_note", "waybill"]
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")

T = TypeVar("T")


class StockUpdate(msgspec.Struct):
    """One item of a PUT /stock."""

    variant_id: str
    quantity: Annotated[int, msgspec.Meta(ge=0)]
    version: Annotated[int, msgspec.Meta(ge=0)]


class StockBody(msgspec.Struct):
    """The body of a PUT /stock."""

    items: Annotated[list[StockUpdate], msgspec.Meta(min_length=1, max_length=MOST_AT_ONCE)]


class StatusBody(msgspec.Struct):
    """The body of a PUT /orders/{id}/status."""

    status: Literal["processing", "shipped", "delivered", "cancelled", "returned"]
    reason: str | msgspec.UnsetType = msgspec.UNSET


def cursor(request: Request, kind: str) -> Key | None:
    """The key behind which the page starts; None for the first page."""
    value = _single(request, "cursor")
    if value is None:
        return None
    try:
        return read_cursor(kind, value)
    except (ValueError, RecursionError):
        raise ProblemError(400, "cursor is not one that this list gave out; start without a cursor.") from None


def limit(request: Request) -> int:
    """Items on a page, 1 to 500."""
    value = _single(request, "limit")
    if value is None:
        return DEFAULT_LIMIT
    if not WHOLE_NUMBER.fullmatch(value) or not 1 <= int(value) <= MOST_AT_ONCE:
        raise ProblemError(400, f"limit must be a whole number from 1 to {MOST_AT_ONCE}.")
    return int(value)


def updated_since(request: Request) -> datetime | None:
    """An instant; a time without an offset is refused."""
    value = _single(request, "updated_since")
    if value is None:
        return None
    try:
        if not RFC_3339.fullmatch(value):
            raise ValueError(value)
        return datetime.fromisoformat(value.upper())
    except ValueError:
        raise ProblemError(400, "updated_since must be RFC 3339 with an offset, such as 2026-11-24T08:00:00Z.") from None


def variant_ids(request: Request) -> list[str]:
    """The ids of a GET /stock, 1 to 500."""
    ids = request.query_params.getlist("variant_id")
    if not 1 <= len(ids) <= MOST_AT_ONCE:
        raise ProblemError(400, f"variant_id must be given 1 to {MOST_AT_ONCE} times.")
    return ids


async def json_body(request: Request, shape: type[T]) -> T:
    """The body as this shape."""
    _require_media_type(request, "application/json")
    text = await _read(request, JSON_CAP)
    try:
        # The standard decoder, because JSON's whole numbers have no largest one; msgspec's turns those above 2^64 into floats.
        data = json.loads(text.decode(), parse_float=_number, parse_constant=_no_number)
    except RecursionError:
        raise ProblemError(400, "The body nests too deeply.") from None
    except ValueError:
        raise ProblemError(400, "The body is not JSON in UTF-8.") from None
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        raise ProblemError(422, str(error)) from None


async def document(request: Request) -> Document:
    """The form of a POST /orders/{id}/documents."""
    _require_media_type(request, "multipart/form-data")
    await _read(request, FORM_CAP)
    try:
        async with request.form(max_files=1, max_fields=20) as form:
            fields = {name: form.getlist(name) for name in ("kind", "number", "courier", "tracking_url", "file")}
            kind, number = _text(fields["kind"], "kind"), _text(fields["number"], "number")
            if kind not in get_args(DocumentKind):
                raise ProblemError(422, f"kind must be one of {', '.join(get_args(DocumentKind))}.")
            if number is None:
                raise ProblemError(422, "number is required.")
            courier, tracking = _text(fields["courier"], "courier"), _text(fields["tracking_url"], "tracking_url")
            return Document(str(kind), number, courier, tracking, await _content(fields["file"]))
    except (MultiPartException, UnicodeDecodeError):
        raise ProblemError(400, "The body is not multipart/form-data.") from None


def _number(text: str) -> int | float:
    """JSON Schema counts 3.0 and 2e3 as whole numbers."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


async def _content(values: list[UploadFile | str]) -> bytes | None:
    if not values:
        return None
    return await values[0].read() if isinstance(values[0], UploadFile) else values[0].encode()


def _text(values: list[UploadFile | str], name: str) -> str | None:
    if not values:
        return None
    if len(values) > 1 or not isinstance(values[0], str):
        raise ProblemError(422, f"{name} must be one text field.")
    return values[0]


def _single(request: Request, name: str) -> str | None:
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise ProblemError(400, f"{name} is given more than once.")
    return values[0] if values else None


def _require_media_type(request: Request, wanted: str) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != wanted:
        raise ProblemError(415, f"Send {wanted}.")


async def _read(request: Request, cap: int) -> bytes:
    """The whole body, kept on the request for whoever reads it again; refused as soon as it passes the cap."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > cap:
            raise ProblemError(413, f"At most {cap} bytes.", headers={"connection": "close"})
        chunks.append(chunk)
    request._body = b"".join(chunks)  # starlette's own cache of body(): form() reads it from there
    return request._body
