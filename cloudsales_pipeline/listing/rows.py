"""From a page's raw payloads to the rows of the stage: pure, and safe to store whatever a channel sent.

What belongs here: hashes, what PostgreSQL can't hold (NUL, lone surrogates, numbers and keys out of range), and the shape
of the rows. What does not: a channel's field names (its adapter), SQL, and which of several versions wins (compare.sql).

Reason codes that are made here, beside the adapter's own: no_id, bad_id, text_too_long, bad_text, number_out_of_range,
time_without_zone, duplicate_variant.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b

import msgspec

from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.channels.port import ListedProduct, ListedVariant, Rejected, SalesChannel
from cloudsales_pipeline.codes import code_key, read_ean

ID_CAP = 200  # characters; ids and keys stand in B-tree indexes, whose entries hold at most 2.7 kB
NAME_CAP = 1_000
FIELD_CAP = 1_000
DETAIL_CAP = 300
PRICE_LIMIT = Decimal(10) ** 12  # numeric(14, 2)
YEARS = (1970, 2200)
RATE_LIMIT = Decimal(1000)  # numeric(5, 2)
INTEGER_LIMIT = 2**31
NUL = "\x00"

_content = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode

Row = tuple[object, ...]

try:
    from isal import isal_zlib
except ImportError:  # no wheel for this machine: the same format, slower

    def _compress(payload: bytes) -> bytes:
        return zlib.compress(payload, 1)
else:

    def _compress(payload: bytes) -> bytes:
        return isal_zlib.compress(payload, 0)


class _Characteristic(msgspec.Struct):
    name: str
    value: str


class Item(msgspec.Struct, frozen=True):
    """One payload of a page: its hash, and its product's id or what was wrong with that."""

    payload: bytes
    raw_hash: bytes
    external_id: str
    fault: PayloadError | None = None


@dataclass(slots=True)
class PageRows:
    """What one page adds to the stage (tuples without import and page), and what it showed unchanged."""

    products: list[Row] = field(default_factory=list)
    variants: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    unchanged_ids: list[str] = field(default_factory=list)
    staged: int = 0
    latest_update: datetime | None = None


def identify(channel: SalesChannel, payloads: Iterable[bytes]) -> list[Item]:
    """Hash and id of every payload; one that stands on the page twice is taken once."""
    items: dict[bytes, Item] = {}
    for payload in payloads:
        raw_hash = blake2b(payload, digest_size=16).digest()
        if raw_hash not in items:
            items[raw_hash] = _identified(channel, payload, raw_hash)
    return list(items.values())


def _identified(channel: SalesChannel, payload: bytes, raw_hash: bytes) -> Item:
    try:
        external_id = channel.product_id(payload)
    except PayloadError as error:
        return Item(payload, raw_hash, "", error)
    if not external_id or len(external_id) > ID_CAP or not storable(external_id):
        return Item(payload, raw_hash, "", PayloadError("bad_id", "the product's id can't be stored"))
    return Item(payload, raw_hash, external_id)


def page_rows(channel: SalesChannel, items: Sequence[Item], stored: Mapping[str, bytes]) -> PageRows:
    """The page as rows: what has its stored hash is only noted, the rest is parsed."""
    rows = PageRows()
    for item in items:
        if item.fault is None and stored.get(item.external_id) == item.raw_hash:
            rows.unchanged_ids.append(item.external_id)
            continue
        rows.staged += 1
        try:
            if item.fault is not None:
                raise item.fault
            _add_product(rows, item, channel.parse_product(item.payload))
        except PayloadError as error:
            rows.rejects.append(_whole_product(item, error))
    return rows


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold a text: no NUL, no half of a surrogate pair."""
    if text.isascii():
        return NUL not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return NUL not in text


def _add_product(rows: PageRows, item: Item, product: ListedProduct) -> None:
    _check_product(product)
    variants, rejected = _sorted_out(product)
    if not variants and not rejected:
        raise PayloadError("no_variants", "a product without variants", item.external_id)
    key, raw_hash = item.external_id, item.raw_hash
    variant_rows = []
    for variant in variants:
        try:
            variant_rows.append((key, raw_hash, *_variant(key, variant)))
        except PayloadError as error:
            rejected.append(Rejected(variant.variant_id, error.reason, error.detail))
    rows.products.append((key, *_product(product), compress(item.payload), raw_hash))
    rows.variants += variant_rows
    for one in rejected:
        reference = _shown(one.reference, ID_CAP) or "#?"
        rows.rejects.append((key, raw_hash, reference, one.reason, _shown(one.detail, DETAIL_CAP), False))
    if rows.latest_update is None or product.updated_at > rows.latest_update:
        rows.latest_update = product.updated_at


def _whole_product(item: Item, error: PayloadError) -> Row:
    reference = item.external_id or f"payload {item.raw_hash.hex()}"
    return (item.external_id, item.raw_hash, reference, error.reason, _shown(error.detail, DETAIL_CAP), True)


def compress(payload: bytes) -> bytes:
    """In zlib's format. igzip's level 0 takes a sixth of the time of zlib's level 1, for a quarter more bytes."""
    return _compress(payload)


