"""Every kind of channel against the conformance suite, opened through the registry as the pipeline opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cloudsales_pipeline.channels import registry
from cloudsales_pipeline.channels.port import AcknowledgeOutcome, SalesChannel
from cloudsales_pipeline.settings import ChannelSettings
from tests.channels import fashionup_fake, numbered_kind, simulated_shop
from tests.channels.conformance import Open, SalesChannelConformance
from tests.channels.known_shop import TOKEN, KnownShop, Serve

pytestmark = pytest.mark.timeout(30)


def opening(kind: str, serve: Serve, shop: KnownShop, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> Open:
    url = stack.enter_context(serve(shop))

    def open_channel(page_size: int = 500, token: str = TOKEN) -> SalesChannel:
        monkeypatch.setenv("SHOP_TOKEN", token)
        settings = ChannelSettings(kind=kind, url=url, token_env="SHOP_TOKEN", page_size=page_size)
        channel = registry.open_channel("shop", settings, database=None)
        stack.callback(channel.close)
        return channel

    return open_channel


class TestFashionUp(SalesChannelConformance):
    @pytest.fixture
    def open_channel(self, shop: KnownShop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:  # type: ignore[override]
        with ExitStack() as stack:
            yield opening("fashionup", fashionup_fake.serve, shop, monkeypatch, stack)


class TestFashionUpSimulator(SalesChannelConformance):
    """The simulator is held to the same suite, so that what passes against it means something."""

    @pytest.fixture
    def open_channel(self, shop: KnownShop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:  # type: ignore[override]
        with ExitStack() as stack:
            yield opening("fashionup", simulated_shop.serve, shop, monkeypatch, stack)

    def test_an_order_that_is_locked_or_unknown_is_told_apart(self, channel: SalesChannel) -> None:
        assert channel.acknowledge("O-99") is AcknowledgeOutcome.UNKNOWN_ORDER  # it locks no order


class TestNumberedKind(SalesChannelConformance):
    """The second kind: one module, one line in the registry, one test class."""

    @pytest.fixture
    def open_channel(self, shop: KnownShop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:  # type: ignore[override]
        monkeypatch.setitem(registry.KINDS, "bazar", "tests.channels.numbered_kind")
        with ExitStack() as stack:
            yield opening("bazar", numbered_kind.serve, shop, monkeypatch, stack)
