"""The ledger: what may be posted, once, and what it does to the levels."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.engine import URL, Connection, Engine

from cloudsales_pipeline.stock.movements import LARGEST, MOST_ON_HAND, Movement, _Line, _Walk, post
from cloudsales_pipeline.stock.reservations import Demand, Level, Pair, held_by, lock_levels, release, reserve
from tests.killing import killed_at_each_step
from tests.stock.shelf import NOON, ledger_sums, levels, receipt, rows, stock_world

LATER = NOON + timedelta(hours=1)


@pytest.fixture(autouse=True)
def world(engine: Engine) -> None:
    stock_world(engine)


def product_id(engine: Engine, sku: str) -> int:
    return int(rows(engine, "select product_id from cloudsales.product where sku = :s", s=sku)[0][0])


def hold(engine: Engine, owner: str, sku: str, quantity: int, minutes: int = 0, warehouse: str = "CENTRAL") -> int:
    with engine.begin() as connection:
        demand = Demand(owner, product_id(engine, sku), warehouse, quantity, NOON + timedelta(minutes=minutes))
        return reserve(connection, [demand])[0]


def reasons(result: object) -> list[str]:
    return [one.reason for one in result.refused]  # type: ignore[attr-defined]


def test_a_receipt_of_five_and_a_sale_of_two_leave_three_and_the_level_has_grown_by_two_versions(engine: Engine) -> None:
    result = post(engine, [receipt("NIR-1", "R-1", 5)])
    assert (result.posted, result.unchanged, result.refused) == (1, 0, [])
    post(engine, [Movement("BON-1", "CENTRAL", "R-1", "sale", 2, NOON)])
    assert rows(engine, "select on_hand, reserved, version from analytics.stock_level") == [(3, 0, 2)]
    assert rows(engine, "select reason, quantity from analytics.stock_movement order by 1") == [("receipt", 5), ("sale", -2)]


def test_i10_the_same_document_again_does_nothing_and_with_other_content_it_is_refused_and_shown(engine: Engine) -> None:
    document = [receipt("NIR-1", "R-1", 5), receipt("NIR-1", "R-2", 7)]
    assert post(engine, document).posted == 2
    assert (post(engine, document).unchanged, levels(engine)[("CENTRAL", "R-1")]) == (2, (5, 0))
    changed = post(engine, [receipt("NIR-1", "R-1", 6)])
    assert reasons(changed) == ["reference_reused"]
    assert changed.refused[0].detail["posted"] == ["receipt 5 of R-1 in CENTRAL", "receipt 7 of R-2 in CENTRAL"]
    assert reasons(post(engine, [receipt("NIR-1", "R-2", 7), receipt("NIR-1", "R-2", 7)])) == ["reference_reused"]
    assert levels(engine) == {("CENTRAL", "R-1"): (5, 0), ("CENTRAL", "R-2"): (7, 0)}


@pytest.mark.parametrize("sku", ["R-1", "R-2"])
def test_i10_a_document_that_another_posts_after_we_looked_for_it_is_posted_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, sku: str
) -> None:
    """Two who post one document at once wait for each other at the level: the second finds the first one's reference then."""
    post(engine, [receipt("NIR-1", "R-1", 10), receipt("NIR-1", "R-2", 10)])
    meanwhile = [[Movement("BON-1", "CENTRAL", "R-1", "sale", 1, NOON)]]

    def lock_after_another(connection: Connection, pairs: Iterable[Pair]) -> dict[Pair, Level]:
        if meanwhile:
            assert post(engine, meanwhile.pop()).posted == 1
        return lock_levels(connection, pairs)

    monkeypatch.setattr("cloudsales_pipeline.stock.movements.lock_levels", lock_after_another)
    result = post(engine, [Movement("BON-1", "CENTRAL", sku, "sale", 1, NOON)])
    assert (result.posted, result.unchanged, reasons(result)) == ((0, 1, []) if sku == "R-1" else (0, 0, ["reference_reused"]))
    assert levels(engine) == {("CENTRAL", "R-1"): (9, 0), ("CENTRAL", "R-2"): (10, 0)}