def _product(product: ListedProduct) -> Row:
    return (
        product.code,
        product.name,
        product.brand,
        product.description,
        _array(product.category_ids),
        _json(product.images).decode(),
        _json([_Characteristic(name, value) for name, value in product.characteristics]).decode(),
        product.status,
        product.updated_at,
    )


def _variant(external_id: str, variant: ListedVariant) -> Row:
    price = _number(variant.price, PRICE_LIMIT, "price")
    rate = _number(variant.vat_rate, RATE_LIMIT, "vat_rate")
    if variant.stock is not None and not -INTEGER_LIMIT <= variant.stock < INTEGER_LIMIT:
        raise PayloadError("number_out_of_range", "stock does not fit")
    ean = read_ean(variant.ean)
    content = (
        external_id,
        variant.position,
        variant.code,
        variant.ean,
        variant.size,
        variant.colour,
        price,
        variant.currency,
        rate,
        variant.stock,
    )
    return (
        variant.variant_id,
        variant.position,
        variant.code,
        variant.ean,
        _key(code_key(variant.code)),
        _key(ean.key),
        ean.state.value,
        variant.size,
        variant.colour,
        price,
        variant.currency,
        rate,
        variant.stock,
        blake2b(_content(content), digest_size=16).digest(),
    )


def _number(value: Decimal | None, limit: Decimal, name: str) -> str | None:
    """With two decimals, as it will be stored: 40 and 40.00 are the same content."""
    if value is None:
        return None
    try:
        if -limit < value < limit:
            return f"{value:.2f}"
    except InvalidOperation:
        pass  # not a number
    raise PayloadError("number_out_of_range", f"{name} does not fit")


def _key(key: str | None) -> str | None:
    # a code is read up to 200 characters, but compatibility forms can unfold to 18 times as many
    if key is not None and len(key) > FIELD_CAP // 2:
        raise PayloadError("text_too_long", "a code is too long")
    return key


def _array(values: Sequence[str]) -> str:
    """A text[] literal; psycopg's own dumper of lists costs more than all else on the row."""
    quoted = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return f'{{"{quoted}"}}' if values else "{}"


def _check_product(product: ListedProduct) -> None:
    if product.updated_at.tzinfo is None:
        raise PayloadError("time_without_zone", "updated_at has no zone")
    if not YEARS[0] <= product.updated_at.year <= YEARS[1]:
        raise PayloadError("bad_time", "updated_at lies in no year of trade")  # and its zone may lead out of the calendar
    texts = [product.name, product.status]
    texts += [text for text in (product.code, product.brand, product.description) if text]
    texts += product.category_ids
    texts += [image.url for image in product.images]
    for pair in product.characteristics:
        texts += pair
    if not storable("".join(texts)):
        raise PayloadError("bad_text", "a NUL or half a character in the product's text")
    if len(product.name) > NAME_CAP:
        raise PayloadError("text_too_long", f"name has more than {NAME_CAP} characters")


def _sorted_out(product: ListedProduct) -> tuple[list[ListedVariant], list[Rejected]]:
    """The variants that can be stored, and the faults; of one id twice, the first stays, and an identical repeat is nothing."""
    rejected = list(product.rejected)
    kept: dict[str, ListedVariant] = {}
    for variant in product.variants:
        fault = _text_fault(variant)
        first = kept.get(variant.variant_id)
        if fault is not None:
            rejected.append(Rejected(_reference(variant), fault, "a text of the variant can't be stored"))
        elif first is None:
            kept[variant.variant_id] = variant
        elif not _same_content(first, variant):
            rejected.append(Rejected(variant.variant_id, "duplicate_variant", f"again at position {variant.position}"))
    return list(kept.values()), rejected


def _text_fault(variant: ListedVariant) -> str | None:
    texts = (variant.variant_id, variant.code, variant.ean, variant.size, variant.colour, variant.currency)
    joined = "".join(filter(None, texts))
    if not storable(joined):
        return "bad_text"
    if not variant.variant_id:
        return "no_id"
    if len(joined) > ID_CAP and (len(variant.variant_id) > ID_CAP or max(map(len, filter(None, texts))) > FIELD_CAP):
        return "text_too_long"
    return None


def _reference(variant: ListedVariant) -> str:
    """The variant's id, or its place where the id itself is what can't be stored."""
    usable = variant.variant_id and len(variant.variant_id) <= ID_CAP and storable(variant.variant_id)
    return variant.variant_id if usable else f"#{variant.position}"


def _same_content(one: ListedVariant, other: ListedVariant) -> bool:
    return msgspec.structs.replace(other, position=one.position) == one


def _shown(text: str, cap: int) -> str:
    return text[:cap].replace(NUL, "").encode(errors="replace").decode()


def placed(rows: Collection[Row], import_id: int, page: int) -> Iterable[Row]:
    """Rows with the import and page they came by."""
    return ((import_id, page, *row) for row in rows)
