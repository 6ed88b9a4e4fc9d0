"""A page as raw items: cut out of the answer's bytes without being parsed, so that one bad item can't spoil the page (I-43).

msgspec finds the items' borders at full speed. It gives up on a whole page for one lone surrogate or for nesting deeper
than its stack; only then does the slow splitter here walk the text, without recursion. What does not belong here: what an
item means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from cloudsales_pipeline.channels.attempts import NotDecodableError, ShapeError

_TOKEN = re.compile(rb'["\[\]{},]')
_STRING_END = re.compile(rb'(?:[^"\\]|\\.)*+"', re.DOTALL)
_ITEMS = re.compile(rb'\s*\{.*?"items"\s*:\s*\[', re.DOTALL)


_MEMBER = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*(.+)', re.DOTALL)


class Envelope(Struct, frozen=True):
    """The page's frame. Items are raw; `next_cursor` must be there, null on the last page."""

    items: list[Raw]
    next_cursor: Annotated[str, Meta(min_length=1)] | None
    total: int | None = None


_DECODER = msgspec.json.Decoder(Envelope)


class Page(Struct, frozen=True):
    """Items as bytes of their own, so that the page's buffer is not kept alive by one of them."""

    items: tuple[bytes, ...]
    next_cursor: str | None
    total: int | None


def decode_page(body: bytes) -> Page:
    """An answer as a page of raw items.

    Raises:
        NotDecodableError: not JSON.
        ShapeError: JSON, but not this envelope.
    """
    try:
        envelope = _DECODER.decode(body)
        return Page(tuple(bytes(item) for item in envelope.items), envelope.next_cursor, envelope.total)
    except msgspec.ValidationError as error:
        raise ShapeError(str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return _split(body)


def _split(body: bytes) -> Page:
    """The same, item by item, when an item is beyond msgspec."""
    start = _ITEMS.match(body)
    if start is None:
        raise NotDecodableError
    items, end = _elements(body, start.end())
    frame = body[: start.end()] + body[end:]
    try:
        envelope = _DECODER.decode(frame)
    except msgspec.ValidationError as error:
        raise ShapeError(str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise NotDecodableError from None
    if envelope.items:
        raise NotDecodableError
    return Page(tuple(items), envelope.next_cursor, envelope.total)


def members(body: bytes) -> dict[str, bytes]:
    """The members of a JSON object by their names, their values as they stand, whatever is in them.

    For an object that msgspec can't walk: half a surrogate or 100,000 levels in one value hide the others from it.

    Raises:
        NotDecodableError: it is no object, or its strings and brackets do not close.
    """
    text = body.strip()
    if not text.startswith(b"{"):
        raise NotDecodableError
    found: dict[str, bytes] = {}
    for part in _elements(text, 1, closing=b"}")[0]:
        member = _MEMBER.fullmatch(part)
        if member is None:
            raise NotDecodableError
        try:
            found[msgspec.json.decode(member[1], type=str)] = member[2]
        except (msgspec.DecodeError, UnicodeError):
            continue  # a name that is no text is none that we ask for
    return found


def elements(body: bytes) -> list[bytes]:
    """The elements of a JSON array as they stand, whatever is in them; for one that msgspec can't walk.

    Raises:
        NotDecodableError: it is no array, or its strings and brackets do not close.
    """
    text = body.strip()
    if not text.startswith(b"["):
        raise NotDecodableError
    return _elements(text, 1)[0]


def _elements(body: bytes, start: int, *, closing: bytes = b"]") -> tuple[list[bytes], int]:
    """The elements of the array or object that opened before `start`, and where its closing bracket stands."""
    found: list[bytes] = []
    depth = 0
    begin = start
    for token, position in _tokens(body, start):
        if token in b"[{":
            depth += 1
        elif token in b"]}" and depth:
            depth -= 1
        elif token in (b",", closing) and not depth:
            if item := body[begin:position].strip():
                found.append(item)
            begin = position + 1
            if token == closing:
                return found, position
    raise NotDecodableError


def _tokens(body: bytes, start: int) -> Iterator[tuple[bytes, int]]:
    """Brackets, braces and commas outside strings."""
    position = start
    while (match := _TOKEN.search(body, position)) is not None:
        position = match.end()
        if match.group() == b'"':
            closing = _STRING_END.match(body, position)
            if closing is None:
                raise NotDecodableError
            position = closing.end()
        else:
            yield match.group(), match.start()
