"""Closing a day: 100,000 lines that lack stock become one order for each of 500 suppliers, in one transaction.

Against the bare aggregate and insert of the same rows into the same tables in the same database: three statements that know their
suppliers, have no packs, no cut-off, nothing on order before, and nobody beside them; rolled back, so without a commit's flush.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.measure import Cost, Report, measured, median_cost
from benchmarks.server import Server, analyse
from cloudsales_pipeline.database.engine import run_script
from cloudsales_pipeline.purchasing.closing import Closed, close_day
from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
from cloudsales_pipeline.settings import ChannelSettings, Settings, SupplierSettings, WarehouseSettings

LINES = {"quick": 2_000, "usual": 100_000, "full": 100_000}
SUPPLIERS = {"quick": 20, "usual": 500, "full": 500}
PRODUCTS = {"quick": 400, "usual": 20_000, "full": 20_000}
ROUNDS = {"quick": 1, "usual": 3, "full": 5}
DAY, NOW = date(2026, 11, 24), datetime(2026, 11, 24, 20, tzinfo=UTC)
PACK = 6


def run(server: Server, report: Report, size: str) -> None:
    """A close costs at most three times the bare insert; closing the date again, and a day on which nothing came, next to nothing."""
    lines, suppliers = LINES[size], SUPPLIERS[size]
    report.begin(
        "purchasing", f"{lines:,} lines of {PRODUCTS[size]:,} products lack stock, {suppliers} suppliers, packs of {PACK}"
    )
    settings = settings_of(suppliers)
    costs: dict[str, list[Cost]] = {"bare": [], "close": [], "again": [], "next day": []}
    for number in range(ROUNDS[size]):
        with server.database(f"bench_purchasing_{number}") as engine:
            fill(engine, settings, lines, PRODUCTS[size])
            costs["bare"].append(measured(server, partial(bare, engine))[0])
            clean(engine)
            cost, closed = measured(server, partial(close_day, engine, settings, DAY, now=NOW))
            costs["close"].append(cost)
            check(report, engine, closed, lines, suppliers)
            clean(engine)
            costs["again"].append(measured(server, partial(close_day, engine, settings, DAY, now=NOW))[0])
            tomorrow = partial(close_day, engine, settings, date(2026, 11, 25), now=datetime(2026, 11, 25, 20, tzinfo=UTC))
            costs["next day"].append(measured(server, tomorrow)[0])
    found = {name: median_cost(some) for name, some in costs.items()}
    for name, cost in found.items():
        report.cost(name, cost)
    report.figure("lines closed a second", lines / found["close"].wall)
    report.at_most("close / bare aggregate and insert, wall", 3, found["close"].wall / found["bare"].wall)
    report.at_most("close / bare aggregate and insert, CPU", 3, found["close"].cpu / found["bare"].cpu)


def settings_of(suppliers: int) -> Settings:
    """So many suppliers, whose cut-offs are spread over the afternoon."""
    return Settings(
        warehouses={"CENTRAL": WarehouseSettings()},
        channels={"fashionup": ChannelSettings(kind="fashionup", url="http://127.0.0.1:9/v1")},
        suppliers={
            f"S{number}": SupplierSettings.model_validate({"pack_size": PACK, "cut_off": f"{12 + number % 8}:{number % 60:02}"})
            for number in range(suppliers)
        },
    )


def fill(engine: Engine, settings: Settings, lines: int, products: int) -> None:
    """Products in the suppliers' turn, and orders of two lines that all wait."""
    sync_suppliers(engine, settings)
    with engine.begin() as connection:
        run_script(connection, _FILL.format(lines=lines, products=products, suppliers=len(settings.suppliers)))
    analyse(engine)


