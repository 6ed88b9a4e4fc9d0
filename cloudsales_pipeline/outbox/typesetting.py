"""PDFs from typst templates: the data go in as JSON, never into the template's text, so nothing in them is ever run (F-45).

What belongs here: the one compiler of the process and its fonts. What does not: templates, and what stands on a document.

The fonts are those inside typst, so a document looks the same, and has the same bytes, on every machine.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typst

_ONE_AT_A_TIME = threading.Lock()


def make_pdf(package: str, template: str, data: Mapping[str, Any], *, made_at: datetime) -> bytes:
    """A PDF: the same template, data and moment give the same bytes.

    Args:
        package: the package that the template's folder lies in.
        template: its path there, such as `templates/order.typ`.
        data: what JSON can say; the template reads it from `sys.inputs.data`.
        made_at: aware; stands in the PDF as the time at which it was made.
    """
    inputs = {"data": json.dumps(data, ensure_ascii=False, sort_keys=True)}
    return _compiled(_template(package, template), inputs, made_at, "pdf")[0]


def make_picture(package: str, template: str, data: Mapping[str, Any], *, made_at: datetime) -> list[bytes]:
    """The same document as PNG, a picture for each page: for a look at it."""
    inputs = {"data": json.dumps(data, ensure_ascii=False, sort_keys=True)}
    return _compiled(_template(package, template), inputs, made_at, "png")


def _compiled(source: bytes, inputs: dict[str, str], made_at: datetime, kind: Any) -> list[bytes]:
    with _ONE_AT_A_TIME:  # a compiler keeps the inputs that it was given last
        made = _compiler().compile(source, format=kind, sys_inputs=inputs, timestamp=int(made_at.timestamp()))
    assert made is not None
    return made if isinstance(made, list) else [made]


@functools.cache
def _compiler() -> typst.Compiler:
    import typst

    return typst.Compiler(font_paths=typst.Fonts(include_system_fonts=False))


@functools.cache
def _template(package: str, path: str) -> bytes:
    return (resources.files(package) / path).read_bytes()
