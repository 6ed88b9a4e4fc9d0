"""`operators:` in cloudsales.yaml: who is told when something needs a person, of what, and how soon."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import Field

from cloudsales_pipeline.settings.sections import Email, Language, Section, TimeOfDay

FindingKind = Literal[
    "run_failed",
    "check_red",
    "daemon_silent",
    "listing_silent",
    "plan_rejected",
    "suggestions_open",
    "quarantine",
    "quarantine_burst",
    "push_held",
    "channel_unreached",
    "push_refused",
    "channel_paused",
    "store_file_refused",
    "offers_open",
    "orders_silent",
    "order_unacknowledged",
    "order_unknown_to_channel",
    "order_review",
    "requirement_without_supplier",
    "supplier_order_unsent",
    "transfers_open",
    "judging_late",
    "papers_late",
    "handover_late",
    "handover_refused",
    "submission_due",
    "submission_unclear",
    "courier_silent",
    "waybill_late",
    "waybill_unclear",
    "waybill_failed",
    "telling_late",
    "message_unknown",
    "message_dead",
    "message_late",
]
Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]


class OperatorSettings(Section):
    """Who looks after all this."""

    emails: tuple[Email, ...] = Field(default=(), description="Who is told; none: nobody, and `cloudsales status` says all.")
    phones: tuple[Phone, ...] = Field(default=(), description="Who gets a short SMS for what can't wait, as +40721000000.")
    language: Language = "ro"
    digest_at: TimeOfDay = Field(default=time(8), description="Local time from which the day's digest goes out.")
    severity: dict[FindingKind, Literal["now", "digest", "never"]] = Field(
        default={}, description="Where what is told at once, in the digest, or not at all differs from the defaults."
    )
    remind_after: timedelta = Field(default=timedelta(days=1), description="What can't wait and still stands is told again.")
    again_after: timedelta = Field(
        default=timedelta(hours=1), description="What went and came back is told again at the earliest after so long."
    )
    unchanged_after: timedelta = Field(
        default=timedelta(days=7), description="A digest that would say the same again is left out for at most so long."
    )
    silent_after: timedelta = Field(
        default=timedelta(minutes=30),
        description="A channel not asked for orders for so long is silent; so is the daemon.",
    )
    listing_silent_after: timedelta = Field(
        default=timedelta(hours=3), description="A channel whose listing was not stored for so long is silent."
    )
    quarantine_burst: Annotated[int, Field(ge=1)] = Field(
        default=100, description="So many rows of a stage set aside within an hour are told at once."
    )
    submit_warning: timedelta = Field(
        default=timedelta(days=2), description="An e-invoice that was not handed in so long before its last day can't wait."
    )
