"""Every lock that our processes take in the database, in one place, in the order in which they may be taken.

1. IMPORT_LOCK with the channel's hash (session): one listing import per channel.
2. CATALOGUE_LOCK (transaction): whoever changes codes, links or what is pending: listing merge, catalogue load, plan, apply.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

IMPORT_LOCK = 7_301_001
CATALOGUE_LOCK = 7_301_002


def lock_catalogue(connection: Connection) -> None:
    """Wait for the catalogue, and hold it until the transaction ends."""
    connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": CATALOGUE_LOCK})


def next_revision(connection: Connection) -> int:
    """A new revision; call it with the catalogue locked, so that revisions become visible in their order."""
    revision = connection.scalar(sa.text("select nextval('cloudsales.revision')"))
    assert isinstance(revision, int)
    return revision
