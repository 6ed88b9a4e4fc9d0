"""Sameday's side: its paths, fields and complaints, as the contract, its SDK and public clients show them.

Like the real one it takes forms with PHP's nesting and no JSON, keeps a reference for ever, refuses windows of two hours, and
deletes without a body.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cloudsales_pipeline.simulator.couriers_state import SAMEDAY_PICKUP_POINT, Couriers, Parcel, ParcelEventMade, label_pdf

BUCHAREST = ZoneInfo("Europe/Bucharest")
HOME, LOCKER = "7", "15"
WINDOW = 7200
ROUTES = (
    ("POST", re.compile(r"/api/authenticate"), "sign_in"),
    ("POST", re.compile(r"/api/awb"), "create"),
    ("GET", re.compile(r"/api/awb/download/([^/]+)/(?:A4|A6)"), "label"),
    ("GET", re.compile(r"/api/client/parcel/([^/]+)001/status-history"), "track"),
    ("GET", re.compile(r"/api/client/status-sync"), "changes"),
    ("GET", re.compile(r"/api/client/awb/([^/]+)/status"), "status"),
    ("GET", re.compile(r"/api/client/awb/([^/]+)"), "find"),
    ("DELETE", re.compile(r"/api/awb/([^/]+)"), "cancel"),
)


def operation(method: str, path: str) -> str | None:
    """What is asked, as `sameday.create`."""
    route = _route(method, path)
    return f"sameday.{route[0]}" if route else None


def _route(method: str, path: str) -> tuple[str, str] | None:
    for known, pattern, name in ROUTES:
        if known == method and (found := pattern.fullmatch(path)):
            return name, unquote(found[1]) if found.groups() else ""
    return None


async def answer(couriers: Couriers, request: Request, path: str) -> Response:
    """Do what is asked, and say it as Sameday does."""
    route = _route(request.method, path)
    assert route is not None
    name, key = route
    if name == "sign_in":
        return _sign_in(couriers, request)
    if not couriers.knows("sameday", request.headers.get("x-auth-token", "")):
        return JSONResponse({"error": {"code": 401, "message": "Unauthorized"}}, 401)
    if name == "create":
        return _create(couriers, request.headers.get("content-type", ""), await request.body())
    if name == "changes":
        return _changes(couriers, request)
    if name == "find":
        found = couriers.by_reference("sameday", key)
        return JSONResponse({"awbNumber": found.number, "clientInternalReference": key}) if found else _missing()
    parcel = couriers.find(key, "sameday")
    if parcel is None:
        return _missing()
    return {"label": _label, "track": _track, "status": _status, "cancel": _cancel}[name](couriers, parcel)


def _sign_in(couriers: Couriers, request: Request) -> Response:
    user, password = request.headers.get("x-auth-username", ""), request.headers.get("x-auth-password", "")
    signed = couriers.sign_in("sameday", user, password, timedelta(hours=12))
    if signed is None:
        return JSONResponse({"error": {"code": 401, "message": "Bad credentials"}}, 401)
    return JSONResponse({"token": signed[0], "expire_at": signed[1].astimezone(BUCHAREST).strftime("%Y-%m-%d %H:%M")})


def _create(couriers: Couriers, media_type: str, body: bytes) -> Response:
    form = dict(parse_qsl(body.decode(), keep_blank_values=True)) if "form-urlencoded" in media_type else {}
    errors = couriers.complaint("sameday") or _errors(couriers, form)
    if errors:
        return JSONResponse({"code": 400, "message": "Validation Failed", "errors": {"children": errors}}, 400)
    cost = round(13.9 + float(form["packageWeight"]), 2)
    parcel = couriers.add("sameday", form.get("clientInternalReference", ""), form, cost)
    parcels = [{"position": 1, "awbNumber": f"{parcel.number}001"}]
    return JSONResponse({"awbNumber": parcel.number, "awbCost": cost, "parcels": parcels, "pdfLink": ""}, 201)


def _errors(couriers: Couriers, form: dict[str, str]) -> dict[str, Any]:
    recipient = {name[13:-1]: value for name, value in form.items() if name.startswith("awbRecipient[")}
    reference = form.get("clientInternalReference", "")
    bad = {
        "pickupPoint": form.get("pickupPoint") != SAMEDAY_PICKUP_POINT,
        "service": form.get("service") not in (HOME, LOCKER),
        "lockerLastMile": form.get("service") == LOCKER and not form.get("lockerLastMile"),
        "packageWeight": not form.get("packageWeight") or form.get("packageWeight") != form.get("parcels[0][weight]"),
    }
    bad_recipient = {
        "name": not recipient.get("name"),
        "phoneNumber": not re.fullmatch(r"0[237]\d{8}", recipient.get("phoneNumber", "")),
        "countyString": not recipient.get("countyString"),
        "cityString": not recipient.get("cityString"),
        "email": form.get("service") == LOCKER and not recipient.get("email"),
    }
    errors = {name: {"errors": ["This value is not valid."]} for name, wrong in bad.items() if wrong}
    inner = {name: {"errors": [f"{recipient.get('name')} is not valid."]} for name, wrong in bad_recipient.items() if wrong}
    if inner:
        errors["awbRecipient"] = {"children": inner}  # type: ignore[dict-item]
    if reference and couriers.by_reference("sameday", reference):
        errors["clientInternalReference"] = {"errors": ["awb.not_unique"]}
    return errors


def _label(_: Couriers, parcel: Parcel) -> Response:
    return _missing() if parcel.cancelled else Response(label_pdf(parcel.number), media_type="application/pdf")


def _track(_: Couriers, parcel: Parcel) -> Response:
    summary = {"delivered": parcel.state == "delivered", "canceled": parcel.cancelled}
    return JSONResponse({"parcelSummary": summary, "parcelHistory": [_row(parcel, event) for event in reversed(parcel.events)]})


def _status(_: Couriers, parcel: Parcel) -> Response:
    summary = {"delivered": parcel.state == "delivered", "canceled": parcel.cancelled, "awbNumber": parcel.number}
    last = _row(parcel, parcel.events[-1])
    history = [_row(parcel, event) for event in reversed(parcel.events)]
    told = {"expeditionSummary": summary, "expeditionStatus": last, "parcelsStatus": [last], "expeditionHistory": history}
    return JSONResponse(told)


def _cancel(couriers: Couriers, parcel: Parcel) -> Response:
    if parcel.cancelled or not couriers.cancel(parcel):
        return JSONResponse({"error": {"code": 400, "message": "awb.cannot_be_deleted"}}, 400)
    return Response(status_code=204)


def _changes(couriers: Couriers, request: Request) -> Response:
    query = request.query_params
    start, end = int(query["startTimestamp"]), int(query["endTimestamp"])
    if end - start >= WINDOW:
        return JSONResponse({"error": {"code": 400, "message": "The window is too wide."}}, 400)
    events = [
        _row(parcel, event)
        for parcel in couriers.made("sameday")
        for event in parcel.events
        if start <= event.at.timestamp() < end
    ]
    size = min(int(query.get("countPerPage", "50")), couriers.page_size)
    page = int(query.get("page", "1"))
    data = events[(page - 1) * size : page * size]
    pages = -(-len(events) // size)
    return JSONResponse({"total": len(events), "currentPage": page, "pages": pages, "perPage": size, "data": data})


def _row(parcel: Parcel, event: ParcelEventMade) -> dict[str, Any]:
    return {
        "statusId": int(event.code),
        "status": "Stare",
        "statusDate": _local(event.at),
        "parcelAwbNumber": f"{parcel.number}001",
        "county": "Bucuresti",
        "transitLocation": "",
        "reason": "",
        "inReturn": event.in_return,
    }


def _missing() -> Response:
    return JSONResponse({"error": {"code": 404, "message": "Not Found"}}, 404)


def _local(moment: datetime) -> str:
    """ISO 8601 with an offset that has no colon, as in the SDK's samples."""
    return moment.astimezone(BUCHAREST).strftime("%Y-%m-%dT%H:%M:%S%z")
