"""Interrupted imports go on where they stood, and end as if nothing had happened (I-41, I-42, F-12, F-24, F-25)."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.errors import (
    AuthenticationError,
    ChannelRefusedError,
    CursorRepeatsError,
    NotJsonError,
    ServerFailedError,
)
from cloudsales_pipeline.channels.port import ProductPage
from cloudsales_pipeline.errors import DatabaseError
from cloudsales_pipeline.listing.imports import ListingProgress, import_listing
from cloudsales_pipeline.settings import LimitSettings
from tests.listing import tables
from tests.listing.fake_channel import FakeChannel, product

LIMITS = LimitSettings()


def fourteen() -> list[dict[str, object]]:
    return [product(f"P{n:02}") for n in range(14)]


def interrupted(engine: Engine, page: int = 3) -> FakeChannel:
    """A channel of seven pages whose import ended at `page`; it works from now on."""
    channel = FakeChannel(fourteen(), failures={page: ServerFailedError("502 five times", channel="fashionup", page=page)})
    with pytest.raises(ServerFailedError):
        import_listing(engine, channel, LIMITS)
    channel.asked.clear()
    return channel


def test_page_three_of_seven_fails_and_the_next_import_goes_on_with_page_three(engine: Engine) -> None:
    """F-12"""
    channel = interrupted(engine)
    assert tables.rows(engine, "select state, pages, next_cursor from cloudsales.listing_import") == [("reading", 2, "page-3")]
    assert tables.variants(engine) == []
    result = import_listing(engine, channel, LIMITS)
    assert (result.resumed_from_page, result.pages, result.products_read, result.loaded) == (3, 7, 14, 14)
    assert [cursor for cursor, _ in channel.asked] == [f"page-{n}" for n in range(3, 8)]
    assert tables.rows(engine, "select state, pages from cloudsales.listing_import") == [("stored", 7)]


@pytest.mark.parametrize(
    "failure",
    [
        NotJsonError("an HTML page", channel="fashionup", page=4),
        AuthenticationError("the token is wrong", status=401, channel="fashionup", page=4),
        ChannelRefusedError("no", status=400, channel="fashionup", page=4),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_channel_did_is_told_and_what_was_stored_stays(engine: Engine, failure: Exception) -> None:
    channel = FakeChannel(fourteen(), failures={4: failure})
    with pytest.raises(type(failure)):
        import_listing(engine, channel, LIMITS)
    assert tables.staged(engine) == (6, 6, 0, 3)
    assert import_listing(engine, channel, LIMITS).resumed_from_page == 4


def test_a_cursor_that_comes_again_ends_the_import_and_not_the_day(engine: Engine) -> None:
    """F-14"""

    class Circling(FakeChannel):
        def products(self, cursor: str | None = None, updated_since: datetime | None = None) -> ProductPage:
            page = super().products(cursor, updated_since)
            return ProductPage(page.payloads, "page-2") if cursor == "page-3" else page

    with pytest.raises(CursorRepeatsError):
        import_listing(engine, Circling(fourteen()), LIMITS)
    assert tables.variants(engine) == []


def test_a_cursor_that_the_channel_no_longer_takes_starts_the_import_over(engine: Engine) -> None:
    channel = interrupted(engine)
    channel.failures[3] = ChannelRefusedError("unknown cursor", status=400, channel="fashionup")
    result = import_listing(engine, channel, LIMITS)
    assert (result.resumed_from_page, result.pages, result.loaded) == (None, 7, 14)
    assert tables.rows(engine, "select state from cloudsales.listing_import order by import_id") == [("abandoned",), ("stored",)]


def test_a_wrong_token_does_not_throw_away_what_was_read(engine: Engine) -> None:
    channel = interrupted(engine)
    channel.failures[3] = AuthenticationError("expired", status=401, channel="fashionup")
    with pytest.raises(AuthenticationError):
        import_listing(engine, channel, LIMITS)
    assert import_listing(engine, channel, LIMITS).resumed_from_page == 3


def test_after_six_hours_an_unfinished_import_starts_over(engine: Engine) -> None:
    channel = interrupted(engine)
    later = datetime.now(UTC) + timedelta(hours=7)
    assert import_listing(engine, channel, LIMITS, now=lambda: later).resumed_from_page is None
    assert len(tables.variants(engine)) == 14


def test_an_unfinished_full_import_is_given_up_for_a_delta_that_a_person_asks_for(engine: Engine) -> None:
    import_listing(engine, FakeChannel(fourteen()), LIMITS)
    channel = FakeChannel(fourteen(), failures={3: ServerFailedError("502", channel="fashionup")})
    with pytest.raises(ServerFailedError):
        import_listing(engine, channel, LIMITS, mode="full")
    result = import_listing(engine, channel, LIMITS, mode="delta")
    assert (result.mode, result.resumed_from_page, result.missing) == ("delta", None, 0)


def test_without_a_word_about_the_mode_the_unfinished_one_goes_on(engine: Engine) -> None:
    import_listing(engine, FakeChannel(fourteen()), LIMITS)
    channel = FakeChannel(fourteen(), failures={3: ServerFailedError("502", channel="fashionup")})
    with pytest.raises(ServerFailedError):
        import_listing(engine, channel, LIMITS, mode="full")
    result = import_listing(engine, channel, LIMITS)
    assert (result.mode, result.resumed_from_page) == ("full", 3)


def test_a_stage_that_a_crash_of_the_database_emptied_is_read_again(engine: Engine) -> None:
    channel = interrupted(engine)
    with engine.begin() as connection:  # what recovery does to unlogged tables
        connection.exec_driver_sql("truncate cloudsales.stage_product, cloudsales.stage_variant, cloudsales.stage_reject")
    result = import_listing(engine, channel, LIMITS)
    assert (result.resumed_from_page, result.loaded) == (None, 14)


def test_a_stage_lost_between_reading_and_merging_marks_nothing_as_missing(engine: Engine) -> None:
    import_listing(engine, FakeChannel(fourteen()), LIMITS)
    changed = [product(f"P{n:02}", name="Alta") for n in range(14)]

    def lose(progress: ListingProgress) -> None:
        if progress.merging:
            with engine.begin() as connection:
                connection.exec_driver_sql("truncate cloudsales.stage_product")

    with pytest.raises(DatabaseError, match="lost in a crash"):
        import_listing(engine, FakeChannel(changed), LIMITS, mode="full", progress=lose)
    assert len(tables.variants(engine)) == 14
    assert import_listing(engine, FakeChannel(changed), LIMITS, mode="full").missing == 0


@pytest.mark.timeout(260)  # over sixty kills, each followed by a whole import
def test_killed_at_every_step_and_run_again_it_ends_as_undisturbed(database_url: URL, engine: Engine) -> None:
    """I-41, F-24: SIGKILL at each statement, commit, COPY, page and progress report of two listings in turn."""
    script = Path(__file__).with_name("killed_imports.py")
    done = subprocess.run(
        [sys.executable, str(script), database_url.render_as_string(hide_password=False)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["kill_points"] > 60
    assert report["killed"] >= report["kill_points"] - 10  # one direction has a few steps more than the other
    assert report["different"] == []
