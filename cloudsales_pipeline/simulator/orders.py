"""Orders as the simulated channel makes them: buyers, addresses, lines and totals, invented but well formed.

What belongs here: one order's JSON, new or changed, as functions without memory. What does not: keeping orders, and what they
take from the offer (`state`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from cloudsales_pipeline.simulator.goods import Sellable

FIRST_NAMES = ("Andreea", "Mihai", "Ioana", "Ștefan", "Elena", "Răzvan", "Țuca", "Cristina", "Dragoș", "Anamaria")
LAST_NAMES = ("Moldovanu", "Brașoveanu", "Câmpeanu", "Vlădescu", "Stănciulescu", "Ardeleanu", "Înțeleptu")
STREETS = ("Strada Teiului", "Bulevardul Castanilor", "Aleea Frasinului", "Strada Fântânii", "Calea Vișinului")
CITIES = (("Cluj-Napoca", "Cluj", "400001"), ("Iași", "Iași", "700001"), ("Brașov", "Brașov", "500001"),
          ("Timișoara", "Timiș", "300001"), ("București", "București", "010001"), ("Târgu Mureș", "Mureș", "540001"))  # fmt: skip
COMPANIES = ("Atelier Nordic SRL", "Croitoria Veche SRL", "Vitrina de Sud SA", "Buticul Ană PFA")
NOTES = (None, None, None, "Vă rog sunați înainte de livrare.", "Interfon 12, etaj 3.\nMulțumesc!")
COURIERS = (None, "Sameday", "FAN Courier")
DISCOUNTS = {"TOAMNA10": Decimal("0.10"), "CLIENT5": Decimal("0.05")}  # on the order, on a line
CENT = Decimal("0.01")
STREET_NUMBERS = 120
DELIVERY_PRICES = {"courier": Decimal("19.99"), "locker": Decimal("12.99"), "store_pickup": Decimal("0.00")}


Bought = tuple[Sellable, int]


def make_order(order_id: str, now: str, bought: Sequence[Bought], chance: random.Random) -> dict[str, Any]:
    """A new order of these variants and pieces, all in one currency, placed at `now` (RFC 3339).

    Its total is lines + delivery − discounts to the cent. Buyers' addresses end in `.invalid`: nobody can be written to.
    """
    lines = [_line(str(number), sellable, quantity) for number, (sellable, quantity) in enumerate(bought, start=1)]
    currency = bought[0][0].currency
    method = chance.choice(tuple(DELIVERY_PRICES))
    paid = chance.random() < 0.5
    address = _address(chance, method)
    delivery = {"method": method, "courier": _courier(method, chance), "price": _money(DELIVERY_PRICES[method], currency)}
    return _with_total(
        {
            "id": order_id,
            "revision": 1,
            "status": "paid" if paid else "new",
            "created_at": now,
            "updated_at": now,
            "customer": _customer(order_id, address, chance),
            "billing_address": {**address, "locker_id": None},
            "delivery_address": address,
            "payment": {
                "method": "card" if paid else chance.choice(("cash_on_delivery", "bank_transfer")),
                "status": "paid" if paid else "pending",
                "paid_at": now if paid else None,
            },
            "delivery": delivery,
            "lines": lines,
            "discounts": _discounts(lines, currency, chance),
            "total": _money(Decimal(0), currency),
            "note": chance.choice(NOTES),
        }
    )


def with_lines(order: dict[str, Any], bought: Sequence[Bought]) -> dict[str, Any]:
    """The order with these variants and pieces instead; a variant that stays keeps its line's id, price and returns.

    Discounts are worked out again, those of lines that are gone fall away.

    Raises:
        ValueError: no pieces of a line, or fewer than were returned.
    """
    kept = {line["variant_id"]: line for line in reversed(order["lines"])}
    number = max((int(line["id"]) for line in order["lines"] if line["id"].isdigit()), default=0)
    lines = []
    for sellable, quantity in bought:
        line = kept.pop(sellable.variant_id, None)
        if line is None:
            number += 1
            line = _line(str(number), sellable, quantity)
        if quantity < max(1, line["returned_quantity"]):
            raise ValueError(f"line {line['id']} of {order['id']} can't have {quantity} pieces")
        lines.append({**line, "quantity": quantity})
    ids = {line["id"] for line in lines} | {None}
    discounts = [one for one in order["discounts"] if one["line_id"] in ids]
    return _with_total({**order, "lines": lines, "discounts": [_again(one, lines) for one in discounts]})


def with_returns(order: dict[str, Any], pieces: dict[str, int]) -> dict[str, Any]:
    """The order with so many more pieces of these lines returned; wholly returned, it says so. The total stays.

    Raises:
        ValueError: a line that the order has not, or more than is left of it.
    """
    lines = {line["id"]: line for line in order["lines"]}
    for line_id, count in pieces.items():
        line = lines.get(line_id)
        if line is None or not 0 < count <= line["quantity"] - line["returned_quantity"]:
            raise ValueError(f"line {line_id} of {order['id']} has not {count} pieces left to return")
        lines[line_id] = {**line, "returned_quantity": line["returned_quantity"] + count}
    changed = {**order, "lines": list(lines.values())}
    if any(line["returned_quantity"] < line["quantity"] for line in lines.values()):
        return changed
    return refunded({**changed, "status": "returned"})


def refunded(order: dict[str, Any]) -> dict[str, Any]:
    """The order, its money given back where it was paid."""
    paid = order["payment"].get("status") == "paid"
    return {**order, "payment": {**order["payment"], "status": "refunded"}} if paid else order


def total_of(order: dict[str, Any]) -> Decimal:
    """What the lines, the delivery and the discounts come to."""
    discounts = sum((Decimal(one["amount"]["amount"]) for one in order["discounts"]), Decimal(0))
    return _goods(order["lines"]) + Decimal(order["delivery"]["price"]["amount"]) - discounts


def _with_total(order: dict[str, Any]) -> dict[str, Any]:
    return {**order, "total": _money(total_of(order), order["total"]["currency"])}


def _goods(lines: Sequence[dict[str, Any]]) -> Decimal:
    return sum((Decimal(line["unit_price"]["amount"]) * line["quantity"] for line in lines), Decimal(0))


def _line(line_id: str, sellable: Sellable, quantity: int) -> dict[str, Any]:
    return {
        "id": line_id,
        "variant_id": sellable.variant_id,
        "code": sellable.code,
        "ean": sellable.ean,
        "name": sellable.name,
        "quantity": quantity,
        "unit_price": _money(sellable.amount, sellable.currency),
        "vat_rate": sellable.vat_rate,
        "returned_quantity": 0,
    }


def _discounts(lines: Sequence[dict[str, Any]], currency: str, chance: random.Random) -> list[dict[str, Any]]:
    found = []
    if chance.random() < 0.25:
        found.append({"code": "TOAMNA10", "line_id": None, "amount": _money(Decimal(0), currency)})
    if chance.random() < 0.15:
        found.append({"code": "CLIENT5", "line_id": chance.choice(lines)["id"], "amount": _money(Decimal(0), currency)})
    return [_again(one, lines) for one in found]


def _again(discount: dict[str, Any], lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The discount on what it now applies to; one with a code that is none of ours stays, up to what there is."""
    base = _goods([line for line in lines if discount["line_id"] in (None, line["id"])])
    rate = DISCOUNTS.get(discount["code"] or "")
    amount = min(base, Decimal(discount["amount"]["amount"])) if rate is None else base * rate
    return {**discount, "amount": _money(amount, discount["amount"]["currency"])}


def _customer(order_id: str, address: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    company = None
    if chance.random() < 0.2:
        company = {
            "name": chance.choice(COMPANIES),
            "tax_id": _tax_id(chance),
            "registration_number": f"J{chance.randint(1, 40)}/{chance.randint(1, 9_999)}/{chance.randint(2005, 2025)}",
        }
    email = f"buyer-{order_id.lower()}@example.invalid"
    return {"name": address["name"], "email": email, "phone": address["phone"], "company": company}


def _tax_id(chance: random.Random) -> str:
    """A CUI whose check digit is right, as most buyers give."""
    from stdnum.ro import cui

    body = str(chance.randint(1_000_000, 4_999_999))
    return f"RO{body}{cui.calc_check_digit(body)}"


def _courier(method: str, chance: random.Random) -> str | None:
    return None if method == "store_pickup" else chance.choice(COURIERS)


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
        "locker_id": str(chance.randint(100, 999)) if method == "locker" else None,
    }


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    return {"amount": str(amount.quantize(CENT, ROUND_HALF_UP)), "currency": currency}
