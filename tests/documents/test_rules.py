"""The user's conditions: what is refused when they are loaded, which one decides, and that none can loop, reach out or eat memory."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cloudsales_pipeline.documents.facts import MEANINGS, Facts
from cloudsales_pipeline.documents.rules import CheckedRules, check_rules, decide, judge
from cloudsales_pipeline.documents.vat import RATES
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.documents import DocumentSettings
from tests.conftest import ROOT

ORDER = Facts(
    channel="fashionup",
    status="new",
    total=Decimal("219.99"),
    currency="RON",
    discount=Decimal(0),
    delivery_price=Decimal("19.99"),
    payment_method="bank_transfer",
    payment_status="pending",
    paid=False,
    delivery_method="courier",
    courier="",
    county="Cluj",
    company=False,
    quantity=4,
    lines=2,
    reserved=3,
    waiting=1,
    issued=0,
    cancelled=0,
    reserved_share=Decimal("0.75"),
    fully_reserved=False,
    warehouse="CENTRAL",
    warehouses=("CENTRAL",),
    age_hours=Decimal("30.50"),
    in_review=False,
    review=(),
    goods_checked=False,
    has_proforma_invoice=False,
    has_fiscal_invoice=False,
    has_waybill=False,
)


def rules(*conditions: str | tuple[str, str], issue: str = "fiscal_invoice") -> CheckedRules:
    """Rules of these conditions, all of one kind, or (kind, condition)."""
    pairs = [one if isinstance(one, tuple) else (issue, one) for one in conditions]
    return check_rules(DocumentSettings.model_validate({"rules": [{"issue": kind, "when": when} for kind, when in pairs]}))


def refused(condition: str) -> str:
    with pytest.raises(SettingsError) as error:
        rules("paid", condition)
    assert error.value.message.startswith("documents.rules: rule 2 ")
    assert "documents check" in str(error.value)
    return error.value.message


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("total >= 219.99 and total < 220", True),
        ("reserved_share >= 0.75 and waiting == 1", True),
        ("payment_method in ['card', 'bank_transfer'] and not paid", True),
        ("'CENTRAL' in warehouses and warehouses.length == 1", True),
        ("county.as_lower == 'cluj' and county.starts_with('Cl')", True),
        ("age_hours > 24 ? in_review : not in_review", False),
        ("'total_differs' in review", False),
        ("(quantity - waiting) * 2 == 6 and quantity % 3 == 1", True),
        ("warehouse == 'for the ~ $ shop ** __class__'", False),  # within quotes stands what may
    ],
)
def test_a_condition_over_an_order_s_facts(condition: str, holds: bool) -> None:
    assert ("fiscal_invoice" in decide(rules(condition), ORDER)) is holds


def test_of_each_kind_the_first_rule_that_holds_decides() -> None:
    both = rules(
        ("fiscal_invoice", "paid"),
        ("proforma_invoice", "not paid"),
        ("fiscal_invoice", "total > 200"),
        ("fiscal_invoice", "total > 100"),
        ("proforma_invoice", "total > 0"),
    )
    assert {kind: one.rule.place for kind, one in decide(both, ORDER).items()} == {"proforma_invoice": 2, "fiscal_invoice": 3}
    paid = decide(both, replace(ORDER, paid=True))
    assert {kind: one.rule.place for kind, one in paid.items()} == {"fiscal_invoice": 1, "proforma_invoice": 5}


def test_an_unknown_name_gets_a_hint() -> None:
    assert "names fulyy_reserved, which is no fact of an order; did you mean fully_reserved?" in refused("fulyy_reserved")
    assert "(a text stands in quotes); facts are channel, status," in refused("payment_method == card")


@pytest.mark.parametrize(
    "condition",
    [
        "total > 'a lot'",
        "total == '219.99'",  # the engine would say no each time, and no invoice would ever be issued
        "paid == 1",
        "paid == 'yes'",
        "not (county != 40)",
        "county in [1, 2]",
        "5 in warehouses",
        "quantity + county > 1",
        "courier == null",
    ],
)
def test_a_wrong_type_is_refused_when_the_rules_are_loaded(condition: str) -> None:
    assert "different types: texts stand in quotes, numbers don't" in refused(condition)


def test_what_gives_no_yes_or_no_is_refused() -> None:
    assert "gives no yes or no" in refused("total")
    assert "can't be read (syntax error" in refused("total > 100 and")
    assert "can't be read (syntax error" in refused("   ")


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("total ** 99999 > 1", "powers"),
        ("'a' * 10 ** 9 == 'b'", "powers"),
        ("'a' * 1000000000 == 'b'", "different types"),
        ("1 << 99999 > 1", "shifts"),
        ("1e999999 > 1", "exponent"),
        ("total > 0xff", "decimal"),
        ("[x for x in warehouses][0] == 'a'", "comprehensions"),
        ("county =~ '(a+)+$'", "regular expressions"),
        ("county !~ 'a'", "regular expressions"),
        ("$now > $now", "built-ins"),
        ("county.__class__ == ''", "asks for .__class__"),
        ("county . __class__ == ''", "asks for .__class__"),
        ("county.to_ary.length > 1", "asks for .to_ary"),
        ("county.split(',')[0] == 'a'", "asks for .split"),
        ("().__class__.__bases__[0] == 1", "asks for .__class__"),
        ("__import__('os')", "no fact of an order"),
        ("open('/etc/passwd') == 'a'", "no fact of an order"),
        ("exec", "no fact of an order"),
        ("paid; paid", "signs other than"),
        ("paid # a comment", "signs other than"),
        ("{'a': 1}['a'] == 1", "signs other than"),
        ("lambda: 1", "can't be read"),
        ("9" * 240 + " % 7 > 1", "can't be read"),
        ("'\\\\\\' == 'a'", "can't be read"),
    ],
)
def test_a_hostile_expression_is_refused_before_it_can_do_anything(condition: str, why: str) -> None:
    assert why in refused(condition)


def test_a_condition_of_more_than_500_characters_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 500"):
        rules("paid or " * 70 + "paid")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "condition",
    [
        "(" * 245 + "paid" + ")" * 245,
        "not " * 124 + "paid",
        "-" * 494 + "1 > 0",
        "[" * 240 + "1" + "]" * 240 + " == [1]",
        "paid and " * 55 + "paid",
        "1/3*" * 120 + "total > 0",
        "(paid ? " * 38 + "paid" + " : paid)" * 22,
        "warehouses[" * 44 + "0" + "]" * 15,
        "county + " * 54 + "county == 'x'",
        "9" * 490 + " > total",
    ],
)
def test_the_worst_that_fits_into_500_characters_is_refused_or_judged_a_hundred_times_in_no_time(condition: str) -> None:
    """Cost grows with the condition's length, which is bounded: nothing in it multiplies."""
    try:
        loaded = rules(condition)
    except SettingsError:
        return
    for _ in range(100):
        judge(loaded, ORDER)


