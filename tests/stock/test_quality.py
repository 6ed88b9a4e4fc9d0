"""The rules of stock: a sound world passes, and each planted fault is caught by the rule that names it.

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
from cloudsales_pipeline.stock.quality import STOCK_RULES, check_stock

# A store is told of every product: channel rule half of what is left above 1, dresses at most 3, R-3 from both warehouses.
SOUND = """
insert into cloudsales.channel (channel, kind) values ('shop', 'store');
insert into cloudsales.warehouse (warehouse) values ('main'), ('floor');
insert into cloudsales.product (sku, name, category, created_at, changed_at) values
    ('R-1', 'Fustă', 'Fuste', now(), now()), ('R-2', 'Rochie', 'Rochii > Midi', now(), now()),
    ('R-3', 'Sacou', 'Rochii', now(), now()), ('R-4', 'Curea', null, now(), now());
insert into cloudsales.stock_rule (channel, scope, value, every_product, warehouses, buffer, cap, share) values
    ('shop', 'channel', '', true, '{main}', 1, null, 0.5), ('shop', 'category', 'Rochii', true, '{main}', 0, 3, 1),
    ('shop', 'sku', 'R-3', true, '{main,floor}', 0, null, 1);
insert into cloudsales.stock_movement (warehouse, product_id, quantity, reason, reference, line, occurred_at)
    select 'main', product_id, 10, 'receipt', 'NIR-1', product_id, now() from cloudsales.product where sku <> 'R-4';
insert into cloudsales.stock_movement (warehouse, product_id, quantity, reason, reference, line, occurred_at)
    select w, product_id, q, r, 'TR-1', l, now()
    from cloudsales.product, (values ('main', -4, 'transfer_out', 1), ('floor', 4, 'transfer_in', 2)) v (w, q, r, l)
    where sku = 'R-3';
insert into cloudsales.reservation (owner, product_id, warehouse, quantity, placed_at)
    select 'shop/7/1', product_id, 'main', 2, now() from cloudsales.product where sku = 'R-1';
update cloudsales.publication set acknowledged_version = version, acknowledged_quantity = quantity, state = 'done' where variant_id = 'R-1';
"""
PAST_THE_GUARDS = """
alter table cloudsales.stock_movement disable trigger user;
alter table cloudsales.stock_level disable trigger user;
alter table cloudsales.reservation disable trigger user;
alter table cloudsales.publication disable trigger user;
alter table cloudsales.stock_level drop constraint reserved_is_on_hand;
alter table cloudsales.stock_movement drop constraint stock_movement_reference_line_key;
"""
OF_R1 = "(select product_id from cloudsales.product where sku = 'R-1')"
MOVE = "insert into cloudsales.stock_movement (warehouse, product_id, quantity, reason, reference, line, occurred_at)"

FAULTS = [
    pytest.param(
        f"update cloudsales.stock_level set on_hand = 11 where product_id = {OF_R1}; update cloudsales.publication set quantity = 4"
        " , acknowledged_quantity = 4 where variant_id = 'R-1'",
        {"ledger_equals_levels": {"sku": "R-1", "warehouse": "main", "ledger": 10, "on_hand": 11, "version": 2}},
        id="a level that the ledger does not give",
    ),
    pytest.param(
        f"{MOVE} select 'floor', {OF_R1}, 5, 'receipt', 'NIR-2', 1, now()",
        {"ledger_equals_levels": {"sku": "R-1", "warehouse": "floor", "ledger": 5}},
        id="a movement that reached no level",
    ),
    pytest.param(
        f"update cloudsales.stock_level set on_hand = 1 where product_id = {OF_R1}; {MOVE} select 'main', {OF_R1}, -9, 'sale', 'S-1', 1, now();"
        " update cloudsales.publication set quantity = 0, acknowledged_quantity = 0 where variant_id = 'R-1'",
        {"no_negative_levels": {"sku": "R-1", "warehouse": "main", "on_hand": 1, "reserved": 2}},
        id="more reserved than there is",
    ),
    pytest.param(
        f"update cloudsales.reservation set state = 'released', ended_at = now() where product_id = {OF_R1}",
        {"reserved_equals_reservations": {"sku": "R-1", "warehouse": "main", "open_reservations": 0, "reserved": 2}},
        id="a reservation that ended and is still held",
    ),
    pytest.param(
        f"{MOVE} select 'main', {OF_R1}, -1, 'transfer_out', 'TR-2', 1, now();"
        f" update cloudsales.stock_level set on_hand = 9 where product_id = {OF_R1}",
        {"transfers_sum_to_nothing": {"reference": "TR-2", "sku": "R-1", "moved_out": 1, "moved_in": 0}},
        id="a transfer that arrived nowhere",
    ),
    pytest.param(
        "update cloudsales.publication set quantity = 4 where variant_id = 'R-2'",
        {"published_within_rule": {"channel": "shop", "variant_id": "R-2", "sku": "R-2", "state": "due", "quantity": 4, "expected": 3}},
        id="one piece above the cap of its category",
    ),
    pytest.param(
        "update cloudsales.publication set acknowledged_quantity = 2 where variant_id = 'R-1'",
        {
            "published_within_rule": {
                "channel": "shop", "variant_id": "R-1", "sku": "R-1", "state": "done",
                "quantity": 3, "acknowledged_quantity": 2, "expected": 3,
            }
        },
        id="done, with another figure acknowledged",
    ),
    pytest.param(
        "insert into cloudsales.publication (channel, variant_id, product_id, quantity, version, state)"
        " select 'shop', 'R-4', product_id, 0, 1, 'due' from cloudsales.product where sku = 'R-4'",
        {"published_within_rule": {"channel": "shop", "variant_id": "R-4", "sku": "R-4", "state": "due", "quantity": 0}},
        id="zero where the stock is unknown",
    ),
    pytest.param(
        f"{MOVE} select 'main', {OF_R1}, 1, 'receipt', 'NIR-3', 1, now() from generate_series(1, 2);"
        f" update cloudsales.stock_level set on_hand = 12 where product_id = {OF_R1};"
        " update cloudsales.publication set quantity = 4, acknowledged_quantity = 4 where variant_id = 'R-1'",
        {"references_posted_once": {"reference": "NIR-3", "line": 1, "times": 2}},
        id="a document's line that moved stock twice",
    ),
]  # fmt: skip


@pytest.fixture
def world(owner_engine: Engine) -> Engine:
    """The owner's engine on the sound world."""
    run(owner_engine, SOUND)
    return owner_engine


