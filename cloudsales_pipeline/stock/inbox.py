"""A store's inbox: files of movements that it drops are taken in once they are complete, and archived with their result.

What belongs here: which files are complete, and each one's way from the inbox to its archive, also after a kill. What does not: a
file's rows (`files`), the text of a result (`inbox_results`), and how a folder is reached (`channels.folders`).

The order is: post, in one transaction; move; write the result; note where it lies. What a kill leaves undone is seen by
`archived_as` being null, and is done at the next look.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloudsales_pipeline.channels.errors import BodyTooLargeError, ChannelError, FileMissingError, FolderError
from cloudsales_pipeline.channels.folders import Entry, Folder, open_folder
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import stock_inbox_lock
from cloudsales_pipeline.errors import InputError, SettingsError, describe_unexpected
from cloudsales_pipeline.stock import inbox_results
from cloudsales_pipeline.stock.file_names import plain_name
from cloudsales_pipeline.stock.files import FileWork, is_unfinished, load_file, take_file
from cloudsales_pipeline.stock.movements import Then, nothing
from cloudsales_pipeline.stock.spreadsheets import require_readable

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine, Row

    from cloudsales_pipeline.settings import ChannelSettings, Settings

MOST_BYTES = 16_000_000  # of a dropped file; its rows are in memory together
CSV = (".csv", ".txt", ".tsv")
SPREADSHEET = (".xlsx", ".xlsm")
CLOCK = ".cloudsales-clock"
LOST = "not found any more"
LONGEST_REFUSAL = 500


OtherKind = Callable[[Path, str], tuple[str, FileWork] | None]
"""Whether a dropped file (its path, the channel) is of a kind that another stage reads: that stage's name, and what to do in the
file's transaction; None where it is not. Stock itself knows movements alone."""


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file at this look.

    Args:
        name: as it may be shown.
        outcome: taken, taken_before, refused, waiting (it may still be written), gone (another moved it) or failed.
        note: why it waits, was refused or failed.
    """

    name: str
    outcome: str
    rows_in: int = 0
    loaded: int = 0
    unchanged: int = 0
    quarantined: int = 0
    archived_as: str = ""
    note: str = ""


@dataclass(frozen=True)
class InboxResult:
    """What became of an inbox's files; the counts are those of the files that were taken now (I-44)."""

    files: tuple[FileOutcome, ...] = ()
    by_another: bool = False
    healed: int = 0

    def _sum(self, field: str) -> int:
        return sum(getattr(one, field) for one in self.files if one.outcome == "taken")

    @property
    def rows_in(self) -> int:
        """Rows of the files taken now."""
        return self._sum("rows_in")

    @property
    def loaded(self) -> int:
        """Rows that were posted."""
        return self._sum("loaded")

    @property
    def unchanged(self) -> int:
        """Rows that were posted before."""
        return self._sum("unchanged")

    @property
    def quarantined(self) -> int:
        """Rows that are held."""
        return self._sum("quarantined")

    def count(self, outcome: str) -> int:
        """How many files had this outcome."""
        return sum(one.outcome == outcome for one in self.files)


def patience(settle_seconds: float) -> float:
    """Seconds without a change after which a file that looks cut is taken for what it is: at least a minute."""
    return max(60.0, 10 * settle_seconds)


def open_inbox(name: str, channel: ChannelSettings) -> Folder:
    """The channel's inbox; close it when done.

    Raises:
        SettingsError: it has none, it is no usable address, or the password's variable is not set.
    """
    if channel.inbox is None:
        raise SettingsError(
            f"channels.{name}.inbox is missing.", next_step="write the folder there that its files are dropped in"
        )
    token = channel.token() if channel.url is None else None  # an API's token is nothing for a file server
    return open_folder(channel.inbox, channel=name, password=token.get_secret_value() if token else None)


def offered(folder: Folder) -> tuple[Entry, ...]:
    """The files in an inbox that could be taken, oldest first: what came in was there before it was sold."""
    found = [entry for entry in folder.entries() if not entry.name.endswith(inbox_results.SUFFIX)]
    return tuple(sorted(found, key=lambda entry: (entry.modified_at, entry.name)))


