"""The yardstick: a listing downloaded the plain way, into the same stage tables with the same content.

One page after the other with httpx, its JSON parsed, each product validated by a pydantic model, rows by executemany, a
commit for each page. Hashes, keys and the compressed payload are made by the same functions as ours, since the tables want
them: what differs is how pages are fetched, validated and stored.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Literal

import httpx
import msgspec
import psycopg
from pydantic import BaseModel, Field

from cloudsales_pipeline.codes import code_key, read_ean
from cloudsales_pipeline.listing.rows import compress

PRODUCT = (
    "insert into cloudsales.stage_product (import_id, page, external_id, code, name, brand, description, category_ids, images,"
    " characteristics, status, updated_at, raw, raw_hash) values (" + ", ".join(["%s"] * 14) + ")"
)
VARIANT = (
    "insert into cloudsales.stage_variant (import_id, page, external_id, raw_hash, variant_id, position, code, ean, code_key,"
    " ean_key, ean_state, size, colour, price, currency, vat_rate, channel_stock, row_hash)"
    " values (" + ", ".join(["%s"] * 18) + ")"
)


class Money(BaseModel):
    """An amount."""

    amount: Decimal = Field(max_digits=14, decimal_places=2)
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class Image(BaseModel):
    """An image."""

    url: str
    position: int


class Characteristic(BaseModel):
    """A named value."""

    name: str
    value: str


class Variant(BaseModel):
    """A size and colour."""

    id: str = Field(min_length=1, max_length=200)
    code: str | None = Field(None, max_length=200)
    ean: str | None = Field(None, max_length=200)
    size: str | None = None
    colour: str | None = None
    price: Money | None = None
    vat_rate: Decimal | None = None
    stock: int | None = None


class Product(BaseModel):
    """A style."""

    id: str = Field(min_length=1, max_length=200)
    code: str | None = Field(None, max_length=200)
    name: str = Field(min_length=1, max_length=1000)
    brand: str | None = None
    description: str | None = None
    category_ids: list[str] = []
    images: list[Image] = []
    characteristics: list[Characteristic] = []
    status: Literal["active", "inactive"] = "active"
    updated_at: datetime
    variants: list[Variant] = Field(min_length=1)


def download(url: str, database: str, import_id: int, page_size: int) -> int:
    """Everything at `url` into the stage, as import `import_id`; returns how many products."""
    cursor, page, count = None, 0, 0
    with httpx.Client() as client, psycopg.connect(database) as connection:
        while True:
            query = {"limit": str(page_size)} | ({"cursor": cursor} if cursor else {})
            answer = client.get(f"{url}/products", params=query)
            answer.raise_for_status()
            body = answer.json()
            page += 1
            _store(connection, import_id, page, body["items"])
            count += len(body["items"])
            cursor = body["next_cursor"]
            if cursor is None:
                return count


def _store(connection: psycopg.Connection[tuple[object, ...]], import_id: int, page: int, items: list[dict[str, object]]) -> None:
    products, variants = [], []
    for item in items:
        raw = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
        raw_hash = blake2b(raw, digest_size=16).digest()
        product = Product.model_validate(item)
        products.append((import_id, page, *_product(product), compress(raw), raw_hash))
        variants.extend(
            (import_id, page, product.id, raw_hash, *_variant(product.id, n, v)) for n, v in enumerate(product.variants)
        )
    with connection.cursor() as cursor:
        cursor.executemany(PRODUCT, products)
        cursor.executemany(VARIANT, variants)
    connection.commit()


def _product(product: Product) -> tuple[object, ...]:
    return (
        product.id,
        product.code,
        product.name,
        product.brand,
        product.description,
        product.category_ids,
        json.dumps([image.model_dump() for image in product.images], ensure_ascii=False),
        json.dumps([pair.model_dump() for pair in product.characteristics], ensure_ascii=False),
        product.status,
        product.updated_at,
    )


def _variant(external_id: str, position: int, variant: Variant) -> tuple[object, ...]:
    ean = read_ean(variant.ean)
    price = None if variant.price is None else variant.price.amount
    currency = None if variant.price is None else variant.price.currency
    shown = (variant.code, variant.ean, variant.size, variant.colour)
    content = (external_id, position, *shown, f"{price:.2f}", currency, f"{variant.vat_rate:.2f}", variant.stock)
    return (
        variant.id,
        position,
        variant.code,
        variant.ean,
        code_key(variant.code),
        ean.key,
        ean.state.value,
        variant.size,
        variant.colour,
        price,
        currency,
        variant.vat_rate,
        variant.stock,
        blake2b(msgspec.msgpack.encode(content), digest_size=16).digest(),
    )
