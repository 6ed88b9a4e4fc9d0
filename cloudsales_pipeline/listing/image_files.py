"""One image's bytes: is it one, how big, and into the data folder whole or not at all.

What belongs here: the check by content (never by name or by what the server says), the thumbnail, the files. What does not:
which addresses are due (images.py), HTTP, the database. File names are the content's hash: nothing from outside is in them.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 20_000_000
MAX_SIDE = 12_000  # pixels
MAX_PIXELS = 50_000_000  # decoded 200 MB; below Pillow's own bomb warning, which is an error here
THUMBNAIL_SIDE = 256
FOLDER = "images"
MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
ALIASES = {"MPO": "JPEG"}  # several JPEGs in one file, as phones write them; its first is what a JPEG reader shows

_decoding = threading.Lock()  # one picture decoded at a time: memory stays that of one, whatever the number of workers


class NotAnImageError(Exception):
    """The content is refused; `reason` is a code: empty, too_large, svg, html, not_an_image, too_many_pixels, damaged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image that is one: its hash, type by content, size in pixels, and its thumbnail as JPEG."""

    sha256: bytes
    media_type: str
    width: int
    height: int
    thumbnail: bytes


def check_image(content: bytes) -> CheckedImage:
    """Decode an image and make its thumbnail.

    Raises:
        NotAnImageError: with the reason.
    """
    if not content:
        raise NotAnImageError("empty")
    if len(content) > MAX_BYTES:
        raise NotAnImageError("too_large")
    with _decoding:
        image = _opened(content)
        width, height = image.size
        if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
            raise NotAnImageError("too_many_pixels")
        media_type = MEDIA_TYPES.get(ALIASES.get(str(image.format), str(image.format)), "")
        if not media_type:
            raise NotAnImageError("not_an_image")
        thumbnail = _thumbnail(content)
    return CheckedImage(sha256(content).digest(), media_type, width, height, thumbnail)


def _opened(content: bytes) -> Image:
    """The header, read; nothing is decoded yet."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(content), formats=tuple(MEDIA_TYPES))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise NotAnImageError("too_many_pixels") from None
    except UnidentifiedImageError:
        raise NotAnImageError(_kind(content)) from None
    except Exception:  # a decoder meets hostile bytes in many ways
        raise NotAnImageError("damaged") from None


def _kind(content: bytes) -> str:
    """What it is instead, where that tells something."""
    start = content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<script")):
        return "html"
    return "svg" if b"<svg" in start else "not_an_image"


def _thumbnail(content: bytes) -> bytes:
    """At most 256 pixels a side, turned as its EXIF says, on white, without any metadata."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=tuple(MEDIA_TYPES)) as probe:
            probe.verify()
        with Image.open(io.BytesIO(content), formats=tuple(MEDIA_TYPES)) as image:
            image.draft("RGB", (2 * THUMBNAIL_SIDE, 2 * THUMBNAIL_SIDE))
            upright = ImageOps.exif_transpose(image).convert("RGBA")
            upright.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            canvas = Image.new("RGB", upright.size, "white")
            canvas.paste(upright, mask=upright.getchannel("A"))
            out = io.BytesIO()
            canvas.save(out, "JPEG", quality=80)
            return out.getvalue()
    except Exception:  # see _opened
        raise NotAnImageError("damaged") from None


def image_path(data_dir: Path, digest: bytes) -> Path:
    """Where an image lies; its thumbnail beside it, with `.thumb.jpg` behind."""
    name = digest.hex()
    return data_dir / FOLDER / name[:2] / name


def store_image(data_dir: Path, content: bytes, checked: CheckedImage) -> None:
    """Put image and thumbnail into the data folder, unless they are there.

    Raises:
        OSError: the disk is full, say; no half file is left behind (F-29).
    """
    path = image_path(data_dir, checked.sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(path.with_name(path.name + ".thumb.jpg"), checked.thumbnail)
    _write_whole(path, content)


def _write_whole(path: Path, content: bytes) -> None:
    """Under another name first: a file with the right name is complete."""
    if path.exists():
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