def test_a_rule_that_divides_by_zero_fails_for_that_order_and_the_next_rule_is_asked() -> None:
    both = rules("total / cancelled > 1", "waiting == 1")
    found = judge(both, ORDER)
    assert found.decisions["fiscal_invoice"].rule.place == 2
    assert [(rule.place, why) for rule, why in found.failed] == [(1, "divides by zero, or reckons what has no result")]
    assert judge(both, replace(ORDER, cancelled=1)).decisions["fiscal_invoice"].rule.place == 1


def test_a_warehouse_that_is_not_there_fails_as_a_rule_and_not_as_a_program() -> None:
    found = judge(rules("warehouses[3] == 'CENTRAL'"), ORDER)
    assert (found.decisions, len(found.failed)) == ({}, 1)


def test_the_line_of_the_settings_file_stands_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cloudsales.yaml"
    file.write_text(
        "documents:\n  rules:\n    - issue: fiscal_invoice\n      when: paid\n    - issue: fiscal_invoice\n      name: big\n      when: totl > 100\n"
    )
    monkeypatch.setenv("CLOUDSALES_CONFIG", str(file))
    from cloudsales_pipeline.settings import load_settings

    with pytest.raises(SettingsError) as error:
        check_rules(load_settings().documents)
    assert error.value.message.startswith("cloudsales.yaml, line 7: documents.rules: rule 2 (big) names totl")
    assert "did you mean total?" in error.value.message


def test_every_fact_has_a_type_and_a_meaning_and_can_be_asked_for() -> None:
    asks: dict[str, Any] = {"text": "{} == 'x'", "number": "{} > 1", "yes_or_no": "{}", "texts": "'x' in {}"}
    assert set(MEANINGS) == set(Facts.__struct_fields__)
    for name, (kind, _) in MEANINGS.items():
        rules(asks[kind].format(name))


def test_the_page_for_users_tells_every_fact_with_its_meaning() -> None:
    page = (ROOT / "docs" / "documents.md").read_text(encoding="utf-8")
    words = {"text": "text", "number": "number", "yes_or_no": "yes or no", "texts": "list of texts"}
    for name, (kind, meaning) in MEANINGS.items():
        assert f"| `{name}` | {words[kind]} | {meaning} |" in page
    for rates in RATES:
        assert f"| {rates.since.isoformat()} | {rates.standard} % |" in page
