"""The kinds of channel there are. A new kind is a module with `open_channel` and `capabilities`, and a line in `KINDS`."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from cloudsales_pipeline.channels.port import Capabilities, Fetcher, SalesChannel
from cloudsales_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.channels.limits import TransportLimits
    from cloudsales_pipeline.channels.transport import Transport
    from cloudsales_pipeline.settings import ChannelSettings


class Kind(Protocol):
    """What the module of a kind offers."""

    def open_channel(self, name: str, settings: ChannelSettings, connect: Callable[[], Transport]) -> SalesChannel:
        """The adapter; `connect` gives a transport to `settings.url` with the token, for the kinds that have one."""

    def capabilities(self, settings: ChannelSettings) -> Capabilities:
        """What a channel with these settings can do."""


# Named, not imported: whoever only reads the settings should not pay for an HTTP client.
KINDS: dict[str, str] = {
    "fashionup": "cloudsales_pipeline.channels.fashionup",
    "store": "cloudsales_pipeline.channels.store",
}


def open_channel(
    name: str, settings: ChannelSettings, *, database: Engine | None, limits: TransportLimits | None = None
) -> SalesChannel:
    """The channel `name`, ready to be called; close it when done. Nothing is called yet.

    Args:
        settings: its section of cloudsales.yaml.
        database: where the limit and the pause are shared by all processes; None for neither, as tests and tools want.
        limits: the bounds of a call, where the defaults don't fit.

    Raises:
        SettingsError: no such kind, no usable URL or folder, or the token's variable is not set.
        DatabaseError: the shared limit can't be read.
    """
    kind = _kind(settings.kind, name)
    return kind.open_channel(name, settings, lambda: _transport(name, settings, database, limits, with_token=True))


def capabilities(settings: ChannelSettings) -> Capabilities:
    """What a channel with these settings can do; nothing is opened.

    Raises:
        SettingsError: no such kind.
    """
    return _kind(settings.kind).capabilities(settings)


def open_fetcher(name: str, settings: ChannelSettings, *, limits: TransportLimits | None = None) -> Fetcher:
    """Fetches images of the channel `name` without its token; close it when done.

    Raises:
        SettingsError: no usable URL.
    """
    return _transport(name, settings, None, limits, with_token=False)


def _kind(kind: str, name: str = "NAME") -> Kind:
    try:
        return cast(Kind, import_module(KINDS[kind]))
    except KeyError:
        raise SettingsError(
            f"channels.{name}.kind is {kind!r}; the kinds are: {', '.join(sorted(KINDS))}.",
            next_step=f"correct channels.{name}.kind",
        ) from None


def _transport(
    name: str, settings: ChannelSettings, database: Engine | None, limits: TransportLimits | None, *, with_token: bool
) -> Transport:
    from cloudsales_pipeline.channels.limits import DatabaseGate
    from cloudsales_pipeline.channels.transport import Transport

    if settings.url is None:
        raise SettingsError(f"channels.{name}.url is missing.", next_step="write the address of the channel's API there")
    token = settings.token() if with_token else None
    gate = DatabaseGate(database, name, settings.limits.requests_per_minute, random=random.random) if database else None
    try:
        secret = token.get_secret_value() if token else None
        return Transport(name, settings.url, token=secret, gate=gate, limits=limits)
    except BaseException:
        if gate is not None:
            gate.close()
        raise
