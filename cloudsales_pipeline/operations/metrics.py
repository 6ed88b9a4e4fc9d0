"""The same findings and what is open, for Prometheus. Everything is read when it is asked for, within a few seconds.

What belongs here: names, labels and one collector. What does not: what a finding is (`findings`). Labels are channels, stages,
kinds, states, reason codes and couriers: few, and nobody's name (I-46). All are gauges: nothing here only grows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import CloudSalesError
from cloudsales_pipeline.operations.findings import SOURCE_SECONDS, Finding, Reading, limit, look

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from cloudsales_pipeline.settings import Settings

SCRAPE_SECONDS = 8.0
MOST_SERIES = 500  # of one name: a reason code that is none can't flood the store
FIGURES = {
    "orders_waiting": ("Orders with pieces that wait for stock.", ()),
    "order_pieces_waiting": ("Pieces of orders that wait for stock.", ()),
    "order_pieces_reserved": ("Pieces that orders hold.", ()),
    "publications_open": ("Stock figures that a channel has not taken.", ("channel", "state")),
    "quarantine_rows": ("Rows that were set aside.", ("stage", "reason")),
    "documents_due": ("Documents that are due, by what is to be done.", ("step",)),
    "waybills_open": ("Waybills that are not made yet or not clear.", ("courier", "state")),
    "messages_open": ("Messages that are not sent, or not clear.", ("medium", "state")),
    "message_oldest_due_age_seconds": ("How long the oldest message that is due has waited.", ("medium",)),
    "orders_polled_age_seconds": ("How long ago a channel was asked for orders.", ("channel",)),
    "listing_stored_age_seconds": ("How long ago a channel's listing was stored.", ("channel",)),
    "process_seen_age_seconds": ("How long ago a process that should always run was last alive.", ("process",)),
}


class OperationsCollector(Collector):
    """Reads at each scrape; where the database is away, `cloudsales_up` is 0 and nothing else is said.

    Args:
        connect: gives the settings and an engine on their database; asked at each scrape, so that it outlives a restart.
    """

    def __init__(self, connect: Callable[[], tuple[Settings, Engine]]) -> None:
        self._connect = connect

    def describe(self) -> list[Metric]:
        """Nothing is read when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All gauges."""
        begun = time.monotonic()
        families: list[Metric] = []
        up = 1
        try:
            settings, engine = self._connect()
            families = _families(engine, settings)
        except (sa.exc.SQLAlchemyError, CloudSalesError):
            up = 0
        yield _gauge("up", "Whether the database could be read.", up)
        yield _gauge("scrape_duration_seconds", "How long reading all of this took.", time.monotonic() - begun)
        yield from families


def registry(connect: Callable[[], tuple[Settings, Engine]]) -> CollectorRegistry:
    """A registry with this collector alone."""
    made = CollectorRegistry()
    made.register(OperationsCollector(connect))
    return made


def _families(engine: Engine, settings: Settings) -> list[Metric]:
    now = datetime.now(UTC)
    with engine.connect() as connection:
        reading = look(connection, settings, now=now, seconds=SCRAPE_SECONDS)
        figures, failed = _figures(connection, now)
    return [*_of_findings(reading, now, failed), *figures]


def _of_findings(reading: Reading, now: datetime, failed: int) -> Iterator[Metric]:
    labels = ("kind", "subject", "severity")
    counts = GaugeMetricFamily("cloudsales_finding_rows", "What waits for a person: of how many it speaks.", labels=labels)
    ages = GaugeMetricFamily("cloudsales_finding_age_seconds", "How long it has waited.", labels=labels)
    for one in reading.findings[:MOST_SERIES]:
        counts.add_metric(_labels(one), one.count)
        ages.add_metric(_labels(one), max(0.0, (now - one.since).total_seconds()))
    open_ = GaugeMetricFamily("cloudsales_findings", "How many things wait for a person.", labels=("severity",))
    for severity in ("now", "digest"):
        open_.add_metric([severity], len(reading.of(severity)))
    unread = _gauge("sources_unread", "Sources of findings and figures that could not be read.", len(reading.unread) + failed)
    yield from (open_, counts, ages, unread)


def _labels(one: Finding) -> list[str]:
    return [one.kind, one.subject, one.severity]


def _figures(connection: Connection, now: datetime) -> tuple[list[Metric], int]:
    """The families of figures.sql, and how many of its queries failed. A family without rows is there, with no sample."""
    families = {name: GaugeMetricFamily(f"cloudsales_{name}", told, labels=labels) for name, (told, labels) in FIGURES.items()}
    failed = 0
    for query in steps(__package__, "figures").values():
        values = {"now": now} if ":now" in query else {}
        try:
            with connection.begin_nested():
                limit(connection, SOURCE_SECONDS)
                rows = connection.execute(sa.text(query), values).all()
        except sa.exc.SQLAlchemyError:
            failed += 1
            continue
        for name, label, other, value in rows[:MOST_SERIES]:
            labels = [label, other][: len(FIGURES[name][1])]
            families[name].add_metric(labels, value)
    return list(families.values()), failed


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"cloudsales_{name}", told, value=value)
