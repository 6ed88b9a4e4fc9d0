"""A channel's orders into ours, from the first request to the last acknowledgement.

Reads as the flow: lines whose product became known → what was stored before → page by page, each taken in before the next, so
that stock is held as early as it can be → what was not paid in time gives its pieces back → who waits is served → the channel is
told. Done again it changes nothing (I-40);
killed anywhere, the next call goes on (I-41).

What belongs here: the order of the steps, and their sum. What does not: any of the steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import ChannelError
from cloudsales_pipeline.channels.port import SalesChannel
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import order_intake_lock
from cloudsales_pipeline.orders.acknowledging import Acknowledged, acknowledge_due
from cloudsales_pipeline.orders.intake import BatchResult, take_in
from cloudsales_pipeline.orders.life import expire_unpaid
from cloudsales_pipeline.orders.pages import ask
from cloudsales_pipeline.orders.polling import note_failure, note_success
from cloudsales_pipeline.orders.serving import resolve_unknown_lines, serve_all
from cloudsales_pipeline.settings import ChannelSettings

SECONDS = 600.0
"""How long a call goes on with pages and acknowledgements; what is left is the next call's."""

Progress = Callable[[Mapping[str, int]], None]


class ImportResult(Struct, frozen=True, kw_only=True):
    """What an import did. Rows are payloads that were read: rows_in = loaded + unchanged + quarantined (I-44).

    Args:
        asked: False where another import of the channel was asking: this one took in and served what there was.
        complete: all pages were read.
        failure: why the channel could not be asked or told; what was stored before is taken in all the same.
    """

    asked: bool
    complete: bool
    pages: int
    stored: int
    batch: BatchResult
    named: int
    expired: int
    served: int
    told: Acknowledged
    seconds: float
    failure: ChannelError | None = None

    @property
    def rows_in(self) -> int:
        """Payloads read."""
        return self.batch.read

    @property
    def loaded(self) -> int:
        """Orders that are new or changed."""
        return self.batch.new + self.batch.amended

    @property
    def unchanged(self) -> int:
        """Payloads that said nothing new."""
        return self.batch.unchanged

    @property
    def quarantined(self) -> int:
        """Payloads that wait for a person, or that the settings leave out."""
        return self.batch.held + self.batch.left_out


class _Asked(Struct):
    """What asking came to, while it goes on."""

    pages: int = 0
    stored: int = 0
    complete: bool = False
    batch: BatchResult = BatchResult()
    failure: ChannelError | None = None


def import_orders(
    engine: Engine,
    channel: SalesChannel,
    settings: ChannelSettings,
    *,
    deadline: float | None = None,
    progress: Progress | None = None,
    run_id: str | None = None,
) -> ImportResult:
    """Take the channel's changed orders in, reserve, serve, and tell the channel.

    Args:
        deadline: by `time.monotonic()`; after it no page and no acknowledgement is begun. None: ten minutes from now.
        progress: called after each page, outside any transaction.
        run_id: for the line in `run_summary`.

    A channel that fails keeps nothing else from being done; its error is in the result, and noted in `order_intake`.

    Raises:
        DatabaseError: the database was lost for longer than a few tries take. The next call goes on.
    """
    began, started_at = time.monotonic(), datetime.now(UTC)
    until = began + SECONDS if deadline is None else deadline
    name = channel.name
    with order_intake_lock(engine, name) as held:
        named = resolve_unknown_lines(engine, name)
        asked = _Asked(batch=_drain(engine, channel, settings))
        if held:
            _ask(engine, channel, settings, asked, until, progress or (lambda stand: None))
        # Only behind a whole pass: else the page that says it was paid may be the one that is not read yet.
        expired = expire_unpaid(engine, name, settings, now=datetime.now(UTC)) if asked.complete else 0
        served = serve_all(engine)
        told = acknowledge_due(engine, channel, deadline=until) if held else Acknowledged()
        failure = asked.failure or (told.error if told.stopped else None)
        if held and failure is not None:
            note_failure(engine, name, failure)
        elif held:
            note_success(engine, name)
    result = ImportResult(
        asked=held,
        complete=asked.complete,
        pages=asked.pages,
        stored=asked.stored,
        batch=asked.batch,
        named=named,
        expired=expired,
        served=served,
        told=told,
        seconds=time.monotonic() - began,
        failure=failure,
    )
    _summarize(engine, name, result, started_at, run_id)
    return result


def _ask(
    engine: Engine, channel: SalesChannel, settings: ChannelSettings, asked: _Asked, until: float, progress: Progress
) -> None:
    """Store page after page, and take each in before the next."""
    pages = ask(engine, channel, placed_since=settings.orders.placed_since)
    try:
        for page in pages:
            asked.pages += 1
            asked.stored += page.new
            asked.batch += _drain(engine, channel, settings)
            progress({"pages": asked.pages, "orders_new": asked.batch.new, "orders_amended": asked.batch.amended})
            if time.monotonic() >= until and not page.last:
                return
        asked.complete = True
    except ChannelError as error:
        asked.failure = error
    finally:
        pages.close()


def _drain(engine: Engine, channel: SalesChannel, settings: ChannelSettings) -> BatchResult:
    """Take in all that is stored and that nobody else is at."""
    total = BatchResult()
    while (batch := take_in(engine, channel, channel.name, settings)).read:
        total += batch
    return total


def _summarize(engine: Engine, channel: str, result: ImportResult, started_at: datetime, run_id: str | None) -> None:
    facts = {name: getattr(result, name) for name in ("rows_in", "loaded", "unchanged", "quarantined")}
    with engine.begin() as connection:
        connection.execute(
            sa.text(steps(__package__, "importing")["summary"]),
            {"channel": channel, "run_id": run_id, "started_at": started_at, **facts},
        )
