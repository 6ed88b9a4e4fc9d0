"""A channel's categories: paths, cycles, what is gone."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import Category
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.listing.categories import CategoryResult, cycle_members, import_categories, paths
from tests.listing import tables
from tests.listing.fake_channel import FakeChannel

TREE = (
    Category("1", "Femei", None),
    Category("2", "Rochii", "1"),
    Category("3", "De vară", "2"),
    Category("4", "Orfană", "99"),
    Category("5", "Copil", "4"),
)
IN_A_CIRCLE = (Category("7", "A", "9"), Category("8", "B", "7"), Category("9", "C", "8"), Category("10", "Sub A", "7"))


def stored(engine: Engine) -> list[tuple[str, str]]:
    sql = "select category_id, path from cloudsales.listing_category where missing_since is null order by category_id"
    return [(row[0], row[1]) for row in tables.rows(engine, sql)]


def test_five_categories_with_their_paths_and_an_unknown_parent_is_fine(engine: Engine) -> None:
    result = import_categories(engine, FakeChannel(categories=TREE))
    assert result == CategoryResult(rows_in=5, loaded=5, unchanged=0, quarantined=0, missing=0)
    assert stored(engine) == [
        ("1", "Femei"),
        ("2", "Femei > Rochii"),
        ("3", "Femei > Rochii > De vară"),
        ("4", "Orfană"),
        ("5", "Orfană > Copil"),
    ]


def test_again_nothing_is_written(engine: Engine) -> None:
    """I-40"""
    import_categories(engine, FakeChannel(categories=TREE))
    before = tables.rows(engine, "select ctid::text, xmin::text from cloudsales.listing_category order by 1")
    assert import_categories(engine, FakeChannel(categories=TREE)).unchanged == 5
    assert tables.rows(engine, "select ctid::text, xmin::text from cloudsales.listing_category order by 1") == before


def test_a_new_name_above_renames_the_paths_below_and_what_is_gone_is_marked_until_it_returns(engine: Engine) -> None:
    import_categories(engine, FakeChannel(categories=TREE))
    renamed = (Category("1", "Damă", None), *TREE[1:3])
    result = import_categories(engine, FakeChannel(categories=renamed))
    assert (result.loaded, result.unchanged, result.missing) == (3, 0, 2)
    assert stored(engine) == [("1", "Damă"), ("2", "Damă > Rochii"), ("3", "Damă > Rochii > De vară")]
    assert import_categories(engine, FakeChannel(categories=TREE)).loaded == 5


def test_categories_in_a_circle_are_quarantined_and_kept_under_their_names(engine: Engine) -> None:
    """F-43"""
    result = import_categories(engine, FakeChannel(categories=(*TREE, *IN_A_CIRCLE)))
    assert result == CategoryResult(rows_in=9, loaded=6, unchanged=0, quarantined=3, missing=0)
    assert dict(stored(engine)) | {"7": "A", "8": "B", "9": "C", "10": "A > Sub A"} == dict(stored(engine))
    assert tables.quarantined(engine) == [(name, "category_cycle") for name in "789"]
    import_categories(engine, FakeChannel(categories=TREE))
    assert tables.quarantined(engine) == []


def test_a_category_that_is_its_own_parent_is_a_circle_of_one() -> None:
    assert cycle_members({"1": Category("1", "A", "1")}) == {"1"}


def test_a_chain_of_fifty_thousand_categories_ends_at_once() -> None:
    chain = {str(n): Category(str(n), "n", str(n - 1)) for n in range(50_000, 0, -1)}
    assert cycle_members(chain) == set()
    assert max(map(len, paths(chain).values())) == 2_000


def test_a_category_whose_text_cannot_be_stored_is_put_aside(engine: Engine) -> None:
    result = import_categories(engine, FakeChannel(categories=(*TREE, Category("6", "\x00", None), Category("", "x", None))))
    assert (result.loaded, result.quarantined) == (5, 2)
    assert tables.quarantined(engine) == [("#?", "bad_id"), ("6", "bad_text")]


def test_no_category_at_all_leaves_the_known_ones_alone(engine: Engine) -> None:
    """I-43"""
    import_categories(engine, FakeChannel(categories=TREE))
    with pytest.raises(RefusedError, match="5 are known"):
        import_categories(engine, FakeChannel())
    assert len(stored(engine)) == 5
