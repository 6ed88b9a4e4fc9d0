"""What must hold of waybills, and that each check sees what breaks it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.documents.labels import fetch_due
from cloudsales_pipeline.documents.quality import WAYBILL_RULES, check_documents
from cloudsales_pipeline.documents.tracking import track_due
from cloudsales_pipeline.documents.waybills import make_due
from cloudsales_pipeline.settings import Settings
from tests.documents.depot import Depot, intended, with_couriers
from tests.documents.office import looked
from tests.documents.test_tracking import event
from tests.orders.market import line, market, order

NOW = datetime.now().astimezone() + timedelta(hours=1)
AGED = "update cloudsales.waybill set created_at = now() - interval '1 day', intended_at = now() - interval '1 day'"
CANCELLED = f"{AGED}; update cloudsales.sales_order set status = 'cancelled', changed_at = now() - interval '1 day'"
BREAKS = {
    "nothing_unclear": "update cloudsales.waybill set state = 'unknown', claimed_at = now() - interval '1 day'",
    "one_live_waybill": "drop index cloudsales.waybill_live; drop index cloudsales.waybill_number; insert into cloudsales.waybill"
    " (order_id, courier, reference, state, number, weight_grams, created_at, ended_at)"
    " select order_id, courier, 'another', state, number, 1, now(), now() from cloudsales.waybill",
    "waybills_complete": f"{AGED}; update cloudsales.waybill set label_file_id = null, state = 'created', ended_at = null;"
    " delete from cloudsales.waybill_event",
    "waybills_of_cancelled_orders": f"{CANCELLED}; update cloudsales.waybill set state = 'created', ended_at = null;"
    " delete from cloudsales.waybill_event",
    "parcels_go_forward": "update cloudsales.waybill set state = 'shipped', ended_at = null",
}


@pytest.fixture
def arrived(engine: Engine, settings: Settings) -> None:
    """An order whose parcel was made, labelled and delivered."""
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot()
    intended(engine, made, order("FO1", line("R-1")))
    make_due(engine, made, {"fan": fan}, now=NOW)
    fetch_due(engine, made, {"fan": fan}, now=NOW)
    fan.happened = [event("F1", 1, "shipped"), event("F1", 2, "delivered")]
    track_due(engine, made, {"fan": fan}, now=NOW + timedelta(hours=3))


@pytest.mark.usefixtures("arrived")
def test_each_check_of_waybills_holds_and_sees_what_breaks_it(engine: Engine, owner_engine: Engine) -> None:
    assert {one.name for one in WAYBILL_RULES} == set(BREAKS)
    assert [(one.rule, one.offending_rows) for one in check_documents(engine, Settings(), WAYBILL_RULES) if not one.passed] == []
    for check in WAYBILL_RULES:
        with owner_engine.connect() as connection:
            connection.exec_driver_sql(BREAKS[check.name])

            checked, offending, sample = looked(connection, check)
            assert (check.name, offending, len(sample)) == (check.name, checked, checked)
            connection.rollback()
