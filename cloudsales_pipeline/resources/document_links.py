"""Links from Dagster's pages to the page of documents that `cloudsales up` shows on this machine (`cli.documents_page`)."""

import os
from collections.abc import Sequence
from urllib.parse import quote

URL_VARIABLE = "CLOUDSALES_DOCUMENTS_URL"


def link_of(base: str, number: str, kind: str = "pdf") -> str:
    """Where the page shows a document; `base` without a slash at its end."""
    return f"{base}/documents/{quote(number, safe='')}.{kind}"


def links(numbers: Sequence[str]) -> str | None:
    """Links to these documents as markdown; None where the page is not shown."""
    base = os.environ.get(URL_VARIABLE)
    if not base or not numbers:
        return None
    return " · ".join(f"[{number}]({link_of(base, number)})" for number in numbers)
