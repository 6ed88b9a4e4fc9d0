"""What a dropped spreadsheet must be before it is opened: the library that reads it takes memory for what the file claims.

One stray cell at XFD1048576 made it ask for 550 GB, which ends the process. What belongs here: refusing such files by looking at
the archive alone. What does not: their rows (`catalog.file`).
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from cloudsales_pipeline.errors import InputError

MOST_UNPACKED = 100_000_000  # bytes
MOST_CELLS = 20_000_000  # of the rectangle that holds all cells; some 30 bytes each while it is read
CHUNK = 1 << 20
OVERLAP = 4_096  # longer than any cell's opening tag
PLACE = re.compile(rb"""<(?:\w+:)?(?:c|row)\s[^<>]*?\br\s*=\s*["']([A-Za-z]{0,7})([0-9]{1,9})["']""")
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def require_readable(path: Path) -> None:
    """Look at an .xlsx file's archive.

    Raises:
        InputError: not an archive, damaged or cut, too large when unpacked, or with cells too far apart.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MOST_UNPACKED:
                raise InputError(f"{path.name} is larger than {MOST_UNPACKED:,} bytes when unpacked.", next_step="split it")
            for info in archive.infolist():
                _require_near(path.name, _chunks(archive, info))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        # the library's own texts may quote the file
        raise InputError(f"{path.name} is not a spreadsheet that can be read: damaged, cut, or locked by a password.") from None


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part of the archive, unpacked: not more than it declares, and its checksum is compared at the end."""
    with archive.open(info) as part:
        while chunk := part.read(CHUNK):
            yield chunk


def _require_near(name: str, chunks: Iterator[bytes]) -> None:
    rest, furthest_row, furthest_column = b"", 1, 1
    for chunk in chunks:
        if not rest and chunk.startswith(UTF16):
            raise InputError(f"{name} is written in UTF-16 inside.", next_step="save it again as XLSX")
        seen = rest + chunk
        for letters, digits in PLACE.findall(seen):
            furthest_row = max(furthest_row, int(digits))
            furthest_column = max(furthest_column, _column(letters))
        rest = seen[-OVERLAP:]
    if furthest_row * furthest_column > MOST_CELLS:
        raise InputError(
            f"{name} has a cell in row {furthest_row:,}, column {furthest_column:,}: too far out to be read.",
            next_step="copy the rows into a new spreadsheet",
        )


def _column(letters: bytes) -> int:
    """A is 1, AA is 27; of a row, which has no letters, 1."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return max(number, 1)
