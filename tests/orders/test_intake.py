"""Orders in: what is stored, what is reserved, what waits, and what a later revision changes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.channels.port import ChannelOrder, Company, OrderDiscount, OrderHead
from cloudsales_pipeline.orders.intake import take_in
from cloudsales_pipeline.orders.life import clear_review
from cloudsales_pipeline.orders.payloads import store
from cloudsales_pipeline.orders.serving import resolve_unknown_lines, serve, serve_all
from cloudsales_pipeline.settings import ChannelSettings, Settings, StockSettings
from cloudsales_pipeline.stock.inbox import take_inbox
from cloudsales_pipeline.stock.movements import Movement, post
from tests.orders.market import HOME, PARSER, drain, line, lines_of, market, order, receive, shop, statuses, told
from tests.stock.shelf import levels, receipt, rows


def test_an_order_reserves_its_pieces_and_keeps_all_it_carries(engine: Engine) -> None:
    market(engine, {"R-1": 5, "R-2": 1})
    company = replace(order("x", line("R-1")).buyer, company=Company("Teiul SRL", "RO123", "J12/1/2020"))
    one = order(
        "FO1",
        line("R-1", 2, line_id="a"),
        line("R-2", 1, line_id="b", price="59.90"),
        status="paid",
        discounts=(OrderDiscount("TOAMNA", None, Decimal("10.00")), OrderDiscount(None, "b", Decimal("5.90"))),
        buyer=company,
        note="Sunați înainte",
    )
    result = receive(engine, one)
    assert (result.read, result.new, result.lines, result.reserved, result.waiting) == (1, 1, 2, 3, 0)
    assert lines_of(engine) == {"fashionup/FO1/a": (2, 2, 0, 0, 0), "fashionup/FO1/b": (1, 1, 0, 0, 0)}
    assert levels(engine) == {("CENTRAL", "R-1"): (5, 2), ("CENTRAL", "R-2"): (1, 1)}
    columns = "status, payment_status, county, company, currency, delivery_price, discount, total, review, acknowledgement"
    assert rows(engine, f"select {columns} from analytics.sales_order") == [
        ("paid", "paid", "Cluj", True, "RON", Decimal("19.99"), Decimal("10.00"), Decimal("263.99"), [], "due")
    ]
    assert rows(engine, "select unit_price, vat_rate, discount from analytics.sales_order_line where line_id = 'b'") == [
        (Decimal("59.90"), Decimal("21.00"), Decimal("5.90"))
    ]
    person = rows(
        engine, "select name, email, company_name, company_tax_id, note, delivery ->> 'city', billing from personal.buyer"
    )
    assert person == [("Ana Câmpeanu", "ana@example.invalid", "Teiul SRL", "RO123", "Sunați înainte", "Cluj-Napoca", None)]
    assert told(engine) == [("order_imported", "fashionup/FO1", None), ("order_paid", "fashionup/FO1", None)]


def test_f20_of_the_last_piece_the_order_placed_first_gets_it_and_the_other_waits(engine: Engine) -> None:
    market(engine, {"R-1": 1})
    receive(engine, order("LATER", line("R-1"), minutes=5), order("FIRST", line("R-1"), minutes=1))
    assert lines_of(engine) == {"fashionup/FIRST/1": (1, 1, 0, 0, 0), "fashionup/LATER/1": (1, 0, 1, 0, 0)}
    assert told(engine, "line_waiting") == [("line_waiting", "fashionup/LATER/1", 1)]


def test_two_lines_of_one_product_are_summed_before_they_are_served(engine: Engine) -> None:
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1", 2, line_id="a"), line("R-1", 2, line_id="b")))
    assert lines_of(engine) == {"fashionup/FO1/a": (2, 2, 0, 0, 0), "fashionup/FO1/b": (2, 1, 1, 0, 0)}
    assert levels(engine)["CENTRAL", "R-1"] == (3, 3)


def test_a_second_warehouse_helps_out_where_the_first_has_too_little(engine: Engine) -> None:
    market(engine, {"R-1": 1})
    post(engine, [receipt("cluj", "R-1", 5, "CLUJ")])
    receive(engine, order("FO1", line("R-1", 3)), settings=shop(warehouses=("CENTRAL", "CLUJ")))
    assert levels(engine) == {("CENTRAL", "R-1"): (1, 1), ("CLUJ", "R-1"): (5, 2)}
    assert lines_of(engine) == {"fashionup/FO1/1": (3, 3, 0, 0, 0)}


def test_all_or_nothing_holds_nothing_until_all_is_there(engine: Engine) -> None:
    market(engine, {"R-1": 5, "R-2": 0})
    settings = shop("whole")
    receive(engine, order("FO1", line("R-1", 1, line_id="a"), line("R-2", 1, line_id="b")), settings=settings)
    assert lines_of(engine) == {"fashionup/FO1/a": (1, 0, 1, 0, 0), "fashionup/FO1/b": (1, 0, 1, 0, 0)}
    post(engine, [receipt("more", "R-2", 1)])
    assert serve_all(engine) == 2
    assert lines_of(engine) == {"fashionup/FO1/a": (1, 1, 0, 0, 0), "fashionup/FO1/b": (1, 1, 0, 0, 0)}


def test_i13_the_same_revision_again_changes_nothing(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    one = order("FO1", line("R-1", 2))
    receive(engine, one)
    again = receive(engine, one)  # byte for byte: not even stored
    assert again.read == 0
    other_bytes = receive(engine, replace(one, note="o altă notă"))
    assert (other_bytes.unchanged, other_bytes.new, other_bytes.amended) == (1, 0, 0)
    assert levels(engine)["CENTRAL", "R-1"] == (5, 2)


def test_i18_a_cancellation_that_arrives_before_its_order_counts(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 2), revision=2, status="cancelled"))
    late = receive(engine, order("FO1", line("R-1", 2)))
    assert late.unchanged == 1
    assert statuses(engine) == {"FO1": "cancelled"}
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 0, 0, 0, 2)}
    assert levels(engine)["CENTRAL", "R-1"] == (5, 0)


def test_i17_a_cancellation_frees_the_pieces_for_who_waits_in_the_same_transaction(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    receive(engine, order("FO1", line("R-1", 2)), order("FO2", line("R-1", 2), minutes=1))
    receive(engine, order("FO1", line("R-1", 2), revision=2, status="cancelled"))
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 0, 0, 0, 2), "fashionup/FO2/1": (2, 2, 0, 0, 0)}
    assert told(engine, "line_served", "order_cancelled") == [
        ("order_cancelled", "fashionup/FO1", None),
        ("line_served", "fashionup/FO2/1", 2),
    ]
    receive(engine, order("FO1", line("R-1", 2), revision=3, status="cancelled"))
    assert levels(engine)["CENTRAL", "R-1"] == (2, 2)


def test_a_revision_changes_lines_up_down_away_and_new(engine: Engine) -> None:
    market(engine, {"R-1": 3, "R-2": 3, "R-3": 3})
    receive(engine, order("FO1", line("R-1", 3, line_id="a"), line("R-2", 1, line_id="b"), line("R-3", 1, line_id="c")))
    receive(
        engine, order("FO1", line("R-1", 1, line_id="a"), line("R-2", 5, line_id="b"), line("R-3", 2, line_id="d"), revision=2)
    )
    assert lines_of(engine) == {
        "fashionup/FO1/a": (1, 1, 0, 0, 0),
        "fashionup/FO1/b": (5, 3, 2, 0, 0),
        "fashionup/FO1/c": (1, 0, 0, 0, 1),
        "fashionup/FO1/d": (2, 2, 0, 0, 0),
    }
    assert levels(engine) == {("CENTRAL", "R-1"): (3, 1), ("CENTRAL", "R-2"): (3, 3), ("CENTRAL", "R-3"): (3, 2)}


def test_a_line_that_becomes_another_product_gives_the_first_back(engine: Engine) -> None:
    market(engine, {"R-1": 1, "R-2": 1})
    receive(engine, order("FO1", line("R-1", line_id="a")))
    receive(engine, order("FO1", line("R-2", line_id="a"), revision=2))
    assert levels(engine) == {("CENTRAL", "R-1"): (1, 0), ("CENTRAL", "R-2"): (1, 1)}
    assert lines_of(engine) == {"fashionup/FO1/a": (1, 1, 0, 0, 0)}


def test_of_several_revisions_in_one_batch_the_highest_counts(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    result = receive(
        engine,
        order("FO1", line("R-1", 4), revision=3),
        order("FO1", line("R-1", 1)),
        order("FO1", line("R-1", 2), revision=2),
    )
    assert (result.read, result.new, result.unchanged) == (3, 1, 2)
    assert lines_of(engine) == {"fashionup/FO1/1": (4, 4, 0, 0, 0)}


def test_an_order_whose_id_has_a_slash_does_not_settle_the_held_line_of_another(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("a", line("NOBODY", line_id="1")))
    receive(engine, order("a/1", line("R-1")))
    held = rows(engine, "select reference, reason from cloudsales.quarantine where stage = 'orders' and resolved_at is null")
    assert held == [("a/1", "unknown_variant")]
    receive(engine, order("a/1", line("NOBODY", line_id="1"), revision=2))
    held = rows(engine, "select reference from cloudsales.quarantine where stage = 'orders' and resolved_at is null order by 1")
    assert held == [("a%2F1/1",), ("a/1",)]


def test_i19_an_unknown_line_waits_while_the_others_go_on_and_takes_its_place_when_its_code_is_linked(engine: Engine) -> None:
    market(engine, {"R-1": 1, "R-2": 5})
    result = receive(engine, order("FO1", line("R-1", line_id="a"), line("NOVA", 2, line_id="b")))
    assert (result.reserved, result.unknown_lines) == (1, 1)
    assert rows(engine, "select reference, reason from cloudsales.quarantine where resolved_at is null") == [
        ("FO1/b", "unknown_variant")
    ]
    assert resolve_unknown_lines(engine, "fashionup") == 0
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.code_key (key, product_id, kinds) select 'nova', product_id, 4 from cloudsales.product where sku = 'R-2'"
        )
    assert resolve_unknown_lines(engine, "fashionup") == 1
    assert lines_of(engine)["fashionup/FO1/b"] == (2, 2, 0, 0, 0)
    assert rows(engine, "select count(*) from cloudsales.quarantine where resolved_at is null") == [(0,)]


def test_i20_a_total_that_does_not_add_up_is_flagged_and_not_corrected(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), total=Decimal("119.98")))
    assert rows(engine, "select total, review from analytics.sales_order") == [(Decimal("119.98"), ["total_differs"])]
    assert lines_of(engine) == {"fashionup/FO1/1": (1, 1, 0, 0, 0)}


def test_what_can_not_be_read_is_held_and_the_rest_goes_on(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    with engine.begin() as connection:
        store(connection, "fashionup", PARSER, [b"torn", msgspec.json.encode(order("FO1", line("R-1")))])
    result = drain(engine)
    assert (result.read, result.held, result.new) == (2, 1, 1)
    assert rows(engine, "select reason, detail ->> 'what' from cloudsales.quarantine") == [("unreadable", "not an order")]
    assert rows(engine, "select state from personal.order_payload order by 1") == [("held",), ("taken",)]


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"currency": "XAU"}, "unknown_currency"),
        (
            {"delivery": replace(HOME, county="Bavaria")},
            "unknown_county",
        ),
        ({"unknown": ("payment_method",)}, "unknown_payment_method"),
    ],
)
def test_what_nobody_set_up_is_taken_in_reserved_and_flagged(engine: Engine, fields: dict[str, object], flag: str) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), **fields))
    assert rows(engine, "select review, county from analytics.sales_order") == [
        ([flag], None if flag == "unknown_county" else "Cluj")
    ]
    assert levels(engine)["CENTRAL", "R-1"] == (5, 1)


def test_an_unknown_status_is_held_and_keeps_its_stock_until_the_channel_says_more(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), status="unknown", unknown=("status",)))
    assert statuses(engine) == {"FO1": "held"}
    assert levels(engine)["CENTRAL", "R-1"] == (5, 1)
    receive(engine, order("FO1", line("R-1"), status="paid", revision=2))
    assert statuses(engine) == {"FO1": "paid"}


def test_a_cancelled_order_that_a_later_revision_revives_is_for_a_person(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), status="cancelled"))
    receive(engine, order("FO1", line("R-1"), revision=2, status="paid"))
    assert rows(engine, "select status, review from analytics.sales_order") == [("cancelled", ["revived"])]
    assert levels(engine)["CENTRAL", "R-1"] == (5, 0)


def test_a_revived_order_stays_in_review_when_the_channel_says_returned_and_not_when_it_agrees(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    for name, last in (("BACK", "returned"), ("AGREED", "cancelled"), ("WORD", "unknown")):
        receive(engine, order(name, line("R-1"), status="cancelled"))
        receive(engine, order(name, line("R-1"), revision=2, status="paid"))
        receive(engine, order(name, line("R-1"), revision=3, status=last))
    found = "select external_id, status, review from analytics.sales_order order by 1"
    assert rows(engine, found) == [
        ("AGREED", "cancelled", []),
        ("BACK", "returned", ["revived"]),
        ("WORD", "cancelled", ["revived"]),
    ]
    clear_review(engine, "fashionup", "BACK")
    receive(engine, order("BACK", line("R-1"), revision=4, status="returned"))
    assert rows(engine, found)[1] == ("BACK", "returned", [])


@pytest.mark.parametrize("word", ["new", "paid"])
def test_a_returned_order_that_a_later_revision_speaks_of_as_open_is_for_a_person(engine: Engine, word: str) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1")))
    receive(engine, order("FO1", line("R-1"), revision=2, status="returned"))
    receive(engine, order("FO1", line("R-1"), revision=3, status=word))
    assert rows(engine, "select status, review from analytics.sales_order") == [("returned", ["revived"])]


def test_two_channels_may_use_the_same_order_id(engine: Engine) -> None:
    market(engine, {"R-1": 5}, channels=("fashionup", "vendure"))
    receive(engine, order("1", line("R-1")))
    receive(engine, order("1", line("R-1")), channel="vendure")
    assert sorted(lines_of(engine)) == ["fashionup/1/1", "vendure/1/1"]


def test_orders_placed_before_the_start_are_left_to_the_system_that_had_them(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    result = receive(engine, order("OLD", line("R-1"), minutes=-60), settings=shop(placed_since="2026-11-20T12:00:00+00:00"))
    assert (result.read, result.left_out, result.new) == (1, 1, 0)
    assert levels(engine)["CENTRAL", "R-1"] == (5, 0)


def test_a_count_that_finds_too_little_sends_the_newest_order_back_to_waiting(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    receive(engine, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    post(engine, [Movement("count", "CENTRAL", "R-1", "count", 1)])
    assert lines_of(engine) == {"fashionup/FO1/1": (1, 1, 0, 0, 0), "fashionup/FO2/1": (1, 0, 1, 0, 0)}


def test_the_analyst_sees_orders_and_no_person(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    receive(engine, order("FO1", line("R-1")))
    with engine.begin() as connection:
        connection.exec_driver_sql("set local role cloudsales_analyst")
        assert connection.exec_driver_sql("select count(*) from analytics.sales_order").scalar() == 1
    for table in ("personal.buyer", "personal.order_payload", "cloudsales.sales_order"):
        with engine.connect() as connection:
            connection.exec_driver_sql("set role cloudsales_analyst")
            with pytest.raises(Exception, match="permission denied"):
                connection.exec_driver_sql(f"select * from {table}")


def test_what_a_store_receives_serves_who_waits_in_the_same_transaction(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    market(engine, {"R-1": 0}, channels=("fashionup", "cluj"))
    receive(engine, order("FO1", line("R-1", 2)))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "receipts.csv").write_text("reference,warehouse,sku,reason,quantity\nNIR-1,CENTRAL,R-1,receipt,3\n")
    store_channel = ChannelSettings(kind="store", inbox=str(tmp_path / "in"))
    files = settings.model_copy(update={"channels": {"cluj": store_channel}, "stock": StockSettings(settle_seconds=0)})
    assert take_inbox(engine, files, "cluj", then=serve).loaded == 1
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 2, 0, 0, 0)}
    assert told(engine, "line_served") == [("line_served", "fashionup/FO1/1", 2)]


def test_a_revision_that_can_not_be_read_stays_for_a_person_when_an_older_one_comes_later(engine: Engine) -> None:
    market(engine, {"R-1": 5})

    class Third(type(PARSER)):  # type: ignore[misc]
        def parse_order(self, payload: bytes) -> ChannelOrder:
            found: ChannelOrder = PARSER.parse_order(payload)
            if found.revision == 3:
                raise PayloadError("bad_quantity", "line 1: quantity", found.order_id)
            return found

        def order_head(self, payload: bytes) -> OrderHead:
            return PARSER.order_head(payload)

    for revision in (3, 2):
        with engine.begin() as connection:
            store(connection, "fashionup", PARSER, [msgspec.json.encode(order("FO1", line("R-1"), revision=revision))])
        take_in(engine, Third(), "fashionup", shop())
    assert rows(engine, "select revision, status from analytics.sales_order") == [(2, "new")]
    assert rows(engine, "select reference, reason from cloudsales.quarantine where resolved_at is null") == [
        ("FO1", "bad_quantity")
    ]
