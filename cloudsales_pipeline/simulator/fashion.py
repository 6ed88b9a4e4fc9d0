"""Generated fashion in the contract's shapes: pure, and the same for the same seed on every machine.

What belongs here: choosing from `words`, codes and check digits, prices and stock, and a few flaws such as a real feed has.
What does not: what a retailer knows of it (`retailer`), pictures (`pictures`), serving (`state`).

Style n depends on the seed and n alone, so that a listing can be made piece by piece, of any size, in little memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import product as pairs

import msgspec

from cloudsales_pipeline.simulator import words
from cloudsales_pipeline.simulator.shapes import (
    PLACEHOLDER_ORIGIN,
    Category,
    Characteristic,
    Image,
    Listing,
    Money,
    Product,
    Variant,
    encode,
)

NEWEST = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
SPREAD_MINUTES = 300 * 24 * 60
FLAW_EVERY = 10
VARIANTS_AT_MOST = 64  # keeps the serial numbers behind the GTINs of two styles apart


class Flaw(StrEnum):
    """What is wrong with one variant of a flawed style."""

    BAD_CHECK_DIGIT = "bad_check_digit"
    CODE_MISSING = "code_missing"
    CODE_TWICE = "code_twice"
    EAN_PLACEHOLDER = "ean_placeholder"


def generate(styles: int, seed: int, *, flaws: bool = True) -> Listing:
    """A whole listing of `styles` products, about ten variants each.

    Args:
        styles: how many; ids `FU1000000`, `FU1000001`, …
        seed: same seed, same listing.
        flaws: every tenth style carries one `Flaw` (see `flaw_of`).
    """
    return Listing(categories(), tuple(style(number, seed, flaws=flaws) for number in range(styles)))


def payloads(styles: int, seed: int, *, flaws: bool = False) -> Iterator[bytes]:
    """The same products as JSON, one at a time: a million variants never stand in memory together."""
    return (encode(style(number, seed, flaws=flaws)) for number in range(styles))


def categories() -> tuple[Category, ...]:
    """The category tree, parents before children."""
    return tuple(Category(*node) for node in words.CATEGORIES)


def flaw_of(number: int) -> Flaw | None:
    """The flaw of style `number`: each tenth style, the four kinds in turn."""
    if number % FLAW_EVERY != FLAW_EVERY - 1:
        return None
    kinds = tuple(Flaw)
    return kinds[number // FLAW_EVERY % len(kinds)]


def style(number: int, seed: int, *, flaws: bool = False) -> Product:
    """Style `number` of the listing with this seed."""
    chance = random.Random(f"{seed}:{number}")  # noqa: S311 - repeatable data, no secret
    garment = chance.choice(words.GARMENTS)
    material = chance.choice(garment.materials)
    model = chance.choice(words.MODELS)
    cut = chance.choice(garment.cuts)
    code = style_code(garment.prefix, number)
    colours = chance.sample(words.COLOURS, chance.choices((1, 2, 3), (25, 50, 25))[0])
    brand = chance.choice(words.BRANDS)
    product = Product(
        id=f"FU{1_000_000 + number}",
        code=code,
        name=f"{garment.noun} {cut} din {material} {model}",
        brand=brand,
        description=_description(chance, garment, material, model, brand),
        category_ids=(garment.category,),
        images=_images(chance, code, [colour for _, colour, _ in colours]),
        characteristics=_characteristics(chance, material),
        status="active" if chance.random() < 0.97 else "inactive",
        updated_at=(NEWEST - timedelta(minutes=chance.randrange(SPREAD_MINUTES))).strftime("%Y-%m-%dT%H:%M:%SZ"),
        variants=_variants(chance, number, seed, code, garment, colours),
    )
    flaw = flaw_of(number) if flaws else None
    return _flawed(product, flaw) if flaw else product


def style_code(prefix: str, number: int) -> str:
    """A retailer's style code such as RCH2417; distinct for every number, without looking like a counter."""
    if number < 8_999:
        return f"{prefix}{1_000 + number * 7_919 % 8_999}"
    return f"{prefix}{100_000 + (number - 8_999) * 7_919 % 8_999_981}"


def gtin13(serial: int, seed: int) -> str:
    """A valid GTIN-13 with the Romanian prefix 594, distinct for every serial below 10^9 of one seed."""
    # An odd multiplier without the factor 5 permutes the nine digits between prefix and check digit.
    body = 594_000_000_000 + (serial * 387_420_489 + seed * 1_000_003) % 1_000_000_000
    return f"{body}{check_digit(body)}"


