"""The counties of Romania, however they are written. Pure. A county is no personal data; any other text in its place may be."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

COUNTIES = (
    "Alba", "Arad", "Argeș", "Bacău", "Bihor", "Bistrița-Năsăud", "Botoșani", "Brăila", "Brașov", "București", "Buzău",
    "Călărași", "Caraș-Severin", "Cluj", "Constanța", "Covasna", "Dâmbovița", "Dolj", "Galați", "Giurgiu", "Gorj", "Harghita",
    "Hunedoara", "Ialomița", "Iași", "Ilfov", "Maramureș", "Mehedinți", "Mureș", "Neamț", "Olt", "Prahova", "Sălaj",
    "Satu Mare", "Sibiu", "Suceava", "Teleorman", "Timiș", "Tulcea", "Vâlcea", "Vaslui", "Vrancea",
)  # fmt: skip
# The codes of number plates, which many shops use.
PLATES = {
    "AB": "Alba", "AR": "Arad", "AG": "Argeș", "BC": "Bacău", "BH": "Bihor", "BN": "Bistrița-Năsăud", "BT": "Botoșani",
    "BR": "Brăila", "BV": "Brașov", "B": "București", "BZ": "Buzău", "CL": "Călărași", "CS": "Caraș-Severin", "CJ": "Cluj",
    "CT": "Constanța", "CV": "Covasna", "DB": "Dâmbovița", "DJ": "Dolj", "GL": "Galați", "GR": "Giurgiu", "GJ": "Gorj",
    "HR": "Harghita", "HD": "Hunedoara", "IL": "Ialomița", "IS": "Iași", "IF": "Ilfov", "MM": "Maramureș", "MH": "Mehedinți",
    "MS": "Mureș", "NT": "Neamț", "OT": "Olt", "PH": "Prahova", "SJ": "Sălaj", "SM": "Satu Mare", "SB": "Sibiu",
    "SV": "Suceava", "TR": "Teleorman", "TM": "Timiș", "TL": "Tulcea", "VL": "Vâlcea", "VS": "Vaslui", "VN": "Vrancea",
}  # fmt: skip
BEFORE = ("judetul ", "jud. ", "jud ", "municipiul ", "mun. ")


@lru_cache(maxsize=1024)
def county_of(text: str | None) -> str | None:
    """The county in its one spelling; None where it is none of Romania's."""
    if not text or len(text) > 60:
        return None
    folded = _folded(text)
    for word in BEFORE:
        folded = folded.removeprefix(word)
    if folded.startswith(("bucuresti", "sector ")):
        return "București"
    return _BY_NAME.get(folded.strip()) or PLATES.get(folded.strip().upper())


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFD", text.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(letters.replace("-", " ").split())


_BY_NAME = {_folded(name): name for name in COUNTIES}
