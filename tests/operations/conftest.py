"""A retailer with one order and one invoice, in a database where nothing waits for anybody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import run_script
from cloudsales_pipeline.settings import OperatorSettings, Settings
from tests.operations.planted import BASE


@pytest.fixture
def watched(settings: Settings) -> Settings:
    """The test's settings: the channel is told of stock, and one person looks after it all."""
    whole = settings.model_dump(mode="json")
    whole["database"] = {"url": settings.database.url and settings.database.url.get_secret_value()}
    whole["warehouses"] = {"CENTRAL": {}}
    whole["channels"] = {"fashionup": {"kind": "fashionup", "url": "http://127.0.0.1:9/v1", "stock": {"warehouses": ["CENTRAL"]}}}
    whole["operators"] = OperatorSettings(emails=("operator@magazin.ro",), language="en").model_dump(mode="json")
    return Settings.model_validate(whole)


@pytest.fixture
def world(engine: Engine, owner_engine: Engine) -> Iterator[Connection]:
    """The owner's connection, in a transaction of its own."""
    with owner_engine.connect() as connection:
        run_script(connection, BASE)
        yield connection
        connection.rollback()
