"""The benchmarks' own embedded PostgreSQL: in a temporary folder, a fresh database for each benchmark, gone at the end.

Its CPU time is read from the operating system: the postmaster's own, its children's (the backends) and that of children
that have ended (parallel workers, closed connections), which the postmaster has inherited by waiting for them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from cloudsales_pipeline.database import migrate, server
from cloudsales_pipeline.database.engine import create_engine

TEMPLATE = "bench_template"


@dataclass(frozen=True)
class Server:
    """A running server: `url` is on its database `postgres`."""

    folder: Path
    url: URL
    postmaster: int

    def cpu_seconds(self) -> float:
        """CPU seconds of all its processes since it started; grows only, in steps of a clock tick (10 ms)."""
        return server_cpu_seconds(self.postmaster)

    @contextmanager
    def database(self, name: str) -> Iterator[Engine]:
        """A new, migrated database with one channel, `fashionup`, and an engine on it; dropped at the end."""
        self._on_server(f"create database {name} template {self._template()}")
        engine = create_engine(self.url.set(database=name), as_owner=True)
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql("insert into cloudsales.channel (channel, kind) values ('fashionup', 'fashionup')")
            yield engine
        finally:
            engine.dispose()
            self._on_server(f"drop database {name} with (force)")

    def _template(self) -> str:
        """The database that all others are copies of; migrated for the first of them."""
        migrate.ensure_database(self.url, TEMPLATE)
        engine = create_engine(self.url.set(database=TEMPLATE), as_owner=True)
        try:
            migrate.upgrade(engine)
        finally:
            engine.dispose()
        return TEMPLATE

    def _on_server(self, sql: str) -> None:
        admin = create_engine(self.url, as_owner=True).execution_options(isolation_level="AUTOCOMMIT")
        try:
            with admin.connect() as connection:
                connection.exec_driver_sql(sql)
        finally:
            admin.dispose()


def server_cpu_seconds(postmaster: int) -> float:
    """CPU seconds of the server whose first process is `postmaster`, ended children included.

    A backend that ends while we look (its client has just closed) would be missed or counted twice: then we look again.
    """
    parent = psutil.Process(postmaster)
    while True:
        before = parent.cpu_times()
        total = before.user + before.system + before.children_user + before.children_system
        with suppress(psutil.NoSuchProcess):
            for child in parent.children():
                times = child.cpu_times()
                total += times.user + times.system
            after = parent.cpu_times()
            if (after.children_user, after.children_system) == (before.children_user, before.children_system):
                return total


@contextmanager
def running() -> Iterator[Server]:
    """Start a server in a folder of its own; stop it and remove the folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix="cs-bench-"))
    try:
        url = make_url(server.start(folder))
        postmaster = int((folder / server.FOLDER / "postmaster.pid").read_text().splitlines()[0])
        yield Server(folder, url, postmaster)
    finally:
        server.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def analyse(engine: Engine) -> None:
    """VACUUM and ANALYZE, and write out what is dirty, so that no benchmark pays for the filling before it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("vacuum analyze"))
        connection.execute(sa.text("checkpoint"))
