"""Files that were made, kept in the database: none is ever half there (F-29), and each commits with what it belongs to.

What belongs here: keeping and reading them. What does not: making them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

LARGEST = 25_000_000  # bytes; a mail server takes no more


@dataclass(frozen=True)
class File:
    """A file: its name holds no path and nobody's name."""

    name: str
    media_type: str
    content: bytes


def store_files(connection: Connection, files: Sequence[File]) -> list[int]:
    """Keep files, in the caller's transaction; their ids in the same order.

    Raises:
        ValueError: one is larger than 25 MB.
    """
    if not files:
        return []
    if any(len(file.content) > LARGEST for file in files):
        raise ValueError("a file of more than 25 MB can't be kept")
    rows = connection.execute(
        sa.text(
            "insert into personal.stored_file (name, media_type, content, content_hash, bytes)"
            " select name, media_type, content, hash, length(content)"
            " from unnest(cast(:names as text[]), cast(:types as text[]), cast(:contents as bytea[]), cast(:hashes as bytea[]))"
            " with ordinality u (name, media_type, content, hash, place) order by place returning file_id"
        ),
        {
            "names": [file.name for file in files],
            "types": [file.media_type for file in files],
            "contents": [file.content for file in files],
            "hashes": [hashlib.blake2b(file.content, digest_size=16).digest() for file in files],
        },
    )
    return sorted(row.file_id for row in rows)


def read_file(connection: Connection, file_id: int) -> File | None:
    """A kept file; None where there is none of that id, or it was erased."""
    row = connection.execute(
        sa.text("select name, media_type, content from personal.stored_file where file_id = :file_id and content is not null"),
        {"file_id": file_id},
    ).one_or_none()
    return File(row.name, row.media_type, bytes(row.content)) if row else None
