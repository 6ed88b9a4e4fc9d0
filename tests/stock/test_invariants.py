"""Movements, reservations, rule changes and pushes in any order keep the invariants; and bugs planted on purpose do not.

The steps and the model are in stock_machine.
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.channels.port import StockOutcome, StockResult, StockUpdate
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock import movements
from tests.stock.stock_machine import Channel, StockMachine

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def machine(engine: Engine, settings: Settings) -> type[StockMachine]:
    """The machine on the test's own database, where a bug may be planted."""
    return type("Machine", (StockMachine,), {"engine": engine, "settings": settings})


def run(machine: type[StockMachine], *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=hypothesis_settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        ),
    )


def test_i06_i09_i12_i21_i22_i23_i24_hold_in_any_order_of_movements_reservations_rules_and_pushes(
    machine: type[StockMachine],
) -> None:
    run(machine, examples=12, steps=40)


def edit(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{text.count(old)} times {old!r}: the bug is to be planted anew"
    return text.replace(old, new)


FUNCTIONS = [
    ("it is rounded up", "published", "floor(", "ceil("),
    ("the buffer is forgotten", "published", "available - buffer", "available"),
    ("the cap is forgotten", "published", "(cap)::numeric, ", ""),
    (
        "what is unknown counts as zero",
        "refresh_publications",
        "sum(l.on_hand - l.reserved)",
        "coalesce(sum(l.on_hand - l.reserved), 0)",
    ),
    ("what is reserved is offered", "refresh_publications", "sum(l.on_hand - l.reserved)", "sum(l.on_hand)"),
    (
        "only what falls is marked",
        "refresh_publications",
        "and w.quantity is distinct from p.quantity",
        "and w.quantity < p.quantity",
    ),
    ("the version stands still", "refresh_publications", "version = p.version + 1", "version = p.version"),
    (
        "a mark of the second warehouse is lost",
        "stock_level_changed",
        "on r.rule_id = p.rule_id and a.warehouse = any (r.warehouses)",
        "on r.rule_id = p.rule_id and a.warehouse = r.warehouses[1]",
    ),
    (
        "a change of what is reserved is not marked",
        "stock_level_changed",
        "a.on_hand - a.reserved <> b.on_hand - b.reserved",
        "a.on_hand <> b.on_hand",
    ),
    (
        "a transfer moves one level only",
        "stock_moved",
        "from added group by 1, 2) d",
        "from added where reason <> 'transfer_in' group by 1, 2) d",
    ),
    ("a release counts twice", "reservations_ended", "else -b.quantity end", "else -2 * b.quantity end"),
    ("a SKU's rule is passed over", "rule_of", "scope = 'sku'", "scope = 'none'"),
]
STATEMENTS = [
    ("an acknowledgement ignores versions", "pushes", "acknowledge", "p.version > s.version as changed", "false as changed"),
    (
        "an older version is acknowledged as the newest",
        "pushes",
        "acknowledge",
        "then b.version else p.acknowledged_version",
        "then p.version else p.acknowledged_version",
    ),
    (
        "a refusal counts as done",
        "pushes",
        "acknowledge",
        "s.outcome = 'set' as is_set",
        "s.outcome in ('set', 'rejected') as is_set",
    ),
    (
        "a pending answer counts as done",
        "pushes",
        "acknowledge",
        "s.outcome = 'set' as is_set",
        "s.outcome in ('set', 'pending') as is_set",
    ),
    ("a stale version is not raised", "pushes", "raise_stale", "greatest(p.version, t.version) + 1", "p.version"),
    ("a stale answer that comes late is left", "pushes", "raise_stale", "p.state in ('due', 'pending')", "p.state = 'due'"),
    ("what was unknown there is never tried again", "pushes", "revive", "('rejected', 'unknown_variant')", "('rejected')"),
    ("nobody asks for late answers", "pushes", "tickets", "state = 'pending'", "state = 'held'"),
    (
        "an older version is sent",
        "pushes",
        "claim",
        "select publication_id, variant_id, quantity, version from",
        "select publication_id, variant_id, quantity, version - 1 as version from",
    ),
    (
        "a changed rule computes nothing anew",
        "rules",
        "resolve",
        "rule_id = any (cast(:changed as integer[])) or",
        "false and cast(:changed as integer[]) is null or",
    ),
    ("a reservation that was split loses its rest", "reservations", "keep_the_rest", "where r.quantity > t.taken", "where false"),
    (
        "the oldest give way",
        "reservations",
        "displace",
        "order by r.placed_at desc, r.reservation_id desc",
        "order by r.placed_at, r.reservation_id",
    ),
    (
        "who gave back gives again",
        "reservations",
        "release",
        "where owner = any (:owners) and state = 'open'",
        "where owner = any (:owners)",
    ),
]


def caught(machine: type[StockMachine]) -> bool:
    """Whether some run of the machine fails: by an invariant, or because a guard of the database refuses."""
    failed = False
    try:
        run(machine, examples=40, steps=30)
    except* (AssertionError, sa.exc.IntegrityError):
        failed = True
    return failed


@pytest.mark.parametrize(("function", "old", "new"), [bug[1:] for bug in FUNCTIONS], ids=[bug[0] for bug in FUNCTIONS])
def test_a_bug_planted_in_a_function_of_the_database_is_caught(
    machine: type[StockMachine], owner_engine: Engine, function: str, old: str, new: str
) -> None:
    with owner_engine.begin() as connection:
        source = connection.scalar(sa.text("select pg_get_functiondef(to_regproc(:name))"), {"name": f"cloudsales.{function}"})
        connection.exec_driver_sql(edit(source, old, new).replace("%", "%%"))
    assert caught(machine)


@pytest.mark.parametrize(("file", "step", "old", "new"), [bug[1:] for bug in STATEMENTS], ids=[bug[0] for bug in STATEMENTS])
def test_a_bug_planted_in_a_statement_is_caught(
    machine: type[StockMachine], monkeypatch: pytest.MonkeyPatch, file: str, step: str, old: str, new: str
) -> None:
    statements = steps("cloudsales_pipeline.stock", file)
    monkeypatch.setitem(statements, step, edit(statements[step], old, new))
    assert caught(machine)


def test_half_a_change_that_is_committed_by_itself_is_caught(
    machine: type[StockMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """I-24."""

    def write_and_commit(connection: Connection, *rest: Any) -> None:
        write(connection, *rest)
        connection.commit()

    write = movements._write
    monkeypatch.setattr(movements, "_write", write_and_commit)
    assert caught(machine)


def test_a_reference_that_is_posted_twice_is_caught(machine: type[StockMachine], monkeypatch: pytest.MonkeyPatch) -> None:
    """I-10."""
    monkeypatch.setattr(movements, "_not_posted_before", lambda _connection, lines, _posted, _result: lines)
    assert caught(machine)


def test_an_answer_that_says_stale_and_is_taken_for_done_is_caught(
    machine: type[StockMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """I-23."""

    def all_is_well(self: Channel, update: StockUpdate) -> StockResult:
        result = judged(self, update)
        return StockResult(update.variant_id, StockOutcome.SET) if result.outcome is StockOutcome.STALE else result

    judged = Channel._set
    monkeypatch.setattr(Channel, "_set", all_is_well)
    assert caught(machine)
