"""The close of a supplier's day: one order, frozen, of what its lines lack."""

from __future__ import annotations

from datetime import date

from sqlalchemy.engine import Engine

from cloudsales_pipeline.purchasing.closing import close_day
from cloudsales_pipeline.settings import Settings
from tests.purchasing.buying import NOW, house, ordered, shelves, ties, to_be_bought, wanted

TODAY = date(2026, 11, 24)


def test_the_day_becomes_one_order_for_each_supplier_in_packs_with_the_surplus_recorded(
    engine: Engine, settings: Settings
) -> None:
    """I-28, I-29."""
    ours = house(settings, {"acme": {"pack_size": 6}, "moda": {"name": "Casa Moda"}})
    shelves(engine, ours, {"R-1": "acme", "R-2": "CASA MODA ", "R-3": "acme", "R-9": None}, {"R-3": 5})
    wanted(engine, "A", "R-1", 4)
    wanted(engine, "B", "R-1", 3, minutes=1)
    wanted(engine, "C", "R-2", 2)
    wanted(engine, "D", "R-3", 4)
    wanted(engine, "E", "R-9", 1)
    closed = close_day(engine, ours, TODAY, now=NOW)
    assert [(one.supplier, one.outcome, one.number, one.lines, one.quantity, one.required, one.surplus) for one in closed] == [
        ("acme", "ordered", "CF-2026-000001", 1, 12, 7, 5),
        ("moda", "ordered", "CF-2026-000002", 1, 2, 2, 0),
    ]
    assert ordered(engine) == [("acme", "2026-11-24", "R-1", 12, 7, 5), ("moda", "2026-11-24", "R-2", 2, 2, 0)]
    assert ties(engine) == [("A", 4, 4, False), ("B", 3, 3, False), ("C", 2, 2, False)]
    assert to_be_bought(engine) == {"R-9": 1}
