"""A person's word on what was held: the suggestion accepted or rejected, and what the next plan makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.load import load_catalog
from cloudsales_pipeline.catalog.review import accept_suggestion, list_suggestions, reject_suggestion
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.settings import CatalogSettings, SuggestionSettings
from tests.catalog.shop import CHANNEL, decide, outcomes, query, scalar, show, write_catalogue

HOLD = CatalogSettings(suggestions=SuggestionSettings(hold_above=0.8))
CATALOGUE = [
    ("R-1", "", "", "Rochie Vaporoasa Ilinca", "Mara", "129.90", "M", "rosu"),
    ("R-3", "", "", "Rochie Vaporoasa Ilinca", "Mara", "129.90", "M", "rosu"),
    *((f"X-{n}", "", "", f"Produs {n}a {n}b", "Alta", "10", "S", "alb") for n in range(40)),
]


@pytest.fixture
def held(engine: Engine, tmp_path: Path) -> Engine:
    """A shop where v1 is held: it may be R-1 or R-3, which look the same."""
    header = ("sku", "ean", "additional_codes", "name", "brand", "price", "size", "colour")
    load_catalog(engine, write_catalogue(tmp_path / "catalog.csv", CATALOGUE, header))
    show(engine, [("v1", "NOU-1", None)], name="Rochie Ilinca vaporoasă")
    decide(engine, policy=HOLD)
    return engine


def test_a_person_sees_what_to_compare_beside_each_product_it_may_be(held: Engine) -> None:
    first, second = list_suggestions(held, channel=CHANNEL)
    assert (first["variant_id"], first["sku"], first["product_name"]) == ("v1", "R-1", "Rochie Vaporoasa Ilinca")
    assert second["sku"] == "R-3"


def test_accepted_is_a_manual_link_and_no_product_is_made(held: Engine) -> None:
    assert accept_suggestion(held, CHANNEL, "v1", "R-1") == "R-1"
    decide(held, policy=HOLD)
    assert outcomes(held) == {"v1": "linked:R-1"}
    assert [tuple(r) for r in query(held, "select sku, matched_by from analytics.link")] == [("R-1", "manual")]
    states = {r.sku: r.state for r in query(held, "select sku, state from analytics.suggestion")}
    assert states == {"R-1": "accepted", "R-3": "rejected"}
    assert scalar(held, "select count(*) from analytics.product where sku = 'NOU-1'") == 0
    assert scalar(held, "select resolution from analytics.quarantine where stage = 'match'") == "resolved"


def test_among_several_the_person_has_to_say_which(held: Engine) -> None:
    with pytest.raises(InputError, match="Say which product it is; suggested: R-1, R-3"):
        accept_suggestion(held, CHANNEL, "v1")
    assert scalar(held, "select count(*) from analytics.link") == 0


def test_rejected_is_created_by_the_next_plan_and_not_suggested_again(held: Engine) -> None:
    reject_suggestion(held, CHANNEL, "v1")
    result = decide(held, policy=HOLD)
    assert result.products_created == 1
    assert outcomes(held) == {"v1": "created:NOU-1"}
    assert {r.state for r in query(held, "select state from analytics.suggestion")} == {"rejected"}
    assert list_suggestions(held) == []


def test_what_nobody_suggested_can_be_neither_accepted_nor_rejected(held: Engine) -> None:
    show(held, [("v2", "NOU-2", None)], name="Pulover Ruxandra")
    for act in (reject_suggestion, accept_suggestion):
        with pytest.raises(InputError, match="Nothing is suggested"):
            act(held, CHANNEL, "v2")
