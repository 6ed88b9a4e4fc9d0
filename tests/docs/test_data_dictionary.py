"""The data dictionary is made from the schema, is current, and leaves no table unexplained."""

import re
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.database import dictionary
from tests.docs.pages import tables

PAGE = Path(__file__).parents[2] / "docs" / "data-dictionary.md"


def test_the_dictionary_page_is_what_the_schema_says_now(engine: Engine) -> None:
    assert PAGE.read_text(encoding="utf-8") == dictionary.page(engine), "Next: make docs-data"


def test_every_table_and_view_says_what_one_row_is(engine: Engine) -> None:
    silent = {f"{c.schema_name}.{c.relation}" for c in dictionary.read_columns(engine) if not c.relation_comment}
    assert silent == set()


def test_a_view_s_column_inherits_the_comment_of_the_column_it_shows(engine: Engine) -> None:
    comments = {
        (c.relation, c.column_name): c.column_comment for c in dictionary.read_columns(engine) if c.schema_name == "analytics"
    }
    with engine.connect() as connection:
        base = connection.scalar(
            sa.text(
                "select col_description(attrelid, attnum) from pg_attribute"
                " where attrelid = 'cloudsales.product'::regclass and attname = 'origin_channel'"
            )
        )
    assert comments["product", "origin_channel"] == base != ""
    assert comments["product_code", "normalised"] == "The form that is compared."


def test_a_bar_or_a_line_break_in_a_comment_does_not_break_the_table(owner_engine: Engine) -> None:
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("comment on column analytics.link.sku is 'a|b\nc'")
    assert r"| sku | text | a\|b c |" in dictionary.page(owner_engine)


def test_the_page_on_stock_tells_every_state_of_a_publication(engine: Engine) -> None:
    with engine.connect() as connection:
        rule = connection.scalar(
            sa.text(
                "select pg_get_constraintdef(oid) from pg_constraint"
                " where conrelid = 'cloudsales.publication'::regclass and conname = 'publication_state_check'"
            )
        )
    allowed = set(re.findall(r"'(\w+)'", rule))
    (told,) = (
        table for table in tables((PAGE.parent / "stock.md").read_text(encoding="utf-8")) if table[0] == ["state", "means"]
    )
    assert {row[0] for row in told[1:]} == allowed != set()
