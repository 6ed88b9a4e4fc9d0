"""Product pictures drawn on demand: a coloured garment on a soft ground, the same bytes for the same name.

What belongs here: drawing by pillow. What does not: outlines (`silhouettes`) and HTTP. The name says all there is to know,
`RCH2417-ROZ-1.jpg`: type of garment, style, colour, view.
"""

from __future__ import annotations

import io
import random
import re
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cloudsales_pipeline.simulator import words
from cloudsales_pipeline.simulator.silhouettes import SILHOUETTES, Line, Point, Silhouette

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image, ImageDraw

WIDTH, HEIGHT = 600, 800
SCALE = 2  # drawn twice as large, so that edges come out smooth
NAME = re.compile(r"([A-Z]{3})([0-9]{1,9})-([A-Z]{3})-([1-9])\.(png|jpg)", re.ASCII)
SHARED_ONE_IN = 6
PATTERNS = ("plain", "plain", "plain", "stripes", "dots", "checks")
CLOTH = ("dress", "top", "shirt", "skirt", "scarf")

Colour = tuple[int, int, int]


class Look(NamedTuple):
    """All that decides a picture."""

    silhouette: str
    colour: Colour
    pattern: str
    ground: Colour
    zoom: float
    turned: bool


@lru_cache(maxsize=512)
def draw(name: str) -> bytes:
    """The picture of this name, 600 × 800, PNG or JPEG by its ending.

    One style in six uses its type's stock photograph: the same bytes as every other such style in the same colour and view.

    Raises:
        ValueError: not the name of a picture that can be drawn.
    """
    match = NAME.fullmatch(name)
    if not match or match[1] not in words.BY_PREFIX or match[3] not in words.BY_COLOUR_CODE:
        raise ValueError("there is no such picture")
    prefix, number, colour, view, kind = match.groups()
    image = _painted(_look(prefix, number, colour, int(view)))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=6) if kind == "png" else image.save(file, "JPEG", quality=85)
    return file.getvalue()