def test_judging_a_row_costs_the_same_in_a_long_batch_as_in_a_short_one() -> None:
    """A count of 50,000 articles in one file is a normal day; each row looked at all those before it once."""
    looks = 0

    class Watched(_Line):
        @property
        def pair(self) -> Pair:
            nonlocal looks
            looks += 1
            return super().pair

    def looks_at(batch: int) -> int:
        nonlocal looks
        counted = Movement("COUNT-1", "CENTRAL", "R-1", "count", 5, NOON)
        lines = [Watched(counted, product, NOON, 5) for product in range(batch)]
        walk = _Walk({line.pair: Level(0, 0) for line in lines}, {}, facts=False)
        looks = 0
        for line in lines:
            walk.take([line])
        assert len(walk.accepted) == batch
        return looks

    assert looks_at(1000) == 10 * looks_at(100)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quantity": 10**12}, "quantity_too_large"),
        ({"quantity": -1}, "negative_quantity"),
        ({"quantity": 0}, "zero_quantity"),
        ({"warehouse": "CLUJ-2"}, "unknown_warehouse"),
        ({"sku": "R-9"}, "unknown_sku"),
        ({"sku": "R\x00"}, "unknown_sku"),
        ({"sku": "R\udcff"}, "unknown_sku"),  # a byte of a shell that is not UTF-8
        ({"reason": "gift"}, "unknown_reason"),
        ({"reference": "  "}, "bad_reference"),
        ({"reference": "NIR-\udcff"}, "bad_reference"),
        ({"occurred_at": NOON + timedelta(days=365 * 20)}, "future_date"),
        ({"occurred_at": datetime(1, 1, 1, tzinfo=ZoneInfo("Europe/Bucharest"))}, "bad_time"),  # in UTC before year 1
        ({"occurred_at": datetime(26, 11, 24, tzinfo=UTC)}, "bad_time"),
        ({"reason": "sale", "quantity": 6}, "not_enough_stock"),
        ({"reason": "transfer_in"}, "transfer_incomplete"),
    ],
)
def test_what_can_not_be_posted_is_refused_with_its_reason_and_the_rest_goes_on(
    engine: Engine, change: dict[str, object], reason: str
) -> None:
    bad = replace(receipt("X-1", "R-2", 3), **change)  # type: ignore[arg-type]
    result = post(engine, [receipt("NIR-1", "R-2", 5), bad, receipt("NIR-2", "R-1", 1)])
    assert (result.posted, reasons(result)) == (2, [reason])
    assert levels(engine) == {("CENTRAL", "R-2"): (5, 0), ("CENTRAL", "R-1"): (1, 0)}


def test_more_than_a_level_can_hold_is_refused_by_row_and_the_rest_goes_on(engine: Engine) -> None:
    most = MOST_ON_HAND // LARGEST
    result = post(engine, [receipt(f"NIR-{number}", "R-1", LARGEST) for number in range(most + 2)] + [receipt("NIR", "R-2", 1)])
    assert (result.posted, reasons(result)) == (most + 1, ["quantity_too_large"] * 2)
    assert levels(engine) == {("CENTRAL", "R-1"): (most * LARGEST, 0), ("CENTRAL", "R-2"): (1, 0)}


def test_rows_count_in_their_order_a_receipt_makes_room_for_the_sale_behind_it_and_not_before_it(engine: Engine) -> None:
    sale = Movement("BON-1", "CENTRAL", "R-1", "sale", 2, NOON)
    assert reasons(post(engine, [sale, receipt("NIR-1", "R-1", 2)])) == ["not_enough_stock"]
    assert post(engine, [receipt("NIR-2", "R-1", 1), replace(sale, reference="BON-2", quantity=3)]).posted == 2
    assert levels(engine) == {("CENTRAL", "R-1"): (0, 0)}


def test_i11_a_transfer_is_two_movements_that_sum_to_nothing_or_none(engine: Engine) -> None:
    post(engine, [receipt("NIR-1", "R-1", 5)])
    legs = [Movement("T-1", "CLUJ", "R-1", "transfer_in", 3, NOON), Movement("T-1", "CENTRAL", "R-1", "transfer_out", 3, NOON)]
    assert post(engine, legs).posted == 2
    assert levels(engine) == {("CENTRAL", "R-1"): (2, 0), ("CLUJ", "R-1"): (3, 0)}
    too_much = [replace(leg, reference="T-2") for leg in legs]
    assert reasons(post(engine, too_much)) == ["not_enough_stock", "not_enough_stock"]
    uneven = [replace(legs[0], reference="T-3", quantity=1), replace(legs[1], reference="T-3", quantity=2)]
    assert reasons(post(engine, uneven)) == ["transfer_incomplete", "transfer_incomplete"]
    assert levels(engine) == {("CENTRAL", "R-1"): (2, 0), ("CLUJ", "R-1"): (3, 0)}


