"""Which product a line is of: by its listing's link, else by its codes, looked for where an import looks (docs/matching.md).

What belongs here: the look-up, for a batch. What does not: deciding on links, which is the catalogue's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.codes import code_key, read_ean
from cloudsales_pipeline.database.engine import steps

UNKNOWN = "unknown_variant"
CONFLICT = "conflict"


class Asked(Struct, frozen=True):
    """What a line says of its product."""

    variant_id: str
    code: str | None
    ean: str | None


def products_of(connection: Connection, channel: str, asked: Iterable[Asked]) -> dict[Asked, int | str]:
    """For each, its product's id, or why there is none: unknown_variant (nobody knows its codes), conflict (they are of two)."""
    wanted = set(asked)
    queries = steps(__package__, "intake")
    rows = connection.execute(
        sa.text(queries["linked"]), {"channel": channel, "variants": list({one.variant_id for one in wanted})}
    ).all()
    linked: dict[str, int] = {row.variant_id: row.product_id for row in rows}
    found: dict[Asked, int | str] = {one: linked[one.variant_id] for one in wanted if one.variant_id in linked}
    rest = {one: _keys(one.code, one.ean) for one in wanted if one not in found}
    if rest:
        keys = {key for some in rest.values() for key in some}
        known = connection.execute(sa.text(queries["by_code"]), {"keys": list(keys)}).all() if keys else []
        by_key: dict[str, int | None] = {row.key: row.product_id for row in known}
        found |= {one: _decide([by_key[key] for key in some if key in by_key]) for one, some in rest.items()}
    return found


def _decide(hits: list[int | None]) -> int | str:
    """As an import decides: two products, or a code that two have already (None), are a conflict and never a guess (I-04)."""
    if not hits:
        return UNKNOWN
    one = hits[0]
    return CONFLICT if one is None or any(hit != one for hit in hits) else one


@lru_cache(maxsize=100_000)
def _keys(code: str | None, ean: str | None) -> tuple[str, ...]:
    return tuple({key for key in (code_key(code), read_ean(ean).key) if key is not None})
