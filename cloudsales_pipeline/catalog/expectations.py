"""Great Expectations: rules' queries as one suite over one batch.

The batch is one row: for each rule, how many rows it looked at and how many are at fault. Great Expectations makes it as a
temporary table, so each rule's query runs once, and the suite's expectations then read one row (their maxima in one
statement). An expectation on the rows themselves runs its query two or three times, and returns values.
What does not belong here: what the rules say (rules.py), and the rows at fault (quality.py).
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.plan import BULK_SETTINGS
from cloudsales_pipeline.database.engine import CONNECT_SECONDS


class Counts(NamedTuple):
    """What a suite found for one rule; `error` names what kept it from being evaluated."""

    checked: int
    offending: int
    passed: bool
    error: str = ""


def validate(engine: Engine, queries: Mapping[str, str]) -> dict[str, Counts]:
    """Run the rules' queries (by rule; literal values in them, a boolean column `fault`) as one suite.

    Where the batch of all can't be made, each rule is tried in a batch of its own, so that one that is broken neither
    passes nor hides the others.
    """
    try:
        with _data_source(engine) as (context, source):
            return _run_suite(context, source, queries)
    except Exception as error:  # whatever a library or the server raises: not evaluated is an answer, and never green
        if len(queries) == 1:
            return dict.fromkeys(queries, Counts(0, 0, passed=False, error=_class_name(error)))
    return {name: counts for name in queries for name, counts in validate(engine, {name: queries[name]}).items()}


def _batch_query(queries: Mapping[str, str]) -> str:
    """One row: the columns `<rule>` (rows at fault) and `<rule>_checked`. A fault that is null counts as one."""
    columns = ", ".join(f"{name}.offending as {name}, {name}.checked as {name}_checked" for name in queries)
    rows = ", ".join(
        f"(select count(*) as checked, count(*) filter (where fault is not false) as offending from ({query}) q) {name}"  # noqa: S608 - our own files; SQLAlchemy wrote the values in as literals
        for name, query in queries.items()
    )
    return f"select {columns} from {rows}"  # noqa: S608 - made of the above


def _great_expectations() -> Any:
    """The library, without telemetry; importing it takes seconds, so only a check does."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import
    with warnings.catch_warnings():
        # it uses modules that Python is giving up (sre_parse, sre_constants)
        warnings.filterwarnings("ignore", message="module 'sre_", category=DeprecationWarning)
        import great_expectations
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells of temporary folders that it does not use
    return great_expectations


@contextmanager
def _data_source(engine: Engine) -> Iterator[tuple[Any, Any]]:
    """A context without files or telemetry, and our database in it on one connection, which is closed at the end."""
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    with warnings.catch_warnings():
        # It would rather have its PostgresDatasource, whose address may not be a socket.
        warnings.filterwarnings("ignore", message="You are using a generic SQLDatasource")
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_sql(
            "cloudsales",
            # the password is percent-encoded, so that Great Expectations finds no ${variable} in it
            connection_string=engine.url.render_as_string(hide_password=False),
            create_temp_table=True,
            kwargs={
                # one connection: a temporary table lives in one
                "pool_size": 1,
                "max_overflow": 0,
                "hide_parameters": True,
                "connect_args": {
                    "connect_timeout": CONNECT_SECONDS,
                    "application_name": "cloudsales-checks",
                    "options": " ".join(f"-c {setting.replace(' ', '').replace(chr(39), '')}" for setting in BULK_SETTINGS),
                },
            },
        )
        try:
            yield context, source
        finally:
            source.get_execution_engine().close()
            source.get_engine().dispose()


def _run_suite(context: Any, source: Any, queries: Mapping[str, str]) -> dict[str, Counts]:
    gx = _great_expectations()
    maximum, row_count = gx.expectations.ExpectColumnMaxToBeBetween, gx.expectations.ExpectTableRowCountToEqual
    suite = context.suites.add(gx.ExpectationSuite(name="rules"))
    suite.add_expectation(row_count(value=1))
    for name in queries:
        suite.add_expectation(maximum(column=name, max_value=0))
        suite.add_expectation(maximum(column=f"{name}_checked", min_value=0))
    batch = source.add_query_asset("counts", _batch_query(queries)).add_batch_definition_whole_table("counts")
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="rules", data=batch, suite=suite))
    results = definition.run(result_format="BASIC").results  # of a maximum: the number, nothing else
    by_column = {result.expectation_config.kwargs.get("column"): result for result in results}
    whole = by_column[None].success
    return {name: _counts(by_column[name], by_column[f"{name}_checked"], whole) for name in queries}


def _counts(offending: Any, checked: Any, whole: bool) -> Counts:
    """Two expectations' results as one rule's; anything that is not plainly evaluated is an error."""
    figures = [result.result.get("observed_value") for result in (offending, checked)]
    if not (whole and checked.success and all(isinstance(figure, int) for figure in figures)):
        return Counts(0, 0, passed=False, error="ExpectationNotEvaluated")
    return Counts(checked=figures[1], offending=figures[0], passed=bool(offending.success) and figures[0] == 0)


def _class_name(error: BaseException) -> str:
    """The error's class, or the one below it that says more; never its text, which may hold values."""
    original = getattr(error, "orig", None) or error.__cause__ or error
    return type(original).__name__
