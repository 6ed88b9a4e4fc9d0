"""A store's inbox: each file once by its content when it is complete, archived with its result, whatever happens in between."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import xlsxwriter
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.errors import ChannelUnreachableError, FileMissingError, FolderError
from cloudsales_pipeline.channels.folders import Folder
from cloudsales_pipeline.database.locks import stock_inbox_lock
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock import inbox
from cloudsales_pipeline.stock.inbox import take_inbox
from cloudsales_pipeline.stock.inbox_results import ADVICE
from tests.channels import sftp_server
from tests.conftest import ROOT
from tests.killing import killed_at_each_step
from tests.stock.drops import COLUMNS, HEADER, aged, drop, drop_sheet, only, outcomes, take, tree, with_inbox
from tests.stock.shelf import levels, rows, stock_world

pytestmark = pytest.mark.timeout(60)
RECEIPT = "NIR-1,CLUJ,R-1,receipt,10,"
OLD = 90.0  # seconds; longer than anybody waits for a file that looks cut


@pytest.fixture(autouse=True)
def world(engine: Engine) -> None:
    stock_world(engine)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "inbox"
    made.mkdir()
    return made


@pytest.fixture
def store(settings: Settings, folder: Path) -> Settings:
    return with_inbox(settings, str(folder))


def result_of(folder: Path, name: str) -> list[dict[str, str]]:
    (path,) = folder.rglob(f"{name}.result.csv")
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def lies(engine: Engine) -> list[tuple[str, str, str]]:
    """(name, state, where) of all files, the month left out."""
    found = rows(engine, "select name, state, archived_as from analytics.stock_file order by file_id")
    return [(name, state, where and "/".join(p for p in where.split("/") if p[:2] != "20")) for name, state, where in found]


# ------------------------------------------------------------------------------------------------ taken in, and archived


def test_a_dropped_file_is_posted_archived_and_its_result_says_row_by_row_what_was_held(
    engine: Engine, store: Settings, folder: Path
) -> None:
    lines = (
        RECEIPT,
        "BON-1,CLUJ,R-1,sale,3,",
        "BON-2,CLUJ,R-9,sale,1,",
        "BON-3,CLUJ,R-1,sale,1.5,",
        "BON-4,CLUJ,R-1,sale,1000000000000,",
    )
    drop(folder, "day.csv", *lines, "BON-5,MOON,R-1,sale,1,", "BON-6,CLUJ,R-1,sale,1,2090-01-01")
    one = only(take(engine, store))
    assert (one.outcome, one.rows_in, one.loaded, one.unchanged, one.quarantined) == ("taken", 7, 2, 0, 5)
    assert levels(engine) == {("CLUJ", "R-1"): (7, 0)}
    assert tree(folder) == ["archive/day.csv", "archive/day.csv.result.csv"]
    assert lies(engine) == [("day.csv", "taken", "archive/day.csv")]
    told = result_of(folder, "day.csv")
    assert [(row["row"], row["result"]) for row in told] == [
        ("", "taken"),
        ("4", "unknown_sku"),
        ("5", "quantity_fraction"),
        ("6", "quantity_too_large"),
        ("7", "unknown_warehouse"),
        ("8", "future_date"),
    ]
    assert told[0]["what_to_do"] == "7 rows: 2 taken, 0 there before, 5 held"
    assert all(row["what_to_do"] for row in told)
    assert "BON" not in (next(folder.rglob("*.result.csv"))).read_text()


def test_a_tills_sale_is_a_fact_and_is_not_stopped_by_what_orders_hold(engine: Engine, store: Settings, folder: Path) -> None:
    drop(folder, "a.csv", RECEIPT, age=5)
    take(engine, store)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.reservation (owner, product_id, warehouse, quantity, placed_at)"
            " select 'order-1', product_id, 'CLUJ', 9, now() from cloudsales.product where sku = 'R-1'"
        )
    drop(folder, "b.csv", "BON-1,CLUJ,R-1,sale,4,")
    assert only(take(engine, store)).loaded == 1
    assert levels(engine)[("CLUJ", "R-1")][0] == 6


def test_files_are_taken_in_the_order_they_were_written_so_that_a_receipt_makes_room_for_its_sale(
    engine: Engine, store: Settings, folder: Path
) -> None:
    drop(folder, "z-receipt.csv", RECEIPT, age=20)
    drop(folder, "a-sale.csv", "BON-1,CLUJ,R-1,sale,10,", age=10)
    result = take(engine, store)
    assert (result.rows_in, result.loaded, result.quarantined) == (2, 2, 0)
    assert levels(engine) == {("CLUJ", "R-1"): (0, 0)}


def test_f30_the_same_content_dropped_twice_and_renamed_is_posted_once_and_its_result_names_the_first(
    engine: Engine, store: Settings, folder: Path
) -> None:
    drop(folder, "day.csv", RECEIPT)
    take(engine, store)
    drop(folder, "day.csv", RECEIPT, age=3)
    drop(folder, "other.csv", RECEIPT)
    result = take(engine, store)
    assert outcomes(result) == {"day.csv": "taken_before", "other.csv": "taken_before"}
    assert (result.rows_in, result.loaded) == (0, 0)
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}
    assert [name for name in tree(folder) if not name.endswith(".result.csv")] == [
        "archive/day-2.csv",
        "archive/day.csv",
        "archive/other.csv",
    ]
    (told,) = result_of(folder, "other.csv")
    assert told["result"] == "taken before"
    assert told["what_to_do"].startswith("taken before as day.csv on 2")
    assert lies(engine) == [("day.csv", "taken", "archive/day.csv")]


def test_i10_a_reference_that_comes_again_with_other_content_is_held_and_said(
    engine: Engine, store: Settings, folder: Path
) -> None:
    drop(folder, "a.csv", RECEIPT, age=5)
    drop(folder, "b.csv", RECEIPT.replace(",10,", ",12,"))
    take(engine, store)
    assert [row["result"] for row in result_of(folder, "b.csv")] == ["taken", "reference_reused"]
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}


def test_a_file_of_the_same_name_each_day_keeps_each_days_held_rows_apart(engine: Engine, store: Settings, folder: Path) -> None:
    for document in ("BON-1", "BON-2"):
        drop(folder, "sales.csv", f"{document},CLUJ,R-9,sale,1,")
        take(engine, store)
    held = rows(
        engine, "select reference, detail ->> 'reference' from cloudsales.quarantine where resolved_at is null order by 1"
    )
    (one, first), (two, second) = held
    assert one != two
    assert one.startswith("sales.csv (file ")
    assert (first, second) == ("BON-1", "BON-2")


def test_a_spreadsheet_is_posted_and_one_with_a_title_above_its_header_is_refused_with_what_to_do(
    engine: Engine, store: Settings, folder: Path
) -> None:
    drop_sheet(folder, "good.xlsx", [COLUMNS, ["NIR-1", "CLUJ", "R-1", "receipt", 5], ["BON-1", "CLUJ", "R-1", "sale", 2]])
    with xlsxwriter.Workbook(str(folder / "merged.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.merge_range("A1:E1", "Mișcări de stoc: Ion Popescu 0722")
        sheet.write_row(1, 0, COLUMNS)
        sheet.write_row(2, 0, ["NIR-2", "CLUJ", "R-1", "receipt", 5])
    aged(folder / "merged.xlsx", OLD)
    assert outcomes(take(engine, store)) == {"merged.xlsx": "refused", "good.xlsx": "taken"}
    assert levels(engine) == {("CLUJ", "R-1"): (3, 0)}
    (told,) = result_of(folder, "merged.xlsx")
    assert told["result"] == "refused"
    assert told["what_to_do"].startswith("merged.xlsx has no column reference or warehouse")
    assert "header reference, warehouse, sku, reason, quantity" in told["what_to_do"]
    assert "opescu" not in told["what_to_do"]  # I-46
    assert lies(engine)[0] == ("merged.xlsx", "refused", "refused/merged.xlsx")


# ------------------------------------------------------------------------------------------------ complete, or not yet


def test_f30_a_file_that_grows_between_two_looks_waits_and_is_taken_whole_at_the_next(
    engine: Engine, settings: Settings, folder: Path
) -> None:
    store = with_inbox(settings, str(folder), settle_seconds=2.0)
    path = drop(folder, "day.csv", RECEIPT)
    waited: list[float] = []

    def grow(seconds: float) -> None:
        waited.append(seconds)
        with path.open("a") as file:
            file.write("BON-1,CLUJ,R-1,sale,1,\n")

    assert take(engine, store, sleep=grow).files == ()
    assert waited == [2.0]
    assert only(take(engine, store, sleep=lambda _: None)).loaded == 2


def test_f30_a_file_that_changes_after_it_was_read_stays_and_the_rest_of_it_is_taken_at_the_next_look(
    engine: Engine, store: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(folder, "day.csv", RECEIPT)
    load = inbox.load_file

    def load_while_it_grows(*arguments: object, **how: object) -> object:
        found = load(*arguments, **how)  # type: ignore[arg-type]
        with path.open("a") as file:
            file.write("BON-1,CLUJ,R-1,sale,1,\n")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(inbox, "load_file", load_while_it_grows)
        assert only(take(engine, store)).outcome == "waiting"
    assert tree(folder) == ["day.csv"]
    one = only(take(engine, store))
    assert (one.outcome, one.loaded, one.unchanged) == ("taken", 1, 1)
    assert levels(engine) == {("CLUJ", "R-1"): (9, 0)}
    assert rows(engine, "select count(*) from cloudsales.stock_file where archived_as is null") == [(0,)]


def test_a_last_line_without_its_end_waits_a_minute_and_then_is_held_for_12_may_be_cut_from_120(
    engine: Engine, store: Settings, folder: Path
) -> None:
    path = drop(folder, "cut.csv", RECEIPT, "NIR-2,CLUJ,R-1,receipt,12", end="")
    one = only(take(engine, store))
    assert one.outcome == "waiting"
    assert one.note.startswith("its last line has no end yet; it may still be written, so it is looked at again in ")
    aged(path, OLD)
    one = only(take(engine, store))
    assert (one.outcome, one.loaded, one.quarantined) == ("taken", 1, 1)
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}
    assert [row["result"] for row in result_of(folder, "cut.csv")] == ["taken", "too_few_fields"]
    drop(folder, "whole.csv", RECEIPT, "NIR-2,CLUJ,R-1,receipt,120,")
    assert only(take(engine, store)).loaded == 1
    assert levels(engine) == {("CLUJ", "R-1"): (130, 0)}
    assert rows(engine, "select count(*) from analytics.quarantine where resolved_at is null") == [(0,)]


def test_a_cut_quantity_that_reads_well_is_held_as_an_unfinished_line(engine: Engine, store: Settings, folder: Path) -> None:
    header = "reference,warehouse,sku,reason,quantity\n"
    drop(folder, "cut.csv", "NIR-2,CLUJ,R-1,receipt,12", end="", header=header, age=OLD)
    take(engine, store)
    assert levels(engine) == {}
    assert [row["result"] for row in result_of(folder, "cut.csv")] == ["taken", "unfinished_line"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n   ", "\n,,,,,"])
def test_blanks_after_the_last_lines_end_are_no_unfinished_line(engine: Engine, store: Settings, folder: Path, end: str) -> None:
    drop(folder, "day.csv", RECEIPT, end=end)
    assert only(take(engine, store)).loaded == 1


def test_a_file_server_whose_clock_is_two_hours_behind_makes_no_file_older(
    engine: Engine, store: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = 7200.0
    write = Folder.write_complete

    def written_by_its_clock(self: Folder, name: str, content: bytes) -> None:
        write(self, name, content)
        if name == inbox.CLOCK:
            aged(folder / name, behind)

    monkeypatch.setattr(Folder, "write_complete", written_by_its_clock)
    path = drop(folder, "cut.csv", RECEIPT, end="", age=behind + 5)
    assert only(take(engine, store)).outcome == "waiting"
    aged(path, behind + OLD)
    assert only(take(engine, store)).outcome == "taken"


# ------------------------------------------------------------------------------------------------ refused as a whole


def damaged(folder: Path) -> dict[str, Path]:
    """Files that can't be read as a whole, by the words that must be said of each."""
    wrong = folder / "latin.csv"
    wrong.write_bytes(HEADER.encode() + "NIR-1,CLUJ,cămașă,receipt,1,\n".encode("iso8859-16"))
    cut = drop_sheet(folder, "cut.xlsx", [COLUMNS, ["NIR-1", "CLUJ", "R-1", "receipt", 5]])
    cut.write_bytes(cut.read_bytes()[:-40])
    with xlsxwriter.Workbook(str(folder / "far.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, COLUMNS)
        sheet.write(1_048_575, 16_383, "x")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    return {
        "is not utf-8": wrong,
        "not a spreadsheet that can be read": cut,
        "too far out": folder / "far.xlsx",
        "no header row": folder / "empty.csv",
        "neither CSV nor XLSX": folder / "photo.jpg",
        "can't be read as CSV": drop(folder, "quote.csv", 'NIR-1,CLUJ,"R-1', end=""),
        "no column sku": drop(folder, "columns.csv", "NIR-1,CLUJ,5", header="reference,warehouse,reason,quantity\n"),
    }


def test_each_file_that_cannot_be_read_is_refused_with_why_and_those_behind_it_go_on(
    engine: Engine, store: Settings, folder: Path
) -> None:
    found = damaged(folder)
    drop(folder, "zz.csv", RECEIPT)
    waiting = outcomes(take(engine, store))
    assert waiting.pop("zz.csv") == "taken"
    assert waiting == dict.fromkeys((path.name for path in found.values()), "waiting")  # each may still be written
    for path in found.values():
        aged(path, OLD)
    refused = take(engine, store)
    assert {one.outcome for one in refused.files} == {"refused"}
    for words, path in found.items():
        (told,) = result_of(folder, path.name)
        assert words in told["what_to_do"]
        (refusal,) = rows(engine, "select refusal from analytics.stock_file where name = :n", n=path.name)
        assert words in refusal[0]
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}
    assert rows(engine, "select count(*) from cloudsales.stock_file where archived_as is null") == [(0,)]


def test_a_zip_bomb_in_a_spreadsheet_is_refused_before_it_is_unpacked(
    engine: Engine, store: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudsales_pipeline.stock.spreadsheets.MOST_UNPACKED", 3_000_000)
    drop_sheet(folder, "bomb.xlsx", [COLUMNS, ["=" + "x" * 5_000] * 5, *[["NIR", "CLUJ", "R-1", "receipt", 1]] * 30_000], age=OLD)
    assert (folder / "bomb.xlsx").stat().st_size < 1_000_000
    one = only(take(engine, store))
    assert (one.outcome, one.note) == ("refused", "bomb.xlsx is larger than 3,000,000 bytes when unpacked.")


def test_a_file_above_the_byte_cap_is_refused_without_being_read(
    engine: Engine, store: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_BYTES", 1_000)
    drop(folder, "large.csv", *[RECEIPT] * 100)
    monkeypatch.setattr(Folder, "read_bytes", None)
    one = only(take(engine, store))
    assert (one.outcome, one.note) == ("refused", "It is larger than 1,000 bytes.")
    assert tree(folder) == ["refused/large.csv", "refused/large.csv.result.csv"]


def test_a_refused_content_is_tried_again_when_it_is_dropped_again(engine: Engine, store: Settings, folder: Path) -> None:
    for _ in range(2):
        drop(folder, "empty.csv", end="", header="", age=OLD)
        assert only(take(engine, store)).outcome == "refused"
    assert rows(engine, "select count(*), count(archived_as) from cloudsales.stock_file") == [(1, 1)]


# ------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("=HYPERLINK(1).csv", "'=HYPERLINK(1).csv"),
        ("@cmd|' C'!A0.csv", "'@cmd|' C'!A0.csv"),
        ("vânzări \u202egpj.csv", "vânzări ?gpj.csv"),
        (f"{'n' * 230}.csv", f"{'n' * 90}…{'n' * 25}.csv"),
        ("'; drop table x --.csv", "'; drop table x --.csv"),
    ],
)
def test_i48_strange_names_are_archived_as_they_are_and_shown_harmless(
    engine: Engine, store: Settings, folder: Path, name: str, shown: str
) -> None:
    drop(folder, name, RECEIPT, "BON-2,CLUJ,R-9,sale,1,")
    assert only(take(engine, store)).name == shown
    assert (next(folder.glob("archive/*")) / name).is_file()
    assert rows(engine, "select name from analytics.stock_file") == [(shown,)]
    ((reference,),) = rows(engine, "select reference from analytics.quarantine")
    assert reference.startswith(f"{shown} (file ")
    drop(folder, "again.csv", RECEIPT, "BON-2,CLUJ,R-9,sale,1,")
    take(engine, store)
    told = result_of(folder, "again.csv")
    assert told[0]["what_to_do"].startswith(f"taken before as {shown} on ")


def test_i48_a_name_that_leads_elsewhere_is_left_alone_and_the_rest_goes_on(
    engine: Engine, store: Settings, folder: Path
) -> None:
    drop(folder, "..\\..\\evil.csv", "NIR-9,CLUJ,R-1,receipt,9,")
    (folder / "link.csv").symlink_to("/etc/passwd")
    drop(folder, "good.csv", RECEIPT)
    drop(folder, "half.csv.part", "NIR-8,CLUJ,R-1,receipt,9,")
    assert outcomes(take(engine, store)) == {"good.csv": "taken"}
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}


