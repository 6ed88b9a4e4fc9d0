"""What reconciliation found on the channels, as a person asks for it. Reads alone; finding it is stock.reconcile's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

WHAT_TO_DO = {
    "ghost": "on sale there with a stock that nobody manages: cloudsales quarantine list says why it has no product; link it, or"
    " take it off there",
    "never_acknowledged": "the channel never took its figure: cloudsales stock show SKU has its state; the last runs of"
    " publish_stock have the channel's error",
    "not_shown": "the channel does not show it: list it there again; it is told its stock as soon as it is known",
    "drift": "nothing, the right figure is being sent; if it comes back, something else writes stock there",
}
CORRECTED = "nothing: corrected, and confirmed by the next reconciliation"


def open_offers(
    connection: Connection, channels: Sequence[str] | None = None, *, limit: int | None = None
) -> list[dict[str, Any]]:
    """What is open on these channels (all of them by default), the newest first of each kind.

    Returns:
        `channel`, `kind`, `variant_id`, `sku` (null for a ghost), `shown` and `expected` in pieces, `since`, `corrected` (of
        drift: the right figure was acknowledged after it), `what_to_do`.
    """
    rows = connection.execute(
        sa.text(
            "select o.channel, o.kind, o.variant_id, s.sku, o.quantity as shown, o.expected, o.found_at as since,"
            f" {_CORRECTED} as corrected from {_OPEN} left join cloudsales.product s on s.product_id = p.product_id"
            " where o.resolved_at is null and (cast(:channels as text[]) is null or o.channel = any (:channels))"
            " order by o.channel, o.kind, o.found_at desc, o.variant_id limit :limit"
        ),
        {"channels": None if channels is None else list(channels), "limit": limit},
    )
    return [dict(row) | {"what_to_do": _advice(row["kind"], corrected=row["corrected"])} for row in rows.mappings()]


def standing(connection: Connection, channels: Sequence[str]) -> list[dict[str, Any]]:
    """For each of these channels how many listings are open by kind, and when it was last reconciled.

    Returns:
        `channel`, `listings` (publications), `ghost`, `never_acknowledged`, `not_shown`, `drift` (not yet corrected), `corrected`
        (drift that waits for its confirmation), `suspected` (showed less than wanted, or nothing, at one look), `reconciled_at`.
    """
    rows = connection.execute(
        sa.text(
            "with open as (select o.channel, o.kind, "
            + _CORRECTED
            + " as corrected from "
            + _OPEN
            + " where o.resolved_at is null)"
            " select c.channel, coalesce(b.listings, 0) as listings, count(o.kind) filter (where o.kind = 'ghost') as ghost,"
            " count(o.kind) filter (where o.kind = 'never_acknowledged') as never_acknowledged,"
            " count(o.kind) filter (where o.kind = 'not_shown') as not_shown,"
            " count(o.kind) filter (where o.kind = 'drift' and not o.corrected) as drift,"
            " count(o.kind) filter (where o.kind = 'drift' and o.corrected) as corrected,"
            " coalesce(b.suspected, 0) as suspected, k.reconciled_at"
            " from unnest(cast(:channels as text[])) with ordinality c (channel, n)"
            " left join open o on o.channel = c.channel left join cloudsales.stock_channel k on k.channel = c.channel"
            " left join lateral (select count(*) as listings, count(*) filter (where p.state = 'done' and"
            "                    p.drift_since > p.acknowledged_at) as suspected"
            "                    from cloudsales.publication p where p.channel = c.channel) b on true"
            " group by c.channel, c.n, b.listings, b.suspected, k.reconciled_at order by c.n"
        ),
        {"channels": list(channels)},
    )
    return [dict(row) for row in rows.mappings()]


def rotation(connection: Connection, channel: str) -> tuple[int, int]:
    """How many of the channel's publications the rotation has behind it, and how many there are."""
    row = connection.execute(
        sa.text(
            "select count(*) filter (where p.publication_id <= c.reconcile_after) as behind, count(*) as listings"
            " from cloudsales.publication p join cloudsales.stock_channel c using (channel) where p.channel = :channel"
        ),
        {"channel": channel},
    ).one()
    return row.behind, row.listings


def _advice(kind: str, *, corrected: bool) -> str:
    return CORRECTED if corrected else WHAT_TO_DO[kind]


_OPEN = "cloudsales.channel_offer o left join cloudsales.publication p on (p.channel, p.variant_id) = (o.channel, o.variant_id)"
_CORRECTED = "(o.kind = 'drift' and coalesce(p.state = 'done' and p.acknowledged_at > o.found_at, false))"
