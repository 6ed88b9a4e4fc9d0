"""A catalogue that knows most of a generated listing: six of ten variants by SKU, two by EAN alone, one by an additional code."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks import listing_file
from benchmarks.server import analyse
from cloudsales_pipeline.database.engine import copy_rows

KNOWN = (("sku", "gtin"),) * 6 + (("gtin",),) * 2 + (("additional",),) + ((),)


def fill(engine: Engine, listing: Path) -> None:
    """Products and their codes for nine of ten variants of the listing, analysed."""
    with engine.begin() as connection:
        connection.execute(sa.text("set local session_replication_role = replica"))
        connection.execute(
            sa.text('create temp table known (n bigint, kind text, key text collate "C", code text) on commit drop')
        )
        codes = listing_file.codes(listing, lambda number: KNOWN[number % 10])
        copy_rows(connection, "copy known from stdin", codes)
        for sql in (
            "create temp table made on commit drop as select n, code, row_number() over (order by n) as product_id from known where kind = 'sku'",
            "insert into cloudsales.product (sku, name, created_at, changed_at) select code, 'Produs ' || code, now(), now() from made order by product_id",
            "insert into cloudsales.product_code (product_id, kind, key, code, source, added_at)"
            " select m.product_id, k.kind, k.key, k.code, 'file', now() from known k join made m using (n)",
            "insert into cloudsales.code_key (key, product_id, kinds) select key, product_id,"
            " case kind when 'sku' then 1 when 'gtin' then 2 else 4 end from cloudsales.product_code",
        ):
            connection.execute(sa.text(sql))
        same = connection.scalar(
            sa.text("select count(*) from made m join cloudsales.product p using (product_id) where p.sku = m.code")
        )
        assert same == connection.scalar(sa.text("select count(*) from made")), "product ids were not given in order"
    analyse(engine)
