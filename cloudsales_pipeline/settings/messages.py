"""`messages:` in cloudsales.yaml: who is told of what, and by which ways e-mails and SMS go out."""

from __future__ import annotations

import difflib
import os
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.sections import Email, Language, Name, Section, Share, TimeOfDay

EVENTS = (
    "order_imported", "waiting_for_stock", "stock_arrived", "paid", "proforma_issued", "invoice_issued", "storno_issued",
    "waybill_issued", "waybill_shipped", "waybill_in_locker", "waybill_delivered", "waybill_returned", "cancelled", "expired",
    "returned",
)  # fmt: skip
"""What a message can tell of an order, in the order in which it mostly happens."""


def _event(value: str) -> str:
    if value not in EVENTS:
        near = difflib.get_close_matches(value, EVENTS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(EVENTS)}"
        raise ValueError(f"{value[:40]!r} is no event of an order; {hint}")
    return value


Event = Annotated[str, AfterValidator(_event)]
Attachment = Literal["proforma_invoice", "fiscal_invoice", "storno", "waybill"]


class MessageRule(Section):
    """Tell somebody of an event, by one medium."""

    on: Event
    medium: Literal["email", "sms"] = "email"
    to: Annotated[str, Field(max_length=254)] = Field(
        default="buyer", description="buyer, or a fixed e-mail address or telephone number, such as the shop's."
    )
    template: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] | None = Field(
        default=None, description="The template's name; none: the event's."
    )
    channels: tuple[Name, ...] = Field(default=(), description="For orders of these channels alone; none named: of all.")
    language: Language | None = Field(
        default=None, description="None: the language of the channel's documents, else messages.language."
    )
    attach: tuple[Attachment, ...] = Field(default=(), description="Files of the order that go with an e-mail.")

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, data: object) -> object:
        """YAML 1.1 reads the key `on` as true."""
        if isinstance(data, dict) and True in data:
            return {"on" if key is True else key: value for key, value in data.items()}
        return data

    @model_validator(mode="after")
    def _files_go_by_email(self) -> MessageRule:
        if self.attach and self.medium != "email":
            raise ValueError("attach: files go with e-mails alone")
        return self


class MessageSettings(Section):
    """Who is told what, and how messages leave.

    The addresses of gateways hold passwords, so the file names the variables that have them.
    """

    rules: tuple[MessageRule, ...] = Field(default=(), description="Without rules buyers are told nothing.")
    templates: Path | None = Field(default=None, description="A folder whose files go before the included templates.")
    quiet_hours: tuple[TimeOfDay, TimeOfDay] | None = Field(
        default=(time(21), time(9)), description="From when to when no SMS goes out, local time; null: never quiet."
    )
    per_day: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=6, description="How many messages a buyer gets within 24 hours by one medium, at most."
    )
    max_age: timedelta = Field(
        default=timedelta(days=3),
        gt=timedelta(0),
        description="Nobody is told of what is older, nor anything of an order that was older when it came in.",
    )
    attach_wait: timedelta = Field(
        default=timedelta(minutes=30), description="How long a message waits for a file that goes with it; then it goes without."
    )
    attach_bytes: Annotated[int, Field(ge=0, le=25_000_000)] = Field(
        default=10_000_000, description="The most that the files of one e-mail may have together."
    )
    sms_fold: bool = Field(default=True, description="Letters without diacritics: 160 characters an SMS instead of 70.")
    sms_segments: Annotated[int, Field(ge=1, le=20)] = Field(default=3, description="A longer SMS is not sent.")

    email_url_env: str | None = Field(
        default=None, description="The variable with the mail server's address: mailtos://user:password@host."
    )
    sms_url_env: str | None = Field(default=None, description="The variable with the SMS gateway's address.")
    sender: Email | None = Field(default=None, description="From whom e-mails come, where the gateway's address does not say.")
    language: Language = "ro"
    attempts: Annotated[int, Field(ge=1, le=100)] = Field(default=8, description="After so many a person must look.")
    retry_after: timedelta = Field(default=timedelta(minutes=1), description="The first pause; each next one is twice as long.")
    batch: Annotated[int, Field(ge=1, le=1000)] = Field(default=50, description="How many messages one connection takes.")

    waits_at_most: timedelta = Field(
        default=timedelta(minutes=15), description="A message that is due and has waited for longer turns a check red."
    )
    unclear_at_most: timedelta = Field(
        default=timedelta(hours=4), description="One that may have gone out and was not decided on for longer turns a check red."
    )
    failed_share: Share = Field(
        default=0.05, description="Of the last day's messages, at most this share may be dead or unknown (from ten messages on)."
    )

    @field_validator("quiet_hours")
    @classmethod
    def _leave_some_hours(cls, value: tuple[time, time] | None) -> tuple[time, time] | None:
        if value is not None and value[0] == value[1]:
            raise ValueError("begins and ends at the same time; write null for no quiet hours")
        return value

    def gateway(self, medium: str) -> SecretStr | None:
        """The gateway's address from the environment; None where none is set up for the medium.

        Raises:
            SettingsError: the variable that the file names is not set.
        """
        variable = {"email": self.email_url_env, "sms": self.sms_url_env}[medium]
        if variable is None:
            return None
        value = os.environ.get(variable)
        if not value:
            raise SettingsError(
                f"The environment variable {variable}, which holds the address of the {medium} gateway, is not set.",
                next_step=f"export {variable}=…",
            )
        return SecretStr(value)
