"""Images: stored once by content, checked by content, never from inside, and never half (I-45, I-48, F-29, F-45)."""

from __future__ import annotations

import errno
import io
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import AddressRefusedError, BodyTooLargeError, ChannelUnreachableError, RateLimitedError
from cloudsales_pipeline.errors import CloudSalesError
from cloudsales_pipeline.listing import image_files
from cloudsales_pipeline.listing.image_files import NotAnImageError, check_image
from cloudsales_pipeline.listing.images import ImageResult, fetch_images
from tests.listing import tables


@dataclass
class Fetched:
    content: bytes
    media_type: str = "image/jpeg"


class Web:
    """Addresses and what lies behind them: bytes, or an error."""

    def __init__(self, **pages: bytes | Exception) -> None:
        self.pages = {f"http://images.example/{name}": page for name, page in pages.items()}
        self.asked: list[str] = []

    def __call__(self, url: str, *, max_bytes: int, deadline_seconds: float, accept: str) -> Fetched:
        assert max_bytes == 20_000_000
        assert 0 < deadline_seconds <= 30
        self.asked.append(url)
        page = self.pages[url]
        if isinstance(page, Exception):
            raise page
        return Fetched(page)


def picture(colour: str = "red", size: tuple[int, int] = (600, 300), kind: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind, **options)
    return out.getvalue()


def due(engine: Engine, web: Web) -> None:
    with engine.begin() as connection:
        for url in web.pages:
            connection.exec_driver_sql("insert into cloudsales.image (url, channel) values (%(u)s, 'fashionup')", {"u": url})


def run(engine: Engine, web: Web, folder: Path, **options: Any) -> ImageResult:
    return fetch_images(engine, web, folder, deadline_seconds=20, **({"workers": 2} | options))


def rows(engine: Engine) -> list[tuple[Any, ...]]:
    return tables.rows(engine, "select substr(url, 23), state, reason, attempts from cloudsales.image order by url")


def test_two_addresses_of_the_same_picture_are_one_file_and_one_thumbnail(engine: Engine, tmp_path: Path) -> None:
    web = Web(a=picture(), b=picture(), c=picture("blue", kind="PNG"))
    due(engine, web)
    assert run(engine, web, tmp_path, workers=1) == ImageResult(2, 1, 0, 0, 0, 0)
    files = sorted(path for path in (tmp_path / "images").rglob("*") if path.is_file())
    assert len(files) == 4
    assert tables.rows(engine, "select media_type, width, height, bytes from cloudsales.image_content order by media_type") == [
        ("image/jpeg", 600, 300, len(picture())),
        ("image/png", 600, 300, len(picture("blue", kind="PNG"))),
    ]
    [digest] = tables.rows(engine, "select distinct encode(sha256, 'hex') from cloudsales.image where url like '%/a'")[0]
    stored = tmp_path / "images" / digest[:2] / digest
    assert stored.read_bytes() == picture()
    with Image.open(stored.with_name(f"{digest}.thumb.jpg")) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (256, 128))


