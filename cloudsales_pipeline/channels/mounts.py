"""What a folder lies on: the URL judged, the library's file system opened with our time-outs, dropped when it broke.

What belongs here: schemes, credentials, connections. What does not: files and their names (`folders`).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from cloudsales_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from upath import UPath

EXTRAS = {"s3": ("s3", "s3fs"), "sftp": ("sftp", "paramiko")}  # scheme → our extra, the module it brings
SCHEMES = ("file", "memory", *EXTRAS)
CONNECT_SECONDS = 10
READ_SECONDS = 30
S3_CALLS = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "retries": {"max_attempts": 3}}
ADVICE = {
    "AuthenticationException": "check the user, and its SSH key or password",
    "UnknownHostKeyError": "compare the server's key with the store's, then add it: ssh-keyscan HOST >> ~/.ssh/known_hosts",
    "BadHostKeyException": "the server's key is another than before: ask the store before anything else",
    "NoCredentialsError": "give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
}


class Mount:
    """The file system behind a URL, connected at its first use.

    Attributes:
        scheme: file, memory, s3 or sftp.
        path: the folder's path, as the file system takes it.
        label: the URL without user and password, for errors.
    """

    def __init__(self, url: str, *, channel: str, password: str | None = None) -> None:
        parts = _split(url, channel)
        self.scheme = parts.scheme or "file"
        self.path = _path(parts, self.scheme)
        self.label = f"{self.scheme}://{_server(parts)}{parts.path}"
        self._options = _options(parts, password)
        self._root: UPath | None = None

    @property
    def local(self) -> bool:
        """A folder of this machine."""
        return self.scheme == "file"

    @property
    def flat(self) -> bool:
        """There are no folders, only names with slashes, and one put is whole."""
        return self.scheme in ("s3", "memory")

    @property
    def fs(self) -> Any:
        """The library's file system, connected."""
        if self._root is None:
            self._root = self._connected()
        return self._root.fs

    def has_root(self) -> bool:
        """Whether the bucket is there; of others this says nothing."""
        return self.scheme != "s3" or bool(self.fs.exists(self.path.partition("/")[0]))

    def drop(self) -> None:
        """Let go of the connection; the next use makes a new one."""
        root, self._root = self._root, None
        if root is not None and self.scheme == "sftp":
            root.fs.client.close()

    def advice(self, error: Exception) -> str:
        """What to do about an error of the library, by its class."""
        return ADVICE.get(type(error).__name__, "check that the store's server can be reached; it is tried again")

    def _connected(self) -> UPath:
        from upath import UPath

        options = dict(self._options)
        if self.scheme == "sftp":
            options["host_key_policy"] = _known_hosts_only()
        root = UPath(self.path, protocol=self.scheme, skip_instance_cache=self.scheme != "memory", **options)
        if self.scheme == "sftp":
            root.fs.ftp.get_channel().settimeout(READ_SECONDS)
        return root


def _split(url: str, channel: str) -> SplitResult:
    """The URL's parts.

    Raises:
        SettingsError: it is none that can be used; it is not repeated, as it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port_given = parts.port is not None
    except ValueError:
        raise _unusable(channel, "is no address", "write file:///path, sftp://user@host/path or s3://bucket/path") from None
    scheme = parts.scheme or "file"
    if scheme not in SCHEMES:
        raise _unusable(channel, f"begins with {scheme}://", f"use one of {', '.join(f'{one}://' for one in SCHEMES)}")
    if scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        raise _unusable(channel, "is not an absolute path", "write it from the root, as in file:///srv/store/stock")
    if scheme in EXTRAS and not parts.hostname:
        raise _unusable(channel, "names no server or bucket", "write sftp://user@host/path or s3://bucket/path")
    if scheme != "sftp" and (parts.username or port_given):
        raise _unusable(channel, "has a user or a port", "give the credentials in the environment")
    if any(part == ".." for part in parts.path.split("/")) or "\x00" in url:
        raise _unusable(channel, "leads upwards", "write the path without ..")
    if scheme in EXTRAS and find_spec(EXTRAS[scheme][1]) is None:
        extra, module = EXTRAS[scheme]
        raise _unusable(
            channel, f"needs the package {module}, which is not installed", f"pip install 'cloudsales-pipeline[{extra}]'"
        )
    return parts


def _unusable(channel: str, why: str, next_step: str) -> SettingsError:
    return SettingsError(f"channels.{channel}: the folder's address {why}.", next_step=next_step)


def _server(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _path(parts: SplitResult, scheme: str) -> str:
    path = parts.path.rstrip("/")
    if scheme == "s3":
        return f"{parts.netloc}{path}"
    return f"/{parts.netloc}{path}" if scheme == "memory" and parts.netloc else path or "/"


def _options(parts: SplitResult, password: str | None) -> dict[str, Any]:
    if parts.scheme == "s3":
        return {"config_kwargs": S3_CALLS}
    if parts.scheme != "sftp":
        return {}
    secret = password or (unquote(parts.password) if parts.password else None)
    return {
        "host": parts.hostname,
        "port": parts.port or 22,
        "username": unquote(parts.username) if parts.username else None,
        "password": secret,
        "allow_agent": secret is None,
        "look_for_keys": secret is None,
        "timeout": CONNECT_SECONDS,
        "banner_timeout": CONNECT_SECONDS,
        "auth_timeout": CONNECT_SECONDS,
    }


class UnknownHostKeyError(Exception):
    """The SFTP server's key is not among the known ones."""


def _known_hosts_only() -> Any:
    """A policy that lets in who is in ~/.ssh/known_hosts: the library's own would trust whoever answers first."""
    import paramiko

    class KnownHostsOnly(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            file = Path.home() / ".ssh" / "known_hosts"
            if not file.exists() or not paramiko.HostKeys(str(file)).check(hostname, key):
                raise UnknownHostKeyError

    return KnownHostsOnly()