def _look(prefix: str, number: str, colour: str, view: int) -> Look:
    silhouette = words.BY_PREFIX[prefix].silhouette
    shared = zlib.crc32(f"{prefix}{number}".encode()) % SHARED_ONE_IN == 0
    chance = random.Random(f"{silhouette if shared else prefix + number}:{view}")  # noqa: S311 - the same picture each time
    pattern = "plain" if shared or silhouette not in CLOTH else random.Random(number).choice(PATTERNS)  # noqa: S311
    tint = chance.randint(0, 14)
    return Look(
        silhouette=silhouette,
        colour=_rgb(words.BY_COLOUR_CODE[colour][1]),
        pattern=pattern,
        ground=(232 + tint // 2, 229 + chance.randint(0, 9), 222 + chance.randint(0, 14)),
        zoom=1.0 if view == 1 else 1.0 + 0.22 * (view - 1),
        turned=view % 2 == 0,
    )


def _painted(look: Look) -> Image.Image:
    from PIL import ImageFilter, ImageOps

    shape = SILHOUETTES[look.silhouette]
    mask = _masked(shape, look, _fill)
    shadow = mask.reduce(4).filter(ImageFilter.BoxBlur(4)).resize(mask.size).point(lambda level: level * 0.33)
    scene = _faded(look.ground, 0.9, across=False)
    scene.paste(_darker(look.ground, 0.55), (10, 16), shadow)
    scene.paste(_cloth(look), (0, 0), mask)
    scene.paste(_darker(look.colour, 0.62), (0, 0), _masked(shape, look, _edges))
    scene.paste(_contrast(look.colour), (0, 0), _masked(shape, look, _seams))
    return ImageOps.mirror(scene) if look.turned else scene


def _masked(shape: Silhouette, look: Look, drawing: Callable[[ImageDraw.ImageDraw, Silhouette, float], None]) -> Image.Image:
    """Where something is drawn, with smooth edges because it is drawn twice as large."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (WIDTH * SCALE, HEIGHT * SCALE), 0)
    drawing(ImageDraw.Draw(mask), shape, look.zoom)
    return mask.reduce(SCALE)


def _fill(pen: ImageDraw.ImageDraw, shape: Silhouette, zoom: float) -> None:
    for outline in _outlines(shape):
        pen.polygon([_at(point, zoom) for point in _rounded(outline)], fill=255)


def _edges(pen: ImageDraw.ImageDraw, shape: Silhouette, zoom: float) -> None:
    for outline in _outlines(shape):
        points = [_at(point, zoom) for point in _rounded(outline)]
        pen.line([*points, points[0]], fill=255, width=2 * SCALE, joint="curve")


def _seams(pen: ImageDraw.ImageDraw, shape: Silhouette, zoom: float) -> None:
    for seam in _both_sides(shape.seams, shape.mirrored):
        pen.line([_at(point, zoom) for point in seam], fill=255, width=int(1.5 * SCALE), joint="curve")
    size = 4.5 * SCALE * zoom
    for x, y in (_at(button, zoom) for button in shape.buttons):
        pen.ellipse((x - size, y - size, x + size, y + size), fill=255)


def _faded(colour: Colour, share: float, *, across: bool) -> Image.Image:
    """A plane of one colour that darkens to this share of itself downwards, or from left to right."""
    from PIL import Image

    ramp = Image.linear_gradient("L")
    fade = (ramp.rotate(90) if across else ramp).resize((WIDTH, HEIGHT))
    return Image.composite(_plane(_darker(colour, share)), _plane(colour), fade)


def _plane(colour: Colour) -> Image.Image:
    from PIL import Image

    return Image.new("RGB", (WIDTH, HEIGHT), colour)


def _cloth(look: Look) -> Image.Image:
    """The fabric, lit from the left, with its pattern."""
    from PIL import ImageDraw

    cloth = _faded(look.colour, 0.8, across=True)
    pen, ink, step = ImageDraw.Draw(cloth), _contrast(look.colour), 26
    if look.pattern in ("stripes", "checks"):
        for y in range(0, HEIGHT, step):
            pen.rectangle((0, y, WIDTH, y + step // 4), fill=ink)
    if look.pattern == "checks":
        for x in range(0, WIDTH, step):
            pen.rectangle((x, 0, x + step // 4, HEIGHT), fill=ink)
    if look.pattern == "dots":
        for row, y in enumerate(range(0, HEIGHT, step)):
            for x in range(step // 2 * (row % 2), WIDTH, step):
                pen.ellipse((x, y, x + step // 3, y + step // 3), fill=ink)
    return cloth


def _outlines(shape: Silhouette) -> list[Line]:
    """Whole closed outlines: a mirrored one goes down the right side and up the left."""
    if not shape.mirrored:
        return list(shape.outlines)
    return [(*half, *((-x, y) for x, y in reversed(half) if x)) for half in shape.outlines]


def _both_sides(lines: tuple[Line, ...], mirrored: bool) -> list[Line]:
    return [*lines, *(tuple((-x, y) for x, y in line) for line in lines)] if mirrored else list(lines)


def _rounded(points: Line, times: int = 3) -> Line:
    """Corners cut off again and again (Chaikin), which leaves a soft outline."""
    for _ in range(times):
        following = (*points[1:], points[0])
        points = tuple(
            (a[0] * near + b[0] * (1 - near), a[1] * near + b[1] * (1 - near))
            for a, b in zip(points, following, strict=True)
            for near in (0.85, 0.15)
        )
    return points


def _at(point: Point, zoom: float) -> Point:
    """Shares of the height as pixels of the large drawing."""
    x, y = point
    return (WIDTH / 2 + x * zoom * HEIGHT) * SCALE, (0.5 + (y - 0.5) * zoom) * HEIGHT * SCALE


def _rgb(text: str) -> Colour:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _darker(colour: Colour, share: float) -> Colour:
    return int(colour[0] * share), int(colour[1] * share), int(colour[2] * share)


def _contrast(colour: Colour) -> Colour:
    """A tone that shows on the colour: lighter on dark cloth, darker on light."""
    if sum(colour) > 330:
        return _darker(colour, 0.72)
    return tuple(min(255, part + 60) for part in colour)  # type: ignore[return-value]
