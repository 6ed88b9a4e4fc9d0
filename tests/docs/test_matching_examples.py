"""docs/matching.md: every example in its table of codes is what the code does, and every reason has its advice."""

import re

import pytest

from cloudsales_pipeline.codes import code_key, is_gtin, read_ean
from tests.docs.pages import ROOT, tables

PAGE = (ROOT / "docs" / "matching.md").read_text(encoding="utf-8")
EXAMPLES = next(table for table in tables(PAGE) if table[0][0] == "as it came")[1:]
DECISIONS = next(table for table in tables(PAGE) if table[0][0] == "order")[1:]


def written(cell: str) -> str:
    r"""What a cell shows between backticks, its \u escapes as the characters they stand for."""
    text = cell.removeprefix("`").removesuffix("`")
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[0])
def test_an_example_of_the_page_reads_as_the_page_says(example: list[str]) -> None:
    came, key, state, _ = example
    expected = None if key == "none" else written(key)
    assert code_key(written(came)) == expected
    assert read_ean(written(came)) == (expected, state)


def test_the_page_shows_every_state_and_both_kinds_of_key() -> None:
    assert {example[2] for example in EXAMPLES} == {"valid", "bad", "empty"}
    assert len(EXAMPLES) == 29
    assert sum(example[1] == "none" for example in EXAMPLES) == 7


def test_every_reason_that_waits_for_a_person_has_a_section_that_says_what_to_do() -> None:
    waiting = {reason for row in DECISIONS if row[2] in ("conflict", "invalid", "duplicate_in_listing", "suggested")
               for reason in re.findall(r"`([a-z_]+)`", row[3])}  # fmt: skip
    sections = set(re.findall(r"^### ([a-z_]+)$", PAGE, flags=re.MULTILINE))
    assert len(waiting) == 7
    assert waiting - sections == set()


def test_the_eans_of_the_worked_example_are_what_it_calls_them() -> None:
    assert is_gtin("5941234567899")
    assert is_gtin("96385074")
    assert not is_gtin("5941234567890")


def test_every_reason_that_the_page_names_is_one_that_the_decision_gives() -> None:
    decisions = [ROOT / "cloudsales_pipeline" / "catalog" / name for name in ("plan.sql", "hold_probable.sql")]
    named = {reason for row in DECISIONS for reason in re.findall(r"`([a-z_]+)`", row[3])}
    given = {reason for path in decisions for reason in re.findall(r"'([a-z_]+)'", path.read_text(encoding="utf-8"))}
    assert named - given == set()
