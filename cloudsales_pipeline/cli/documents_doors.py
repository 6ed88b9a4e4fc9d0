"""`cloudsales documents hand-over|e-invoices|e-invoice`: what leaves to channels and the tax authority. Added by `register`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cloudsales_pipeline.cli.output import Json, clean, detail, print_rows
from cloudsales_pipeline.cli.stages import project

if TYPE_CHECKING:
    from cloudsales_pipeline.channels.port import SalesChannel


def register(app: typer.Typer) -> None:
    """Add these commands to the group."""
    app.command("hand-over")(hand_over)
    app.command()(serve)
    app.command("e-invoices")(e_invoices)
    app.command("e-invoice")(e_invoice)


def hand_over(
    refused: Annotated[bool, typer.Option("--refused", help="Also what channels refused: try it again.")] = False,
    as_json: Json = False,
) -> None:
    """Give channels the documents, waybills and parcels' states that are due. Exit 1 where a channel can't be told now."""
    from cloudsales_pipeline.channels.registry import open_channel
    from cloudsales_pipeline.documents.handing import hand_over_due, try_refused_again

    with project() as (settings, engine):
        again = try_refused_again(engine) if refused else 0

        @contextmanager
        def opened(name: str) -> Iterator[SalesChannel]:
            channel = open_channel(name, settings.channel(name), database=engine)
            try:
                yield channel
            finally:
                channel.close()

        done = hand_over_due(engine, settings, opened)
    row = {name: getattr(done, name) for name in done.__struct_fields__ if name != "errors"}
    print_rows([{"put_back": again, **row}], as_json=as_json, title="Handed over")
    for name, error in done.errors.items():
        detail(f"{name}: {clean(error)}")
    if done.errors:
        raise typer.Exit(1)


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 3001,
    host: Annotated[str, typer.Option(help="A loopback address: there is no sign-in.")] = "127.0.0.1",
) -> None:
    """Show the documents on a page of this machine, as `cloudsales up` does beside Dagster, until Ctrl-C or SIGTERM."""
    from cloudsales_pipeline.cli.documents_page import shown
    from cloudsales_pipeline.cli.processes import until_signal

    with project() as (_, engine), until_signal() as stopping, shown(engine, host, port) as address:
        typer.echo(f"Documents: {address}/documents. Ctrl-C ends it.")
        stopping.wait()


def e_invoices(
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not with the tax authority.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 200,
    as_json: Json = False,
) -> None:
    """Where each e-invoice stands with the tax authority, the most urgent first."""
    from cloudsales_pipeline.documents.submitting import e_invoices as read

    with project() as (_, engine), engine.connect() as connection:
        rows = read(connection, open_only=open_only, limit=limit)
    print_rows(rows, as_json=as_json, title="E-invoices")


def e_invoice(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help='Series and number, such as "FU 12".')],
    sent: Annotated[str | None, typer.Option("--sent", metavar="REFERENCE", help="It is there, under this reference.")] = None,
    again: Annotated[bool, typer.Option("--again", help="It is not there: hand it over again.")] = False,
    as_json: Json = False,
) -> None:
    """Say what became of an e-invoice that was rejected, is unclear, or that you handed over yourself."""
    from cloudsales_pipeline.documents.issuing import parts_of
    from cloudsales_pipeline.documents.submitting import decide

    if (sent is None) == (not again):
        raise typer.BadParameter("say either --sent REFERENCE or --again", param_hint="--sent / --again")
    with project() as (_, engine):
        state = decide(engine, *parts_of(number), reference=sent)
    if as_json:
        print_rows([{"number": number, "state": state}], as_json=True)
    else:
        typer.echo(f"{clean(number)} is {state}.")