def test_a_count_made_before_a_sale_that_is_recorded_already_does_not_undo_that_sale(engine: Engine) -> None:
    post(engine, [receipt("NIR-1", "R-1", 10)])
    post(engine, [Movement("BON-1", "CENTRAL", "R-1", "sale", 2, LATER)])
    counted = Movement("INV-1", "CENTRAL", "R-1", "count", 9, NOON + timedelta(minutes=30))
    assert post(engine, [counted]).posted == 1
    assert rows(engine, "select quantity, counted from analytics.stock_movement where reason = 'count'") == [(-1, 9)]
    assert levels(engine)[("CENTRAL", "R-1")] == (7, 0)


def test_a_count_of_nothing_makes_unknown_stock_known_and_zero(engine: Engine) -> None:
    assert levels(engine) == {}
    post(engine, [Movement("INV-1", "CENTRAL", "R-1", "count", 0, NOON)])
    assert levels(engine) == {("CENTRAL", "R-1"): (0, 0)}


def test_i07_a_count_below_what_is_reserved_takes_the_newest_reservations_back_and_says_which(engine: Engine) -> None:
    post(engine, [receipt("NIR-1", "R-1", 10)])
    assert [hold(engine, f"order-{n}", "R-1", 3, minutes=n) for n in (1, 2, 3)] == [3, 3, 3]
    result = post(engine, [Movement("INV-1", "CENTRAL", "R-1", "count", 5, LATER)])
    assert (result.posted, result.displaced) == (1, 4)
    assert levels(engine)[("CENTRAL", "R-1")] == (5, 5)
    with engine.connect() as connection:
        assert held_by(connection, ["order-1", "order-2", "order-3"]) == {"order-1": 3, "order-2": 2}
    told = rows(engine, "select reference, quantity from analytics.event where kind = 'reservation_displaced' order by 1")
    assert told == [("order-2", 1), ("order-3", 3)]


def test_i06_what_orders_hold_is_not_sold_by_hand_but_a_till_has_the_last_word(engine: Engine) -> None:
    post(engine, [receipt("NIR-1", "R-1", 4)])
    hold(engine, "order-1", "R-1", 3)
    sale = Movement("BON-1", "CENTRAL", "R-1", "sale", 2, LATER)
    assert reasons(post(engine, [sale])) == ["not_enough_available"]
    assert post(engine, [sale], facts=True).displaced == 1
    assert levels(engine)[("CENTRAL", "R-1")] == (2, 2)


def test_i16_a_reservation_is_given_back_once(engine: Engine) -> None:
    post(engine, [receipt("NIR-1", "R-1", 4)])
    hold(engine, "order-1", "R-1", 3)
    with engine.begin() as connection:
        assert release(connection, ["order-1"]) == {"order-1": 3}
    with engine.begin() as connection:
        assert release(connection, ["order-1"]) == {}
    with pytest.raises(sa.exc.DBAPIError, match="I-16"), engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.reservation set state = 'open', ended_at = null")
    assert levels(engine)[("CENTRAL", "R-1")] == (4, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "update cloudsales.stock_movement set quantity = 9",
        "delete from cloudsales.stock_movement",
        "truncate cloudsales.stock_movement",
    ],
)
def test_i08_not_even_the_tables_owner_changes_the_ledger(engine: Engine, owner_engine: Engine, statement: str) -> None:
    post(engine, [receipt("NIR-1", "R-1", 4)])
    with pytest.raises(sa.exc.DBAPIError, match=r"permission denied|I-08"), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    with pytest.raises(sa.exc.DBAPIError, match="I-08"), owner_engine.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update cloudsales.stock_level set on_hand = 9, version = 9",
        "insert into cloudsales.stock_level values (1, 'CLUJ', 5, 0, 1)",
    ],
)
def test_i47_the_pipelines_role_moves_a_level_by_a_movement_alone(engine: Engine, statement: str) -> None:
    post(engine, [receipt("NIR-1", "R-1", 4)])
    with pytest.raises(sa.exc.DBAPIError, match="permission denied"), engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_i12_a_version_that_does_not_grow_is_refused_by_the_database(engine: Engine, owner_engine: Engine) -> None:
    post(engine, [receipt("NIR-1", "R-1", 4)])
    with pytest.raises(sa.exc.DBAPIError, match="I-12"), owner_engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.stock_level set on_hand = 9")


