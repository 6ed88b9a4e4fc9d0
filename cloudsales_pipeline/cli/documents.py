"""`cloudsales documents …`: the rules, what they issued and why, and what a person does with documents."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cloudsales_pipeline.cli import documents_doors
from cloudsales_pipeline.cli.output import Json, clean, detail, print_rows
from cloudsales_pipeline.cli.stages import project

if TYPE_CHECKING:
    from cloudsales_pipeline.documents.explain import Explanation, Replay
    from cloudsales_pipeline.settings.documents import DocumentKind

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
documents_doors.register(app)

Channel = Annotated[str, typer.Argument(help="A channel of the settings.")]
OrderId = Annotated[str, typer.Argument(metavar="ID", help="The order's id on that channel.")]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help='Series and number, such as "FU 12".')]
KINDS = ("proforma_invoice", "fiscal_invoice", "waybill")


@app.callback()
def documents() -> None:
    """Invoices and waybills: which rules decide, what was issued, what a person does. Nothing issued is ever changed."""


@app.command()
def check(as_json: Json = False) -> None:
    """Whether the rules, series and company of the settings are usable. Exit 1 with the line and what is wrong."""
    from cloudsales_pipeline.documents.issuing import check_settings
    from cloudsales_pipeline.settings import load_settings

    rules = check_settings(load_settings())
    rows = [
        {
            "rule": rule.place,
            "issue": rule.setting.issue,
            "name": rule.title,
            "when": rule.setting.when,
            "looks_at": sorted(rule.names),
        }
        for rule in rules.rules
    ]
    print_rows(rows, as_json=as_json, title="Rules, all usable")


@app.command()
def explain(channel: Channel, order_id: OrderId, as_json: Json = False) -> None:
    """Which rule decides for an order, with the facts that each looks at, and the documents that it has."""
    from cloudsales_pipeline.documents.explain import explain as ask

    with project() as (settings, engine):
        settings.channel(channel)
        found = ask(engine, settings, channel, order_id)
    if as_json:
        import msgspec

        print_rows([msgspec.to_builtins(found)], as_json=True)
        return
    _show(found)


@app.command()
def replay(
    since: Annotated[datetime, typer.Option("--since", formats=["%Y-%m-%d"], help="Orders placed on this day or later.")],
    as_json: Json = False,
) -> None:
    """What today's rules would have issued on past orders, against what was issued. Facts are as of now; nothing is written."""
    from zoneinfo import ZoneInfo

    from cloudsales_pipeline.documents.explain import replay as ask

    with project() as (settings, engine):
        found = ask(engine, settings, since.replace(tzinfo=ZoneInfo(settings.timezone)))
    rows = [
        {
            "channel": one.channel,
            "id": one.id,
            "placed_at": one.placed_at,
            "would_issue": list(one.would),
            "by_rule": list(one.by),
            "was_issued": list(one.issued),
        }
        for one in found.differences
    ]
    print_rows(rows, as_json=as_json, title="Orders for which today's rules say something else")
    if not as_json:
        detail(_summary(found))


@app.command()
def issue(
    channel: Channel,
    order_id: OrderId,
    kind: Annotated[str, typer.Option("--kind", help=f"One of {', '.join(KINDS)}.")],
    as_json: Json = False,
) -> None:
    """Issue a document because you say so, whatever the rules and the kill switch say."""
    from cloudsales_pipeline.documents.issuing import issue_one

    if kind not in KINDS:
        raise typer.BadParameter(f"choose one of {', '.join(KINDS)}", param_hint="--kind")
    with project() as (settings, engine):
        settings.channel(channel)
        number = issue_one(engine, settings, channel, order_id, cast("DocumentKind", kind))
    _tell(
        {"channel": channel, "id": order_id, "kind": kind, "number": number}, f"{kind} {number} for {channel} {order_id}", as_json
    )


@app.command()
def storno(number: Number, as_json: Json = False) -> None:
    """Correct a fiscal invoice in whole, by a storno with its own number. Rules issue no other for the order; `issue` does."""
    from cloudsales_pipeline.documents.issuing import storno as correct

    with project() as (settings, engine):
        made = correct(engine, settings, number)
    _tell({"corrects": number, "number": made}, f"{number} is corrected by {made}", as_json)


@app.command("list")
def list_(
    on: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Only those of this day.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 200,
    as_json: Json = False,
) -> None:
    """Issued invoices and stornos, the newest first."""
    import sqlalchemy as sa

    from cloudsales_pipeline.database.engine import steps

    values = {"on": on.date() if on else None, "channel": channel, "limit": limit}
    with project() as (settings, engine), engine.connect() as connection:
        if channel is not None:
            settings.channel(channel)
        query = sa.text(steps("cloudsales_pipeline.documents", "explain")["list"])
        rows: list[dict[str, Any]] = [dict(row) for row in connection.execute(query, values).mappings()]
    shown = rows if as_json else [{**row, "flags": list(row["flags"])} for row in rows]
    print_rows(shown, as_json=as_json, title="Documents")


@app.command()
def get(
    number: Number,
    xml: Annotated[bool, typer.Option("--xml", help="The e-invoice instead of the PDF.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to; none: the document's name, in this folder.")
    ] = None,
) -> None:
    """Write a document's PDF, or its e-invoice, to a file; `-o -` is the standard output."""
    from cloudsales_pipeline.documents.explain import file_of
    from cloudsales_pipeline.errors import InputError

    with project() as (_, engine):
        file = file_of(engine, number, "xml" if xml else "pdf")
    if output == Path("-"):
        sys.stdout.buffer.write(file.content)
        return
    target = output or Path(Path(file.name).name)
    try:
        target.write_bytes(file.content)
    except OSError as error:
        raise InputError(f"{target.name} can't be written: {error.strerror}.", next_step="give another file with -o") from None
    typer.echo(f"{clean(number)}: {clean(target)}, {len(file.content)} bytes")


@app.command("goods-checked")
def goods_checked(channel: Channel, order_id: OrderId, as_json: Json = False) -> None:
    """Note that an order's goods are there and right: the fact goods_checked of rules. With goods_leave_on: scan they leave."""
    from cloudsales_pipeline.documents.scans import check_goods

    with project() as (settings, engine):
        settings.channel(channel)
        new = check_goods(engine, settings, channel, order_id)
    word = "goods checked" if new else "nothing was done; its goods were checked before"
    _tell({"channel": channel, "id": order_id, "changed": new}, f"{channel} {order_id}: {word}", as_json)


def _tell(row: dict[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        print_rows([row], as_json=True)
    else:
        typer.echo(f"{clean(sentence)}.")


def _show(found: Explanation) -> None:
    rows = [
        {
            "rule": one.rule,
            "issue": one.issue,
            "name": one.name,
            "holds": f"{one.says}{', decides' if one.decides else ''}",
            "facts": ", ".join(f"{name} = {clean(value)}" for name, value in one.facts.items()),
        }
        for one in found.rules
    ]
    print_rows(rows, as_json=False, title="Rules, over the order as it is now")
    columns = ["kind", "series", "number", "state", "issued_on", "total", "currency", "rule", "cause"]
    print_rows(list(found.documents), as_json=False, title="Its documents", columns=columns)
    for note in found.notes:
        detail(note)


def _summary(found: Replay) -> str:
    looked = f"{found.orders} orders looked at, {found.same} of them as the rules say."
    return f"{looked} Facts are as of now, not of the day: no history of them is kept."
