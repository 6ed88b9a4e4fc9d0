"""`cloudsales orders …`: what waits, and what a person does with an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudsales_pipeline.cli.orders_story import show
from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudsales_pipeline.orders.lists import Which
    from cloudsales_pipeline.orders.standing import Outcome

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

Channel = Annotated[str, typer.Argument(help="A channel of the settings.")]
OrderId = Annotated[str, typer.Argument(metavar="ID", help="The order's id on that channel.")]
Pieces = Annotated[
    list[str], typer.Argument(metavar="LINE=PIECES", help="The channel's line id and how many pieces, such as 1=2.")
]
Document = Annotated[str, typer.Option("--reference", help="The document; taken in once, a repeat does nothing.")]


@app.callback()
def orders() -> None:
    """Orders of all channels: what waits, goods that leave and come back. Doing it twice is no harm."""


@app.command("list")
def list_(
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Those that wait for stock, the oldest first.")] = False,
    review: Annotated[bool, typer.Option("--review", help="Those that a person should look at.")] = False,
    unacknowledged: Annotated[bool, typer.Option("--unacknowledged", help="Those whose channel was not told.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 200,
    as_json: Json = False,
) -> None:
    """Orders with their pieces: ordered = reserved + waiting + issued + cancelled."""
    from cloudsales_pipeline.orders.lists import list_orders

    asked: list[tuple[bool, Which]] = [(waiting, "waiting"), (review, "review"), (unacknowledged, "unacknowledged")]
    chosen = [name for wanted, name in asked if wanted]
    if len(chosen) > 1:
        raise typer.BadParameter("choose one of --waiting, --review, --unacknowledged")
    which: Which = chosen[0] if chosen else "all"
    with project() as (settings, engine), engine.connect() as connection:
        if channel is not None:
            settings.channel(channel)
        rows = list_orders(connection, which=which, channel=channel, limit=limit)
    print_rows(rows, as_json=as_json, title=f"Orders ({which})")


app.command()(show)


@app.command()
def issue(
    channel: Channel,
    order_id: OrderId,
    line: Annotated[list[str] | None, typer.Option(help="Only this line; again for each.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="What is reserved, though some pieces still wait.")] = False,
    reference: Annotated[str | None, typer.Option(help="The document. Default: issue:CHANNEL/ID, then …:2.")] = None,
    as_json: Json = False,
) -> None:
    """Goods leave for the buyer: what the order holds is sold from the warehouses that it is held in."""
    from cloudsales_pipeline.orders import life

    _do(
        channel,
        order_id,
        "issued",
        lambda settings, engine: life.issue(engine, channel, order_id, reference=reference, lines=line, partial=partial),
        as_json=as_json,
    )


@app.command()
def cancel(channel: Channel, order_id: OrderId, as_json: Json = False) -> None:
    """Cancel here: what it holds is free again. The channel is not told; cancel there too."""
    from cloudsales_pipeline.orders import life

    _do(channel, order_id, "cancelled here", lambda _, engine: life.cancel_here(engine, channel, order_id), as_json=as_json)


@app.command("return")
def return_(channel: Channel, order_id: OrderId, pieces: Pieces, reference: Document, as_json: Json = False) -> None:
    """Pieces came back, and are looked at; no stock moves yet."""
    from cloudsales_pipeline.orders import returns

    named = _pieces(pieces)
    _do(
        channel,
        order_id,
        "received",
        lambda _, engine: returns.receive_return(engine, channel, order_id, named, reference=reference),
        as_json=as_json,
    )


@app.command()
def restock(channel: Channel, order_id: OrderId, pieces: Pieces, reference: Document, as_json: Json = False) -> None:
    """Received pieces are fit for sale: into the channel's return warehouse, and at once to who waits for them."""
    from cloudsales_pipeline.orders import returns

    named = _pieces(pieces)
    _do(
        channel,
        order_id,
        "restocked",
        lambda settings, engine: returns.restock(
            engine, channel, settings.channel(channel), order_id, named, reference=reference
        ),
        as_json=as_json,
    )


@app.command()
def scrap(channel: Channel, order_id: OrderId, pieces: Pieces, reference: Document, as_json: Json = False) -> None:
    """Received pieces are not fit for sale; no stock moves."""
    from cloudsales_pipeline.orders import returns

    named = _pieces(pieces)
    _do(
        channel,
        order_id,
        "scrapped",
        lambda _, engine: returns.scrap(engine, channel, order_id, named, reference=reference),
        as_json=as_json,
    )


@app.command()
def review(channel: Channel, order_id: OrderId, as_json: Json = False) -> None:
    """A person has looked at it: it is taken out of review."""
    from cloudsales_pipeline.orders import life

    _do(channel, order_id, "reviewed", lambda _, engine: life.clear_review(engine, channel, order_id), as_json=as_json)


def _pieces(words: list[str]) -> dict[str, int]:
    """LINE=PIECES as figures; a line's id may hold an equals sign itself."""
    named: dict[str, int] = {}
    for word in words:
        line, equals, count = word.rpartition("=")
        if not (equals and line and count.isascii() and count.isdigit() and 0 < int(count) <= 1_000_000):
            raise typer.BadParameter("write a line and its pieces as 1=2", param_hint="LINE=PIECES")
        if line in named:
            raise typer.BadParameter(f"line {line} is named twice", param_hint="LINE=PIECES")
        named[line] = int(count)
    return named


def _do(channel: str, order_id: str, word: str, work: Callable[[Any, Any], Outcome], *, as_json: bool) -> None:
    with project() as (settings, engine):
        settings.channel(channel)
        done = work(settings, engine)
    if as_json:
        row = {"channel": channel, "id": order_id, **{name: getattr(done, name) for name in done.__struct_fields__}}
        print_rows([row], as_json=True)
        return
    typer.echo(_sentence(f"{channel} {order_id}", word, done))


def _sentence(order: str, word: str, done: Outcome) -> str:
    note = f" ({done.note})" if done.note else ""
    if not done.changed:
        return f"{order}: nothing was done{note}; it is {done.status}."
    pieces = f", {done.pieces} {'piece' if done.pieces == 1 else 'pieces'}" if done.pieces else ""
    served = f" {done.served} of them went to orders that waited." if done.served else ""
    return f"{order}: {word}{pieces}{note}; it is {done.status}.{served}"
