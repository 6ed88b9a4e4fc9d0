"""Read cloudsales.yaml, and say in words, with the line, what is wrong in it. Never the value, which may be a secret."""

from __future__ import annotations

import os
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.model import Settings

CONFIG_VARIABLE = "CLOUDSALES_CONFIG"
DEFAULT_FILE = "cloudsales.yaml"


def settings_file() -> Path:
    """The file in force: CLOUDSALES_CONFIG, else cloudsales.yaml in the current folder."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE).absolute()


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the settings.

    Paths come back absolute: relative to the file's folder.

    Raises:
        SettingsError: no file, not YAML, or not our shape; names the file, the line and what is allowed there.
    """
    file = (path or settings_file()).absolute()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"There is no settings file {file.name} in {file.parent.name or '/'}/.",
            next_step=f"change to the folder that has it, or set {CONFIG_VARIABLE}",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file.name} can't be read: {error}.") from None
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{file.name}{where}: not YAML ({getattr(error, 'problem', None) or 'unreadable'}).") from None
    if not isinstance(data, dict):
        raise SettingsError(f"{file.name}, line 1: sections such as `channels:` are expected.")
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError(_explain(error, file, text), next_step="correct that line") from None
    return _placed(settings, file.parent)


def _placed(settings: Settings, folder: Path) -> Settings:
    """Paths made absolute, relative to the file's folder, so that every process finds the same."""

    def absolute(path: Path | None) -> Path | None:
        return None if path is None else (folder / path).absolute()

    messages = settings.messages.model_copy(update={"templates": absolute(settings.messages.templates)})
    company = settings.company.model_copy(update={"logo": absolute(settings.company.logo)})
    documents = settings.documents.model_copy(update={"e_invoice_folder": absolute(settings.documents.e_invoice_folder)})
    sections = {"company": company, "documents": documents, "messages": messages}
    return settings.model_copy(update={"data_dir": absolute(settings.data_dir), **sections})


def _explain(error: ValidationError, file: Path, text: str) -> str:
    """The first fault with its line, in words; never the value, which may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    path = [part for part in first["loc"] if part != "[key]"]
    line = _line_of(text, path)
    name = ".".join(str(part) for part in path) or "the file"
    reason = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = f"unknown setting; known here: {', '.join(_known(path[:-1]))}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{file.name}, line {line}: {name}: {reason}{more}."


def _known(path: list[int | str]) -> list[str]:
    """The settings allowed under `path`: the fields of the section it leads to."""
    model: type[BaseModel] = Settings
    steps = iter(path)
    for part in steps:
        field = model.model_fields.get(str(part))
        found = _section_in(field.annotation) if field else None
        if found is None:
            break
        model, in_between = found
        for _ in range(in_between):  # a mapping's key, a list's place
            next(steps, None)
    return list(model.model_fields)


def _section_in(annotation: Any, depth: int = 0) -> tuple[type[BaseModel], int] | None:
    """The section that a field holds, and how many keys lie between; None where it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, depth
    origin = get_origin(annotation)
    deeper = 0 if origin in (Union, UnionType) else 1
    for inner in get_args(annotation):
        found = _section_in(inner, depth + deeper)
        if found:
            return found
    return None


def _line_of(text: str, path: list[int | str]) -> int:
    """The line (from 1) of the deepest node of `path` that the file has."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def place_in_file(path: list[int | str], value: str) -> str:
    """`cloudsales.yaml, line 12: ` of a setting of the file in force, for errors that are found later; empty where the file does
    not say `value` there, so that no wrong line is told.
    """
    file = settings_file()
    try:
        text = file.read_text(encoding="utf-8")
        found: Any = yaml.safe_load(text)
        for part in path:
            found = found[True if part == "on" and "on" not in found else part]  # YAML 1.1 reads the key `on` as true
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError):
        return ""
    return f"{file.name}, line {_line_of(text, path)}: " if found == value else ""
