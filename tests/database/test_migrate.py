"""The schema comes up whole, twice is no harm, and newer is refused."""

import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.database import migrate
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.errors import DatabaseError
from cloudsales_pipeline.settings import Settings


def test_initialising_twice_changes_nothing(settings: Settings, engine: Engine) -> None:
    first = migrate.initialise(settings)
    assert migrate.initialise(settings) == first
    migrate.require_current(engine)


def test_two_processes_may_initialise_a_new_database_at_once(postgres: URL, settings: Settings) -> None:
    url = postgres.set(database="t_two_at_once")
    migrate.ensure_database(url, "t_two_at_once")
    failures: list[Exception] = []

    def upgrade() -> None:
        engine = create_engine(url, as_owner=True)
        try:
            migrate.upgrade(engine)
        except Exception as error:  # collected, and asserted to be none
            failures.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_f31_older_code_refuses_a_newer_schema(settings: Settings, engine: Engine, owner_engine: Engine) -> None:
    with owner_engine.begin() as connection:
        connection.execute(sa.text("update schema_version set version_num = '9999'"))
    with pytest.raises(DatabaseError, match="newer"):
        migrate.require_current(engine)
    with pytest.raises(DatabaseError, match="newer"):
        migrate.initialise(settings)


def test_i03_the_database_itself_refuses_to_change_a_product_outside_the_catalogue_file(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("insert into cloudsales.product (sku, name, created_at, changed_at) values ('A', 'Rochie', now(), now())")
        )
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="I-03"):
        connection.execute(sa.text("update cloudsales.product set name = 'Fustă'"))


def test_the_analyst_reads_views_and_nothing_else(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("set role cloudsales_analyst"))
        assert connection.scalar(sa.text("select count(*) from analytics.listing")) == 0
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            connection.execute(sa.text("select * from cloudsales.listing"))


def test_i47_the_analyst_writes_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("set role cloudsales_analyst"))
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            connection.execute(sa.text("delete from analytics.product"))
