"""A channel's categories into ours: few, so read whole and replaced at once; what is gone is marked, never deleted.

What belongs here: paths, cycles (F-43), the one write to listing_category. What does not: which products are in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.channels.errors import CursorRepeatsError
from cloudsales_pipeline.channels.port import Category, Rejected, SalesChannel
from cloudsales_pipeline.database.engine import copy_rows, steps
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.listing.rows import ID_CAP, NAME_CAP, storable

SEPARATOR = " > "
PATH_CAP = 2_000
"""Characters; a tree so deep is no help to a reader, and must not cost more than its rows."""


@dataclass(frozen=True)
class CategoryResult:
    """What an import of categories did; rows_in = loaded + unchanged + quarantined."""

    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    missing: int


def import_categories(engine: Engine, channel: SalesChannel, *, run_id: str | None = None) -> CategoryResult:
    """Take a channel's categories in, whole. The members of a cycle are kept under their bare names, and quarantined.

    Raises:
        RefusedError: the channel shows none while some are known.
        ChannelError: the channel failed; nothing has changed.
    """
    started_at = datetime.now(UTC)
    categories, rejected = _read(channel)
    rejected += [Rejected(name, "category_cycle", "its parents lead back to it") for name in sorted(cycle_members(categories))]
    with engine.begin() as connection:
        _refuse_empty(connection, channel.name, categories)
        _stage(connection, categories, rejected)
        return _replace(connection, channel.name, started_at, run_id)


def _read(channel: SalesChannel) -> tuple[dict[str, Category], list[Rejected]]:
    """All pages; of a category that comes twice, the one whose name and parent sort first."""
    found: dict[str, Category] = {}
    rejected: list[Rejected] = []
    cursor: str | None = None
    seen: set[str | None] = {None}
    while True:
        page = channel.categories(cursor)
        rejected += page.rejected
        for category in page.categories:
            if (fault := _fault(category)) is not None:
                rejected.append(fault)
            elif category.category_id not in found or _rank(category) < _rank(found[category.category_id]):
                found[category.category_id] = category
        cursor = page.next_cursor
        if cursor is None:
            return found, [one for one in rejected if one.reference not in found]
        if cursor in seen:
            raise CursorRepeatsError("the next cursor was there before", channel=channel.name, operation="listCategories")
        seen.add(cursor)


def _rank(category: Category) -> tuple[str, str]:
    return category.name, category.parent_id or ""


def _fault(category: Category) -> Rejected | None:
    if not category.category_id or len(category.category_id) > ID_CAP or not storable(category.category_id):
        return Rejected("#?", "bad_id", "a category whose id can't be stored")
    if not storable(category.name + (category.parent_id or "")) or len(category.name) > NAME_CAP:
        return Rejected(category.category_id, "bad_text", "a name or parent that can't be stored")
    return None


def cycle_members(categories: Mapping[str, Category]) -> set[str]:
    """Categories that are their own ancestors. Each is looked at once, however deep the tree."""
    done: set[str] = set()
    members: set[str] = set()
    for start in categories:
        trail: dict[str, None] = {}
        at: str | None = start
        while at is not None and at in categories and at not in done and at not in trail:
            trail[at] = None
            at = categories[at].parent_id
        if at in trail:
            names = list(trail)
            members.update(names[names.index(at) :])
        done.update(trail)
    return members


def paths(categories: Mapping[str, Category]) -> dict[str, str]:
    """Names from the root, joined; a category in a cycle, or whose parent is unknown, starts a path of its own."""
    roots = cycle_members(categories)
    found: dict[str, str] = {}
    for start in categories:
        trail: list[str] = []
        at = start
        while at not in found:
            trail.append(at)
            parent = categories[at].parent_id
            if at in roots or parent is None or parent not in categories:
                break
            at = parent
        for name in reversed(trail):
            parent = categories[name].parent_id
            above = None if name in roots or parent is None else found.get(parent)
            full = categories[name].name if above is None else above + SEPARATOR + categories[name].name
            found[name] = full[-PATH_CAP:]
    return found


def _refuse_empty(connection: Connection, channel: str, categories: Mapping[str, Category]) -> None:
    known = connection.scalar(
        sa.text("select count(*) from cloudsales.listing_category where channel = :channel and missing_since is null"),
        {"channel": channel},
    )
    if known and not categories:
        raise RefusedError(
            f"{channel}: no category came back; {known} are known. They were left as they are.",
            next_step="look at the channel's answer to listCategories",
        )


def _stage(connection: Connection, categories: Mapping[str, Category], rejected: Iterable[Rejected]) -> None:
    path = paths(categories)
    connection.execute(
        sa.text(
            "create temporary table shown (category_id text primary key, parent_id text, name text, path text) on commit drop"
        )
    )
    connection.execute(sa.text("create temporary table fault (reference text, reason text, detail text) on commit drop"))
    shown = ((c.category_id, c.parent_id, c.name, path[c.category_id]) for c in categories.values())
    copy_rows(connection, "copy shown from stdin", shown)
    copy_rows(connection, "copy fault from stdin", ((r.reference, r.reason, r.detail) for r in rejected))


def _replace(connection: Connection, channel: str, started_at: datetime, run_id: str | None) -> CategoryResult:
    values: dict[str, Any] = {"channel": channel, "now": datetime.now(UTC), "started_at": started_at, "run_id": run_id}
    counts: dict[str, int] = {}
    for name, sql in steps("cloudsales_pipeline.listing", "categories").items():
        if name == "summary":
            values |= counts
        result = connection.execute(sa.text(sql), values)
        if name == "counts":
            counts = dict(result.one()._mapping)
    return CategoryResult(**counts)
