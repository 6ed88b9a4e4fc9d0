"""Errors as the operator sees them in Dagster: one clear line, and never a row's values.

Dagster keeps in its event log what user code raises, and writes it to the compute log (an IntegrityError there carried a
customer's e-mail). DAGSTER_REDACT_USER_CODE_ERRORS=1 hides every message, ours too, and then logs the original error to
stderr, that is into the compute log. A `dagster.Failure` keeps its description under that setting. So every error is
turned into a Failure here: ours with its sentence and next step, any other with its class and its place alone.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from cloudsales_pipeline.errors import CloudSalesError, InputError, RefusedError, SettingsError, describe_unexpected

NOT_BETTER_NEXT_TIME = (RefusedError, SettingsError, InputError)
DEEPEST_FRAMES = 12


@contextmanager
def clear_failures() -> Iterator[None]:
    """Turn what is raised inside into a Failure without personal data.

    Raises:
        dagster.Failure: what happened and what to do; `error_class` in its metadata.
    """
    try:
        yield
    except (dg.Failure, dg.RetryRequested, dg.DagsterError):
        raise
    except CloudSalesError as error:
        raise _of_ours(error) from None
    except Exception as error:
        raise _unexpected(error) from None


def where(error: BaseException) -> list[str]:
    """The deepest frames of an error as `file:line function`, outermost first: places alone, no values, no folders."""
    frames = traceback.extract_tb(error.__traceback__)[-DEEPEST_FRAMES:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def error_class(event: dg.DagsterEvent) -> str:
    """The class of what was raised: that of the error behind a Failure of ours."""
    failure = event.step_failure_data
    told = failure.user_failure_data.metadata.get("error_class") if failure.user_failure_data else None
    if isinstance(told, dg.TextMetadataValue):
        return told.text or ""
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name if error else None) or "unknown"


def _of_ours(error: CloudSalesError) -> dg.Failure:
    return dg.Failure(
        description=str(error),
        metadata={
            "what_happened": dg.MetadataValue.text(error.message),
            "what_to_do": dg.MetadataValue.text(error.next_step or "-"),
            "error_class": dg.MetadataValue.text(type(error).__name__),
        },
        allow_retries=not isinstance(error, NOT_BETTER_NEXT_TIME),
    )


def _unexpected(error: Exception) -> dg.Failure:
    advice = "Run the step again; if it comes back, report this line and `where`."
    return dg.Failure(
        description=f"Unexpected {describe_unexpected(error)}; its text is withheld: it may hold a row's values. Next: {advice}",
        metadata={
            "what_to_do": dg.MetadataValue.text(advice),
            "error_class": dg.MetadataValue.text(type(error).__name__),
            "where": dg.MetadataValue.text("\n".join(where(error))),
        },
    )
