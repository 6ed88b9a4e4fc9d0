"""Text that a store chose, made safe to show: in the tables, in result files, in logs and in Dagster's metadata (I-48).

What belongs here: pure functions on such text. What does not: names as paths, which `channels.folders` judges.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 120
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")


def plain_name(name: str) -> str:
    """A file's name to be shown: nothing that hides or turns text around, nothing that a spreadsheet would run, not endless.

    `=1+1.csv` becomes `'=1+1.csv`; the middle of a long name becomes `…`.
    """
    seen = "".join("?" if unicodedata.category(character).startswith("C") else character for character in name)
    if len(seen) > LONGEST_NAME:
        seen = f"{seen[: LONGEST_NAME - 30]}…{seen[-29:]}"
    return f"'{seen}" if FORMULA.match(seen) else seen
