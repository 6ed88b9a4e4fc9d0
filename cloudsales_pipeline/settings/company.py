"""`company:` in cloudsales.yaml: who buys from suppliers and sells to customers, as it stands on documents."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from cloudsales_pipeline.settings.sections import Email, Section


class AddressSettings(Section):
    """A postal address."""

    street: str = ""
    city: str = ""
    county: str = Field(default="", description="By name or code: Cluj, CJ.")
    postal_code: str = ""
    country: str = Field(default="RO", pattern=r"^[A-Z]{2}$")


class CompanySettings(Section):
    """The retailer. An empty name: documents can't be issued yet, and say so."""

    name: str = ""
    tax_id: str = Field(default="", description="CUI, with RO in front where it pays VAT.")
    registration_number: str = Field(default="", description="At the trade register: J12/345/2010.")
    address: AddressSettings = AddressSettings()
    phone: str = ""
    email: Email | None = None
    bank: str = ""
    iban: str = ""
    logo: Path | None = Field(default=None, description="PNG, JPEG or SVG, beside the settings file.")
