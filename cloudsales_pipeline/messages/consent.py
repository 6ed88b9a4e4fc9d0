"""Who wants no messages about orders. Such messages serve the contract, so they go out until the person says no.

What belongs here: opting out and in again. What does not: leaving such messages unsent (`telling`).

Only a digest of the address is kept, so that it can stay after an erasure without saying who it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import lock_telling
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.messages.recipients import NoRecipientError, recipient_of
from cloudsales_pipeline.outbox.messages import recipient_digest

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


def opt_out(engine: Engine, address: str, medium: str | None = None, *, reason: str = "asked") -> int:
    """Send that person no message about orders any more, nor those that wait; how many waited.

    Args:
        medium: email or sms; none: what the address is.
        reason: a code in which nobody is named.

    Raises:
        InputError: it is no address, or none of that medium.
    """
    kind, digest = _digest(address, medium)
    queries = steps(__package__, "telling")
    with engine.begin() as connection:
        lock_telling(connection)
        connection.execute(sa.text(queries["opt_out"]), {"digest": digest, "medium": kind, "reason": reason})
        return connection.execute(sa.text(queries["withdraw_from"]), {"digest": digest, "medium": kind}).rowcount


def opt_in(engine: Engine, address: str, medium: str | None = None) -> bool:
    """Send that person messages again, from now on; whether they were opted out.

    Raises:
        InputError: it is no address, or none of that medium.
    """
    kind, digest = _digest(address, medium)
    with engine.begin() as connection:
        values = {"digest": digest, "medium": kind}
        return bool(connection.execute(sa.text(steps(__package__, "telling")["opt_in"]), values).rowcount)


def _digest(address: str, medium: str | None) -> tuple[str, bytes]:
    media: Sequence[str] = (medium,) if medium else ("email",) if "@" in address else ("sms",)
    try:
        return media[0], recipient_digest(recipient_of(media[0], address))
    except NoRecipientError as error:
        raise InputError(
            f"That is no address for {media[0]} ({error.reason}).", next_step="give an e-mail address or a mobile number"
        ) from None
