"""Channels as partitions: one for each channel of the settings whose listing is imported, one for each told of our stock,
and one for each that drops files of movements.

What belongs here: the partitions definitions, and keeping them equal to the settings. What does not: what a channel can do
(the adapter's capabilities say that).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock.channels import inbox_channels, publishing_channels

CHANNELS = dg.DynamicPartitionsDefinition(name="channel")
PUBLISHING_CHANNELS = dg.DynamicPartitionsDefinition(name="publishing_channel")
INBOX_CHANNELS = dg.DynamicPartitionsDefinition(name="inbox_channel")
PARTITION_TAG = "dagster/partition"
LISTING_EVERY = timedelta(hours=1)


def importing_channels(settings: Settings) -> list[str]:
    """The channels that have a listing to import: those with an address. A physical store has folders instead."""
    return [name for name, channel in settings.channels.items() if channel.url is not None]


def wanted_partitions(settings: Settings) -> dict[str, list[str]]:
    """The channels of each partitions definition, by its name."""
    return {
        "channel": importing_channels(settings),
        "publishing_channel": publishing_channels(settings),
        "inbox_channel": inbox_channels(settings),
    }


def partition_changes(known: Sequence[str], wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of the `wanted` channels are missing among the `known` partitions, and which are there no longer."""
    return [name for name in wanted if name not in known], [name for name in known if name not in wanted]


def register_partitions(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Make a partition for each channel that has none yet; takes none away (the sensor does, with the daemon's record)."""
    for definition, wanted in wanted_partitions(settings).items():
        missing, _ = partition_changes(instance.get_dynamic_partitions(definition), wanted)
        if missing:
            instance.add_dynamic_partitions(definition, missing)
