"""Which channels are told of our stock. Apart, so that Dagster's definitions load nothing more for it."""

from __future__ import annotations

from cloudsales_pipeline.settings import Settings


def publishing_channels(settings: Settings) -> list[str]:
    """The channels that are told of our stock: those whose rule names a warehouse."""
    return [name for name, channel in settings.channels.items() if channel.stock.warehouses]
