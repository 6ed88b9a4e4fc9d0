"""Shops for measuring publishers: FashionUp's stock push and nothing else, with a log of what came when.

`python -m benchmarks.stock_server` prints its port when it listens. /NAME/v1/stock is the shop NAME, which knows every variant
and keeps the highest version, as the contract says. Times are time.time() when a request's last byte was read, so that they
can be compared with a commit's on the same machine. The protocol is read by hand: little of the machine goes to the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from typing import ClassVar

import msgspec
import psutil
from msgspec import Struct

from cloudsales_pipeline.channels.port import StockUpdate

HEAD_END = b"\r\n\r\n"


class Push(Struct, frozen=True):
    """One request: when it came (time.time()), to which shop, and its items as (variant, quantity)."""

    at: float
    shop: str
    items: list[tuple[str, int]]


class Told(Struct):
    """What a shop was told."""

    requests: int = 0
    items: int = 0
    stale: int = 0
    shows: dict[str, tuple[int, int]] = {}
    """By variant: quantity and version."""


class _Body(Struct, frozen=True):
    items: list[StockUpdate]


_BODY = msgspec.json.Decoder(_Body)


class _Shops(asyncio.Protocol):
    """One connection; `told` and `log` are all connections'."""

    told: ClassVar[defaultdict[str, Told]] = defaultdict(Told)
    log: ClassVar[list[Push]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        _, _, rest = head.partition(b"content-length:")
        length = int(rest.partition(b"\r\n")[0] or 0)
        start = end + len(HEAD_END)
        if len(self._buffer) < start + length:
            return
        at, body = time.time(), self._buffer[start : start + length]
        path = self._buffer.split(b" ", 2)[1].decode()
        self._buffer = self._buffer[start + length :]
        answer = self._answer(path, body, at)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer
        )

    def _answer(self, path: str, body: bytes, at: float) -> bytes:
        if path == "/told":
            return msgspec.json.encode(self.told)
        if path == "/log":
            return msgspec.json.encode(self.log)
        shop = path.split("/", 2)[1]
        items = _BODY.decode(body).items
        told = self.told[shop]
        told.requests += 1
        told.items += len(items)
        self.log.append(Push(at, shop, [(item.variant_id, item.quantity) for item in items]))
        return msgspec.json.encode({"results": [{"variant_id": item.variant_id, "result": _set(told, item)} for item in items]})


def _set(told: Told, item: StockUpdate) -> str:
    before = told.shows.get(item.variant_id)
    if before is not None and item.version < before[1]:
        told.stale += 1
        return "stale"
    told.shows[item.variant_id] = (item.quantity, item.version)
    return "set"


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Shops, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Shops:
    """The running server, as its caller asks it."""

    def __init__(self, address: str, process: int | None = None) -> None:
        self._address, self._process = address, process

    def cpu_seconds(self) -> float:
        """Of the server's process since it started."""
        times = psutil.Process(self._process).cpu_times()
        return float(times.user + times.system)

    def url(self, shop: str) -> str:
        """The address of a shop's API, for the settings."""
        return f"{self._address}/{shop}/v1"

    def told(self) -> dict[str, Told]:
        """By shop, what it was told so far."""
        return msgspec.json.decode(self._get("told"), type=dict[str, Told])

    def log(self) -> list[Push]:
        """All pushes so far, in their order."""
        return msgspec.json.decode(self._get("log"), type=list[Push])

    def _get(self, what: str) -> bytes:
        with urllib.request.urlopen(f"{self._address}/{what}", timeout=60) as answer:  # noqa: S310 (our own server)
            content: bytes = answer.read()
            return content


@contextlib.contextmanager
def serving() -> Iterator[Shops]:
    """The shops, in a process of their own that is ended at the end of the block."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.stock_server"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Shops(f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid)
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    asyncio.run(_serve())
