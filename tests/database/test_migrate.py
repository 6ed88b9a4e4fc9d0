"""The schema comes up whole, twice is no harm, and newer is refused."""

import threading

import pytest
import sqlalchemy as sa
from alembic import command
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


def test_a_database_of_the_first_release_is_upgraded_with_its_data_and_its_plans_can_still_be_dropped(postgres: URL) -> None:
    url = postgres.set(database="t_first_release")
    migrate.ensure_database(url, "t_first_release")
    owner = create_engine(url, as_owner=True)
    with owner.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.product (sku, name, created_at, changed_at) values ('A', 'Rochie', now(), now())"
        )
        connection.exec_driver_sql("create table cloudsales.plan_row_7 partition of cloudsales.plan_row for values in (7)")
    migrate.upgrade(owner)
    migrate.upgrade(owner)
    owner.dispose()
    pipeline = create_engine(url)
    with pipeline.begin() as connection:
        assert connection.exec_driver_sql("select current_user").scalar() == "cloudsales_pipeline"
        assert connection.exec_driver_sql("select sku from analytics.product").scalars().all() == ["A"]
        connection.exec_driver_sql("drop table cloudsales.plan_row_7")
    pipeline.dispose()
