"""One order's story, and who holds or awaits a product."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from cloudsales_pipeline.orders.life import issue
from cloudsales_pipeline.orders.returns import receive_return, restock
from cloudsales_pipeline.orders.story import Story, held_for, story_of, waiting_for
from cloudsales_pipeline.stock.movements import Movement, post
from tests.orders.market import line, market, order, receive, shop
from tests.stock.shelf import NOON


def story(engine: Engine, external_id: str) -> Story:
    with engine.connect() as connection:
        return story_of(connection, "fashionup", external_id)


def steps(told: Story) -> list[tuple[str, str | None, int | None]]:
    return [(row["what"], row["line"], row["pieces"]) for row in told.timeline]


def test_an_order_that_was_short_then_amended_tells_each_step_in_its_order(engine: Engine) -> None:
    market(engine, {"R-1": 3, "R-2": 1})
    receive(engine, order("FO1", line("R-1", 2, line_id="a"), line("R-2", 2, line_id="b")))
    receive(engine, order("FO1", line("R-1", 1, line_id="a"), line("R-2", 2, line_id="b"), revision=2, status="paid"))
    told = story(engine, "FO1")
    assert [one for one in steps(told) if one[0] != "payload_received"] == [
        ("reserved", "a", 2),
        ("reserved", "b", 1),
        ("order_imported", None, None),
        ("line_waiting", "b", 1),
        ("reservation_split", "a", 2),
        ("reserved", "a", 1),
        ("order_amended", None, None),
        ("order_paid", None, None),
    ]
    assert steps(told)[0] == ("payload_received", None, None)
    assert [row["detail"] for row in told.timeline if row["what"] == "payload_received"] == [
        {"revision": 1, "state": "taken"},
        {"revision": 2, "state": "taken"},
    ]
    assert [row["at"] for row in told.timeline] == sorted(row["at"] for row in told.timeline)
    figures = ("line", "sku", "ordered", "reserved", "waiting", "issued", "cancelled")
    assert [tuple(row[name] for name in figures) for row in told.lines] == [
        ("a", "R-1", 1, 1, 0, 0, 0),
        ("b", "R-2", 2, 1, 1, 0, 0),
    ]
    assert (told.order["status"], told.order["revision"], told.order["acknowledgement"]) == ("paid", 2, "due")


def test_a_payload_that_nobody_could_take_is_in_the_story_of_its_order_with_its_reason(engine: Engine) -> None:
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1"), revision=2))
    receive(engine, order("FO1", line("R-1"), revision=1))
    assert [row["detail"]["state"] for row in story(engine, "FO1").timeline if row["what"] == "payload_received"] == [
        "taken",
        "stale",
    ]


def test_what_waits_knows_its_place_and_the_pieces_before_it(engine: Engine) -> None:
    market(engine, {"R-1": 1})
    receive(
        engine,
        order("FIRST", line("R-1", 3), minutes=1),
        order("SECOND", line("R-1", 2), minutes=2),
        order("THIRD", line("R-1", 4), line("R-9", 1, line_id="2"), minutes=3),
    )
    assert [(row["line"], row["waiting"], row["place"], row["pieces_before"]) for row in story(engine, "THIRD").waiting] == [
        ("1", 4, 3, 4),
        ("2", 1, None, None),
    ]
    assert [row["unknown"] for row in story(engine, "THIRD").waiting] == [None, "unknown_variant"]
    assert [(row["place"], row["pieces_before"]) for row in story(engine, "FIRST").waiting] == [(1, 0)]


def test_orders_that_take_all_or_nothing_stand_in_a_queue_of_their_own(engine: Engine) -> None:
    market(engine, {"R-1": 0})
    receive(engine, order("PART", line("R-1", 1), minutes=1))
    receive(engine, order("WHOLE", line("R-1", 1), minutes=2), settings=shop("whole"))
    assert story(engine, "WHOLE").waiting[0]["place"] == 1


def test_a_count_that_displaced_a_reservation_is_told_with_its_place(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    receive(engine, order("FO1", line("R-1", 2)))
    post(engine, [Movement("count-1", "CENTRAL", "R-1", "count", 1, NOON)])
    assert [one for one in steps(story(engine, "FO1")) if "displaced" in one[0] or "split" in one[0]] == [
        ("reservation_split", "1", 2),
        ("reservation_displaced", "1", 1),
    ]


def test_ids_of_another_order_that_look_alike_stay_out_of_the_story(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    receive(engine, order("FO1", line("R-1")), order("FO1/1", line("R-1")), order("FO11", line("R-1")))
    assert [one[0] for one in steps(story(engine, "FO1"))] == ["payload_received", "reserved", "order_imported"]


def test_a_product_says_which_orders_hold_it_and_which_wait_in_their_order(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    receive(
        engine,
        order("B", line("R-1", 1), minutes=2),
        order("A", line("R-1", 1), minutes=1),
        order("C", line("R-1", 5), minutes=3),
    )
    with engine.connect() as connection:
        held, waiting = held_for(connection, "R-1"), waiting_for(connection, "R-1")
    assert [(row["warehouse"], row["pieces"], row["channel"], row["id"], row["line"]) for row in held] == [
        ("CENTRAL", 1, "fashionup", "A", "1"),
        ("CENTRAL", 1, "fashionup", "B", "1"),
    ]
    assert [(row["place"], row["id"], row["waiting"]) for row in waiting] == [(1, "C", 5)]


def test_goods_that_left_and_came_back_are_in_the_story_with_their_documents_and_warehouses(engine: Engine) -> None:
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1", 2)), order("OTHER", line("R-1", 1)))
    issue(engine, "fashionup", "OTHER", reference="AVIZ-1")
    issue(engine, "fashionup", "FO1", reference="AVIZ-2")
    receive_return(engine, "fashionup", "FO1", {"1": 1}, reference="RET-1")
    restock(engine, "fashionup", shop(), "FO1", {"1": 1}, reference="RET-1")
    moved = [row for row in story(engine, "FO1").timeline if row["what"].startswith("stock_")]
    assert [(row["what"], row["sku"], row["warehouse"], row["pieces"], row["detail"]) for row in moved] == [
        ("stock_sale", "R-1", "CENTRAL", -2, {"document": "AVIZ-2"}),
        ("stock_return", "R-1", "CENTRAL", 1, {"document": "RET-1"}),
    ]
    assert [one[0] for one in steps(story(engine, "FO1")) if one[0].startswith(("order_", "reservation_"))] == [
        "order_imported",
        "reservation_issued",
        "order_issued",
    ]
