"""Starting and stopping, the command, data files, and the page for people."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cloudsales_pipeline.cli.simulate import app
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator import datafile, fashion
from cloudsales_pipeline.simulator.faults import Fault
from cloudsales_pipeline.simulator.retailer import retailer_catalogue
from cloudsales_pipeline.simulator.server import RunningServer, running, serve, start_process
from cloudsales_pipeline.simulator.state import State

PRODUCT = {"id": "P1", "name": "Rochie", "updated_at": "2026-11-01T10:00:00Z", "variants": [{"id": "V1", "stock": 4}]}


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_stops_at_the_end_of_its_block_and_its_port_is_free_for_the_next() -> None:
    with running(State()) as first:
        port = httpx.URL(first.url).port
        assert port
    assert refused(port)
    with running(State(), port=port) as second:
        assert second.url == f"http://127.0.0.1:{port}/v1"


def test_a_taken_port_and_another_host_are_refused(server: RunningServer) -> None:
    port = httpx.URL(server.url).port or 0
    with pytest.raises(InputError, match=f"Port {port} can't be used"), running(State(), port=port):
        pass
    with pytest.raises(InputError, match=r"127\.0\.0\.1 alone"):
        serve(State(), host="0.0.0.0", announce=print)  # noqa: S104 - it is what is refused


def test_latency_is_added_to_each_answer_of_the_api() -> None:
    with running(State(), latency_ms=150) as server:
        begin = time.monotonic()
        assert httpx.get(f"{server.url}/products").status_code == 401
        assert time.monotonic() - begin >= 0.15


def test_the_command_prints_one_line_that_ends_with_the_url_and_serves_a_file(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps({"products": [PRODUCT], "categories": [{"id": "1", "name": "Femei"}]}))
    with start_process("--data", str(tmp_path / "data.json"), "--port", "0", token="t0") as process:
        answer = httpx.get(f"{process.url}/products", headers={"authorization": "Bearer t0"})
        assert answer.json()["items"] == [PRODUCT]
        assert httpx.get(f"{process.origin}/_simulator/state").json()["variants"] == 1
    assert process.process.returncode == 0


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_cleanly_when_it_is_asked_to(asked: signal.Signals) -> None:
    command = [sys.executable, "-m", "cloudsales_pipeline.cli.simulate", "fashionup", "--styles", "3", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    line = process.stdout.readline()
    url = line.split()[-1]
    assert httpx.get(url).status_code == 401
    told = line.partition("the token is ")[2].partition(";")[0]
    assert httpx.get(f"{url}/products", headers={"authorization": f"Bearer {told}"}).status_code == 200
    process.send_signal(asked)
    rest, complaint = process.communicate(timeout=10)
    assert (process.returncode, rest, complaint) == (0, "", "")


def test_the_retailer_s_file_goes_with_the_listing_of_the_same_styles_and_seed(tmp_path: Path) -> None:
    out = tmp_path / "catalogue.csv"
    result = CliRunner().invoke(app, ["retailer", "--styles", "60", "--seed", "4", "--out", str(out)])
    assert result.exit_code == 0, result.output
    expected = retailer_catalogue(fashion.generate(60, seed=4), seed=4)
    assert len(out.read_text(encoding="utf-8").splitlines()) == len(expected.rows) + 1
    assert json.loads(result.stdout) == expected.expectation.by_outcome()
    assert CliRunner().invoke(app, ["retailer", "--out", str(tmp_path / "no" / "folder.csv")]).exit_code == 1


class TestBadFiles:
    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "truncated"), (b"{", "truncated"), (b"[]", "object"), (b"{}", "products"), (b'{"products": 3}', "array"),
            (b'{"products": [3]}', r"products\[0\] is not an object"), (b"\xff\xfe", "can't be served"),
            (b'{"products": [], "orders": [{"id": "O1"}]}', r"orders\[0\] has no id, revision or updated_at"),
        ],
    )  # fmt: skip
    def test_a_file_that_can_t_be_served_says_why_and_what_is_wanted(self, tmp_path: Path, content: bytes, why: str) -> None:
        path = tmp_path / "bad.json"
        path.write_bytes(content)
        with pytest.raises(InputError, match=why):
            datafile.read(path)
        result = CliRunner().invoke(app, ["fashionup", "--data", str(path), "--port", "0"])
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "bad.json" in result.stderr

    def test_no_file_and_two_sources_are_refused(self, tmp_path: Path) -> None:
        missing = CliRunner().invoke(app, ["fashionup", "--data", str(tmp_path / "none.json")])
        assert missing.exit_code == 1
        assert "none.json can't be read" in missing.stderr
        assert CliRunner().invoke(app, ["fashionup", "--data", "x.json", "--styles", "3"]).exit_code == 2

    def test_flawed_products_are_served_with_their_flaws_f40(self, tmp_path: Path) -> None:
        flawed = (
            '{"products":[{"id":"A","variants":[]},{"name":"no id","updated_at":3},{"id":7,"variants":"none"},'
            '{"id":"B","updated_at":"yesterday","variants":[{"id":"B1","price":"abc","stock":"many"},{"stock":1}]},'
            '{"id":"A","name":"again"}]}'
        )
        (tmp_path / "flawed.json").write_text(flawed)
        state = State.of(*datafile.read(tmp_path / "flawed.json"))
        with running(state) as server:
            answer = httpx.get(f"{server.url}/products", headers={"authorization": f"Bearer {server.token}"}).json()
            assert httpx.get(server.origin).status_code == 200
        assert len(answer["items"]) == 5
        assert answer["items"][2:] == [
            {"id": "A", "variants": []}, {"id": "A", "name": "again"},
            {"id": "B", "updated_at": "yesterday", "variants": [{"id": "B1", "price": "abc", "stock": "many"}, {"stock": 1}]},
        ]  # fmt: skip
        assert state.offers(["B1"])["B1"].quantity == 0

    def test_the_real_listing_is_served_whole(self, shared: Callable[[str], Path]) -> None:
        state = State.of(*datafile.read(shared("data/listing/real_listing.json")))
        counts = state.counts()
        assert (counts["products"], counts["categories"], counts["variants"]) == (845, 33, 845)


class TestPage:
    def test_the_page_shows_goods_counts_and_orders_and_runs_nothing_that_stands_in_the_data_i48(
        self, state: State, server: RunningServer
    ) -> None:
        state.put_product({**PRODUCT, "id": "A", "name": "<script>alert(1)</script>", "images": [{"url": "http://x.invalid/a"}]})
        order = httpx.post(f"{server.origin}/_simulator/order")
        assert order.status_code == 201
        answer = httpx.get(server.origin)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "&lt;script&gt;alert(1)" in answer.text
        assert "<script" not in answer.text
        assert "x.invalid" not in answer.text
        assert order.json()["id"] in answer.text
        assert order.json()["customer"]["name"] not in answer.text

    def test_a_fault_can_be_queued_from_outside(self, server: RunningServer, client: httpx.Client) -> None:
        asked = {"operation": "listProducts", "fault": "unavailable"}
        assert httpx.post(f"{server.origin}/_simulator/fault", params=asked).status_code == 200
        assert [client.get("/products").status_code for _ in range(2)] == [503, 200]
        assert httpx.post(f"{server.origin}/_simulator/fault", params={**asked, "fault": "flood"}).status_code == 422

    def test_images_can_be_struck_by_faults_of_their_own(self, server: RunningServer) -> None:
        server.state.faults.queue("getImage", Fault.HTML_PAGE)
        address = f"{server.origin}/images/RCH1000-NGR-1.jpg"
        assert [httpx.get(address).headers["content-type"] for _ in range(2)] == ["text/html; charset=utf-8", "image/jpeg"]

    def test_without_goods_nothing_can_be_ordered(self) -> None:
        with running(State()) as server:
            assert httpx.post(f"{server.origin}/_simulator/order").status_code == 409
            assert httpx.get(f"{server.origin}/nothing").json()["status"] == 404


def test_two_servers_can_serve_two_states_side_by_side() -> None:
    with running(State(fashion.generate(2, seed=1))) as one, running(State(fashion.generate(3, seed=1))) as other:
        totals = [
            httpx.get(f"{server.url}/products", headers={"authorization": f"Bearer {server.token}"}).json()["total"]
            for server in (one, other)
        ]
    assert totals == [2, 3]
