"""The kinds of courier there are. A new kind is a class that follows the port, and a line in `KINDS`."""

from __future__ import annotations

import random
from importlib import import_module
from typing import TYPE_CHECKING, cast

from cloudsales_pipeline.channels.limits import DatabaseGate, TransportLimits
from cloudsales_pipeline.documents.couriers.port import Courier
from cloudsales_pipeline.settings.documents import CourierSettings

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

# Named, not imported: whoever only reads the settings should not pay for an HTTP client.
KINDS = {
    "fan": ("cloudsales_pipeline.documents.couriers.fan", "Fan"),
    "sameday": ("cloudsales_pipeline.documents.couriers.sameday", "Sameday"),
}
# A client's time-out of ten seconds made a second real waybill (couriers.md): an answer is waited for much longer.
LIMITS = TransportLimits(
    read_seconds=45, attempt_seconds=60, total_seconds=150, attempts=3, max_bytes=8 * 1024 * 1024, connections=4
)


def open_courier(
    name: str, settings: CourierSettings, *, database: Engine | None, limits: TransportLimits | None = None
) -> Courier:
    """The courier `name` of the settings, ready to be called from any thread; close it when done. Nothing is called yet.

    Args:
        settings: its section of cloudsales.yaml.
        database: where the limit and the pause are shared by all processes; None for neither, as tests and tools want.
        limits: the bounds of a call, where the defaults don't fit.

    Raises:
        SettingsError: no usable URL or numbers, or a variable of the account is not set.
        DatabaseError: the shared limit can't be read.
    """
    from cloudsales_pipeline.channels.transport import Transport

    module, kind = KINDS[settings.kind]
    settings.credentials()  # before any connection is opened for it
    gate = DatabaseGate(database, f"courier {name}", settings.requests_per_minute, random=random.random) if database else None
    try:
        transport = Transport(name, settings.url, section="couriers", gate=gate, limits=limits or LIMITS)
        return cast(Courier, getattr(import_module(module), kind)(name, settings, transport))
    except BaseException:
        if gate is not None:
            gate.close()
        raise
