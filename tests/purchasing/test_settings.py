"""Purchasing's settings: what is false is named with its line, before anything is bought."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings import Settings, load_settings


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "cloudsales.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('cut_off: "25:00"', "suppliers.NORD.cut_off: not a time of day"),
        ("pack_sizes: {R1: 0}", "suppliers.NORD.pack_sizes.R1"),
        ("lead_time_days: -1", "suppliers.NORD.lead_time_days"),
        ("email: nord.ro", "suppliers.NORD.email: not an e-mail address"),
        ('email: "a@nord.ro\\nBcc: x@y.ro"', "suppliers.NORD.email: not an e-mail address"),
        ("pack: 3", "known here: name, email"),
    ],
)
def test_a_false_setting_of_a_supplier_is_named_with_its_line(tmp_path: Path, line: str, named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, f"suppliers:\n  NORD:\n    {line}\n")
    assert "line 3" in str(refused.value)
    assert named in str(refused.value)


def test_a_time_of_day_without_quotes_is_read_as_it_was_meant(tmp_path: Path) -> None:
    settings = load(tmp_path, "suppliers:\n  NORD:\n    cut_off: 18:30\n")
    assert f"{settings.suppliers['NORD'].cut_off:%H:%M}" == "18:30"


def test_two_suppliers_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="suppliers NORD and SUD have the same name"):
        load(tmp_path, "suppliers:\n  NORD: {name: Textil SRL}\n  SUD: {name: textil srl}\n")


CHANNEL = """
warehouses: {HALL: {}, CENTRAL: {}}
suppliers: {NORD: {}}
channels: {fashionup: {kind: fashionup, orders: {warehouse: CENTRAL%s}, stock: {warehouses: [CENTRAL]}}}
"""


def test_goods_received_where_no_order_reserves_would_be_bought_every_day_and_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"goods are received in HALL .*where orders of fashionup reserve nothing"):
        load(tmp_path, CHANNEL % "")
    assert (
        load(tmp_path, CHANNEL % "" + "purchasing: {receiving_warehouse: CENTRAL}\n").purchasing.receiving_warehouse == "CENTRAL"
    )
    assert load(tmp_path, CHANNEL % ", add_shortages: false").suppliers.keys() == {"NORD"}
