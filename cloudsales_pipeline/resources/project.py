"""The one resource: the settings in force, an engine on our database, a channel by its name.

It has no field, so neither Dagster's run config nor its event log can hold anything of it. Everything is opened when it is
asked for: an error then belongs to the step that asked, and shows as one clear line (`failures.clear_failures`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from cloudsales_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.channels.limits import TransportLimits
    from cloudsales_pipeline.channels.port import Fetcher, SalesChannel


class Project(dg.ConfigurableResource[None]):
    """cloudsales.yaml (by CLOUDSALES_CONFIG) and what it names."""

    def settings(self) -> Settings:
        """The settings as the file has them now.

        Raises:
            SettingsError: there is none, or it is not usable.
        """
        return load_settings()

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """An engine on our database, disposed of at the end.

        Raises:
            DatabaseError: it can't be reached, or has not our schema.
        """
        from cloudsales_pipeline.database.engine import engine_for

        engine = engine_for(self.settings())
        try:
            yield engine
        finally:
            engine.dispose()

    @contextmanager
    def channel(self, name: str, engine: Engine, *, limits: TransportLimits | None = None) -> Iterator[SalesChannel]:
        """The channel that the settings call `name`, closed at the end; `engine` shares its rate limit with all processes.

        Args:
            limits: the bounds of a call, where the defaults don't fit.

        Raises:
            SettingsError: no such channel, or its token is not set.
        """
        from cloudsales_pipeline.channels.registry import open_channel

        bounds = {} if limits is None else {"limits": limits}
        channel = open_channel(name, self.settings().channel(name), database=engine, **bounds)
        try:
            yield channel
        finally:
            channel.close()

    @contextmanager
    def fetcher(self, name: str) -> Iterator[Fetcher]:
        """What fetches the channel's images: guarded, without the channel's token; closed at the end.

        Raises:
            SettingsError: no such channel, or no usable URL.
        """
        from cloudsales_pipeline.channels.registry import open_fetcher

        fetcher = open_fetcher(name, self.settings().channel(name))
        try:
            yield fetcher
        finally:
            fetcher.close()
