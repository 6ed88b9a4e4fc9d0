"""`cloudsales codes add|load`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def codes() -> None:
    """Additional codes: what a site calls a product that the catalogue knows under another code."""


@app.command()
def add(
    sku: Annotated[str, typer.Argument(help="The product's SKU.")],
    code: Annotated[str, typer.Argument(help="The code by which a channel knows it.")],
    as_json: Json = False,
) -> None:
    """Give a product one more code. A code that another product has is refused."""
    from cloudsales_pipeline.catalog.additional_codes import add_code

    with project() as (_, engine):
        result = add_code(engine, sku, code)
    print_rows([asdict(result)], as_json=as_json, title=f"{code} for {sku}")


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX with the columns sku and code.")],
    encoding: Annotated[str | None, typer.Option(help="Of a CSV that is not UTF-8, for example cp1250.")] = None,
    as_json: Json = False,
) -> None:
    """Give products the codes of a file; what can't be added goes to quarantine, row by row."""
    from cloudsales_pipeline.catalog.additional_codes import load_codes

    with project() as (_, engine):
        result = load_codes(engine, file, encoding=encoding)
    print_rows([asdict(result)], as_json=as_json, title=f"{file.name} loaded")
