"""Goods that come back: received, restocked, scrapped; in stock again only when restocked."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.errors import InputError, RefusedError, SettingsError
from cloudsales_pipeline.orders import life, returns
from cloudsales_pipeline.settings import ChannelSettings
from cloudsales_pipeline.stock.movements import post
from tests.killing import killed_at_each_step
from tests.orders.market import line, lines_of, market, order, receive, shop, statuses, told
from tests.stock.shelf import ledger_sums, levels, receipt, rows

TO_CLUJ = shop(return_warehouse="CLUJ")


def sent(engine: Engine, pieces: int = 3) -> None:
    """FO1 with so many pieces of R-1, all issued; nothing of it is left."""
    market(engine, {"R-1": pieces, "R-2": 1})
    receive(engine, order("FO1", line("R-1", pieces, line_id="a"), line("R-2", 1, line_id="b")))
    assert life.issue(engine, "fashionup", "FO1").status == "issued"


def received(engine: Engine, reference: str = "RET-1", **pieces: int) -> life.Outcome:
    return returns.receive_return(engine, "fashionup", "FO1", pieces, reference=reference)


def restocked(engine: Engine, reference: str = "RET-1", settings: ChannelSettings = TO_CLUJ, **pieces: int) -> life.Outcome:
    return returns.restock(engine, "fashionup", settings, "FO1", pieces, reference=reference)


def scrapped(engine: Engine, reference: str = "RET-1", **pieces: int) -> life.Outcome:
    return returns.scrap(engine, "fashionup", "FO1", pieces, reference=reference)


def counters(engine: Engine, line_id: str = "a") -> tuple[int, ...]:
    """(received, restocked, scrapped)"""
    found = rows(engine, "select received, restocked, scrapped from analytics.sales_order_line where line_id = :id", id=line_id)
    return found[0]


def test_goods_come_back_in_part_and_are_in_stock_only_when_restocked_in_the_return_warehouse(engine: Engine) -> None:
    sent(engine)
    assert received(engine, a=2).pieces == 2
    assert levels(engine)["CENTRAL", "R-1"] == (0, 0)
    assert scrapped(engine, a=1).status == "issued"
    assert (restocked(engine, a=1).status, counters(engine)) == ("issued", (2, 1, 1))
    assert levels(engine) == {("CENTRAL", "R-1"): (0, 0), ("CENTRAL", "R-2"): (0, 0), ("CLUJ", "R-1"): (1, 0)}
    assert rows(engine, "select reference, quantity from analytics.stock_movement where reason = 'return'") == [("RET-1", 1)]
    received(engine, "RET-2", a=1, b=1)
    assert restocked(engine, "RET-2", a=1, b=1).status == "returned"
    assert statuses(engine) == {"FO1": "returned"}
    assert lines_of(engine)["fashionup/FO1/a"] == (3, 0, 0, 3, 0)
    assert told(engine, "return_received", "return_restocked", "return_scrapped", "order_returned") == [
        ("return_received", "fashionup/FO1", 2),
        ("return_scrapped", "fashionup/FO1", 1),
        ("return_restocked", "fashionup/FO1", 1),
        ("return_received", "fashionup/FO1", 2),
        ("return_restocked", "fashionup/FO1", 2),
        ("order_returned", "fashionup/FO1", None),
    ]


def test_the_same_document_again_restocks_nothing_and_with_other_content_it_is_refused(engine: Engine) -> None:
    sent(engine)
    received(engine, a=3)
    assert restocked(engine, a=1).changed
    assert not restocked(engine, a=1).changed
    assert not received(engine, a=3).changed
    with pytest.raises(RefusedError, match="with other content: a=1"):
        restocked(engine, a=2)
    assert (counters(engine), levels(engine)["CLUJ", "R-1"]) == ((3, 1, 0), (1, 0))


def test_never_more_comes_back_than_left_nor_is_more_restocked_or_scrapped_than_came_back(engine: Engine) -> None:
    sent(engine)
    with pytest.raises(RefusedError, match="At most 3 pieces of line a"):
        received(engine, a=4)
    received(engine, a=2)
    with pytest.raises(RefusedError, match="At most 1 pieces"):
        received(engine, "RET-2", a=2)
    restocked(engine, a=1)
    with pytest.raises(RefusedError, match="At most 1 pieces"):
        restocked(engine, "RET-2", a=2)
    with pytest.raises(RefusedError, match="At most 1 pieces"):
        scrapped(engine, "RET-2", a=2)
    assert (counters(engine), levels(engine)["CLUJ", "R-1"]) == ((2, 1, 0), (1, 0))


def test_a_document_of_other_stock_is_not_taken_for_the_return(engine: Engine) -> None:
    sent(engine)
    received(engine, a=1)
    post(engine, [receipt("RET-1", "R-2", 1)])
    with pytest.raises(RefusedError, match="can't be posted"):
        restocked(engine, a=1)
    assert counters(engine) == (1, 0, 0)


def test_what_is_not_a_return_is_refused_with_what_to_do(engine: Engine) -> None:
    sent(engine)
    with pytest.raises(InputError, match="no line zz"):
        received(engine, zz=1)
    with pytest.raises(InputError, match="one piece or more"):
        received(engine, a=0)
    with pytest.raises(InputError, match="1 to 200"):
        received(engine, " ", a=1)
    with pytest.raises(SettingsError, match="no return warehouse"):
        restocked(engine, a=1, settings=ChannelSettings(kind="fashionup"))


def test_what_is_restocked_goes_to_who_waits_for_it_in_the_same_transaction(engine: Engine) -> None:
    sent(engine)
    receive(engine, order("FO2", line("R-1", 2), minutes=5))
    received(engine, a=3)
    assert restocked(engine, settings=shop(), a=3).served == 2
    assert lines_of(engine)["fashionup/FO2/1"] == (2, 2, 0, 0, 0)
    assert levels(engine)["CENTRAL", "R-1"] == (3, 2)


def test_i17_an_order_cancelled_after_its_goods_left_is_returned_when_they_are_back(engine: Engine) -> None:
    sent(engine)
    receive(engine, order("FO1", line("R-1", 3, line_id="a"), line("R-2", 1, line_id="b"), revision=2, status="cancelled"))
    assert (statuses(engine), levels(engine)["CENTRAL", "R-1"]) == ({"FO1": "cancelled"}, (0, 0))
    received(engine, a=3, b=1)
    restocked(engine, a=3)
    assert scrapped(engine, b=1).status == "returned"


@pytest.mark.timeout(60)
def test_killed_at_any_step_of_a_restock_and_done_again_it_is_as_if_undisturbed(engine: Engine, database_url: URL) -> None:
    sent(engine)
    receive(engine, order("FO2", line("R-1", 1), minutes=5))
    received(engine, a=2)
    kills = sum(1 for _ in killed_at_each_step(database_url, lambda own: restocked(own, settings=shop(), a=2)))
    assert kills >= 8
    assert not restocked(engine, settings=shop(), a=2).changed
    assert (counters(engine), levels(engine)["CENTRAL", "R-1"], ledger_sums(engine)["CENTRAL", "R-1"]) == ((2, 2, 0), (2, 1), 2)
    assert lines_of(engine)["fashionup/FO2/1"] == (1, 1, 0, 0, 0)
