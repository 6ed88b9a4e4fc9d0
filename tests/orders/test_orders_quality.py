"""The rules of orders: a sound market passes, and each planted fault is caught by the rule that names it.

Faults are planted as the tables' owner, past the triggers and constraints that would refuse or mend them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import URL, Engine
from typer.testing import CliRunner

from cloudsales_pipeline.catalog.rules import RuleResult
from cloudsales_pipeline.cli import app
from cloudsales_pipeline.orders.quality import ORDER_RULES, check_orders
from tests.orders.market import line, market, order, receive, shop

PAST_THE_GUARDS = """
alter table cloudsales.reservation disable trigger user;
alter table cloudsales.stock_level disable trigger user;
alter table cloudsales.sales_order_line disable trigger user;
alter table cloudsales.sales_order drop constraint sales_order_channel_external_id_key;
"""
FO1 = "(select order_id from cloudsales.sales_order where external_id = 'FO1')"
WHERE_FO1 = f"where order_id = {FO1}"
ROW = "channel, external_id, revision, status, channel_status, placed_at, changed_at, payment_method, payment_status, delivery_method, currency, delivery_price, discount, total, expected_total, warehouses"

FAULTS = [
    pytest.param(
        f"update cloudsales.sales_order set status = 'cancelled' {WHERE_FO1}",
        {"lines_accounted_for": {"channel": "fashionup", "order_id": "FO1", "line": "1", "status": "cancelled", "reserved": 2}},
        id="an order that is cancelled and still holds",
    ),
    pytest.param(
        "update cloudsales.reservation set state = 'released', ended_at = now() where owner = 'fashionup/FO1/1'",
        {
            "reserved_equals_open_reservations": {
                "channel": "fashionup",
                "line": "fashionup/FO1/1",
                "reserved": 2,
                "open_reservations": 0,
            }
        },
        id="a line that holds what nobody reserved",
    ),
    pytest.param(
        "insert into cloudsales.reservation (owner, product_id, warehouse, quantity, placed_at)"
        " select 'fashionup/GHOST/1', product_id, 'CENTRAL', 1, now() from cloudsales.product where sku = 'R-1'",
        {"reserved_equals_open_reservations": {"channel": "fashionup", "line": "fashionup/GHOST/1", "open_reservations": 1}},
        id="a reservation of an order that is not there",
    ),
    pytest.param(
        f"update cloudsales.sales_order set imported_at = now() - interval '16 minutes' {WHERE_FO1}",
        {"acknowledged_in_time": {"channel": "fashionup", "order_id": "FO1", "acknowledgement": "due", "minutes": 16}},
        id="an order that its channel was not told of for sixteen minutes",
    ),
    pytest.param(
        f"update cloudsales.sales_order set acknowledgement = 'unknown_order' {WHERE_FO1}",
        {"acknowledged_in_time": {"channel": "fashionup", "order_id": "FO1", "acknowledgement": "unknown_order"}},
        id="an open order that its channel does not know",
    ),
    pytest.param(
        f"update cloudsales.sales_order set total = total + 0.01 {WHERE_FO1}",
        {"totals_add_up": {"channel": "fashionup", "order_id": "FO1", "total": 220.0, "expected_total": 219.99}},
        id="a total that is one ban too high",
    ),
    pytest.param(
        f"insert into cloudsales.sales_order ({ROW}) select {ROW} from cloudsales.sales_order where external_id = 'FO3'",
        {"no_duplicate_orders": {"channel": "fashionup", "order_id": "FO3", "times": 2}},
        id="an order that is there twice",
    ),
    pytest.param(
        "update cloudsales.stock_level set on_hand = on_hand + 4 where product_id in (select product_id from cloudsales.product"
        " where sku = 'R-2')",
        {"nothing_waits_while_stock_is_free": {"channel": "fashionup", "order_id": "FO2", "sku": "R-2", "waiting": 3, "free": 4}},
        id="a line that waits beside free pieces",
    ),
]


def sound(engine: Engine) -> None:
    """FO1 holds its two pieces, FO2 one of four, FO3 is cancelled and has no line left to want."""
    market(engine, {"R-1": 2, "R-2": 1})
    receive(
        engine,
        order("FO1", line("R-1", 2)),
        order("FO2", line("R-2", 4)),
        order("FO3", status="cancelled"),
    )


def plant(owner: Engine, sql: str) -> None:
    with owner.begin() as connection:
        connection.exec_driver_sql(PAST_THE_GUARDS + sql)


def check(engine: Engine) -> dict[str, RuleResult]:
    return {result.rule: result for result in check_orders(engine, {"fashionup": shop()})}


def test_a_sound_market_breaks_no_rule_and_each_rule_has_looked_at_rows(engine: Engine) -> None:
    sound(engine)
    results = check(engine)
    assert list(results) == [rule.name for rule in ORDER_RULES]
    assert {name: result.offending_rows for name, result in results.items()} == dict.fromkeys(results, 0)
    assert all(result.ran and result.passed for result in results.values())
    assert {name: result.checked_rows for name, result in results.items()} == {
        "lines_accounted_for": 2,
        "reserved_equals_open_reservations": 2,
        "acknowledged_in_time": 3,
        "totals_add_up": 3,
        "no_duplicate_orders": 3,
        "nothing_waits_while_stock_is_free": 1,
    }


@pytest.mark.parametrize(("sql", "caught"), FAULTS)
def test_a_planted_fault_is_caught_by_the_rule_that_names_it_and_by_no_other(
    engine: Engine, owner_engine: Engine, sql: str, caught: dict[str, dict[str, object]]
) -> None:
    sound(engine)
    plant(owner_engine, sql)
    results = check(engine)
    broken = {name: result for name, result in results.items() if not result.passed}
    assert set(broken) == set(caught)
    for name, expected in caught.items():
        (row,) = broken[name].sample
        assert row.items() >= expected.items()
        assert broken[name].what_to_do


def test_a_channel_that_gives_more_time_for_acknowledgements_is_judged_by_its_own(engine: Engine, owner_engine: Engine) -> None:
    sound(engine)
    plant(owner_engine, f"update cloudsales.sales_order set imported_at = now() - interval '16 minutes' {WHERE_FO1}")
    patient = shop(acknowledge_within="PT20M")
    assert all(result.passed for result in check_orders(engine, {"fashionup": patient}))


def test_a_rule_that_can_not_be_evaluated_is_never_green_and_hides_no_other(engine: Engine, owner_engine: Engine) -> None:
    sound(engine)
    plant(owner_engine, "alter table cloudsales.sales_order rename column expected_total to gone")
    results = check(engine)
    assert {name for name, result in results.items() if not result.ran} == {"totals_add_up"}
    assert not results["totals_add_up"].passed


def test_verify_names_the_rule_and_the_rows(
    engine: Engine, owner_engine: Engine, database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound(engine)
    file = tmp_path / "cloudsales.yaml"
    content = {
        "database": {"url": database_url.render_as_string(hide_password=False)},
        "channels": {"fashionup": {"kind": "fashionup", "url": "http://127.0.0.1:9/v1"}},
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setenv("CLOUDSALES_CONFIG", str(file))
    sound_told = CliRunner().invoke(app, ["verify", "--json"])
    assert {row["rule"] for row in json.loads(sound_told.stdout)} >= {rule.name for rule in ORDER_RULES}
    plant(owner_engine, f"update cloudsales.sales_order set total = total + 0.01 {WHERE_FO1}")
    told = CliRunner().invoke(app, ["verify", "--json"])
    assert told.exit_code == 1
    ours = {rule.name for rule in ORDER_RULES}
    assert [row["rule"] for row in json.loads(told.stdout) if row["rule"] in ours and row["result"] != "holds"] == [
        "totals_add_up"
    ]


def test_no_rule_shows_a_word_of_who_bought(engine: Engine, owner_engine: Engine) -> None:
    """I-46: the rows at fault hold ids, codes and figures."""
    sound(engine)
    plant(owner_engine, f"{FAULTS[0].values[0]}; {FAULTS[3].values[0]}; {FAULTS[5].values[0]}")
    shown = str([result.sample for result in check(engine).values()])
    assert "FO1" in shown
    with owner_engine.connect() as connection:
        people = connection.execute(sa.text("select name, email, phone from personal.buyer")).all()
    assert people
    assert not [word for person in people for word in person if word and word in shown]