def test_a_result_that_somebody_copies_into_the_inbox_is_not_a_drop(engine: Engine, store: Settings, folder: Path) -> None:
    (folder / "day.csv.result.csv").write_text("row,result,what_to_do\n")
    assert take(engine, store).files == ()


# ------------------------------------------------------------------------------------------------ kills, and others


def test_f24_killed_at_any_step_the_file_is_posted_once_and_archived_once_with_its_result(
    engine: Engine, database_url: URL, store: Settings, folder: Path
) -> None:
    def dropped(number: int) -> None:
        drop(folder, f"day-{number:02}.csv", f"NIR-{number},CLUJ,R-1,receipt,1,", f"BON-{number},CLUJ,R-9,sale,1,")

    dropped(0)
    kills = 0
    for kill in killed_at_each_step(database_url, lambda own: take(own, store)):
        kills = kill
        while take(engine, store).by_another:  # the server has not noticed yet that the holder of the lock is gone
            time.sleep(0.02)
        name = f"day-{kill - 1:02}.csv"
        assert tree(folder)[-2:] == [f"archive/{name}", f"archive/{name}.result.csv"], kill
        assert len(tree(folder)) == 2 * kill
        assert [row["result"] for row in result_of(folder, name)] == ["taken", "unknown_sku"]
        assert levels(engine) == {("CLUJ", "R-1"): (kill, 0)}
        assert lies(engine)[-1] == (name, "taken", f"archive/{name}")
        dropped(kill)
    assert kills >= 15
    assert rows(engine, "select count(*) from cloudsales.stock_file where archived_as is null") == [(0,)]


