"""`cloudsales demo`: everything on this machine. A simulated marketplace, a retailer whose catalogue overlaps it, one
import, stock, orders, what is missing bought, invoices and waybills, parcels that
travel, and buyers who are told.

It has a folder, settings and a database of its own under .cloudsales/demo, and runs the same jobs as production. What it
prints at the end stands in demo_summary.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudsales_pipeline.cli.output import detail, say
from cloudsales_pipeline.settings import CONFIG_VARIABLE, Settings, load_settings

if TYPE_CHECKING:
    import dagster as dg
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.simulator.couriers import RunningCouriers
    from cloudsales_pipeline.simulator.server import RunningServer

FOLDER = Path(".cloudsales") / "demo"
CHANNEL = "fashionup"
TOKEN_VARIABLE = "FASHIONUP_TOKEN"  # noqa: S105 (a variable's name)
SIMULATOR_PORT = 8900
SEED = 1
IMAGES = 60  # the rest stay due, as they would behind any import

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def demo(
    styles: Annotated[int, typer.Option(min=10, max=20_000, help="Styles that the marketplace shows, ten variants each.")] = 400,
    ui: Annotated[bool, typer.Option("--ui", help="Stay up afterwards, with Dagster's pages, until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Dagster's pages, with --ui.")] = 3000,
) -> None:
    """A simulated marketplace becomes a catalogue without duplicates. Again is quick and shows that nothing changes."""
    from cloudsales_pipeline.cli import demo_documents, demo_messages, demo_orders, demo_purchasing, demo_stock, demo_summary
    from cloudsales_pipeline.cli.instance import open_instance

    started = time.monotonic()
    with _marketplace(styles) as marketplace, demo_messages.post() as post, demo_documents.couriers() as couriers:
        settings = _settings(marketplace, couriers)
        state = marketplace.state
        with _database(settings) as engine, demo_stock.remembered(state, FOLDER), demo_orders.remembered(state, FOLDER):
            _load_catalogue(engine, styles)
            with open_instance(settings) as instance:
                _run_jobs(instance)
                _fetch_some_images(engine, settings)
                demo_stock.play(instance, engine, settings, CHANNEL, FOLDER)
                demo_messages.listen(engine, settings)
                demo_orders.play(instance, engine, settings, state, CHANNEL, FOLDER)
                demo_messages.tell(instance, post, FOLDER)
                demo_purchasing.play(engine, settings, post.box, CHANNEL, FOLDER)
                demo_documents.issue(instance, engine, settings, CHANNEL)
                demo_messages.tell(instance, post, FOLDER)
                demo_documents.travel(instance, engine, settings, couriers, CHANNEL, FOLDER)
                demo_messages.tell(instance, post, FOLDER)
            demo_summary.show(engine, settings, marketplace, CHANNEL, FOLDER, seconds=time.monotonic() - started)
        if ui:
            from cloudsales_pipeline.cli.up import up

            up(port=port, host="127.0.0.1")


@contextmanager
def _marketplace(styles: int) -> Iterator[RunningServer]:
    """The simulated FashionUp, in a thread of this process; on its usual port where that is free."""
    from cloudsales_pipeline.errors import InputError
    from cloudsales_pipeline.simulator import fashion
    from cloudsales_pipeline.simulator.server import running
    from cloudsales_pipeline.simulator.shapes import encode
    from cloudsales_pipeline.simulator.state import State

    say(f"Starting a simulated FashionUp with {styles} styles")
    state = State.of(map(encode, fashion.categories()), fashion.payloads(styles, SEED, flaws=True))
    try:
        context = running(state, port=SIMULATOR_PORT)
        server = context.__enter__()
    except InputError:
        context = running(state, port=0)
        server = context.__enter__()
    try:
        yield server
    finally:
        context.__exit__(None, None, None)


def _settings(marketplace: RunningServer, couriers: RunningCouriers) -> Settings:
    """Write the demo's settings file and use it, here and in the processes that are started."""
    from cloudsales_pipeline.cli import demo_documents, demo_messages, demo_orders, demo_purchasing
    from cloudsales_pipeline.cli.demo_stock import settings_lines

    FOLDER.mkdir(parents=True, exist_ok=True)
    rule, store = settings_lines(FOLDER)
    file = FOLDER / "cloudsales.yaml"
    file.write_text(
        "# The demo's settings, written by `cloudsales demo`.\n"
        "data_dir: .\n"
        "channels:\n"
        f"  {CHANNEL}:\n"
        "    kind: fashionup\n"
        f"    url: {marketplace.url}\n"
        f"    token_env: {TOKEN_VARIABLE}\n"
        f"    limits: {{requests_per_minute: 6000}}\n{rule}{demo_orders.SETTINGS}{store}"
        f"{demo_purchasing.settings_lines()}{demo_documents.settings_lines(couriers)}{demo_messages.SETTINGS}",
        encoding="utf-8",
    )
    os.environ[CONFIG_VARIABLE] = str(file.absolute())
    os.environ[TOKEN_VARIABLE] = marketplace.token
    return load_settings(file)


@contextmanager
def _database(settings: Settings) -> Iterator[Engine]:
    from cloudsales_pipeline.database.engine import engine_for
    from cloudsales_pipeline.database.migrate import initialise

    say("Starting PostgreSQL (it comes with the Python packages; its data lies in .cloudsales/demo)")
    initialise(settings)
    engine = engine_for(settings)
    try:
        yield engine
    finally:
        engine.dispose()


def _load_catalogue(engine: Engine, styles: int) -> None:
    """The retailer's own file, written first so that a person can open it."""
    from cloudsales_pipeline.catalog.load import load_catalog
    from cloudsales_pipeline.simulator import fashion
    from cloudsales_pipeline.simulator.retailer import retailer_catalogue, write_csv

    file = FOLDER / "retailer.csv"
    write_csv(retailer_catalogue(fashion.generate(styles, SEED), SEED).rows, file)
    say(f"Loading the retailer's own catalogue from {file}")
    result = load_catalog(engine, file)
    detail(
        f"{result.rows_in} rows: {result.loaded} loaded, {result.unchanged} unchanged, {result.clashes} codes on several products"
    )


def _run_jobs(instance: dg.DagsterInstance) -> None:
    """The jobs that the schedule would start, in this process and on Dagster's instance: they show in its pages."""
    for job, what in (
        ("import_listing", "Taking in what FashionUp shows: categories, products, variants"),
        ("import_catalog", "Importing it into the catalogue: plan, checks, apply, checks again"),
    ):
        say(f"{what} (job {job})")
        _run(instance, job)


def _run(instance: dg.DagsterInstance, job: str) -> None:
    from cloudsales_pipeline.cli.run import execute

    for line in execute(instance, job, CHANNEL, whole_listing=job == "import_listing"):
        detail(line)


def _fetch_some_images(engine: Engine, settings: Settings) -> None:
    from cloudsales_pipeline.channels.registry import open_fetcher
    from cloudsales_pipeline.listing.images import fetch_images

    say(f"Fetching the first {IMAGES} images (job fetch_images does all of them, beside the imports)")
    fetcher = open_fetcher(CHANNEL, settings.channel(CHANNEL))
    try:
        result = fetch_images(engine, fetcher.fetch, settings.data_dir, channel=CHANNEL, limit=IMAGES, deadline_seconds=20)
    finally:
        fetcher.close()
    detail(f"{result.stored} stored, {result.already_had} were there by content, {result.still_due} still due")
