"""What people wrote, and secrets, are found in the schema personal and nowhere else, whatever goes wrong (I-46)."""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.errors import ChannelError
from cloudsales_pipeline.channels.fashionup_orders import order_head, parse_order
from cloudsales_pipeline.channels.port import ChannelOrder, OrderHead
from cloudsales_pipeline.channels.registry import open_channel
from cloudsales_pipeline.cli import one_line
from cloudsales_pipeline.orders.intake import take_in
from cloudsales_pipeline.orders.payloads import store
from cloudsales_pipeline.orders.people import person
from cloudsales_pipeline.orders.privacy import erase
from cloudsales_pipeline.orders.serving import serve_all
from cloudsales_pipeline.settings import ChannelSettings
from cloudsales_pipeline.stock.movements import Movement, post
from tests.canary import Canaries, in_database, in_files, server_log
from tests.channels.servers import answer, scripted
from tests.channels.test_fashionup_orders import order as wire_order
from tests.cli.conftest import call
from tests.orders.canaries import bad_wire, somebody
from tests.orders.market import line, market, order, receive, shop
from tests.stock.shelf import NOON, receipt, rows


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


class Wire:
    """FashionUp's own reading of orders."""

    def order_head(self, payload: bytes) -> OrderHead:
        return order_head(payload)

    def parse_order(self, payload: bytes) -> ChannelOrder:
        return parse_order(payload)


def test_the_scan_finds_a_canary_in_every_kind_of_place(canaries: Canaries, owner_engine: Engine, tmp_path: Path) -> None:
    for name, sql in {
        "event": "insert into cloudsales.event (kind, detail) values ('x', jsonb_build_object('who', cast(:text as text)))",
        "quarantine": "insert into cloudsales.quarantine (stage, channel, reference, reason, detail) values ('orders', '', upper(:text), 'x', '{}')",
        "order_intake": "insert into cloudsales.order_intake (channel, failure) values ('fashionup', :text)",
    }.items():
        with owner_engine.begin() as connection:
            connection.exec_driver_sql(
                "insert into cloudsales.channel (channel, kind) values ('fashionup', 'fashionup') on conflict do nothing"
            )
            connection.execute(sa.text(sql), {"text": f"before {canaries.text(name)} behind"})
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("create table cloudsales.packed (content bytea)")
        connection.execute(
            sa.text("insert into cloudsales.packed values (:packed)"), {"packed": zlib.compress(canaries.text("packed").encode())}
        )
        connection.exec_driver_sql("create table personal.kept (content text)")
        connection.execute(sa.text("insert into personal.kept values (:text)"), {"text": canaries.text("kept")})
    assert in_database(canaries, owner_engine) == [
        "cloudsales.event: event", "cloudsales.order_intake: order_intake", "cloudsales.packed: packed", "cloudsales.quarantine: quarantine"
    ]  # fmt: skip
    assert "personal.kept: kept" in in_database(canaries, owner_engine, apart=())

    folder = tmp_path / "files"
    (folder / canaries.text("folder")).mkdir(parents=True)
    (folder / "some.log").write_text(canaries.text("log").upper())
    (folder / "packed").write_bytes(zlib.compress(canaries.text("packed file").encode()))
    with sqlite3.connect(folder / "runs.db") as database:
        database.execute("create table t (a blob)")
        database.execute("insert into t values (?)", (zlib.compress((canaries.text("row") * 9).encode()),))
    assert in_files(canaries, folder) == ["name of a file: folder", "packed: packed file", "runs.db: row", "some.log: log"]


