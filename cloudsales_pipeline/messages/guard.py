"""What a template may hold, checked before anything of it runs.

A template is the shop's own, and still may not hang or fill a process: what could loop, call or grow is refused. It may name the
known fields, ask `if`, go through a list with one `for`, and use a few filters; so what a rendering takes is bounded by the
template's length times the longest list. Jinja's sandbox stands behind that.

What belongs here: that guard, and a fault's words. What does not: reading and rendering (`templates`).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.messages.context import FIELDS, LINE_FIELDS

if TYPE_CHECKING:
    from jinja2 import nodes

FILTERS = ("capitalize", "default", "escape", "first", "int", "last", "length", "lower", "round", "title", "trim", "upper")
_ALLOWED = frozenset(
    (
        "Template", "Output", "TemplateData", "Name", "Getattr", "Const", "If", "For", "CondExpr", "Filter", "Keyword", "Compare",
        "Operand", "And", "Or", "Not", "Add", "Sub", "Concat", "Neg",
    )
)  # fmt: skip
_LOOP = ("index", "index0", "first", "last", "length")
_WORDS = {
    "Call": "a call with ( )", "Assign": "`set`", "AssignBlock": "`set`", "Macro": "`macro`", "CallBlock": "`call`",
    "Include": "`include`", "Import": "`import`", "FromImport": "`import`", "Extends": "`extends`", "Block": "`block`",
    "Mul": "`*`", "Pow": "`**`", "Mod": "`%`", "Div": "`/`", "FloorDiv": "`//`", "List": "a list of its own",
    "Tuple": "a list of its own", "Dict": "a list of its own", "Test": "`is`", "With": "`with`", "FilterBlock": "`filter`",
    "Getitem": "[ ]",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A template's text. place: for errors: the user's file, or `the included …`."""

    name: str
    place: str
    text: str


def guard(source: Source, tree: nodes.Template) -> None:
    """Refuse what a template may not hold.

    Raises:
        SettingsError: the first fault, with its line, and for an unknown field the nearest that is known.
    """
    from jinja2 import nodes

    for node in _walk(tree):
        kind = type(node).__name__
        if kind not in _ALLOWED:
            raise fault(source, node.lineno, f"uses {_WORDS.get(kind, kind)}, which templates can't have")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise fault(source, node.lineno, f"uses the filter {node.name}; known are {', '.join(FILTERS)}")
        if isinstance(node, nodes.For):
            _guard_loop(source, node)
    _guard_names(source, tree, frozenset())


def fault(source: Source, line: int, what: str) -> SettingsError:
    """An error in a template's line."""
    return SettingsError(f"{source.place}, line {line}: the template {what}.", next_step="cloudsales messages preview shows it")


def _guard_loop(source: Source, loop: nodes.For) -> None:
    from jinja2 import nodes

    inner = (node for child in (*loop.body, *loop.else_) for node in _walk(child))
    if loop.recursive or any(isinstance(node, nodes.For) for node in inner):
        raise fault(source, loop.lineno, "has a `for` inside a `for`, which templates can't have")
    if not isinstance(loop.iter, nodes.Name) or not isinstance(loop.target, nodes.Name):
        raise fault(source, loop.lineno, "goes through something else than a field such as lines")


def _guard_names(source: Source, node: nodes.Node, known: frozenset[str]) -> None:
    """Each name is a field, or what a `for` around it brings."""
    from jinja2 import nodes

    if isinstance(node, nodes.Name) and node.name not in FIELDS and node.name not in known:
        raise fault(source, node.lineno, _unknown(node.name, (*FIELDS, *known)))
    if isinstance(node, nodes.Getattr):
        _guard_attribute(source, node, known)
    if isinstance(node, nodes.For):
        assert isinstance(node.target, nodes.Name)  # _guard_loop has seen to it
        _guard_names(source, node.iter, known)
        inside = known | {node.target.name, "loop"}
        for child in (*node.body, *node.else_, *([node.test] if node.test else [])):
            _guard_names(source, child, inside)
        return
    for child in node.iter_child_nodes():
        _guard_names(source, child, known)


def _guard_attribute(source: Source, node: nodes.Getattr, known: frozenset[str]) -> None:
    """Of what a `for` brings alone: line.name, loop.last."""
    from jinja2 import nodes

    owner = node.node.name if isinstance(node.node, nodes.Name) else "…"
    may = _LOOP if owner == "loop" else LINE_FIELDS if owner in known else ()
    if node.attr not in may:
        raise fault(source, node.lineno, _unknown(f"{owner}.{node.attr}", [f"{owner}.{one}" for one in may]))


def _walk(node: nodes.Node) -> list[nodes.Node]:
    found: list[nodes.Node] = []
    left = [node]
    while left:
        found.append(left.pop())
        left.extend(found[-1].iter_child_nodes())
    return sorted(found, key=lambda one: one.lineno or 0)


def _unknown(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
    return f"names {name}, which is no field; {hint}"
