"""The whole site as one ASGI application: the API, the images, a page for people, and a few handles for a demo.

What belongs here: putting the parts together. What does not: the parts.
"""

from __future__ import annotations

import json

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator import injection, page, pictures
from cloudsales_pipeline.simulator.api import Api
from cloudsales_pipeline.simulator.faults import Fault
from cloudsales_pipeline.simulator.problems import problem
from cloudsales_pipeline.simulator.state import State


def create_app(state: State, token: str, latency: float = 0.0) -> ASGIApp:
    """The ASGI application; `latency` in seconds holds for the API alone."""
    api, site = Api(state, token, latency), Site(state)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        chosen = api if path == "/v1" or path.startswith("/v1/") else site
        await chosen(scope, receive, send)

    return app


class Site:
    """What lies outside the contract: /, /images/…, /_simulator/…; no token is asked for."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; faults that were queued for `getImage` strike images."""
        request = Request(scope, receive)
        strike = self._state.faults.take("getImage", by_level=False) if scope["path"].startswith("/images/") else None
        answer = injection.before_work(strike) or await self._answer(request)
        await injection.deliver(strike, answer, scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        method, path = request.method, request.url.path
        if method == "GET" and path.startswith("/images/"):
            return await _image(path.removeprefix("/images/"))
        if (method, path) == ("GET", "/"):
            return HTMLResponse(page.render(self._state), headers={"content-security-policy": page.POLICY})
        if (method, path) == ("GET", "/_simulator/state"):
            return _json(self._state.counts())
        if (method, path) == ("POST", "/_simulator/order"):
            return self._place_order()
        if (method, path) == ("POST", "/_simulator/fault"):
            return self._queue_fault(request)
        return problem(404, "Nothing is here. The API is under /v1, a page for people at /.")

    def _place_order(self) -> Response:
        try:
            return _json(self._state.place_order(only_offered=True), 201)
        except InputError as error:
            return problem(409, error.message)

    def _queue_fault(self, request: Request) -> Response:
        asked = request.query_params
        try:
            self._state.faults.queue(asked["operation"], Fault(asked["fault"]), times=int(asked.get("times", "1")))
        except (KeyError, ValueError):
            return problem(422, f"Give operation, fault and times; faults are {', '.join(Fault)}.")
        return _json(self._state.counts())


async def _image(name: str) -> Response:
    """A picture, drawn when it is first asked for; drawing is kept out of the event loop."""
    try:
        content = await run_in_threadpool(pictures.draw, name)
    except ValueError as error:
        return problem(404, str(error))
    media_type = "image/png" if name.endswith(".png") else "image/jpeg"
    return Response(content, media_type=media_type, headers={"cache-control": "public, max-age=3600"})


def _json(data: object, status: int = 200) -> Response:
    return Response(json.dumps(data, ensure_ascii=False), status, media_type="application/json")