@pytest.mark.timeout(60)
def test_f20_of_eight_who_want_the_last_piece_at_once_one_gets_it(engine: Engine) -> None:
    post(engine, [receipt("NIR-1", "R-1", 1)])
    got: list[int] = []
    ready = threading.Barrier(8)

    def buy(number: int) -> None:
        ready.wait()
        got.append(hold(engine, f"order-{number}", "R-1", 1))

    threads = [threading.Thread(target=buy, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [0] * 7 + [1]
    assert levels(engine)[("CENTRAL", "R-1")] == (1, 1)


@pytest.mark.timeout(60)
def test_f21_transfers_back_and_forth_at_once_end_with_what_there_was_and_every_sum_on_the_way_is_right(engine: Engine) -> None:
    post(
        engine,
        [
            receipt("NIR-1", "R-1", 50),
            receipt("NIR-2", "R-2", 50),
            receipt("NIR-3", "R-1", 50, "CLUJ"),
            receipt("NIR-4", "R-2", 50, "CLUJ"),
        ],
    )
    seen: set[int] = set()
    running = threading.Event()

    def move(worker: int) -> None:
        for turn in range(12):
            out, to = ("CENTRAL", "CLUJ") if (worker + turn) % 2 else ("CLUJ", "CENTRAL")
            legs = [
                Movement(f"T-{worker}-{turn}", place, sku, reason, 2, NOON)
                for sku in (("R-1", "R-2") if worker % 2 else ("R-2", "R-1"))
                for place, reason in ((out, "transfer_out"), (to, "transfer_in"))
            ]
            assert post(engine, legs).posted == 4

    def read() -> None:
        while not running.is_set():
            seen.add(rows(engine, "select sum(on_hand)::integer from cloudsales.stock_level")[0][0])

    reader = threading.Thread(target=read)
    movers = [threading.Thread(target=move, args=(number,)) for number in range(4)]
    for thread in [reader, *movers]:
        thread.start()
    for thread in movers:
        thread.join()
    running.set()
    reader.join()
    assert seen == {200}
    assert {pair: on_hand for pair, (on_hand, _) in levels(engine).items()} == ledger_sums(engine)


@pytest.mark.timeout(60)
def test_i41_killed_at_any_step_of_a_posting_and_posted_again_the_stock_is_as_if_undisturbed(
    engine: Engine, database_url: URL
) -> None:
    post(engine, [receipt("NIR-1", "R-1", 9)])
    hold(engine, "order-1", "R-1", 8)
    batch = [Movement("INV-1", "CENTRAL", "R-1", "count", 5, LATER), receipt("NIR-2", "R-2", 3)]
    kills = sum(1 for _ in killed_at_each_step(database_url, lambda own: post(own, batch)))
    assert kills >= 8
    assert post(engine, batch).unchanged == 2
    assert levels(engine) == {("CENTRAL", "R-1"): (5, 5), ("CENTRAL", "R-2"): (3, 0)}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["receipt", "sale", "return", "adjustment", "count", "hold", "release"]),
        st.integers(0, 6),
        st.sampled_from(["R-1", "R-2"]),
    ),
    min_size=1,
    max_size=14,
)


@pytest.mark.timeout(120)
@given(actions=STEPS)
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_i06_i09_whatever_happens_in_whatever_order_levels_are_the_ledgers_sums_and_hold_what_is_reserved(
    engine: Engine, actions: list[tuple[str, int, str]]
) -> None:
    run = rows(engine, "select count(*) from cloudsales.stock_movement")[0][0]
    for number, (what, quantity, sku) in enumerate(actions):
        owner = f"o-{run}-{number}"
        if what == "hold":
            if quantity:
                hold(engine, owner, sku, quantity, minutes=number)
        elif what == "release":
            with engine.begin() as connection:
                release(connection, [f"o-{run}-{quantity}"])
        else:
            post(engine, [Movement(owner, "CENTRAL", sku, what, quantity, NOON + timedelta(minutes=quantity))])
        now = levels(engine)
        assert {pair: on_hand for pair, (on_hand, _) in now.items()} == ledger_sums(engine)
        assert all(0 <= reserved <= on_hand for on_hand, reserved in now.values())
        open_sums = {
            (w, s): q
            for w, s, q in rows(
                engine,
                "select warehouse, sku, sum(quantity)::integer from analytics.reservation where state = 'open' group by 1, 2",
            )
        }
        assert {pair: reserved for pair, (_, reserved) in now.items() if reserved} == open_sums