def test_what_is_stored_is_not_asked_for_again(engine: Engine, tmp_path: Path) -> None:
    web = Web(a=picture())
    due(engine, web)
    run(engine, web, tmp_path)
    assert run(engine, web, tmp_path) == ImageResult(0, 0, 0, 0, 0, 0)
    assert len(web.asked) == 1


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 30,000 × 30,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = (30_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"x" * 20_000_001, "too_large"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "svg"),
        (b"\n<!DOCTYPE html><html>", "html"),
        (b"%PDF-1.4", "not_an_image"),
        (picture(kind="BMP"), "not_an_image"),
        (picture()[:400], "damaged"),
        (bomb(), "too_many_pixels"),
        (picture(size=(12_001, 1), kind="PNG"), "too_many_pixels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_is_refused_by_its_content(content: bytes, reason: str) -> None:
    with pytest.raises(NotAnImageError) as caught:
        check_image(content)
    assert caught.value.reason == reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_the_four_kinds_of_picture_are_taken(kind: str) -> None:
    assert check_image(picture(kind=kind)).media_type == f"image/{kind.lower()}"


def test_a_thumbnail_stands_upright_and_tells_nothing_about_the_camera() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera of Ion"
    with Image.open(io.BytesIO(check_image(picture(exif=exif)).thumbnail)) as thumbnail:
        assert thumbnail.size == (128, 256)
        assert not thumbnail.getexif()


def test_an_address_that_points_inside_is_refused_for_good(engine: Engine, tmp_path: Path) -> None:
    """F-45"""
    web = Web(a=AddressRefusedError("points inside", channel="fashionup"), b=BodyTooLargeError("big", channel="fashionup"))
    due(engine, web)
    assert run(engine, web, tmp_path).refused == 2
    assert rows(engine) == [("a", "refused", "address", 1), ("b", "refused", "too_large", 1)]
    assert run(engine, web, tmp_path).refused == 0


def test_a_server_that_is_away_is_asked_again_after_a_minute_ten_an_hour_six_and_then_given_up(
    engine: Engine, tmp_path: Path
) -> None:
    web = Web(a=ChannelUnreachableError("refused", channel="fashionup"))
    due(engine, web)
    for attempt, minutes in enumerate([1, 10, 60, 360], start=1):
        before = datetime.now(UTC)
        assert run(engine, web, tmp_path).retry_later == 1
        assert rows(engine) == [("a", "due", "ChannelUnreachable", attempt)]
        due_at = tables.scalar(engine, "select due_at from cloudsales.image")
        assert before + timedelta(minutes=minutes) <= due_at <= datetime.now(UTC) + timedelta(minutes=minutes)
        with engine.begin() as connection:
            connection.exec_driver_sql("update cloudsales.image set due_at = now()")
    assert run(engine, web, tmp_path).failed == 1
    assert rows(engine) == [("a", "failed", "ChannelUnreachable", 5)]


def test_being_told_to_wait_is_not_an_attempt(engine: Engine, tmp_path: Path) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    web = Web(a=RateLimitedError("429", retry_at=at, channel="fashionup"))
    due(engine, web)
    assert run(engine, web, tmp_path).retry_later == 1
    assert tables.rows(engine, "select attempts, due_at from cloudsales.image") == [(0, at)]


def test_a_full_disk_leaves_no_half_file_and_the_image_due(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-29"""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    web = Web(a=picture(), b=picture("blue"))
    due(engine, web)
    with monkeypatch.context() as patched:
        patched.setattr(image_files.os, "fsync", full)
        with pytest.raises(CloudSalesError, match=r"No space left on device.*make room"):
            run(engine, web, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert [row[1:] for row in rows(engine)] == [("due", None, 0), ("due", None, 0)]
    assert run(engine, web, tmp_path).stored == 2


def test_a_limit_and_a_channel_bound_what_is_tried(engine: Engine, tmp_path: Path) -> None:
    web = Web(**{f"p{n}": picture(size=(n + 1, 1)) for n in range(7)})
    due(engine, web)
    result = run(engine, web, tmp_path, limit=5)
    assert (result.stored, result.still_due, len(web.asked)) == (5, 2, 5)
    assert run(engine, web, tmp_path, channel="other") == ImageResult(0, 0, 0, 0, 0, 0)


def test_when_the_time_is_up_what_was_claimed_is_due_again_at_once(engine: Engine, tmp_path: Path) -> None:
    web = Web(a=picture(), b=picture("blue"))
    due(engine, web)
    assert fetch_images(engine, web, tmp_path, deadline_seconds=0, workers=1) == ImageResult(0, 0, 0, 0, 0, 2)


def test_many_workers_fetch_every_address_once(engine: Engine, tmp_path: Path) -> None:
    web = Web(**{f"p{n}": picture(size=(n + 1, 1), kind="PNG") for n in range(24)})
    due(engine, web)
    assert run(engine, web, tmp_path, workers=4).stored == 24
    assert sorted(web.asked) == sorted(web.pages)


def test_a_phones_picture_of_several_jpegs_is_a_jpeg() -> None:
    from io import BytesIO

    from PIL import Image

    from cloudsales_pipeline.listing.image_files import check_image

    out = BytesIO()
    frame = Image.new("RGB", (40, 30), "red")
    frame.save(out, "MPO", save_all=True, append_images=[frame])
    checked = check_image(out.getvalue())
    assert (checked.media_type, checked.width, checked.height) == ("image/jpeg", 40, 30)


def test_an_error_that_nobody_foresaw_is_that_images_own_and_is_tried_again(engine: Engine, tmp_path: Path) -> None:
    web = Web(a=picture(), b=picture("blue"))
    due(engine, web)

    def fetch(url: str, **options: Any) -> Any:
        if url.endswith("/a"):
            raise KeyError("a library's surprise")
        return web(url, **options)

    result = fetch_images(engine, fetch, tmp_path, deadline_seconds=20, workers=1)
    assert (result.stored, result.refused, result.retry_later) == (1, 0, 1)
    assert rows(engine)[0][1:] == ("due", "Key", 1)
