"""`cloudsales documents …`: what a person sees and does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from sqlalchemy.engine import URL, Engine
from typer.testing import CliRunner

from cloudsales_pipeline.cli import app
from cloudsales_pipeline.documents.papers import make_missing
from cloudsales_pipeline.settings import Settings, load_settings
from tests.documents.office import COMPANY, documents
from tests.orders.market import line, market, order, receive, statuses

FAULTY = "payment_methd == 'card'"


@pytest.fixture
def write(database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    file = tmp_path / "cloudsales.yaml"
    monkeypatch.setenv("CLOUDSALES_CONFIG", str(file))
    monkeypatch.chdir(tmp_path)

    def with_rules(*rules: dict[str, str]) -> Settings:
        made = {
            "database": {"url": database_url.render_as_string(hide_password=False)},
            "company": COMPANY,
            "channels": {"fashionup": {"kind": "fashionup", "url": "http://127.0.0.1:9/v1"}},
            "documents": {"goods_leave_on": "scan", "rules": list(rules)},
        }
        file.write_text(yaml.safe_dump(made, allow_unicode=True, sort_keys=False))
        return load_settings()

    return with_rules


def said(*words: str, code: int = 0) -> str:
    ran = CliRunner().invoke(app, ["documents", *words])
    assert ran.exit_code == code, ran.output
    return ran.output


def test_a_person_s_day_with_documents(engine: Engine, tmp_path: Path, write: object) -> None:
    assert callable(write)
    made = write({"issue": "fiscal_invoice", "when": "paid", "name": "paid"})
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 2)))
    assert json.loads(said("check", "--json"))[0]["looks_at"] == ["paid"]
    explained = json.loads(said("explain", "fashionup", "FO1", "--json"))[0]
    assert [(rule["says"], rule["decides"], rule["facts"]) for rule in explained["rules"]] == [("no", False, {"paid": False})]
    assert "FU 1" in said("issue", "fashionup", "FO1", "--kind", "fiscal_invoice")
    assert [one["number"] for one in json.loads(said("list", "--json"))] == ["1"]
    early = CliRunner().invoke(app, ["documents", "get", "FU 1"])
    assert early.exit_code == 1
    assert make_missing(engine, made) == 1
    said("get", "FU 1")
    assert (tmp_path / "FU-1.pdf").read_bytes().startswith(b"%PDF-")
    said("get", "FU 1", "--xml", "-o", "out.xml")
    assert b"CIUS-RO" in (tmp_path / "out.xml").read_bytes()
    assert "goods checked" in said("goods-checked", "fashionup", "FO1")
    assert statuses(engine) == {"FO1": "issued"}
    assert "FU 1 is corrected by FU 2" in said("storno", "FU 1")
    assert [one[2] for one in documents(engine)] == ["FU 1", "FU 2"]
    assert "1 orders looked at" in said("replay", "--since", "2026-11-01")


def test_a_faulty_rule_is_told_with_its_line_and_a_hint(engine: Engine, tmp_path: Path, write: object) -> None:
    assert callable(write)
    write({"issue": "fiscal_invoice", "when": "paid"}, {"issue": "proforma_invoice", "when": FAULTY})
    ran = CliRunner().invoke(app, ["documents", "check"])
    assert ran.exit_code == 1
    told = f"{ran.output} {ran.exception}"
    lines = (tmp_path / "cloudsales.yaml").read_text().splitlines()
    number = next(number for number, text in enumerate(lines, start=1) if FAULTY.split()[0] in text)
    assert f"cloudsales.yaml, line {number}: documents.rules: rule 2 names payment_methd" in told
    assert "did you mean payment_method?" in told
