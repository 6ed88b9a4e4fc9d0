"""The demo as a stranger runs it, in an empty folder: twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memory import folder_of_a_server


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not under pytest's own root: the embedded server runs as another user where the tests run as root."""
    path = folder_of_a_server("cs-demo-")
    yield path
    _call(path, "database", "stop", CLOUDSALES_CONFIG=str(path / ".cloudsales" / "demo" / "cloudsales.yaml"))
    shutil.rmtree(path, ignore_errors=True)


def _call(folder: Path, *words: str, **variables: str) -> str:
    program = "from cloudsales_pipeline.cli import main; main()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDSALES", "DAGSTER"))}
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout


@pytest.mark.timeout(320)
def test_the_demo_says_what_became_of_every_variant_and_again_changes_nothing(folder: Path) -> None:
    first = _call(folder, "demo", "--styles", "20")
    for line in (
        "by sku",
        "by additional code",
        "unknown: made into a product",
        "Codes that the import left on two products: 0.",
        "60 sales posted",
        "40 orders placed",
    ):
        assert line in first
    where = first[first.index("Where to look next") :]
    for command in (
        "stock show",
        "simulate fashionup --styles 20",
        "run import_orders",
        "orders list",
        "purchasing",
        "messages list",
    ):
        assert command in where
    again = _call(folder, "demo", "--styles", "20")
    assert "products created 0, links made 0" in again
    assert _counts(again) == _counts(first)
    assert "this file was taken in before: nothing was done" in again
    assert "these sales were posted before: nothing was done" in again
    for said in (first, again):
        _all_show_the_rules_figure(said)
    assert _told(again) == _told(first)
    _the_day_is_closed_once(first, again, folder / ".cloudsales" / "demo" / "mails")
    _one_product_goes_all_the_way(first)
    _documents_issue_themselves_and_buyers_are_told_once(first, again, folder / ".cloudsales" / "demo")


def _the_day_is_closed_once(first: str, again: str, mails: Path) -> None:
    """Two runs: one order and one mail for each supplier, one delivery and one notice of it (I-27, I-28, I-10)."""
    numbers = set(re.findall(r": order (CF-\d{4}-\d{6}),", first))
    assert len(numbers) >= 2
    assert set(re.findall(r"closed before \((CF-[\d-]+)\); nothing was ordered", again)) == numbers
    assert f"messages sent: {len(numbers)}; mails that arrived: {len(numbers)}" in first
    for said in ("40 orders were placed before", "handed over before: nothing was done", "received before; nothing was done"):
        assert said in again
    assert "mails that arrived" not in again
    assert "@" not in again[again.index("Closing") : again.index("What became of")] + _told(first)
    kept = [mail.name for mail in mails.glob("*.eml")]
    assert sorted(number for name in kept for number in numbers if f"Comanda-{number}-" in name) == sorted(numbers)
    assert len(kept) == len(numbers) + 1
    assert {file.stem for file in mails.glob("*.pdf")} == {file.stem for file in mails.glob("*.xlsx")} == numbers
    assert all(file.read_bytes().startswith(b"%PDF") for file in mails.glob("*.pdf"))


def _one_product_goes_all_the_way(said: str) -> None:
    """Two buyers wanted 2 pieces and 1 of it, and none was there: bought, delivered, and theirs now (I-30)."""
    shown = re.search(r"The chain of \S+: order line, requirement, supplier order, delivery, served.*?\n\n", said, re.DOTALL)
    assert shown
    rows = [line.split() for line in shown[0].splitlines() if " FO" in f" {line.strip()}"]
    assert len(rows) == 2
    wanted, _required, _order, _ordered, _surplus, receipt, received, reserved, issued, waiting = zip(
        *(row[1:] for row in rows), strict=True
    )
    assert sorted(wanted) == ["1", "2"]
    assert received == wanted
    assert tuple(int(left) + int(held) for left, held in zip(issued, reserved, strict=True)) == tuple(map(int, wanted))
    assert waiting == ("0", "0")
    assert all(name.startswith("DEMO-AVIZ-") for name in receipt)


def _documents_issue_themselves_and_buyers_are_told_once(first: str, again: str, house: Path) -> None:
    """Invoices, waybills to door and locker, one return with its storno; the second run issues and tells nothing (I-31, I-38)."""
    issued = {
        kind: sum(int(many) for many in re.findall(rf"^ +{kind} +\S+ +\S+ +(\d+)", first, re.MULTILINE))
        for kind in ("fiscal_invoice", "proforma_invoice", "storno", "waybill")
    }
    assert issued["fiscal_invoice"] >= 10
    assert issued["proforma_invoice"] >= 1
    assert issued["storno"] == 1
    assert re.search(r"^ +waybill +fan ", first, re.MULTILINE)
    assert re.search(r"^ +waybill +sameday ", first, re.MULTILINE)
    papers = sorted((house / "documents").glob("*.pdf"))
    assert len(papers) == sum(issued.values()) - issued["waybill"]
    assert all(paper.read_bytes().startswith(b"%PDF") for paper in papers)
    assert len(list((house / "e-invoices").glob("*.xml"))) == issued["fiscal_invoice"] + 1
    told = [tuple(map(int, pair)) for pair in re.findall(r"(\d+) mails and (\d+) SMS arrived", first)]
    assert len(told) == 3
    assert len(list((house / "mails" / "buyers").glob("*.eml"))) == sum(mails for mails, _ in told) >= 60
    assert sum(texts for _, texts in told) >= 3
    assert again.count("0 mails and 0 SMS arrived") == 3
    assert "they came back before: nothing was done" in again


def _all_show_the_rules_figure(said: str) -> None:
    """The marketplace itself, asked what it offers, and the store's files."""
    for found in (
        re.search(r"The marketplace shows the rule's figure for (\d+) of (\d+) listings", said),
        re.search(r"The store's \d+ files say the rule's figure for (\d+) of (\d+) products", said),
    ):
        assert found
        assert found[1] == found[2]
        assert int(found[1]) > 100


def _told(said: str) -> str:
    """What each channel was told, how fast, and the examples: of the first time, for nothing is told twice."""
    return said[said.index("What each channel was told") : said.index("Where to look next")]


def _counts(said: str) -> list[str]:
    table = said[said.index("What became of each variant") : said.index("The catalogue has")]
    return [line for line in table.splitlines() if line.rstrip()[-1:].isdigit()]
