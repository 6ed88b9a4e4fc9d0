"""What happens to orders becomes messages, once each, in time, to who wants them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import Buyer, PaymentMethod, PaymentStatus
from cloudsales_pipeline.messages.consent import opt_in, opt_out
from cloudsales_pipeline.messages.telling import tell
from cloudsales_pipeline.orders.privacy import Person, erase
from cloudsales_pipeline.settings import Settings
from tests.messages.shop import happenings, messages, moves, telling, texts, told, waybill
from tests.orders.market import line, market, order, receive
from tests.stock.shelf import rows

IMPORTED = {"on": "order_imported"}


def test_i38_a_buyer_is_told_once_that_the_order_came_in(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, IMPORTED)
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1", 2)))
    done = tell(engine, shop)
    assert (done.happenings, done.queued, done.skipped.total()) == (1, 1, 0)
    ((to, title, text),) = texts(engine)
    assert (to, title) == ("ana@example.invalid", "Am primit comanda FO1")
    assert "Bună ziua, Ana!" in text
    assert "- 2 × Rochie R-1, 100,00 RON/buc." in text
    assert "219,99 RON" in text
    receive(engine, order("FO1", line("R-1", 2), revision=2))
    assert tell(engine, shop).happenings == 0
    assert len(messages(engine)) == 1
