"""Issuing beside people and channels that change the same orders: let go at once, in processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.documents import issuing
from cloudsales_pipeline.documents.issuing import issue_due, issue_one, storno
from cloudsales_pipeline.documents.scans import check_goods
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.orders.life import cancel_here, issue
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock.movements import Movement, post
from tests.documents.office import NOON, ON_STOCK, broken, documents, office
from tests.documents.test_series import warm
from tests.orders.losing import losing_first_commit
from tests.orders.market import line, market, order, receive
from tests.orders.racing import all_holds, in_processes
from tests.stock.shelf import rows

ORDERS = 24


def allowed(work: Callable[[], object]) -> None:
    with suppress(RefusedError):  # somebody else was first
        work()


@pytest.mark.timeout(60)
def test_issuing_beside_cancellations_departures_counts_and_new_revisions_ends_sound(
    engine: Engine, settings: Settings, database_url: URL
) -> None:
    """I-31, I-32, I-41: whoever is first, no order has an invoice that says more than is true, and no piece leaves twice."""
    market(engine, {"R-1": ORDERS, "R-2": ORDERS})
    made = office(settings, ON_STOCK, goods_leave_on="fiscal_invoice")
    sku = ("R-1", "R-2")
    receive(engine, *[order(f"FO{n}", line(sku[n % 2]), line(sku[1 - n % 2], line_id="2"), minutes=n) for n in range(ORDERS)])
    issuing.sync_channels(engine, made)
    warm(made)

    def issuer(own: Engine) -> None:
        while issue_due(own, made, now=NOON, batch=5).judged:
            pass

    def canceller(own: Engine) -> None:
        for number in range(0, ORDERS, 3):
            allowed(lambda number=number: cancel_here(own, "fashionup", f"FO{number}"))  # type: ignore[misc]

    def packer(own: Engine) -> None:
        for number in range(1, ORDERS, 3):
            allowed(lambda number=number: issue(own, "fashionup", f"FO{number}"))  # type: ignore[misc]
            check_goods(own, made, "fashionup", f"FO{number}")

    def counter(own: Engine) -> None:
        for number in range(8):
            post(own, [Movement(f"C-{number}-{name}", "CENTRAL", name, "adjustment", 1) for name in sku])

    assert in_processes(database_url, [issuer, issuer, issuer, canceller, packer, counter]) == [0] * 6
    issue_due(engine, made, now=NOON)
    assert broken(engine) == {}
    all_holds(engine)
    states = dict(rows(engine, "select external_id, status from cloudsales.sales_order"))
    live = {name for name, kind, _, state in documents(engine) if (kind, state) == ("fiscal_invoice", "live")}
    assert live == {name for name, status in states.items() if status == "issued"}
    assert all(status in ("issued", "cancelled") for status in states.values())
    left = rows(engine, "select sum(-quantity) from cloudsales.stock_movement where reason = 'sale'")
    assert left == [(2 * len(live),)]


@pytest.mark.timeout(60)
def test_eight_people_who_correct_one_invoice_at_once_write_one_storno(
    engine: Engine, settings: Settings, database_url: URL
) -> None:
    market(engine, {"R-1": 5})
    made = office(settings, ON_STOCK)
    receive(engine, order("FO1", line("R-1")))
    warm(made)
    issue_due(engine, made, now=NOON)
    assert in_processes(database_url, [lambda own: allowed(lambda: storno(own, made, "FU 1", now=NOON))] * 8) == [0] * 8
    assert [one[1:] for one in documents(engine)] == [("fiscal_invoice", "FU 1", "ended"), ("storno", "FU 2", "issued")]
    assert broken(engine) == {}


@pytest.mark.parametrize("done", [True, False])
def test_a_person_whose_connection_breaks_at_the_commit_is_told_the_number_that_was_given(
    engine: Engine, settings: Settings, database_url: URL, done: bool
) -> None:
    """F-22: not that the order has an invoice already, which is this person's own."""
    market(engine, {"R-1": 5})
    made = office(settings)
    receive(engine, order("FO1", line("R-1")))
    with losing_first_commit(database_url, done=done) as own:
        assert issue_one(own, made, "fashionup", "FO1", "fiscal_invoice", now=NOON) == "FU 1"
    with losing_first_commit(database_url, done=done) as own:
        assert storno(own, made, "FU 1", now=NOON) == "FU 2"
    assert [one[1:] for one in documents(engine)] == [("fiscal_invoice", "FU 1", "ended"), ("storno", "FU 2", "issued")]
    assert broken(engine) == {}
