"""Connections: which database, engines, and the two ways SQL is run here.

Our tables live in the database that the settings name; Dagster's own storage in a second one of the same server, named
like ours with `_dagster` behind.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url

from cloudsales_pipeline.database import server
from cloudsales_pipeline.errors import DatabaseError
from cloudsales_pipeline.settings import Settings

EMBEDDED_DATABASE = "cloudsales"
DAGSTER_SUFFIX = "_dagster"
CONNECT_SECONDS = 10
MISSING_DATABASE = re.compile(r'database ".*" does not exist')


def database_url(settings: Settings) -> URL:
    """The address of our database; starts the embedded server where no other is named."""
    if settings.database.url is not None:
        return make_url(settings.database.url.get_secret_value())
    return make_url(server.start(settings.data_dir)).set(database=EMBEDDED_DATABASE)


def dagster_url(settings: Settings) -> str:
    """The address of Dagster's storage, for dagster-postgres: it breaks on psycopg 3, so psycopg2 is named."""
    url = database_url(settings)
    url = url.set(drivername="postgresql+psycopg2", database=f"{url.database}{DAGSTER_SUFFIX}")
    return url.render_as_string(hide_password=False)


def psql_url(settings: Settings) -> str:
    """The address for psql, a notebook or a BI tool: no driver in it."""
    return database_url(settings).set(drivername="postgresql").render_as_string(hide_password=False)


def create_engine(url: URL | str, *, pool_size: int = 5, as_owner: bool = False) -> Engine:
    """An engine on our database, whose connections become the role cloudsales_pipeline where the server has it.

    That role may not change the ledger (I-47). `as_owner`: stay the user of the address, for migrations.

    `hide_parameters`: an error's text would otherwise carry the statement's values into logs. A constraint's DETAIL line still
    shows a key: the command line and the Dagster side withhold the driver's text, and so must whoever else logs errors.
    """
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "cloudsales"},
    )
    if not as_owner:
        sa.event.listen(engine, "connect", lambda connection, _record: become_pipeline(connection))
    return engine


def become_pipeline(connection: Any) -> None:
    """Have a new connection give up what its user may do beyond the role; where there is no role, it stays as it is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select set_config('role', rolname, false) from pg_roles"
            " where rolname = 'cloudsales_pipeline' and pg_has_role(current_user, oid, 'member')"
        )
    connection.commit()


def engine_for(settings: Settings) -> Engine:
    """An engine on the configured database, which must have our schema.

    Raises:
        DatabaseError: it can't be reached, or `cloudsales init` has not been run on it.
    """
    from cloudsales_pipeline.database.migrate import require_current

    engine = create_engine(database_url(settings))
    require_current(engine)
    return engine


@contextmanager
def reachable(url: URL) -> Iterator[None]:
    """Turn what a driver raises on connecting into one clear line without the password."""
    try:
        yield
    except sa.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[-1] if error.orig else type(error).__name__
        if MISSING_DATABASE.search(reason):
            raise DatabaseError(
                f"There is no database {url.database} yet.",
                next_step="cloudsales init makes it; or correct database.url in cloudsales.yaml",
            ) from None
        raise DatabaseError(
            f"The database {url.render_as_string(hide_password=True)} can't be reached: {reason}",
            next_step="check database.url in cloudsales.yaml, and that the server is up",
        ) from None


@functools.cache
def statement(package: str, name: str) -> str:
    """The text of an SQL file of ours, `name` without its ending."""
    return (resources.files(package) / f"{name}.sql").read_text(encoding="utf-8")


@functools.cache
def steps(package: str, name: str) -> dict[str, str]:
    """The statements of an SQL file of ours by their names, in its order; each stands under a line `-- step: name`."""
    parts = re.split(r"^-- step: (\w+)$", statement(package, name), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def run_script(connection: Connection, text: str) -> None:
    """Run SQL as it stands, several statements at once: no parameters, so a percent sign or a colon means itself."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(text)


def copy_rows(connection: Connection, copy_sql: str, rows: Any) -> int:
    """COPY rows (an iterable of tuples) into a table, in the transaction of `connection`; returns how many.

    `copy_sql` is `COPY table (columns) FROM STDIN`. `write_row` measured 0.88 of raw CSV, seven times executemany.

    Raises:
        sqlalchemy.exc.DBAPIError: as any other statement does, so that what crossed another transaction is tried again.
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    count = 0
    try:
        with driver.cursor() as cursor, cursor.copy(copy_sql) as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
    except psycopg.Error as error:
        lost = connection.dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
        raise sa.exc.DBAPIError.instance(
            copy_sql, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=lost, dialect=connection.dialect
        ) from error
    return count
