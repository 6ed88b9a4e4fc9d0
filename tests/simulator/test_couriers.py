"""The simulated couriers' handles, and what makes them as bad as the real ones."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from cloudsales_pipeline.simulator.couriers import OPERATIONS, RunningCouriers, running_couriers
from cloudsales_pipeline.simulator.faults import Fault

ORDER = {
    "clientId": 7032158,
    "shipments": [
        {
            "info": {"service": "Standard", "weight": 1, "content": "CS-1 Haine"},
            "recipient": {"name": "A", "phone": "0722123456", "address": {"county": "Cluj", "locality": "Cluj-Napoca"}},
        }
    ],
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningCouriers]:
    with running_couriers() as running:
        yield running


@pytest.fixture
def fan(running: RunningCouriers) -> Iterator[httpx.Client]:
    running.state.forget()
    with httpx.Client(base_url=running.fan_url, timeout=5) as client:
        signed = client.post("/login", params={"username": running.user, "password": running.password}).json()
        client.headers["authorization"] = f"Bearer {signed['data']['token']}"
        yield client


def test_a_demo_lists_parcels_and_moves_them_over_http(running: RunningCouriers, fan: httpx.Client) -> None:
    number = str(fan.post("/intern-awb", json=ORDER).json()["response"][0]["awbNumber"])
    origin = running.fan_url.removesuffix("/fan")
    moved = httpx.post(f"{origin}/_simulator/advance", params={"number": number, "to": "delivered"})
    assert moved.json() == {"courier": "fan", "number": number, "reference": "CS-1", "state": "delivered"}
    assert httpx.get(f"{origin}/_simulator/parcels").json() == [moved.json()]
    assert httpx.post(f"{origin}/_simulator/advance", params={"number": number, "to": "mars"}).status_code == 422
    assert httpx.post(f"{origin}/_simulator/advance", params={"number": "1", "to": "shipped"}).status_code == 404


def test_fan_says_what_is_wrong_with_200_and_takes_no_half_kilograms(fan: httpx.Client) -> None:
    order = {**ORDER, "shipments": [{**ORDER["shipments"][0], "info": {"service": "Standard", "weight": 1.5}}]}  # type: ignore[index]
    answer = fan.post("/intern-awb", json=order)
    assert (answer.status_code, list(answer.json()["response"][0]["errors"])) == (200, ["info.weight"])


def test_sameday_takes_no_json_and_no_token_of_fans(running: RunningCouriers, fan: httpx.Client) -> None:
    signed = httpx.post(
        f"{running.sameday_url}/api/authenticate",
        headers={"x-auth-username": running.user, "x-auth-password": running.password},
    ).json()
    token = {"x-auth-token": signed["token"]}
    assert httpx.post(f"{running.sameday_url}/api/awb", json={"service": "7"}, headers=token).status_code == 400
    stolen = {"x-auth-token": fan.headers["authorization"].removeprefix("Bearer ")}
    assert httpx.post(f"{running.sameday_url}/api/awb", data={"service": "7"}, headers=stolen).status_code == 401
    assert running.state.made() == []


def test_a_fault_strikes_the_operation_it_is_queued_for(running: RunningCouriers, fan: httpx.Client) -> None:
    running.state.faults.queue("fan.create", Fault.FAILED_AFTER_WORK)
    assert fan.post("/intern-awb", json=ORDER).status_code == 500
    assert [parcel.reference for parcel in running.state.made()] == ["CS-1"]
    assert running.state.faults.log == [("fan.create", Fault.FAILED_AFTER_WORK)]
    assert len(OPERATIONS) == 14
