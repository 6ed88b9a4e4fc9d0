"""The settings' suppliers in the database, and which channels' shortages are bought.

What belongs here: bringing `suppliers:` and `add_shortages` into their tables. What does not: of whom a product is bought
(cloudsales.suppliers_of), and a supplier's address, which stays in the settings.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import lock_purchasing
from cloudsales_pipeline.database.migrate import register_channels
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.settings import Settings

Facts = dict[str, Any]


def sync_suppliers(engine: Engine, settings: Settings) -> None:
    """Bring the settings' suppliers and channels into the database; one query and no write where they are there already.

    A supplier that the settings name no more stays, inactive: nothing is bought of it, and its orders keep its name.
    """
    wanted = _wanted(settings)
    with engine.connect() as connection:
        if _standing(connection) == wanted:
            return

    def work(connection: Connection) -> None:
        lock_purchasing(connection)
        register_channels(connection, settings)
        values = {name: json.dumps(rows) for name, rows in wanted.items()}
        for step in ("suppliers", "retire", "names_gone", "names", "channels_gone", "channels"):
            connection.execute(sa.text(steps(__package__, "suppliers")[step]), values)

    unit_of_work(engine, work)


def _standing(connection: Connection) -> dict[str, list[Facts]]:
    row = connection.execute(sa.text(steps(__package__, "suppliers")["standing"])).one()
    return dict(row._mapping)


def _wanted(settings: Settings) -> dict[str, list[Facts]]:
    suppliers = [
        {
            "supplier": key,
            "name": one.name.strip() or key,
            "cut_off": one.cut_off.isoformat(),
            "lead_time_days": one.lead_time_days,
        }
        for key, one in settings.suppliers.items()
    ]
    channels = [
        {"channel": key, "add_shortages": _adds(one.orders.add_shortages, settings.purchasing.add_shortages)}
        for key, one in settings.channels.items()
    ]
    return {
        "suppliers": sorted(suppliers, key=lambda one: str(one["supplier"])),
        "channels": sorted(channels, key=lambda one: str(one["channel"])),
    }


def _adds(of_channel: bool | None, of_all: bool) -> bool:
    return of_all if of_channel is None else of_channel
