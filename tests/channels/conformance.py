"""What every kind of channel must do: a test class to inherit, with one fixture to give.

A new kind's tests are a class that inherits `SalesChannelConformance` and opens its adapter against a server that holds the
known shop. What a kind can't do, its capabilities say, and the test is skipped.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import pytest

from cloudsales_pipeline.channels.errors import AuthenticationError, PayloadError
from cloudsales_pipeline.channels.pages import read_pages
from cloudsales_pipeline.channels.port import (
    Acknowledgement,
    AcknowledgeOutcome,
    ChannelOrderStatus,
    DeliveryMethod,
    OrderDocument,
    OrderHead,
    OrderStatus,
    Paging,
    PaymentMethod,
    SalesChannel,
    StockOutcome,
    StockUpdate,
)
from tests.channels.known_shop import (
    CATEGORY_IDS,
    CHANGED_IDS,
    EARLY,
    HALF_READABLE_ID,
    LATE,
    LOCKED_ORDER,
    ORDER_IDS,
    PRODUCT_IDS,
    PUZZLING_ORDER,
    SINCE,
    TOKEN,
    UNREADABLE_ID,
    UNREADABLE_ORDER,
    KnownShop,
)


class Open(Protocol):
    """Opens the kind's adapter on the server with the known shop; the fixture closes it."""

    def __call__(self, page_size: int = 500, token: str = TOKEN) -> SalesChannel: ...


def product_ids(channel: SalesChannel, updated_since: datetime | None = None) -> list[str]:
    in_flight = channel.capabilities.pages_in_flight
    pages = read_pages(lambda cursor: channel.products(cursor, updated_since), in_flight=in_flight)
    return [channel.product_id(payload) for page in pages for payload in page.payloads]


def payloads(channel: SalesChannel) -> dict[str, bytes]:
    pages = read_pages(channel.products, in_flight=channel.capabilities.pages_in_flight)
    return {channel.product_id(payload): payload for page in pages for payload in page.payloads}


def orders(channel: SalesChannel) -> dict[str, bytes]:
    pages = read_pages(channel.orders, in_flight=channel.capabilities.pages_in_flight)
    return {channel.order_head(payload).order_id: payload for page in pages for payload in page.payloads}


