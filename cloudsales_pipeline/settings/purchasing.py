"""`suppliers:` and `purchasing:` in cloudsales.yaml: of whom what is missing is bought, when, and in what packs."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from cloudsales_pipeline.settings.company import AddressSettings
from cloudsales_pipeline.settings.sections import Email, Language, Name, Section, TimeOfDay

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
EVERY_DAY: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Days = Annotated[int, Field(ge=0, le=365)]
Pack = Annotated[int, Field(ge=1, le=1_000_000)]


class SupplierSettings(Section):
    """One supplier. Its key, or its name, is what the catalogue's file says in the column `supplier`."""

    name: str = ""
    email: Email | None = Field(default=None, description="Where its orders go; without one they wait for a person.")
    language: Language = "ro"
    tax_id: str = ""
    address: AddressSettings = AddressSettings()
    cut_off: TimeOfDay = Field(default=time(18), description="Local time at which its day closes.")
    order_days: tuple[Weekday, ...] = Field(
        default=EVERY_DAY, min_length=1, description="On other days nothing is ordered; what waits goes onto the next order."
    )
    lead_time_days: Days = Field(default=3, description="From the order to the goods, where the price list does not say.")
    pack_size: Pack = Field(default=1, description="Of products that have none of their own.")
    pack_sizes: dict[str, Pack] = Field(default={}, description="By SKU.")
    pack_rounding: Literal["up", "nearest", "none"] = Field(
        default="up", description="nearest: at least one pack; a half goes up. What is left short then waits for the next order."
    )
    minimum_quantity: Annotated[int, Field(ge=0)] = Field(default=0, description="Pieces of one order.")
    minimum_value: Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)] = Decimal(0)
    below_minimum: Literal["send", "wait"] = Field(
        default="send", description="wait: what is below a minimum is not ordered, and goes onto the next order."
    )


class ReplenishmentSettings(Section):
    """A proposal beside today's shortages: what to buy so that they do not come about."""

    service_level: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        default=0.95, description="The wanted probability that a product does not run out before the goods come."
    )
    history: timedelta = Field(default=timedelta(days=180), description="How much of the ledger demand is read from.")
    review_days: Annotated[int, Field(ge=1, le=60)] = Field(default=1, description="How often an order may be placed.")
    warehouses: tuple[Name, ...] = Field(default=(), description="Whose stock and sales count; none named: all.")


class PurchasingSettings(Section):
    """How what is missing is bought."""

    add_shortages: bool = Field(
        default=True, description="Lines without stock are to be bought; a channel's orders.add_shortages counts before this."
    )
    series: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,8}$")] = Field(
        default="CF", description="In front of a supplier order's number: CF-2026-000001."
    )
    send: bool = Field(
        default=True, description="Orders go to their suppliers by e-mail by themselves; else on `purchasing send`."
    )
    attach: tuple[Literal["pdf", "xlsx"], ...] = ("pdf", "xlsx")
    receiving_warehouse: Name | None = Field(
        default=None, description="Where goods are received; none: the first warehouse of the settings."
    )
    propose_transfers: bool = Field(
        default=False,
        description="What another warehouse has is proposed as a transfer, and not bought for as long as that is open.",
    )
    transfers_wait: timedelta = Field(default=timedelta(days=2), description="A proposal that nobody took for so long is bought.")
    catch_up_days: Annotated[int, Field(ge=0, le=366)] = Field(
        default=31, description="How many missed dates are closed afterwards, each as of its own cut-off."
    )
    responsible_email: Email | None = Field(default=None, description="Who is told of receipts and of what needs a person.")
    proposal: ReplenishmentSettings | None = None
