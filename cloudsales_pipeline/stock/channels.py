"""Which channels are told of our stock, and which drop files of movements.

Apart, so that Dagster's definitions load nothing more for it."""

from __future__ import annotations

from cloudsales_pipeline.settings import Settings, StockRuleSettings


def publishing_channels(settings: Settings) -> list[str]:
    """The channels that are told of our stock: those with a rule that names a warehouse, be it a category's or a SKU's alone."""
    return [name for name, channel in settings.channels.items() if _names_warehouses(channel.stock)]


def inbox_channels(settings: Settings) -> list[str]:
    """The channels whose movements come as files: those with an inbox."""
    return [name for name, channel in settings.channels.items() if channel.inbox is not None]


def _names_warehouses(rule: StockRuleSettings) -> bool:
    overrides = [*rule.by_category.values(), *rule.by_sku.values()]
    return bool(rule.warehouses) or any(override.warehouses for override in overrides)