def run(engine: Engine, script: str) -> None:
    """Several statements, one transaction."""
    with engine.begin() as connection:
        connection.exec_driver_sql(script)


def broken(engine: Engine) -> dict[str, RuleResult]:
    return {result.rule: result for result in check_stock(engine) if not result.passed}


def test_a_sound_world_passes_every_rule_and_says_how_many_rows_it_looked_at(world: Engine, engine: Engine) -> None:
    with world.connect() as connection:
        rows = connection.execute(sa.text("select variant_id, quantity from cloudsales.publication"))
        shown = {row.variant_id: row.quantity for row in rows}
    assert shown == {"R-1": 3, "R-2": 3, "R-3": 10}  # (10 − 2 − 1) × 0.5 down; at most 3; 6 + 4 of both
    results = check_stock(engine)  # as the pipeline's own role
    assert [(result.rule, result.passed, result.checked_rows, result.offending_rows) for result in results] == [
        ("ledger_equals_levels", True, 4, 0),
        ("no_negative_levels", True, 4, 0),
        ("reserved_equals_reservations", True, 4, 0),
        ("transfers_sum_to_nothing", True, 1, 0),
        ("published_within_rule", True, 3, 0),
        ("references_posted_once", True, 5, 0),
    ]
    assert all(result.ran and result.sample == () and result.what_to_do == "" for result in results)


@pytest.mark.parametrize(("fault", "caught"), FAULTS)
def test_each_planted_fault_is_caught_by_name_with_the_row_and_nothing_else_is(
    world: Engine, fault: str, caught: dict[str, dict[str, object]]
) -> None:
    run(world, PAST_THE_GUARDS + fault)
    found = broken(world)
    assert {name: result.sample for name, result in found.items()} == {name: (row,) for name, row in caught.items()}
    assert all(result.ran and result.offending_rows == 1 and result.what_to_do for result in found.values())


def test_at_most_twenty_rows_are_shown_and_all_are_counted(world: Engine) -> None:
    run(world, PAST_THE_GUARDS + f"{MOVE} select 'main', {OF_R1}, 1, 'receipt', 'X-' || n, 1, now()"
               " from generate_series(1, 25) n, generate_series(1, 2)")  # fmt: skip
    result = broken(world)["references_posted_once"]
    assert (result.offending_rows, len(result.sample), result.checked_rows) == (25, 20, 30)


def test_a_rule_that_can_not_be_evaluated_is_not_green_and_hides_no_other(world: Engine) -> None:
    run(world, "alter table cloudsales.reservation rename to reservation_elsewhere")
    found = broken(world)
    assert list(found) == ["reserved_equals_reservations"]
    assert not found["reserved_equals_reservations"].ran
    assert "UndefinedTable" in found["reserved_equals_reservations"].what_to_do


def test_verify_shows_the_rules_of_stock_and_ends_with_1_and_the_rows_where_one_is_broken(
    world: Engine, engine: Engine, database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = yaml.safe_dump({"database": {"url": database_url.render_as_string(hide_password=False)}})
    (tmp_path / "cloudsales.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("CLOUDSALES_CONFIG", str(tmp_path / "cloudsales.yaml"))
    sound = CliRunner().invoke(app, ["verify", "--json"])
    assert sound.exit_code == 0, sound.output
    assert {(row["channel"], row["rule"]) for row in json.loads(sound.stdout)} >= {("", rule.name) for rule in STOCK_RULES}
    run(
        world,
        f"{PAST_THE_GUARDS} update cloudsales.stock_level set on_hand = 7 where product_id = {OF_R1} and warehouse = 'main'",
    )
    spoilt = CliRunner().invoke(app, ["verify"])
    assert spoilt.exit_code == 1
    assert "ledger_equals_levels" in spoilt.stdout
    assert "Rows that break it" in spoilt.stdout
    assert "R-1" in spoilt.stdout
