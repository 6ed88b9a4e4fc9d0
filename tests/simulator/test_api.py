"""The channel's rules as the contract tells them, over real sockets."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import time_machine

from cloudsales_pipeline.simulator import fashion
from cloudsales_pipeline.simulator.server import RunningServer
from cloudsales_pipeline.simulator.state import State

JSON = {"content-type": "application/json"}


def pages(client: httpx.Client, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    cursor: str | None = None
    while True:
        body = client.get(path, params={**query, **({"cursor": cursor} if cursor else {})}).raise_for_status().json()
        found.append(body["items"])
        cursor = body["next_cursor"]
        if cursor is None:
            return found


def is_problem(response: httpx.Response, status: int) -> bool:
    body = response.json()
    return (
        response.status_code == body["status"] == status
        and response.headers["content-type"] == "application/problem+json"
        and bool(body["title"])
    )


def put(client: httpx.Client, *updates: tuple[str, int, int]) -> list[str]:
    items = [{"variant_id": name, "quantity": quantity, "version": version} for name, quantity, version in updates]
    return [one["result"] for one in client.put("/stock", json={"items": items}).raise_for_status().json()["results"]]


class TestLists:
    def test_twenty_styles_come_in_three_pages_of_eight_ordered_by_id(self, client: httpx.Client) -> None:
        got = pages(client, "/products", limit=8)
        assert [len(page) for page in got] == [8, 8, 4]
        assert [product["id"] for page in got for product in page] == [f"FU{1_000_000 + n}" for n in range(20)]

    def test_a_page_has_100_items_where_no_limit_is_given(self, server: RunningServer, client: httpx.Client) -> None:
        for number in range(100, 190):
            server.state.put_product({"id": f"X{number}", "name": "x", "updated_at": "2026-01-01T00:00:00Z", "variants": []})
        assert [len(page) for page in pages(client, "/products")] == [100, 10]

    def test_data_may_move_while_it_is_paged_through_f13(self, server: RunningServer, client: httpx.Client) -> None:
        first = client.get("/products", params={"limit": 5}).json()
        assert server.state.remove_product("FU1000004")  # the item that the cursor stands on
        server.state.put_product({"id": "FU1000004-new", "name": "x", "updated_at": "2026-01-01T00:00:00Z", "variants": []})
        second = client.get("/products", params={"limit": 5, "cursor": first["next_cursor"]}).json()
        assert [item["id"] for item in second["items"]][:2] == ["FU1000004-new", "FU1000005"]

    def test_updated_since_is_inclusive_and_leaves_out_what_is_older(self, state: State, client: httpx.Client) -> None:
        moment = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
        for second in (-1, 0, 1):
            state.touch_product(f"FU{1_000_001 + second}", updated_at=(moment + timedelta(seconds=second)).isoformat())
        # 12:00 in Bucharest is the same instant.
        got = pages(client, "/products", updated_since="2026-11-23T12:00:00+02:00", limit=1)
        assert [item["id"] for page in got for item in page] == ["FU1000001", "FU1000002"]

    def test_the_same_product_twice_with_other_content_is_served_twice_f41(self, state: State, client: httpx.Client) -> None:
        state.put_product(
            {"id": "FU1000000", "name": "another", "updated_at": "2026-01-01T00:00:00Z", "variants": []}, again=True
        )
        assert [item["id"] for item in pages(client, "/products", limit=3)[0]] == ["FU1000000", "FU1000000", "FU1000001"]

    def test_a_product_is_served_byte_by_byte_as_it_was_put_in(self, state: State, client: httpx.Client) -> None:
        raw = b'{"id":"A","name":"\\u0000 \\ud800","variants":[{"price":"abc"}],"x":1e5}'
        state.put_product(raw)
        assert client.get("/products", params={"limit": 1}).content.startswith(b'{"items":[' + raw + b"],")

    def test_categories_come_as_a_tree_with_parents_first(self, client: httpx.Client) -> None:
        seen: set[str] = set()
        for category in [item for page in pages(client, "/categories", limit=10) for item in page]:
            assert category["parent_id"] is None or category["parent_id"] in seen
            seen.add(category["id"])
        assert len(seen) == len(fashion.categories())

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0", "limit=501", "limit=ten", "limit=1_0", "limit=", "limit=1&limit=2", "limit=99999999999999999999",
            "limit=%D9%A1",
            "cursor=", "cursor=!!!", "cursor=bnVsbA", "cursor=%00", "updated_since=yesterday", "updated_since=2026-11-24",
            "updated_since=2026-11-24T10:00:00", "updated_since=2026-13-24T10:00:00Z", "updated_since=2026-11-24T10:00:00 02:00",
        ],
    )  # fmt: skip
    def test_a_bad_parameter_is_refused(self, client: httpx.Client, query: str) -> None:
        assert is_problem(client.get(f"/products?{query}"), 400)

    def test_a_cursor_of_one_list_is_refused_by_another(self, client: httpx.Client) -> None:
        cursor = client.get("/categories", params={"limit": 1}).json()["next_cursor"]
        assert is_problem(client.get("/products", params={"cursor": cursor}), 400)


class TestRefusals:
    @pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic fashionup-simulator", "fashionup-simulator", "Bearer ș"])
    def test_without_the_token_nothing_is_served_not_even_the_word_that_a_path_is_unknown(
        self, server: RunningServer, header: str | None
    ) -> None:
        headers = {} if header is None else {"authorization": header.encode()}
        for path in ("/products", "/nowhere"):
            response = httpx.get(server.url + path, headers=headers)
            assert is_problem(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        "path", ["/nothing", "", "/products/FU1000000", "/orders/a%00b/x", "/orders//status", "/orders/%2F/x"]
    )
    def test_an_unknown_path_is_404(self, client: httpx.Client, path: str) -> None:
        assert is_problem(client.get(path), 404)

    def test_a_wrong_method_is_405_and_says_which_are_right(self, client: httpx.Client) -> None:
        response = client.delete("/stock")
        assert is_problem(response, 405)
        assert response.headers["allow"] == "GET, PUT"

    @pytest.mark.parametrize("order_id", ["FO9", "a%00b", "%F0%9F%91%97", "..%2f..", "'--"])
    def test_an_unknown_order_is_404_for_all_that_is_done_to_it(self, client: httpx.Client, order_id: str) -> None:
        assert is_problem(client.put(f"/orders/{order_id.replace('..%2f..', 'x')}/acknowledgement"), 404)
        assert is_problem(client.put(f"/orders/{order_id}/status", json={"status": "shipped"}), 404)
        assert is_problem(client.post(f"/orders/{order_id}/documents", data={"kind": "waybill", "number": "1"}), 404)

    def test_what_is_not_http_gets_a_problem_document_too(self, server: RunningServer) -> None:
        host, port = server.origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = connection.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"application/problem+json" in answer


class TestStock:
    A, B = "FU1000000-01", "FU1000000-02"

    def test_the_highest_version_wins_and_a_late_retry_is_stale_i21(self, state: State, client: httpx.Client) -> None:
        assert put(client, (self.A, 5, 2)) == ["set"]
        assert put(client, (self.A, 9, 1)) == ["stale"]
        assert put(client, (self.A, 5, 2)) == ["set"]  # a repeat is no lower version
        assert put(client, (self.A, 0, 3)) == ["set"]
        assert client.get("/stock", params={"variant_id": self.A}).json() == {
            "items": [{"variant_id": self.A, "quantity": 0, "version": 3}]
        }
        assert [(one.quantity, one.version, one.result) for one in state.stock_history] == [
            (5, 2, "set"), (9, 1, "stale"), (5, 2, "set"), (0, 3, "set"),
        ]  # fmt: skip

    def test_each_item_is_judged_alone_in_the_order_sent_f10(self, client: httpx.Client) -> None:
        updates = ((self.B, 1, 1), ("nobody", 1, 1), (self.A, 1_000_001, 1), ("FU1000001-01", 0, 10**40))
        assert put(client, *updates) == ["set", "unknown_variant", "rejected", "rejected"]

    def test_before_the_seller_speaks_the_listing_s_stock_is_offered(self, state: State, client: httpx.Client) -> None:
        variant = fashion.generate(1, seed=3).products[0].variants[0]
        got = client.get("/stock", params={"variant_id": [variant.id, "nobody"]}).json()["items"]
        assert got == [{"variant_id": variant.id, "quantity": variant.stock}]

    def test_more_than_500_or_none_or_a_variant_twice_is_refused_and_nothing_is_set(
        self, state: State, client: httpx.Client
    ) -> None:
        item = {"quantity": 1, "version": 1}
        many = {"items": [{"variant_id": f"v{n}", **item} for n in range(501)]}
        twice = {"items": [{"variant_id": self.A, **item}, {"variant_id": self.A, "quantity": 2, "version": 2}]}
        assert is_problem(client.put("/stock", json=many), 422)
        assert is_problem(client.put("/stock", json={"items": []}), 422)
        assert is_problem(client.put("/stock", json=twice), 400)
        assert is_problem(client.get("/stock", params={"variant_id": [f"v{n}" for n in range(501)]}), 400)
        assert is_problem(client.get("/stock"), 400)
        assert state.stock_history == []

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400), (b"{", 400), (b'{"items":[{"variant_id":"a","quantity":NaN,"version":1}]}', 400), (b"\xff\xfe{", 400),
            (b'{"items":"\xff"}', 400), (b"[" * 100_000, 400), (b"9" * 5000, 400), (b"{}", 422), (b"null", 422), (b"[]", 422),
            (b'{"items":[{"variant_id":"a","quantity":-1,"version":1}]}', 422),
            (b'{"items":[{"variant_id":"a","quantity":1.5,"version":1}]}', 422),
            (b'{"items":[{"variant_id":"a","quantity":1e999,"version":1}]}', 422),
            (b'{"items":[{"variant_id":"a","quantity":true,"version":1}]}', 422),
            (b'{"items":[{"variant_id":null,"quantity":1,"version":1}]}', 422),
            (b" " * 1_000_001, 413),
        ],
    )  # fmt: skip
    def test_a_bad_body_is_refused(self, client: httpx.Client, body: bytes, status: int) -> None:
        assert is_problem(client.put("/stock", content=body, headers=JSON), status)

    def test_another_media_type_is_refused(self, client: httpx.Client) -> None:
        assert is_problem(client.put("/stock", content=b"{}", headers={"content-type": "text/plain"}), 415)
        assert is_problem(client.put("/stock", content=b"{}"), 415)


class TestOrders:
    def test_orders_come_by_time_of_change_and_a_changed_one_comes_again_with_a_higher_revision(
        self, state: State, client: httpx.Client
    ) -> None:
        with time_machine.travel(datetime(2026, 11, 24, 9, 0, tzinfo=UTC), tick=False) as clock:
            first, second = state.place_order()["id"], state.place_order()["id"]
            clock.shift(timedelta(minutes=1))
            state.change_order(first, status="cancelled")
        [page] = pages(client, "/orders")
        assert [(order["id"], order["revision"], order["status"]) for order in page] == [
            (second, 1, page[0]["status"]), (first, 2, "cancelled"),
        ]  # fmt: skip
        since = page[1]["updated_at"]
        assert [order["id"] for order in pages(client, "/orders", updated_since=since)[0]] == [first]

    def test_an_order_s_total_is_lines_plus_delivery_minus_discounts_i20(self, state: State) -> None:
        for seed in range(60):
            order = state.place_order(seed=seed)
            cents = [round(float(line["unit_price"]["amount"]) * 100) * line["quantity"] for line in order["lines"]]
            discounts = sum(round(float(discount["amount"]["amount"]) * 100) for discount in order["discounts"])
            delivery = round(float(order["delivery"]["price"]["amount"]) * 100)
            assert sum(cents) + delivery - discounts == round(float(order["total"]["amount"]) * 100)

    def test_acknowledging_twice_changes_nothing(self, state: State, client: httpx.Client) -> None:
        order = state.place_order()
        for _ in range(2):
            assert client.put(f"/orders/{order['id']}/acknowledgement").status_code == 204
        assert state.acknowledged == {order["id"]: 2}
        assert state.order(order["id"]) == order

    def test_cancelling_makes_a_new_revision_once_and_then_nothing_else_is_taken(
        self, state: State, client: httpx.Client
    ) -> None:
        path = f"/orders/{state.place_order()['id']}/status"
        assert client.put(path, json={"status": "processing"}).status_code == 204
        for _ in range(2):
            assert client.put(path, json={"status": "cancelled", "reason": "lipsă stoc"}).status_code == 204
        assert is_problem(client.put(path, json={"status": "shipped"}), 409)
        assert is_problem(client.put(path, json={"status": "lost"}), 422)
        assert [(order["revision"], order["status"]) for order in state.orders()] == [(2, "cancelled")]

    def test_the_same_document_again_is_200_and_changes_nothing(self, state: State, client: httpx.Client) -> None:
        order_id = state.place_order()["id"]
        form = {"kind": "fiscal_invoice", "number": "FU-1"}
        answers = [
            client.post(f"/orders/{order_id}/documents", data=form, files={"file": ("f.pdf", content, "application/pdf")})
            for content in (b"%PDF-1", b"%PDF-2")
        ]
        assert [answer.status_code for answer in answers] == [201, 200]
        [kept] = state.documents[order_id].values()
        assert (kept.kind, kept.number, kept.content) == ("fiscal_invoice", "FU-1", b"%PDF-1")

    @pytest.mark.parametrize(
        ("form", "status"),
        [({"kind": "waybill"}, 422), ({"number": "1"}, 422), ({"kind": "letter", "number": "1"}, 422)],
    )
    def test_an_incomplete_document_is_refused(
        self, state: State, client: httpx.Client, form: dict[str, str], status: int
    ) -> None:
        path = f"/orders/{state.place_order()['id']}/documents"
        assert is_problem(client.post(path, files={name: (None, value) for name, value in form.items()}), status)
        assert is_problem(client.post(path, data=form), 415)
        assert is_problem(client.post(path, content=b"x", headers={"content-type": "multipart/form-data"}), 400)
        assert state.documents == {}
