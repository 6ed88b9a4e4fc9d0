"""Which plan a run judges and applies: its own, or else the channel's newest that is still open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def plan_of_run(connection: Connection, channel: str, run_id: str) -> int | None:
    """The plan that the run made; where it made none (a check or `catalog` alone), the newest not yet applied."""
    import sqlalchemy as sa

    found: int | None = connection.scalar(
        sa.text(
            "select plan_id from cloudsales.plan where channel = :channel and (run_id = :run or state <> 'applied')"
            " order by (run_id = :run) desc nulls last, plan_id desc limit 1"
        ),
        {"channel": channel, "run": run_id},
    )
    return found


def plan_made_by(connection: Connection, channel: str, run_id: str) -> int | None:
    """The plan that the run itself made, if it made one: what its checks need to look at, and no more."""
    import sqlalchemy as sa

    found: int | None = connection.scalar(
        sa.text("select max(plan_id) from cloudsales.plan where channel = :channel and run_id = :run"),
        {"channel": channel, "run": run_id},
    )
    return found
