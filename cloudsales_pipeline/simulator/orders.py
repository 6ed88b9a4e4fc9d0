"""Orders as the simulated channel makes them: buyers, addresses, lines and totals, invented but well formed.

What belongs here: making one order's JSON. What does not: keeping and changing orders (`state`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

FIRST_NAMES = ("Andreea", "Mihai", "Ioana", "Ștefan", "Elena", "Răzvan", "Țuca", "Cristina", "Dragoș", "Anamaria")
LAST_NAMES = ("Moldovanu", "Brașoveanu", "Câmpeanu", "Vlădescu", "Stănciulescu", "Ardeleanu", "Înțeleptu")
STREETS = ("Strada Teiului", "Bulevardul Castanilor", "Aleea Frasinului", "Strada Fântânii", "Calea Vișinului")
CITIES = (("Cluj-Napoca", "Cluj", "400001"), ("Iași", "Iași", "700001"), ("Brașov", "Brașov", "500001"),
          ("Timișoara", "Timiș", "300001"), ("București", "București", "010001"), ("Târgu Mureș", "Mureș", "540001"))  # fmt: skip
STREET_NUMBERS = 120
DELIVERY_PRICES = {"courier": Decimal("19.99"), "locker": Decimal("12.99"), "store_pickup": Decimal("0.00")}


class Sellable(NamedTuple):
    """What an order line needs to know of a variant."""

    variant_id: str
    code: str | None
    ean: str | None
    name: str
    amount: Decimal
    currency: str
    vat_rate: str


def make_order(order_id: str, now: str, sellables: Sequence[Sellable], chance: random.Random) -> dict[str, Any]:
    """A new order of one to three of these variants, placed at `now` (RFC 3339).

    Its total is lines + delivery − discounts to the cent. Buyers' addresses end in `.invalid`: nobody can be written to.
    """
    chosen = chance.sample(sellables, min(len(sellables), chance.choice((1, 1, 2, 3))))
    lines = [_line(number, sellable, chance) for number, sellable in enumerate(chosen, start=1)]
    currency = chosen[0].currency
    method = chance.choice(tuple(DELIVERY_PRICES))
    goods = sum((Decimal(line["unit_price"]["amount"]) * line["quantity"] for line in lines), Decimal(0))
    discounts = _discounts(goods, currency, chance)
    total = goods + DELIVERY_PRICES[method] - sum((Decimal(d["amount"]["amount"]) for d in discounts), Decimal(0))
    paid = chance.random() < 0.5
    address = _address(chance, method)
    return {
        "id": order_id,
        "revision": 1,
        "status": "paid" if paid else "new",
        "created_at": now,
        "updated_at": now,
        "customer": {"name": address["name"], "email": f"buyer-{order_id.lower()}@example.invalid", "phone": address["phone"]},
        "billing_address": {**address, "locker_id": None},
        "delivery_address": address,
        "payment": {
            "method": "card" if paid else chance.choice(("cash_on_delivery", "bank_transfer")),
            "status": "paid" if paid else "pending",
            "paid_at": now if paid else None,
        },
        "delivery": {"method": method, "courier": None, "price": _money(DELIVERY_PRICES[method], currency)},
        "lines": lines,
        "discounts": discounts,
        "total": _money(total, currency),
        "note": chance.choice((None, None, "Vă rog sunați înainte de livrare.")),
    }


def _line(number: int, sellable: Sellable, chance: random.Random) -> dict[str, Any]:
    return {
        "id": str(number),
        "variant_id": sellable.variant_id,
        "code": sellable.code,
        "ean": sellable.ean,
        "name": sellable.name,
        "quantity": chance.choice((1, 1, 1, 2)),
        "unit_price": _money(sellable.amount, sellable.currency),
        "vat_rate": sellable.vat_rate,
        "returned_quantity": 0,
    }


def _discounts(goods: Decimal, currency: str, chance: random.Random) -> list[dict[str, Any]]:
    if chance.random() > 0.25:
        return []
    return [{"code": "TOAMNA10", "line_id": None, "amount": _money(goods / 10, currency)}]


def _address(chance: random.Random, method: str) -> dict[str, Any]:
    city, county, postal_code = chance.choice(CITIES)
    return {
        "name": f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}",
        "phone": f"+4070000{chance.randrange(10_000):04d}",
        "street": f"{chance.choice(STREETS)} {chance.randint(1, STREET_NUMBERS)}",
        "city": city,
        "county": county,
        "postal_code": postal_code,
        "country": "RO",
        "locker_id": f"LCK{chance.randint(100, 999)}" if method == "locker" else None,
    }


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    return {"amount": f"{amount:.2f}", "currency": currency}
