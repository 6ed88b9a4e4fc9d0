"""Orders whose every text of a person is a canary, good ones and broken ones."""

from __future__ import annotations

import json
from typing import Any

from cloudsales_pipeline.channels.port import Address, Buyer, Company
from tests.canary import Canaries
from tests.channels.test_fashionup_orders import address, money
from tests.channels.test_fashionup_orders import line as wire_line
from tests.channels.test_fashionup_orders import order as wire_order


def somebody(canaries: Canaries) -> dict[str, Any]:
    """The fields of an order that are of a person, each a canary."""

    def at(whose: str) -> Address:
        text = lambda what: canaries.text(f"{whose} {what}")  # noqa: E731
        return Address(
            text("name"),
            canaries.phone(f"{whose} phone"),
            text("street"),
            text("city"),
            text("county"),
            text("code"),
            "RO",
            text("locker"),
        )

    company = Company(canaries.text("company"), canaries.text("tax id"), canaries.text("registration"))
    buyer = Buyer(canaries.text("name"), canaries.text("mail", "{}@example.invalid"), canaries.phone(), company)
    return {"buyer": buyer, "delivery": at("delivery"), "billing": at("billing"), "note": canaries.text("note")}


def bad_wire(canaries: Canaries) -> list[bytes]:
    """FashionUp's orders with a person's text where something else is due, and with values that can't be read."""
    told = canaries.text("misplaced text")
    changes: list[dict[str, Any]] = [
        {"customer": {"name": told, "phone": [told]}},
        {"customer": told},
        {"customer": {"name": told, "email": f"{told}@x\nBcc: {told}@y"}},
        {"customer": {"name": f"{told}\x00"}},
        {"delivery_address": address(city=[told], name=told)},
        {"delivery_address": address(county=told, street=told * 40)},
        {"note": [told]},
        {"total": money(told)},
        {"total": money("1", told)},
        {"status": told},
        {"payment": {"method": told, "status": told}},
        {"delivery": {"method": told, "courier": None, "price": money("1")}},
        {"lines": [wire_line(1, quantity=told)]},
        {"lines": [wire_line(1, quantity=0), wire_line(2, unit_price=money(told))]},
        {"created_at": told},
    ]
    made = [wire_order(**(change | {"id": f"BAD-{place}"})) for place, change in enumerate(changes)]
    return [*made, f'{{"torn": "{told}'.encode(), told.encode() + b"\xff", json.dumps([told]).encode()]
