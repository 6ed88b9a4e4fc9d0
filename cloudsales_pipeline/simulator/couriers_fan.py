"""FAN Courier's side: its paths, fields and complaints, as the contract and public clients show them.

Like the real one it answers errors with 200, takes whole kilograms alone, and makes a second waybill for the same reference.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cloudsales_pipeline.simulator.couriers_state import FAN_CLIENT, Couriers, Parcel, label_pdf

BUCHAREST = ZoneInfo("Europe/Bucharest")
WHOLE_ORDER = ""  # the field of a complaint that is told by a message alone
SERVICES = frozenset({"Standard", "Cont Colector", "FANbox", "FANbox Cont Colector", "Express Loco 2H"})
OPERATIONS = {
    ("POST", "/login"): "sign_in",
    ("POST", "/intern-awb"): "create",
    ("GET", "/awb/label"): "label",
    ("GET", "/reports/awb/tracking"): "track",
    ("GET", "/reports/awb"): "report",
    ("DELETE", "/awb"): "cancel",
}
COUNTIES = frozenset(
    """Alba Arad Arges Bacau Bihor Bistrita-Nasaud Botosani Braila Brasov Bucuresti Buzau Calarasi Caras-Severin Cluj Constanta
    Covasna Dambovita Dolj Galati Giurgiu Gorj Harghita Hunedoara Ialomita Iasi Ilfov Maramures Mehedinti Mures Neamt Olt Prahova
    Salaj Satu_Mare Sibiu Suceava Teleorman Timis Tulcea Valcea Vaslui Vrancea""".split()  # noqa: SIM905 - read as a list
)


def operation(method: str, path: str) -> str | None:
    """What is asked, as `fan.create`."""
    found = OPERATIONS.get((method, path))
    return f"fan.{found}" if found else None


async def answer(couriers: Couriers, request: Request, asked: str) -> Response:
    """Do what is asked, and say it as FAN does."""
    if asked == "fan.sign_in":
        return _sign_in(couriers, request)
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not couriers.knows("fan", token):
        return JSONResponse({"message": "Unauthenticated."}, 401)
    if asked == "fan.create":
        return _create(couriers, await request.body())
    if request.query_params.get("clientId") != FAN_CLIENT:
        return _fail("Invalid clientId")
    return {"fan.label": _label, "fan.track": _track, "fan.report": _report, "fan.cancel": _cancel}[asked](couriers, request)


def _sign_in(couriers: Couriers, request: Request) -> Response:
    query = request.query_params
    signed = couriers.sign_in("fan", query.get("username", ""), query.get("password", ""), timedelta(hours=24))
    if signed is None:
        return _fail("Invalid credentials", 401)
    return JSONResponse({"status": "success", "data": {"token": signed[0], "expiresAt": _local(signed[1])}})


def _create(couriers: Couriers, body: bytes) -> Response:
    try:
        order = json.loads(body)
        shipment = order["shipments"][0]
        info, recipient = shipment["info"], shipment["recipient"]
    except (ValueError, KeyError, IndexError, TypeError):
        return _fail("Invalid request")
    if str(order.get("clientId")) != FAN_CLIENT:
        return _fail("Invalid clientId")
    if errors := couriers.complaint("fan") or _errors(info, recipient):
        if whole := errors.get(WHOLE_ORDER):
            return _fail(whole)
        return JSONResponse({"response": [{"awbNumber": None, "success": False, "errors": errors}]})
    reference = str(info.get("content", "")).split(" ")[0]
    parcel = couriers.add("fan", reference, shipment, cost=round(14.5 + 1.2 * info["weight"], 2))
    made = {"awbNumber": int(parcel.number), "tariff": parcel.cost, "packages": 1, "routingCode": "0200", "errors": None}
    return JSONResponse({"response": [made]})


def _errors(info: dict[str, Any], recipient: dict[str, Any]) -> dict[str, str]:
    address = recipient.get("address", {})
    weight = info.get("weight")
    bad = {
        "info.service": info.get("service") not in SERVICES,
        "info.weight": not isinstance(weight, int) or isinstance(weight, bool) or weight < 1,
        "recipient.name": not recipient.get("name"),
        "recipient.phone": not re.fullmatch(r"0[237]\d{8}", str(recipient.get("phone", ""))),
        "recipient.address.county": str(address.get("county", "")).replace(" ", "_") not in COUNTIES,
        "recipient.address.locality": not address.get("locality"),
        "recipient.address.pickupLocationId": "FANbox" in str(info.get("service")) and not address.get("pickupLocationId"),
    }
    return {field: f"Valoare incorecta: {recipient.get('name')}" for field, wrong in bad.items() if wrong}


def _label(couriers: Couriers, request: Request) -> Response:
    parcel = couriers.find(request.query_params.get("awbs[]", ""), "fan")
    if parcel is None or parcel.cancelled:
        return _fail("AWB inexistent")
    return Response(label_pdf(parcel.number), media_type="application/pdf")


def _track(couriers: Couriers, request: Request) -> Response:
    parcels = [couriers.find(number, "fan") for number in request.query_params.getlist("awb[]")]
    return JSONResponse({"status": "success", "data": [_tracked(parcel) for parcel in parcels if parcel]})


def _tracked(parcel: Parcel) -> dict[str, Any]:
    events = [event for event in parcel.events if event.code]
    if not events:
        return {"content": "", "awbNumber": parcel.number, "message": "The AWB has been registerd by sender"}
    told = [{"id": event.code, "name": "Expeditie", "location": "Bucuresti", "date": _local(event.at)} for event in events]
    return {"content": parcel.asked["info"]["content"], "awbNumber": parcel.number, "events": told}


def _report(couriers: Couriers, request: Request) -> Response:
    query = request.query_params
    day = query.get("date", "")
    of_day = [one for one in couriers.made("fan") if not one.cancelled and _local(one.made_at).startswith(day)]
    if not of_day:
        return _fail("No data")
    size = min(int(query.get("perPage", "10")), couriers.page_size)
    start = 0 if couriers.report == "stuck" else (int(query.get("page", "1")) - 1) * size
    told = of_day[:-1] if couriers.report == "short" else of_day
    rows = [_row(parcel) for parcel in told[start : start + size]]
    paging = {"total": None if couriers.report == "untold" else len(of_day), "perPage": size, "currentPage": start // size + 1}
    return JSONResponse({"status": "success", "data": rows, **paging})


def _row(parcel: Parcel) -> dict[str, Any]:
    info = {**parcel.asked["info"], "awbNumber": int(parcel.number), "cost": parcel.cost, "date": _local(parcel.made_at)}
    return {"info": info, "recipient": parcel.asked["recipient"]}


def _cancel(couriers: Couriers, request: Request) -> Response:
    parcel = couriers.find(request.query_params.get("awb", ""), "fan")
    if parcel is None or parcel.cancelled:
        return _fail("AWB inexistent sau sters anterior")
    if not couriers.cancel(parcel):
        return _fail("AWB-ul a fost preluat și nu mai poate fi șters")
    return JSONResponse({"status": "success", "message": "AWB sters"})


def _fail(message: str, status: int = 200) -> Response:
    return JSONResponse({"status": "fail", "message": message}, status)


def _local(moment: datetime) -> str:
    """Bucharest's clock, without saying so."""
    return moment.astimezone(BUCHAREST).strftime("%Y-%m-%d %H:%M:%S")
