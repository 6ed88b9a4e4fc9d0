"""The facts that stand on a supplier order beside its lines: who buys, who sells, where it is to be delivered.

What belongs here: their shape, and how they follow from the settings where the close froze less. What does not: how they are
set out on paper (`order_files`), and e-mail addresses, which are read from the settings when a message is queued.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudsales_pipeline.settings import Settings
    from cloudsales_pipeline.settings.company import AddressSettings


def order_facts(settings: Settings, supplier: str) -> dict[str, Any]:
    """`{buyer, supplier, delivery}` as JSON can say them; one that the settings name no more has its key for a name."""
    company, other = settings.company, settings.suppliers.get(supplier)
    warehouse = receiving_warehouse(settings)
    place = settings.warehouses.get(warehouse or "")
    return {
        "buyer": {
            "name": company.name,
            "tax_id": company.tax_id,
            "registration_number": company.registration_number,
            "address": _address(company.address),
            "phone": company.phone,
            "email": company.email or "",
        },
        "supplier": {
            "name": (other.name if other else "") or supplier,
            "tax_id": other.tax_id if other else "",
            "address": _address(other.address) if other else {},
        },
        "delivery": {"warehouse": warehouse or "", "name": place.name if place else "", "address": _address(company.address)},
    }


def receiving_warehouse(settings: Settings) -> str | None:
    """Where goods are received: the setting, else the first warehouse; None where the settings name none."""
    return settings.purchasing.receiving_warehouse or next(iter(settings.warehouses), None)


def _address(address: AddressSettings) -> dict[str, str]:
    return address.model_dump()
