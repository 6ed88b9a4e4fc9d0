"""A command that the documentation shows is one that exists."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

import cloudsales_pipeline.cli
from tests.docs.pages import ROOT, pages, shell_lines

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def documented(program: str) -> set[tuple[str, ...]]:
    """The commands of `program` that the pages' shell blocks show, as words; what stands for an argument is left in."""
    lines = {line for page in pages() for line in shell_lines(page.read_text(encoding="utf-8"))}
    return {tuple(line.split()[1:]) for line in lines if line.split()[0] == program}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, flags=re.MULTILINE))


def test_every_make_command_of_the_pages_is_a_target() -> None:
    shown = {word for words in documented("make") for word in words if not re.search(r"[=']", word) and not word.startswith("-")}
    assert {"demo", "test", "check"} <= shown
    assert shown - targets() == set()


def test_every_target_has_a_sentence_in_the_help() -> None:
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## \S", MAKEFILE, flags=re.MULTILINE))
    assert targets() - explained == set()


def test_every_cloudsales_command_of_the_pages_exists() -> None:
    shown = documented("cloudsales")
    assert len(shown) >= 10
    unknown = {" ".join(words) for words in shown if not exists(command_line(), words)}
    assert unknown == set()


def exists(command: Any, words: tuple[str, ...]) -> bool:
    """Whether `words` lead to a command, and its options are among those it has."""
    while find := getattr(command, "get_command", None):
        subcommand = find(None, words[0]) if words else None
        if subcommand is None:
            return bool(words) and words[0] in ("--help", "--version")
        command, words = subcommand, words[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return {word.split("=")[0] for word in words if word.startswith("--")} <= known


def command_line() -> Any:
    """The command line's tree. typer brings a click of its own, so its commands are asked by what they have."""
    for value in vars(cloudsales_pipeline.cli).values():
        if isinstance(value, typer.Typer):
            return typer.main.get_command(value)
    pytest.skip("the command line is not in this tree")


def test_a_command_or_an_option_that_is_not_there_is_noticed() -> None:
    app, codes = typer.Typer(), typer.Typer()
    app.add_typer(codes, name="codes")

    @codes.command()
    def add(sku: str, kind: str = "additional") -> None: ...

    @codes.command()
    def load() -> None: ...

    tree = typer.main.get_command(app)
    assert exists(tree, ("codes", "add", "SKU", "--kind", "gtin"))
    assert not exists(tree, ("codes", "add", "SKU", "--force"))
    assert not exists(tree, ("codes", "remove"))
    assert not exists(tree, ("codes",))
