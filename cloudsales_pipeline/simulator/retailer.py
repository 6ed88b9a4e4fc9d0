"""A retailer's own catalogue that overlaps a generated listing in stated shares, and what a matching must make of it.

What belongs here: the rows of the retailer's file, and the outcome of every variant by construction (never by matching: a
fault in a matcher must not find its like here). What does not: the listing (`fashion`), and matching itself.

The retailer knows whole styles in one manner, and of some styles not the last size. Its names, prices and categories are its
own, so that an import which overwrites them shows.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from cloudsales_pipeline.simulator import words
from cloudsales_pipeline.simulator.fashion import Flaw, flaw_of, gtin13
from cloudsales_pipeline.simulator.shapes import Listing, Product, Variant

SUPPLIERS = ("NORD", "TEXMUR", "LUNCA", "PIELARIA")
FOREIGN_SERIALS = 900_000_000  # GTINs from here on belong to no generated style
UNLISTED_SHARE = 0.15


class Manner(StrEnum):
    """How the retailer knows a style, or that it does not."""

    SAME_SKU = "same_sku"
    SAME_EAN = "same_ean"  # its own SKU, the same EAN
    ADDITIONAL_CODE = "additional_code"  # its own SKU, the site's code in small letters as an additional code
    DIRTY = "dirty"  # its own SKU, and an EAN as spreadsheets and people leave it
    CLASH = "clash"  # two products of its own share what the first variant has
    DISAGREE = "disagree"  # the first variant's code is one product, its EAN another
    UNKNOWN = "unknown"


SHARES: dict[Manner, int] = {
    Manner.SAME_SKU: 28,
    Manner.SAME_EAN: 12,
    Manner.ADDITIONAL_CODE: 12,
    Manner.DIRTY: 5,
    Manner.CLASH: 2,
    Manner.DISAGREE: 2,
    Manner.UNKNOWN: 39,
}
"""Of 100 styles without a flaw, how many are known in which manner; flawed ones are unknown."""


class CatalogueRow(NamedTuple):
    """A row of the retailer's file; `additional_codes` by |."""

    sku: str
    ean: str = ""
    additional_codes: str = ""
    name: str = ""
    brand: str = ""
    description: str = ""
    price: str = ""
    category: str = ""
    supplier: str = ""


class Expected(NamedTuple):
    """What must become of a variant: linked (to `sku`), created, conflict, invalid, duplicate_in_listing; and why."""

    outcome: str
    reason: str
    sku: str | None = None


class Expectation(NamedTuple):
    """What must become of every variant, by its id, if all of them are created that nobody knows."""

    variants: dict[str, Expected]

    def by_outcome(self) -> dict[str, int]:
        """How many variants end in each outcome."""
        return dict(Counter(expected.outcome for expected in self.variants.values()))

    def by_reason(self) -> dict[str, int]:
        """The same, by manner or flaw."""
        return dict(Counter(expected.reason for expected in self.variants.values()))


class Retail(NamedTuple):
    """The retailer's file and what importing the listing into it must give."""

    rows: tuple[CatalogueRow, ...]
    expectation: Expectation


def retailer_catalogue(listing: Listing, seed: int, *, shares: dict[Manner, int] = SHARES) -> Retail:
    """The catalogue of a retailer who sells some of this listing.

    Args:
        listing: from `fashion.generate`.
        seed: same listing and seed, same catalogue.
        shares: how many of the styles without a flaw are known in which manner, in relation to one another.
    """
    chance = random.Random(f"retailer:{seed}")  # noqa: S311 - repeatable data
    own = _Own(seed)
    rows: list[CatalogueRow] = []
    variants: dict[str, Expected] = {}
    for product, manner in zip(listing.products, _manners(len(listing.products), shares, chance), strict=True):
        flaw = _flaw(product)
        if flaw:
            variants |= _flawed(product, flaw)
        else:
            rows += _known(product, manner, own, chance, variants)
    rows += [own.unlisted(chance) for _ in range(round(len(rows) * UNLISTED_SHARE))]
    chance.shuffle(rows)
    return Retail(tuple(rows), Expectation(variants))


def write_csv(rows: Sequence[CatalogueRow], path: Path) -> None:
    """The file as `cloudsales catalog load` takes it: UTF-8, a header, commas."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CatalogueRow._fields)
        writer.writerows(rows)


class _Own:
    """The retailer's own SKUs and codes, each given out once."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._given = 0

    def sku(self) -> str:
        self._given += 1
        return f"MAG-{100_000 + self._given}"

    def ean(self) -> str:
        self._given += 1
        return gtin13(FOREIGN_SERIALS + self._given, self._seed)

    def unlisted(self, chance: random.Random) -> CatalogueRow:
        """A product that the channel does not have."""
        garment = chance.choice(words.GARMENTS)
        return CatalogueRow(
            self.sku(), self.ean(), name=f"{garment.noun} {chance.choice(garment.cuts)} stoc propriu",
            brand=chance.choice(words.BRANDS), price=f"{chance.randint(*garment.prices)}.00",
            category=_category(garment.category), supplier=chance.choice(SUPPLIERS),
        )  # fmt: skip


