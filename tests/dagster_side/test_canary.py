"""Nothing of a person and no secret in anything that Dagster keeps, whatever a run comes to (I-46)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy.engine import Engine

from tests.canary import Canaries, in_database, in_files, server_log
from tests.channels.servers import Scripted, answer, scripted
from tests.channels.test_fashionup_orders import order as wire_order
from tests.orders.canaries import bad_wire
from tests.orders.market import market
from tests.stock.shelf import rows

if TYPE_CHECKING:
    import dagster as dg

KEPT = {"name", "mail", "phone", "street", "note", "company", "misplaced text"}


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def token(canaries: Canaries, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The channel's token, and the database's password: both canaries."""
    content = yaml.safe_load(config_file.read_text())
    content["warehouses"] = {"CENTRAL": {}}
    content["database"]["url"] = content["database"]["url"].replace("postgres:@", f"postgres:{canaries.text('password')}@")
    content["channels"]["fashionup"] |= {"orders": {"warehouse": "CENTRAL"}, "token_env": "CANARY_TOKEN"}
    config_file.write_text(yaml.safe_dump(content))
    assert len(canaries.seen_in(config_file.read_text())) == 1
    monkeypatch.setenv("CANARY_TOKEN", canaries.text("token"))
    return os.environ["CANARY_TOKEN"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "dagster"
    folder.mkdir()
    return folder


@pytest.fixture
def kept(home: Path) -> Iterator[dg.DagsterInstance]:
    """An instance that keeps its storage and its logs in `home`."""
    import dagster as dg

    with dg.DagsterInstance.local_temp(str(home)) as instance:
        instance.add_dynamic_partitions("channel", ["fashionup"])
        yield instance


def page(*orders: bytes) -> bytes:
    return answer(200, json.dumps({"items": [json.loads(one) for one in orders], "next_cursor": None}).encode())


def point_at(config_file: Path, server: Scripted) -> None:
    content = yaml.safe_load(config_file.read_text())
    content["channels"]["fashionup"]["url"] = server.url
    config_file.write_text(yaml.safe_dump(content))


def run(defs: dg.Definitions, instance: dg.DagsterInstance) -> Any:
    return defs.resolve_job_def("import_orders").execute_in_process(
        instance=instance, partition_key="fashionup", raise_on_error=False
    )


def good_order(canaries: Canaries) -> bytes:
    customer = {"name": canaries.text("name"), "email": canaries.text("mail", "{}@example.invalid"), "phone": canaries.phone()}
    company = {"name": canaries.text("company"), "tax_id": None, "registration_number": None}
    where = {
        "name": canaries.text("name"), "phone": canaries.phone(), "street": canaries.text("street"), "city": "Iași", "county": "Iași",
        "postal_code": "1", "country": "RO", "locker_id": None,
    }  # fmt: skip
    return wire_order(
        customer=customer | {"company": company}, delivery_address=where, billing_address=where, note=canaries.text("note")
    )


@pytest.mark.timeout(240)  # seven runs of a job
def test_i46_imports_that_succeed_and_fail_leave_no_person_and_no_secret_in_dagster_or_in_any_table(
    canaries: Canaries,
    token: str,
    config_file: Path,
    defs: dg.Definitions,
    kept: dg.DagsterInstance,
    home: Path,
    engine: Engine,
    owner_engine: Engine,
    capfd: pytest.CaptureFixture[str],
) -> None:
    market(engine, {"ROC-001": 1})
    echo = json.dumps({"error": f"{token} {canaries.text('mail', '{}@example.invalid')}"}).encode()
    orders = [good_order(canaries), *(one for one in bad_wire(canaries) if one.startswith(b'{"id"'))]
    plays = {
        "good and bad orders, acknowledged": [page(*orders), answer(204, b"")],
        "acknowledgements refused": [page(good_order(canaries).replace(b"FO-1", b"FO-2")), answer(400, echo)],
        "refused": [answer(400, echo)],
        "signed out": [answer(401, echo)],
        "no JSON": [answer(200, echo[:-1])],
        "moved": [answer(302, echo, Location=f"http://127.0.0.1:9/{token}")],
    }
    ended = {name: played(defs, kept, config_file, replies, token) for name, replies in plays.items()}
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("alter table personal.buyer add constraint boom check (name = '') not valid")
    broken = [page(good_order(canaries).replace(b"FO-1", b"FO-3"))]
    ended["a row that the database refuses"] = played(defs, kept, config_file, broken, token)
    assert ended == {name: "good" in name or "acknowledgements" in name for name in ended}
    assert rows(engine, "select external_id from analytics.sales_order where external_id like 'FO%%' order by 1") == [
        ("FO-1",),
        ("FO-2",),
    ]
    assert canaries.all >= KEPT
    assert in_database(canaries, owner_engine) == []
    written = [path.name for path in home.rglob("*") if path.is_file()]
    assert any(name.endswith(".db") for name in written)
    assert in_files(canaries, home) == []
    said = capfd.readouterr()
    assert "sales_orders" in said.err
    assert canaries.seen_in(said.out + said.err) == set()
    assert canaries.seen_in(server_log()) == set()


def played(defs: dg.Definitions, instance: dg.DagsterInstance, config_file: Path, replies: list[bytes], token: str) -> bool:
    """Whether a run against a server with these answers succeeds."""
    with scripted(*replies) as server:
        point_at(config_file, server)
        success = run(defs, instance).success
        assert token.encode() in server.requests[0]
    return bool(success)


def test_the_scan_would_see_what_a_run_logs(
    canaries: Canaries, defs: dg.Definitions, kept: dg.DagsterInstance, home: Path
) -> None:
    import dagster as dg

    @dg.op
    def talkative(context) -> None:  # type: ignore[no-untyped-def] # Dagster resolves its annotations in the module
        context.log.info(canaries.text("logged"))
        raise dg.Failure("no", metadata={"who": canaries.text("metadata")})

    @dg.job
    def leaks() -> None:
        talkative()

    assert not leaks.execute_in_process(instance=kept, raise_on_error=False).success
    assert {one.split(": ")[1] for one in in_files(canaries, home)} == {"logged", "metadata"}
