"""Probable duplicates: what counts as the same product, how sure the score is, and what a plan holds for a person."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.blocking import COMMON, Blocks
from cloudsales_pipeline.catalog.load import load_catalog
from cloudsales_pipeline.catalog.plan import make_plan
from cloudsales_pipeline.catalog.quality import audit_plan
from cloudsales_pipeline.catalog.suggestions import Suggestion, suggest
from cloudsales_pipeline.catalog.wording import Described, colours_in, fold, read, read_size
from cloudsales_pipeline.settings import CatalogSettings, QualitySettings, SuggestionSettings
from tests.catalog.shop import CHANNEL, decide, outcomes, query, scalar, show, write_catalogue

HOLD = CatalogSettings(suggestions=SuggestionSettings(hold_above=0.8))
HEADER = ("sku", "ean", "additional_codes", "name", "brand", "price", "size", "colour")
CATALOGUE = [
    ("R-1", "", "", "Rochie Vaporoasa Ilinca", "Mara", "129.90", "M", "rosu"),
    ("R-2", "", "", "Rochie Vaporoasa Ilinca", "Mara", "129.90", "L", "rosu"),
    ("R-3", "", "", "Rochie Vaporoasa Ilinca", "Mara", "129.90", "M", "negru"),
    ("R-4", "", "", "Geanta Ozana", "Mara", "89.90", "", "negru"),
    *((f"X-{n}", "", "", f"Produs {n}a {n}b", "Alta", "10", "S", "alb") for n in range(40)),
]

# Measured on 2026-11-24 (precision at 0.9, recall at 0.9, precision at 0.5, recall at 0.5, calibration error), with a margin.
FLOORS = {
    "suggest_abt_buy": (0.95, 0.68, 0.91, 0.84, 0.05),
    "suggest_hm_variants": (0.96, 0.86, 0.94, 0.88, 0.05),
    "suggest_wdc_shoes_dev": (0.89, 0.34, 0.82, 0.66, 0.09),
}


def kit_rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def kit_item(row: dict[str, str], ref: str) -> Described:
    own = json.loads(row.get("attributes") or "{}")
    price = float(row["price"]) if row["price"] else None
    return Described(
        row[ref], row["name"], row["brand"], row["description"], price, row["category"], own.get("marime"), own.get("culoare")
    )


def measured(best: dict[str, Suggestion], truth: dict[str, set[str]], threshold: float) -> tuple[float, float]:
    """Precision and recall of each listing's best suggestion from `threshold` up."""
    given = [found for found in best.values() if found.score >= threshold]
    right = sum(found.product_ref in truth[str(found.listing_ref)] for found in given)
    return right / len(given), right / sum(1 for skus in truth.values() if skus)


