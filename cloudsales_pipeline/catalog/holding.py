"""Hold the probable duplicates of a plan: rows that would be created and that some product may already be.

Reads a batch of listings and lets the catalogue's names pass by, so that memory does not grow with the catalogue; how probable
is decided in suggestions.py. Carrying it out (the rows of cloudsales.suggestion) belongs to apply.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.catalog.blocking import Blocks
from cloudsales_pipeline.catalog.suggestions import rank
from cloudsales_pipeline.catalog.wording import NAME_CHARACTERS, Described, read
from cloudsales_pipeline.database.engine import copy_rows, statement

BATCH = 20_000  # listings for which the catalogue is read once
STEP = 500  # listings whose candidates' details are in memory together
CANDIDATES = 3  # products that a person is shown for a listing
STREAM = 5_000

COPY = "copy cloudsales.plan_suggestion (plan_id, listing_id, product_id, score, evidence) from stdin"

Names = Sequence[tuple[int, str]]
Held = tuple[int, int, int, float, str]


def hold_probable(connection: Connection, plan_id: int, hold_above: float) -> int:
    """Turn `created` rows of the plan into `suggested` that are some product already with probability `hold_above` or more.

    That is the sum over its candidates: where two products look the same, neither is sure, and yet a third would be a duplicate.
    Returns how many. A listing whose suggestions a person has rejected stays `created`.
    """
    last = 0
    while names := _created(connection, plan_id, last):
        blocks = _blocks(connection, names)
        for start in range(0, len(names), STEP):
            rows = list(_held(connection, plan_id, names[start : start + STEP], blocks, hold_above))
            copy_rows(connection, COPY, rows)
        last = names[-1][0]
    return connection.execute(sa.text(statement(__package__, "hold_probable")), {"plan_id": plan_id}).rowcount


def _created(connection: Connection, plan_id: int, last: int) -> Names:
    """The next listings that the plan would make products of, with their names, in the order of their ids."""
    return [
        (row.listing_id, row.name)
        for row in connection.execute(
            sa.text(
                "select r.listing_id, left(p.name, :characters) as name from cloudsales.plan_row r"
                " join cloudsales.listing l on l.listing_id = r.listing_id"
                " join cloudsales.listing_product p on p.channel = l.channel and p.external_id = l.product_external_id"
                " where r.plan_id = :plan_id and r.outcome = 'created' and r.listing_id > :last and not exists"
                " (select from cloudsales.suggestion s where s.listing_id = r.listing_id and s.state = 'rejected')"
                " order by r.listing_id limit :batch"
            ),
            {"plan_id": plan_id, "last": last, "batch": BATCH, "characters": NAME_CHARACTERS},
        )
    ]


def _blocks(connection: Connection, names: Names) -> Blocks:
    """The index of these listings, with the whole catalogue's names gone through it."""
    blocks = Blocks(name for _, name in names)
    products = connection.execute(
        sa.text("select product_id, left(name, :characters) from cloudsales.product order by product_id"),
        {"characters": NAME_CHARACTERS},
        execution_options={"stream_results": True, "yield_per": STREAM},
    )
    for product_id, name in products:
        blocks.add(product_id, name)
    return blocks


def _held(connection: Connection, plan_id: int, names: Names, blocks: Blocks, hold_above: float) -> Iterator[Held]:
    """Rows of plan_suggestion for those of a few listings that have a candidate probable enough together."""
    candidates = {listing_id: found for listing_id, name in names if (found := blocks.candidates(name))}
    wanted = sorted({place for found in candidates.values() for place in found})
    products = {item.ref: read(item) for item in _described(connection, "describe_products", wanted)}
    for listing in _described(connection, "describe_listings", sorted(candidates)):
        own = {place: products[place] for place in candidates[int(listing.ref)]}
        ranked = rank(read(listing), own, blocks.rarity, most=CANDIDATES)
        if sum(score for _, score, _ in ranked) >= hold_above:
            for place, score, evidence in ranked:
                yield plan_id, int(listing.ref), place, round(score, 4), json.dumps(evidence, ensure_ascii=False)


def _described(connection: Connection, name: str, ids: Sequence[int]) -> Iterator[Described]:
    rows = connection.execute(sa.text(statement(__package__, name)), {"ids": list(ids)})
    for row in rows.all():
        price = float(row.price) if row.price is not None else None
        yield Described(row.ref, row.name, row.brand, None, price, row.category, row.size, row.colour)
