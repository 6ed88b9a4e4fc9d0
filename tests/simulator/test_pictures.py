"""Pictures: the right size and kind, the same bytes each time, sometimes the same for two styles."""

from __future__ import annotations

import io
from collections import Counter

import httpx
import pytest
from PIL import Image

from cloudsales_pipeline.simulator import fashion, pictures, words
from cloudsales_pipeline.simulator.server import RunningServer
from cloudsales_pipeline.simulator.silhouettes import SILHOUETTES


@pytest.mark.parametrize(("name", "kind"), [("RCH2417-ROZ-1.jpg", "JPEG"), ("GNT2417-NGR-2.png", "PNG")])
def test_a_picture_is_600_by_800_and_the_same_bytes_when_drawn_again(name: str, kind: str) -> None:
    first = pictures.draw(name)
    pictures.draw.cache_clear()
    assert pictures.draw(name) == first
    image = Image.open(io.BytesIO(first))
    assert (image.format, image.size) == (kind, (600, 800))


def test_the_middle_of_a_dress_has_the_colour_of_its_name() -> None:
    middles = {}
    for code in ("SMR", "ALB"):
        picture = Image.open(io.BytesIO(pictures.draw(f"RCT1000-{code}-1.png")))
        middles[code] = picture.getpixel((330, 330))
    red, green, blue = middles["SMR"]
    assert green > red + 40
    assert green > blue
    assert min(middles["ALB"]) > 180


@pytest.mark.parametrize(
    "name",
    ["", "x", "RCH2417-ROZ-1.gif", "XXX1-ROZ-1.jpg", "RCH1-XXX-1.jpg", "RCH1-ROZ-0.jpg", "../RCH1-ROZ-1.jpg", "RCH1-ROZ-1.jpg\n",
     "RCH٣-ROZ-1.jpg", f"RCH{'1' * 30}-ROZ-1.jpg"],
)  # fmt: skip
def test_another_name_is_no_picture(name: str) -> None:
    with pytest.raises(ValueError, match="no such picture"):
        pictures.draw(name)


def test_a_small_share_of_styles_shows_the_same_picture_in_the_same_colour() -> None:
    bytes_of = Counter(pictures.draw(f"FLR{number}-CML-1.jpg") for number in range(1000, 1024))
    assert 2 <= bytes_of.most_common(1)[0][1] <= 12
    assert len(bytes_of) > 5


def test_every_garment_has_an_outline() -> None:
    assert {garment.silhouette for garment in words.GARMENTS} == set(SILHOUETTES)


def test_the_images_of_the_listing_are_served_where_the_listing_says(server: RunningServer, client: httpx.Client) -> None:
    product = client.get("/products", params={"limit": 1}).json()["items"][0]
    assert product["images"][0]["url"].startswith(f"{server.origin}/images/{product['code']}-")
    for image in product["images"]:
        answer = httpx.get(image["url"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] in ("image/jpeg", "image/png")
        assert Image.open(io.BytesIO(answer.content)).size == (600, 800)
    missing = httpx.get(f"{server.origin}/images/x.jpg")
    assert (missing.status_code, missing.json()["status"]) == (404, 404)


def test_all_names_that_a_listing_uses_are_names_that_can_be_drawn() -> None:
    for product in fashion.generate(300, seed=2).products:
        for image in product.images:
            assert pictures.NAME.fullmatch(image.url.rpartition("/")[2])
