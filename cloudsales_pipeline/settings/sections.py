"""What all parts of cloudsales.yaml share: the base of a section, and the types of their values."""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Share = Annotated[float, Field(ge=0, le=1)]
ExactShare = Annotated[Decimal, Field(ge=0, le=1, max_digits=10, decimal_places=6)]
Units = Annotated[int, Field(ge=0, le=1_000_000_000)]


class Section(BaseModel):
    """A part of the file: frozen, and a setting that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _email(value: str) -> str:
    """Enough of the rule to refuse what no mail server takes, and what would end a header."""
    text = value.strip()
    local, _, domain = text.rpartition("@")
    if not local or "." not in domain or len(text) > 254 or any(c.isspace() or ord(c) < 32 or c in '<>",;' for c in text):
        raise ValueError("not an e-mail address such as comenzi@furnizor.ro")
    return text


def _time_of_day(value: object) -> object:
    """`18:00` as YAML gives it: a text where it is quoted, else the number of minutes that YAML 1.1 makes of it."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return time(value // 60, value % 60)
    if isinstance(value, str) and (found := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", value.strip())):
        return time(int(found[1]), int(found[2]), int(found[3] or 0))
    if isinstance(value, time):
        return value
    raise ValueError('not a time of day from "00:00" to "23:59"')


Email = Annotated[str, AfterValidator(_email)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
Language = Literal["ro", "en"]
