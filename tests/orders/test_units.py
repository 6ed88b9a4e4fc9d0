"""A unit of work is done again where another transaction came in between (F-21, F-22), however its rows were written."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import copy_rows
from cloudsales_pipeline.orders.units import order_work

COPY = "copy cloudsales.warehouse (warehouse) from stdin"


def test_f21_a_key_that_another_transaction_took_during_a_copy_is_met_again_as_a_row_that_is_there(engine: Engine) -> None:
    tries = []

    def work(connection: Connection) -> str:
        there = connection.scalar(sa.text("select 1 from cloudsales.warehouse where warehouse = 'CLUJ'"))
        tries.append(there)
        if there:
            return "there"
        with engine.begin() as other:
            copy_rows(other, COPY, [("CLUJ",)])
        copy_rows(connection, COPY, [("CLUJ",)])
        return "made"

    assert order_work(engine, work, doing="make a warehouse") == "there"
    assert tries == [None, 1]


def test_what_a_copy_refuses_is_an_error_of_the_database_like_any_other_and_shows_its_constraint(engine: Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError) as raised, engine.begin() as connection:
        copy_rows(connection, COPY, [("CLUJ",), ("CLUJ",)])
    assert raised.value.orig is not None
    assert raised.value.orig.diag.constraint_name == "warehouse_pkey"  # type: ignore[attr-defined]
