"""One download into the stage, in a process of its own: `python -m benchmarks.download_worker JSON`; prints a JSON object.

`ours` is listing.imports.import_listing, left just before its merge; what it staged stays there for the caller to look at.
There is no rate limit here: a limiter of 600 calls a minute is what a real channel's import waits for, not what it costs.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from datetime import datetime
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa

from benchmarks import plain_download
from benchmarks.import_worker import peak_megabytes
from benchmarks.server import server_cpu_seconds
from cloudsales_pipeline.channels.envelope import decode_page
from cloudsales_pipeline.channels.fashionup import CAPABILITIES, FashionUp
from cloudsales_pipeline.channels.port import Capabilities, Paging, ProductPage
from cloudsales_pipeline.channels.transport import Transport
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.listing.imports import ListingProgress, import_listing
from cloudsales_pipeline.settings import LimitSettings

PLAIN_IMPORT = 0
ROUND_TRIPS = 15


class NumberedKind(FashionUp):
    """FashionUp's products behind numbered pages, so that a window of requests may be in the air."""

    window = 8

    @property
    def capabilities(self) -> Capabilities:
        """Numbered paging; no delta."""
        changed = {"paging": Paging.NUMBERED, "pages_in_flight": self.window, "catalogue_delta": False}
        return msgspec.structs.replace(CAPABILITIES, **changed)

    def products(self, cursor: str | None = None, updated_since: datetime | None = None) -> ProductPage:
        """A page by its number from 1."""
        query = [("limit", self._limit), ("page", cursor or "1")]
        page = self._transport.call("GET", "/products", operation="listProducts", query=query, decode=decode_page).value
        return ProductPage(page.items, page.next_cursor, page.total)


class _StagedError(Exception):
    """All pages are staged: stop before the merge."""


def _ours(asked: dict[str, Any]) -> None:
    kind = NumberedKind if asked["kind"] == "numbered" else FashionUp
    channel = kind(Transport("fashionup", asked["url"]), asked["page_size"])
    engine = create_engine(asked["database"])

    def stop_before_merge(progress: ListingProgress) -> None:
        if progress.merging:
            raise _StagedError

    try:
        import_listing(engine, channel, LimitSettings(), mode="full", progress=stop_before_merge)
    except _StagedError:
        pass
    finally:
        channel.close()
        engine.dispose()


def _plain(asked: dict[str, Any]) -> None:
    database = sa.make_url(asked["database"]).set(drivername="postgresql").render_as_string(hide_password=False)
    plain_download.download(asked["url"], database, PLAIN_IMPORT, asked["page_size"])


def _round_trip(url: str, page_size: int) -> float:
    """Seconds that one page takes on a connection that is open, nothing done with it."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    seconds = []
    for _ in range(ROUND_TRIPS):
        started = time.perf_counter()
        connection.request("GET", f"{parts.path}/products?limit={page_size}")
        connection.getresponse().read()
        seconds.append(time.perf_counter() - started)
    connection.close()
    return median(seconds)


def main() -> None:
    """Do what the argument says."""
    asked = json.loads(sys.argv[1])
    work = _plain if asked["kind"] == "plain" else _ours
    server, client, wall = server_cpu_seconds(asked["postmaster"]), time.process_time(), time.perf_counter()
    work(asked)
    cost = {
        "wall": time.perf_counter() - wall,
        "client": time.process_time() - client,
        "server": server_cpu_seconds(asked["postmaster"]) - server,
    }
    answer = {"cost": cost, "peak_megabytes": peak_megabytes()}
    if asked.get("round_trip"):
        answer["round_trip"] = _round_trip(asked["url"], asked["page_size"])
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
