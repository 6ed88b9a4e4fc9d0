"""`messages:` in cloudsales.yaml: by which ways e-mails and SMS go out."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Annotated

from pydantic import Field, SecretStr

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.sections import Email, Language, Section, Share


class MessageSettings(Section):
    """How messages leave. The addresses of gateways hold passwords, so the file names the variables that have them."""

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
