"""A million listings against a million products, made inside the database in seconds: the ground of the benchmarks.

Of each hundred listings 55 are known by SKU, 20 by EAN, 15 by an additional code, 8 by nothing, and 2 compete or contradict.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

GTIN = """
create or replace function pg_temp.gtin(i bigint) returns text language sql immutable parallel safe as $$
    select d || ((10 - (
        3 * (substr(d,12,1)::int + substr(d,10,1)::int + substr(d,8,1)::int + substr(d,6,1)::int + substr(d,4,1)::int + substr(d,2,1)::int)
        + substr(d,11,1)::int + substr(d,9,1)::int + substr(d,7,1)::int + substr(d,5,1)::int + substr(d,3,1)::int + substr(d,1,1)::int
    ) %% 10) %% 10)::text from (select '594' || lpad(i::text, 9, '0') as d) x $$
"""


def _run(connection: Connection, sql: str, **facts: int) -> None:
    connection.execute(sa.text(sql), facts)


def fill_catalogue(connection: Connection, products: int) -> None:
    """`products` products with three codes each: SKU, GTIN, one additional code."""
    connection.exec_driver_sql(GTIN)
    _run(connection, "set local work_mem = '256MB'")
    _run(
        connection,
        "insert into cloudsales.product (sku, name, brand, size, colour, created_at, changed_at)"
        " select 'SKU-' || i, 'Rochie ' || i, 'Brand ' || i % 50, 'M', 'roșu', now(), now() from generate_series(1, :n) i",
        n=products,
    )
    for kind, key, code in (
        ("sku", "lower(sku)", "sku"),
        ("gtin", "pg_temp.gtin(product_id)", "pg_temp.gtin(product_id)"),
        ("additional", "'fu-' || product_id", "'FU-' || product_id"),
    ):
        _run(
            connection,
            "insert into cloudsales.product_code (product_id, kind, key, code, source, added_at)"
            f" select product_id, '{kind}', {key}, {code}, 'file', now() from cloudsales.product order by product_id",
        )
    _run(
        connection,
        "insert into cloudsales.code_key (key, product_id, kinds)"
        " select key, product_id, case kind when 'sku' then 1 when 'gtin' then 2 else 4 end from cloudsales.product_code order by key",
    )


def fill_listing(connection: Connection, channel: str, listings: int) -> None:
    """`listings` present, undecided listings of `channel`, ten to a product."""
    connection.exec_driver_sql(GTIN)
    _run(connection, "set local work_mem = '256MB'")
    _run(connection, f"insert into cloudsales.channel (channel, kind) values ('{channel}', 'fashionup') on conflict do nothing")
    _run(
        connection,
        f"""
        insert into cloudsales.listing_product (channel, external_id, code, name, brand, description, category_ids, images,
            characteristics, status, updated_at, raw, raw_hash, first_seen_at, changed_at)
        select '{channel}', 'P' || i, 'ST' || i, 'Rochie ' || i, 'Brand', 'Descriere', '{{}}', '[]', '[]', 'active', now(), '', '', now(), now()
        from generate_series(0, (:n - 1) / 10) i
        """,
        n=listings,
    )
    _run(
        connection,
        f"""
        insert into cloudsales.listing (channel, variant_id, product_external_id, position, code, ean, code_key, ean_key, ean_state,
            size, colour, price, currency, vat_rate, channel_stock, row_hash, first_seen_at, changed_at)
        select '{channel}', 'V' || i, 'P' || (i - 1) / 10, (i - 1) % 10, code, ean, lower(code), ean, 'valid', 'M', 'roșu', 129.90, 'RON', 21, 5,
               '', now(), now()
        from (select i,
                case when i % 100 < 55 then 'SKU-' || i when i % 100 < 75 then 'SITE-' || i when i % 100 < 90 then 'FU-' || i
                     when i % 100 = 98 then 'NEW-' || i - 1 when i % 100 = 99 then 'SKU-' || i - 1 else 'NEW-' || i end as code,
                case when i % 100 < 90 or i % 100 = 99 then pg_temp.gtin(i) else pg_temp.gtin(i + 300000000) end as ean
              from generate_series(1, :n) i) x
        """,
        n=listings,
    )
    _run(
        connection,
        f"""
        insert into cloudsales.listing_key (key, listing_id, channel, is_ean)
        select code_key, listing_id, channel, false from cloudsales.listing where channel = '{channel}'
        union all select ean_key, listing_id, channel, true from cloudsales.listing where channel = '{channel}'
        """,
    )
    _run(
        connection,
        f"""
        insert into cloudsales.listing_shared_key (channel, key)
        select channel, key from cloudsales.listing_key where channel = '{channel}' group by channel, key having count(*) > 1
        """,
    )
    _run(
        connection,
        "insert into cloudsales.listing_pending (listing_id, channel, revision, code_key, ean_key, ean_state)"
        f" select listing_id, channel, nextval('cloudsales.revision'), code_key, ean_key, ean_state from cloudsales.listing where channel = '{channel}' order by listing_id",
    )
