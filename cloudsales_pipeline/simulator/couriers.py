"""FAN Courier and Sameday on one port of this machine, as badly behaved as the real ones.

What belongs here: the site, its start, and its handles. What does not: what a courier says (`couriers_fan`, `couriers_sameday`),
the parcels (`couriers_state`), what goes wrong (`faults`, `injection`).

Handles for a demo: GET /_simulator/parcels; POST /_simulator/advance?number=…&to=shipped|in_locker|delivered|returned.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator import couriers_fan, couriers_sameday, injection
from cloudsales_pipeline.simulator.couriers_state import (
    FAN_CLIENT,
    PASSWORD,
    SAMEDAY_PICKUP_POINT,
    USER,
    Couriers,
    Move,
)
from cloudsales_pipeline.simulator.faults import Fault, Injection
from cloudsales_pipeline.simulator.server import serving

OPERATIONS = (
    *(f"fan.{name}" for name in couriers_fan.OPERATIONS.values()),
    *(f"sameday.{name}" for _, _, name in couriers_sameday.ROUTES),
)


class RunningCouriers(NamedTuple):
    """Couriers that listen: what goes into `couriers.NAME.url`, the account, and the state to look into and move."""

    fan_url: str
    sameday_url: str
    user: str
    password: str
    fan_client: str
    sameday_pickup_point: str
    state: Couriers


@contextlib.contextmanager
def running_couriers(state: Couriers | None = None, *, port: int = 0) -> Iterator[RunningCouriers]:
    """Both couriers in a thread, stopped at the end of the block.

    Raises:
        InputError: the port is taken.
    """
    held = state or Couriers()
    with serving(Site(held), port=port, name="courier-simulator") as origin:
        yield RunningCouriers(f"{origin}/fan", f"{origin}/sameday", USER, PASSWORD, FAN_CLIENT, SAMEDAY_PICKUP_POINT, held)


class Site:
    """The ASGI application."""

    def __init__(self, state: Couriers) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as broken as the fault that was queued for it."""
        request = Request(scope, receive)
        path = scope["path"]
        asked = _operation(request.method, path)
        strike = self._state.faults.take(asked) if asked else None
        answer = _before_work(strike) or await self._answer(request, path, asked)
        await injection.deliver(strike, answer, scope, receive, send)

    async def _answer(self, request: Request, path: str, asked: str | None) -> Response:
        if asked and asked.startswith("fan."):
            return await couriers_fan.answer(self._state, request, asked)
        if asked:
            return await couriers_sameday.answer(self._state, request, path.removeprefix("/sameday"))
        if (request.method, path) == ("GET", "/_simulator/parcels"):
            return JSONResponse([_told(parcel) for parcel in self._state.made()])
        if (request.method, path) == ("POST", "/_simulator/advance"):
            return self._advance(request)
        return JSONResponse({"message": "Not Found"}, 404)

    def _advance(self, request: Request) -> Response:
        number, to = request.query_params.get("number", ""), request.query_params.get("to", "")
        if to not in get_args(Move):
            return JSONResponse({"message": f"to is one of {', '.join(get_args(Move))}"}, 422)
        try:
            return JSONResponse(_told(self._state.advance(number, to)))  # type: ignore[arg-type]
        except InputError as error:
            return JSONResponse({"message": error.message}, 404)


def _operation(method: str, path: str) -> str | None:
    if path.startswith("/fan/"):
        return couriers_fan.operation(method, path.removeprefix("/fan"))
    if path.startswith("/sameday/"):
        return couriers_sameday.operation(method, path.removeprefix("/sameday"))
    return None


def _before_work(strike: Injection | None) -> Response | None:
    """As FashionUp's, save that a courier's 503 may carry a wish to wait."""
    if strike and strike.fault is Fault.UNAVAILABLE and strike.seconds >= 1:
        return JSONResponse({"message": "Service Unavailable"}, 503, {"retry-after": f"{strike.seconds:.0f}"})
    return injection.before_work(strike)


def _told(parcel: object) -> dict[str, object]:
    return {name: getattr(parcel, name) for name in ("courier", "number", "reference", "state")}
