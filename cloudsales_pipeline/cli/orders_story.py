"""`cloudsales orders show`: one order from its first payload to now. Registered by `cli.orders`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project
from cloudsales_pipeline.errors import InputError

if TYPE_CHECKING:
    from cloudsales_pipeline.orders.story import Story

STEP_COLUMNS = ("at", "what", "line", "sku", "warehouse", "pieces", "detail")


def show(
    channel: Annotated[str, typer.Argument(help="A channel of the settings.")],
    order_id: Annotated[str, typer.Argument(metavar="ID", help="The order's id on that channel.")],
    personal: Annotated[bool, typer.Option("--personal", help="Also the buyer and the address.")] = False,
    as_json: Json = False,
) -> None:
    """All that happened to an order, oldest first; what it waits for, and what channels show of its products."""
    from cloudsales_pipeline.orders.story import person_of, story_of

    if personal and as_json:
        raise typer.BadParameter(
            "is for a person's eyes; `cloudsales privacy export` writes a file", param_hint="--personal with --json"
        )
    with project() as (settings, engine), engine.connect() as connection:
        try:
            story = story_of(connection, channel, order_id)
        except InputError:
            settings.channel(channel)  # a mistyped channel is told as such; one that left the settings still has its orders
            raise
        person = person_of(connection, channel, order_id) if personal else {}
    if as_json:
        print_rows([{name: getattr(story, name) for name in story.__struct_fields__}], as_json=True)
        return
    _print(f"{channel} {order_id}", story)
    if personal:
        print_rows(_facts(person), as_json=False, title="The buyer (personal data)")


def _print(name: str, story: Story) -> None:
    print_rows(_facts(story.order), as_json=False, title=name)
    print_rows(story.lines, as_json=False, title="Lines: ordered = reserved + waiting + issued + cancelled")
    steps = [row | {"detail": _words(row["detail"])} for row in story.timeline]
    print_rows(steps, as_json=False, columns=STEP_COLUMNS, title="What happened, oldest first")
    print_rows(story.waiting, as_json=False, title="What waits, and its place in the queue")
    print_rows(story.publications, as_json=False, title="What channels should show of its products now, and acknowledged")


def _facts(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"": name, "value": _words(value) if isinstance(value, dict) else value}
        for name, value in row.items()
        if value not in (None, [])
    ]


def _words(detail: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in detail.items() if value is not None)
