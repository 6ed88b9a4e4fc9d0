"""One folder where files are exchanged: on this machine, behind sftp://, in s3://, or in memory for tests.

What belongs here: whole files in and out of one folder, under names that can't lead out of it, and what can go wrong with that
in our words. What does not: what the files mean (`store`, `stock.files`), and which of them were taken in already.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from cloudsales_pipeline.channels.errors import BodyTooLargeError, ChannelUnreachableError, FileMissingError, FolderError
from cloudsales_pipeline.channels.mounts import Mount
from cloudsales_pipeline.errors import CloudSalesError

LOGGER = logging.getLogger("cloudsales.folders")
UNFINISHED = (".tmp", ".part", ".filepart", ".crdownload")  # what programs call a file that they are still writing (F-30)
LONGEST_NAME = 255  # bytes; what common file systems take
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
MOST_SUFFIXES = 1_000


class Entry(Struct, frozen=True):
    """A file of a folder: its name, its size in bytes, and when it was last written (UTC, by the folder's clock)."""

    name: str
    size: int
    modified_at: datetime


class Folder:
    """One folder, for one thread at a time. Every method may raise `FolderError` or `ChannelUnreachableError`.

    Names are single names: what could lead elsewhere (`../x`, `/x`, a NUL) is refused before anything is touched (I-48).
    """

    def __init__(self, mount: Mount, *, channel: str, below: str = "") -> None:
        self._mount = mount
        self._channel = channel
        self._below = below

    def entries(self) -> tuple[Entry, ...]:
        """The files at the top level, sorted by name.

        Left out: folders, links, names that begin with a dot or end like those of unfinished files, and names that can't be
        used as one, which are logged by their number.
        """
        with self._errors("list"):
            files = self._mount.fs
            files.invalidate_cache()  # s3fs would remember its last listing
            try:
                infos = files.ls(self._path, detail=True)
            except FileNotFoundError:
                if not self._mount.flat or not self._mount.has_root():
                    raise
                infos = []
        found = [info for info in infos if _is_file(info)]
        names = {name: info for info in found if (name := _listed_name(info["name"], self._path)) is not None}
        if len(names) < len(found):
            LOGGER.warning("%s: %d files have names that can't be used", self._channel, len(found) - len(names))
        return tuple(_entry(name, names[name]) for name in sorted(names) if _is_offered(name))

    def entry(self, name: str) -> Entry | None:
        """The file `name`; None where there is none."""
        path = self._at(name)
        with self._errors("look at", name):
            self._mount.fs.invalidate_cache()
            try:
                info = self._mount.fs.info(path)
            except FileNotFoundError:
                return None
        return _entry(name, info) if _is_file(info) else None

    def exists(self, name: str) -> bool:
        """Whether there is a file `name`."""
        return self.entry(name) is not None

    def read_bytes(self, name: str, max_bytes: int) -> bytes:
        """The whole file.

        Raises:
            FileMissingError: there is none.
            BodyTooLargeError: it is larger than `max_bytes`; not more than that is read.
        """
        path = self._at(name)
        with self._errors("read", name), self._opened(path) as file:
            content: bytes = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise BodyTooLargeError(
                f"the file {name} is larger than {max_bytes:,} bytes", channel=self._channel, operation="read file"
            )
        return content

    def write_complete(self, name: str, content: bytes) -> None:
        """Put a file there that nobody ever sees half; one of the same name is replaced.

        On disks and sftp:// it is written under a name that begins with a dot and renamed (F-29); in s3:// one put does it.
        """
        path = self._at(name)
        with self._errors("write", name):
            if self._mount.local:
                _write_local(Path(path), content)
            elif self._mount.flat:
                self._mount.fs.pipe_file(path, content)
            else:
                self._write_renamed(path, content)

    def claim(self, name: str) -> bool:
        """Make an empty file `name`; False where there is one already. Of several who try at once, one gets True.

        Where s3:// is not Amazon's, that depends on whether its server knows conditional puts.
        """
        path = self._at(name)
        with self._errors("write", name):
            try:
                if self._mount.local:
                    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
                    _sync(Path(path).parent)
                elif self._mount.flat:
                    self._mount.fs.pipe_file(path, b"", mode="create")
                else:
                    self._mount.fs.open(path, "wxb").close()
            except OSError:  # what a server says here differs from one to the next
                if self.exists(name):
                    return False
                raise
        return True

    def move(self, name: str, subfolder: str) -> str:
        """Move a file into a folder below this one, for example `archive/2026-11`; that is made where it is missing.

        Returns:
            Its name there: another one (`sales-2.csv`) where `name` was taken. Nothing is overwritten.
        """
        path, target = self._at(name), self.subfolder(subfolder)
        target.make()
        free = next((other for other in islice(_names(name), MOST_SUFFIXES) if target.claim(other)), None)
        if free is None:
            raise self._error(f"{subfolder} has too many files of the name {name}", "clear that folder out")
        try:
            with self._errors("move", name):
                self._rename(path, target._at(free))
        except BaseException:
            with suppress(CloudSalesError):
                target.remove(free)
            raise
        return free

    def remove(self, name: str) -> None:
        """Delete a file; where there is none, nothing happens."""
        path = self._at(name)
        with self._errors("delete", name), suppress(FileNotFoundError):
            self._mount.fs.rm_file(path)

    def make(self) -> None:
        """Make the folder and those above it; where it is, nothing happens."""
        if self._mount.scheme == "s3":
            return  # a prefix needs no making, and a bucket is not ours to make
        with self._errors("make"):
            self._mount.fs.makedirs(self._path, exist_ok=True)

    def subfolder(self, name: str) -> Folder:
        """The folder `name` (or `a/b`) below this one, over the same connection. Nothing is made."""
        parts = name.split("/")
        if any(_refusal(part) for part in parts):
            raise self._error("a folder's name that can't be used", "give it a plain name")
        return Folder(self._mount, channel=self._channel, below="/".join([*filter(None, [self._below]), *parts]))

    def close(self) -> None:
        """Let go of the connection; the next use makes a new one."""
        self._mount.drop()

    # ------------------------------------------------------------ inside

    @property
    def _path(self) -> str:
        """The folder's path, as its file system takes it."""
        return f"{self._mount.path}/{self._below}" if self._below else self._mount.path

    def _at(self, name: str) -> str:
        reason = _refusal(name)
        if reason:
            raise self._error(f"a file's name that can't be used ({reason})", "rename the file")
        return f"{self._path}/{name}"

    def _opened(self, path: str) -> Any:
        if self._mount.local:  # whoever may drop a link here must not read with our rights what it points to
            return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        return self._mount.fs.open(path, "rb")

    def _write_renamed(self, path: str, content: bytes) -> None:
        files = self._mount.fs
        temporary = f"{self._path}/{_temporary_name()}"
        try:
            files.pipe_file(temporary, content)
            files.mv(temporary, path)
        except BaseException:
            with suppress(Exception):
                files.rm_file(temporary)
            raise

    def _rename(self, path: str, target: str) -> None:
        if self._mount.local:
            Path(path).replace(target)
        else:
            self._mount.fs.mv(path, target)

    def _error(self, message: str, next_step: str) -> FolderError:
        return FolderError(message, channel=self._channel, operation="folder", next_step=next_step)

    @contextmanager
    def _errors(self, doing: str, name: str = "") -> Iterator[None]:
        """What goes wrong inside, as our errors. The originals' texts may hold a URL with its password, so none is passed on."""
        what = f"could not {doing} {'the file ' + name if name else 'the folder'} in {self._mount.label}"
        try:
            yield
        except CloudSalesError:
            raise
        except FileNotFoundError:
            step = "look whether the folder is there, and mounted"
            raise FileMissingError(f"{what}: it is not there", channel=self._channel, next_step=step) from None
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise self._error(f"{what}: no space is left", "make room there; nothing half was left") from None
            if isinstance(error, PermissionError):
                raise self._error(f"{what}: not allowed", "give the user that runs this the right to read and write") from None
            if isinstance(error, OSError) and error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP):
                raise self._error(f"{what}: {error.strerror}", "look what stands in its place") from None
            self._mount.drop()
            raise ChannelUnreachableError(
                f"{what} ({_told(error)})", channel=self._channel, operation="folder", next_step=self._mount.advice(error)
            ) from None


