"""`cloudsales status` and `cloudsales metrics` as a person and as a monitoring system call them."""

from __future__ import annotations

import json
import socket
import urllib.request
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from prometheus_client import start_http_server
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import URL, Engine
from typer.testing import CliRunner, Result

from cloudsales_pipeline.cli import app, main
from cloudsales_pipeline.cli.status import span
from cloudsales_pipeline.database.engine import run_script
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.operations.metrics import registry
from cloudsales_pipeline.settings import Settings
from tests.operations.planted import BASE, CASES, QUARANTINE

DEAD = CASES[-2].plant
REVIEW = "update cloudsales.sales_order set review = '{total_differs}'; delete from cloudsales.document_due"
AWAY = "postgresql+psycopg://cloudsales:geheim@127.0.0.1:9/cloudsales"


def call(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def write(folder: Path, url: str) -> None:
    channel = {"kind": "fashionup", "url": "http://127.0.0.1:9/v1", "stock": {"warehouses": ["CENTRAL"]}}
    settings = {"database": {"url": url}, "warehouses": {"CENTRAL": {}}, "channels": {"fashionup": channel}}
    (folder / "cloudsales.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


@pytest.fixture
def here(owner_engine: Engine, engine: Engine, database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, database_url.render_as_string(hide_password=False))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOUDSALES_CONFIG", raising=False)
    plant(owner_engine, BASE)
    return tmp_path


def plant(engine: Engine, text: str) -> None:
    with engine.begin() as connection:
        run_script(connection, text)


def test_where_nothing_waits_status_says_so_and_ends_with_0(here: Path) -> None:
    told = call("status")
    assert told.exit_code == 0
    assert told.output.split("\n") == [
        "    Healthy: pipeline, listing, catalog, stock, orders, purchasing, documents, messages.",
        "    0 can't wait, 0 can.",
        "",
    ]
    assert (call("status", "--json").output, call("status", "--json").exit_code) == ("[]\n", 0)


def test_what_can_wait_ends_with_0_and_what_can_t_with_1_each_with_its_command(here: Path, owner_engine: Engine) -> None:
    plant(owner_engine, REVIEW)
    assert call("status").exit_code == 0
    plant(owner_engine, DEAD)
    told = call("status")
    assert told.exit_code == 1
    assert "Healthy: pipeline, listing, catalog, stock, purchasing, documents." in told.output
    assert "1 can't wait, 1 can." in told.output
    rows = json.loads(call("status", "--json").output)
    assert [(row["severity"], row["stage"], row["kind"], row["count"], row["command"]) for row in rows] == [
        ("now", "messages", "message_dead", 1, "cloudsales messages list --state dead"),
        ("digest", "orders", "order_review", 1, "cloudsales orders list --review"),
    ]
    assert 3 * 3600 <= rows[1]["seconds"] < 3 * 3600 + 120
    for row in rows:
        assert row["what"] in told.output
        assert row["command"] in told.output


def test_a_source_that_can_t_be_read_is_named_and_ends_with_1_and_fast_says_what_it_leaves_out(
    here: Path, owner_engine: Engine
) -> None:
    plant(owner_engine, "drop view cloudsales.open_requirement cascade")
    told = call("status")
    assert (told.exit_code, "Could not be read: requirement_without_supplier (UndefinedTable)." in told.output) == (1, True)
    quick = call("status", "--fast")
    assert quick.exit_code == 0
    assert (
        "Not looked at (--fast): requirement_without_supplier, offers_open, push_refused, supplier_order_unsent." in quick.output
    )


@pytest.mark.parametrize(
    ("plant_it", "says"),
    [("", "can't be reached"), ("update schema_version set version_num = '0005'", "Next: cloudsales init")],
    ids=["away", "behind"],
)
def test_a_database_that_is_away_or_behind_is_one_clear_line_and_1(
    here: Path,
    owner_engine: Engine,
    plant_it: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if plant_it:
        plant(owner_engine, plant_it)
    else:
        write(here, AWAY)
    for words in (["status"], ["status", "--json"]):
        monkeypatch.setattr("sys.argv", ["cloudsales", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code, out, err.count("\n")) == (1, "", 1)
        assert says in err
        assert "geheim" not in err
    told = call("metrics")
    assert (told.exit_code, "\ncloudsales_up 0.0\n" in told.output) == (1, True)
    assert "cloudsales_findings" not in told.output


def test_the_metrics_are_what_prometheus_reads_with_few_labels_and_nobody_s_name(here: Path, owner_engine: Engine) -> None:
    plant(
        owner_engine,
        DEAD
        + ";"
        + REVIEW
        + f";{QUARANTINE} select 'match', 'fashionup', n::text, 'conflict', now() from generate_series(1, 7) n",
    )
    told = call("metrics")
    assert told.exit_code == 0
    families = {family.name: family for family in text_string_to_metric_families(told.output)}
    values = {
        (one.name, *(one.labels[name] for name in sorted(one.labels))): one.value
        for family in families.values()
        for one in family.samples
    }
    assert values["cloudsales_up",] == 1
    assert values["cloudsales_sources_unread",] == 0
    assert (values["cloudsales_findings", "now"], values["cloudsales_findings", "digest"]) == (1, 2)
    assert values["cloudsales_finding_rows", "message_dead", "now", ""] == 1
    assert 10_800 <= values["cloudsales_finding_age_seconds", "order_review", "digest", ""] < 10_920
    assert values["cloudsales_quarantine_rows", "conflict", "match"] == 7
    assert values["cloudsales_messages_open", "email", "dead"] == 1
    assert values["cloudsales_orders_waiting",] == 0
    assert {family.type for family in families.values()} == {"gauge"}
    assert all(family.documentation for family in families.values())
    assert not [name for name in families if name.endswith("_total") or not name.startswith("cloudsales_")]
    assert not [word for word in ("Canar", "canar", "0721", "FO-1") if word in told.output]


def test_the_endpoint_is_read_at_each_scrape_and_outlives_the_database(
    here: Path, owner_engine: Engine, engine: Engine, settings: Settings
) -> None:
    away = False

    def connect() -> tuple[Settings, Engine]:
        if away:
            raise sa.exc.OperationalError("select", {}, Exception("gone"))
        return settings, engine

    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry(connect))
    try:
        address = f"http://127.0.0.1:{server.server_port}/metrics"
        assert 'cloudsales_findings{severity="digest"} 0.0' in scrape(address)
        plant(owner_engine, REVIEW)
        assert 'cloudsales_findings{severity="digest"} 1.0' in scrape(address)
        away = True
        assert "cloudsales_up 0.0" in scrape(address)
        away = False
        assert "cloudsales_up 1.0" in scrape(address)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def scrape(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 (our own server)
        return str(answer.read().decode())


def test_a_port_that_is_taken_is_refused_with_a_next_step(here: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = call("metrics", "--serve", str(taken.getsockname()[1]))
    assert isinstance(told.exception, RefusedError)
    assert "Address already in use. Next: end what listens there, or cloudsales metrics --serve " in str(told.exception)


def test_durations_are_said_in_one_unit() -> None:
    assert [span(seconds) for seconds in (0, 119, 120, 7199, 7200, 172_799, 172_800)] == [
        "0 s",
        "119 s",
        "2 min",
        "119 min",
        "2 h",
        "47 h",
        "2 d",
    ]
