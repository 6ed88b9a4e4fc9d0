"""What an SMS holds: letters without diacritics, and into how many segments a text falls (3GPP TS 23.038).

What belongs here: pure functions over texts. What does not: what the text says, and sending.
"""

from __future__ import annotations

import unicodedata

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
"""Two places each."""
_PLAINER = str.maketrans(
    {"„": '"', "”": '"', "“": '"', "«": '"', "»": '"', "’": "'", "‘": "'", "–": "-", "—": "-", "…": "...", "\u00a0": " ",
     "\u202f": " ", "•": "-", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
)  # fmt: skip


def folded(text: str) -> str:
    """Without diacritics and typographic signs, so that it fits the GSM alphabet; what has no such form stays."""
    plain = unicodedata.normalize("NFKD", text.translate(_PLAINER))
    return unicodedata.normalize("NFC", "".join(c for c in plain if not unicodedata.combining(c)))


def segments(text: str) -> int:
    """How many SMS the text is: of 160 places, or 153 where there are several; of 70 and 67 beyond the GSM alphabet."""
    if not text:
        return 0
    if all(c in _BASIC or c in _EXTENDED for c in text):
        return _parts([2 if c in _EXTENDED else 1 for c in text], 160, 153)
    return _parts([2 if ord(c) > 0xFFFF else 1 for c in text], 70, 67)


def _parts(places: list[int], one: int, several: int) -> int:
    """A character of two places is not torn apart."""
    if sum(places) <= one:
        return 1
    parts, used = 1, 0
    for width in places:
        if used + width > several:
            parts, used = parts + 1, 0
        used += width
    return parts
