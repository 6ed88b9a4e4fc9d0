"""Jobs from start to end in this process, with fakes where the stages stand and a real database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import AuthenticationError
from cloudsales_pipeline.errors import RefusedError
from tests.dagster_side.conftest import FakeChannel

if TYPE_CHECKING:
    import dagster as dg

Fake = Callable[..., None]
SECRET = "tok_9f3c_canary"
PERSON = "ion.popescu@example.ro"


@dataclass(frozen=True)
class Listing:
    """As `listing.imports.ListingResult`."""

    rows_in: int = 10
    loaded: int = 6
    unchanged: int = 3
    quarantined: int = 1
    missing: int = 2
    import_id: int = 1
    mode: str = "full"
    resumed_from_page: int | None = None
    pages: int = 1
    products_read: int = 4
    seconds: float = 0.5


@dataclass(frozen=True)
class Applied:
    """As `catalog.apply.ApplyResult`."""

    plan_id: int
    rows_in: int = 3
    loaded: int = 2
    unchanged: int = 0
    quarantined: int = 1
    products_created: int = 1
    links_made: int = 2


@dataclass(frozen=True)
class Summary:
    """As `catalog.plan.PlanSummary`."""

    plan_id: int
    rows: int = 3
    outcomes: dict[str, int] = field(default_factory=lambda: {"linked": 1, "created": 1, "conflict": 1})


def _run(defs: dg.Definitions, instance: dg.DagsterInstance, job: str, **more: Any) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key="fashionup", raise_on_error=False, **more
    )


def _metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    found = [e.step_materialization_data.materialization for e in result.get_asset_materialization_events()]
    one = next(m for m in found if m.asset_key.to_user_string() == asset)
    return {name: value.value for name, value in one.metadata.items()}


def _checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def _log(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> str:
    import dagster as dg

    return "\n".join(dg.serialize_value(entry) for entry in instance.all_logs(result.run_id))


def _make_plan(engine: Engine, channel: str, policy: object, *, run_id: str | None = None) -> Summary:
    with engine.begin() as connection:
        plan_id = connection.scalar(
            sa.text(
                "insert into cloudsales.plan (channel, revision, rules_version, rows, linked, created, conflict, run_id)"
                " values (:channel, 1, 1, 3, 1, 1, 1, :run) returning plan_id"
            ),
            {"channel": channel, "run": run_id},
        )
    return Summary(int(plan_id or 0))


def _report(rules: Any, **broken: Any) -> tuple[Any, ...]:
    from cloudsales_pipeline.catalog.rules import RuleResult

    def result(rule: Any) -> RuleResult:
        bad = broken.get(rule.name)
        rows = bad["rows"] if bad else 0
        sample = ({"variant_id": "V1", "code": "A"},) if rows else ()
        return RuleResult(
            rule=rule.name,
            description=rule.description,
            passed=bad is None,
            ran=not bad or bad.get("ran", True),
            checked_rows=3,
            offending_rows=rows,
            sample=sample,
            what_to_do="Look at the file." if bad else "",
        )

    return tuple(result(rule) for rule in rules)


class Catalogue:
    """The stage `catalog`, as far as the jobs call it: what was judged, and what was applied."""

    def __init__(self, fake: Fake, **broken: Any) -> None:
        self.judged: list[int] = []
        self.applied: list[int] = []
        self.broken = broken
        fake("catalog.plan", make_plan=_make_plan)
        fake("catalog.apply", apply_plan=self.apply)
        fake("catalog.quality", audit_plan=self.audit, check_catalogue=self.check)

    def audit(self, engine: Engine, plan_id: int, bounds: object) -> Any:
        from cloudsales_pipeline.catalog.quality import AuditReport
        from cloudsales_pipeline.catalog.rules import PLAN_RULES

        self.judged.append(plan_id)
        results = _report(PLAN_RULES, **self.broken)
        return AuditReport(plan_id=plan_id, passed=not self.broken, results=results)

    def check(self, engine: Engine, channel: str, plan_id: int | None = None) -> tuple[Any, ...]:
        from cloudsales_pipeline.catalog.rules import CATALOGUE_RULES

        return _report(CATALOGUE_RULES, **self.broken)

    def apply(self, engine: Engine, plan_id: int, *, run_id: str | None = None) -> Applied:
        self.applied.append(plan_id)
        return Applied(plan_id)


def _import_categories(engine: Engine, channel: object, *, run_id: str) -> Listing:
    return Listing(rows_in=4, loaded=4, unchanged=0, quarantined=0, missing=0)


def test_i44_an_import_tells_its_counts_which_add_up(
    defs: dg.Definitions, instance: dg.DagsterInstance, fake: Fake, channel: FakeChannel
) -> None:
    fake("listing.categories", import_categories=_import_categories)
    fake("listing.imports", import_listing=lambda engine, channel, limits, **more: Listing())
    result = _run(defs, instance, "import_listing")
    assert result.success
    told = _metadata(result, "marketplace_listing")
    assert told["rows_in"] == 10 == told["loaded"] + told["unchanged"] + told["quarantined"]
    assert told["rows_per_second"] == 20
    assert told["dagster/row_count"] == 0
    assert told["dagster/table_name"].endswith(".analytics.listing")
    columns = {column.name: column.description for column in told["dagster/column_schema"].columns}
    assert (
        columns["last_seen_at"] == "The last import that is known to have had it; for a missing one, the import that missed it."
    )
    assert [record.data["rows"] for record in told["outcomes"].records] == [6, 3, 1, 2]
    assert channel.closed
    assert _checks(result)["every_channel_imported_lately"].passed


def test_an_operator_may_ask_for_the_whole_listing_and_let_it_shrink(
    defs: dg.Definitions, instance: dg.DagsterInstance, fake: Fake, channel: FakeChannel
) -> None:
    asked: dict[str, Any] = {}

    def import_listing(engine: Engine, channel: object, limits: object, **more: Any) -> Listing:
        asked.update(more)
        return Listing()

    fake("listing.categories", import_categories=_import_categories)
    fake("listing.imports", import_listing=import_listing)
    config = {"ops": {"marketplace_listing": {"config": {"whole_listing": True, "allow_shrink": True}}}}
    assert _run(defs, instance, "import_listing", run_config=config).success
    assert (asked["mode"], asked["allow_shrink"]) == ("full", True)


def test_a_good_plan_is_judged_and_applied_in_one_run(defs: dg.Definitions, instance: dg.DagsterInstance, fake: Fake) -> None:
    stage = Catalogue(fake)
    result = _run(defs, instance, "import_catalog")
    assert result.success
    assert stage.judged == stage.applied == [1]
    assert all(check.passed for check in _checks(result).values())
    told = _metadata(result, "catalog")
    assert (told["links_made"], told["products_created"]) == (2, 1)
    assert len(told["over_time"]) < 60_000
    assert told["over_time"].startswith("![outcomes by plan](data:image/png;base64,")


def test_a_plan_that_breaks_a_blocking_rule_is_not_applied_and_the_check_says_which_rows(
    defs: dg.Definitions, instance: dg.DagsterInstance, fake: Fake
) -> None:
    from cloudsales_pipeline.catalog.rules import PLAN_RULES

    rule = next(rule.name for rule in PLAN_RULES if rule.blocking)
    stage = Catalogue(fake, **{rule: {"rows": 7}})
    result = _run(defs, instance, "import_catalog")
    assert not result.success
    assert stage.applied == []
    check = _checks(result)[rule]
    assert not check.passed
    assert check.severity.value == "ERROR"
    assert check.metadata["rows_offending"].value == 7
    assert check.metadata["what_to_do"].value == "Look at the file."
    assert check.metadata["sample"].value.records[0].data == {"channel": "fashionup", "variant_id": "V1", "code": "A"}


def test_a_rule_that_could_not_run_has_not_passed(defs: dg.Definitions, instance: dg.DagsterInstance, fake: Fake) -> None:
    from cloudsales_pipeline.catalog.rules import PLAN_RULES

    rule = next(rule.name for rule in PLAN_RULES if rule.blocking)
    stage = Catalogue(fake, **{rule: {"rows": 0, "ran": False}})
    result = _run(defs, instance, "import_catalog")
    assert stage.applied == []
    assert _checks(result)[rule].description == "could not run for fashionup"


def test_a_rule_that_only_warns_lets_the_import_go_on(defs: dg.Definitions, instance: dg.DagsterInstance, fake: Fake) -> None:
    from cloudsales_pipeline.catalog.rules import PLAN_RULES

    rule = next((rule.name for rule in PLAN_RULES if not rule.blocking), None)
    if rule is None:
        pytest.skip("every rule blocks")
    stage = Catalogue(fake, **{rule: {"rows": 2}})
    result = _run(defs, instance, "import_catalog")
    assert stage.applied == [1]
    assert _checks(result)[rule].severity.value == "WARN"
    assert not _checks(result)[rule].passed


def test_the_checks_judge_the_plan_of_their_own_run(
    defs: dg.Definitions, instance: dg.DagsterInstance, fake: Fake, engine: Engine
) -> None:
    stage = Catalogue(fake)

    def make_plan_while_another_makes_one(engine: Engine, channel: str, policy: object, *, run_id: str) -> Summary:
        own = _make_plan(engine, channel, policy, run_id=run_id)
        _make_plan(engine, channel, policy, run_id="another")
        return own

    fake("catalog.plan", make_plan=make_plan_while_another_makes_one)
    assert _run(defs, instance, "import_catalog").success
    assert stage.judged == stage.applied == [1]


def test_images_are_fetched_by_the_guarded_fetcher_of_their_channel(
    defs: dg.Definitions, instance: dg.DagsterInstance, fake: Fake, channel: FakeChannel
) -> None:
    @dataclass(frozen=True)
    class Images:
        stored: int = 5
        already_had: int = 1
        refused: int = 1
        failed: int = 0
        retry_later: int = 0
        still_due: int = 0

    used: list[Any] = []

    def fetch_images(engine: Engine, fetch: object, data_dir: object, **more: Any) -> Images:
        used.append((fetch, more["channel"]))
        return Images()

    fake("listing.images", fetch_images=fetch_images)
    result = _run(defs, instance, "fetch_images")
    assert result.success
    assert used == [(channel.fetch, "fashionup")]
    assert _metadata(result, "product_images")["stored"] == 5


@pytest.mark.parametrize("redact", ["0", "1"])
def test_an_error_of_ours_is_one_clear_line_in_the_event_log(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    fake: Fake,
    channel: FakeChannel,
    monkeypatch: pytest.MonkeyPatch,
    redact: str,
) -> None:
    monkeypatch.setenv("DAGSTER_REDACT_USER_CODE_ERRORS", redact)

    def import_listing(*_: object, **__: object) -> None:
        raise AuthenticationError(
            "the token is wrong or expired.", status=401, channel="fashionup", next_step="set FASHIONUP_TOKEN"
        )

    fake("listing.categories", import_categories=_import_categories)
    fake("listing.imports", import_listing=import_listing)
    result = _run(defs, instance, "import_listing")
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data.user_failure_data
    assert failure is not None
    assert failure.description == "fashionup: the token is wrong or expired. Next: set FASHIONUP_TOKEN"
    assert failure.metadata["error_class"].value == "AuthenticationError"


@pytest.mark.parametrize("redact", ["0", "1"])
def test_i46_no_secret_and_no_row_of_a_failed_statement_is_in_the_event_log(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    fake: Fake,
    channel: FakeChannel,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    redact: str,
) -> None:
    monkeypatch.setenv("DAGSTER_REDACT_USER_CODE_ERRORS", redact)
    monkeypatch.setenv("FASHIONUP_TOKEN", SECRET)

    def import_listing(engine: Engine, *_: object, **__: object) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"create temp table t (mail text primary key, check (mail <> '{PERSON}'))")
            try:
                connection.execute(sa.text("insert into t values (:mail)"), {"mail": PERSON})
            except sa.exc.IntegrityError as error:
                raise ValueError(f"{PERSON} {SECRET}") from error

    fake("listing.categories", import_categories=_import_categories)
    fake("listing.imports", import_listing=import_listing)
    result = _run(defs, instance, "import_listing")
    assert not result.success
    log = _log(result, instance)
    assert "Unexpected ValueError at listing.py:" in log
    captured = capfd.readouterr()
    for canary in (PERSON, SECRET):
        assert canary not in log
        assert canary not in captured.out + captured.err


def test_without_a_plan_the_apply_says_what_to_do(defs: dg.Definitions, instance: dg.DagsterInstance, fake: Fake) -> None:
    Catalogue(fake)

    def make_none(*_: object, **__: object) -> Summary:
        return Summary(0)

    fake("catalog.plan", make_plan=make_none)
    result = _run(defs, instance, "import_catalog")
    failures = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert [failure.description for failure in failures if failure] == [
        str(RefusedError("No plan waits for its audit.", next_step="materialize catalog_plan, which runs these checks"))
    ]


def test_progress_is_a_line_each_few_seconds_with_counts_alone() -> None:
    from cloudsales_pipeline.resources.metadata import progress

    @dataclass(frozen=True)
    class Stand:
        pages: int
        products_read: int

    lines: list[str] = []
    moments = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    report = progress(lines.append, clock=lambda: next(moments))
    for page in (1, 2, 3):
        report(Stand(page, page * 500))
    assert lines == ["pages 2, products read 1000"]
