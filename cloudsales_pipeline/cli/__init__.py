"""The command line: parse arguments, call a stage, print. No rules here.

Every command is a line of `COMMANDS` and a module of its own, imported when it is asked for: `cloudsales --help` loads
neither Dagster nor pandas.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command as typer_command

from cloudsales_pipeline.cli.output import clean
from cloudsales_pipeline.errors import CloudSalesError, describe_unexpected

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter

DEBUG_VARIABLE = "CLOUDSALES_DEBUG"
FAILED = 1


class Lazy(NamedTuple):
    """A command: the module that has its typer app as `app`, and its line in the help."""

    module: str
    help: str


# In the order in which a new user meets them. A single command and a group of commands are added in the same way: an app
# with one command becomes that command, one with a callback becomes a group.
COMMANDS = {
    "demo": Lazy("cloudsales_pipeline.cli.demo", "A simulated marketplace becomes a catalogue, on this machine."),
    "init": Lazy("cloudsales_pipeline.cli.init", "Make or upgrade the database; twice is no harm."),
    "up": Lazy("cloudsales_pipeline.cli.up", "Dagster's webserver and daemon on the configured database."),
    "run": Lazy("cloudsales_pipeline.cli.run", "One Dagster job in this process."),
    "work": Lazy("cloudsales_pipeline.cli.work", "Publish stock as it changes, beside Dagster; until Ctrl-C or SIGTERM."),
    "catalog": Lazy("cloudsales_pipeline.cli.catalog", "Load the retailer's catalogue; plan and apply an import into it."),
    "codes": Lazy("cloudsales_pipeline.cli.codes", "Give products additional codes, one or a file of them."),
    "stock": Lazy("cloudsales_pipeline.cli.stock", "Movements by hand and by file; what is there, what channels were told."),
    "orders": Lazy("cloudsales_pipeline.cli.orders", "What orders wait for; goods that leave and come back; cancel, review."),
    "messages": Lazy("cloudsales_pipeline.cli.messages", "What leaves by e-mail and SMS: preview, send, list, retry, opt out."),
    "purchasing": Lazy(
        "cloudsales_pipeline.cli.purchasing", "What must be bought; close the day into one order for each supplier."
    ),
    "documents": Lazy("cloudsales_pipeline.cli.documents", "Invoices: rules explained and replayed; issue, correct, list, get."),
    "waybills": Lazy("cloudsales_pipeline.cli.waybills", "What couriers carry: make, list, label, track, cancel, decide."),
    "privacy": Lazy("cloudsales_pipeline.cli.privacy", "What is held of a person: give it out, or erase it."),
    "suggestions": Lazy("cloudsales_pipeline.cli.suggestions", "Listings held for a person: list, accept, reject."),
    "quarantine": Lazy("cloudsales_pipeline.cli.quarantine", "What could not be decided: list, retry, dismiss."),
    "verify": Lazy("cloudsales_pipeline.cli.verify", "Recompute every invariant; 1 with the rows that break one."),
    "status": Lazy("cloudsales_pipeline.cli.status", "What waits for a person, since when, and what to type; 1 if urgent."),
    "metrics": Lazy("cloudsales_pipeline.cli.metrics", "The same in numbers for Prometheus: printed, or served."),
    "simulate": Lazy("cloudsales_pipeline.cli.simulate", "A marketplace on this machine, with faults if you like."),
    "database": Lazy("cloudsales_pipeline.cli.database", "The database's address; start or stop the embedded one."),
}


class LazyGroup(TyperGroup):
    """The root group: knows its commands by name and help, and imports one when it is used."""

    def list_commands(self, ctx: Context) -> list[str]:
        """All commands, in the table's order."""
        return [*super().list_commands(ctx), *COMMANDS]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """The command, its module now imported; None where there is none of that name."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        command = typer_command(importlib.import_module(lazy.module).app)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The help from the table alone."""
        width = max(map(len, COMMANDS))
        lines = [f"  {name:<{width}}  {lazy.help}" for name, lazy in COMMANDS.items()]
        typer.echo(
            "\n".join(
                [
                    "Usage: cloudsales [--version] [--help] COMMAND …",
                    "",
                    "Keeps a retailer's catalogue, stock and orders right across every place where it sells.",
                    "",
                    "Commands (each has its own --help):",
                    *lines,
                    "",
                    f"Settings: CLOUDSALES_CONFIG, else cloudsales.yaml in this folder. {DEBUG_VARIABLE}=1 shows tracebacks.",
                ]
            )
        )


app = typer.Typer(cls=LazyGroup, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"cloudsales {version('cloudsales-pipeline')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Keeps a retailer's catalogue, stock and orders right across every place where it sells."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def main() -> None:
    """Run the command line. Exit 0: done; 1: refused or failed, with one clear line on stderr; 2: wrong usage."""
    try:
        app(prog_name="cloudsales")
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        sys.stderr.write(f"error: {one_line(error)}\n")
        sys.exit(FAILED)


def one_line(error: Exception) -> str:
    """An error as one line: ours with its next step; any other by class and place, for its text may hold a row's values."""
    if isinstance(error, CloudSalesError):
        return clean(" ".join(str(error).split()))
    return f"unexpected {describe_unexpected(error)}. Next: {DEBUG_VARIABLE}=1 shows the whole of it"
