"""`documents:` and `couriers:` in cloudsales.yaml: which documents are issued when, and who carries parcels."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.sections import Language, Name, Section

DocumentKind = Literal["proforma_invoice", "fiscal_invoice", "waybill"]
Series = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{0,14}$")]


class SeriesSettings(Section):
    """In front of the numbers. Each kind has its own; a channel may have its own too (channels.NAME.documents.series)."""

    proforma_invoice: Series = "PF"
    fiscal_invoice: Series = "FU"
    storno: Series | None = Field(default=None, description="None: a storno takes the next number of the fiscal invoices.")


class DocumentRule(Section):
    """Issue a document when a condition over the order's facts holds. Of each kind the first rule that holds decides."""

    issue: DocumentKind
    when: Annotated[str, Field(min_length=1, max_length=500)]
    name: str = Field(default="", max_length=100, description="What reports call it; none: the condition itself.")
    courier: Name | None = Field(default=None, description="For a waybill: who carries it, a key of `couriers`.")
    service: str | None = Field(default=None, max_length=60, description="For a waybill: the courier's service.")


class ChannelDocumentSettings(Section):
    """Where a channel differs."""

    enabled: bool = Field(default=True, description="false: the kill switch; nothing is issued for its orders by rules.")
    series: SeriesSettings | None = None
    language: Language | None = None


class DocumentSettings(Section):
    """Which documents are issued by themselves, and how."""

    series: SeriesSettings = SeriesSettings()
    rules: tuple[DocumentRule, ...] = ()
    language: Language = "ro"
    goods_leave_on: Literal["waybill", "fiscal_invoice", "scan", "command"] = Field(
        default="command", description="What takes the goods out of stock, in its own transaction."
    )
    payment_days: Annotated[int, Field(ge=0, le=365)] = 0
    unknown_after: timedelta = Field(
        default=timedelta(minutes=30), description="A waybill or hand-over that is unclear for longer turns a check red."
    )
    hand_over: bool = Field(default=True, description="Whether channels are given the documents.")
    e_invoice_folder: Path | None = Field(
        default=None, description="Where e-invoices are written for who uploads them; none: a person fetches them."
    )
    parcel_weight_grams: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=500, description="Of a piece whose product says no weight (column weight_grams of the catalogue's file)."
    )
    heaviest_parcel_grams: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        default=30_000, description="What is heavier goes in several parcels."
    )
    look_up_after: timedelta = Field(
        default=timedelta(minutes=5),
        description="So long after an unclear call the courier is asked whether it made the waybill: it may be at it still.",
    )
    waybill_attempts: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=20, description="How often a courier that is away is asked for a waybill before a person has to look."
    )
    track_for: timedelta = Field(default=timedelta(days=30), description="Parcels made longer ago are not asked about any more.")


TRACKING_PAGES = {
    "fan": "https://www.fancourier.ro/awb-tracking/?tracking={number}",
    "sameday": "https://sameday.ro/#awb={number}",
}
"""The couriers' public pages (2026), by kind."""


class CourierSettings(Section):
    """One courier account."""

    kind: Literal["fan", "sameday"]
    url: str
    user_env: str
    password_env: str
    client_id: str = Field(default="", description="FAN: the client's number; Sameday: the pickup point.")
    contact_person: str = ""
    service: str = Field(default="", description="Where the rule names none. FAN: its name; Sameday: its number.")
    locker_service: str = Field(default="", description="The same for parcels that go to a locker.")
    label_format: Literal["A4", "A6"] = "A6"
    track_every: timedelta = timedelta(minutes=15)
    requests_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 120
    tracking_url: Annotated[str, Field(pattern=r"^https?://[^\s{}]*\{number\}[^\s{}]*$")] | None = Field(
        default=None, description="Where a buyer sees the parcel, with {number} in it; none: the courier's usual page."
    )

    def tracking_link(self, number: str) -> str:
        """Where the buyer of this parcel sees where it is."""
        return (self.tracking_url or TRACKING_PAGES[self.kind]).replace("{number}", quote(number, safe=""))

    def credentials(self) -> tuple[str, SecretStr]:
        """User and password from the environment.

        Raises:
            SettingsError: a variable that the file names is not set.
        """
        found = []
        for variable in (self.user_env, self.password_env):
            value = os.environ.get(variable)
            if not value:
                raise SettingsError(
                    f"The environment variable {variable}, which a courier's account needs, is not set.",
                    next_step=f"export {variable}=…",
                )
            found.append(value)
        return found[0], SecretStr(found[1])
