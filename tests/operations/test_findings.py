"""Each thing that waits for a person is found when it is there, in these words, alone, and not when it is mended."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import run_script, steps
from cloudsales_pipeline.operations.findings import OF_REACH, findings, look
from cloudsales_pipeline.operations.kinds import KINDS, STAGE_NAMES_RO, STAGES
from cloudsales_pipeline.settings import FindingKind, OperatorSettings, Settings
from tests.docs.test_commands import command_line, exists
from tests.operations.planted import CASES, DOCUMENT, QUARANTINE


def seen(world: Connection, settings: Settings, **more: Any) -> list[tuple[str, str, str, int, str, str]]:
    reading = look(world, settings, now=datetime.now(UTC), **more)
    assert reading.unread == {}
    return [(one.kind, one.subject, one.severity, one.count, one.sentence(), one.command) for one in reading.findings]


def test_each_thing_that_waits_is_found_alone_in_its_words_and_not_when_it_is_mended(
    world: Connection, watched: Settings
) -> None:
    assert seen(world, watched) == []
    for case in CASES:
        with world.begin_nested() as planted:
            run_script(world, case.plant)
            run_script(world, "delete from cloudsales.document_due where order_id <> 7")
            found = seen(world, watched)
            assert found == [(case.kind, case.subject, case.severity, case.count, case.says, case.command)]
            run_script(world, case.mend)
            run_script(world, "delete from cloudsales.document_due")
            others = [kind for kind in KINDS if kind != case.kind]
            assert look(world, watched, now=datetime.now(UTC), without=others).findings == (), case.kind
            planted.rollback()


def test_a_hundred_rows_set_aside_within_an_hour_can_t_wait_and_ninety_nine_can(world: Connection, watched: Settings) -> None:
    run_script(world, f"{QUARANTINE} select 'stock', 'till', n::text, 'unknown_sku', now() from generate_series(1, 99) n")
    assert [one[:4] for one in seen(world, watched)] == [("quarantine", "stock", "digest", 99)]
    run_script(world, f"{QUARANTINE} values ('stock', 'till', '100', 'unknown_sku', now())")
    assert [one[:4] for one in seen(world, watched)] == [
        ("quarantine_burst", "stock", "now", 100),
        ("quarantine", "stock", "digest", 100),
    ]


def test_an_e_invoice_is_urgent_two_days_before_its_last_day_and_not_three(world: Connection, watched: Settings) -> None:
    run_script(world, f"insert into cloudsales.document_submission (document_id) values ({DOCUMENT})")
    run_script(world, "alter table cloudsales.document disable trigger user")
    for last_day, urgent in (("2026-12-03", 0), ("2026-12-02", 1)):
        run_script(world, f"update cloudsales.document set submit_by = '{last_day}', issued_at = '2026-11-25 08:00Z'")
        reading = look(world, watched, now=datetime(2026, 11, 30, 7, tzinfo=UTC))
        assert [one.sentence() for one in reading.findings if one.kind == "submission_due"] == [
            "E-invoices that the tax authority must have soon, the first by 2026-12-02: 1"
        ][:urgent]


def test_every_kind_has_a_case_words_in_both_languages_and_a_command_that_exists() -> None:
    tried = {case.kind for case in CASES} | {"quarantine_burst", "submission_due"}
    assert tried == set(KINDS) == set(get_args(FindingKind))
    assert set(steps("cloudsales_pipeline.operations", "findings")) == set(KINDS) - set(OF_REACH)
    for name, kind in KINDS.items():
        fields = [set(re.findall(r"{(\w+)}", text)) for text in (kind.en, kind.ro)]
        assert fields[0] == fields[1] <= {"subject", "count", "detail"}, name
        words = kind.command.format(subject="x", job="import_orders").removeprefix("cloudsales ").split()
        assert exists(command_line(), tuple(words)), kind.command
    assert {kind.stage for kind in KINDS.values()} <= set(STAGES) == set(STAGE_NAMES_RO)


def test_a_source_that_can_t_be_read_is_named_and_hides_no_other(world: Connection, watched: Settings) -> None:
    run_script(world, "drop view cloudsales.open_requirement cascade")
    run_script(world, "update cloudsales.sales_order set review = '{total_differs}'")
    reading = look(world, watched, now=datetime.now(UTC))
    assert reading.unread == {"requirement_without_supplier": "UndefinedTable"}
    assert [one.kind for one in reading.findings] == ["order_review"]


def test_a_source_that_hangs_is_given_up_after_its_time(engine: Engine, owner_engine: Engine, watched: Settings) -> None:
    with owner_engine.begin() as blocking:
        blocking.execute(sa.text("lock table cloudsales.suggestion in access exclusive mode"))
        reading = findings(engine, watched, now=datetime.now(UTC), seconds=0.5)
    assert reading.unread["suggestions_open"] == "QueryCanceled"
    assert {reading.unread[kind] for kind in reading.unread} == {"QueryCanceled", "no time left"}


def test_the_settings_say_what_is_told_at_once_what_later_and_what_never(world: Connection, watched: Settings) -> None:
    run_script(world, CASES[-2].plant)
    run_script(world, "update cloudsales.sales_order set review = '{total_differs}'; delete from cloudsales.document_due")
    chosen: dict[FindingKind, Any] = {"message_dead": "digest", "order_review": "now"}
    told = watched.model_copy(update={"operators": OperatorSettings(severity=chosen)})
    assert [one[::2][:2] for one in seen(world, told)] == [("order_review", "now"), ("message_dead", "digest")]
    told = watched.model_copy(update={"operators": OperatorSettings(severity={"message_dead": "never", "order_review": "never"})})
    assert seen(world, told) == []


def test_a_kind_that_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match="run_failed"):
        OperatorSettings.model_validate({"severity": {"run_faild": "now"}})
    with pytest.raises(ValidationError):
        OperatorSettings.model_validate({"phones": ["0721"]})


def test_the_oldest_of_what_can_t_wait_comes_first(world: Connection, watched: Settings) -> None:
    run_script(world, "insert into cloudsales.failed_job values ('close_day', '', 'r', '', now() - interval '9 hours', now(), 1)")
    run_script(
        world,
        CASES[-1].plant + "; update cloudsales.sales_order set review = '{total_differs}'; delete from cloudsales.document_due",
    )
    now = datetime.now(UTC)
    reading = look(world, watched, now=now)
    assert [one.kind for one in reading.findings] == ["run_failed", "message_late", "order_review"]
    assert timedelta(hours=8, minutes=59) < now - reading.findings[0].since < timedelta(hours=9, minutes=1)