def check_digit(body: int) -> int:
    """The mod-10 check digit (GS1 General Specifications 7.9) of a number without its check digit."""
    total, weight = 0, 3
    while body:
        body, digit = divmod(body, 10)
        total += digit * weight
        weight = 4 - weight
    return -total % 10


def size_code(size: str) -> str:
    """A size as it stands in a variant's code: `4-5 ani` is 45A, `0-3 luni` is 03L, `Unic` is U."""
    if size == "Unic":
        return "U"
    return size.replace("-", "").replace(" ani", "A").replace(" luni", "L")


def _variants(
    chance: random.Random, number: int, seed: int, code: str, garment: words.Garment, colours: list[tuple[str, str, str]]
) -> tuple[Variant, ...]:
    scale = words.SCALES[garment.scale]
    sizes = scale[chance.randint(0, 1) : len(scale) - chance.randint(0, 1)] if len(scale) > 1 else scale
    price = Money(f"{chance.randint(*garment.prices)}.{chance.choice(('90', '99', '00', '95'))}")
    return tuple(
        Variant(
            id=f"FU{1_000_000 + number}-{place:02d}",
            code=f"{code}-{colour}-{size_code(size)}",
            ean=gtin13(number * VARIANTS_AT_MOST + place, seed),
            size=size,
            colour=name,
            price=price,
            vat_rate="21",
            stock=0 if chance.random() < 0.12 else int(chance.expovariate(1 / 9)) + 1,
        )
        for place, ((name, colour, _), size) in enumerate(pairs(colours, sizes), start=1)
    )


def _images(chance: random.Random, code: str, colours: list[str]) -> tuple[Image, ...]:
    """One to four: each colour from the front, then other views of the first."""
    kind = "png" if chance.random() < 0.2 else "jpg"
    names = [f"{code}-{colour}-1" for colour in colours]
    names += [f"{code}-{colours[0]}-{view}" for view in range(2, 2 + chance.randint(0, 4 - len(names)))]
    return tuple(Image(f"{PLACEHOLDER_ORIGIN}/images/{name}.{kind}", place) for place, name in enumerate(names, start=1))


def _description(chance: random.Random, garment: words.Garment, material: str, model: str, brand: str) -> str:
    details = chance.sample(words.DETAILS, 3)
    noun = garment.noun.lower()
    return (
        f"<p>{chance.choice(words.OPENINGS)}: <strong>{noun} {model}</strong>, semnat {brand}, din {material}. "
        f"{chance.choice(words.FABRIC_LINES)}</p>"
        f"<ul>{''.join(f'<li>{detail}</li>' for detail in details)}</ul>"
        f"<p>Se poartă {' și '.join(chance.sample(words.OCCASIONS, 2))}.{_model_height(chance, garment.scale)}</p>"
    )


def _model_height(chance: random.Random, scale: str) -> str:
    return f" Modelul din fotografie are {chance.randint(165, 190)} cm." if scale in ("alpha", "number") else ""


def _characteristics(chance: random.Random, material: str) -> tuple[Characteristic, ...]:
    main = chance.choice((100, 100, 98, 95, 80))
    rest = "" if main == 100 else f", {100 - main}% {chance.choice(('elastan', 'poliester reciclat', 'poliamidă'))}"
    return (
        Characteristic("Material", f"{main}% {material}{rest}"),
        Characteristic("Croială", chance.choice(words.FITS)),
        Characteristic("Sezon", chance.choice(words.SEASONS)),
        Characteristic("Țara de origine", chance.choice(words.ORIGINS)),
        Characteristic("Întreținere", chance.choice(words.CARE)),
    )


def _flawed(product: Product, flaw: Flaw) -> Product:
    """The style with one flaw on its last variant; CODE_TWICE gives it the code of the one before, where there is one."""
    *rest, last = product.variants
    if flaw is Flaw.BAD_CHECK_DIGIT:
        ean = last.ean or ""
        changed = msgspec.structs.replace(last, ean=f"{ean[:-1]}{(int(ean[-1]) + 1) % 10}")
    elif flaw is Flaw.CODE_MISSING:
        changed = msgspec.structs.replace(last, code=None)
    elif flaw is Flaw.EAN_PLACEHOLDER:
        changed = msgspec.structs.replace(last, ean="N/A")
    else:
        changed = msgspec.structs.replace(last, code=rest[-1].code) if rest else last
    return msgspec.structs.replace(product, variants=(*rest, changed))
