"""A physical store as a channel: numbered change sets that are whole and can be replayed, whoever deletes what and dies when."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsales_pipeline.channels import registry
from cloudsales_pipeline.channels.errors import (
    ChannelError,
    FileMissingError,
    FolderError,
)
from cloudsales_pipeline.channels.folders import Folder, open_folder
from cloudsales_pipeline.channels.pages import read_pages
from cloudsales_pipeline.channels.port import (
    Acknowledgement,
    AcknowledgeOutcome,
    OrderDocument,
    OrderStatus,
    SalesChannel,
    StockUpdate,
)
from cloudsales_pipeline.channels.store import Store
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings import ChannelSettings
from tests.channels import sftp_server
from tests.channels.till import PENDING, REJECTED, SET, TWO, Till, later, names

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(params=["file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return open_folder(tmp_path.as_uri() if request.param == "file" else f"memory://{uuid4().hex}/outbox", channel="cluj")


@pytest.fixture
def store(folder: Folder) -> Store:
    return later(folder)


# ---------------------------------------------------------------- change sets


def test_a_push_is_one_file_with_its_number_and_each_update_waits_with_the_number_as_ticket(store: Store, folder: Folder) -> None:
    results = store.push_stock(TWO)
    assert [(one.variant_id, one.outcome, one.ticket) for one in results] == [("A-1", PENDING, "1"), ('B, "2"', PENDING, "1")]
    assert names(folder) == ["stock-000000001.csv"]
    [header, first, second] = folder.read_bytes("stock-000000001.csv", 1_000).decode().splitlines()
    assert header == "sku,quantity,version,number,rows,generated_at"
    assert first.startswith("A-1,5,11,1,2,20")
    assert second.startswith('"B, ""2""",0,12,1,2,20')
    assert datetime.fromisoformat(first.rpartition(",")[2]).utcoffset() == timedelta(0)


def test_where_the_store_gives_no_answers_writing_is_enough(folder: Folder) -> None:
    store = later(folder, acknowledged=False)
    assert [(one.outcome, one.ticket) for one in store.push_stock(TWO)] == [(SET, None), (SET, None)]
    assert not store.capabilities.stock_asynchronous
    assert names(folder) == ["stock-000000001.csv"]


def test_nothing_to_say_is_no_file(store: Store, folder: Folder) -> None:
    assert store.push_stock([]) == ()
    assert names(folder) == []


def test_a_push_that_makes_no_sense_is_refused_before_anything_is_written(store: Store, folder: Folder) -> None:
    for updates in ([StockUpdate("A", 1, 1)] * 2, [StockUpdate("A", -1, 1)], [StockUpdate(str(n), 1, 1) for n in range(5_001)]):
        with pytest.raises(ValueError, match=r"twice|negative|at most 5,000"):
            store.push_stock(updates)
    assert names(folder) == []


@pytest.mark.parametrize("sku", ["-40-NEGRU", "+A1", "=5", "@home", "A=1+1", "(=x)", " -x", "ȘAPCĂ-42", "'1", "0012", "5.94E+12"])
def test_a_sku_arrives_as_it_is_also_where_it_begins_like_a_formula(store: Store, folder: Folder, sku: str) -> None:
    [result] = store.push_stock([StockUpdate(sku, 1, 1)])
    assert result.outcome is PENDING
    till = Till()
    till.apply("stock-000000001.csv", folder.read_bytes("stock-000000001.csv", 1_000))
    assert till.shown == {sku: (1, 1)}


@pytest.mark.parametrize(
    "sku",
    [
        '=HYPERLINK("http://x","y")',
        "=cmd|'/C calc'!A0",
        "@SUM(A1)",
        "+1+cmd|x",
        "-2+IMPORTDATA(A1)",
        " =A(1)",
        "＝A(1)",
        "='[x.xls]S'!A1",
        "\t=A(1)",
        "a\nb",
        "a\x00",
    ],
)
def test_i48_a_sku_that_a_spreadsheet_would_run_is_rejected_and_the_others_go_on(store: Store, folder: Folder, sku: str) -> None:
    results = store.push_stock([StockUpdate(sku, 1, 1), StockUpdate("A", 2, 2)])
    assert [one.outcome for one in results] == [REJECTED, PENDING]
    assert results[0].detail in ("a spreadsheet would run this SKU as a formula", "a control character in the SKU")
    assert folder.read_bytes("stock-000000001.csv", 1_000).count(b"\r\n") == 2
    assert store.push_stock([StockUpdate(sku, 1, 1)])[0].outcome is REJECTED
    assert names(folder) == ["stock-000000001.csv"]