def test_a_file_that_was_taken_in_and_then_removed_by_a_person_is_not_looked_for_for_ever(
    engine: Engine, store: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(folder, "day.csv", RECEIPT)
    with monkeypatch.context() as patched:
        patched.setattr(Folder, "move", lambda *_: (_ for _ in ()).throw(FolderError("no room", channel="cluj")))
        one = only(take(engine, store))
    assert (one.outcome, one.note) == ("failed", "no room")
    assert inbox.to_archive(engine, ["cluj", "other"]).keys() == {"cluj"}
    path.unlink()
    assert take(engine, store).healed == 1
    assert lies(engine) == [("day.csv", "taken", "not found any more")]
    assert inbox.to_archive(engine, ["cluj"]) == {}


def test_two_that_look_at_once_post_once_and_neither_fails(engine: Engine, store: Settings, folder: Path) -> None:
    for number in range(6):
        drop(folder, f"{number}.csv", f"NIR-{number},CLUJ,R-1,receipt,1,")
    results = []
    threads = [threading.Thread(target=lambda: results.append(take(engine, store))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    take(engine, store)
    assert len(results) == 2
    assert levels(engine) == {("CLUJ", "R-1"): (6, 0)}
    assert len(tree(folder)) == 12


def test_while_another_holds_the_inbox_nothing_is_done(engine: Engine, store: Settings, folder: Path) -> None:
    drop(folder, "day.csv", RECEIPT)
    with stock_inbox_lock(engine, "cluj"):
        assert take(engine, store).by_another
    with stock_inbox_lock(engine, "other"):
        assert only(take(engine, store)).outcome == "taken"


def test_a_file_that_somebody_moves_away_in_between_is_no_error(
    engine: Engine, store: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(folder, "day.csv", RECEIPT)
    read = Folder.read_bytes

    def moved_first(self: Folder, name: str, most: int) -> bytes:
        path.unlink()
        return read(self, name, most)

    monkeypatch.setattr(Folder, "read_bytes", moved_first)
    assert outcomes(take(engine, store)) == {"day.csv": "gone"}


def test_f29_no_room_for_the_archive_is_said_and_the_next_look_archives_what_was_posted(
    engine: Engine, store: Settings, folder: Path
) -> None:
    (folder / "archive").symlink_to("nowhere")
    drop(folder, "day.csv", RECEIPT)
    told = take(engine, store)
    assert outcomes(told)["day.csv"] == "failed"
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}
    (folder / "archive").unlink()
    assert outcomes(take(engine, store))["day.csv"] == "taken"
    assert [name for name in tree(folder) if name.startswith("archive/")] == ["archive/day.csv", "archive/day.csv.result.csv"]
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}


# ------------------------------------------------------------------------------------------------ other folders


@pytest.fixture
def memory() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    files.makedirs("/cluj-inbox", exist_ok=True)
    yield "memory://cluj-inbox"
    files.rm("/cluj-inbox", recursive=True)


def test_an_inbox_in_memory_works_like_one_on_a_disk(engine: Engine, settings: Settings, memory: str) -> None:
    files = fsspec.filesystem("memory")
    files.pipe_file("/cluj-inbox/day.csv", (HEADER + RECEIPT + "\n").encode())
    files.pipe_file("/cluj-inbox/cut.csv", (HEADER + RECEIPT).encode())
    assert outcomes(take(engine, with_inbox(settings, memory))) == {"day.csv": "taken", "cut.csv": "waiting"}
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}
    assert [path.rsplit("/", 1)[1] for path in sorted(files.find("/cluj-inbox/archive"))] == ["day.csv", "day.csv.result.csv"]


def test_an_inbox_behind_sftp_is_read_with_the_channels_password(
    engine: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sftp_server.serving(tmp_path) as server:
        server.make_known(tmp_path, monkeypatch)
        monkeypatch.setenv("CLUJ_PASSWORD", sftp_server.PASSWORD)
        url = server.url.replace(f":{sftp_server.PASSWORD}@", "@")
        store = with_inbox(settings, url, token_env="CLUJ_PASSWORD")
        drop(tmp_path / "outbox", "day.csv", RECEIPT)
        drop(tmp_path / "outbox", "cut.csv", RECEIPT, "NIR-2,CLUJ,R-1,receipt,1", end="", age=OLD)
        assert outcomes(take(engine, store)) == {"cut.csv": "taken", "day.csv": "taken"}
        assert tree(tmp_path / "outbox") == [
            "archive/cut.csv",
            "archive/cut.csv.result.csv",
            "archive/day.csv",
            "archive/day.csv.result.csv",
        ]
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}


def test_an_inbox_that_is_not_there_or_not_reached_is_said_without_its_password(
    engine: Engine, settings: Settings, tmp_path: Path, free_port: int
) -> None:
    with pytest.raises(FileMissingError, match="look whether the folder is there, and mounted"):
        take_inbox(engine, with_inbox(settings, str(tmp_path / "nowhere")), "cluj")
    with pytest.raises(ChannelUnreachableError) as caught:
        take_inbox(engine, with_inbox(settings, f"sftp://u:s3cret@127.0.0.1:{free_port}/x"), "cluj")
    assert "s3cret" not in str(caught.value)


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ({"inbox": "/srv/cluj", "outbox": "file:///srv/cluj/"}, {}, "the outbox of cluj is the inbox of cluj"),
        ({"inbox": "/srv/in"}, {"inbox": "/srv/in"}, "the inbox of arad is the inbox of cluj"),
    ],
)
def test_what_is_written_to_a_till_cannot_be_read_as_its_movements(
    first: dict[str, str], second: dict[str, str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Settings.model_validate({"channels": {"cluj": {"kind": "store", **first}, "arad": {"kind": "store", **second}}})


def test_every_reason_that_a_row_can_be_held_for_has_its_advice_and_stands_in_the_page() -> None:
    page = (ROOT / "docs" / "stock.md").read_text(encoding="utf-8").partition("## Why a row was refused")[2].partition("\n## ")[0]
    told = {code for line in page.splitlines() if line.startswith("| ") for code in line.split("|")[1].strip().split(", ")}
    assert told - {"reason"} == set(ADVICE)
