"""Opening a channel by its settings, and what is said where they don't fit."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.fashionup import FashionUp
from cloudsales_pipeline.channels.registry import KINDS, open_channel, open_fetcher
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings import ChannelSettings, LimitSettings
from tests.channels.servers import answer, scripted

pytestmark = pytest.mark.timeout(30)
EMPTY = answer(body=b'{"items": [], "next_cursor": null}')


def test_an_unknown_kind_names_the_kinds_there_are() -> None:
    with pytest.raises(SettingsError, match=r"channels\.shop\.kind is 'fashionpu'; the kinds are: fashionup, store\."):
        open_channel("shop", ChannelSettings(kind="fashionpu", url="http://x/v1"), database=None)


def test_a_channel_without_a_url_names_the_setting() -> None:
    with pytest.raises(SettingsError, match=r"channels\.shop\.url is missing"):
        open_channel("shop", ChannelSettings(kind="fashionup"), database=None)


def test_a_token_that_is_not_set_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    settings = ChannelSettings(kind="fashionup", url="http://x/v1", token_env="SHOP_TOKEN")
    with pytest.raises(SettingsError, match="SHOP_TOKEN"):
        open_channel("shop", settings, database=None)


def test_opening_calls_nobody_and_the_page_size_is_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(EMPTY) as server:
        channel = open_channel("shop", ChannelSettings(kind="fashionup", url=server.url, page_size=50), database=None)
        assert isinstance(channel, FashionUp)
        assert (channel.name, server.count) == ("shop", 0)
        channel.products()
        assert b"limit=50 " in server.requests[0]
        assert b"Authorization" not in server.requests[0]
        channel.close()


def test_with_a_database_the_limit_of_the_settings_holds(engine: Engine) -> None:
    with scripted(EMPTY) as server:
        settings = ChannelSettings(kind="fashionup", url=server.url, limits=LimitSettings(requests_per_minute=2))
        channel = open_channel("fashionup", settings, database=engine)
        channel.products()
        channel.orders()
        channel.close()
        with engine.connect() as connection:
            tables = connection.scalars(
                sa.text("select tablename from pg_tables where schemaname = 'cloudsales' and tablename like 'ratelimit%'")
            ).all()
            assert len(tables) == 1
            assert connection.scalar(sa.text(f'select count(*) from cloudsales."{tables[0]}"')) == 2


def test_a_fetcher_needs_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    with scripted(answer(body=b"png", media_type="image/png")) as server:
        fetcher = open_fetcher("shop", ChannelSettings(kind="fashionup", url=server.url, token_env="SHOP_TOKEN"))
        assert fetcher.fetch(server.url, max_bytes=10, deadline_seconds=5).content == b"png"
        fetcher.close()


def test_knowing_the_registry_loads_no_http_client() -> None:
    code = "import sys, cloudsales_pipeline.channels.registry; sys.exit('httpx' in sys.modules or 'httpcore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert list(KINDS) == ["fashionup", "store"]
