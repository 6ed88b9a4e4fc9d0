"""Channels as partitions: one for each channel of the settings whose listing is imported.

What belongs here: the partitions definition, and keeping it equal to the settings. What does not: what a channel can do
(the adapter's capabilities say that).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from cloudsales_pipeline.settings import Settings

CHANNELS = dg.DynamicPartitionsDefinition(name="channel")
PARTITION_TAG = "dagster/partition"
LISTING_EVERY = timedelta(hours=1)


def importing_channels(settings: Settings) -> list[str]:
    """The channels that have a listing to import: those with an address. A physical store has folders instead."""
    return [name for name, channel in settings.channels.items() if channel.url is not None]


def partition_changes(known: Sequence[str], settings: Settings) -> tuple[list[str], list[str]]:
    """Which channels are missing among the `known` partitions, and which are there no longer."""
    wanted = importing_channels(settings)
    return [name for name in wanted if name not in known], [name for name in known if name not in wanted]


def register_partitions(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Make a partition for each channel that has none yet; takes none away (the sensor does, with the daemon's record)."""
    missing, _ = partition_changes(instance.get_dynamic_partitions("channel"), settings)
    if missing:
        instance.add_dynamic_partitions("channel", missing)
