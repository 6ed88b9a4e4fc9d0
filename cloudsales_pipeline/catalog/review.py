"""What a person does with what the pipeline held back: look, try again, leave, link by hand, say yes or no.

A person's word is a link with `matched_by = manual`, or a suggestion that is no longer open; the next plan follows it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.codes import RULES_VERSION
from cloudsales_pipeline.database.locks import lock_catalogue, next_revision
from cloudsales_pipeline.errors import InputError, RefusedError

Rows = list[dict[str, object]]


def list_quarantine(engine: Engine, *, stage: str | None = None, channel: str | None = None, limit: int = 100) -> Rows:
    """Open quarantine, oldest first; `stock_at_risk` is what the channel still sells of a held listing, unmanaged by us."""
    sql = """
        select q.quarantine_id as id, q.stage, nullif(q.channel, '') as channel, q.reference, q.reason, q.detail,
               l.channel_stock as stock_at_risk, q.first_seen_at
        from cloudsales.quarantine q
        left join cloudsales.listing l on q.stage = 'match' and l.channel = q.channel and l.variant_id = q.reference
        where q.resolved_at is null and q.stage = coalesce(:stage, q.stage) and q.channel = coalesce(:channel, q.channel)
        order by q.first_seen_at, q.quarantine_id limit :limit
    """
    with engine.connect() as connection:
        rows = connection.execute(sa.text(sql), {"stage": stage, "channel": channel, "limit": limit})
        return [dict(row._mapping) for row in rows]


def retry_quarantine(engine: Engine, *, channel: str, reference: str | None = None) -> int:
    """Have held listings decided again by the next plan: one, or all of a channel; returns how many.

    Rows of a file or of a payload need no retry: the next load or import reads them again.
    """
    with engine.begin() as connection:
        lock_catalogue(connection)
        return _mark(
            connection,
            "l.channel = :channel and l.variant_id = coalesce(:reference, l.variant_id) and exists (select from"
            " cloudsales.quarantine q where q.stage = 'match' and q.channel = l.channel and q.reference = l.variant_id"
            " and q.resolved_at is null)",
            channel=channel,
            reference=reference,
        )


def dismiss_quarantine(engine: Engine, quarantine_id: int) -> None:
    """Leave it as it is; it comes back only if its evidence changes.

    Raises:
        InputError: there is no such open row.
    """
    with engine.begin() as connection:
        done = connection.execute(
            sa.text(
                "update cloudsales.quarantine set resolved_at = now(), resolution = 'dismissed'"
                " where quarantine_id = :id and resolved_at is null"
            ),
            {"id": quarantine_id},
        )
        if done.rowcount == 0:
            raise InputError(f"There is no open quarantine row {quarantine_id}.", next_step="cloudsales quarantine list")


def link_by_hand(engine: Engine, channel: str, variant_id: str, sku: str) -> None:
    """Tie a listing to a product by a person's word; repeating it changes nothing.

    Raises:
        InputError: there is no such listing or product.
        RefusedError: the listing is linked to another product.
    """
    with engine.begin() as connection:
        lock_catalogue(connection)
        _link(connection, _listing(connection, channel, variant_id), sku)


def list_suggestions(engine: Engine, *, channel: str | None = None, state: str = "open", limit: int = 100) -> Rows:
    """Suggestions with what a person compares, best score first."""
    sql = """
        select s.channel, s.variant_id, p.code, p.ean, p.name, p.brand, p.size, p.colour, s.sku,
               c.name as product_name, s.score, s.created_at
        from analytics.suggestion s
        join analytics.listing p on p.channel = s.channel and p.variant_id = s.variant_id
        left join analytics.product c on c.sku = s.sku
        where s.state = :state and s.channel = coalesce(:channel, s.channel)
        order by s.score desc nulls last, s.channel, s.variant_id limit :limit
    """
    with engine.connect() as connection:
        rows = connection.execute(sa.text(sql), {"state": state, "channel": channel, "limit": limit})
        return [dict(row._mapping) for row in rows]


def accept_suggestion(engine: Engine, channel: str, variant_id: str, sku: str | None = None) -> str:
    """It is that product: link them; returns the SKU. `sku` chooses among several suggestions, or names another product.

    Raises:
        InputError: nothing is suggested for the listing, or several are and none is chosen.
    """
    with engine.begin() as connection:
        lock_catalogue(connection)
        listing_id = _listing(connection, channel, variant_id)
        suggested = _open_suggestions(connection, listing_id, channel, variant_id)
        chosen = sku or (suggested[0] if len(suggested) == 1 else None)
        if chosen is None:
            names = ", ".join(suggested) or "none by name"
            raise InputError(f"Say which product it is; suggested: {names}.", next_step="repeat it with --sku SKU")
        _link(connection, listing_id, chosen)
        connection.execute(
            sa.text(
                "update cloudsales.suggestion s set decided_at = now(), state = case when s.product_id is not distinct from"
                " (select product_id from cloudsales.product where sku = :sku) then 'accepted' else 'rejected' end"
                " where listing_id = :listing_id and state = 'open'"
            ),
            {"listing_id": listing_id, "sku": chosen},
        )
    return chosen


def reject_suggestion(engine: Engine, channel: str, variant_id: str) -> None:
    """It is none of those: the next plan makes a product for the listing.

    Raises:
        InputError: nothing is suggested for the listing.
    """
    with engine.begin() as connection:
        lock_catalogue(connection)
        listing_id = _listing(connection, channel, variant_id)
        _open_suggestions(connection, listing_id, channel, variant_id)
        connection.execute(
            sa.text(
                "update cloudsales.suggestion set state = 'rejected', decided_at = now()"
                " where listing_id = :listing_id and state = 'open'"
            ),
            {"listing_id": listing_id},
        )
        _mark(connection, "l.listing_id = :listing_id", listing_id=listing_id)


def _listing(connection: Connection, channel: str, variant_id: str) -> int:
    found = connection.scalar(
        sa.text("select listing_id from cloudsales.listing where channel = :channel and variant_id = :variant_id"),
        {"channel": channel, "variant_id": variant_id},
    )
    if found is None:
        raise InputError(f"The channel {channel} has shown no variant {variant_id!r}.", next_step="look in analytics.listing")
    return int(found)


def _open_suggestions(connection: Connection, listing_id: int, channel: str, variant_id: str) -> list[str]:
    rows = connection.execute(
        sa.text(
            "select p.sku from cloudsales.suggestion s left join cloudsales.product p using (product_id)"
            " where s.listing_id = :listing_id and s.state = 'open' order by s.score desc nulls last, p.sku"
        ),
        {"listing_id": listing_id},
    ).all()
    if not rows:
        raise InputError(f"Nothing is suggested for {variant_id!r} of {channel}.", next_step="cloudsales suggestions list")
    return [row.sku for row in rows if row.sku is not None]


def _link(connection: Connection, listing_id: int, sku: str) -> None:
    product_id = connection.scalar(sa.text("select product_id from cloudsales.product where sku = :sku"), {"sku": sku})
    if product_id is None:
        raise InputError(f"There is no product with the SKU {sku!r}.", next_step="look in analytics.product")
    linked = connection.scalar(
        sa.text(
            "insert into cloudsales.link (listing_id, channel, product_id, matched_by, code, ean, code_key, ean_key, code_hits,"
            " ean_hits, rules_version, linked_at)"
            " select listing_id, channel, :product_id, 'manual', code, ean, code_key, ean_key, 0, 0, :rules, now()"
            " from cloudsales.listing where listing_id = :listing_id"
            " on conflict (listing_id) do update set listing_id = excluded.listing_id returning product_id"
        ),
        {"listing_id": listing_id, "product_id": product_id, "rules": RULES_VERSION},
    )
    if linked != product_id:
        raise RefusedError("The listing is linked to another product already; nothing was changed.")
    _mark(connection, "l.listing_id = :listing_id", listing_id=listing_id)


def _mark(connection: Connection, which: str, **facts: object) -> int:
    """Have the listings `l` that are seen now and of which `which` holds decided again; returns how many."""
    wanted = f"from cloudsales.listing l where l.missing_since is null and {which}"
    sql = (
        "insert into cloudsales.listing_pending (listing_id, channel, revision, code_key, ean_key, ean_state)"
        f" select l.listing_id, l.channel, :revision, l.code_key, l.ean_key, l.ean_state {wanted}"
        " on conflict (listing_id) do update set revision = excluded.revision"
    )
    return connection.execute(sa.text(sql), {"revision": next_revision(connection), **facts}).rowcount
