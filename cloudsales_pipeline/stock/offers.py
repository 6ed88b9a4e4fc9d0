"""What reconciliation found on the channels, as a person asks for it. Reads alone; finding it is stock.reconcile's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps

WHAT_TO_DO = {
    "ghost": "sold there, unknown here: link it to its product (cloudsales quarantine list says why it has none), or take it off",
    "never_acknowledged": "the channel never took its figure: analytics.publication has the reason; correct it there",
    "not_shown": "the channel does not show it: list it there again; once it is known it is told its stock",
    "drift": "nothing: the right figure is on its way",
}
CORRECTED = "nothing: the right figure was taken; the next reconciliation looks whether it stayed"


def open_offers(
    connection: Connection, channels: Sequence[str] | None = None, *, limit: int | None = None
) -> list[dict[str, Any]]:
    """What is open on these channels (all of them by default), by kind, the newest first.

    Returns:
        `channel`, `kind`, `variant_id`, `sku` (null for a ghost), `shown` and `expected` in pieces, `since`, `corrected` (of
        drift: the right figure was acknowledged after it was found), `what_to_do`.
    """
    rows = _run(connection, "open", channels=None if channels is None else list(channels), limit=limit)
    return [dict(row) | {"what_to_do": CORRECTED if row["corrected"] else WHAT_TO_DO[row["kind"]]} for row in rows.mappings()]


def standing(connection: Connection, channels: Sequence[str]) -> list[dict[str, Any]]:
    """For each of these channels how many listings are open by kind, and when it was last reconciled.

    Returns:
        `channel`, `listings` (publications), `suspected` (showed less than wanted, or nothing, at one look), `ghost`,
        `never_acknowledged`, `not_shown`, `drift` (not corrected yet), `corrected` (drift that is), `reconciled_at`.
    """
    return [dict(row) for row in _run(connection, "standing", channels=list(channels)).mappings()]


def rotation(connection: Connection, channel: str) -> tuple[int, int]:
    """How many of the channel's publications this round has behind it, and how many there are."""
    row = _run(connection, "rotation", channel=channel).one()
    return row.behind, row.listings


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps("cloudsales_pipeline.stock", "offers")[step]), values)
