"""A response's body, read as raw bytes and inflated here, so that no more is ever in memory than the cap allows (F-15).

What does not belong here: what the bytes mean.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

GZIP_WINDOW = 16 + zlib.MAX_WBITS
ZLIB_WINDOW = zlib.MAX_WBITS
RAW_WINDOW = -zlib.MAX_WBITS


class OverCapError(Exception):
    """The body, inflated, has more bytes than allowed."""


class CutError(Exception):
    """The compressed body ended before it should, or is damaged."""


class UnknownEncodingError(Exception):
    """A content encoding that was not asked for."""


def read_body(chunks: Iterable[bytes], encoding: str, max_bytes: int) -> bytes:
    """All of the body, inflated.

    Raises:
        OverCapError, CutError, UnknownEncodingError: see there.
    """
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return _plain(chunks, max_bytes)
    if coding in ("gzip", "x-gzip", "deflate"):
        return _inflated(chunks, coding == "deflate", max_bytes)
    raise UnknownEncodingError


def _plain(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise OverCapError
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflated(chunks: Iterable[bytes], deflate: bool, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    room = max_bytes
    inflater: zlib._Decompress | None = None
    window = ZLIB_WINDOW if deflate else GZIP_WINDOW
    for chunk in chunks:
        data = chunk
        while data:
            if inflater is None:
                window = _deflate_window(data) if deflate else GZIP_WINDOW
                inflater = zlib.decompressobj(window)
            try:
                part = inflater.decompress(data, room + 1)
            except zlib.error:
                raise CutError from None
            room -= len(part)
            if room < 0:
                raise OverCapError
            parts.append(part)
            data = inflater.unconsumed_tail or inflater.unused_data
            if inflater.eof:
                inflater = None  # a gzip file may have several members
    if inflater is not None:
        raise CutError
    return b"".join(parts)


def _deflate_window(data: bytes) -> int:
    """`deflate` means zlib's wrapping, but some servers send it bare."""
    return ZLIB_WINDOW if data[0] & 0x0F == 8 else RAW_WINDOW
