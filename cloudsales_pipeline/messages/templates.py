"""Templates: found in the user's folder or among the included ones, read, guarded, and rendered.

A template is data of the shop's own, and still may not hang or fill a process: what could loop, call or grow is refused before
anything runs. It may name the known fields, ask `if`, go through a list with one `for`, and use a few filters; so what a rendering
takes is bounded by the template's length times the longest list. Jinja's sandbox stands behind that.

What belongs here: files, the guard, rendering. What does not: the fields' values (`context`), and which template a rule means.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.messages.context import FIELDS, LINE_FIELDS

if TYPE_CHECKING:
    from jinja2 import Environment, Template, nodes

KINDS = ("txt", "html", "sms")
LONGEST = 20_000  # characters of a template
LONGEST_RENDERED = 100_000
FILTERS = (
    "capitalize",
    "default",
    "escape",
    "first",
    "int",
    "last",
    "length",
    "lower",
    "round",
    "title",
    "trim",
    "truncate",
    "upper",
)
_ALLOWED = frozenset(
    (
        "Template", "Output", "TemplateData", "Name", "Getattr", "Getitem", "Const", "If", "For", "CondExpr", "Filter", "Keyword",
        "Compare", "Operand", "And", "Or", "Not", "Add", "Sub", "Concat", "Neg",
    )
)  # fmt: skip
_LOOP = ("index", "index0", "first", "last", "length")


class TemplateFailedError(Exception):
    """A template that was right when it was checked can't be rendered for this order; `reason` as a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Source:
    """A template's text. place: for errors: the user's file by its name, or `included`."""

    name: str
    place: str
    text: str


def find(folder: Path | None, language: str, name: str, kind: str) -> Source | None:
    """The template of that language, the user's before the included one; None where there is none.

    Raises:
        SettingsError: the user's can't be read, or is too long.
    """
    file = f"{language}/{name}.{kind}.j2"
    if folder is not None and (own := folder / file).is_file():
        try:
            text = own.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"The template {file} can't be read ({type(error).__name__}).") from None
        if len(text) > LONGEST:
            raise SettingsError(f"The template {file} is longer than {LONGEST} characters.", next_step="shorten it")
        return Source(file, f"messages.templates/{file}", text)
    included = resources.files(__package__).joinpath("templates", language, f"{name}.{kind}.j2")
    return Source(file, f"the included {file}", included.read_text(encoding="utf-8")) if included.is_file() else None


def names(folder: Path | None, language: str) -> list[str]:
    """The templates that there are in that language."""
    own = [one.name for one in (folder / language).glob("*.j2")] if folder is not None and (folder / language).is_dir() else []
    included = [one.name for one in resources.files(__package__).joinpath("templates", language).iterdir()]
    return sorted({one.split(".", 1)[0] for one in (*own, *included) if one.endswith(".j2")})


def parsed(source: Source) -> Template:
    """The template, guarded: made only of what is allowed, with known fields.

    Raises:
        SettingsError: it is not; names the template, the line, and for a field the nearest that is known.
    """
    from jinja2 import TemplateSyntaxError

    environment = _environment("html" if ".html." in source.name else "text")
    try:
        tree = environment.parse(source.text)
    except TemplateSyntaxError as error:
        raise _fault(source, error.lineno, error.message or "can't be read") from None
    except RecursionError:
        raise _fault(source, 1, "is nested too deeply") from None
    _guard(source, tree)
    return environment.from_string(tree)


def render(template: Template, context: dict[str, Any]) -> str:
    """The text.

    Raises:
        TemplateFailedError: too_long, or template_failed.
    """
    pieces, size = [], 0
    try:
        for piece in template.generate(context):
            pieces.append(piece)
            size += len(piece)
            if size > LONGEST_RENDERED:
                raise TemplateFailedError("too_long")
    except TemplateFailedError:
        raise
    except Exception:  # whatever a template stumbles over, the others' messages go on; its text may hold values
        raise TemplateFailedError("template_failed") from None
    return "".join(pieces).strip()


