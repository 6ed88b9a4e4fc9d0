"""Templates: found in the user's folder or among the included ones, read, tried on a sample, and rendered.

What belongs here: files and rendering. What does not: what a template may hold (`guard`), the fields' values (`context`), and
which template a rule means.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.messages.guard import FILTERS, Source, fault, guard

if TYPE_CHECKING:
    from jinja2 import Environment, Template

LONGEST = 20_000  # characters of a template
LONGEST_RENDERED = 100_000


class TemplateFailedError(Exception):
    """A template that was right when it was checked can't be rendered for this order; `reason` as a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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
        guard(source, tree)
        return environment.from_string(tree)
    except TemplateSyntaxError as error:
        raise fault(source, error.lineno, f"can't be read ({error.message})") from None
    except (RecursionError, MemoryError, SyntaxError):  # Python's own compiler gives up
        raise fault(source, 1, "is nested too deeply") from None


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
        raise fault(source, _line(error), f"can't be rendered: {error}") from None
    if size > LONGEST_RENDERED:
        raise fault(source, 1, f"makes more than {LONGEST_RENDERED} characters")
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


def _line(error: BaseException) -> int:
    """The template's line in which it happened: its code is compiled with the template's own line numbers."""
    trace, line = error.__traceback__, 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
