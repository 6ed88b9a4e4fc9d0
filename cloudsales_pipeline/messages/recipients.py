"""Whom a message can go to: telephone numbers in E.164 that take an SMS at an ordinary price, e-mail addresses that are one.

What belongs here: reading and refusing addresses. What does not: who wants no messages (`consent`), and how they are sent.
"""

from __future__ import annotations

from functools import lru_cache

from cloudsales_pipeline.outbox.letters import LetterRefusedError, address_of

HOME = "RO"


class NoRecipientError(Exception):
    """Nothing can go there; `reason` as a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def recipient_of(medium: str, text: str | None, country: str = HOME) -> str:
    """The address in the form in which it is told apart and sent to.

    Args:
        country: of a telephone number without one, ISO 3166-1 alpha-2.

    Raises:
        NoRecipientError: no_address, address_invalid, number_invalid, number_premium, number_not_mobile.
    """
    given = (text or "").strip()
    if not given:
        raise NoRecipientError("no_address")
    return _number(given[:100], country) if medium == "sms" else _address(given)


def _address(text: str) -> str:
    try:
        address_of(text)
    except LetterRefusedError:
        raise NoRecipientError("address_invalid") from None
    return text


@lru_cache(maxsize=1024)
def _number(text: str, country: str) -> str:
    """Of the numbers that cost the caller more, and of fixed lines, none: an SMS there is lost money, or lost."""
    import phonenumbers
    from phonenumbers import PhoneNumberType

    try:
        number = phonenumbers.parse(text, country if country in phonenumbers.SUPPORTED_REGIONS else HOME)
    except phonenumbers.NumberParseException:
        raise NoRecipientError("number_invalid") from None
    if not phonenumbers.is_valid_number(number):
        raise NoRecipientError("number_invalid")
    kind = phonenumbers.number_type(number)
    if kind in (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.UAN):
        raise NoRecipientError("number_premium")
    if kind not in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE):
        raise NoRecipientError("number_not_mobile")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def masked(recipient: str) -> str:
    """Enough to recognise, too little to write to: an…@example.ro, +407…56."""
    local, at, domain = recipient.rpartition("@")
    return f"{local[:2]}…@{domain}" if at else f"{recipient[:4]}…{recipient[-2:]}" if recipient else ""
