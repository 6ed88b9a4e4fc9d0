"""What happens to orders becomes messages, once each, in time, to who wants them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import Address, Buyer, PaymentMethod, PaymentStatus
from cloudsales_pipeline.messages.consent import opt_in, opt_out
from cloudsales_pipeline.messages.telling import tell
from cloudsales_pipeline.orders.people import person
from cloudsales_pipeline.orders.privacy import erase
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.settings.documents import CourierSettings
from tests.messages.shop import happenings, messages, moves, telling, texts, told, waybill
from tests.orders.market import line, market, order, receive
from tests.stock.shelf import rows

IMPORTED = {"on": "order_imported"}
HOME_WITHOUT_PHONE = Address("Ana", None, "Strada Teiului 3", "Cluj-Napoca", "Cluj", "400001", "RO", None)


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


def test_i39_a_first_import_of_10_000_old_orders_writes_nothing_whatever_becomes_of_them(
    engine: Engine, settings: Settings
) -> None:
    every = [{"on": event} for event in ("order_imported", "waiting_for_stock", "paid", "cancelled", "invoice_issued")]
    shop = telling(engine, settings, *every, max_age=timedelta(days=3))
    market(engine, {"R-1": 1})
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.sales_order (channel, external_id, revision, status, channel_status, placed_at, changed_at, payment_method,"
            " payment_status, delivery_method, currency, delivery_price, discount, total, expected_total, warehouses)"
            " select 'fashionup', 'O' || n, 1, 'new', 'new', now() - interval '4 days', now(), 'card', 'pending', 'courier', 'RON', 0, 0, 100, 100,"
            " '{CENTRAL}' from generate_series(1, 10000) n"
        )
        connection.exec_driver_sql(
            "insert into cloudsales.sales_order_line (order_id, external_line_id, position, owner, variant_id, name, product_id, quantity, unit_price, placed_at)"
            " select order_id, '1', 1, 'fashionup/' || external_id || '/1', 'v', 'Rochie', (select product_id from cloudsales.product), 1, 100, placed_at"
            " from cloudsales.sales_order"
        )
        connection.exec_driver_sql("update cloudsales.sales_order set payment_status = 'paid' where mod(order_id, 2) = 0")
        connection.exec_driver_sql("update cloudsales.sales_order set status = 'cancelled' where mod(order_id, 2) = 1")
    assert happenings(engine) == []
    receive(engine, order("FO1", line("R-1", 2), placed_at=datetime.now(UTC) - timedelta(days=2)))
    assert happenings(engine) == ["order_imported", "waiting_for_stock"]
    assert tell(engine, shop).queued == 2


def test_a_buyer_hears_that_goods_are_waited_for_and_that_they_came(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, {"on": "waiting_for_stock"}, {"on": "stock_arrived"})
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1", 1)), order("FO2", line("R-1", 3)))
    assert told(engine, shop) == [("FO2", "waiting_for_stock", "email", "new", None)]
    assert "- 3 × Rochie R-1" in texts(engine)[0][2]
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.sales_order_line set reserved = 2 where owner = 'fashionup/FO2/1'")
        connection.exec_driver_sql("update cloudsales.sales_order_line set reserved = 3 where owner = 'fashionup/FO2/1'")
    assert told(engine, shop) == [
        ("FO2", "waiting_for_stock", "email", "skipped", "superseded"),
        ("FO2", "stock_arrived", "email", "new", None),
    ]


def test_goods_that_came_before_anybody_was_told_that_they_lack_leave_the_buyer_in_peace(
    engine: Engine, settings: Settings
) -> None:
    shop = telling(engine, settings, {"on": "waiting_for_stock"})
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1", 2)))
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.sales_order_line set reserved = 2")
    assert told(engine, shop) == [("FO1", "waiting_for_stock", "email", "skipped", "superseded")]


def test_a_payment_is_told_but_not_the_one_at_the_door(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, {"on": "paid"})
    market(engine, {"R-1": 5})
    card = {"payment_method": PaymentMethod.CARD}
    receive(engine, order("FO1", line("R-1"), **card), order("FO2", line("R-1")))
    paid = {"payment_status": PaymentStatus.PAID}
    receive(engine, order("FO1", line("R-1"), revision=2, **card, **paid), order("FO2", line("R-1"), revision=2, **paid))
    receive(engine, order("FO1", line("R-1"), revision=3, **card, **paid))
    assert told(engine, shop) == [("FO1", "paid", "email", "new", None)]


def test_a_cancelled_order_is_told_of_and_what_was_still_to_be_said_of_it_is_not(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, IMPORTED, {"on": "order_imported", "medium": "sms"})
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1")), order("FO2", line("R-1")))
    tell(engine, shop)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "update personal.message set state = 'sent', sent_at = now() where external_id = 'FO1' and medium = 'email'"
        )
    receive(engine, order("FO1", line("R-1"), revision=2, status="cancelled"))
    assert tell(engine, shop).withdrawn == 1
    assert messages(engine) == [
        ("FO1", "order_imported", "email", "sent", None),
        ("FO1", "order_imported", "sms", "skipped", "superseded"),
        ("FO2", "order_imported", "email", "new", None),
        ("FO2", "order_imported", "sms", "new", None),
    ]


def test_parcels_news_that_come_in_the_wrong_order_are_told_by_the_last(engine: Engine, settings: Settings) -> None:
    shop = telling(
        engine, settings, {"on": "waybill_shipped"}, {"on": "waybill_delivered"}, {"on": "waybill_delivered", "medium": "sms"}
    )
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1")))
    waybill(engine, "FO1", "created")
    moves(engine, "FO1", "shipped")
    moves(engine, "FO1", "delivered")
    assert told(engine, shop) == [
        ("FO1", "waybill_shipped", "email", "skipped", "superseded"),
        ("FO1", "waybill_delivered", "email", "new", None),
        ("FO1", "waybill_delivered", "sms", "new", None),
    ]
    moves(engine, "FO1", "shipped")  # the courier's list came late
    assert len(told(engine, shop)) == 3


def test_a_delivery_that_the_courier_tells_of_days_later_is_old_news(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, {"on": "waybill_delivered"}, max_age=timedelta(days=3))
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), placed_at=datetime.now(UTC) - timedelta(days=1)))
    waybill(engine, "FO1", "created")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.waybill_event (waybill_id, occurred_at, code, state)"
            " select waybill_id, now() - interval '4 days', 'D', 'delivered' from cloudsales.waybill"
        )
    moves(engine, "FO1", "delivered")
    assert told(engine, shop) == [("FO1", "waybill_delivered", "email", "skipped", "too_old")]


def test_an_order_of_two_parcels_is_delivered_with_the_second(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, {"on": "waybill_issued"}, {"on": "waybill_delivered"})
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1")))
    waybill(engine, "FO1", parcel=1)
    waybill(engine, "FO1", parcel=2)
    moves(engine, "FO1", "created", 1, "A1")
    assert told(engine, shop) == []
    moves(engine, "FO1", "created", 2, "A2")
    assert told(engine, shop) == [("FO1", "waybill_issued", "email", "new", None)]
    assert "A1, A2" in texts(engine)[0][2]
    moves(engine, "FO1", "delivered", 2)
    assert len(told(engine, shop)) == 1
    moves(engine, "FO1", "delivered", 1)
    assert told(engine, shop)[1] == ("FO1", "waybill_delivered", "email", "new", None)


def test_a_second_waybill_is_told_again_with_its_number_and_the_first_no_more(engine: Engine, settings: Settings) -> None:
    account = {"kind": "sameday", "url": "http://127.0.0.1:9", "user_env": "U", "password_env": "P"}
    page = {"tracking_url": "https://sameday.example/#awb={number}"}
    carriers = {"sameday": CourierSettings.model_validate({**account, **page})}
    shop = telling(engine, settings, {"on": "waybill_issued"}).model_copy(update={"couriers": carriers})
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1")))
    waybill(engine, "FO1", "created", number="A 1")
    tell(engine, shop)
    assert "https://sameday.example/#awb=A%201" in texts(engine)[0][2]
    moves(engine, "FO1", "cancelled")
    assert told(engine, shop) == [("FO1", "waybill_issued", "email", "skipped", "superseded")]
    waybill(engine, "FO1", "created", number="A2")
    assert told(engine, shop) == [
        ("FO1", "waybill_issued", "email", "skipped", "superseded"),
        ("FO1", "waybill_issued_again_1", "email", "new", None),
    ]


def test_quiet_hours_move_an_sms_to_their_end_and_a_second_try_too(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, {"on": "order_imported", "medium": "sms"}, IMPORTED, quiet_hours=("21:00", "09:00"))
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1")))
    night, morning = datetime(2126, 1, 10, 20, 30, tzinfo=UTC), datetime(2126, 1, 11, 7, tzinfo=UTC)  # 22:30 and 9:00 here
    tell(engine, shop, now=night)
    assert rows(engine, "select due_at from personal.message where medium = 'sms'") == [(morning,)]
    assert rows(engine, "select due_at < now() + interval '1 minute' from personal.message where medium = 'email'") == [(True,)]
    with engine.begin() as connection:
        connection.exec_driver_sql("update personal.message set due_at = now(), reason = 'refused_for_now'")
    tell(engine, shop, now=night)
    assert rows(engine, "select medium, due_at > now() from personal.message order by 1") == [("email", False), ("sms", True)]


def test_at_most_so_many_messages_a_day_reach_a_person_by_one_medium(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, IMPORTED, {"on": "order_imported", "to": "shop@example.ro"}, per_day=2)
    market(engine, {"R-1": 9})
    receive(engine, *(order(f"FO{n}", line("R-1"), minutes=n) for n in range(3)))
    tell(engine, shop)
    receive(engine, order("FO3", line("R-1"), minutes=3, buyer=Buyer("Ana", " ANA@example.invalid ", None, None)))
    receive(engine, order("FO4", line("R-1"), minutes=4, buyer=Buyer("Ion", "ion@example.invalid", None, None)))
    done = tell(engine, shop)
    assert (done.queued, done.skipped) == (3, {"daily_cap": 1})
    capped = [(of, reason) for of, _, _, state, reason in messages(engine) if state == "skipped"]
    assert capped == [("FO2", "daily_cap"), ("FO3", "daily_cap")]
    assert len(messages(engine)) == 10


def test_who_opted_out_is_told_nothing_and_it_is_seen_until_opted_in(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, IMPORTED, {"on": "order_imported", "medium": "sms"})
    market(engine, {"R-1": 9})
    receive(engine, order("FO1", line("R-1")))
    tell(engine, shop)
    assert opt_out(engine, "0700 000 001") == 1  # the number of the orders, as people write it
    receive(engine, order("FO2", line("R-1"), minutes=1))
    assert tell(engine, shop).skipped == {"opted_out": 1}
    assert opt_in(engine, "+40 700 000 001")
    assert not opt_in(engine, "+40 700 000 001")
    receive(engine, order("FO3", line("R-1"), minutes=2))
    assert [(of, state, reason) for of, _, medium, state, reason in told(engine, shop) if medium == "sms"] == [
        ("FO1", "skipped", "opted_out"),
        ("FO2", "skipped", "opted_out"),
        ("FO3", "new", None),
    ]


def test_numbers_that_cost_or_that_no_sms_reaches_are_left_out_with_the_reason(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, {"on": "order_imported", "medium": "sms"})
    market(engine, {"R-1": 9})
    numbers = ["0722 123 456", "0906 123 456", "0213 123 456", "0801 100 000", "12", None, "+44 7400 123456"]
    receive(
        engine,
        *(
            order(f"FO{n}", line("R-1"), minutes=n, buyer=Buyer("Ana", None, number, None), delivery=HOME_WITHOUT_PHONE)
            for n, number in enumerate(numbers)
        ),
    )
    tell(engine, shop)
    assert rows(engine, "select recipient, reason from personal.message order by message_id") == [
        ("+40722123456", None),
        ("0906 123 456", "number_premium"),
        ("0213 123 456", "number_not_mobile"),
        ("0801 100 000", "number_premium"),
        ("12", "number_invalid"),
        (None, "no_address"),
        ("+447400123456", None),
    ]


def test_i49_an_order_that_was_erased_in_between_leaves_no_trace_of_its_buyer(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, IMPORTED, {"on": "order_imported", "to": "shop@example.ro"})
    market(engine, {"R-1": 9})
    receive(engine, order("FO1", line("R-1"), status="new"))
    erase(engine, person("ana@example.invalid"), open_orders=True)
    tell(engine, shop)
    assert rows(engine, "select recipient, state, reason, body_text from personal.message order by 2 desc")[0] == (
        None, "skipped", "erased", "",
    )  # fmt: skip
    assert rows(
        engine, "select count(*) from personal.message where concat(recipient, title, body_text, body_html) ~* 'ana|câmp'"
    ) == [(0,)]


def test_what_is_too_old_when_its_turn_comes_is_skipped_and_so_is_what_lay_too_long(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, IMPORTED)
    market(engine, {"R-1": 9})
    receive(engine, order("FO1", line("R-1")))
    tell(engine, shop)
    receive(engine, order("FO2", line("R-1"), minutes=1))
    young = shop.model_copy(update={"messages": shop.messages.model_copy(update={"max_age": timedelta(hours=1)})})
    done = tell(engine, young, now=datetime.now(UTC) + timedelta(hours=2))
    assert (done.withdrawn, done.skipped) == (1, {"too_old": 1})
    assert {(state, reason) for *_, state, reason in messages(engine)} == {("skipped", "too_old")}


def test_a_rule_for_one_channel_leaves_the_others_alone_and_speaks_its_language(engine: Engine, settings: Settings) -> None:
    other = settings.model_copy(update={"channels": {**settings.channels, "nordmode": settings.channels["fashionup"]}})
    market(engine, {"R-1": 9}, channels=("fashionup", "nordmode"))
    shop = telling(engine, other, {**IMPORTED, "channels": ["nordmode"], "language": "en"})
    receive(engine, order("FO1", line("R-1")))
    receive(engine, order("NM1", line("R-1")), channel="nordmode")
    tell(engine, shop)
    assert [title for _, title, _ in texts(engine)] == ["We have received order NM1"]


def test_rules_that_are_taken_away_note_nothing_more(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, IMPORTED)
    market(engine, {"R-1": 9})
    assert sorted(rows(engine, "select event from cloudsales.message_wanted")) == [
        ("cancelled",), ("expired",), ("order_imported",), ("returned",), ("waybill_delivered",), ("waybill_returned",),
    ]  # fmt: skip
    telling(engine, shop)
    receive(engine, order("FO1", line("R-1")))
    assert (happenings(engine), rows(engine, "select event from cloudsales.message_wanted")) == ([], [])
