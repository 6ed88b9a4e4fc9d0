"""Analysts get frames in which nothing was guessed."""

from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.database.frames import read_view
from cloudsales_pipeline.errors import InputError


@pytest.fixture
def products(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into cloudsales.product (sku, name, price, created_at, changed_at) values"
                " ('00123', 'Șapcă', 19.90, now(), now()), ('124', 'Fular', null, now(), now())"
            )
        )


@pytest.mark.usefixtures("products")
def test_a_code_with_leading_zeros_stays_text_and_money_stays_exact(engine: Engine) -> None:
    frame = read_view(engine, "product", sku="00123")
    assert frame["sku"].tolist() == ["00123"]
    assert frame["price"].tolist() == [Decimal("19.90")]
    assert str(frame["created_at"].dt.tz) == "UTC"
    assert len(read_view(engine, "product")) == 2
    assert len(read_view(engine, "product", limit=1)) == 1


@pytest.mark.usefixtures("products")
def test_an_unknown_view_or_column_is_said_with_those_there_are(engine: Engine) -> None:
    with pytest.raises(InputError, match=r"there are: .*match_outcome"):
        read_view(engine, "products")
    with pytest.raises(InputError, match="has no column 'ean'"):
        read_view(engine, "product", ean="1")