def calibration_error(best: dict[str, Suggestion], truth: dict[str, set[str]]) -> float:
    """How far scores are from the share that is right, over ten bins, weighted by their size."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for found in best.values():
        bins[min(int(found.score * 10), 9)].append((found.score, found.product_ref in truth[str(found.listing_ref)]))
    return sum(abs(sum(s for s, _ in rows) - sum(ok for _, ok in rows)) for rows in bins.values()) / len(best)


@pytest.mark.parametrize("kit", FLOORS)
def test_on_labelled_data_a_high_score_is_right_as_often_as_it_says(kit: str, shared: Callable[[str], Path]) -> None:
    folder = shared(f"data/matching/{kit}")
    truth: dict[str, set[str]] = defaultdict(set)
    for row in kit_rows(folder / "truth.csv"):
        truth[row["code"]] |= {row["sku"]} - {""}
    listings = [kit_item(row, "code") for row in kit_rows(folder / "listing.csv")]
    products = [kit_item(row, "sku") for row in kit_rows(folder / "catalog.csv")]
    best: dict[str, Suggestion] = {}
    for found in suggest(listings, products):
        best.setdefault(str(found.listing_ref), found)
    precision_high, recall_high, precision, recall, error = FLOORS[kit]
    at_high, at_half = measured(best, truth, 0.9), measured(best, truth, 0.5)
    assert at_high[0] >= precision_high
    assert at_high[1] >= recall_high
    assert at_half[0] >= precision
    assert at_half[1] >= recall
    assert calibration_error(best, truth) <= error


def score(listing: Described, product: Described) -> float:
    """The score of the pair in a shop with other goods; 0 where it is not suggested."""
    others = [Described(f"o{n}", f"Produs {n}a {n}b", "Alta", None, 10.0 + n, None, "S", "alb") for n in range(60)]
    return next((s.score for s in suggest([listing], [product, *others]) if s.product_ref == product.ref), 0.0)


ROCHIE = Described("l", "Rochie vaporoasă Ilinca - elegantă", "Mara", None, 120.0, "Rochii", "M", "bleumarin")
DRESS = Described("p", "MARA Ilinca vaporoasa dress navy size M", "Mara", None, 129.0, "Dresses")


def test_the_same_style_in_the_same_size_and_colour_is_the_same_across_languages() -> None:
    assert score(ROCHIE, DRESS) > 0.9


def test_another_size_of_the_style_is_not_the_same_product() -> None:
    assert score(ROCHIE, Described("p", "MARA Ilinca vaporoasa dress navy size L", "Mara", None, 129.0)) < 0.1


def test_another_colour_of_the_style_is_not_the_same_product() -> None:
    assert score(ROCHIE, Described("p", "MARA Ilinca vaporoasa dress red size M", "Mara", None, 129.0)) < 0.1


def test_the_same_model_number_with_other_words_is_the_same() -> None:
    phone = Described("l", "panasonic expandable phone system kxth1212b")
    assert score(phone, Described("p", "Panasonic KX-TH1212B DECT 6.0")) > 0.8


def test_another_model_number_with_the_same_words_is_not_the_same() -> None:
    phone = Described("l", "panasonic expandable phone system kxth1212b")
    same, other = (Described("p", f"panasonic expandable phone system {model}") for model in ("kxth1212b", "kxth1214b"))
    assert score(phone, other) < 0.7 < 0.95 < score(phone, same)


def test_a_pair_for_women_is_not_the_pair_for_men() -> None:
    men = Described("l", "Asics Gel Cumulus 17 men running", "Asics")
    women, same = (Described("p", f"Asics Gel Cumulus 17 running {who}", "Asics") for who in ("women", "herren"))
    assert score(men, women) < 0.8 < 0.95 < score(men, same)


def test_a_price_five_times_as_high_speaks_against_it() -> None:
    dear = Described("p", DRESS.name, "Mara", None, 600.0)
    assert score(ROCHIE, dear) < score(ROCHIE, DRESS)


def test_two_products_that_look_the_same_are_both_shown_and_neither_is_sure() -> None:
    twins = [Described("p1", DRESS.name, "Mara", None, 129.0), Described("p2", DRESS.name, "Mara", None, 129.0)]
    found = list(suggest([ROCHIE], twins))
    assert [s.product_ref for s in found] == ["p1", "p2"]
    assert found[0].score == found[1].score < 0.5
    assert sum(s.score for s in found) > 0.9


def test_at_most_so_many_are_suggested_the_best_first_with_what_agrees_and_what_differs() -> None:
    names = ("Rochie Ilinca vaporoasă navy set 2", "Rochie Ilinca vaporoasă navy", "Rochie Ilinca vaporoasă navy plisată")
    found = list(suggest([ROCHIE], [Described(place, name, "Mara") for place, name in enumerate(names)], most=2))
    assert (len(found), found[0].product_ref) == (2, 1)
    assert found[0].score > found[1].score
    assert (found[0].evidence["colour"], found[0].evidence["brand"]) == ("same", "same")
    assert found[0].evidence["shared_words"] == ["ilinca", "vaporoasa"]


def test_nothing_is_suggested_where_no_word_is_common_or_one_side_is_empty() -> None:
    assert list(suggest([ROCHIE], [Described("p", "Geantă din piele Ozana")])) == []
    assert list(suggest([ROCHIE], [])) == []
    assert list(suggest([], [DRESS])) == []
    assert list(suggest([Described("l", "")], [Described("p", "")])) == []


def test_a_word_that_everything_has_finds_nothing() -> None:
    blocks = Blocks(["Rochie Ilinca"])
    for place in range(COMMON + 1):
        blocks.add(place, "Rochie")
    blocks.add(9999, "Rochie Ilinca")
    assert blocks.candidates("Rochie Ilinca") == [9999]


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("XXL", "xxl"),
        ("2XL", "xxl"),
        ("Mărimea M", "m"),
        ("EU 42,5", "42.5"),
        ("42 1/2", "42.5"),
        ("42", "42"),
        ("Universală", "one"),
    ],
)
def test_sizes_compare_however_they_are_written(written: str, size: str) -> None:
    assert read_size(written) == size


def test_colours_compare_across_languages_and_keep_their_shade() -> None:
    assert colours_in(fold("Gri închis")) == colours_in("dark grey") == {("grey", "dark")}
    assert colours_in("bleumarin") == colours_in("navy") == colours_in("dark blue")
    assert colours_in("dark blue") != colours_in("blue")
    assert colours_in("noir/blanc") == {("black", ""), ("white", "")}


def test_a_hostile_name_costs_no_more_than_a_long_one() -> None:
    reading = read(Described("l", "a1-" * 1_000_000, size="\u200b", colour="💥"))
    assert (reading.colours, len(reading.words)) == (frozenset(), 1)


# ------------------------------------------------------------------------------------------------ in a plan


@pytest.fixture
def catalogue(engine: Engine, tmp_path: Path) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "catalog.csv", CATALOGUE, HEADER))


def suggested(engine: Engine) -> list[tuple[object, ...]]:
    rows = query(engine, "select variant_id, sku, state from analytics.suggestion order by variant_id, score desc, sku")
    return [tuple(row) for row in rows]


@pytest.mark.usefixtures("catalogue")
def test_a_probable_duplicate_is_held_with_its_candidates_and_the_rest_is_created(engine: Engine) -> None:
    show(engine, [("v1", "NOU-1", None)], name="Rochie Ilinca vaporoasă")
    show(engine, [("v2", "NOU-2", None)], name="Pulover Ruxandra")
    result = decide(engine, policy=HOLD)
    assert (result.products_created, result.quarantined) == (1, 1)
    assert outcomes(engine) == {"v1": "suggested:probable_duplicate", "v2": "created:NOU-2"}
    (held,) = query(engine, "select reason, detail from analytics.quarantine where stage = 'match'")
    assert held.reason == "probable_duplicate"
    assert "R-1" in held.detail["candidates"]
    rows = query(engine, "select sku, score, evidence, state from analytics.suggestion order by score desc")
    assert (rows[0].sku, rows[0].state, rows[0].evidence["size"], rows[0].evidence["colour"]) == ("R-1", "open", "same", "same")
    assert rows[0].score >= 0.8
    (planned,) = query(engine, "select score, cardinality(candidates) as n from cloudsales.plan_row where outcome = 'suggested'")
    assert (planned.score >= rows[0].score, planned.n) == (True, len(rows))


@pytest.mark.usefixtures("catalogue")
def test_where_two_products_look_the_same_a_third_is_not_made(engine: Engine, tmp_path: Path) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "twin.csv", [("R-9", *CATALOGUE[0][1:])], HEADER))
    show(engine, [("v1", "NOU-1", None)], name="Rochie Ilinca vaporoasă")
    decide(engine, policy=HOLD)
    assert suggested(engine)[:2] == [("v1", "R-1", "open"), ("v1", "R-9", "open")]


@pytest.mark.usefixtures("catalogue")
def test_without_the_setting_nothing_is_held(engine: Engine) -> None:
    show(engine, [("v1", "NOU-1", None)], name="Rochie Ilinca vaporoasă")
    decide(engine)
    assert outcomes(engine) == {"v1": "created:NOU-1"}
    assert scalar(engine, "select count(*) from cloudsales.plan_suggestion") == 0


@pytest.mark.usefixtures("catalogue")
def test_a_score_below_the_setting_is_created(engine: Engine) -> None:
    show(engine, [("v1", "NOU-1", None)], name="Rochie Ilinca vaporoasă")
    decide(engine, policy=CatalogSettings(suggestions=SuggestionSettings(hold_above=1.0)))
    assert outcomes(engine) == {"v1": "created:NOU-1"}


@pytest.mark.usefixtures("catalogue")
def test_a_listing_that_a_code_links_is_never_held(engine: Engine) -> None:
    show(engine, [("v1", "R-3", None)], name="Rochie Ilinca vaporoasă")
    decide(engine, policy=HOLD)
    assert outcomes(engine) == {"v1": "linked:R-3"}


@pytest.mark.usefixtures("catalogue")
def test_a_suggestion_expires_when_its_listing_is_linked_or_no_longer_shown(engine: Engine) -> None:
    show(engine, [("v1", "NOU-1", None), ("v2", "NOU-2", None)], name="Rochie Ilinca vaporoasă")
    decide(engine, policy=HOLD)
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.listing set missing_since = now() where variant_id = 'v2'"))
    show(engine, [("v1", "R-1", None)])
    decide(engine, policy=HOLD)
    assert {(row[0], row[2]) for row in suggested(engine)} == {("v1", "expired"), ("v2", "expired")}
    assert outcomes(engine)["v1"] == "linked:R-1"


@pytest.mark.usefixtures("catalogue")
def test_i40_deciding_again_holds_the_same_and_adds_no_row(engine: Engine) -> None:
    for _ in range(2):
        show(engine, [("v1", "NOU-1", None)], name="Rochie Ilinca vaporoasă")
        decide(engine, policy=HOLD)
        held = suggested(engine)
    assert held[0] == ("v1", "R-1", "open")
    assert len(held) == len({row[1] for row in held})
    assert (
        scalar(
            engine,
            "select count(*) from cloudsales.plan_suggestion s where s.plan_id <> (select max(plan_id) from cloudsales.plan)",
        )
        == 0
    )


@pytest.mark.usefixtures("catalogue")
@pytest.mark.timeout(240)
def test_a_plan_that_holds_passes_its_audit(engine: Engine) -> None:
    show(engine, [("v1", "NOU-1", None)], name="Rochie Ilinca vaporoasă")
    plan = make_plan(engine, CHANNEL, HOLD)
    assert (plan.outcomes["suggested"], plan.outcomes["created"]) == (1, 0)
    assert [r.rule for r in audit_plan(engine, plan.plan_id, QualitySettings()).results if not r.passed] == []