def check(source: Source, context: dict[str, Any]) -> Template:
    """The template, tried on a sample.

    Raises:
        SettingsError: as `parsed`, or it does not render.
    """
    from jinja2 import TemplateError

    template = parsed(source)
    try:
        size = sum(len(piece) for piece in template.generate(context))
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise _fault(source, _line(error), f"can't be rendered: {error}") from None
    if size > LONGEST_RENDERED:
        raise _fault(source, 1, f"makes more than {LONGEST_RENDERED} characters")
    return template


@cache
def _environment(kind: str) -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=kind == "html", trim_blocks=True, lstrip_blocks=True, cache_size=0
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in FILTERS}
    made.tests = {}
    return made


def _guard(source: Source, tree: nodes.Template) -> None:
    from jinja2 import nodes

    for node in _walk(tree):
        kind = type(node).__name__
        if kind not in _ALLOWED:
            raise _fault(source, node.lineno, f"uses {_WORDS.get(kind, kind)}, which templates can't have")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise _fault(source, node.lineno, f"uses the filter {node.name}; known are {', '.join(FILTERS)}")
        if isinstance(node, nodes.For):
            _guard_loop(source, node)
    _guard_names(source, tree, frozenset())


def _guard_loop(source: Source, loop: nodes.For) -> None:
    from jinja2 import nodes

    if loop.recursive or any(True for child in (*loop.body, *loop.else_) for _ in child.find_all(nodes.For)) or any(
        isinstance(child, nodes.For) for child in (*loop.body, *loop.else_)
    ):  # fmt: skip
        raise _fault(source, loop.lineno, "has a `for` inside a `for`, which templates can't have")
    if not isinstance(loop.iter, nodes.Name) or not isinstance(loop.target, nodes.Name):
        raise _fault(source, loop.lineno, "goes through something else than a field such as lines")


def _guard_names(source: Source, node: nodes.Node, known: frozenset[str]) -> None:
    """Each name is a field, or what a `for` around it brings."""
    from jinja2 import nodes

    if isinstance(node, nodes.Name) and node.name not in FIELDS and node.name not in known:
        raise _fault(source, node.lineno, _unknown(node.name, (*FIELDS, *known), "field"))
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        may = _LOOP if node.node.name == "loop" else LINE_FIELDS if node.node.name in known else ()
        if node.attr not in may:
            raise _fault(
                source, node.lineno, _unknown(f"{node.node.name}.{node.attr}", [f"{node.node.name}.{m}" for m in may], "field")
            )
    if isinstance(node, nodes.For):
        _guard_names(source, node.iter, known)
        inside = known | {node.target.name, "loop"}  # type: ignore[attr-defined]
        for child in (*node.body, *node.else_, *([node.test] if node.test else [])):
            _guard_names(source, child, inside)
        return
    for child in node.iter_child_nodes():
        _guard_names(source, child, known)


def _walk(node: nodes.Node) -> list[nodes.Node]:
    found, left = [], [node]
    while left:
        found.append(left.pop())
        left.extend(found[-1].iter_child_nodes())
    return sorted(found, key=lambda one: one.lineno)


_WORDS = {
    "Call": "a call with ( )", "Assign": "`set`", "AssignBlock": "`set`", "Macro": "`macro`", "CallBlock": "`call`",
    "Include": "`include`", "Import": "`import`", "FromImport": "`import`", "Extends": "`extends`", "Block": "`block`",
    "Mul": "`*`", "Pow": "`**`", "Mod": "`%`", "Div": "`/`", "FloorDiv": "`//`", "List": "a list of its own",
    "Tuple": "a list of its own", "Dict": "a list of its own", "Test": "`is`", "With": "`with`", "FilterBlock": "`filter`",
    "Slice": "a slice",
}  # fmt: skip


def _unknown(name: str, known: Any, what: str) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
    return f"names {name}, which is no {what}; {hint}"


def _line(error: BaseException) -> int:
    """The template's line in which it happened: its code is compiled with the template's own line numbers."""
    trace, line = error.__traceback__, 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _fault(source: Source, line: int, what: str) -> SettingsError:
    return SettingsError(f"{source.place}, line {line}: the template {what}.", next_step="cloudsales messages preview shows it")
