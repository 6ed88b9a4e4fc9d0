"""docs/operating.md: every setting is told, and the files under deploy/ hold together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from cloudsales_pipeline.settings import Settings, load_settings
from tests.docs.pages import ROOT, tables

PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
DEPLOY = ROOT / "deploy"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key that a file may have, dotted; NAME stands for what a person names."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        inner, named = section(field.annotation)
        if inner is None:
            yield path
        else:
            yield from keys(inner, f"{path}.NAME." if named else f"{path}.")


def section(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section behind a type, and whether it is a mapping of names to sections."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for part in get_args(annotation):
        inner, _ = section(part)
        if inner is not None:
            return inner, annotation.__class__.__name__ == "GenericAlias"
    return None, False


def test_every_setting_has_its_line_in_the_page() -> None:
    rows = next(table for table in tables(PAGE) if table[0][0] == "key")[1:]
    told = {key for row in rows for key in re.findall(r"`([^`]+)`", row[0])}
    told |= {f"channels.NAME.{key}" for key in told if key.startswith(("stock.", "orders."))}
    assert len(list(keys(Settings))) >= 25
    assert set(keys(Settings)) - told == set()


@pytest.mark.parametrize(("name", "host"), [("containers", "database"), ("machine", "localhost")])
def test_the_settings_to_deploy_are_settings_that_name_their_server_and_hold_no_password(name: str, host: str) -> None:
    settings = load_settings(DEPLOY / f"cloudsales.{name}.yaml")
    assert settings.channel("fashionup").token_env == "FASHIONUP_TOKEN"
    assert settings.database.url is not None
    assert settings.database.url.get_secret_value() == f"postgresql+psycopg://cloudsales@{host}/cloudsales"


def test_compose_publishes_the_pages_to_this_machine_alone_and_starts_them_after_the_migration() -> None:
    services = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert services["webserver"]["ports"] == ["127.0.0.1:3000:3000"]
    for name in ("webserver", "daemon"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert [name for name, service in services.items() if "ports" in service] == ["webserver"]


def test_units_and_containers_are_told_every_variable_that_dagster_reads() -> None:
    example = (DEPLOY / "environment.example").read_text(encoding="utf-8")
    given = set(re.findall(r"^([A-Z_]+)=", example, flags=re.MULTILINE))
    told = {
        name for row in next(t for t in tables(PAGE) if t[0][0] == "variable")[1:] for name in re.findall(r"`([A-Z_]+)`", row[0])
    }
    assert {"CLOUDSALES_DAGSTER_URL", "CLOUDSALES_DAGSTER_DATA", "DAGSTER_HOME", "CLOUDSALES_CONFIG"} <= given & told
    dagster_yaml = ROOT / "dagster.yaml"
    if dagster_yaml.exists():
        assert set(re.findall(r"env: ([A-Z_]+)", dagster_yaml.read_text(encoding="utf-8"))) - given == set()


def test_every_reason_that_an_adapter_or_the_listing_gives_is_explained() -> None:
    word = r'"([a-z]+_[a-z_]+|unreadable)"'
    # first in PayloadError, second in Rejected, last in a line of the adapter's tables of fields, or what a function returns
    places = (
        rf"PayloadError\({word}",
        rf'Rejected\((?:f?"[^"]*"|[^",]+), {word}',
        rf'(?m)^    \("\w+", .+, {word}\),$',
        rf"return {word}",
    )
    modules = [path for stage in ("channels", "listing") for path in (ROOT / "cloudsales_pipeline" / stage).glob("*.py")]
    texts = [text for path in modules if re.search(r"PayloadError|Rejected\(", text := path.read_text(encoding="utf-8"))]
    given = {reason for text in texts for place in places for reason in re.findall(place, text)}
    assert {"no_id", "bad_id", "category_cycle", "unknown_status", "duplicate_variant"} <= given
    told = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert given - told == set()