def test_i46_orders_good_and_bad_leave_nothing_of_a_person_outside_its_schema(
    canaries: Canaries, engine: Engine, owner_engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    market(engine, {"R-1": 1, "R-2": 5})
    one = order("FO1", line("R-1", 2, line_id="a"), line("R-9", line_id="b"), **somebody(canaries))
    receive(engine, one)
    receive(engine, order("FO1", line("R-1", 1, line_id="a"), revision=2, status="paid", **somebody(canaries)))
    receive(
        engine,
        order("FO2", line("R-2"), status="unknown", currency="XYZ", unknown=("status",), **somebody(canaries)),
    )
    receive(engine, order("FO1", line("R-1"), revision=3, status="cancelled", **somebody(canaries)))
    with engine.begin() as connection:
        assert store(connection, "fashionup", Wire(), bad_wire(canaries)).new == 18
    while take_in(engine, Wire(), "fashionup", shop()).read:
        pass
    post(engine, [receipt("more", "R-1", 3), Movement("count", "CENTRAL", "R-2", "count", 0, NOON)])
    serve_all(engine)
    held = rows(engine, "select count(*) from cloudsales.quarantine where stage = 'orders'")[0][0]
    assert held >= 10
    erase(engine, person(one.buyer.email or ""))
    assert {"name", "mail", "phone", "note", "company", "delivery street"} <= canaries.all
    assert in_database(canaries, owner_engine) == []
    assert in_database(canaries, owner_engine, apart=()) != []
    assert canaries.seen_in(caplog.text) == set()
    assert canaries.seen_in(server_log()) == set()


BREAKS = {
    "a constraint that shows the row": "alter table personal.buyer add constraint boom check (email is null)",
    "a trigger that repeats the row": """
        create function personal.boom() returns trigger language plpgsql as $$ begin raise exception 'no: %', new; end $$;
        create trigger boom before insert on personal.buyer for each row execute function personal.boom()""",
    "a column that is too small": "alter table personal.buyer alter column note type varchar(3)",
}


@pytest.mark.parametrize("what", BREAKS)
def test_i46_a_database_error_that_shows_a_row_tells_nothing_of_it(
    what: str, canaries: Canaries, engine: Engine, owner_engine: Engine, here: Path
) -> None:
    market(engine, {"R-1": 1})
    with owner_engine.begin() as connection:
        connection.exec_driver_sql(BREAKS[what].replace("%", "%%"))
    with pytest.raises(sa.exc.DBAPIError) as raised:
        receive(engine, order("FO1", line("R-1"), **somebody(canaries)))
    assert canaries.seen_in(one_line(raised.value)) == set()
    assert canaries.seen_in(server_log()) == set()
    assert in_database(canaries, owner_engine) == []
    assert rows(engine, "select state from personal.order_payload") == [("new",)]


def test_i46_a_parser_that_raises_what_it_read_is_told_by_place_alone(
    canaries: Canaries, engine: Engine, owner_engine: Engine
) -> None:
    class Talkative(Wire):
        def parse_order(self, payload: bytes) -> ChannelOrder:
            raise ValueError(f"can't read {payload!r}")

    market(engine, {"R-1": 1})
    with engine.begin() as connection:
        store(connection, "fashionup", Wire(), [wire_order(note=canaries.text("note"))])
    with pytest.raises(ValueError, match="can't read") as raised:
        take_in(engine, Talkative(), "fashionup", shop())
    assert canaries.seen_in(str(raised.value)) == {"note"}
    assert canaries.seen_in(one_line(raised.value)) == set()
    assert in_database(canaries, owner_engine) == []


def error_of(ask: Callable[[], object]) -> ChannelError | None:
    try:
        ask()
    except ChannelError as error:
        return error
    return None


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409])
def test_i46_a_channel_that_answers_with_the_token_and_a_persons_text_is_not_repeated(
    status: int, canaries: Canaries, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token, told = canaries.text("token"), canaries.text("mail", "{}@example.invalid")
    monkeypatch.setenv("CANARY_TOKEN", token)
    with scripted(
        answer(status, json.dumps({"error": f"{told} {token}"}).encode(), Location=f"http://127.0.0.1:9/{token}")
    ) as server:
        channel = open_channel(
            "fashionup", ChannelSettings(kind="fashionup", url=server.url, token_env="CANARY_TOKEN"), database=None
        )
        errors = [error_of(channel.orders), error_of(lambda: channel.acknowledge("FO1"))]
        channel.close()
        assert token.encode() in server.requests[0]
    told_of = [f"{error} {error!r} {vars(error)}" for error in errors if error is not None]
    assert told_of or status == 200
    assert [canaries.seen_in(one) for one in told_of] == [set()] * len(told_of)
    assert canaries.seen_in(caplog.text) == set()


@pytest.mark.timeout(180)  # fourteen commands, each on connections of its own
def test_i46_commands_print_neither_a_person_nor_a_secret_also_when_they_fail(
    canaries: Canaries, engine: Engine, owner_engine: Engine, database_url: URL, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market(engine, {"R-1": 1})
    person_fields = somebody(canaries)
    receive(
        engine, order("FO1", line("R-1", 2), status="cancelled", **person_fields), order("FO2", line("R-9"), **somebody(canaries))
    )
    with engine.begin() as connection:
        store(connection, "fashionup", Wire(), bad_wire(canaries))
    while take_in(engine, Wire(), "fashionup", shop()).read:
        pass
    mail = person_fields["buyer"].email
    password = canaries.text("password")
    settings = yaml.safe_load((here / "cloudsales.yaml").read_text())
    monkeypatch.setenv("CANARY_TOKEN", canaries.text("token"))
    settings["channels"]["fashionup"]["token_env"] = "CANARY_TOKEN"

    def say(*words: str, port: str = "") -> str:
        url = database_url.set(username="postgres", password=password)
        settings["database"]["url"] = url.set(query={**url.query, "port": port} if port else url.query).render_as_string(
            hide_password=False
        )
        (here / "cloudsales.yaml").write_text(yaml.safe_dump(settings))
        result = call(*words)
        error = one_line(result.exception) if isinstance(result.exception, Exception) else ""
        return f"{result.stdout} {result.stderr} {error}"

    orders = ["orders", "show", "fashionup"]
    said = [say(*orders, "FO1"), say(*orders, "FO2", "--json"), say(*orders, "nobody"), say("stock", "show", "R-1")]
    said += [say("quarantine", "list"), say("quarantine", "list", "--json"), say("verify"), say("database")]
    said += [say("privacy", "erase", mail, "--dry-run"), say("privacy", "erase", f"{mail} {mail}"), say("privacy", "erase", mail)]
    said += [say(*orders, "FO1", port="9"), say("privacy", "erase", mail, port="9"), say("verify", port="9")]
    assert "order_imported" in said[0]
    assert "can't be reached" in said[-1]
    assert [canaries.seen_in(one) for one in said] == [set()] * len(said)
    assert in_database(canaries, owner_engine) == []


def test_what_is_of_a_person_is_printed_when_it_is_asked_for_and_exported_into_a_file_of_ones_own(
    canaries: Canaries, engine: Engine, here: Path
) -> None:
    market(engine, {"R-1": 1})
    fields = somebody(canaries)
    receive(engine, order("FO1", line("R-1"), **fields))
    shown = call("orders", "show", "fashionup", "FO1", "--personal").stdout
    assert {"name", "mail", "phone", "note", "company", "tax id"} <= canaries.seen_in(shown.replace("\n", ""))
    assert call("orders", "show", "fashionup", "FO1", "--personal", "--json").exit_code == 2
    result = call("privacy", "export", fields["buyer"].email, "--out", "out.json")
    assert (result.exit_code, canaries.seen_in(result.stdout)) == (0, set())
    assert (here / "out.json").stat().st_mode & 0o777 == 0o600
    assert canaries.seen_in((here / "out.json").read_text()) == canaries.all
    assert call("privacy", "export", fields["buyer"].email, "--out", "out.json").exit_code == 1
    assert call("privacy", "erase", fields["buyer"].email).exit_code == 1  # it is open
    done = call("privacy", "erase", fields["buyer"].email, "--open-orders", "--json")
    assert json.loads(done.stdout) == [{"orders": 1, "notes": 0, "payloads": 1, "unread": 0, "messages": 0}]
    left = json.loads(call("privacy", "export", fields["buyer"].email).stdout)
    assert left == {"orders": [], "mentions": [], "payloads": [], "waybills": [], "messages": []}
