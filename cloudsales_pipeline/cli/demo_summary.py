"""What the demo says at its end: what became of the listing, examples with their evidence, and where to look next."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudsales_pipeline.cli import demo_documents, demo_messages, demo_purchasing, demo_stock
from cloudsales_pipeline.cli.output import clean, print_rows

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.settings import Settings
    from cloudsales_pipeline.simulator.server import RunningServer

EXAMPLES = 3

COUNTS = """
    select case outcome
               when 'linked' then 'linked, its details left as they are'
               when 'created' then 'unknown: made into a product'
               when 'conflict' then 'held: codes of two products'
               when 'invalid' then 'held: no usable code'
               when 'duplicate_in_listing' then 'held: shown twice'
               else 'held for a person' end as what,
           case outcome when 'linked' then 'by ' || replace(matched_by, '_', ' ') when 'created' then ''
                        else replace(reason, '_', ' ') end as how,
           count(*) as variants
    from analytics.match_outcome group by 1, 2, outcome order by array_position(array['linked', 'created'], outcome), 3 desc, 1, 2
"""

SAMPLES = """
    select * from (
        select o.variant_id, o.outcome, o.matched_by, o.reason, o.sku, o.candidates, o.evidence, l.name,
               row_number() over (partition by o.outcome, o.matched_by order by o.variant_id) as place
        from analytics.match_outcome o join analytics.listing l using (channel, variant_id)
    ) x where place <= :most and (outcome, coalesce(matched_by, '')) in
        (('linked', 'sku'), ('linked', 'gtin'), ('linked', 'additional_code'), ('created', 'created'), ('conflict', ''),
         ('invalid', ''), ('duplicate_in_listing', ''))
    order by array_position(array['linked', 'created', 'conflict', 'invalid', 'duplicate_in_listing'], outcome), matched_by, place
"""

TWICE = """
    select count(*) from (select c.key from cloudsales.product_code c join cloudsales.code_key k using (key)
    where k.product_id is not null group by c.key having count(distinct c.product_id) > 1) x
