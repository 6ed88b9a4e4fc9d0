"""Download, validation and storing (staging) of a listing, against the plain way; with latency; and its memory.

The server is page_server.py with the simulator's products, in a process of its own; each download is one too. The merge is
not part of this (benchmark `imports`), and there is no rate limit.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks import listing_file, page_server
from benchmarks.child import answer_of
from benchmarks.download_worker import PLAIN_IMPORT, NumberedKind
from benchmarks.measure import Cost, Report, median_cost
from benchmarks.server import Server

PRODUCTS = {"quick": 400, "usual": 20_000, "full": 100_000}
FEW = {"quick": 200, "usual": 5_000, "full": 5_000}
MANY = {"quick": 400, "usual": 100_000, "full": 100_000}
REPETITIONS = {"quick": 1, "usual": 3, "full": 5}
PAGES = {"quick": 4, "usual": 60, "full": 120}
PAGE = 500
CURSOR_PAGE = 100  # with latency: what many channels' pages hold
LATENCY_MS = 50

CONTENT = """
select count(*) || ' products, ' || (select count(*) from cloudsales.stage_variant v where v.import_id = :id) || ' variants, ' ||
    sum(hashtextextended(row(external_id, code, name, brand, description, category_ids, images::jsonb, characteristics::jsonb,
                             status, updated_at, raw, raw_hash)::text, 0)) || ' ' ||
    (select sum(hashtextextended(row(external_id, raw_hash, variant_id, position, code, ean, code_key, ean_key, ean_state, size,
                                     colour, price, currency, vat_rate, channel_stock, row_hash)::text, 0))
     from cloudsales.stage_variant where import_id = :id)
from cloudsales.stage_product where import_id = :id
"""


class Downloads:
    """Downloads into one database, each in a process of its own."""

    def __init__(self, server: Server, engine: Engine, *, fresh: bool) -> None:
        self._engine, self._fresh = engine, fresh
        url = engine.url.render_as_string(hide_password=False)
        self._common = {"database": url, "postmaster": server.postmaster}

    def run(self, kind: str, url: str, page_size: int, *, round_trip: bool = False) -> tuple[dict[str, Any], str]:
        """One download; what it cost, and what it staged: counts and a sum of hashes. The stage is empty again then."""
        asked = {**self._common, "kind": kind, "url": url, "page_size": page_size, "round_trip": round_trip}
        answer = answer_of("benchmarks.download_worker", asked, fresh=self._fresh)
        with self._engine.begin() as connection:
            import_id = (
                connection.scalar(sa.text("select max(import_id) from cloudsales.listing_import"))
                if kind != "plain"
                else PLAIN_IMPORT
            )
            content = str(connection.scalar(sa.text(CONTENT), {"id": import_id}))
            connection.execute(sa.text("truncate cloudsales.stage_product, cloudsales.stage_variant, cloudsales.stage_reject"))
            connection.execute(sa.text("delete from cloudsales.listing_import"))
        return json.loads(answer.splitlines()[-1]), content


def run(server: Server, report: Report, size: str) -> None:
    """≥ 2 × the plain way; ≥ 0.8 of window ÷ round trip with 50 ms latency; memory that does not grow."""
    with tempfile.TemporaryDirectory(prefix="cs-bench-listing-") as folder, server.database("bench_download") as engine:
        file = Path(folder) / "listing.jsonl"
        listing_file.write(MANY[size], file)
        downloads = Downloads(server, engine, fresh=size != "quick")
        rate = _rate(report, downloads, file, PRODUCTS[size], REPETITIONS[size])
        _memory(report, downloads, file, FEW[size], MANY[size])
        _latency(report, downloads, file, rate, PAGES[size], REPETITIONS[size])


def _rate(report: Report, downloads: Downloads, file: Path, products: int, repetitions: int) -> float:
    """Products a second without latency."""
    report.begin("download", f"{products:,} products of {file.stat().st_size / lines_of(file):,.0f} bytes, pages of {PAGE}")
    costs: dict[str, list[Cost]] = {"ours": [], "plain": []}
    contents = set()
    with page_server.serving(file, products) as url:
        for _ in range(repetitions):
            for kind, found in costs.items():
                answer, content = downloads.run(kind, url, PAGE)
                found.append(Cost(**answer["cost"]))
                contents.add(content)
    ours, plain = (median_cost(found) for found in costs.values())
    report.cost("ours", ours)
    report.cost("plain: httpx, pydantic, executemany", plain)
    report.correct(f"both staged the same: {contents}", len(contents) == 1 and f"{products} products" in next(iter(contents)))
    report.figure("ours, products a second of CPU", products / ours.cpu)
    report.at_least("rate of the plain way, wall", 2, plain.wall / ours.wall)
    report.at_least("rate of the plain way, CPU", 2, plain.cpu / ours.cpu)
    return products / ours.wall


def _memory(report: Report, downloads: Downloads, file: Path, few: int, many: int) -> None:
    peaks = {}
    for products in (few, many):
        with page_server.serving(file, products) as url:
            answer, content = downloads.run("ours", url, PAGE)
        report.correct(f"{products:,} products were staged", content.startswith(f"{products} products"))
        peaks[products] = answer["peak_megabytes"]
        report.figure(f"peak memory at {products:,} products", peaks[products], "MB")
    report.at_most(f"peak memory at {many:,} above that at {few:,}", 10, peaks[many] - peaks[few], "MB")


def _latency(report: Report, downloads: Downloads, file: Path, rate: float, pages: int, repetitions: int) -> None:
    """Cursor paging has a window of 1. The numbered kind's pages are as large as half of what this machine can take in."""
    window = NumberedKind.window
    numbered_page = max(5, min(CURSOR_PAGE, int(rate * LATENCY_MS / 1000 / window / 2)))
    kinds = (("cursor", "ours", 1, CURSOR_PAGE, pages), ("numbered", "numbered", window, numbered_page, pages * window // 2))
    for name, kind, in_flight, page_size, count in kinds:
        products = min(count * page_size, lines_of(file))
        answers = []
        with page_server.serving(file, products, LATENCY_MS) as url:
            for _ in range(repetitions):
                answer, content = downloads.run(kind, url, page_size, round_trip=True)
                report.correct(f"{products:,} products were staged", content.startswith(f"{products} products"))
                answers.append(answer)
        report.cost(
            f"{name} paging, {LATENCY_MS} ms, pages of {page_size}", median_cost([Cost(**one["cost"]) for one in answers])
        )
        round_trip = median(one["round_trip"] for one in answers)
        report.figure(f"{name} paging: round trip", 1000 * round_trip, "ms")
        asked = -(-products // page_size)
        reached = [asked * one["round_trip"] / in_flight / one["cost"]["wall"] for one in answers]
        report.at_least(f"{name} paging, window {in_flight}: of window ÷ round trip", 0.8, median(reached))


def lines_of(file: Path) -> int:
    """How many products the file has."""
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