@given(st.lists(st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 99), min_size=1), min_size=1, max_size=12), st.randoms())
def test_files_applied_in_any_order_some_of_them_twice_end_at_the_last_figures(
    pushes: list[dict[str, int]], chance: random.Random
) -> None:
    folder = open_folder(f"memory://{uuid4().hex}", channel="cluj")
    store, last, version = later(folder), {}, 0
    for push in pushes:
        updates = []
        for sku, quantity in push.items():
            version += 1
            updates.append(StockUpdate(sku, quantity, version))
            last[sku] = (version, quantity)
        store.push_stock(updates)
    order = names(folder) * 2
    assert len(order) == 2 * len(pushes)
    chance.shuffle(order)
    till = Till()
    for name in order:
        till.apply(name, folder.read_bytes(name, 10_000))
    assert till.shown == last


# ---------------------------------------------------------------- numbers


def test_numbers_go_on_where_the_store_deletes_what_it_has_done_and_in_a_new_process(tmp_path: Path) -> None:
    till = Till()
    for _ in range(3):
        store = later(open_folder(str(tmp_path), channel="cluj"))
        store.push_stock(TWO)
        store.push_stock(TWO)
        till.take_all(tmp_path)
    assert till.numbers == [1, 2, 3, 4, 5, 6]


def test_numbers_go_on_where_our_own_record_of_them_was_deleted(tmp_path: Path) -> None:
    store = later(open_folder(str(tmp_path), channel="cluj"))
    for _ in range(3):
        store.push_stock(TWO)
    open_folder(str(tmp_path), channel="cluj").move("stock-000000003.csv", "done")
    for path in (tmp_path / ".sent").iterdir():
        path.unlink()
    assert store.push_stock(TWO)[0].ticket == "4"


def test_a_file_that_is_there_is_never_overwritten_also_after_an_older_record_was_restored(tmp_path: Path) -> None:
    store = later(open_folder(str(tmp_path), channel="cluj"))
    for _ in range(3):
        store.push_stock(TWO)
    for number in (2, 3):
        (tmp_path / ".sent" / f"stock-{number:09}.csv").unlink()
    assert store.push_stock([StockUpdate("C", 1, 1)])[0].ticket == "4"
    assert b"A-1" in (tmp_path / "stock-000000002.csv").read_bytes()


def test_of_the_numbers_given_away_the_last_thousand_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudsales_pipeline.channels.store.KEPT", 3)
    store = later(open_folder(str(tmp_path), channel="cluj"))
    for _ in range(7):
        store.push_stock(TWO)
    assert sorted(path.name for path in (tmp_path / ".sent").iterdir()) == [f"stock-00000000{n}.csv" for n in (5, 6, 7)]


