"""A million listings against a million products, made inside the database: the ground of the benchmarks.

Of each hundred listings 55 are known by SKU, 20 by EAN alone, 15 by an additional code, 8 by nothing; one shares its code
with another (NEW-…, the hundredth's neighbour), and one shows the code of one product and the EAN of the next.
Foreign keys are not checked while filling and the index on the codes is made at the end: both only save time.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from benchmarks.server import analyse

# A GTIN-13 594iiiiiiiiic (GS1 General Specifications 7.9), as one expression, so that PostgreSQL writes it into the query.
GTIN = """
create function pg_temp.gtin(i bigint) returns text language sql immutable parallel safe as $$
    select (594000000000 + i)::text || ((10 - (36
        + 3 * (i % 10 + i / 100 % 10 + i / 10000 % 10 + i / 1000000 % 10 + i / 100000000 % 10)
        + i / 10 % 10 + i / 1000 % 10 + i / 100000 % 10 + i / 10000000 % 10) % 10) % 10)::text $$
""".replace("%", "%%")

EXPECTED = {"linked": 90, "conflict": 1, "created": 8, "duplicate_in_listing": 1}
"""Outcomes of each hundred listings."""


def fill(engine: Engine, channel: str, size: int) -> None:
    """`size` products with three codes each and `size` present, undecided listings of `channel`, analysed."""
    with engine.begin() as connection:
        connection.exec_driver_sql(GTIN)
        _run(connection, "set local session_replication_role = replica")
        _run(connection, "set local work_mem = '256MB'")
        _run(connection, "set local maintenance_work_mem = '256MB'")
        _fill_catalogue(connection, size)
        _fill_listing(connection, channel, size)
    analyse(engine)


def _run(connection: Connection, sql: str, **facts: int | str) -> None:
    connection.execute(sa.text(sql), facts)


def _fill_catalogue(connection: Connection, products: int) -> None:
    _run(connection, "drop index cloudsales.product_code_by_key")
    _run(
        connection,
        "insert into cloudsales.product (sku, name, brand, size, colour, created_at, changed_at)"
        " select 'SKU-' || i, 'Rochie ' || i, 'Brand ' || i % 50, 'M', 'roșu', now(), now() from generate_series(1, :n) i",
        n=products,
    )
    _run(
        connection,
        "insert into cloudsales.product_code (product_id, kind, key, code, source, added_at)"
        " select p.product_id, c.kind, c.key, c.code, 'file', now() from cloudsales.product p cross join lateral (values"
        " ('sku', lower(p.sku), p.sku), ('gtin', pg_temp.gtin(p.product_id), pg_temp.gtin(p.product_id)),"
        " ('additional', 'fu-' || p.product_id, 'FU-' || p.product_id)) as c (kind, key, code)",
    )
    _run(connection, "create index product_code_by_key on cloudsales.product_code (key)")
    _run(
        connection,
        "insert into cloudsales.code_key (key, product_id, kinds)"
        " select key, product_id, case kind when 'sku' then 1 when 'gtin' then 2 else 4 end from cloudsales.product_code order by key",
    )


def _fill_listing(connection: Connection, channel: str, listings: int) -> None:
    _run(
        connection,
        """
        insert into cloudsales.listing_product (channel, external_id, code, name, brand, description, category_ids, images,
            characteristics, status, updated_at, raw, raw_hash, first_seen_at, changed_at)
        select :channel, 'P' || i, 'ST' || i, 'Rochie ' || i, 'Brand', 'Descriere', '{}', '[]', '[]', 'active', now(), '', '', now(), now()
        from generate_series(0, (:n - 1) / 10) i
        """,
        channel=channel,
        n=listings,
    )
    _run(
        connection,
        """
        insert into cloudsales.listing (channel, variant_id, product_external_id, position, code, ean, code_key, ean_key, ean_state,
            size, colour, price, currency, vat_rate, channel_stock, row_hash, first_seen_at, changed_at)
        select :channel, 'V' || i, 'P' || (i - 1) / 10, (i - 1) % 10, code, ean, lower(code), ean, 'valid', 'M', 'roșu', 129.90, 'RON', 21, 5,
               '', now(), now()
        from (select i,
                case when i % 100 < 55 then 'SKU-' || i when i % 100 < 75 then 'SITE-' || i when i % 100 < 90 then 'FU-' || i
                     when i % 100 = 98 then 'NEW-' || i - 1 when i % 100 = 99 then 'SKU-' || i - 1 else 'NEW-' || i end as code,
                case when i % 100 < 90 or i % 100 = 99 then pg_temp.gtin(i) else pg_temp.gtin(i + 300000000) end as ean
              from generate_series(1, :n) i) x
        """,
        channel=channel,
        n=listings,
    )
    _run(
        connection,
        """
        insert into cloudsales.listing_key (key, listing_id, channel, is_ean)
        select code_key, listing_id, channel, false from cloudsales.listing where channel = :channel
        union all select ean_key, listing_id, channel, true from cloudsales.listing where channel = :channel
        """,
        channel=channel,
    )
    _run(
        connection,
        """
        insert into cloudsales.listing_shared_key (channel, key)
        select channel, key from cloudsales.listing_key where channel = :channel group by channel, key having count(*) > 1
        """,
        channel=channel,
    )
    _run(
        connection,
        "insert into cloudsales.listing_pending (listing_id, channel, revision, code_key, ean_key, ean_state)"
        " select listing_id, channel, r, code_key, ean_key, ean_state"
        " from cloudsales.listing cross join nextval('cloudsales.revision') r where channel = :channel order by listing_id",
        channel=channel,
    )