class SalesChannelConformance:
    """Inherit, and give `open_channel`."""

    @pytest.fixture
    def shop(self) -> KnownShop:
        return KnownShop()

    @pytest.fixture
    def open_channel(self, shop: KnownShop) -> Open:
        raise NotImplementedError("the kind's test class gives this")

    @pytest.fixture
    def channel(self, open_channel: Open) -> SalesChannel:
        return open_channel()

    # ------------------------------------------------------------ listing

    @pytest.mark.parametrize("page_size", [1, 7, 22, 23, 24, 500])
    def test_the_listing_is_complete_and_in_order_under_any_page_size(self, open_channel: Open, page_size: int) -> None:
        assert product_ids(open_channel(page_size=page_size)) == PRODUCT_IDS

    def test_several_pages_at_once_only_where_pages_have_numbers(self, channel: SalesChannel) -> None:
        assert channel.capabilities.pages_in_flight == 1 or channel.capabilities.paging is Paging.NUMBERED

    def test_only_what_changed_since_is_listed(self, channel: SalesChannel) -> None:
        if not channel.capabilities.catalogue_delta:
            pytest.skip("this kind lists everything or nothing")
        assert product_ids(channel, datetime.fromisoformat(SINCE)) == CHANGED_IDS

    def test_all_categories_come_with_their_parents(self, open_channel: Open) -> None:
        channel = open_channel(page_size=3)
        pages = read_pages(channel.categories, in_flight=channel.capabilities.pages_in_flight)
        found = [category for page in pages for category in page.categories]
        assert [category.category_id for category in found] == CATEGORY_IDS
        assert [category.parent_id for category in found[:2]] == [None, "C-1"]

    def test_i43_one_unreadable_product_is_named_and_all_others_are_read(self, channel: SalesChannel) -> None:
        unreadable: dict[str, str] = {}
        parsed = []
        for product_id, payload in payloads(channel).items():
            try:
                parsed.append(channel.parse_product(payload))
            except PayloadError as error:
                unreadable[product_id] = error.reason
        assert unreadable == {UNREADABLE_ID: "no_variants"}
        assert [product.external_id for product in parsed] == [one for one in PRODUCT_IDS if one != UNREADABLE_ID]

    def test_i43_one_unreadable_variant_leaves_its_sister(self, channel: SalesChannel) -> None:
        product = channel.parse_product(payloads(channel)[HALF_READABLE_ID])
        assert [variant.variant_id for variant in product.variants] == [f"{HALF_READABLE_ID}-0"]
        assert [(fault.reference, fault.reason) for fault in product.rejected] == [(f"{HALF_READABLE_ID}-1", "bad_price")]

    def test_a_product_is_read_with_its_prices_as_decimals(self, channel: SalesChannel) -> None:
        product = channel.parse_product(payloads(channel)["P-001"])
        assert product.name == "Rochie P-001 cu șnur"
        assert [(one.position, one.code, str(one.price), one.currency) for one in product.variants] == [
            (0, "P-001/0", "99.90", "RON"),
            (1, "P-001/1", "109.90", "RON"),
        ]

    def test_a_payload_that_is_no_product_has_no_id(self, channel: SalesChannel) -> None:
        with pytest.raises(PayloadError):
            channel.product_id(b'{"nothing": 1}')

    # ------------------------------------------------------------ stock

    def test_f10_each_item_of_a_push_has_its_own_outcome_in_order(self, channel: SalesChannel) -> None:
        results = channel.push_stock([StockUpdate("P-001-0", 5, 1), StockUpdate("nobody", 5, 1), StockUpdate("P-002-1", 0, 1)])
        assert [(one.variant_id, one.outcome) for one in results] == [
            ("P-001-0", StockOutcome.SET),
            ("nobody", StockOutcome.UNKNOWN_VARIANT),
            ("P-002-1", StockOutcome.SET),
        ]
        offered = channel.read_stock(["P-001-0", "nobody", "P-002-1"])
        assert [(one.variant_id, one.quantity) for one in offered] == [("P-001-0", 5), ("P-002-1", 0)]

    def test_i21_a_late_push_with_a_lower_version_changes_nothing(self, channel: SalesChannel) -> None:
        if not channel.capabilities.stock_versions:
            pytest.skip("this kind knows no versions")
        channel.push_stock([StockUpdate("P-001-0", 9, 2)])
        assert channel.push_stock([StockUpdate("P-001-0", 5, 1)])[0].outcome is StockOutcome.STALE
        assert channel.read_stock(["P-001-0"])[0].quantity == 9

    def test_a_push_above_the_batch_is_refused_before_it_is_sent(self, channel: SalesChannel) -> None:
        too_many = [StockUpdate(f"V-{n}", 1, 1) for n in range(channel.capabilities.stock_batch + 1)]
        with pytest.raises(ValueError, match="at most"):
            channel.push_stock(too_many)

    def test_an_empty_push_and_an_empty_read_call_nobody(self, open_channel: Open) -> None:
        nobody = open_channel(token="wrong-token")
        assert nobody.push_stock([]) == ()
        assert nobody.read_stock([]) == ()

    def test_the_stock_of_every_variant_can_be_read_at_once(self, channel: SalesChannel, shop: KnownShop) -> None:
        many = [*shop.stock, *(f"nobody-{n:050}" for n in range(700))]
        assert [one.variant_id for one in channel.read_stock(many)] == list(shop.stock)

    # ------------------------------------------------------------ orders

    @pytest.mark.parametrize("page_size", [1, 2, 500])
    def test_all_orders_come(self, open_channel: Open, page_size: int) -> None:
        channel = open_channel(page_size=page_size)
        pages = read_pages(channel.orders, in_flight=channel.capabilities.pages_in_flight)
        found = [payload for page in pages for payload in page.payloads]
        assert len(found) == 5
        assert [channel.order_head(payload).order_id for payload in found] == ORDER_IDS

    def test_an_orders_head_is_its_id_revision_and_time(self, channel: SalesChannel) -> None:
        payload = orders(channel)[ORDER_IDS[-1]]
        assert channel.order_head(payload) == OrderHead(ORDER_IDS[-1], 1, datetime.fromisoformat(LATE))
        with pytest.raises(PayloadError):
            channel.order_head(b'{"nothing": 1}')

    def test_an_order_is_read_with_its_buyer_its_lines_and_its_money(self, channel: SalesChannel) -> None:
        order = channel.parse_order(orders(channel)["O-1"])
        assert (order.order_id, order.revision, order.status, order.unknown) == ("O-1", 1, ChannelOrderStatus.NEW, ())
        assert order.placed_at == datetime.fromisoformat(EARLY)
        assert (order.buyer.name, order.buyer.email) == ("Ana", "ana@example.com")
        assert (order.delivery.street, order.delivery.city, order.delivery.country) == ("Str. Lungă 1", "Cluj", "RO")
        assert (order.payment_method, order.delivery_method) == (PaymentMethod.CARD, DeliveryMethod.COURIER)
        assert [(one.line_id, one.variant_id, one.quantity, str(one.unit_price)) for one in order.lines] == [
            ("1", "P-001-0", 1, "99.90")
        ]
        assert (str(order.total), order.currency, order.delivery_price, order.discounts) == ("99.90", "RON", 0, ())

    def test_f40_a_status_that_nobody_knows_is_held_and_not_guessed(self, channel: SalesChannel) -> None:
        order = channel.parse_order(orders(channel)[PUZZLING_ORDER])
        assert (order.status, order.unknown) == (ChannelOrderStatus.UNKNOWN, ("status",))
        assert len(order.lines) == 1

    def test_i43_one_unreadable_order_is_named_and_all_others_are_read(self, channel: SalesChannel) -> None:
        unreadable: list[tuple[str, str]] = []
        parsed: list[str] = []
        for payload in orders(channel).values():
            try:
                parsed.append(channel.parse_order(payload).order_id)
            except PayloadError as error:
                unreadable.append((error.reference, error.reason))
        assert unreadable == [(UNREADABLE_ORDER, "bad_quantity")]
        assert parsed == [one for one in ORDER_IDS if one != UNREADABLE_ORDER]

    def test_orders_that_changed_since_come_with_the_boundary_itself(self, channel: SalesChannel) -> None:
        page = channel.orders(None, datetime.fromisoformat(SINCE))
        assert len(page.payloads) == 1

    def test_i40_acknowledging_again_changes_nothing(self, channel: SalesChannel, shop: KnownShop) -> None:
        if channel.capabilities.acknowledgement is Acknowledgement.NONE:
            pytest.skip("this kind takes no acknowledgement")
        assert [channel.acknowledge("O-1"), channel.acknowledge("O-1")] == [AcknowledgeOutcome.DONE] * 2
        assert set(shop.acknowledged) == {"O-1"}

    def test_an_order_that_is_locked_or_unknown_is_told_apart(self, channel: SalesChannel) -> None:
        assert channel.acknowledge(LOCKED_ORDER) is AcknowledgeOutcome.LOCKED
        assert channel.acknowledge("O-99") is AcknowledgeOutcome.UNKNOWN_ORDER

    def test_an_orders_state_is_set(self, channel: SalesChannel, shop: KnownShop) -> None:
        channel.advance("O-2", OrderStatus.SHIPPED, "AWB 1")
        assert shop.statuses == {"O-2": "shipped"}

    def test_i40_the_same_document_again_is_kept_once(self, channel: SalesChannel, shop: KnownShop) -> None:
        document = OrderDocument("fiscal_invoice", "FU 17", b"%PDF-1.7 \x00\xff")
        assert [channel.attach_document("O-1", document), channel.attach_document("O-1", document)] == [True, False]
        assert shop.documents == {("O-1", "fiscal_invoice", "FU 17"): b"%PDF-1.7 \x00\xff"}

    def test_i48_an_order_id_from_outside_leads_nowhere_else(self, channel: SalesChannel) -> None:
        for order_id in ("O-1/../O-2", "..", "O-1?x=1", "O-1#x", "O-1/acknowledgement"):
            assert channel.acknowledge(order_id) is AcknowledgeOutcome.UNKNOWN_ORDER

    # ------------------------------------------------------------ the token

    def test_f09_a_wrong_token_is_an_authentication_error_everywhere(self, open_channel: Open) -> None:
        channel = open_channel(token="wrong-token")
        for call in (
            channel.categories,
            channel.products,
            channel.orders,
            lambda: channel.push_stock([StockUpdate("P-001-0", 1, 1)]),
            lambda: channel.read_stock(["P-001-0"]),
            lambda: channel.acknowledge("O-1"),
            lambda: channel.attach_document("O-1", OrderDocument("waybill", "1")),
        ):
            with pytest.raises(AuthenticationError):
                call()
