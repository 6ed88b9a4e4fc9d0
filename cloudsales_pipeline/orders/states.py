"""An order's life as a table: in each status, what may happen, and where it leads. Pure.

What belongs here: statuses, happenings, the table. What does not: what a happening does to lines and stock (`amending`, `life`).
"""

from __future__ import annotations

from enum import StrEnum

from cloudsales_pipeline.channels.port import ChannelOrderStatus


class Status(StrEnum):
    """Where an order stands; what each means is in the data dictionary."""

    NEW = "new"
    PAID = "paid"
    HELD = "held"
    EXPIRED = "expired"
    ISSUED = "issued"
    CANCELLED = "cancelled"
    RETURNED = "returned"


class Happening(StrEnum):
    """What can happen to an order: the channel says something of it, or we do something with it."""

    SAYS_NEW = "says_new"
    SAYS_PAID = "says_paid"
    SAYS_CANCELLED = "says_cancelled"
    SAYS_RETURNED = "says_returned"
    SAYS_UNKNOWN = "says_unknown"
    ALL_ISSUED = "all_issued"
    ALL_RETURNED = "all_returned"
    UNPAID_TOO_LONG = "unpaid_too_long"
    CANCELLED_HERE = "cancelled_here"


OPEN = frozenset({Status.NEW, Status.PAID, Status.HELD})
"""In these an order holds stock and waits for it."""

_SAID = {
    ChannelOrderStatus.NEW: Happening.SAYS_NEW,
    ChannelOrderStatus.PAID: Happening.SAYS_PAID,
    ChannelOrderStatus.CANCELLED: Happening.SAYS_CANCELLED,
    ChannelOrderStatus.RETURNED: Happening.SAYS_RETURNED,
    ChannelOrderStatus.UNKNOWN: Happening.SAYS_UNKNOWN,
}

FIRST: dict[Happening, Status] = {
    Happening.SAYS_NEW: Status.NEW,
    Happening.SAYS_PAID: Status.PAID,
    Happening.SAYS_CANCELLED: Status.CANCELLED,  # a cancellation that arrives before its order counts (I-18)
    Happening.SAYS_RETURNED: Status.RETURNED,
    Happening.SAYS_UNKNOWN: Status.HELD,
}
"""What an order begins as."""

_OPEN_TO = {
    Happening.SAYS_NEW: Status.NEW,
    Happening.SAYS_PAID: Status.PAID,
    Happening.SAYS_CANCELLED: Status.CANCELLED,
    Happening.SAYS_RETURNED: Status.RETURNED,
    Happening.SAYS_UNKNOWN: Status.HELD,
    Happening.CANCELLED_HERE: Status.CANCELLED,
}

TRANSITIONS: dict[Status, dict[Happening, Status]] = {
    Status.NEW: {**_OPEN_TO, Happening.ALL_ISSUED: Status.ISSUED, Happening.UNPAID_TOO_LONG: Status.EXPIRED},
    Status.PAID: {**_OPEN_TO, Happening.ALL_ISSUED: Status.ISSUED},
    Status.HELD: {**_OPEN_TO, Happening.UNPAID_TOO_LONG: Status.EXPIRED},
    # An order that was given up for lack of payment comes back to life when it is paid after all, and in no other way.
    Status.EXPIRED: {
        Happening.SAYS_NEW: Status.EXPIRED,
        Happening.SAYS_UNKNOWN: Status.EXPIRED,
        Happening.SAYS_PAID: Status.PAID,
        Happening.SAYS_CANCELLED: Status.CANCELLED,
        Happening.SAYS_RETURNED: Status.RETURNED,
        Happening.CANCELLED_HERE: Status.CANCELLED,
    },
    Status.ISSUED: {
        Happening.SAYS_NEW: Status.ISSUED,
        Happening.SAYS_PAID: Status.ISSUED,
        Happening.SAYS_UNKNOWN: Status.ISSUED,
        Happening.SAYS_CANCELLED: Status.CANCELLED,
        Happening.SAYS_RETURNED: Status.RETURNED,
        Happening.ALL_RETURNED: Status.RETURNED,
    },
    # What is cancelled stays so: a later revision that says otherwise is for a person (`revived`).
    Status.CANCELLED: {
        Happening.SAYS_NEW: Status.CANCELLED,
        Happening.SAYS_PAID: Status.CANCELLED,
        Happening.SAYS_UNKNOWN: Status.CANCELLED,
        Happening.SAYS_CANCELLED: Status.CANCELLED,
        Happening.SAYS_RETURNED: Status.RETURNED,
        Happening.CANCELLED_HERE: Status.CANCELLED,
        Happening.ALL_RETURNED: Status.RETURNED,
    },
    Status.RETURNED: {
        Happening.SAYS_NEW: Status.RETURNED,
        Happening.SAYS_PAID: Status.RETURNED,
        Happening.SAYS_UNKNOWN: Status.RETURNED,
        Happening.SAYS_CANCELLED: Status.RETURNED,
        Happening.SAYS_RETURNED: Status.RETURNED,
        Happening.ALL_RETURNED: Status.RETURNED,
    },
}


def said(status: ChannelOrderStatus) -> Happening:
    """What a channel's word is as a happening."""
    return _SAID[status]


def after(status: Status | None, happening: Happening) -> Status | None:
    """Where it leads; None where it may not happen in that status. `status` None: there is no order yet."""
    return FIRST.get(happening) if status is None else TRANSITIONS[status].get(happening)