def to_archive(engine: Engine, channels: list[str]) -> dict[str, int]:
    """The channels with files that were taken in and not archived yet, each with the newest one's number."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text(steps(__package__, "inbox")["to_archive"]), {"channels": channels})
        return {row.channel: row.file_id for row in rows}


def take_inbox(
    engine: Engine,
    settings: Settings,
    channel: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    then: Then = nothing,
    others: Sequence[OtherKind] = (),
) -> InboxResult:
    """Take in every complete file of the channel's inbox, each once by its content, and archive it with its result.

    Complete is what two looks, `stock.settle_seconds` apart by our own clock, find unchanged. One file that fails does not stop
    those behind it: its outcome says so. While another process does the same for the channel, nothing is done. `then` is called
    behind each file's movements, in their transaction. `others` are asked first whether a file is theirs.

    Raises:
        SettingsError: no usable inbox.
        ChannelError: the folder can't be reached or read; what was done till then stays done.
    """
    folder = open_inbox(channel, settings.channel(channel))
    try:
        with stock_inbox_lock(engine, channel) as held:
            if not held:
                return InboxResult(by_another=True)
            return _Inbox(engine, settings, channel, folder, now, then, others).take(sleep)
    finally:
        folder.close()


class _WaitingError(Exception):
    """The file may still be written."""


class _Inbox:
    """One look into one inbox, under its lock."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        channel: str,
        folder: Folder,
        now: Callable[[], datetime],
        then: Then,
        others: Sequence[OtherKind],
    ) -> None:
        self._then = then
        self._others = others
        self._engine = engine
        self._channel = channel
        self._folder = folder
        self._now = now
        self._settle = settings.stock.settle_seconds
        self._timezone = settings.timezone
        self._queries = steps(__package__, "inbox")

    def take(self, sleep: Callable[[float], None]) -> InboxResult:
        outcomes = tuple(self._outcome(entry) for entry in self._unchanged(sleep))
        return InboxResult(outcomes, healed=self._heal())

    def _unchanged(self, sleep: Callable[[float], None]) -> Iterator[Entry]:
        before = {entry.name: entry for entry in offered(self._folder)}
        if before and self._settle > 0:
            sleep(self._settle)
        yield from (entry for entry in offered(self._folder) if before.get(entry.name) == entry)

    def _outcome(self, entry: Entry) -> FileOutcome:
        shown = plain_name(entry.name)
        try:
            return self._take(entry)
        except _WaitingError as why:
            return FileOutcome(shown, "waiting", note=str(why))
        except FolderError as error:
            if isinstance(error, FileMissingError) and not self._folder.exists(entry.name):
                return FileOutcome(shown, "gone", note="another moved it")
            return FileOutcome(shown, "failed", note=error.what.replace(entry.name, shown))
        except (ChannelError, SettingsError):
            raise
        except Exception as error:  # a file that we can't cope with must not hold up those behind it
            return FileOutcome(shown, "failed", note=describe_unexpected(error))

    # ------------------------------------------------------------ one file

    def _take(self, entry: Entry) -> FileOutcome:
        if entry.size > MOST_BYTES:
            self._refuse(entry, _unread_hash(entry), f"It is larger than {MOST_BYTES:,} bytes.")
            return self._archive(entry, self._known(_unread_hash(entry)))
        content = self._read(entry)
        known = self._known(_hash(content))
        if known is not None and known.state == "taken":
            return self._archive(entry, known, before=known.archived_as is not None)
        with tempfile.TemporaryDirectory(prefix="cloudsales-") as private:
            path = Path(private) / entry.name
            path.write_bytes(content)
            self._post(entry, path)
        return self._archive(entry, self._known(_hash(content)))

    def _read(self, entry: Entry) -> bytes:
        try:
            content = self._folder.read_bytes(entry.name, MOST_BYTES)
        except BodyTooLargeError:
            raise _WaitingError("it grows") from None
        if len(content) != entry.size:
            raise _WaitingError("it is still written")
        return content

    def _post(self, entry: Entry, path: Path) -> None:
        """Post the file's rows; what can't be read as a whole is noted as refused, once nobody writes to it any more."""
        if is_unfinished(path):
            self._require_old(entry, "its last line has no end yet")
        try:
            _require_kind(path)
            if theirs := next((found for other in self._others if (found := other(path, self._channel))), None):
                take_file(self._engine, path, self._channel, theirs[1], stage=theirs[0])
            else:
                load_file(self._engine, path, timezone=self._timezone, channel=self._channel, now=self._now, then=self._then)
        except InputError as error:
            refusal = _refusal(error, path.name)
            self._require_old(entry, refusal)
            self._refuse(entry, _hash(path.read_bytes()), refusal)

    def _require_old(self, entry: Entry, why: str) -> None:
        wait = patience(self._settle) - (self._folder_time - entry.modified_at).total_seconds()
        if wait > 0:
            raise _WaitingError(f"{why}; it may still be written, so it is looked at again in {wait:.0f} s")

    @cached_property
    def _folder_time(self) -> datetime:
        """What time it is by the folder's own clock: ours may be hours apart from it, and a file's age is told by that one."""
        self._folder.write_complete(CLOCK, b"")
        entry = self._folder.entry(CLOCK)
        self._folder.remove(CLOCK)
        return entry.modified_at if entry else self._now()

    def _refuse(self, entry: Entry, content_hash: bytes, refusal: str) -> None:
        facts = {"name": plain_name(entry.name), "hash": content_hash, "bytes": entry.size, "refusal": refusal}
        with self._engine.begin() as connection:
            connection.execute(sa.text(self._queries["refuse"]), {"channel": self._channel, **facts})

    def _known(self, content_hash: bytes) -> Row[Any] | None:
        with self._engine.connect() as connection:
            keys = {"channel": self._channel, "hash": content_hash}
            return connection.execute(sa.text(self._queries["known"]), keys).one_or_none()

    # ------------------------------------------------------------ the archive

    def _archive(self, entry: Entry, known: Row[Any] | None, *, before: bool = False) -> FileOutcome:
        """Move a file whose content is in the database, and write its result beside it.

        Raises:
            _WaitingError: it has other content by now, which the next look takes.
        """
        assert known is not None
        if self._folder.entry(entry.name) != entry:
            raise _WaitingError("it changed after it was read")
        place = f"{'refused' if known.state == 'refused' else 'archive'}/{self._month(self._now())}"
        name = self._folder.move(entry.name, place)
        self._note(known, place, name, before=before)
        where = f"{place}/{plain_name(name)}"
        shown = plain_name(entry.name)
        if known.state == "refused":
            return FileOutcome(shown, "refused", archived_as=where, note=known.refusal or "")
        if before:
            return FileOutcome(shown, "taken_before", archived_as=where, note=f"as {known.name}")
        return FileOutcome(shown, "taken", known.rows_in, known.loaded, known.unchanged, known.quarantined, where)

    def _note(self, known: Row[Any], place: str, name: str, *, before: bool = False) -> None:
        told = self._result(known, before=before)
        self._folder.subfolder(place).write_complete(inbox_results.result_name(name), told)
        with self._engine.begin() as connection:
            where = {"file_id": known.file_id, "where": f"{place}/{name}"}
            connection.execute(sa.text(self._queries["archived"]), where)

    def _result(self, known: Row[Any], *, before: bool) -> bytes:
        if known.state == "refused":
            return inbox_results.refused(known.refusal or "")
        with self._engine.connect() as connection:
            keys = {"channel": self._channel, "file_id": known.file_id}
            held = [(row.row, row.reason) for row in connection.execute(sa.text(self._queries["held"]), keys)]
        earlier = f"taken before as {known.name} on {known.taken_at:%Y-%m-%d %H:%M} UTC, nothing was done" if before else ""
        return inbox_results.taken(known.rows_in, known.loaded, known.unchanged, held, before=earlier)

    def _month(self, at: datetime) -> str:
        return f"{at.astimezone(ZoneInfo(self._timezone)):%Y-%m}"

    # ------------------------------------------------------------ after a kill

    def _heal(self) -> int:
        """Finish what a kill left between the move and its note. A file that lies in the inbox is its next look's."""
        with self._engine.connect() as connection:
            pending = connection.execute(sa.text(self._queries["pending"]), {"channel": self._channel}).all()
        if not pending:
            return 0
        still_there = {plain_name(entry.name) for entry in self._folder.entries()}
        missing = [known for known in pending if known.name not in still_there]
        for known in missing:
            found = self._found(known)
            if found:
                self._note(known, *found)
            else:
                with self._engine.begin() as connection:
                    connection.execute(sa.text(self._queries["archived"]), {"file_id": known.file_id, "where": LOST})
        return len(missing)

    def _found(self, known: Row[Any]) -> tuple[str, str] | None:
        """Where a file lies that was moved already: known by its content, and by its name where it was too large to read."""
        kind = "refused" if known.state == "refused" else "archive"
        for month in dict.fromkeys((self._month(known.taken_at), self._month(self._now()))):
            place = f"{kind}/{month}"
            folder = self._folder.subfolder(place)
            with suppress(FileMissingError):
                for entry in folder.entries():
                    if entry.size == known.bytes and self._is_it(folder, entry, known):
                        return place, entry.name
        return None

    def _is_it(self, folder: Folder, entry: Entry, known: Row[Any]) -> bool:
        if entry.size > MOST_BYTES:
            return plain_name(entry.name).startswith(Path(known.name).stem)
        return _hash(folder.read_bytes(entry.name, MOST_BYTES)) == bytes(known.content_hash)


def _require_kind(path: Path) -> None:
    kind = path.suffix.lower()
    if kind in SPREADSHEET:
        require_readable(path)
    elif kind not in CSV:
        raise InputError(f"{path.name} is neither CSV nor XLSX by its name.")


def _refusal(error: InputError, name: str) -> str:
    """Why a file is refused, without what it holds: a first row that is no header may be a customer."""
    text = error.message.replace(name, plain_name(name)).partition("; it has:")[0]
    return (text if text.endswith(".") else f"{text}.")[:LONGEST_REFUSAL]


def _hash(content: bytes) -> bytes:
    """As `catalog.file.content_hash` has it."""
    return hashlib.blake2b(content, digest_size=16).digest()


def _unread_hash(entry: Entry) -> bytes:
    """Stands for the content of a file too large to be read."""
    return _hash(f"unread {entry.name} {entry.size} {entry.modified_at.isoformat()}".encode())
