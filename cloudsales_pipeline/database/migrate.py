"""Make or upgrade the database, and refuse one that is not ours or is newer than this code (F-31).

Migrations run in one transaction under an advisory lock: half of one is never seen, and two at once do no harm.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, Connection, Engine

from cloudsales_pipeline.database.engine import DAGSTER_SUFFIX, create_engine, database_url, reachable, run_script, statement
from cloudsales_pipeline.database.locks import MIGRATION_LOCK
from cloudsales_pipeline.errors import DatabaseError
from cloudsales_pipeline.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"


def initialise(settings: Settings) -> str:
    """Make what is missing (both databases, schema, channels' rows); returns the schema's version. Twice is no harm.

    Raises:
        DatabaseError: not reachable, not allowed, or newer than this code.
    """
    url = database_url(settings)
    with reachable(url):
        for name in (str(url.database), f"{url.database}{DAGSTER_SUFFIX}"):
            ensure_database(url, name)
        engine = create_engine(url, as_owner=True)
        try:
            upgrade(engine)
            with engine.begin() as connection:
                register_channels(connection, settings)
        finally:
            engine.dispose()
    return newest_revision()


def ensure_database(url: URL, name: str) -> None:
    """Create the database `name` on the server of `url` where it is missing."""
    probe = create_engine(url.set(database=name), as_owner=True)
    try:
        with probe.connect():
            return
    except sa.exc.OperationalError as error:
        if "does not exist" not in str(error.orig):
            raise
    finally:
        probe.dispose()
    admin = create_engine(url.set(database="postgres"), as_owner=True).execution_options(isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            quoted = connection.dialect.identifier_preparer.quote(name)
            # template0 with a fixed encoding: our text is Unicode, whatever the server's own locale
            connection.exec_driver_sql(f"create database {quoted} encoding 'UTF8' template template0")
    except sa.exc.ProgrammingError as error:
        if "already exists" in str(error.orig):
            return
        raise DatabaseError(
            f"The database {name} is missing, and this user may not make it.",
            next_step=f"ask for: create database {name} encoding 'UTF8' template template0",
        ) from None
    except sa.exc.IntegrityError:
        return  # another process made it between our look and our statement
    finally:
        admin.dispose()


def upgrade(engine: Engine) -> None:
    """Bring the schema to this code's version.

    Raises:
        DatabaseError: the schema is newer than this code.
    """
    with engine.begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        _refuse_newer(connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        run_script(connection, statement("cloudsales_pipeline.database", "roles"))


def require_current(engine: Engine) -> None:
    """Raise DatabaseError unless the schema is exactly the one this code needs."""
    with reachable(engine.url), engine.connect() as connection:
        found = _found_revision(connection)
    if found is None:
        raise DatabaseError("The database has no CloudSales schema yet.", next_step="cloudsales init")
    if found != newest_revision():
        _refuse_unknown(found)
        raise DatabaseError(
            f"The schema is at version {found}; this code needs {newest_revision()}.", next_step="cloudsales init"
        )


def register_channels(connection: Connection, settings: Settings) -> None:
    """Give every channel and every warehouse of the settings its row."""
    for name, warehouse in settings.warehouses.items():
        connection.execute(
            sa.text(
                "insert into cloudsales.warehouse (warehouse, name) values (:warehouse, :name)"
                " on conflict (warehouse) do update set name = excluded.name where warehouse.name <> excluded.name"
            ),
            {"warehouse": name, "name": warehouse.name},
        )
    for name, channel in settings.channels.items():
        connection.execute(
            sa.text(
                "insert into cloudsales.channel (channel, kind) values (:channel, :kind)"
                " on conflict (channel) do update set kind = excluded.kind where channel.kind <> excluded.kind"
            ),
            {"channel": name, "kind": channel.kind},
        )


def newest_revision() -> str:
    """The schema version of this code."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _found_revision(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": "schema_version"})
    return context.get_current_revision()


def _refuse_newer(connection: Connection) -> None:
    found = _found_revision(connection)
    if found is not None:
        _refuse_unknown(found)


def _refuse_unknown(found: str) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found not in known:
        raise DatabaseError(
            f"The database's schema is at version {found}, which this code does not know: it is newer.",
            next_step="upgrade cloudsales-pipeline, or point database.url elsewhere",
        )
