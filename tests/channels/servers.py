"""Servers on loopback that misbehave on purpose, one raw answer per request, and time that passes only when slept."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Reply = bytes | Callable[[socket.socket], None]


class Scripted:
    """Answers the n-th request with the n-th reply, later ones with the last; keeps what it was sent.

    A reply is raw bytes (the connection is closed after them) or a function that does as it likes with the socket.
    """

    def __init__(self, *replies: Reply, keep_alive: bool = False) -> None:
        self._replies = replies
        self._keep_alive = keep_alive
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self.open += 1
                self.most_open = max(self.most_open, self.open)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while (request := _request(connection)) is not None:
                    with self._lock:
                        reply = self._replies[min(len(self.requests), len(self._replies) - 1)]
                        self.requests.append(request)
                    if callable(reply):
                        reply(connection)
                    else:
                        connection.sendall(reply if self._keep_alive else _last(reply))
                    if not self._keep_alive:
                        return
            except OSError:
                return
            finally:
                with self._lock:
                    self.open -= 1

    def close(self) -> None:
        self._listener.close()

    @property
    def count(self) -> int:
        return len(self.requests)


def _last(reply: bytes) -> bytes:
    """The reply, saying that the connection ends with it; else the next request may run into its end."""
    return reply.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def _request(connection: socket.socket) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def scripted(*replies: Reply, keep_alive: bool = False) -> Iterator[Scripted]:
    server = Scripted(*replies, keep_alive=keep_alive)
    try:
        yield server
    finally:
        server.close()


def answer(status: int = 200, body: bytes = b"{}", media_type: str = "application/json", **headers: str) -> bytes:
    """A well-formed answer; header names are written with _ for -."""
    extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def raw(head: str, body: bytes = b"") -> bytes:
    """An answer as it is written here, lines ended."""
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def drip(data: bytes, every: float) -> Callable[[socket.socket], None]:
    """Sends one byte at a time."""

    def send(connection: socket.socket) -> None:
        for position in range(len(data)):
            connection.sendall(data[position : position + 1])
            time.sleep(every)

    return send


def silence(seconds: float) -> Callable[[socket.socket], None]:
    """Says nothing for so long, then hangs up."""
    return lambda _: time.sleep(seconds)


def reset(connection: socket.socket) -> None:
    """Hangs up with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


class FakeTime:
    """A clock that runs on, and jumps by what is slept instead of sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def clock(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
