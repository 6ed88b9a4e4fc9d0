"""Payloads in the order of their keys, and pages of them by a cursor that survives change.

What belongs here: ordering, paging, filtering by time, the cursor's text. What does not: what a payload means, and locks
(the state holds one around every call).
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

Key = tuple[str, str]
VIEWS_KEPT = 4


class Entry(NamedTuple):
    """One item as it is served; `changed_at` is what updated_since compares with."""

    key: Key
    changed_at: datetime
    payload: bytes


class Page(NamedTuple):
    """The entries of one page and the cursor's key of the next; None on the last."""

    entries: list[Entry]
    next_key: Key | None
    total: int


class Shelf:
    """Entries in key order; a page starts behind a key, wherever that key would now stand."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = sorted(entries, key=attrgetter("key"))
        self._keys = [entry.key for entry in self._entries]
        self._views: dict[datetime, tuple[list[Key], list[Entry]]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """All of them, in order."""
        return list(self._entries)

    def last(self, count: int) -> list[Entry]:
        """The last ones, in order."""
        return self._entries[-count:]

    def put(self, entry: Entry) -> None:
        """Add the entry, or replace the one with its key."""
        self._views.clear()
        at = bisect_left(self._keys, entry.key)
        if at < len(self._keys) and self._keys[at] == entry.key:
            self._entries[at] = entry
        else:
            self._keys.insert(at, entry.key)
            self._entries.insert(at, entry)

    def remove(self, key: Key) -> bool:
        """Take the entry with this key away; False where there is none."""
        self._views.clear()
        at = bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key:
            return False
        del self._keys[at], self._entries[at]
        return True

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        """Change every payload, one at a time: a large listing does not stand in memory twice."""
        self._views.clear()
        for at, entry in enumerate(self._entries):
            self._entries[at] = entry._replace(payload=change(entry.payload))

    def page(self, after: Key | None, limit: int, since: datetime | None = None, *, overlap: int = 0) -> Page:
        """At most `limit` entries behind `after`, of those changed at or after `since`.

        `overlap` starts that many entries earlier: an item that moved while the listing was paged through comes twice.
        """
        keys, entries = self._view(since)
        start = 0 if after is None else bisect_right(keys, after)
        chosen = entries[max(0, start - overlap) : start + limit]
        more = start + limit < len(entries)
        return Page(chosen, keys[start + limit - 1] if more else None, len(entries))

    def _view(self, since: datetime | None) -> tuple[list[Key], list[Entry]]:
        if since is None:
            return self._keys, self._entries
        if since not in self._views:
            if len(self._views) >= VIEWS_KEPT:
                self._views.clear()
            chosen = [entry for entry in self._entries if entry.changed_at >= since]
            self._views[since] = ([entry.key for entry in chosen], chosen)
        return self._views[since]


def write_cursor(kind: str, key: Key) -> str:
    """An opaque cursor for one kind of list."""
    return base64.urlsafe_b64encode(json.dumps([kind, *key]).encode()).decode().rstrip("=")


def read_cursor(kind: str, cursor: str) -> Key:
    """The key in a cursor.

    Raises:
        ValueError: not a cursor of this kind of list.
    """
    data = json.loads(base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    if not isinstance(data, list) or len(data) != 3 or data[0] != kind or not all(isinstance(part, str) for part in data):
        raise ValueError("not a cursor of this list")
    return data[1], data[2]
