"""Documents: a thousand orders from their facts to issued invoices with PDF and e-invoice.

Against the bare compile of the same PDFs in the same process: the template and its data, and nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.measure import Cost, Report, measured, median_cost
from benchmarks.server import Server, analyse
from cloudsales_pipeline.database.engine import run_script
from cloudsales_pipeline.documents import pdf
from cloudsales_pipeline.documents.content import Content
from cloudsales_pipeline.documents.issuing import issue_due, sync_channels
from cloudsales_pipeline.documents.papers import make_missing
from cloudsales_pipeline.outbox.typesetting import make_pdf
from cloudsales_pipeline.settings import ChannelSettings, CompanySettings, DocumentSettings, Settings

ORDERS = {"quick": 20, "usual": 1_000, "full": 1_000}
ROUNDS = {"quick": 1, "usual": 2, "full": 5}
BARE = 300
"""So many of the PDFs are compiled bare, and their cost is counted for all: each costs the same."""
LINES = 3
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def run(server: Server, report: Report, size: str) -> None:
    """From facts to files at half the rate of the bare compile, or better; again, next to nothing."""
    orders = ORDERS[size]
    report.begin("documents", f"{orders:,} orders of {LINES} lines: rules, numbers, snapshots, PDF and e-invoice")
    settings = settings_of()
    costs: dict[str, list[Cost]] = {"bare compile": [], "issue": [], "papers": [], "again": []}
    grown = 0.0
    with server.database("bench_documents_warm") as engine:  # what is loaded and parsed at its first use is no document's cost
        sync_channels(engine, settings)
        fill(engine, 5)
        _again(engine, settings)
    for number in range(ROUNDS[size]):
        with server.database(f"bench_documents_{number}") as engine:
            sync_channels(engine, settings)
            fill(engine, orders)
            before = _memory()
            costs["issue"].append(measured(server, partial(issue_due, engine, settings, now=NOON))[0])
            costs["papers"].append(measured(server, partial(make_missing, engine, settings))[0])
            grown = max(grown, _memory() - before)
            check(report, engine, orders)
            datas = [pdf.data_of(content, None) for content in contents(engine)[:BARE]]
            part, share = measured(server, partial(bare, datas))[0], orders / len(datas)
            costs["bare compile"].append(Cost(part.wall * share, part.client * share, part.server * share))
            costs["again"].append(measured(server, partial(_again, engine, settings))[0])
    found = {name: median_cost(some) for name, some in costs.items()}
    for name, cost in found.items():
        report.cost(name, cost)
    whole = found["issue"].wall + found["papers"].wall
    report.figure("documents a second, facts to files", orders / whole)
    report.figure("documents a second, facts to number", orders / found["issue"].wall)
    report.figure("memory grown while issuing", grown, "MB")
    report.at_least("facts to PDF and e-invoice / bare compile, rate", 0.5, found["bare compile"].wall / whole)
    report.at_most("the same again / the first time, wall", 0.05, found["again"].wall / whole)


def settings_of() -> Settings:
    """A company, and three rules of which the last one holds."""
    rules = [
        {"issue": "fiscal_invoice", "when": "company and total > 100000", "name": "large"},
        {"issue": "proforma_invoice", "when": "payment_method == 'bank_transfer' and not paid", "name": "to be paid"},
        {"issue": "fiscal_invoice", "when": "fully_reserved and not in_review", "name": "all is there"},
    ]
    address = {"street": "Strada Fictivă 1", "city": "Cluj-Napoca", "county": "Cluj", "postal_code": "400000"}
    return Settings(
        company=CompanySettings.model_validate({"name": "Atelier Fictiv SRL", "tax_id": "RO14399840", "address": address}),
        documents=DocumentSettings.model_validate({"rules": rules}),
        channels={"fashionup": ChannelSettings(kind="fashionup", url="http://127.0.0.1:9/v1")},
    )


def fill(engine: Engine, orders: int) -> None:
    """Orders of persons in Cluj, each of whose lines is reserved."""
    with engine.begin() as connection:
        run_script(connection, _FILL.format(orders=orders, lines=LINES))
    analyse(engine)


def contents(engine: Engine) -> list[Content]:
    """What stands on each invoice."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select content::text from personal.document_content order by document_id")).scalars()
        return [msgspec.json.decode(row, type=Content, strict=False) for row in rows]


def bare(datas: list[dict[str, object]]) -> int:
    """The PDFs alone, their data ready: bytes."""
    return sum(len(make_pdf(pdf.PACKAGE, pdf.TEMPLATE, data, made_at=NOON)) for data in datas)


def check(report: Report, engine: Engine, orders: int) -> None:
    with engine.connect() as connection:
        row = connection.execute(sa.text(_STANDING)).one()
    report.correct(
        f"{orders:,} live invoices numbered 1 to {orders:,}, one for each order, each with PDF and e-invoice, totals as the orders'",
        tuple(row) == (orders, orders, 1, orders, orders, orders, orders, 0),
    )


def _again(engine: Engine, settings: Settings) -> None:
    issue_due(engine, settings, now=NOON)
    make_missing(engine, settings)


def _memory() -> float:
    """Resident memory of this process, MB."""
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e6


_FILL = """
insert into cloudsales.warehouse (warehouse) values ('CENTRAL') on conflict do nothing;
insert into cloudsales.product (sku, name, created_at, changed_at)
select 'R-' || n, 'Rochie de seară nr. ' || n, now(), now() from generate_series(1, 200) n;
insert into cloudsales.sales_order (channel, external_id, revision, status, channel_status, placed_at, changed_at, imported_at, payment_method,
    payment_status, delivery_method, currency, delivery_price, discount, total, expected_total, county, warehouses)
select 'fashionup', 'O' || n, 1, 'new', 'new', timestamptz '2026-11-19 12:00+00' + n * interval '1 second', now(), now(),
       'cash_on_delivery', 'pending', 'courier', 'RON', 19.99, 0, 19.99 + {lines} * 49.99, 19.99 + {lines} * 49.99, 'Cluj', array['CENTRAL']
from generate_series(1, {orders}) n;
insert into personal.buyer (order_id, name, email, phone, delivery)
select order_id, 'Ana Câmpeanu', 'ana@example.invalid', '+40700000001',
       '{{"street": "Strada Teiului 3", "city": "Cluj-Napoca", "county": "Cluj", "postal_code": "400001", "country": "RO"}}'
from cloudsales.sales_order;
insert into cloudsales.sales_order_line (order_id, external_line_id, position, owner, variant_id, name, product_id, quantity, reserved, unit_price,
    vat_rate, placed_at)
select o.order_id, l::text, l, 'fashionup/' || o.external_id || '/' || l, 'v', p.name, p.product_id, 1, 1, 49.99, 21, o.placed_at
from cloudsales.sales_order o cross join generate_series(1, {lines}) l
join cloudsales.product p on p.sku = 'R-' || (1 + (o.order_id * 7 + l * 13) % 200);
"""
_STANDING = """
select (select count(*) from cloudsales.document_live), (select max(number) from cloudsales.document),
       (select min(number) from cloudsales.document), (select count(distinct order_id) from cloudsales.document),
       (select count(distinct number) from cloudsales.document),
       (select count(*) from cloudsales.document_file where kind = 'pdf'), (select count(*) from cloudsales.document_file where kind = 'xml'),
       (select count(*) from cloudsales.document d join cloudsales.sales_order o using (order_id) where d.total <> o.total or d.flags <> '{}')
"""
