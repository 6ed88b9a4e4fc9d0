"""A generated listing on disk, one payload a line, and a channel that serves it in this process: no HTTP, no memory.

Version n of a listing differs from version n - 1 in each hundredth product: other prices, and in every tenth of those a new
variant, so that an import has something to decide as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from cloudsales_pipeline.channels.fashionup import FashionUp
from cloudsales_pipeline.channels.port import ProductPage
from cloudsales_pipeline.simulator import fashion

SEED = 7
PAGE = 500
CHANGED_EVERY = 100
NEW_VARIANT_EVERY = 10  # of the changed
NEW_SERIALS = 500_000_000  # new variants' GTINs come from here on: above those of any listing of a size that fits


def write(products: int, file: Path) -> int:
    """The listing's first version; returns how many variants it has."""
    variants = 0
    with file.open("wb") as out:
        for payload in fashion.payloads(products, SEED):
            out.write(payload + b"\n")
            variants += payload.count(b'"ean"')
    return variants


def write_next(before: Path, whole: Path, changes: Path, version: int) -> int:
    """The next version: the whole listing, and what changed alone; returns how many products changed."""
    count = 0
    with before.open("rb") as old, whole.open("wb") as new, changes.open("wb") as changed:
        for number, line in enumerate(old):
            if number % CHANGED_EVERY:
                new.write(line)
                continue
            payload = msgspec.json.encode(_changed(msgspec.json.decode(line), number, version)) + b"\n"
            new.write(payload)
            changed.write(payload)
            count += 1
    return count


def _changed(product: dict[str, Any], number: int, version: int) -> dict[str, Any]:
    moment = datetime.fromisoformat(product["updated_at"]) + timedelta(minutes=version)
    product["updated_at"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    for variant in product["variants"]:
        variant["price"]["amount"] = str(Decimal(variant["price"]["amount"]) + 1)
    if number // CHANGED_EVERY % NEW_VARIANT_EVERY == 0:
        new = {
            "id": f"{product['id']}-N{version}",
            "code": f"{product['code']}-N{version}",
            "ean": fashion.gtin13(NEW_SERIALS + number * fashion.VARIANTS_AT_MOST + version, SEED),
            "colour": f"nou {version}",
        }
        product["variants"].append(product["variants"][0] | new)
    return product


class FileChannel(FashionUp):
    """FashionUp's adapter on files instead of HTTP: a cursor is a place in the file.

    Args:
        whole: served where everything is asked for.
        changes: served where changes are asked for; None: nothing has changed.
    """

    def __init__(self, whole: Path, changes: Path | None = None, page_size: int = PAGE) -> None:
        self._whole, self._changes, self._page_size = whole, changes, page_size

    @property
    def name(self) -> str:
        """As registered."""
        return "fashionup"

    def products(self, cursor: str | None = None, updated_since: datetime | None = None) -> ProductPage:
        """A page from the file."""
        file = self._whole if updated_since is None else self._changes
        if file is None:
            return ProductPage((), None)
        with file.open("rb") as lines:
            lines.seek(int(cursor or 0))
            payloads = [line.rstrip(b"\n") for _, line in zip(range(self._page_size), lines, strict=False)]
            # iterating a file hides its place, so it is counted
            place = int(cursor or 0) + sum(len(payload) + 1 for payload in payloads)
            return ProductPage(tuple(payloads), str(place) if place < file.stat().st_size else None)


def codes(file: Path, known: Callable[[int], tuple[str, ...]]) -> Iterator[tuple[int, str, str, str]]:
    """(product number, kind, key, code) of a catalogue in which variant n is known as `known(n)` says: sku, gtin, additional."""
    from cloudsales_pipeline.codes import code_key

    number = 0
    with file.open("rb") as lines:
        for line in lines:
            for variant in msgspec.json.decode(line)["variants"]:
                kinds = known(number)
                number += 1
                if not kinds:
                    continue
                own = f"OWN-{number}"
                values = {
                    "sku": variant["code"] if "sku" in kinds else own,
                    "gtin": variant["ean"] if "gtin" in kinds else None,
                    "additional": variant["code"] if "additional" in kinds else None,
                }
                for kind, code in values.items():
                    if code is not None:
                        yield number, kind, code_key(code) or "", code
