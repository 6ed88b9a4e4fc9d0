"""Problem documents (RFC 9457): how the simulated channel says no.

What belongs here: the exception and its JSON. What does not: when to say no (`api`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response


class ProblemError(Exception):
    """A request is refused with this status; `detail` says what to do differently."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem_body(status: int, detail: str) -> bytes:
    """The document's JSON, in ASCII whatever the detail quotes."""
    return json.dumps({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}).encode()


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The document as an answer."""
    return Response(problem_body(status, detail), status, headers, "application/problem+json")
