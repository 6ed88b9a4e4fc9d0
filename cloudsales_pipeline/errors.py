"""The errors that a user may see, as one tree.

CloudSalesError                something was refused or failed; says what, and what to do next
├── SettingsError              cloudsales.yaml or the environment is not usable
├── DatabaseError              the database can't be reached, or its schema is not ours
├── InputError                 a file or an argument that the user gave is not usable
├── RefusedError               a guard said no (an outdated plan, a shrunken listing, work already under way)
└── channels.errors.ChannelError   what a channel did (its own subtree)

What belongs here: the root and the branches that several stages share. A stage's own errors live in that stage.
Messages never carry personal data or secrets: they end in logs and in Dagster's event store.
"""

from __future__ import annotations

import traceback
from pathlib import Path

PACKAGE = Path(__file__).parent


class CloudSalesError(Exception):
    """Something was refused or failed.

    Args:
        message: one sentence that says what happened.
        next_step: what the user can do now, best a command to type.
    """

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        if not self.next_step:
            return self.message
        # what a driver or a channel said ends as it likes
        stop = "" if self.message.endswith((".", "!", "?", "…")) else "."
        return f"{self.message}{stop} Next: {self.next_step}"


class SettingsError(CloudSalesError):
    """cloudsales.yaml or the environment is not usable."""


class DatabaseError(CloudSalesError):
    """The database can't be reached, or its schema is not the one this version needs."""


class InputError(CloudSalesError):
    """A file or an argument that the user gave is not usable."""


class RefusedError(CloudSalesError):
    """A guard said no before anything was touched."""


def describe_unexpected(error: BaseException) -> str:
    """An error that is not ours, by class, violated constraint and place: its text may hold a row's values (I-46).

    For example `IntegrityError (UniqueViolation, constraint product_sku_key) at load.py:83`.
    """
    cause = getattr(error, "orig", None)
    diagnosis = getattr(cause, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None)
    strerror = error.strerror if isinstance(error, OSError) else None
    facts = [type(cause).__name__ if cause else None, f"constraint {constraint}" if constraint else None, strerror]
    known = ", ".join(fact for fact in facts if fact)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)] or frames
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{f' ({known})' if known else ''}{place}"
