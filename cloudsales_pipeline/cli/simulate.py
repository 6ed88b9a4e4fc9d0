"""`cloudsales simulate …`: the outside world on this machine. Arguments in, a server started, one line printed."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudsales_pipeline.errors import CloudSalesError

if TYPE_CHECKING:
    from cloudsales_pipeline.simulator.server import RunningServer
    from cloudsales_pipeline.simulator.state import State

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


class FaultLevel(StrEnum):
    """How much goes wrong."""

    NONE = "none"
    MILD = "mild"
    HARSH = "harsh"


@app.callback()
def _simulate() -> None:
    """Servers on this machine that behave like the outside world."""


@app.command()
def fashionup(
    data: Annotated[Path | None, typer.Option(help="A JSON file: categories, products, orders in the contract's shapes.")] = None,
    styles: Annotated[int | None, typer.Option(min=0, max=200_000, help="Generate so many styles (300 without --data).")] = None,
    seed: Annotated[int, typer.Option(help="Same seed: same listing, same faults, same buyers.")] = 1,
    faults: Annotated[FaultLevel, typer.Option(help="How much goes wrong.")] = FaultLevel.NONE,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8900,
    token: Annotated[str | None, typer.Option(envvar="FASHIONUP_TOKEN", help="The token that requests must carry.")] = None,
    latency_ms: Annotated[float, typer.Option(min=0, max=60_000, help="Each answer of the API waits so long.")] = 0,
    orders_per_minute: Annotated[
        float, typer.Option(min=0, max=60_000, help="Buyers order so much of what is offered; some pay later, cancel or return.")
    ] = 0,
    host: Annotated[str, typer.Option(hidden=True)] = "127.0.0.1",
) -> None:
    """Serve a simulated FashionUp on 127.0.0.1 until it is stopped; the printed line ends with the base URL."""
    from cloudsales_pipeline.simulator import server

    if data is not None and styles is not None:
        raise typer.BadParameter("give --data or --styles, not both")
    try:
        server.serve(
            _state(data, 300 if styles is None else styles, seed),
            host=host,
            port=port,
            faults=faults.value,
            seed=seed,
            token=token or server.DEFAULT_TOKEN,
            latency_ms=latency_ms,
            orders_per_minute=orders_per_minute,
            announce=_announce,
        )
    except CloudSalesError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@app.command()
def retailer(
    out: Annotated[Path, typer.Option(help="The CSV file to write, for `cloudsales catalog load`.")],
    styles: Annotated[int, typer.Option(min=0, max=200_000, help="As many as the simulated FashionUp generates.")] = 300,
    seed: Annotated[int, typer.Option(help="The same as the simulated FashionUp's.")] = 1,
) -> None:
    """Write the catalogue of a retailer who sells some of the listing; prints what importing it must give."""
    from cloudsales_pipeline.simulator import fashion
    from cloudsales_pipeline.simulator.retailer import retailer_catalogue, write_csv

    retail = retailer_catalogue(fashion.generate(styles, seed), seed)
    try:
        write_csv(retail.rows, out)
    except OSError as error:
        typer.echo(f"{out.name} can't be written: {error.strerror}.", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(retail.expectation.by_outcome()))


def _state(data: Path | None, styles: int, seed: int) -> State:
    from cloudsales_pipeline.simulator import datafile, fashion
    from cloudsales_pipeline.simulator.shapes import encode
    from cloudsales_pipeline.simulator.state import State

    if data:
        return State.of(*datafile.read(data))
    return State.of(map(encode, fashion.categories()), fashion.payloads(styles, seed, flaws=True))


def _announce(server: RunningServer) -> None:
    from cloudsales_pipeline.simulator.server import DEFAULT_TOKEN

    counts = server.state.counts()
    token = f"the token is {DEFAULT_TOKEN}" if server.token == DEFAULT_TOKEN else "the token is the one that you gave"
    typer.echo(
        f"FashionUp simulator: {counts['products']} products, {counts['variants']} variants, {counts['orders']} orders; "
        f"{token}; a page for people at {server.origin}/ ; the API at {server.url}"
    )


if __name__ == "__main__":
    app()
