"""What Dagster's pages show of rows: as a person reads them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import dagster as dg

from cloudsales_pipeline.resources import metadata


def test_a_table_shows_money_to_the_cent_counts_as_whole_numbers_and_moments_to_the_second() -> None:
    placed_at = datetime(2026, 11, 24, 17, 20, 28, 390_991, tzinfo=timezone(timedelta(hours=2)))
    shown = metadata.table([{"value": Decimal("186852.60"), "pieces": Decimal(8), "lag": 0.25, "since": placed_at}])
    assert isinstance(shown, dg.TableMetadataValue)
    assert shown.records[0].data == {"value": "186852.60", "pieces": 8, "lag": 0.25, "since": "2026-11-24 15:20:28 UTC"}
    assert [column.type for column in shown.schema.columns] == ["string", "int", "float", "string"]
