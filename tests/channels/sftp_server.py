"""A real SFTP server on loopback, over a folder: one user, one password, one key of its own."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest

USER, PASSWORD = "cluj", "s3cret-word"


class _Session(paramiko.ServerInterface):  # type: ignore[misc]
    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == (USER, PASSWORD)
        return int(paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def get_allowed_auths(self, username: str) -> str:
        return "password"


def _files(root: Path) -> type[Any]:
    def real(path: str) -> Path:
        return root / path.lstrip("/")

    def opened(path: Path, flags: int) -> Any:
        handle = paramiko.SFTPHandle(flags)
        descriptor = os.open(path, flags, 0o666)
        handle.readfile = handle.writefile = os.fdopen(descriptor, "wb" if flags & (os.O_WRONLY | os.O_RDWR) else "rb")
        return handle

    class Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
        def list_folder(self, path: str) -> Any:
            return _told(lambda: list(_listed(real(path))))

        def stat(self, path: str) -> Any:
            return _told(lambda: _attributes(real(path)))

        lstat = stat

        def open(self, path: str, flags: int, attr: Any) -> Any:
            return _told(lambda: opened(real(path), flags))

        def remove(self, path: str) -> Any:
            return _told(lambda: real(path).unlink())

        def posix_rename(self, oldpath: str, newpath: str) -> Any:
            return _told(lambda: real(oldpath).replace(real(newpath)))

        def mkdir(self, path: str, attr: Any) -> Any:
            return _told(lambda: real(path).mkdir())

    return Files


def _attributes(path: Path) -> Any:
    return paramiko.SFTPAttributes.from_stat(path.stat(), path.name)


def _listed(folder: Path) -> Iterator[Any]:
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # renamed in between
            yield _attributes(path)


def _told(work: Callable[[], Any]) -> Any:
    try:
        result = work()
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno)
    return paramiko.SFTP_OK if result is None or isinstance(result, Path) else result


class Server:
    """Its address with the password, and the connections that it has."""

    def __init__(self, listener: socket.socket, key: Any) -> None:
        self.port: int = listener.getsockname()[1]
        self.url = f"sftp://{USER}:{PASSWORD}@127.0.0.1:{self.port}/outbox"
        self.transports: list[Any] = []
        self._key = key

    def make_known(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server's key is in the list of the user whose home this is, and that is us."""
        (home / ".ssh").mkdir()
        line = f"[127.0.0.1]:{self.port} {self._key.get_name()} {self._key.get_base64()}\n"
        (home / ".ssh" / "known_hosts").write_text(line)
        monkeypatch.setenv("HOME", str(home))

    def cut(self) -> None:
        """All connections end, as when the server is restarted."""
        for transport in self.transports:
            transport.close()


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Serve `root`, in which the folder outbox is."""
    (root / "outbox").mkdir()
    key = paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener, key)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _files(root))
            server.transports.append(transport)
            with suppress(Exception):
                transport.start_server(server=_Session())

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.close()
        server.cut()