def clean(engine: Engine) -> None:
    """What a rolled back round left, and the statistics that autovacuum would have brought by the evening."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "vacuum analyze cloudsales.supplier_order, cloudsales.supplier_order_line, cloudsales.requirement"
        )


def bare(engine: Engine) -> None:
    """The same rows, by three statements that know all they need."""
    with engine.connect() as connection, connection.begin() as transaction:
        run_script(connection, _BARE)
        transaction.rollback()


def check(report: Report, engine: Engine, closed: list[Closed], lines: int, suppliers: int) -> None:
    with engine.connect() as connection:
        row = connection.execute(sa.text(_STANDING)).one()
    report.correct(
        f"{suppliers} orders; all {lines:,} lines are tied to the piece, nothing is left; each line is its sum and whole packs",
        (len(closed), row.orders, row.tied, row.open, row.wrong, {one.outcome for one in closed})
        == (suppliers, suppliers, lines, 0, 0, {"ordered"})
        and row.pieces == row.waiting,
    )


_FILL = """
insert into cloudsales.warehouse (warehouse) values ('CENTRAL') on conflict do nothing;
insert into cloudsales.product (sku, name, supplier, created_at, changed_at)
select 'R-' || n, 'Rochie ' || n, 'S' || (n %% {suppliers}), now(), now() from generate_series(1, {products}) n;
insert into cloudsales.sales_order (channel, external_id, revision, status, channel_status, placed_at, changed_at, imported_at, payment_method,
    payment_status, delivery_method, currency, delivery_price, discount, total, expected_total, warehouses)
select 'fashionup', 'O' || n, 1, 'new', 'new', timestamptz '2026-11-20 12:00+00' + n * interval '1 second', now(), '2026-11-23 12:00+00',
       'cash_on_delivery', 'pending', 'courier', 'RON', 0, 0, 100, 100, array['CENTRAL']
from generate_series(1, {lines} / 2) n;
insert into cloudsales.sales_order_line (order_id, external_line_id, position, owner, variant_id, name, product_id, quantity, unit_price, placed_at)
select o.order_id, l::text, l, 'fashionup/' || o.external_id || '/' || l, 'v', 'Rochie', p.product_id, 1 + (o.order_id + l) %% 3, 50, o.placed_at
from cloudsales.sales_order o
cross join generate_series(1, 2) l
join cloudsales.product p on p.sku = 'R-' || (1 + (o.order_id * 7919 + l * 104729) %% {products});
""".replace("%%", "%")
_BARE = """
insert into cloudsales.supplier_order (supplier, business_date, number, cut_off_at, language)
select supplier, '2000-01-01', 'X-' || supplier, now(), 'ro' from cloudsales.supplier;
insert into cloudsales.supplier_order_line (supplier_order_id, position, product_id, sku, name, pack_size, required, quantity)
select o.supplier_order_id, row_number() over (partition by o.supplier_order_id order by p.sku), p.product_id, p.sku, p.name, 1, sum(l.waiting), sum(l.waiting)
from cloudsales.sales_order_line l join cloudsales.product p using (product_id) join cloudsales.supplier_order o on o.supplier = p.supplier
where l.waiting > 0 group by o.supplier_order_id, p.product_id;
insert into cloudsales.requirement (supplier_order_line_id, line_id, product_id, quantity)
select s.supplier_order_line_id, l.line_id, l.product_id, l.waiting
from cloudsales.sales_order_line l join cloudsales.supplier_order_line s using (product_id) where l.waiting > 0;
"""
_STANDING = """
select (select count(*) from cloudsales.supplier_order) as orders, (select count(distinct line_id) from cloudsales.requirement) as tied,
       (select count(*) from cloudsales.open_requirement) as open, (select sum(quantity) from cloudsales.requirement) as pieces,
       (select sum(waiting) from cloudsales.sales_order_line) as waiting,
       (select count(*) from cloudsales.supplier_order_line s
        left join (select supplier_order_line_id, sum(quantity) as quantity from cloudsales.requirement group by 1) r using (supplier_order_line_id)
        where s.required is distinct from r.quantity or s.quantity % 6 <> 0 or s.surplus >= 6) as wrong
"""
