"""A token's life: kept, renewed before its end, renewed where it is refused, and never asked for before every call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from cloudsales_pipeline.channels.transport import Transport
from cloudsales_pipeline.documents.couriers.fan import Fan
from cloudsales_pipeline.documents.couriers.port import Courier
from cloudsales_pipeline.documents.couriers.sameday import Sameday
from cloudsales_pipeline.documents.couriers.session import Token
from tests.documents.couriers.post_office import QUICK, Office

KINDS: dict[str, Callable[..., Courier]] = {"fan": Fan, "sameday": Sameday}


def at_our_clock(office: Office, now: Callable[[], datetime]) -> Courier:
    transport = Transport("post", office.settings.url, section="couriers", limits=QUICK)
    return KINDS[office.kind]("post", office.settings, transport, now=now)


def test_a_token_is_kept_until_five_minutes_before_its_end(either: Office) -> None:
    life = timedelta(hours=24 if either.kind == "fan" else 12)
    begin = datetime.now().astimezone()
    moment = begin
    courier = at_our_clock(either, lambda: moment)
    for passed, signed_in in ((timedelta(0), 1), (life - timedelta(minutes=7), 1), (life - timedelta(minutes=4), 2)):
        moment = begin + passed
        courier.track(["1"])
        assert either.state.sign_ins[either.kind] == signed_in
    courier.close()


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=-2)])
def test_a_clock_of_ours_that_is_days_off_means_no_sign_in_before_every_call(either: Office, ahead: timedelta) -> None:
    courier = at_our_clock(either, lambda: datetime.now().astimezone() + ahead)
    for _ in range(3):
        courier.track(["1"])
    assert either.state.sign_ins[either.kind] == 1
    courier.close()


def test_a_token_does_not_show_itself() -> None:
    assert "s3cret" not in repr(Token("s3cret", datetime.now().astimezone()))
