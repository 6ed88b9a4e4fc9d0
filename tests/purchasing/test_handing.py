"""Closed orders become one queued message each, with their documents, whatever is killed in between."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.purchasing.handing import hand_over
from cloudsales_pipeline.settings import Settings
from tests.killing import killed_at_each_step
from tests.purchasing.bought import ordered, suppliers, with_suppliers
from tests.stock.shelf import rows, stock_world

ONE, TWO = "CF-2026-000001", "CF-2026-000002"


@pytest.fixture
def shop(engine: Engine, settings: Settings) -> Settings:
    """An order of nord, which has an address, and one of south, which has none."""
    stock_world(engine)
    suppliers(engine, "nord", "south")
    ordered(engine, ONE, [{"sku": "R-1", "quantity": 12, "pack_size": 6, "price": "10.50"}, {"sku": "R-2", "quantity": 3}])
    ordered(engine, TWO, [{"sku": "R-2", "quantity": 1}], supplier="south", language="en")
    return with_suppliers(settings)


def messages(engine: Engine) -> list[tuple[Any, ...]]:
    """(number, event, recipient, names of its files)."""
    return rows(
        engine,
        "select m.external_id, m.event, m.recipient, array_agg(f.name order by x.position) from personal.message m"
        " join personal.message_file x using (message_id) join personal.stored_file f using (file_id) group by m.message_id order by m.message_id",
    )


def asked(engine: Engine) -> list[tuple[Any, ...]]:
    return rows(engine, "select reference, reason, resolution from cloudsales.quarantine where stage = 'purchasing' order by 1")


def test_an_order_is_queued_once_in_the_suppliers_language(engine: Engine, shop: Settings) -> None:
    assert hand_over(engine, shop).queued == (ONE,)
    assert hand_over(engine, shop).queued == ()
    assert messages(engine) == [(ONE, "supplier_order", "comenzi@nord.example", [f"{ONE}.pdf", f"{ONE}.xlsx"])]
    ((title, text, language),) = rows(engine, "select title, body_text, language from personal.message")
    assert (title, language) == (f"Comanda {ONE} de la Fashion Up SRL", "ro")
    assert f"Vă trimitem comanda {ONE} din 20.11.2026: 2 poziții, 15 bucăți." in text
    assert "Vă rugăm să livrați la: Depozit central." in text


def test_an_address_that_changes_does_not_send_the_order_twice(engine: Engine, shop: Settings) -> None:
    hand_over(engine, shop)
    moved = with_suppliers(shop, email="nou@nord.example")
    assert hand_over(engine, moved).queued == ()
    assert hand_over(engine, moved, numbers=[ONE]).before == (ONE,)


def test_a_supplier_without_address_waits_for_a_person_and_goes_out_when_it_has_one(engine: Engine, shop: Settings) -> None:
    assert hand_over(engine, shop).without_address == (TWO,)
    assert hand_over(engine, shop).without_address == (TWO,)
    assert asked(engine) == [(TWO, "supplier_without_email", None)]
    addressed = shop.suppliers["south"].model_copy(update={"email": "orders@south.example"})
    known = shop.model_copy(update={"suppliers": {**shop.suppliers, "south": addressed}})
    assert hand_over(engine, known).queued == (TWO,)
    assert asked(engine) == [(TWO, "supplier_without_email", "resolved")]
    assert rows(engine, "select title, language from personal.message where external_id = :n", n=TWO) == [
        (f"Order {TWO} from Fashion Up SRL", "en")
    ]


def test_again_is_a_new_message_with_the_same_stored_bytes_for_named_orders_alone(engine: Engine, shop: Settings) -> None:
    hand_over(engine, shop)
    assert hand_over(engine, shop, numbers=[ONE], again=True).queued == (ONE,)
    assert hand_over(engine, shop, numbers=[ONE], again=True).queued == (ONE,)
    assert [event for _, event, *_ in messages(engine)] == ["supplier_order", "supplier_order_again_1", "supplier_order_again_2"]
    assert rows(engine, "select count(distinct file_id), count(*) from personal.message_file") == [(2, 6)]
    with pytest.raises(InputError, match="by their numbers alone"):
        hand_over(engine, shop, again=True)
    with pytest.raises(InputError, match="no supplier order CF-9"):
        hand_over(engine, shop, numbers=["CF-9"])


def test_by_hand_makes_the_documents_and_waits_for_a_word(engine: Engine, shop: Settings) -> None:
    by_hand = with_suppliers(shop, send=False)
    assert hand_over(engine, by_hand).filed == (ONE, TWO)
    assert hand_over(engine, by_hand).filed == ()
    assert rows(engine, "select count(*) from personal.stored_file") == [(4,)]
    assert messages(engine) == []
    assert hand_over(engine, by_hand, numbers=[ONE]).queued == (ONE,)


def test_f45_a_company_name_with_line_breaks_stays_on_the_subjects_line(engine: Engine, shop: Settings) -> None:
    named = shop.company.model_copy(update={"name": "Fashion\r\nBcc: all@example.invalid"})
    hand_over(engine, shop.model_copy(update={"company": named}))
    assert rows(engine, "select title from personal.message") == [(f"Comanda {ONE} de la Fashion Bcc: all@example.invalid",)]


def test_f24_killed_at_any_statement_each_order_is_queued_once(engine: Engine, shop: Settings, database_url: URL) -> None:
    # spreadsheets alone: typst's threads do not survive the fork by which this test kills
    sheets = with_suppliers(shop, attach=("xlsx",))
    seen = set()
    for _step in killed_at_each_step(database_url, lambda fresh: hand_over(fresh, sheets)):
        ((files, queued),) = rows(
            engine, "select (select count(*) from personal.stored_file), (select count(*) from personal.message)"
        )
        seen.add((files, queued))
    assert seen == {(0, 0), (2, 1)}
    assert len(messages(engine)) == 1
    assert asked(engine) == [(TWO, "supplier_without_email", None)]
