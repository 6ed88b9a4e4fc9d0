"""The simulated market sells: pieces leave the offer, orders live on, and the log says whether what was sold was on offer."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from cloudsales_pipeline.channels.fashionup_orders import parse_order
from cloudsales_pipeline.channels.port import ChannelOrder, ChannelOrderStatus, PaymentStatus
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator.buyers import Buyers, buying
from cloudsales_pipeline.simulator.server import RunningServer, running, start_process
from cloudsales_pipeline.simulator.state import FinalOrderError, State, UnknownOrderError

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def shop(*stock: int, price: str = "10.05", **changes: Any) -> State:
    """A style a variant V1, V2, … with so many offered."""
    products = [
        {
            "id": f"P{number}",
            "name": f"Rochie {number}",
            "updated_at": "2026-11-01T10:00:00Z",
            "variants": [{"id": f"V{number}", "stock": count, "price": {"amount": price, "currency": "RON"}} | changes],
        }
        for number, count in enumerate(stock, start=1)
    ]
    return State.of([], [json.dumps(product).encode() for product in products], clock=lambda: NOW)


def offered(state: State) -> list[int]:
    return [offer.quantity for offer in state.offers(f"V{number}" for number in range(1, 10)).values()]


def read(order: dict[str, Any]) -> ChannelOrder:
    """As the pipeline reads it."""
    return parse_order(json.dumps(order).encode())


def adds_up(order: dict[str, Any]) -> bool:
    found = read(order)
    goods = sum((line.quantity * line.unit_price for line in found.lines), Decimal(0))
    return found.total == goods + found.delivery_price - sum((one.amount for one in found.discounts), Decimal(0))


def sell(state: State, orders: int) -> None:
    for _ in range(orders):
        state.place_order(only_offered=True)


class TestTheOffer:
    def test_an_order_takes_its_pieces_from_the_offer_and_the_version_stays(self) -> None:
        state = shop(5, 3)
        state.set_stock([("V1", 4, 17)])
        state.place_order(lines=[("V1", 3), ("V2", 1)])
        assert state.offers(["V1", "V2"]) == {"V1": (1, 17), "V2": (2, -1)}

    def test_a_sale_of_more_than_is_offered_is_noted_and_the_offer_never_falls_below_zero(self) -> None:
        state = shop(2)
        order_id = state.place_order(lines=[("V1", 1), ("V1", 3)])["id"]
        assert offered(state) == [0]
        assert [(sale.order_id, sale.quantity, sale.offered, sale.beyond_offer) for sale in state.sales] == [
            (order_id, 1, 2, 0),
            (order_id, 3, 1, 2),
        ]
        assert (state.counts()["pieces_sold"], state.counts()["pieces_sold_beyond_offer"]) == (4, 2)

    def test_a_market_that_sells_only_what_it_offers_sells_out_and_then_refuses(self) -> None:
        state = shop(3, 0, 2)
        with pytest.raises(InputError, match="offered"):
            sell(state, 6)
        assert offered(state) == [0, 0, 0]
        assert state.counts()["pieces_sold"] == 5
        assert state.counts()["pieces_sold_beyond_offer"] == 0
        state.set_stock([("V2", 1, 1)])
        assert [line["variant_id"] for line in state.place_order(only_offered=True)["lines"]] == ["V2"]

    def test_two_lines_of_one_variant_are_summed_before_they_are_sold(self) -> None:
        state = shop(3)
        with pytest.raises(InputError, match="V1: 3 are offered, not 4"):
            state.place_order(lines=[("V1", 2), ("V1", 2)], only_offered=True)
        assert (offered(state), state.sales, state.orders()) == ([3], [], [])

    @pytest.mark.parametrize("lines", [[("V1", 0)], [("V1", -1)], [("nobody", 1)]])
    def test_what_is_not_listed_or_no_pieces_can_not_be_ordered(self, lines: list[tuple[str, int]]) -> None:
        state = shop(3)
        with pytest.raises(InputError):
            state.place_order(lines=lines)
        assert state.orders() == []

    def test_what_is_listed_later_can_be_ordered_and_what_is_taken_out_can_not(self) -> None:
        state = shop(1)
        state.place_order(lines=[("V1", 1)])
        price = {"amount": "7.00", "currency": "RON"}
        state.put_product(
            {"id": "P9", "name": "Nou", "updated_at": "2026-11-02T10:00:00Z", "variants": [{"id": "V9", "price": price}]}
        )
        assert state.place_order(lines=[("V9", 1)])["lines"][0]["unit_price"] == price
        state.remove_product("P1")
        with pytest.raises(InputError):
            state.place_order(lines=[("V1", 1)])

    @pytest.mark.parametrize("price", ["NaN", "-1", "abc", "Infinity"])
    def test_a_flawed_price_is_never_ordered(self, price: str) -> None:
        with pytest.raises(InputError, match="listed"):
            shop(3, price=price).place_order()

    def test_the_button_on_the_page_sells_only_what_is_offered(self) -> None:
        with running(shop(1)) as server:
            assert [httpx.post(f"{server.origin}/_simulator/order").status_code for _ in range(2)] == [201, 409]


class TestTheLifeOfAnOrder:
    def test_paying_makes_a_new_revision_at_the_end_of_the_list_even_when_the_clock_stands_still(self) -> None:
        state = shop(9)
        first, second = (state.place_order(seed, status="new", lines=[("V1", 1)])["id"] for seed in (1, 2))
        paid = state.pay_order(first)
        assert [(one["id"], one["revision"]) for one in state.orders()] == [(second, 1), (first, 2)]
        assert (read(paid).status, read(paid).payment_status) == (ChannelOrderStatus.PAID, PaymentStatus.PAID)
        assert read(paid).paid_at is not None

    def test_cancelling_gives_money_back_ends_the_order_and_leaves_the_offer_to_the_seller(self) -> None:
        state = shop(9)
        order_id = state.place_order(lines=[("V1", 2)])["id"]
        state.pay_order(order_id)
        cancelled = state.cancel_order(order_id)
        assert (cancelled["status"], cancelled["revision"], cancelled["payment"]["status"]) == ("cancelled", 3, "refunded")
        assert offered(state) == [7]
        for again in (state.cancel_order, state.pay_order, lambda one: state.amend_order(one, [("V1", 1)])):
            with pytest.raises(FinalOrderError):
                again(order_id)
        with pytest.raises(UnknownOrderError):
            state.cancel_order("FO9")

    def test_amending_keeps_the_lines_that_stay_and_takes_only_what_is_more(self) -> None:
        state = shop(9, 9, 9)
        order_id = state.place_order(lines=[("V1", 2), ("V2", 3)])["id"]
        amended = state.amend_order(order_id, [("V2", 4), ("V3", 1)])
        assert [(line["id"], line["variant_id"], line["quantity"]) for line in amended["lines"]] == [
            ("2", "V2", 4),
            ("3", "V3", 1),
        ]
        assert (amended["revision"], adds_up(amended)) == (2, True)
        assert offered(state) == [7, 5, 8]
        assert [(sale.variant_id, sale.quantity) for sale in state.sales[2:]] == [("V2", 1), ("V3", 1)]

    def test_an_amendment_beyond_the_offer_is_refused_whole(self) -> None:
        state = shop(3)
        order_id = state.place_order(lines=[("V1", 2)])["id"]
        with pytest.raises(InputError, match="1 are offered, not 2"):
            state.amend_order(order_id, [("V1", 4)], only_offered=True)
        assert (state.order(order_id)["revision"], offered(state)) == (1, [1])

    def test_returns_count_up_and_the_last_piece_ends_the_order(self) -> None:
        state = shop(9, 9)
        order_id = state.place_order(lines=[("V1", 2), ("V2", 1)])["id"]
        total = state.order(order_id)["total"]
        state.pay_order(order_id)
        part = state.return_lines(order_id, {"1": 1})
        assert [(line.returned, line.quantity) for line in read(part).lines] == [(1, 2), (0, 1)]
        assert part["status"] == "paid"
        with pytest.raises(ValueError, match="line 1"):
            state.return_lines(order_id, {"1": 2})
        with pytest.raises(ValueError, match="line 7"):
            state.return_lines(order_id, {"7": 1})
        state.return_lines(order_id, {"1": 1})
        with pytest.raises(ValueError, match="can't have 1 pieces"):
            state.amend_order(order_id, [("V1", 1), ("V2", 1)])
        whole = state.return_lines(order_id, {"2": 1})
        assert (whole["status"], whole["payment"]["status"]) == ("returned", "refunded")
        assert (whole["total"], whole["revision"], adds_up(whole)) == (total, 5, True)

    def test_an_order_can_be_listed_as_it_is_flaws_included(self) -> None:
        state = shop(3)
        flawed = state.place_order(lines=[("V1", 1)]) | {"id": "X", "status": "on_the_moon", "total": {"amount": "1.00"}}
        state.put_order(flawed)
        state.put_order(flawed | {"revision": 2})
        assert [(one["id"], one["revision"]) for one in state.orders()][-1:] == [("X", 2)]
        assert (len(state.orders()), offered(state)) == (2, [2])


class TestWhatIsOrdered:
    def test_i20_every_order_adds_up_to_the_cent_through_all_that_happens_to_it(self) -> None:
        """Prices of odd cents: a tenth of them is no whole cent."""
        state = shop(*[10_000] * 9, price="33.33")
        for seed in range(150):
            order = state.place_order(seed)
            assert adds_up(order)
            assert adds_up(state.amend_order(order["id"], [("V1", 3), (order["lines"][0]["variant_id"], 1)]))
            assert adds_up(state.return_lines(order["id"], {state.order(order["id"])["lines"][0]["id"]: 1}))

    def test_orders_have_all_that_an_order_can_carry(self) -> None:
        state = shop(*[10_000] * 9)
        found = [read(state.place_order(seed)) for seed in range(200)]
        seen = Counter(
            name
            for one in found
            for name, there in {
                "company": one.buyer.company,
                "locker": one.delivery.locker_id,
                "note": one.note,
                "courier": one.courier,
                "line_discount": any(discount.line_id for discount in one.discounts),
                "order_discount": any(discount.line_id is None for discount in one.discounts),
                "four_lines": len(one.lines) == 4,
                "paid": one.payment_status is PaymentStatus.PAID,
            }.items()
            if there
        )
        assert all(20 <= count <= 180 for count in seen.values()), seen
        assert len(seen) == 8
        assert {one.unknown for one in found} == {()}

    def test_ten_thousand_orders_of_scarce_goods_take_seconds_and_nothing_is_sold_twice(self) -> None:
        state = shop(*[5_000] * 9)
        sell(state, 10_000)
        counts = state.counts()
        assert (counts["orders"], counts["pieces_sold_beyond_offer"]) == (10_000, 0)
        assert counts["pieces_sold"] + sum(offered(state)) == 45_000


class TestBuyers:
    def test_the_same_seed_does_the_same_and_all_that_can_happen_happens(self) -> None:
        def done(seed: int) -> tuple[list[dict[str, Any]], list[int]]:
            state = shop(*[200] * 9)
            buyers = Buyers(state, seed)
            for _ in range(600):
                buyers.step()
            return state.orders(), offered(state)

        orders, left = done(4)
        assert (orders, left) == done(4)
        assert orders != done(5)[0]
        happened = Counter(order["status"] for order in orders)
        assert set(happened) == {"new", "paid", "cancelled", "returned"}
        assert any(sum(line["returned_quantity"] for line in order["lines"]) > 0 for order in orders if order["status"] == "paid")
        assert all(adds_up(order) for order in orders)

    def test_buyers_who_find_nothing_come_again(self) -> None:
        state = shop(0)
        buyers = Buyers(state, 1)
        buyers.step()
        assert state.orders() == []
        state.set_stock([("V1", 1, 1)])
        buyers.step()
        assert len(state.orders()) == 1

    @pytest.mark.timeout(30)
    def test_buyers_order_while_the_block_runs_and_not_after(self) -> None:
        state = shop(*[100_000] * 3)
        with buying(state, 30_000, seed=1):
            until = time.monotonic() + 20
            while state.counts()["orders"] < 20 and time.monotonic() < until:
                time.sleep(0.01)
        ordered = state.counts()["orders"]
        assert ordered >= 20
        assert "fashionup-buyers" not in [thread.name for thread in threading.enumerate()]
        with buying(state, 0, seed=1):
            assert state.counts()["orders"] == ordered

    @pytest.mark.timeout(40)
    def test_the_command_sells_while_it_runs(self) -> None:
        with start_process("--styles", "20", "--port", "0", "--orders-per-minute", "6000") as process:
            until = time.monotonic() + 20
            while (counts := httpx.get(f"{process.origin}/_simulator/state").json())["orders"] < 10 and time.monotonic() < until:
                time.sleep(0.05)
        assert counts["orders"] >= 10
        assert counts["pieces_sold_beyond_offer"] == 0
        assert process.process.returncode == 0


def test_what_is_sold_shows_in_the_stock_that_the_seller_reads_back(state: State, server: RunningServer) -> None:
    variant = "FU1000000-01"
    state.set_stock([(variant, 9, 5)])
    state.place_order(lines=[(variant, 4)])
    answer = httpx.get(f"{server.url}/stock", params={"variant_id": variant}, headers={"authorization": f"Bearer {server.token}"})
    assert answer.json() == {"items": [{"variant_id": variant, "quantity": 5, "version": 5}]}
