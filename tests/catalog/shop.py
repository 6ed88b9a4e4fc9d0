"""What catalogue tests put on the table: a listing as an import would leave it, and a retailer's file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine, Row

from cloudsales_pipeline.catalog.apply import ApplyResult, apply_plan
from cloudsales_pipeline.catalog.plan import make_plan
from cloudsales_pipeline.codes import code_key, read_ean
from cloudsales_pipeline.settings import CatalogSettings

CHANNEL = "fashionup"
CREATE = CatalogSettings()
Listed = tuple[str, str | None, str | None]  # variant id, code, EAN: as they came


def write_catalogue(
    path: Path, rows: Iterable[Sequence[str]], header: Sequence[str] = ("sku", "ean", "additional_codes", "name")
) -> Path:
    """A retailer's CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def show(engine: Engine, rows: Iterable[Listed], channel: str = CHANNEL, *, name: str = "Rochie midi") -> None:
    """Have a channel show these variants, each a product of its own with the row's number as its id.

    Every call adds to what is shown; all that is shown and unlinked becomes pending, as after an import.
    """
    with engine.begin() as connection:
        for variant_id, code, ean in rows:
            _show_one(connection, channel, variant_id, code, ean, name)
        connection.execute(sa.text("delete from cloudsales.listing_shared_key"))
        connection.execute(
            sa.text(
                "insert into cloudsales.listing_shared_key (channel, key) select channel, key from cloudsales.listing_key"
                " group by channel, key having count(*) > 1"
            )
        )


def _show_one(connection: sa.Connection, channel: str, variant_id: str, code: str | None, ean: str | None, name: str) -> None:
    reading = read_ean(ean)
    facts = {
        "channel": channel,
        "variant": variant_id,
        "product": f"P{variant_id.lstrip('v')}",
        "code": code.replace("\x00", "") if code else code,
        "ean": ean.replace("\x00", "") if ean else ean,
        "code_key": code_key(code),
        "ean_key": reading.key,
        "ean_state": reading.state.value,
        "name": name,
    }
    connection.execute(
        sa.text(
            "insert into cloudsales.listing_product (channel, external_id, code, name, brand, description, category_ids, images,"
            " characteristics, status, updated_at, raw, raw_hash, first_seen_at, changed_at) values (:channel, :product, null, :name,"
            " 'Mara', '<p>Vaporoasă</p>', '{}', '[{\"url\": \"http://127.0.0.1/1.jpg\", \"position\": 1}]',"
            " '[[\"Material\", \"In\"]]', 'active', now(), '', '', now(), now()) on conflict do nothing"
        ),
        facts,
    )
    listing_id = connection.scalar(
        sa.text(
            "insert into cloudsales.listing (channel, variant_id, product_external_id, position, code, ean, code_key, ean_key,"
            " ean_state, size, colour, price, currency, vat_rate, channel_stock, row_hash, first_seen_at, changed_at)"
            " values (:channel, :variant, :product, 0, :code, :ean, :code_key, :ean_key, :ean_state, 'M', 'roșu', 129.90, 'RON', 21,"
            " 3, '', now(), now())"
            " on conflict (channel, variant_id) do update set code = excluded.code, ean = excluded.ean,"
            " code_key = excluded.code_key, ean_key = excluded.ean_key, ean_state = excluded.ean_state returning listing_id"
        ),
        facts,
    )
    facts["listing_id"] = listing_id
    connection.execute(sa.text("delete from cloudsales.listing_key where listing_id = :listing_id"), facts)
    connection.execute(
        sa.text(
            "insert into cloudsales.listing_key (key, listing_id, channel, is_ean)"
            " select key, :listing_id, :channel, is_ean from (values (cast(:code_key as text), false), (cast(:ean_key as text), true))"
            " as k (key, is_ean) where key is not null and not (is_ean and key = coalesce(cast(:code_key as text), ''))"
        ),
        facts,
    )
    connection.execute(
        sa.text(
            "insert into cloudsales.listing_pending (listing_id, channel, revision, code_key, ean_key, ean_state)"
            " values (:listing_id, :channel, nextval('cloudsales.revision'), :code_key, :ean_key, :ean_state)"
            " on conflict (listing_id) do update set revision = excluded.revision, code_key = excluded.code_key,"
            " ean_key = excluded.ean_key, ean_state = excluded.ean_state"
        ),
        facts,
    )


def audited_plan(engine: Engine, channel: str = CHANNEL, policy: CatalogSettings = CREATE) -> int:
    """A plan that counts as audited: the audit has tests of its own."""
    plan = make_plan(engine, channel, policy)
    with engine.begin() as connection:
        connection.execute(
            sa.text("update cloudsales.plan set state = 'audited', audited_at = now() where plan_id = :id"), {"id": plan.plan_id}
        )
    return plan.plan_id


def decide(engine: Engine, channel: str = CHANNEL, policy: CatalogSettings = CREATE) -> ApplyResult:
    """Plan and apply."""
    return apply_plan(engine, audited_plan(engine, channel, policy))


def outcomes(engine: Engine) -> dict[str, str]:
    """Per variant, `outcome:sku` or `outcome:reason`."""
    return {
        row.variant_id: f"{row.outcome}:{row.sku or row.reason}"
        for row in query(engine, "select variant_id, outcome, sku, reason from analytics.match_outcome")
    }


def query(engine: Engine, sql: str, **facts: object) -> Sequence[Row[tuple[object, ...]]]:
    """Rows of a query."""
    with engine.connect() as connection:
        return connection.execute(sa.text(sql), facts).all()


def scalar(engine: Engine, sql: str, **facts: object) -> object:
    """The one value of a query."""
    with engine.connect() as connection:
        return connection.scalar(sa.text(sql), facts)
