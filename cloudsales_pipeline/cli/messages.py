"""`cloudsales messages …`: what leaves by e-mail and SMS. Addresses and texts are printed where they are asked for alone."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from cloudsales_pipeline.cli.output import Json, clean, print_rows
from cloudsales_pipeline.cli.stages import project

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

Ids = Annotated[list[int], typer.Argument(metavar="ID…", help="The ids that `messages list` shows.")]


class Medium(StrEnum):
    """How a message goes."""

    EMAIL = "email"
    SMS = "sms"


class Language(StrEnum):
    """In which language."""

    RO = "ro"
    EN = "en"


Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="An e-mail address or a mobile number.")]
OfMedium = Annotated[Medium | None, typer.Option(help="None: what the address is.")]


@app.callback()
def messages() -> None:
    """What leaves by e-mail and SMS, and what became of it."""


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="new, sending, sent, unknown, dead or skipped.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows.")] = 100,
    as_json: Json = False,
) -> None:
    """Messages without addresses: what needs a person first, then the newest."""
    from cloudsales_pipeline.outbox.deciding import list_messages

    with project() as (_, engine):
        print_rows(list_messages(engine, state, limit), as_json=as_json, title="Messages")


@app.command()
def show(
    message_id: Annotated[int, typer.Argument(metavar="ID")],
    personal: Annotated[bool, typer.Option("--personal", help="With the address and the text.")] = False,
    as_json: Json = False,
) -> None:
    """One message, and what the gateway answered."""
    from cloudsales_pipeline.outbox.deciding import show_message

    with project() as (_, engine):
        found = show_message(engine, message_id, personal=personal)
    rows = [found] if as_json else [{"what": name, "value": value} for name, value in found.items() if value is not None]
    print_rows(rows, as_json=as_json, title=f"Message {message_id}")


@app.command()
def retry(
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID…", help="The ids that `messages list` shows.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All that were given up; not those that may have gone out.")] = False,
) -> None:
    """Send again what is dead, skipped or unknown. An unknown one may have gone out: then it comes twice."""
    from cloudsales_pipeline.outbox.deciding import retry as retry_messages
    from cloudsales_pipeline.outbox.deciding import retry_dead

    if dead == bool(ids):
        raise typer.BadParameter("give ids or --dead", param_hint="ID…")
    with project() as (_, engine):
        again = retry_dead(engine) if dead else retry_messages(engine, ids or [])
    typer.echo(f"{len(again)} messages are due again.")


@app.command()
def skip(ids: Ids, reason: Annotated[str, typer.Option(help="Why, as a code in which nobody is named.")] = "by_hand") -> None:
    """Leave messages unsent."""
    from cloudsales_pipeline.outbox.deciding import skip as skip_messages

    with project() as (_, engine):
        typer.echo(f"{len(skip_messages(engine, ids, reason))} messages will not be sent.")


@app.command()
def send(
    seconds: Annotated[float, typer.Option(min=1, help="Stop after so long, if more is due.")] = 60.0, as_json: Json = False
) -> None:
    """Write the messages of what happened, and send what is due, now."""
    from cloudsales_pipeline.messages.rounds import tell_and_send

    with project() as (settings, engine):
        done = tell_and_send(engine, settings, seconds=seconds)
    row = {"told": done.told.queued} | {name: value for name, value in asdict(done.sent).items() if name != "complaints"}
    print_rows([row], as_json=as_json, title="Messages")
    for complaint in done.sent.complaints.values():
        typer.echo(f"error: {complaint}", err=True)
    if done.fault:
        raise done.fault
    if done.sent.complaints:
        raise typer.Exit(1)


@app.command()
def tell(as_json: Json = False) -> None:
    """Write the messages of what happened to orders, by messages.rules; `send` sends them."""
    from cloudsales_pipeline.messages.telling import tell as tell_what_happened

    with project() as (settings, engine):
        told = tell_what_happened(engine, settings)
    print_rows([{**asdict(told), "skipped": dict(told.skipped)}], as_json=as_json, title="What happened")


@app.command()
def preview(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Such as order_imported or waybill_delivered.")],
    order: Annotated[tuple[str, str], typer.Option("--order", metavar="CHANNEL ID", help="The order to try it on.")],
    medium: Annotated[Medium, typer.Option(help="Which of its messages.")] = Medium.EMAIL,
    language: Annotated[Language | None, typer.Option(help="Instead of the rule's.")] = None,
    html: Annotated[bool, typer.Option("--html", help="The e-mail's HTML instead of its text.")] = False,
) -> None:
    """A message as it would be for an order. Nothing is written, nobody is told; the recipient is masked."""
    from cloudsales_pipeline.messages.preview import preview as preview_message

    with project() as (settings, engine):
        chosen = language.value if language else None
        found = preview_message(engine, settings, event, *order, medium=medium.value, language=chosen)
    typer.echo(clean(f"To: {found.to or f'nobody ({found.why_not})'}"))
    if found.title:
        typer.echo(clean(f"Subject: {found.title}"))
    if found.segments:
        typer.echo(f"SMS: {found.segments}")
    typer.echo("")
    body = (found.html or "") if html else found.text
    typer.echo("\n".join(clean(line) for line in body.splitlines()))


@app.command("opt-out")
def opt_out(address: Address, medium: OfMedium = None) -> None:
    """Send somebody no messages about orders any more. Only a digest of the address is kept."""
    from cloudsales_pipeline.messages.consent import opt_out as no_more

    with project() as (_, engine):
        typer.echo(f"Opted out; {no_more(engine, address, medium.value if medium else None)} messages that waited are skipped.")


@app.command("opt-in")
def opt_in(address: Address, medium: OfMedium = None) -> None:
    """Send somebody messages about orders again, from now on."""
    from cloudsales_pipeline.messages.consent import opt_in as again

    with project() as (_, engine):
        found = again(engine, address, medium.value if medium else None)
    typer.echo("Opted in." if found else "Was not opted out.")
