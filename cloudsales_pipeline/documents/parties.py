"""Seller and buyer as they stand on an invoice. Pure.

What belongs here: names, tax numbers, addresses. What does not: amounts (`building`).
"""

from __future__ import annotations

from stdnum.ro import cui

from cloudsales_pipeline.documents.content import Party
from cloudsales_pipeline.documents.snapshot import Buyer, BuyerAddress
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.orders.counties import PLATES, county_of
from cloudsales_pipeline.settings.company import CompanySettings

CODES = {name: code for code, name in PLATES.items()}
NOBODY = {"ro": "Persoană fizică", "en": "Private person"}


def county_code(text: str) -> str:
    """ISO 3166-2 without the country: CJ, B for Bucharest; empty where it is none of Romania's counties."""
    name = county_of(text)
    return CODES[name] if name else ""


def seller_of(company: CompanySettings) -> Party:
    """The retailer. `RO` in front of the tax number: it pays VAT.

    Raises:
        SettingsError: no name, or a tax number that is none.
    """
    if not company.name or not cui.is_valid(company.tax_id):
        raise SettingsError(
            "company.name and company.tax_id must say who issues invoices; the tax number must be a CUI.",
            next_step="fill in `company:` in cloudsales.yaml",
        )
    address = company.address
    return Party(
        name=company.name,
        company=True,
        tax_id=_cui(company.tax_id),
        vat_payer=company.tax_id.strip().upper().startswith("RO"),
        registration_number=company.registration_number,
        street=address.street,
        city=address.city,
        county=county_code(address.county),
        postal_code=address.postal_code,
        country=address.country,
        email=company.email or "",
        phone=company.phone,
        bank=company.bank,
        iban=company.iban.replace(" ", ""),
    )


def buyer_of(buyer: Buyer) -> Party:
    """A company where its tax number is one; anybody else is a person, so that a false number never stands on an invoice."""
    address, company = buyer.address, _is_company(buyer)
    romanian = address.country == "RO"
    return Party(
        name=(buyer.company_name if company else "") or buyer.name or address.name or buyer.company_name or NOBODY["ro"],
        company=company,
        tax_id=_number(buyer) if company else "",
        vat_payer=company and buyer.company_tax_id.strip().upper().startswith("RO"),
        registration_number=buyer.company_registration_number if company else "",
        street=address.street,
        city=_city(address),
        county=county_code(address.county or _bucharest(address.city)) if romanian else "",
        postal_code=address.postal_code,
        country=address.country or "RO",
        email=buyer.email,
        phone=buyer.phone or address.phone,
    )


def flags_of_buyer(buyer: Buyer) -> tuple[str, ...]:
    """buyer_tax_id_invalid: says that it is a company, its number is none; buyer_without_address: no street or no city."""
    false = ("buyer_tax_id_invalid",) if buyer.company and not _is_company(buyer) else ()
    homeless = ("buyer_without_address",) if not (buyer.address.street.strip() and buyer.address.city.strip()) else ()
    return false + homeless


def _is_company(buyer: Buyer) -> bool:
    """Only Romanian numbers can be checked; a foreign company's is taken as it comes."""
    if not buyer.company or not buyer.company_tax_id.strip():
        return False
    return buyer.address.country != "RO" or bool(cui.is_valid(buyer.company_tax_id))


def _number(buyer: Buyer) -> str:
    return _cui(buyer.company_tax_id) if cui.is_valid(buyer.company_tax_id) else buyer.company_tax_id.strip()


def _cui(number: str) -> str:
    """With RO in front where it was given so."""
    digits = str(cui.compact(number)).removeprefix("RO")
    return f"RO{digits}" if number.strip().upper().startswith("RO") else digits


def _city(address: BuyerAddress) -> str:
    """With Bucharest's sector where only the county says it: `Sector 3`."""
    sector = address.county.strip()
    if not sector.casefold().startswith("sector") or "sector" in address.city.casefold():
        return address.city
    return f"{address.city or 'București'}, {sector}"


def _bucharest(city: str) -> str:
    return city if county_of(city) == "București" else ""
