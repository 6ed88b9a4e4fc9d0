"""A shop that tells its buyers: settings with rules, parcels, and what tests ask of the outbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.messages.telling import sync_rules, tell
from cloudsales_pipeline.settings import CompanySettings, MessageSettings, Settings
from tests.documents.office import COMPANY
from tests.stock.shelf import rows

EVER = timedelta(days=36500)
"""Tests' orders were placed on a fixed day."""


def shop_of(settings: Settings, *rules: dict[str, Any], **messages: Any) -> Settings:
    """The test's settings with these rules; never quiet, and nothing too old, unless said."""
    given = {"quiet_hours": None, "max_age": EVER, **messages, "rules": rules}
    return settings.model_copy(
        update={"company": CompanySettings.model_validate(COMPANY), "messages": MessageSettings.model_validate(given)}
    )


def telling(engine: Engine, settings: Settings, *rules: dict[str, Any], **messages: Any) -> Settings:
    """A shop whose triggers know its rules."""
    made = shop_of(settings, *rules, **messages)
    sync_rules(engine, made)
    return made


def messages(engine: Engine) -> list[tuple[Any, ...]]:
    """(order, event, medium, state, reason), in their order."""
    return rows(engine, "select external_id, event, medium, state, reason from personal.message order by message_id")


def texts(engine: Engine) -> list[tuple[Any, ...]]:
    """(recipient, title, text), in their order."""
    return rows(engine, "select recipient, title, body_text from personal.message order by message_id")


def told(engine: Engine, settings: Settings, **how: Any) -> list[tuple[Any, ...]]:
    """The outbox after telling."""
    tell(engine, settings, **how)
    return messages(engine)


def happenings(engine: Engine) -> list[str]:
    return [event for (event,) in rows(engine, "select event from cloudsales.happening order by happening_id")]


def waybill(engine: Engine, order: str, state: str = "intended", parcel: int = 1, number: str | None = None) -> None:
    """A parcel's waybill is written down, and reaches this state."""
    with engine.begin() as connection:
        reference = connection.scalar(
            sa.text(
                "insert into cloudsales.waybill (order_id, courier, reference, parcel, parcels, weight_grams)"
                " select order_id, 'sameday', 'CS-' || order_id || '-' || :parcel || '-' || (select count(*) from cloudsales.waybill), :parcel, 1, 500"
                " from cloudsales.sales_order where external_id = :order returning reference"
            ),
            {"order": order, "parcel": parcel},
        )
    if state != "intended":
        moves(engine, order, state, parcel, number or str(reference))


def moves(engine: Engine, order: str, state: str, parcel: int = 1, number: str | None = None) -> None:
    """The live waybill of a parcel comes to that state."""
    with engine.begin() as connection:
        changed = connection.execute(
            sa.text(
                "update cloudsales.waybill w set state = :state, number = coalesce(w.number, :number)"
                " from cloudsales.sales_order o where o.order_id = w.order_id and o.external_id = :order and w.parcel = :parcel"
                " and w.state not in ('failed', 'cancelled')"
            ),
            {"order": order, "state": state, "parcel": parcel, "number": number},
        )
        assert changed.rowcount == 1
