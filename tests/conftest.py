"""What all tests share: a real PostgreSQL, a fresh database for each test, and the way to the evaluation data.

The server is the embedded one, started once for all the workers of a run, in a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import URL, Engine, make_url

from cloudsales_pipeline.database import migrate, server
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.settings import ChannelSettings, DatabaseSettings, Settings
from tests.memory import folder_of_a_server

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
SERVER_VARIABLE = "CLOUDSALES_TEST_SERVER"
TEMPLATE = "cloudsales_template"
TEMPLATE_LOCK = 7_301_999
REPEATERS = (
    "stock/test_invariants.py", "stock/test_harsh.py", "stock/test_database_faults.py",
    "orders/test_any_order.py", "orders/test_interleavings.py", "orders/test_market.py", "simulator/test_sales.py",
)  # fmt: skip
"""Tests that walk the same lines thousands of times."""


def pytest_configure(config: pytest.Config) -> None:
    # The controller names the folder, its workers inherit the variable.
    if not hasattr(config, "workerinput"):
        os.environ[SERVER_VARIABLE] = str(folder_of_a_server("cs-tests-"))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ.pop(SERVER_VARIABLE))
        server.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage is not traced where lines that plain tests run as well are run over and over: the tracer took as long as the tests."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False) or item.path.as_posix().endswith(REPEATERS):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session")
def postgres() -> URL:
    """The address of the run's server, on its `postgres` database, with a migrated template beside it."""
    url = make_url(server.start(Path(os.environ[SERVER_VARIABLE])))
    admin = create_engine(url, as_owner=True).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text("select pg_advisory_lock(:lock)"), {"lock": TEMPLATE_LOCK})
        if not connection.scalar(sa.text("select 1 from pg_database where datname = :name"), {"name": TEMPLATE}):
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.exec_driver_sql(f"alter system set {setting} = off")
            connection.exec_driver_sql("alter system set max_wal_size = '512MB'")  # the folder may be memory
            connection.exec_driver_sql("select pg_reload_conf()")
            migrate.ensure_database(url, f"{TEMPLATE}_new")
            engine = create_engine(url.set(database=f"{TEMPLATE}_new"), as_owner=True)
            migrate.upgrade(engine)
            engine.dispose()
            connection.exec_driver_sql(f"alter database {TEMPLATE}_new rename to {TEMPLATE}")
        connection.execute(sa.text("select pg_advisory_unlock(:lock)"), {"lock": TEMPLATE_LOCK})
    admin.dispose()
    return url


@pytest.fixture
def database_url(postgres: URL) -> Iterator[URL]:
    """A database of the test's own, with our schema."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres, as_owner=True).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # Copying files takes a fifth less CPU than writing each page to the log, where nothing is synced.
        connection.exec_driver_sql(f"create database {name} template {TEMPLATE} strategy file_copy")
        yield postgres.set(database=name)
        connection.exec_driver_sql(f"drop database {name} with (force)")
    admin.dispose()


@pytest.fixture
def settings(database_url: URL, tmp_path: Path) -> Settings:
    """Settings with one channel, `fashionup`, on the test's database."""
    return Settings(
        database=DatabaseSettings(url=SecretStr(database_url.render_as_string(hide_password=False))),
        data_dir=tmp_path / "data",
        channels={"fashionup": ChannelSettings(kind="fashionup", url="http://127.0.0.1:9/v1")},
    )


@pytest.fixture
def engine(database_url: URL, settings: Settings) -> Iterator[Engine]:
    """An engine on the test's database, the settings' channels registered."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        migrate.register_channels(connection, settings)
    yield engine
    engine.dispose()


@pytest.fixture
def owner_engine(database_url: URL) -> Iterator[Engine]:
    """An engine as the tables' owner, to plant what the pipeline's own role may not do."""
    engine = create_engine(database_url, as_owner=True)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """The path of a file of the evaluation data; the test is skipped, naming the file, where it is not there."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"evaluation data not beside the project: {name}")
        return path

    return find
