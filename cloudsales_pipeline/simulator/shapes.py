"""The wire shapes of contracts/fashionup.openapi.yaml that the generator fills, and how they become bytes.

What belongs here: categories, products and variants as the channel shows them. What does not: orders (plain JSON objects,
made in `orders`), and data from a file, which is served as it came, flaws included.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

PLACEHOLDER_ORIGIN = "http://fashionup.invalid"
"""Stands for the server's own address in image URLs until the server knows its port."""


class Category(Struct, frozen=True):
    """A node of the category tree."""

    id: str
    name: str
    parent_id: str | None


class Money(Struct, frozen=True):
    """A decimal in a string, tax included: `129.90` RON."""

    amount: str
    currency: str = "RON"


class Image(Struct, frozen=True):
    """An image's address and its place from 1."""

    url: str
    position: int


class Characteristic(Struct, frozen=True):
    """A named property of a style, such as Material: 100% in."""

    name: str
    value: str


class Variant(Struct, frozen=True):
    """What is sold: one colour in one size."""

    id: str
    code: str | None
    ean: str | None
    size: str | None
    colour: str | None
    price: Money
    vat_rate: str
    stock: int


class Product(Struct, frozen=True):
    """One style with its variants; `updated_at` is RFC 3339 in UTC."""

    id: str
    code: str | None
    name: str
    brand: str | None
    description: str | None
    category_ids: tuple[str, ...]
    images: tuple[Image, ...]
    characteristics: tuple[Characteristic, ...]
    status: str
    updated_at: str
    variants: tuple[Variant, ...]


class Listing(Struct, frozen=True):
    """All that a channel lists, products in the order of their ids."""

    categories: tuple[Category, ...]
    products: tuple[Product, ...]

    def variants(self) -> Iterator[tuple[Product, Variant]]:
        """Every variant with its style, in the channel's own order."""
        return ((product, variant) for product in self.products for variant in product.variants)


encode = msgspec.json.Encoder().encode
