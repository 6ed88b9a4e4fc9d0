"""One round: what happened is told, then what is due is sent.

What belongs here: both in their order. What does not: either of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.messages.telling import TellResult, tell
from cloudsales_pipeline.outbox.sending import Sent, send_due

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.settings import Settings


@dataclass(frozen=True)
class Round:
    """What came of it. fault: why nothing was told; suppliers and operators were written to all the same."""

    told: TellResult
    sent: Sent
    fault: SettingsError | None = None


def tell_and_send(engine: Engine, settings: Settings, *, seconds: float) -> Round:
    """Tell, and send for at most so many seconds. A rule or template with a fault holds up no other message.

    Raises:
        DatabaseError: the connection was lost and did not come back.
    """
    told, fault = TellResult(), None
    try:
        told = tell(engine, settings)
    except SettingsError as error:
        fault = error
    return Round(told, send_due(engine, settings.messages, seconds=seconds), fault)
