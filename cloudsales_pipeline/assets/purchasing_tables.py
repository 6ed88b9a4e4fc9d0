"""The tables and pictures of the group `purchasing`: what is read for them, and drawn. No names of people."""

from datetime import date
from typing import TYPE_CHECKING, Any

from cloudsales_pipeline.assets.orders_picture import stacked_bars
from cloudsales_pipeline.resources.metadata import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

Rows = list[dict[str, Any]]
WAITING = {"to_be_bought": "#d9a441", "on_order": "#2f6f4f"}
ORDERED = {"required": "#2f6f4f", "surplus": "#d9a441"}
DAYS_SHOWN = 31

BY_SUPPLIER = """
    with wanted as (
        select product_id, sum(quantity)::bigint as pieces, count(*) as order_lines, min(placed_at) as oldest
        from cloudsales.open_requirement group by 1
    ), source as (
        select product_id, supplier from cloudsales.suppliers_of((select array_agg(product_id) from wanted), :today)
    )
    select s.supplier, count(*) as products, sum(w.pieces)::bigint as pieces, sum(w.order_lines)::bigint as order_lines,
           min(w.oldest) as waits_since
    from wanted w left join source s using (product_id) group by 1 order by pieces desc, 1
"""
BY_DAY_PLACED = """
    select to_char(l.placed_at at time zone :timezone, 'MM-DD') as day, sum(coalesce(q.quantity, 0))::bigint as to_be_bought,
           sum(least(l.waiting, coalesce(t.outstanding, 0)))::bigint as on_order
    from cloudsales.sales_order_line l
    left join cloudsales.open_requirement q using (line_id)
    left join lateral (
        select sum(r.outstanding) as outstanding from cloudsales.requirement r where r.line_id = l.line_id
    ) t on true
    where l.waiting > 0 and l.product_id is not null
    group by (l.placed_at at time zone :timezone)::date, 1
    order by (l.placed_at at time zone :timezone)::date desc limit :days
"""
CLOSES = """
    select c.supplier, c.outcome, o.number, c.lines, c.quantity, coalesce(l.required, 0) as required,
           coalesce(l.surplus, 0) as surplus, o.value, o.currency, o.state, c.cut_off_at, c.closed_at
    from analytics.supplier_close c
    left join analytics.supplier_order o using (supplier, business_date)
    left join (
        select supplier, business_date, sum(required)::bigint as required, sum(surplus)::bigint as surplus
        from analytics.supplier_order_line where business_date = :date group by 1, 2
    ) l using (supplier, business_date)
    where c.business_date = :date order by c.outcome = 'ordered' desc, c.supplier
"""
LINES = """
    select supplier, number, position, sku, quantity, required, surplus, pack_size, price, currency,
           round(quantity * price, 2) as value, outstanding
    from analytics.supplier_order_line where business_date = :date order by supplier, position limit :limit
"""
VALUE = """
    select coalesce(currency, 'no price') as currency, count(*) as lines, sum(quantity)::bigint as pieces,
           round(sum(quantity * price), 2) as value
    from analytics.supplier_order_line where business_date = :date group by 1 order by 1
"""
BY_DATE = """
    select to_char(business_date, 'MM-DD') as day, sum(required)::bigint as required, sum(surplus)::bigint as surplus
    from analytics.supplier_order_line group by business_date order by business_date desc limit :days
"""


def by_supplier(connection: "Connection", today: date) -> Rows:
    """What must be bought, by supplier; null: none is known."""
    return select(connection, BY_SUPPLIER, today=today)


def by_day_placed(connection: "Connection", timezone: str) -> Rows:
    """Pieces that wait, by the local day on which their orders were placed, the oldest of the last ones first."""
    return select(connection, BY_DAY_PLACED, timezone=timezone, days=DAYS_SHOWN)[::-1]


def closes(connection: "Connection", business_date: date) -> Rows:
    """Each supplier's close of the date, with its order where one was made."""
    return select(connection, CLOSES, date=business_date)


def lines(connection: "Connection", business_date: date, limit: int) -> Rows:
    """Lines of the date's orders."""
    return select(connection, LINES, date=business_date, limit=limit)


def value(connection: "Connection", business_date: date) -> Rows:
    """What the date's orders are worth, by currency."""
    return select(connection, VALUE, date=business_date)


def by_date(connection: "Connection") -> Rows:
    """Pieces ordered on the last dates with orders, oldest first."""
    return select(connection, BY_DATE, days=DAYS_SHOWN)[::-1]


def waiting_picture(rows: "Sequence[dict[str, Any]]") -> str:
    """What orders wait for, by the day they were placed."""
    return stacked_bars(rows, "day", WAITING, what="pieces", title="pieces that wait, by the day their order was placed")


def ordered_picture(rows: "Sequence[dict[str, Any]]") -> str:
    """What was ordered, by business date."""
    return stacked_bars(rows, "day", ORDERED, what="pieces", title="pieces ordered, by business date")
