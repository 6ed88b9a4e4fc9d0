"""A round of all couriers that something is due at: each opened once, and called side by side.

What belongs here: which can be used, and the threads. What does not: what they are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar

from cloudsales_pipeline.documents.couriers.port import Courier
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings import Settings

SIDE_BY_SIDE = 4
"""Couriers that are called at once; each by one thread, which its own limit of requests would hold back sooner."""

Open = Callable[[str], Courier]
T = TypeVar("T")


class Couriers:
    """Couriers by name, each opened once, when it is first asked for; those that can't be are in `complaints`."""

    def __init__(self, settings: Settings, open_one: Open) -> None:
        self._settings = settings
        self._open = open_one
        self._opened: dict[str, Courier] = {}
        self.complaints: dict[str, str] = {}

    def get(self, name: str) -> Courier | None:
        """The courier; None where the settings have none of that name, or its account can't be used."""
        if name in self._opened or name in self.complaints:
            return self._opened.get(name)
        if name not in self._settings.couriers:
            self.complaints[name] = f"couriers.{name} is not in the settings: what it should carry waits."
            return None
        try:
            self._opened[name] = self._open(name)
        except SettingsError as error:
            self.complaints[name] = error.message
        return self._opened.get(name)

    def each(self, names: Iterable[str], work: Callable[[str, Courier], T]) -> list[T]:
        """What `work` gives for each of these that can be used, side by side. What one raises is raised after all have ended."""
        usable = [(name, courier) for name in names if (courier := self.get(name)) is not None]
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE, thread_name_prefix="courier") as pool:
            begun = [pool.submit(work, name, courier) for name, courier in usable]
        return [one.result() for one in begun]

    def close(self) -> None:
        """Let go of all of them."""
        for courier in self._opened.values():
            with suppress(Exception):  # nothing that is still to be done depends on it
                courier.close()


@contextmanager
def opened(settings: Settings, couriers: Open | Mapping[str, Courier]) -> Iterator[Couriers]:
    """Couriers, closed at the end where they were opened here; those of a mapping stay open."""
    if isinstance(couriers, Mapping):
        given = couriers
        yield Couriers(settings, lambda name: _given(given, name))
        return
    ways = Couriers(settings, couriers)
    try:
        yield ways
    finally:
        ways.close()


def _given(couriers: Mapping[str, Courier], name: str) -> Courier:
    if name not in couriers:
        raise SettingsError(f"There is no courier {name}.")
    return couriers[name]


def clock_of(now: datetime | None) -> Callable[[], datetime]:
    """Says that moment each time; none: what the clock says."""
    return lambda: now if now is not None else datetime.now(UTC)
