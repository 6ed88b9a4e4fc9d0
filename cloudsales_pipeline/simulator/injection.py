"""Breaks an answer the way a fault says: statuses, bodies, and the connection itself.

What belongs here: doing it. What does not: choosing it (`faults`), and faults of a list's contents, which the list makes.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cloudsales_pipeline.simulator.faults import Fault, Injection
from cloudsales_pipeline.simulator.problems import problem

TRANSPORT = "simulator.transport"  # the key under which the server puts a connection's transport into the scope
DRIPS = 20
BOMB_MEGABYTES = 200
GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
ELSEWHERE = "http://elsewhere.invalid/v1/products"
HTML = "<!doctype html><html lang=ro><title>Mentenanță</title><h1>Revenim imediat</h1><p>Lucrăm la ceva frumos.</p></html>"


def before_work(strike: Injection | None) -> Response | None:
    """The answer of a fault that keeps the work from being done; None where the work is to be done."""
    if strike is None:
        return None
    fault = strike.fault
    if fault is Fault.TOO_MANY:
        return problem(429, "Too many requests.", {"retry-after": f"{strike.seconds:.0f}"})
    if fault is Fault.TOO_MANY_DATE:
        return problem(429, "Too many requests.", {"retry-after": _http_date(strike.seconds)})
    if fault is Fault.REDIRECT:
        return Response(status_code=307, headers={"location": ELSEWHERE})
    if fault is Fault.RESET:
        return Response()  # never sent
    if fault is Fault.BAD_GATEWAY:
        return Response(HTML, 502, media_type="text/html")
    plain = {
        Fault.TOO_MANY_BARE: (429, "Too many requests."),
        Fault.UNAVAILABLE: (503, "Back soon."),
        Fault.UNAUTHORISED: (401, "The token is not valid any more."),
    }
    return problem(*plain[fault]) if fault in plain else None


async def deliver(strike: Injection | None, answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the answer, as broken as the fault says."""
    if strike is None:
        await answer(scope, receive, send)
        return
    fault, body = strike.fault, bytes(answer.body)
    if fault in (Fault.DELAY, Fault.STALL):
        await asyncio.sleep(strike.seconds)
    if fault in (Fault.RESET, Fault.RESET_AFTER_WORK) or (fault in _CUTS and not body):
        await _reset(scope, receive)
    elif fault in _CUTS:
        await _cut(fault, answer, scope, send)
    elif fault is Fault.SLOW_DRIP and body:
        await _drip(strike.seconds, answer, send)
    else:
        await _replaced(fault, answer, scope)(scope, receive, send)


_CUTS = (Fault.CUT_BODY, Fault.CUT_CHUNKED, Fault.CUT_UNSIZED)


def _replaced(fault: Fault, answer: Response, scope: Scope) -> Response:
    """The answer with another status, type or encoding; itself where the fault is of another sort."""
    body = bytes(answer.body)
    if fault is Fault.FAILED_AFTER_WORK:
        return problem(500, "Something broke after the work was done.")
    if fault is Fault.HTML_PAGE:
        return Response(HTML, 200, media_type="text/html")
    if fault is Fault.WRONG_CONTENT_TYPE:
        return Response(body, answer.status_code, media_type="text/plain")
    if fault is Fault.BROKEN_JSON:
        return Response(body[: len(body) // 2] or b"{", answer.status_code, media_type="application/json")
    if fault is Fault.GZIP and body and _takes_gzip(scope):
        return _gzipped(gzip.compress(body, 1, mtime=0), answer.status_code)
    if fault is Fault.GZIP_BOMB:
        return _gzipped(_bomb(), 200)
    return answer


def _gzipped(body: bytes, status: int) -> Response:
    return Response(body, status, {"content-encoding": "gzip"}, "application/json")


async def _cut(fault: Fault, answer: Response, scope: Scope, send: Send) -> None:
    """Half the body, then the end of the connection."""
    transport, half = scope[TRANSPORT], bytes(answer.body)[: len(answer.body) // 2]
    if fault is Fault.CUT_UNSIZED:
        head = f"HTTP/1.1 {answer.status_code} OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
        transport.write(head.encode() + half)
    else:
        headers = [(b"content-type", b"application/json")]
        if fault is Fault.CUT_BODY:
            headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
    transport.close()


async def _drip(seconds: float, answer: Response, send: Send) -> None:
    """The whole body in small pieces."""
    body = bytes(answer.body)
    size = -(-len(body) // DRIPS)
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds / DRIPS)
        await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _reset(scope: Scope, receive: Receive) -> None:
    """Reset the connection (RST): with no time to linger, closing throws away what was not sent."""
    transport: Any = scope[TRANSPORT]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    """JSON that is 200 MB of white space in 200 kB of gzip.

    After a full flush deflate starts afresh, so one packed megabyte can stand there 200 times (RFC 1952 frames it).
    """
    megabyte = b" " * 1_000_000
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(megabyte) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(b"{}") + packer.flush()
    checksum = 0
    for _ in range(BOMB_MEGABYTES):
        checksum = zlib.crc32(megabyte, checksum)
    size = BOMB_MEGABYTES * len(megabyte) + len(b"{}")
    return GZIP_HEAD + packed * BOMB_MEGABYTES + end + struct.pack("<II", zlib.crc32(b"{}", checksum), size)


def _takes_gzip(scope: Scope) -> bool:
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])


def _http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
