"""The seller API of contracts/fashionup.openapi.yaml as an ASGI application under /v1.

What belongs here: routes, the token, and turning the state's answers into HTTP. What does not: the rules of the channel
(`state`), reading input (`requests`), breaking answers (`injection`).
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cloudsales_pipeline.simulator import injection, requests
from cloudsales_pipeline.simulator.faults import Fault
from cloudsales_pipeline.simulator.problems import ProblemError, problem
from cloudsales_pipeline.simulator.shelf import write_cursor
from cloudsales_pipeline.simulator.state import FinalOrderError, State, UnknownOrderError

FAULT = "simulator.fault"  # the key in the scope under which a list finds a fault of its contents
Handler = Callable[[State, Request], Awaitable[Response]]


async def list_categories(state: State, request: Request) -> Response:
    """A page of the category tree."""
    return _listing(state, request, "categories")


async def list_products(state: State, request: Request) -> Response:
    """A page of the listing, ordered by product id; whole, or what changed at or after updated_since."""
    return _listing(state, request, "products", by_time=True)


async def list_orders(state: State, request: Request) -> Response:
    """A page of orders, ordered by (updated_at, id)."""
    return _listing(state, request, "orders", by_time=True)


async def read_stock(state: State, request: Request) -> Response:
    """What is offered of the variants asked for."""
    offers = state.offers(requests.variant_ids(request))
    items = [
        {"variant_id": name, "quantity": offer.quantity, **({} if offer.version < 0 else {"version": offer.version})}
        for name, offer in offers.items()
    ]
    return _json({"items": items})


async def put_stock(state: State, request: Request) -> Response:
    """Sets absolute quantities; a result per item in the order sent."""
    body = await requests.json_body(request, requests.StockBody)
    if len({item.variant_id for item in body.items}) < len(body.items):
        raise ProblemError(400, "A variant stands in items more than once.")
    written = state.set_stock((item.variant_id, item.quantity, item.version) for item in body.items)
    return _json(
        {
            "results": [
                {"variant_id": one.variant_id, "result": one.result, **({"detail": one.detail} if one.detail else {})}
                for one in written
            ]
        }
    )


async def acknowledge_order(state: State, request: Request) -> Response:
    """The seller holds the order."""
    state.acknowledge(request.path_params["order_id"])
    return Response(status_code=204)


async def put_order_status(state: State, request: Request) -> Response:
    """The seller says how far the order is."""
    order_id = request.path_params["order_id"]
    state.order(order_id)  # an unknown order is told before a bad body
    body = await requests.json_body(request, requests.StatusBody)
    state.advance(order_id, body.status, body.reason if isinstance(body.reason, str) else None)
    return Response(status_code=204)


async def add_document(state: State, request: Request) -> Response:
    """The seller hands a document over."""
    order_id = request.path_params["order_id"]
    state.order(order_id)
    return Response(status_code=201 if state.add_document(order_id, await requests.document(request)) else 200)


class Route(NamedTuple):
    """A path of the contract: its pattern below /v1, and operation and handler by method."""

    pattern: re.Pattern[str]
    methods: dict[str, tuple[str, Handler]]


ROUTES = (
    Route(re.compile(r"/categories"), {"GET": ("listCategories", list_categories)}),
    Route(re.compile(r"/products"), {"GET": ("listProducts", list_products)}),
    Route(re.compile(r"/stock"), {"GET": ("readStock", read_stock), "PUT": ("putStock", put_stock)}),
    Route(re.compile(r"/orders"), {"GET": ("listOrders", list_orders)}),
    Route(re.compile(r"/orders/(?P<order_id>[^/]+)/acknowledgement"), {"PUT": ("acknowledgeOrder", acknowledge_order)}),
    Route(re.compile(r"/orders/(?P<order_id>[^/]+)/status"), {"PUT": ("putOrderStatus", put_order_status)}),
    Route(re.compile(r"/orders/(?P<order_id>[^/]+)/documents"), {"POST": ("addDocument", add_document)}),
)


class Api:
    """The ASGI application.

    Args:
        state: what the channel holds.
        token: the bearer token that every request must carry.
        latency: seconds that every answer waits, as a far server's would.
    """

    def __init__(self, state: State, token: str, latency: float = 0.0) -> None:
        self._state = state
        self._expected = f"Bearer {token}".encode()
        self._latency = latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._latency:
            await asyncio.sleep(self._latency)
        request = Request(scope, receive)
        try:
            self._authorise(request)
            operation, handler = _resolve(scope, _path(scope).removeprefix("/v1"))
        except ProblemError as error:
            await problem(error.status, error.detail, error.headers)(scope, receive, send)
            return
        strike = self._state.faults.take(operation)
        scope[FAULT] = strike.fault if strike else None
        answer = injection.before_work(strike) or await self._answer(handler, request)
        await injection.deliver(strike, answer, scope, receive, send)

    def _authorise(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._expected):
            raise ProblemError(401, "Send the seller's token as a bearer token.", headers={"www-authenticate": "Bearer"})

    async def _answer(self, handler: Handler, request: Request) -> Response:
        try:
            return await handler(self._state, request)
        except ProblemError as error:
            return problem(error.status, error.detail, error.headers)
        except UnknownOrderError:
            return problem(404, "There is no such order.")
        except FinalOrderError as error:
            return problem(409, f"The order is {error} and stays so.")


def _path(scope: Scope) -> str:
    """The path as it was sent: a slash that is encoded is part of an id, and ends no part of the path."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.partition(b"?")[0].decode("latin-1")


def _resolve(scope: Scope, path: str) -> tuple[str, Handler]:
    """Operation and handler of this path and method; path parameters go into the scope."""
    for route in ROUTES:
        match = route.pattern.fullmatch(path)
        if not match:
            continue
        if scope["method"] not in route.methods:
            allowed = ", ".join(sorted(route.methods))
            raise ProblemError(405, f"Allowed here: {allowed}.", headers={"allow": allowed})
        scope["path_params"] = {name: unquote(part) for name, part in match.groupdict().items()}
        return route.methods[scope["method"]]
    raise ProblemError(404, "Nothing is here.")


def _listing(state: State, request: Request, kind: str, *, by_time: bool = False) -> Response:
    """A page as JSON: the items' bytes are joined as they are kept, nothing is encoded again."""
    since = requests.updated_since(request) if by_time else None
    after, fault = requests.cursor(request, kind), request.scope.get(FAULT)
    page = state.page(kind, after, requests.limit(request), since, overlap=int(fault is Fault.OVERLAP))
    entries, next_key = page.entries, page.next_key
    if fault is Fault.EMPTY_LISTING:
        entries, next_key = [], None
    if fault is Fault.REPEATED_CURSOR:
        next_key = after or next_key or ("", "")
    cursor = "null" if next_key is None else f'"{write_cursor(kind, next_key)}"'
    items = b",".join([entry.payload for entry in entries])
    tail = f'],"next_cursor":{cursor},"total":{page.total}}}'
    return Response(b'{"items":[' + items + tail.encode(), media_type="application/json")


def _json(data: object) -> Response:
    return Response(json.dumps(data), media_type="application/json")
