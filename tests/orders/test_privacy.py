"""A person's data, given out and taken away (I-49)."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import Buyer, ChannelOrder, Company
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.orders.payloads import store
from cloudsales_pipeline.orders.people import person, text_of
from cloudsales_pipeline.orders.privacy import Erased, erase, export
from tests.orders.market import HOME, PARSER, drain, line, lines_of, market, order, receive, statuses, told
from tests.stock.shelf import rows

ANA = "ana.pop@example.invalid"
NUMBER = "+40 722-333.444"


def of_ana(order_id: str, **fields: Any) -> ChannelOrder:
    given: dict[str, Any] = {
        "buyer": Buyer("Ana Pop", ANA, "0722333444", Company("Pop Flori SRL", "RO77", "J12/7")),
        "delivery": replace(HOME, name="Ana Pop", street="Strada Macului 9", postal_code="407777", phone="0722333444"),
        "billing": replace(HOME, name="Pop Flori SRL", street="Strada Facturii 2"),
        "note": "sunați la poartă",
        "status": "cancelled",
    }
    return order(order_id, line("R-1"), **(given | fields))


def texts(engine: Engine) -> str:
    """All that the schema personal holds, payloads unpacked, as one text."""
    found = [str(row) for row in rows(engine, "select * from personal.buyer")]
    packed = rows(engine, "select payload from personal.order_payload where payload is not null")
    return "\n".join([*found, *(zlib.decompress(row[0]).decode("utf-8", "replace") for row in packed)])


def put(engine: Engine, *payloads: bytes) -> None:
    with engine.begin() as connection:
        store(connection, "fashionup", PARSER, payloads)


@pytest.mark.parametrize(
    ("word", "text", "there"),
    [
        ("ana@example.ro", "mail: ANA@example.ro.", True),
        ("ana@example.ro", "diana@example.ro", False),
        ("ana@example.ro", "ana@example.ro.evil.com", False),
        ("a.a@example.ro", "aXa@example.ro", False),
        ("+40 722 333 444", "tel 0722/333-444", True),
        ("0722333444", "+40722333444", True),
        ("0722333444", "0040 722 333 444", True),
        ("40722333444", "(0722) 333 444", True),
        ("722333444", "+40 (0)722333444", True),
        ("0722333444", "10722333444", False),
        ("0722333444", "07223334445", False),
        ("+49 151 2345678", "00491512345678", True),
        ("+49 151 2345678", "0722333444", False),
    ],
)
def test_a_person_is_found_however_the_address_or_the_number_is_written(
    engine: Engine, word: str, text: str, there: bool
) -> None:
    who = person(word)
    assert who.is_in(text) is there
    assert rows(engine, "select cast(:text as text) ~* :pattern", text=text, pattern=who.pattern) == [(there,)]


@pytest.mark.parametrize("word", ["", "ana", "Ana Pop", "12", "a b@example.ro", "1" * 30])
def test_a_word_that_is_neither_is_refused_and_not_repeated(word: str) -> None:
    with pytest.raises(InputError) as raised:
        person(word)
    assert not word or word not in raised.value.message


def test_a_payload_with_its_at_sign_escaped_names_the_person_too() -> None:
    assert person(ANA).is_in(text_of(rb'{"e": "ana.pop\u0040example.invalid"}'))


def test_i49_after_an_erasure_nothing_of_the_person_is_left_and_the_orders_figures_stand(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("FO1"), of_ana("FO2", buyer=Buyer("Ana Pop", ANA.upper(), None, None)), order("BOB", line("R-1")))
    receive(engine, of_ana("FO1", revision=2))
    before = rows(engine, "select * from analytics.sales_order order by 1, 2"), lines_of(engine)
    assert erase(engine, person(ANA)) == Erased(orders=2, notes=0, payloads=3, unread=0)
    left = texts(engine)
    for trace in (ANA, "Pop", "Macului", "Facturii", "722333444", "RO77", "J12/7", "poartă", "407777"):
        assert trace.lower() not in left.lower()
    assert "Teiului 3" in left  # the other buyer's
    assert (rows(engine, "select * from analytics.sales_order order by 1, 2"), lines_of(engine)) == before
    assert rows(engine, "select name, delivery ->> 'county', delivery ->> 'country', billing ->> 'country', erased_at is not null"
                        " from personal.buyer join cloudsales.sales_order using (order_id) where external_id = 'FO1'") == [
        ("(erased)", "Cluj", "RO", "RO", True)
    ]  # fmt: skip


def test_i49_the_planners_samples_of_a_persons_texts_go_too(engine: Engine, owner_engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("FO1"), of_ana("FO2"), order("BOB", line("R-1")))
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("analyze personal.buyer")
    samples = "select most_common_vals::text, histogram_bounds::text from pg_stats where schemaname = 'personal'"
    assert ANA in str(rows(owner_engine, samples))
    erase(engine, person(ANA))
    assert "Macului" not in str(rows(owner_engine, samples))
    assert ANA not in str(rows(owner_engine, samples))


def test_i49_the_event_of_an_erasure_counts_and_names_nobody_and_a_second_erasure_does_nothing(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("FO1"))
    erase(engine, person(ANA))
    assert erase(engine, person(ANA)) == Erased(0, 0, 0, 0)
    assert rows(engine, "select channel, reference, detail from cloudsales.event where kind = 'person_erased'") == [
        ("", "", {"orders": 1, "notes": 0, "payloads": 1, "messages": 0})
    ]


def test_an_erasure_by_phone_finds_the_order_whose_address_alone_has_the_number(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("GIFT", buyer=Buyer("Ion", "ion@example.invalid", None, None)), order("BOB", line("R-1")))
    assert erase(engine, person(NUMBER)).orders == 1


def test_a_dry_run_counts_and_changes_nothing(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("FO1"))
    before = texts(engine)
    assert erase(engine, person(ANA), dry_run=True) == Erased(1, 0, 1, 0)
    assert texts(engine) == before
    assert told(engine, "person_erased") == []


def test_open_orders_are_refused_whole_unless_they_are_named(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("FO1"), of_ana("FO2", status="paid"))
    with pytest.raises(RefusedError, match=r"^1 of the person's orders are open"):
        erase(engine, person(ANA))
    assert ANA in texts(engine)
    assert erase(engine, person(ANA), open_orders=True).orders == 2


def test_i49_an_erased_order_that_comes_again_is_amended_and_brings_nobody_back(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("FO1", status="paid"))
    erase(engine, person(ANA), open_orders=True)
    receive(engine, of_ana("FO1", status="paid"))  # the same page again, byte for byte
    result = receive(engine, of_ana("FO1", revision=3))
    receive(engine, of_ana("FO1", revision=2, status="paid"))
    assert result.amended == 1
    assert statuses(engine) == {"FO1": "cancelled"}
    assert "Pop" not in texts(engine)
    assert rows(engine, "select revision, state, payload is null, erased_at is not null from personal.order_payload order by 1") == [
        (1, "taken", True, True), (2, "stale", True, True), (3, "taken", True, True)
    ]  # fmt: skip


def test_i49_what_could_not_be_read_is_searched_too_and_stays_for_a_look_without_its_text(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    put(engine, b'{"torn": "' + ANA.upper().encode() + b'", "tel": "0722 333 444', b"\xff\xfe other")
    drain(engine)
    assert erase(engine, person(NUMBER)) == Erased(0, 0, 1, 0)
    assert ANA not in texts(engine).lower()
    assert "other" in texts(engine)
    assert rows(engine, "select count(*) from cloudsales.quarantine where resolved_at is null") == [(2,)]
    assert rows(engine, "select state, payload is null from personal.order_payload order by payload_id") == [
        ("held", True),
        ("held", False),
    ]


def test_the_note_of_another_buyer_that_names_the_person_goes_and_the_buyer_stays(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("BOB", line("R-1"), note=f"factura la {ANA}"))
    assert erase(engine, person(ANA)) == Erased(orders=0, notes=1, payloads=1, unread=0)
    assert rows(engine, "select name, note, erased_at from personal.buyer") == [("Ana Câmpeanu", None, None)]


def test_an_order_that_is_stored_and_not_taken_in_yet_is_said_and_not_lost(engine: Engine) -> None:
    from tests.orders.market import payload

    market(engine, {"R-1": 5})
    put(engine, payload(of_ana("FO1")))
    assert erase(engine, person(ANA)) == Erased(0, 0, 0, unread=1)
    drain(engine)
    assert erase(engine, person(ANA)) == Erased(1, 0, 1, 0)


def test_an_earlier_revision_under_another_address_is_found_in_its_payload(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), buyer=Buyer("X", "old@example.invalid", None, None)))
    receive(engine, order("FO1", line("R-1"), revision=2, buyer=Buyer("X", "new@example.invalid", None, None)))
    assert erase(engine, person("old@example.invalid")) == Erased(0, 0, 1, 0)
    assert "old@example" not in texts(engine)


def test_an_export_holds_everything_of_the_person_and_nothing_of_others(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("FO1"), order("BOB", line("R-1"), note=f"factura la {ANA}"))
    put(engine, b"torn " + ANA.encode())
    drain(engine)
    found = export(engine, person(ANA))
    [one] = found["orders"]
    assert (one["external_id"], one["total"], one["buyer"]["email"]) == ("FO1", "119.99", ANA)
    assert one["buyer"]["delivery"]["street"] == "Strada Macului 9"
    assert [(row["external_line_id"], row["unit_price"]) for row in one["lines"]] == [("1", "100.00")]
    assert found["mentions"] == [{"channel": "fashionup", "id": "BOB", "note": f"factura la {ANA}"}]
    assert [(row["id"], row["payload"] is None) for row in found["payloads"]] == [("FO1", False), ("BOB", True), ("", False)]
    assert "Câmpeanu" not in str(found)


def test_a_text_that_looks_like_a_pattern_finds_only_itself(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("FO1"))
    assert erase(engine, person(".*@.*")) == Erased(0, 0, 0, 0)


def test_i47_only_who_answers_customers_reads_of_people_and_nobody_but_the_pipeline_writes(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, of_ana("FO1"))

    def refused(role: str, sql: str) -> bool:
        with engine.connect() as connection:
            connection.execute(sa.text(f"set role {role}"))
            try:
                connection.execute(sa.text(sql))
            except sa.exc.ProgrammingError as error:
                return "permission denied" in str(error)
            finally:
                connection.rollback()
        return False

    reads = ("select * from personal.buyer", "select * from personal.order_payload")
    writes = (
        "update personal.buyer set note = null",
        "delete from personal.order_payload",
        "insert into personal.buyer (order_id, name, delivery) select order_id, 'x', '{}' from analytics.sales_order, (select 1 as order_id) o",
        "truncate personal.buyer",
        "create table personal.copy (x int)",
    )
    assert all(refused("cloudsales_analyst", sql) for sql in (*reads, *writes))
    assert not any(refused("cloudsales_personal", sql) for sql in (*reads, "select * from analytics.sales_order"))
    assert all(
        refused("cloudsales_personal", sql)
        for sql in (*writes, "select * from cloudsales.sales_order", "select * from cloudsales.event")
    )
    assert not any(refused("cloudsales_pipeline", sql) for sql in (*reads, writes[0], writes[1]))
    assert refused("cloudsales_pipeline", "update cloudsales.event set kind = ''")
