"""Dagster's instance for our commands: which folder, which variables. No storage of Dagster's is opened here."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings import CONFIG_VARIABLE, Settings, settings_file

if TYPE_CHECKING:
    import dagster as dg

DEFINITIONS = "cloudsales_pipeline.definitions"
CHECKOUT = Path(__file__).parents[2]
REDACT = "DAGSTER_REDACT_USER_CODE_ERRORS"
PROCESS_TAG = "cloudsales/process"
GRPC_TAG = ".dagster/grpc_info"


def home() -> Path:
    """The folder with dagster.yaml and workspace.yaml: beside cloudsales.yaml, else where this package was cloned to.

    Raises:
        SettingsError: neither has them.
    """
    for folder in (settings_file().parent, CHECKOUT):
        if (folder / "dagster.yaml").is_file() and (folder / "workspace.yaml").is_file():
            return folder
    raise SettingsError(
        "There is no dagster.yaml with a workspace.yaml beside cloudsales.yaml.",
        next_step="copy both from the project's repository",
    )


def set_environment(settings: Settings) -> Path:
    """Set what dagster.yaml reads, for this process and those it starts; returns DAGSTER_HOME.

    Raises:
        SettingsError: no dagster.yaml is found.
    """
    from cloudsales_pipeline.database.engine import dagster_url

    folder = home()
    data = settings.data_dir / "dagster"
    data.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "DAGSTER_HOME": str(folder),
            "CLOUDSALES_DAGSTER_URL": dagster_url(settings),
            "CLOUDSALES_DAGSTER_DATA": str(data),
            CONFIG_VARIABLE: str(settings_file()),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }
    )
    os.environ.setdefault(REDACT, "1")
    return folder


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Make our database and Dagster's storage ready, the channels' partitions in it; the environment is set.

    The storage is made or upgraded here, before several processes open it together.

    Raises:
        DatabaseError: it can't be reached, or is newer than this code.
    """
    from cloudsales_pipeline.database.migrate import initialise

    initialise(settings)
    set_environment(settings)

    import dagster as dg

    from cloudsales_pipeline.resources.channels import register_partitions

    instance = dg.DagsterInstance.get()
    instance.upgrade()
    register_partitions(instance, settings)
    return instance


def socket_name() -> str:
    """The file name of a code server's socket: says whose machine it is on, for the runs it starts carry its path."""
    return f"code@{socket.gethostname()[:40]}"


def process_tag() -> dict[str, str]:
    """The tag by which a run of this very process is known."""
    return {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed the runs whose process is gone, so that they hold no slot; returns their ids. Dagster then retries them.

    A run counts as dead where this machine can tell: its code server's socket is no more, or the `cloudsales run` that did
    it has ended. Others are left to run_monitoring's time-outs.
    """
    import dagster as dg

    active = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    dead = [run for run in instance.get_runs(dg.RunsFilter(statuses=active)) if _is_dead(run.tags)]
    for run in dead:
        instance.report_run_failed(run, "The process that did this run is gone.")
    return [run.run_id for run in dead]


def _is_dead(tags: Mapping[str, str]) -> bool:
    code_server = json.loads(tags.get(GRPC_TAG, "{}")).get("socket")
    if code_server is not None:
        return Path(code_server).name == socket_name() and not Path(code_server).exists()
    host, _, process = tags.get(PROCESS_TAG, "").partition(":")
    return host == socket.gethostname() and not Path(f"/proc/{process}").exists() and Path("/proc").exists()
