"""A person's word on messages that nothing else may decide: send again, or leave it.

What belongs here: retry, skip, and what a person must see for that. What does not: sending.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

STATES = ("new", "sending", "sent", "unknown", "dead", "skipped")


def retry(engine: Engine, ids: Collection[int]) -> list[int]:
    """Send dead, unknown or skipped messages again, on a person's word; the ids of those that are due again.

    What is on its way, was sent, or has no recipient any more is left alone.
    """
    return _decide(engine, "retry", ids=list(ids))


def retry_dead(engine: Engine) -> list[int]:
    """Send all that was given up again; not what is unknown, which a person looks at one by one."""
    with engine.begin() as connection:
        ids = list(
            connection.scalars(sa.text("select message_id from personal.message where state = 'dead' order by message_id"))
        )
    return retry(engine, ids)


def skip(engine: Engine, ids: Collection[int], reason: str = "by_hand") -> list[int]:
    """Leave messages unsent; the ids of those that are skipped now. `reason`: a code, in which nobody is named."""
    return _decide(engine, "skip", ids=list(ids), reason=reason)


def _decide(engine: Engine, step: str, **values: Any) -> list[int]:
    with engine.begin() as connection:
        return sorted(connection.scalars(sa.text(steps(__package__, "sending")[step]), values))


def list_messages(engine: Engine, state: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Messages without their addresses and texts, what needs a person first, then the newest.

    Raises:
        InputError: there is no such state.
    """
    if state is not None and state not in STATES:
        raise InputError(f"There is no state {state}.", next_step=f"one of {', '.join(STATES)}")
    with engine.connect() as connection:
        rows = connection.execute(sa.text(steps(__package__, "deciding")["list"]), {"state": state, "limit": limit})
        return [row._asdict() for row in rows]


def show_message(engine: Engine, message_id: int, *, personal: bool = False) -> dict[str, Any]:
    """All that is known of one message; `personal`: with recipient, title and text.

    Raises:
        InputError: there is none of that id.
    """
    with engine.connect() as connection:
        row = connection.execute(sa.text(steps(__package__, "deciding")["show"]), {"message_id": message_id}).one_or_none()
    if row is None:
        raise InputError(f"There is no message {message_id}.", next_step="cloudsales messages list shows those there are")
    found = row._asdict()
    hidden = ("recipient", "title", "body_text", "body_html")
    return found if personal else {name: value for name, value in found.items() if name not in hidden}