def open_folder(url: str, *, channel: str, password: str | None = None) -> Folder:
    """The folder at `url`; close it when done. Nothing is connected or made yet.

    Args:
        url: `/path`, `file:///path`, `sftp://user@host[:port]/path`, `s3://bucket/path`, `memory://path`.
        channel: whose folder it is, for errors.
        password: for sftp://; better than one in the URL. Without either, the user's SSH keys are tried.

    Raises:
        SettingsError: another scheme, a relative path, or an extra that is not installed.
    """
    return Folder(Mount(url, channel=channel, password=password), channel=channel)


def _refusal(name: str) -> str | None:
    """Why a name can't be used as the name of a file; None where it can."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "not UTF-8"
    if name in ("", ".", ".."):
        return "no name"
    if "/" in name or "\\" in name:
        return "it leads elsewhere"
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in name):
        return "a control character"
    return "too long" if length > LONGEST_NAME else None


def _listed_name(path: str, folder: str) -> str | None:
    """The name behind a listed path, if it is one that lies in `folder` and can be used."""
    parent, _, name = path.rpartition("/")
    return name if parent.strip("/") == folder.strip("/") and _refusal(name) is None else None


def _is_file(info: dict[str, Any]) -> bool:
    return info["type"] == "file" and not info.get("islink")


def _is_offered(name: str) -> bool:
    return not name.startswith(".") and not name.lower().endswith(UNFINISHED)


def _entry(name: str, info: dict[str, Any]) -> Entry:
    moment = next(info[key] for key in ("mtime", "LastModified", "created") if info.get(key) is not None)
    modified = moment.astimezone(UTC) if isinstance(moment, datetime) else datetime.fromtimestamp(moment, UTC)
    return Entry(name, info["size"], modified)


def _names(name: str) -> Iterator[str]:
    """`sales.csv`, `sales-2.csv`, `sales-3.csv`, …, none longer than a name may be."""
    yield name
    path = PurePosixPath(name)
    for number in count(2):
        end = f"-{number}{path.suffix}"
        stem = path.stem.encode()[: LONGEST_NAME - len(end.encode())].decode(errors="ignore")
        yield f"{stem}{end}"


def _temporary_name() -> str:
    return f".new-{secrets.token_hex(8)}"


def _write_local(path: Path, content: bytes) -> None:
    """Under another name first, on the disk before it gets its own. Readable for others as the umask says: a store reads it."""
    temporary = path.with_name(_temporary_name())
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """The folder's own change, on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # network mounts do not know it
            os.fsync(handle)
    finally:
        os.close(handle)


def _told(error: Exception) -> str:
    """An error by its class and, where the system said it, its reason."""
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