def _manners(styles: int, shares: dict[Manner, int], chance: random.Random) -> list[Manner]:
    """A manner for each style: the shares hold as exactly as whole numbers allow, in random order."""
    deck = [manner for manner, share in shares.items() for _ in range(share)]
    manners = [deck[number * len(deck) // styles] for number in range(styles)]
    chance.shuffle(manners)
    return manners


def _flaw(product: Product) -> Flaw | None:
    """The flaw that the style was given, if it shows: a style of one variant has no code twice."""
    codes = [variant.code for variant in product.variants]
    eans = [variant.ean for variant in product.variants]
    flaw = flaw_of(int(product.id.removeprefix("FU")) - 1_000_000)
    shows = {
        Flaw.CODE_MISSING: None in codes,
        Flaw.CODE_TWICE: len(set(codes)) < len(codes),
        Flaw.EAN_PLACEHOLDER: "N/A" in eans,
        Flaw.BAD_CHECK_DIGIT: any(ean and ean != "N/A" and not _is_gtin(ean) for ean in eans),
    }
    return flaw if flaw and shows[flaw] else None


def _is_gtin(ean: str) -> bool:
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(ean)) % 10 == 0


def _flawed(product: Product, flaw: Flaw) -> dict[str, Expected]:
    """Unknown to the retailer: all are created, save what its flaw keeps out."""
    kept_out = {Flaw.BAD_CHECK_DIGIT: "invalid", Flaw.CODE_TWICE: "duplicate_in_listing"}
    variants = {variant.id: Expected("created", Manner.UNKNOWN) for variant in product.variants}
    variants[product.variants[-1].id] = Expected(kept_out.get(flaw, "created"), flaw)
    return variants


def _known(
    product: Product, manner: Manner, own: _Own, chance: random.Random, variants: dict[str, Expected]
) -> Iterator[CatalogueRow]:
    """The retailer's rows of one style; notes what must become of each variant."""
    supplier = chance.choice(SUPPLIERS)
    unsold = product.variants[-1].id if len(product.variants) > 1 and chance.random() < 0.3 else None
    for place, variant in enumerate(product.variants):
        if manner is Manner.UNKNOWN or variant.id == unsold or (manner in _SINGLE and place):
            variants[variant.id] = Expected("created", Manner.UNKNOWN)
            continue
        rows = _rows(manner, variant, own, place)
        outcome = Expected("conflict", manner) if manner in _SINGLE else Expected("linked", manner, rows[0].sku)
        variants[variant.id] = outcome
        yield from (_described(row, product, variant, supplier) for row in rows)


_SINGLE = (Manner.CLASH, Manner.DISAGREE)


def _rows(manner: Manner, variant: Variant, own: _Own, place: int) -> tuple[CatalogueRow, ...]:
    """The codes of the rows by which the retailer knows a variant."""
    code, ean = str(variant.code), str(variant.ean)
    if manner is Manner.SAME_SKU:
        return (CatalogueRow(code, ean if place % 3 else ""),)
    if manner is Manner.SAME_EAN:
        return (CatalogueRow(own.sku(), ean),)
    if manner is Manner.ADDITIONAL_CODE:
        return (CatalogueRow(own.sku(), own.ean(), f"{own.sku()}|{code.lower()}"),)
    if manner is Manner.DIRTY:
        return (_dirty(own.sku(), code, ean, place),)
    if manner is Manner.CLASH:
        return CatalogueRow(own.sku(), ean), CatalogueRow(own.sku(), own.ean(), ean)
    return CatalogueRow(code), CatalogueRow(own.sku(), ean)


def _dirty(sku: str, code: str, ean: str, place: int) -> CatalogueRow:
    """The same codes as spreadsheets and people leave them; each can still be read in one way alone."""
    dirty = (
        CatalogueRow(sku, f"{ean}.0"),
        CatalogueRow(sku, f"'{ean}"),
        CatalogueRow(sku, f"{ean[0]} {ean[1:7]} {ean[7:]}"),
        CatalogueRow(sku, ean.translate({ord("0") + digit: ord("０") + digit for digit in range(10)})),
        CatalogueRow(sku, "N/A", f"  {code}\u200b"),
        CatalogueRow(sku, f"0{ean}"),
    )
    return dirty[place % len(dirty)]


def _described(row: CatalogueRow, product: Product, variant: Variant, supplier: str) -> CatalogueRow:
    """The row with the retailer's own words: shouted, without the channel's style, a little cheaper."""
    amount = int(variant.price.amount.partition(".")[0])
    return row._replace(
        name=f"{product.name.rpartition(' ')[0]} {variant.colour} {variant.size}".upper(),
        brand=str(product.brand),
        description=f"Articol din stocul propriu, raft {sum(map(ord, row.sku)) % 40 + 1}.",
        price=f"{amount * 0.95:.2f}",
        category=_category(product.category_ids[0]),
        supplier=supplier,
    )


def _category(category_id: str | None) -> str:
    """A category as a path: Femei > Îmbrăcăminte > Rochii."""
    nodes = {node_id: (name, parent) for node_id, name, parent in words.CATEGORIES}
    names: list[str] = []
    while category_id:
        name, category_id = nodes[category_id]
        names.insert(0, name)
    return " > ".join(names)
