"""Which fault strikes which request: the kinds, the levels, the queue that tests fill, and the log of what was done.

What belongs here: deciding. What does not: doing it to a connection (`injection`).

A level's choice depends on the seed, the operation and the number of the request alone. No level can stop a client that
tries again: after `FAILURES_IN_A_ROW` failures an operation answers well at least once.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from enum import StrEnum
from threading import Lock
from typing import Literal, NamedTuple

FAILURES_IN_A_ROW = 2
Level = Literal["none", "mild", "harsh"]


class Fault(StrEnum):
    """What can go wrong with one answer. `seconds` of the injection is the delay or Retry-After, where there is one."""

    TOO_MANY = "too_many"  # 429, Retry-After in seconds
    TOO_MANY_DATE = "too_many_date"  # 429, Retry-After as a date
    TOO_MANY_BARE = "too_many_bare"  # 429 without Retry-After
    BAD_GATEWAY = "bad_gateway"  # 502 with an HTML body
    UNAVAILABLE = "unavailable"  # 503
    UNAUTHORISED = "unauthorised"  # 401 although the token is right
    DELAY = "delay"  # a good answer, later
    STALL = "stall"  # the work is done, the answer comes after `seconds`
    RESET = "reset"  # the connection is reset before any work
    RESET_AFTER_WORK = "reset_after_work"
    FAILED_AFTER_WORK = "failed_after_work"  # 500 although the work is done
    CUT_BODY = "cut_body"  # half the body, with a length
    CUT_CHUNKED = "cut_chunked"  # half the body, chunked, no last chunk
    CUT_UNSIZED = "cut_unsized"  # half the body, its end told by the connection's end
    SLOW_DRIP = "slow_drip"  # the body in small pieces over `seconds`
    HTML_PAGE = "html_page"  # 200 with a page for people
    WRONG_CONTENT_TYPE = "wrong_content_type"  # JSON called text/plain
    BROKEN_JSON = "broken_json"  # a whole body that is not JSON
    GZIP = "gzip"  # a good answer, compressed
    GZIP_BOMB = "gzip_bomb"  # 200 MB in 200 kB
    REDIRECT = "redirect"  # 307 to another host
    OVERLAP = "overlap"  # a page begins with the item that ended the page before
    REPEATED_CURSOR = "repeated_cursor"  # the next cursor is the one that was asked for
    EMPTY_LISTING = "empty_listing"  # no items and no next page


HARMLESS = frozenset({Fault.DELAY, Fault.SLOW_DRIP, Fault.GZIP, Fault.OVERLAP})


class Injection(NamedTuple):
    """A fault with its measure: seconds of delay or of Retry-After."""

    fault: Fault
    seconds: float = 0.0


class Profile(NamedTuple):
    """A level: the share of requests that are struck, and by what."""

    share: float
    injections: tuple[Injection, ...]


_MILD = (
    Injection(Fault.TOO_MANY, 0),
    Injection(Fault.TOO_MANY, 0),
    Injection(Fault.TOO_MANY, 1),
    Injection(Fault.UNAVAILABLE),
    Injection(Fault.UNAVAILABLE),
    Injection(Fault.DELAY, 0.05),
    Injection(Fault.DELAY, 0.2),
)
_HARSH = (
    *_MILD,
    Injection(Fault.TOO_MANY_DATE, 1),
    Injection(Fault.BAD_GATEWAY),
    Injection(Fault.RESET),
    Injection(Fault.RESET_AFTER_WORK),
    Injection(Fault.FAILED_AFTER_WORK),
    Injection(Fault.CUT_BODY),
    Injection(Fault.CUT_CHUNKED),
    Injection(Fault.CUT_UNSIZED),
    Injection(Fault.HTML_PAGE),
    Injection(Fault.SLOW_DRIP, 0.3),
    Injection(Fault.OVERLAP),
    Injection(Fault.OVERLAP),
    Injection(Fault.GZIP),
    Injection(Fault.GZIP),
)
PROFILES: dict[str, Profile] = {"none": Profile(0, ()), "mild": Profile(0.1, _MILD), "harsh": Profile(0.35, _HARSH)}


class FaultPlan:
    """Decides for each request; safe to fill from another thread.

    Attributes:
        log: (operation, fault) of every fault that struck, in order.
        requests: how many requests each operation saw.
    """

    def __init__(self) -> None:
        self.log: list[tuple[str, Fault]] = []
        self.requests: Counter[str] = Counter()
        self._lock = Lock()
        self._profile = PROFILES["none"]
        self._seed = 0
        self._queues: dict[str, deque[Injection | None]] = {}
        self._always: dict[str, Injection] = {}
        self._failures: Counter[str] = Counter()

    def level(self, level: Level, seed: int = 0) -> None:
        """From now on strike as this level says, repeatably by the seed."""
        with self._lock:
            self._profile, self._seed = PROFILES[level], seed

    def queue(self, operation: str, fault: Fault, *, times: int = 1, after: int = 0, seconds: float = 0.3) -> None:
        """Strike the next `times` requests of an operation (`listProducts`), leaving `after` of them alone first."""
        with self._lock:
            waiting = self._queues.setdefault(operation, deque())
            waiting.extend([None] * after + [Injection(fault, seconds)] * times)

    def always(self, operation: str, fault: Fault, *, seconds: float = 0.3) -> None:
        """Strike every request of an operation until `clear`; what is queued comes first."""
        with self._lock:
            self._always[operation] = Injection(fault, seconds)

    def clear(self) -> None:
        """No more faults, whether queued, lasting or of a level; log and counts stay."""
        with self._lock:
            self._queues.clear()
            self._always.clear()
            self._profile = PROFILES["none"]

    def take(self, operation: str, *, by_level: bool = True) -> Injection | None:
        """What strikes this request; None lets it pass. `by_level=False`: only what was queued or lasts."""
        with self._lock:
            self.requests[operation] += 1
            injection = self._choose(operation, by_level)
            if injection:
                self.log.append((operation, injection.fault))
            return injection

    def _choose(self, operation: str, by_level: bool) -> Injection | None:
        waiting = self._queues.get(operation)
        if waiting:
            return waiting.popleft()
        if operation in self._always:
            return self._always[operation]
        return self._by_level(operation) if by_level else None

    def _by_level(self, operation: str) -> Injection | None:
        chance = random.Random(f"{self._seed}:{operation}:{self.requests[operation]}")  # noqa: S311 - repeatable
        if not self._profile.injections or chance.random() >= self._profile.share:
            self._failures[operation] = 0
            return None
        injection = chance.choice(self._profile.injections)
        if injection.fault in HARMLESS:
            self._failures[operation] = 0
            return injection
        self._failures[operation] += 1
        if self._failures[operation] > FAILURES_IN_A_ROW:
            self._failures[operation] = 0
            return None
        return injection
