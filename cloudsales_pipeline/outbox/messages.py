"""Messages as rows: written in the transaction that causes them, once for each subject, event, medium and recipient (I-38).

What belongs here: putting messages into the outbox. What does not: when one is due for whom (the stages above), and sending.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps


@dataclass(frozen=True)
class Outgoing:
    """A message to be sent.

    Args:
        subject_kind: order, supplier_order, goods_receipt, document, operations.
        reference: what it is about: an order's id on `channel`, a document's number.
        event: what it tells; the same event of the same thing goes once to each recipient.
        recipient: an e-mail address or a telephone number in E.164; it stays in the schema personal.
        due_at: not before then; None: at once.
        files: ids of stored files that go with it.
        cause: the event that asks for it, where there is one.
        skipped: why it is not sent, as a code: it is written down, seen, and goes out on a person's word alone.
    """

    subject_kind: str
    reference: str
    event: str
    medium: str
    recipient: str
    title: str
    text: str
    html: str | None = None
    channel: str = ""
    language: str = "ro"
    due_at: datetime | None = None
    urgency: int = 1
    files: tuple[int, ...] = field(default=())
    cause: int | None = None
    skipped: str | None = None


def recipient_digest(recipient: str) -> bytes:
    """What a recipient is told apart by: the same address in another case, with spaces around it, is the same one."""
    return hashlib.blake2b(recipient.strip().casefold().encode(), digest_size=16).digest()


def enqueue(connection: Connection, messages: Sequence[Outgoing]) -> list[int]:
    """Put messages into the outbox, in the caller's transaction; ids of those that were not there yet.

    One statement for all of them; the sender is woken when the transaction commits.
    """
    if not messages:
        return []
    rows = [
        {
            "subject_kind": one.subject_kind,
            "channel": one.channel,
            "external_id": one.reference,
            "event": one.event,
            "medium": one.medium,
            "digest": recipient_digest(one.recipient).hex(),
            "recipient": one.recipient.strip(),
            "language": one.language,
            "title": one.title,
            "body_text": one.text,
            "body_html": one.html,
            "urgency": one.urgency,
            "due_at": one.due_at.isoformat() if one.due_at else None,
            "cause": one.cause,
            "files": list(one.files),
            "skipped": one.skipped,
        }
        for one in messages
    ]
    return list(connection.scalars(sa.text(steps(__package__, "messages")["enqueue"]), {"rows": json.dumps(rows)}))