def test_f27_two_who_push_at_once_never_share_a_number_and_lose_no_file(tmp_path: Path) -> None:
    def push(sku: str) -> None:
        store = later(open_folder(str(tmp_path), channel="cluj"))
        for version in range(1, 21):
            store.push_stock([StockUpdate(sku, version, version)])

    threads = [threading.Thread(target=push, args=(sku,)) for sku in "AB"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    till = Till()
    till.take_all(tmp_path)
    assert sorted(till.numbers) == list(range(1, 41))
    assert till.shown == {"A": (20, 20), "B": (20, 20)}


def test_f24_killed_at_any_step_of_writing_no_number_comes_twice_and_no_half_file_is_seen(tmp_path: Path) -> None:
    till, kills = Till(), 0
    while _killed_at(kills + 1, lambda: later(open_folder(str(tmp_path), channel="cluj")).push_stock(TWO)):
        kills += 1
        till.take_all(tmp_path)
        later(open_folder(str(tmp_path), channel="cluj")).push_stock(TWO)
        till.take_all(tmp_path)
    assert kills > 8
    assert len(set(till.numbers)) == len(till.numbers) >= kills + 1  # one from each push that lived, more from some that did not
    assert till.numbers == sorted(till.numbers)


def _killed_at(step: int, work: Callable[[], Any]) -> bool:
    """Do it in a process that is killed just before its n-th call to the file system; False where it ended before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads: the child touches none of them
        pid = os.fork()
    if pid == 0:
        left = step

        def count(event: str, _: Any) -> None:
            nonlocal left
            left -= event in ("open", "os.rename", "os.mkdir", "os.remove", "os.scandir", "os.listdir")
            if left == 0:
                left = -1  # the kill itself is an event
                os.kill(os.getpid(), signal.SIGKILL)

        failed = True
        try:
            sys.addaudithook(count)
            work()
            failed = False
        finally:
            os._exit(failed)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_f29_on_a_full_disk_the_push_fails_and_the_next_one_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = later(open_folder(str(tmp_path), channel="cluj"))
    with monkeypatch.context() as patch:
        patch.setattr("cloudsales_pipeline.channels.folders.FULL", frozenset({5}))
        patch.setattr("cloudsales_pipeline.channels.folders.os.fsync", _raise_errno_5)
        with pytest.raises(FolderError, match="no space is left"):
            store.push_stock(TWO)
    assert list(tmp_path.glob("stock-*")) == []
    assert store.push_stock(TWO)[0].ticket == "2"


def _raise_errno_5(descriptor: int) -> None:
    raise OSError(5, "the disk")


def test_an_outbox_that_is_not_there_is_not_made_up(tmp_path: Path) -> None:
    store = later(open_folder(str(tmp_path / "unmounted"), channel="cluj"))
    with pytest.raises(FileMissingError, match="and mounted"):
        store.push_stock(TWO)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- as a channel


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[SalesChannel]:
    """Opened as the pipeline opens it."""
    opened = registry.open_channel("cluj", ChannelSettings(kind="store", outbox=tmp_path.as_uri()), database=None)
    yield opened
    opened.close()


def test_a_store_needs_no_address_and_no_token_and_opening_writes_nothing(channel: SalesChannel, tmp_path: Path) -> None:
    assert (channel.name, list(tmp_path.iterdir())) == ("cluj", [])
    assert channel.push_stock(TWO)[0].ticket == "1"


def test_a_store_without_an_outbox_names_the_setting() -> None:
    with pytest.raises(SettingsError, match=r"channels\.cluj\.outbox is missing"):
        registry.open_channel("cluj", ChannelSettings(kind="store"), database=None)


def test_what_a_store_can_do_is_known_before_it_is_opened(channel: SalesChannel, tmp_path: Path) -> None:
    settings = ChannelSettings(kind="store", outbox=tmp_path.as_uri())
    known = registry.capabilities(settings)
    assert known == channel.capabilities
    assert (known.own_listing, known.stock_batch, known.stock_versions, known.stock_asynchronous) == (False, 5_000, True, True)
    assert known.acknowledgement is Acknowledgement.NONE
    assert not registry.capabilities(settings.model_copy(update={"outbox_acknowledged": False})).stock_asynchronous
    assert registry.capabilities(ChannelSettings(kind="fashionup")).own_listing
    with pytest.raises(SettingsError, match="the kinds are: fashionup, store"):
        registry.capabilities(ChannelSettings(kind="shop"))


def test_a_store_has_no_listing_and_no_orders_and_says_so(channel: SalesChannel) -> None:
    assert [page.payloads for page in read_pages(channel.products, in_flight=1)] == [()]
    assert [page.categories for page in read_pages(channel.categories, in_flight=1)] == [()]
    assert channel.orders().payloads == ()
    assert channel.acknowledge("O-1") is AcknowledgeOutcome.UNKNOWN_ORDER
    with pytest.raises(ChannelError, match=r"a physical store has no orders here.*inbox"):
        channel.advance("O-1", OrderStatus.SHIPPED)


def test_i40_a_store_gets_documents_as_files_each_once(channel: SalesChannel, tmp_path: Path) -> None:
    document = OrderDocument("fiscal_invoice", "FU 17", b"%PDF-1.7 \x00")
    assert [channel.attach_document("O/1", document), channel.attach_document("O/1", document)] == [True, False]
    assert {path.name: path.read_bytes() for path in (tmp_path / "documents").iterdir()} == {
        "O-1_fiscal-invoice_FU-17.pdf": b"%PDF-1.7 \x00"
    }
    for order_id, number in (("..", "FU 1"), ("O-1", "../.."), ("O" * 201, "1")):
        with pytest.raises(ValueError, match="must name a file"):
            channel.attach_document(order_id, OrderDocument("waybill", number, b"%PDF"))


def test_a_store_behind_sftp_is_told_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sftp_server.serving(tmp_path) as server:
        server.make_known(tmp_path, monkeypatch)
        monkeypatch.setenv("CLUJ_PASSWORD", sftp_server.PASSWORD)
        outbox = server.url.replace(f":{sftp_server.PASSWORD}@", "@")
        settings = ChannelSettings(kind="store", outbox=outbox, token_env="CLUJ_PASSWORD")
        channel = registry.open_channel("cluj", settings, database=None)
        assert [channel.push_stock(TWO)[0].ticket for _ in range(2)] == ["1", "2"]
        (tmp_path / "outbox" / "stock-000000002.ack").write_bytes(b"ok\n")
        assert (channel.stock_result("1"), len(channel.stock_result("2"))) == ((), 2)
        assert sorted(path.name for path in (tmp_path / "outbox").glob("[!.]*")) == [
            "stock-000000001.csv",
            "stock-000000002.ack",
            "stock-000000002.csv",
        ]
        channel.close()