"""


def show(engine: Engine, settings: Settings, marketplace: RunningServer, channel: str, folder: Path, *, seconds: float) -> None:
    """Print the whole summary."""
    import sqlalchemy as sa

    with engine.connect() as connection:
        counts = [dict(row) for row in connection.execute(sa.text(COUNTS)).mappings()]
        samples = [dict(row) for row in connection.execute(sa.text(SAMPLES), {"most": EXAMPLES}).mappings()]
        products = connection.execute(
            sa.text("select count(*), count(*) filter (where origin_channel is not null) from analytics.product")
        ).one()
        twice = connection.scalar(sa.text(TWICE))
    print_rows(counts, as_json=False, title="What became of each variant that FashionUp shows")
    _write(f"The catalogue has {products[0]} products now; {products[1]} of them were made from the listing.")
    _write(f"Codes that the import left on two products: {twice}. (Those that clash in the retailer's own file link nothing.)\n")
    _examples(samples)
    demo_stock.show(engine, marketplace.state, channel, folder)
    demo_purchasing.show(engine)
    demo_documents.show(engine, folder)
    demo_messages.show(engine)
    _where_next(settings, marketplace, folder)
    _write(f"Done in {seconds:.0f} s. Run it again: nothing changes, and it is quicker.")


def _examples(samples: Sequence[Mapping[str, Any]]) -> None:
    """Three of each kind: variant, name, what became of it, and why."""
    _write(f"{EXAMPLES} examples of each, with the evidence")
    before = ""
    for row in samples:
        kind = _kind(row)
        if kind != before:
            _write(f"  {kind}")
            before = kind
        _write(f"    {row['variant_id']}  {clean(row['name'])}")
        _write(f"        {_result(row)}: {clean(_because(row))}")
    _write("")


def _kind(row: Mapping[str, Any]) -> str:
    if row["outcome"] == "linked":
        return f"found by {str(row['matched_by']).replace('_', ' ')}"
    kinds = {"created": "found nowhere", "conflict": "held: two products", "invalid": "held: no usable code"}
    return kinds.get(row["outcome"], "held: shown twice")


def _result(row: Mapping[str, Any]) -> str:
    if row["outcome"] == "linked":
        return f"is the product {row['sku']}"
    return f"became the product {row['sku']}" if row["outcome"] == "created" else "in quarantine"


def _because(row: Mapping[str, Any]) -> str:
    """The evidence as a sentence."""
    code, ean = row["evidence"].get("code", {}), row["evidence"].get("ean", {})
    if row["outcome"] == "linked":
        return " and ".join(part for part in (_hit("code", code), _hit("EAN", ean)) if part)
    if row["outcome"] == "created":
        return f"nobody has the code {_value(code)}" + (f" or the EAN {_value(ean)}" if ean.get("state") == "valid" else "")
    if row["outcome"] == "conflict":
        return f"code {_value(code)}, EAN {_value(ean)}: {' or '.join(row['candidates'])}"
    if row["outcome"] == "duplicate_in_listing":
        return f"shares a code with {row['evidence'].get('earlier_variant')}, which comes first"
    if ean.get("state") == "bad":
        return f"the EAN {_value(ean)} has a wrong check digit or length, and nobody has the code {_value(code)}"
    return f"code {_value(code)}, EAN {_value(ean)}: neither identifies anything"


def _hit(what: str, field: Mapping[str, Any]) -> str:
    kinds: Sequence[str] = field.get("hit") or []
    if not kinds:
        return ""
    names = {"sku": "its SKU", "gtin": "its EAN", "additional": "an additional code of it"}
    return f"{what} {_value(field)} is {' and '.join(names[kind] for kind in kinds)}"


def _value(field: Mapping[str, Any]) -> str:
    value = field.get("value")
    return repr(value) if value is not None else "(none)"


def _where_next(settings: Settings, marketplace: RunningServer, folder: Path) -> None:
    from cloudsales_pipeline.database.engine import psql_url

    command = Path(sys.executable).parent / "cloudsales"
    shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command.name
    _write("Where to look next")
    _write(f"  Dagster's pages, with these runs:   {shown} demo --ui      then http://127.0.0.1:3000/asset-groups")
    _write(f"  The database (psql, a notebook):    {psql_url(settings)}")
    _write("                                      for example: select * from analytics.match_outcome where outcome = 'conflict'")
    _write(f"  Commands on the demo's data:        export CLOUDSALES_CONFIG={folder.absolute()}/cloudsales.yaml")
    _write(f"                                      {shown} quarantine list --stage match")
    _write(f"                                      {shown} stock show SKU     levels, movements, what channels were told")
    _write(f"                                      {shown} database stop      ends the database when you have seen enough")
    _write(f"  What is missing and was bought:     {shown} purchasing requirement     also: orders, show NUMBER, chain SKU")
    _write(f"  The mails and their documents:      {folder / demo_purchasing.MAILS}     and {shown} messages list")
    _write(f"  Invoices, waybills, and why:        {shown} documents list     also: explain, get NUMBER; waybills list")
    _orders_next(marketplace, shown)
    _write("  Your own channel and catalogue:     unset CLOUDSALES_CONFIG, write cloudsales.yaml,")
    _write(f"                                      then {shown} catalog load FILE and {shown} up\n")


def _orders_next(marketplace: RunningServer, shown: Path | str) -> None:
    """How the same marketplace gets buyers: it ended with the demo, so a new one takes its place and port."""
    from cloudsales_pipeline.cli.demo import TOKEN_VARIABLE

    styles = marketplace.state.counts()["products"]
    port = marketplace.url.rpartition(":")[2].partition("/")[0]
    start = f"{shown} simulate fashionup --styles {styles} --port {port} --orders-per-minute 30"
    _write(f"  More orders, which reserve stock:   {start}")
    _write(f"                                      in another shell: export {TOKEN_VARIABLE}={marketplace.token}")
    _write(f"                                      {shown} run import_orders --channel fashionup     then {shown} orders list")


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
