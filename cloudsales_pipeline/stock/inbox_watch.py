"""What a watcher remembers of an inbox between its looks, as plain data, and when it is time to take files in. Pure.

What belongs here: telling complete files by our own clock, and how often to ask again. What does not: the folder, and runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from cloudsales_pipeline.channels.folders import Entry

MOST_WATCHED = 500  # of an inbox; a run takes all that is complete
MOST_DOUBLINGS = 5


class Watched(Struct, frozen=True):
    """A file as it was last seen; `since`: when it was first seen so (seconds, our clock); `asked`: a run was asked for."""

    size: int
    modified: str
    since: float
    asked: bool = False


class Watch(Struct, frozen=True):
    """An inbox as it was last seen.

    Args:
        files: by name; the name "" stands for files that were taken in and are still to be archived.
        asked_at, asked: when a run was last asked for (seconds), and how often for the same files.
        failure, look_again_at: why it could not be looked into, and when to try again.
    """

    files: dict[str, Watched] = {}
    asked_at: float = 0.0
    asked: int = 0
    failure: str = ""
    failures: int = 0
    look_again_at: float = 0.0


def seen(watch: Watch, entries: Sequence[Entry], unarchived: int | None, now: float) -> Watch:
    """The watch after a look; a file that is as it was keeps its `since`."""
    found = {entry.name: Watched(entry.size, entry.modified_at.isoformat(), now) for entry in entries[:MOST_WATCHED]}
    if unarchived is not None:
        found[""] = Watched(unarchived, "", 0.0)
    files = {name: _kept(watch.files.get(name), file) for name, file in found.items()}
    return Watch(files, watch.asked_at, watch.asked if files else 0)


def failed(watch: Watch, failure: str, now: float, pause: float) -> Watch:
    """The watch after a look that failed: the next one is later, each time twice as long."""
    again = now + pause * 2 ** min(watch.failures, MOST_DOUBLINGS)
    return Watch(watch.files, watch.asked_at, watch.asked, failure, watch.failures + 1, again)


def complete(watch: Watch, now: float, settle_seconds: float) -> list[str]:
    """The files that have been as they are for `settle_seconds`."""
    return [name for name, file in watch.files.items() if now - file.since >= settle_seconds]


def is_due(watch: Watch, names: Sequence[str], now: float, pause: float) -> bool:
    """Whether to ask for a run: for a file that none was asked for, else after a pause, each time twice as long."""
    if any(not watch.files[name].asked for name in names):
        return True
    return bool(names) and now - watch.asked_at >= pause * 2 ** min(max(watch.asked - 1, 0), MOST_DOUBLINGS)


def asked(watch: Watch, names: Sequence[str], now: float) -> Watch:
    """The watch after a run was asked for."""
    again = all(watch.files[name].asked for name in names)
    files = {
        name: Watched(file.size, file.modified, file.since, asked=True) if name in names else file
        for name, file in watch.files.items()
    }
    return Watch(files, now, watch.asked + 1 if again else 1)


def _kept(before: Watched | None, found: Watched) -> Watched:
    same: Any = before is not None and (before.size, before.modified) == (found.size, found.modified)
    return before if same and before is not None else found
