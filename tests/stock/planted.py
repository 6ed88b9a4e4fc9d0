"""A warehouse, products, a rule and publications, planted by SQL; and movements, which is all that a test needs to do to them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import sqlalchemy as sa
from sqlalchemy.engine import Engine

REFERENCES = count(1)


def stocked(engine: Engine, listings: int, *, quantity: int | None = 5, channel: str = "fashionup") -> list[str]:
    """So many products in the warehouse `main`, each with a publication; returns the variants, `v00001` and on.

    `quantity` None: nothing ever moved, so the stock is unknown.
    """
    with engine.begin() as connection:
        connection.execute(sa.text("insert into cloudsales.warehouse (warehouse) values ('main') on conflict do nothing"))
        connection.execute(
            sa.text(
                "insert into cloudsales.stock_rule (channel, scope, warehouses, buffer, share)"
                " values (:channel, 'channel', '{main}', 0, 1)"
            ),
            {"channel": channel},
        )
        connection.execute(
            sa.text(
                "insert into cloudsales.product (sku, name, created_at, changed_at)"
                " select 'S' || lpad(cast(n as text), 5, '0'), 'Rochie', now(), now()"
                " from generate_series(1, :n) n on conflict do nothing"
            ),
            {"n": listings},
        )
        connection.execute(
            sa.text(
                "insert into cloudsales.publication (channel, variant_id, product_id, rule_id)"
                " select :channel, replace(p.sku, 'S', 'v'), p.product_id, r.rule_id"
                " from cloudsales.product p, cloudsales.stock_rule r where r.channel = :channel order by p.sku"
            ),
            {"channel": channel},
        )
    names = [f"v{number:05}" for number in range(1, listings + 1)]
    if quantity:
        move(engine, dict.fromkeys(names, quantity))
    return names


def move(engine: Engine, pieces: Mapping[str, int]) -> None:
    """Move these pieces of variants in one transaction."""
    number = next(REFERENCES)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into cloudsales.stock_movement (warehouse, product_id, quantity, reason, reference, line, occurred_at)"
                " select 'main', p.product_id, m.quantity, 'adjustment', :reference, m.line, now()"
                " from unnest(cast(:skus as text[]), cast(:quantities as int[])) with ordinality m (sku, quantity, line)"
                " join cloudsales.product p using (sku)"
            ),
            {
                "reference": f"T-{number}-{id(engine)}",
                "skus": [name.replace("v", "S") for name in pieces],
                "quantities": list(pieces.values()),
            },
        )


def states(engine: Engine, channel: str = "fashionup") -> dict[str, int]:
    """How many publications of the channel stand in each state."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("select state, count(*) as listings from cloudsales.publication where channel = :channel group by 1"),
            {"channel": channel},
        )
        return {row.state: row.listings for row in rows}


def shown(engine: Engine, channel: str = "fashionup") -> dict[str, tuple[int | None, int]]:
    """Of each publication what the channel should show, and its version."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("select variant_id, quantity, version from cloudsales.publication where channel = :channel"),
            {"channel": channel},
        )
        return {name: (quantity, version) for name, quantity, version in rows}


def one(engine: Engine, sql: str, **values: object) -> object:
    """The first value of a query."""
    with engine.connect() as connection:
        return connection.scalar(sa.text(sql), values)
