"""A channel's server for measuring clients: pages joined from a file of payloads, nothing else to do.

`python -m benchmarks.page_server FILE COUNT LATENCY_MS` prints its port when it listens. /v1/products pages by cursor in
FashionUp's envelope; with `page` instead of `cursor` it pages by number from 1, so that several may be asked for at once.
The same payloads as the simulator's, without its checks and faults, so that little of the machine goes to the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import socket
import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs


def main() -> None:
    """Serve until the process is ended."""
    import uvicorn

    file, count, latency = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(_app(file, count, latency), ws="none", lifespan="off", access_log=False, log_level="error")
        uvicorn.Server(config).run([listener])


def _app(file: Path, count: int, latency: float) -> Any:
    with file.open("rb") as opened:
        data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    places = _places(data, count)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if latency:
            await asyncio.sleep(latency)
        query = parse_qs(scope["query_string"].decode())
        limit = int(query["limit"][0])
        start = (int(query["page"][0]) - 1) * limit if "page" in query else int(query.get("cursor", ["0"])[0])
        end = min(start + limit, count)
        items = data[places[start] : places[end] - 1].replace(b"\n", b",") if start < end else b""
        following = b"null" if end >= count else (b'"%d"' % (start // limit + 2 if "page" in query else end))
        body = b'{"items":[' + items + b'],"next_cursor":' + following + b"}"
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def _places(data: mmap.mmap, count: int) -> array[int]:
    """Where each of the first `count` lines begins, and where the last ends."""
    places = array("q", [0])
    for _ in range(count):
        places.append(data.find(b"\n", places[-1]) + 1)
    return places


@contextlib.contextmanager
def serving(file: Path, count: int, latency_ms: float = 0) -> Iterator[str]:
    """The API's address, from a process of its own that is ended at the end of the block."""
    command = [sys.executable, "-m", "benchmarks.page_server", str(file), str(count), str(latency_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    main()
