"""What must be bought as lists for people, transfers instead of buying, the chain, and what must always hold."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.orders.life import cancel_here
from cloudsales_pipeline.purchasing import requirement, transfers
from cloudsales_pipeline.purchasing.closing import close_day
from cloudsales_pipeline.purchasing.due import close_due
from cloudsales_pipeline.purchasing.quality import check_purchasing
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock.movements import post
from tests.orders.market import lines_of, told
from tests.purchasing.buying import NOW, house, ordered, shelves, to_be_bought, wanted
from tests.stock.shelf import levels, receipt, rows

TODAY = date(2026, 11, 24)
ONE_DAY = timedelta(days=1)


def test_the_requirement_lists_what_to_buy_of_whom_and_what_others_have(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}})
    shelves(engine, ours, {"R-1": "acme", "R-2": None})
    post(engine, [receipt("cluj", "R-1", 5, "CLUJ")])
    wanted(engine, "A", "R-1", 4)
    wanted(engine, "B", "R-1", 3, minutes=1)
    wanted(engine, "C", "R-2", 2)
    with engine.connect() as connection:
        found = requirement.open_requirement(connection, TODAY)
        homeless = requirement.without_supplier(connection, TODAY)
        of_acme = requirement.open_requirement(connection, TODAY, supplier="acme")
    assert [
        (one["supplier"], one["sku"], one["quantity"], one["order_lines"], one["elsewhere"], one["elsewhere_pieces"])
        for one in found
    ] == [
        ("acme", "R-1", 7, 2, "CLUJ 5", 5),
        (None, "R-2", 2, 1, None, 0),
    ]
    assert [one["sku"] for one in of_acme] == ["R-1"]
    assert [(one["sku"], one["quantity"]) for one in homeless] == [("R-2", 2)]


def test_what_waits_without_being_bought_says_why(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}}, add_shortages=False)
    shelves(engine, ours, {"R-1": "acme"})
    wanted(engine, "A", "R-1", 4)
    with engine.connect() as connection:
        assert [(one["order_id"], one["waiting"], one["reason"]) for one in requirement.waiting_unbought(connection)] == [
            ("A", 4, "add_shortages_off")
        ]
    (closed,) = close_day(engine, ours, TODAY, now=NOW)
    assert closed.outcome == "nothing"


def test_the_chain_leads_from_the_order_to_the_supplier_order_and_back(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {"pack_size": 5}})
    shelves(engine, ours, {"R-1": "acme"})
    wanted(engine, "A", "R-1", 4)
    close_day(engine, ours, TODAY, now=NOW)
    wanted(engine, "B", "R-1", 3, minutes=1)
    with engine.connect() as connection:
        found = requirement.chain(connection, "r-1")
        assert requirement.chain(connection, "fashionup/A") == [one for one in found if one["order_id"] == "A"]
        (line,) = requirement.order_lines(connection, "CF-2026-000001")
        with pytest.raises(InputError, match="no product and no order 'nothing'"):
            requirement.chain(connection, "nothing")
        with pytest.raises(InputError, match="no supplier order 'CF-1'"):
            requirement.order_lines(connection, "CF-1")
    assert [(one["order_id"], one["required"], one["supplier_order"], one["to_be_bought"]) for one in found] == [
        ("A", 4, "CF-2026-000001", 0),
        ("B", None, None, 3),
    ]
    assert (line["quantity"], line["surplus"], line["bought_for"], line["came_with"]) == (5, 1, "fashionup/A/1 4", None)


# ------------------------------------------------------------------------------------------------ transfers


@pytest.fixture
def ours(engine: Engine, settings: Settings) -> Settings:
    """Seven pieces of R-1 are wanted, of which CLUJ could give five."""
    chosen = house(settings, {"acme": {}}, propose_transfers=True)
    shelves(engine, chosen, {"R-1": "acme"})
    post(engine, [receipt("cluj", "R-1", 5, "CLUJ")])
    wanted(engine, "A", "R-1", 4)
    wanted(engine, "B", "R-1", 3, minutes=1)
    return chosen


def proposals(engine: Engine) -> list[tuple[object, ...]]:
    return rows(
        engine, "select from_warehouse, to_warehouse, quantity, state from analytics.transfer_proposal order by proposal_id"
    )


def test_what_another_warehouse_has_is_proposed_and_only_the_rest_is_bought(engine: Engine, ours: Settings) -> None:
    close_day(engine, ours, TODAY, now=NOW)
    assert proposals(engine) == [("CLUJ", "CENTRAL", 5, "open")]
    assert ordered(engine) == [("acme", "2026-11-24", "R-1", 2, 2, 0)]
    close_day(engine, ours, TODAY + ONE_DAY, now=NOW + ONE_DAY)
    assert (proposals(engine), len(ordered(engine))) == ([("CLUJ", "CENTRAL", 5, "open")], 1)


def test_i30_a_proposal_that_is_taken_moves_the_pieces_to_who_waits_longest(engine: Engine, ours: Settings) -> None:
    close_day(engine, ours, TODAY, now=NOW)
    (proposal,) = rows(engine, "select proposal_id from cloudsales.transfer_proposal")
    moved = transfers.accept(engine, proposal[0])
    assert (moved.sku, moved.from_warehouse, moved.to_warehouse, moved.quantity) == ("R-1", "CLUJ", "CENTRAL", 5)
    assert levels(engine) == {("CENTRAL", "R-1"): (5, 5), ("CLUJ", "R-1"): (0, 0)}
    assert [(one[1], one[2]) for one in lines_of(engine).values()] == [(4, 0), (1, 2)]
    assert told(engine, "line_served") == [("line_served", "fashionup/A/1", 4), ("line_served", "fashionup/B/1", 1)]
    with pytest.raises(RefusedError, match="is done already"):
        transfers.accept(engine, proposal[0])
    with pytest.raises(InputError, match="no transfer proposal 99"):
        transfers.dismiss(engine, 99)
    close_day(engine, ours, TODAY + ONE_DAY, now=NOW + ONE_DAY)
    assert to_be_bought(engine) == {}


@pytest.mark.parametrize("way", ["dismissed", "expired"])
def test_a_proposal_that_nobody_takes_is_bought_and_not_made_again_for_these_lines(
    engine: Engine, ours: Settings, way: str
) -> None:
    close_day(engine, ours, TODAY, now=NOW)
    later = NOW + ONE_DAY
    if way == "dismissed":
        transfers.dismiss(engine, rows(engine, "select proposal_id from cloudsales.transfer_proposal")[0][0], now=later)
    else:
        later = NOW + 3 * ONE_DAY
    close_day(engine, ours, TODAY + ONE_DAY, now=later)
    assert proposals(engine) == [("CLUJ", "CENTRAL", 5, way)]
    assert ordered(engine)[1:] == [("acme", "2026-11-25", "R-1", 5, 5, 0)]


def test_a_proposal_for_whom_nobody_waits_any_more_ends(engine: Engine, ours: Settings) -> None:
    close_day(engine, ours, TODAY, now=NOW)
    cancel_here(engine, "fashionup", "A")
    cancel_here(engine, "fashionup", "B")
    close_day(engine, ours, TODAY + ONE_DAY, now=NOW + ONE_DAY)
    assert proposals(engine) == [("CLUJ", "CENTRAL", 5, "expired")]


def test_pieces_that_have_gone_cant_be_moved(engine: Engine, ours: Settings) -> None:
    from cloudsales_pipeline.stock.movements import Movement

    close_day(engine, ours, TODAY, now=NOW)
    post(engine, [Movement("till", "CLUJ", "R-1", "sale", 3)])
    (proposal,) = rows(engine, "select proposal_id from cloudsales.transfer_proposal")
    with pytest.raises(RefusedError, match="CLUJ does not have 5 free pieces"):
        transfers.accept(engine, proposal[0])
    assert (proposals(engine)[0][3], levels(engine)["CLUJ", "R-1"]) == ("open", (2, 0))


# ------------------------------------------------------------------------------------------------ what must hold


def test_the_rules_hold_after_a_close_and_see_what_is_wrong(engine: Engine, settings: Settings, owner_engine: Engine) -> None:
    ours = house(settings, {"acme": {"pack_size": 5}})
    shelves(engine, ours, {"R-1": "acme", "R-2": None})
    wanted(engine, "A", "R-1", 4)
    wanted(engine, "B", "R-2", 1)
    with engine.connect() as connection:
        today = connection.exec_driver_sql("select current_date").scalar_one()
    close_day(engine, ours, today - 4 * ONE_DAY)
    close_due(engine, ours)
    results = {one.rule: (one.passed, one.ran) for one in check_purchasing(engine, ours)}
    assert results == dict.fromkeys(results, (True, True))
    assert len(results) == 5
    with owner_engine.begin() as connection:
        for table in ("supplier_order_line", "requirement", "supplier_close"):
            connection.exec_driver_sql(f"alter table cloudsales.{table} disable trigger user")
        connection.exec_driver_sql("update cloudsales.requirement set quantity = 6")
        connection.exec_driver_sql("delete from cloudsales.supplier_close where business_date = current_date - 3")
    broken = {one.rule: one.offending_rows for one in check_purchasing(engine, ours) if not one.passed}
    assert broken == {
        "supplier_lines_equal_their_requirement": 1,
        "nothing_bought_twice": 1,
        "ties_within_what_comes": 1,
        "closes_complete": 1,
    }
