"""The definitions load, cost little, and nobody has to guess what a part of them is."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.conftest import ROOT

if TYPE_CHECKING:
    import dagster as dg

HEAVY = ("great_expectations", "pandas", "matplotlib", "PIL", "numpy", "python_calamine")
MEASURE = """
import json, resource, sys
import {module}
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_utime, sorted(m for m in {heavy} if m in sys.modules)]))
"""


def _import_in_a_process(module: str) -> tuple[float, list[str]]:
    code = MEASURE.format(module=module, heavy=HEAVY)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    seconds, heavy = json.loads(told.stdout)
    return seconds, heavy


def test_importing_the_definitions_loads_nothing_heavy() -> None:
    dagster_alone, _ = _import_in_a_process("dagster")
    seconds, heavy = _import_in_a_process("cloudsales_pipeline.definitions")
    sys.stdout.write(f"definitions / dagster, CPU: {seconds:.2f} / {dagster_alone:.2f} = {seconds / dagster_alone:.2f}\n")
    assert heavy == []


def test_help_needs_neither_dagster_nor_a_database() -> None:
    code = "import sys; sys.argv = ['cloudsales', '--help']\nfrom cloudsales_pipeline.cli import main\ntry:\n main()\n"
    code += "except SystemExit as e: assert not e.code\nassert not {'dagster', 'pandas', 'sqlalchemy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT, timeout=60)


def test_definitions_are_loadable(defs: dg.Definitions) -> None:
    import dagster as dg

    dg.Definitions.validate_loadable(defs)


def test_every_asset_says_what_it_is_and_whose(defs: dg.Definitions) -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert {name: spec.group_name for name, spec in specs.items()} == {
        "fashionup_marketplace": "channels",
        "marketplace_categories": "listing",
        "marketplace_listing": "listing",
        "product_images": "listing",
        "catalog_plan": "catalog",
        "catalog": "catalog",
        "store_movements": "stock",
        "stock_publication": "stock",
        "sales_orders": "orders",
        "channel_offers": "stock",
        "stock_snapshot": "stock",
        "purchase_requirement": "purchasing",
        "supplier_orders": "purchasing",
        "invoices": "documents",
        "waybills": "documents",
        "messages": "messages",
        "what_waits": "operations",
    }
    for name, spec in specs.items():
        assert spec.description, name
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.tags["stage"] == spec.group_name


def test_assets_are_partitioned_by_channel_and_the_flow_is_drawn(defs: dg.Definitions) -> None:
    flow = {
        spec.key.to_user_string(): {dep.asset_key.to_user_string() for dep in spec.deps}
        for spec in defs.resolve_all_asset_specs()
        if spec.key.to_user_string() != "fashionup_marketplace"
    }
    assert flow == {
        "marketplace_categories": {"fashionup_marketplace"},
        "marketplace_listing": {"fashionup_marketplace"},
        "product_images": {"marketplace_listing"},
        "catalog_plan": {"marketplace_listing"},
        "catalog": {"catalog_plan", "marketplace_categories"},
        "store_movements": {"catalog"},
        "stock_publication": {"catalog"},
        "channel_offers": {"stock_publication"},
        "stock_snapshot": {"catalog"},
        "sales_orders": {"catalog"},
        "purchase_requirement": {"sales_orders"},
        "supplier_orders": {"purchase_requirement"},
        "invoices": {"sales_orders"},
        "waybills": {"invoices"},
        "messages": {"sales_orders", "supplier_orders", "invoices", "waybills"},
        "what_waits": set(),
    }
    graph = defs.resolve_asset_graph()
    named = {key.to_user_string(): graph.get(key).partitions_def for key in graph.materializable_asset_keys}
    wanted = dict.fromkeys(flow, "channel") | dict.fromkeys(("stock_publication", "channel_offers"), "publishing_channel")
    wanted |= {"store_movements": "inbox_channel", "stock_snapshot": "Europe/Bucharest"}
    wanted |= {"supplier_orders": "Europe/Bucharest", "purchase_requirement": None, "messages": None}
    wanted |= {"invoices": None, "waybills": None, "what_waits": None}
    assert {name: getattr(by, "name", None) or getattr(by, "timezone", None) for name, by in named.items()} == wanted


def test_every_rule_of_the_quality_stage_is_a_check(defs: dg.Definitions) -> None:
    from cloudsales_pipeline.catalog.rules import CATALOGUE_RULES, PLAN_RULES
    from cloudsales_pipeline.documents.quality import DOCUMENT_RULES, INVOICE_RULES, WAYBILL_RULES
    from cloudsales_pipeline.messages.quality import MESSAGE_RULES
    from cloudsales_pipeline.orders.quality import ORDER_RULES
    from cloudsales_pipeline.purchasing.quality import PURCHASING_RULES
    from cloudsales_pipeline.stock.quality import STOCK_RULES

    checks = {(spec.asset_key.to_user_string(), spec.name): spec for part in defs.asset_checks or [] for spec in part.check_specs}
    for asset, rules in (("catalog_plan", PLAN_RULES), ("catalog", CATALOGUE_RULES)):
        for rule in rules:
            assert checks[asset, rule.name].blocking == rule.blocking
            assert checks[asset, rule.name].description
    assert any(rule.blocking for rule in PLAN_RULES)
    told = {name: spec.description for (_, name), spec in checks.items()}
    assert told.items() >= {rule.name: rule.description for rule in STOCK_RULES}.items()
    assert {name for asset, name in checks if asset == "stock_publication"} == {
        "published_within_rule",
        "push_lag_objective",
        "every_channel_reached_lately",
    }
    assert {name for asset, name in checks if asset == "sales_orders"} == {rule.name for rule in ORDER_RULES}
    assert {name for asset, name in checks if asset == "supplier_orders"} == {rule.name for rule in PURCHASING_RULES}
    assert {name for asset, name in checks if asset == "messages"} == {rule.name for rule in MESSAGE_RULES}
    assert {name for asset, name in checks if asset == "invoices"} == {rule.name for rule in INVOICE_RULES}
    assert {name for asset, name in checks if asset == "waybills"} == {rule.name for rule in WAYBILL_RULES}
    of_stages = (PLAN_RULES, CATALOGUE_RULES, ORDER_RULES, STOCK_RULES, PURCHASING_RULES, DOCUMENT_RULES, MESSAGE_RULES)
    assert len(checks) == sum(len(rules) for rules in of_stages) + 4


def test_all_that_starts_runs_is_on_by_itself_and_described(defs: dg.Definitions) -> None:
    import dagster as dg

    for job in defs.jobs or []:
        assert job.description, job.name
        assert job.tags, job.name
    for schedule in defs.schedules or []:
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.description, schedule.name
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    for sensor in defs.sensors or []:
        assert sensor.description, sensor.name
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING, sensor.name
        # the daemon steps by five seconds: 15 would tick each 20; stock_deltas ticks as often as it can
        assert (sensor.minimum_interval_seconds or 0) % 5 == (1 if sensor.name == "stock_deltas" else 4), sensor.name


def test_a_run_has_a_slot_so_that_one_job_of_one_channel_runs_once(defs: dg.Definitions) -> None:
    jobs = {job.name: job for job in (defs.resolve_job_def(str(job.name)) for job in defs.jobs or [])}
    dated, whole = (
        ("take_stock_snapshot", "close_day"),
        ("review_requirement", "issue_documents", "send_messages", "tell_operators"),
    )
    slots = {
        name: job.get_tags_for_partition_key("2026-11-23" if name in dated else "fashionup", None)["cloudsales/slot"]
        for name, job in jobs.items()
        if name not in whole
    }
    assert {name: jobs[name].tags["cloudsales/slot"] for name in whole} == {name: name for name in whole}
    assert slots == {
        "import_listing": "import_listing:fashionup",
        "fetch_images": "fetch_images:fashionup",
        "import_catalog": "import_catalog",
        "publish_stock": "publish_stock:fashionup",
        "import_orders": "import_orders:fashionup",
        "reconcile_channels": "reconcile_channels:fashionup",
        "load_store_files": "load_store_files:fashionup",
        "take_stock_snapshot": "take_stock_snapshot",
        "close_day": "close_day",
    }
    limits = yaml.safe_load((ROOT / "dagster.yaml").read_text())["concurrency"]["runs"]["tag_concurrency_limits"]
    assert {"key": "cloudsales/slot", "value": {"applyLimitPerUniqueValue": True}, "limit": 1} in limits


def test_dagster_yaml_is_one_that_dagster_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._core.instance.config import dagster_instance_config

    config, _ = dagster_instance_config(str(ROOT))
    assert config["telemetry"] == {"enabled": False}
    assert config["run_queue"]["dequeue_interval_seconds"] == 1


def test_the_example_settings_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from cloudsales_pipeline.settings import load_settings

    settings = load_settings(ROOT / "cloudsales.yaml")
    assert settings.channel("fashionup").url == "http://127.0.0.1:8900/v1"
    assert settings.channel("fashionup").token_env == "FASHIONUP_TOKEN"
