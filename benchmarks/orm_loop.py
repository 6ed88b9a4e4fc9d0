"""The yardstick: matching as many connectors do it, listing by listing, through SQLAlchemy's ORM.

For each listing: the product with its code as SKU, with its EAN as GTIN, with its code as an additional code, each an
indexed query, stopping at the first hit; then make a link, or a product with its codes and a link; flush; commit each 100.
It is kinder to itself than our rules: no conflicts, no duplicates within the listing, no evidence. It writes into tables of
its own, so that it changes nothing for what is measured beside it.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

COMMIT_EVERY = 100
CLOUDSALES = {"schema": "cloudsales"}
PUBLIC = {"schema": "public"}


class _Base(DeclarativeBase):
    pass


class _Listing(_Base):
    __tablename__ = "listing"
    __table_args__ = CLOUDSALES
    listing_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    channel: Mapped[str]
    variant_id: Mapped[str]
    code: Mapped[str | None]
    ean: Mapped[str | None]
    code_key: Mapped[str | None]
    ean_key: Mapped[str | None]
    size: Mapped[str | None]
    colour: Mapped[str | None]


class _Product(_Base):
    __tablename__ = "product"
    __table_args__ = CLOUDSALES
    product_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    sku: Mapped[str]
    name: Mapped[str]
    brand: Mapped[str | None]
    size: Mapped[str | None]
    colour: Mapped[str | None]


class _Code(_Base):
    __tablename__ = "product_code"
    __table_args__ = CLOUDSALES
    product_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)


class _NewProduct(_Base):
    __tablename__ = "loop_product"
    __table_args__ = PUBLIC
    product_id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    sku: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    size: Mapped[str | None]
    colour: Mapped[str | None]


class _NewCode(_Base):
    __tablename__ = "loop_code"
    __table_args__ = PUBLIC
    product_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)


class _Link(_Base):
    __tablename__ = "loop_link"
    __table_args__ = PUBLIC
    listing_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    product_id: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    matched_by: Mapped[str]
    linked_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))


class OrmLoop:
    """The loop over one channel's listings; makes its tables when it is made."""

    def __init__(self, engine: Engine, channel: str) -> None:
        self._engine = engine
        self._channel = channel
        _Base.metadata.create_all(engine, [model.__table__ for model in (_NewProduct, _NewCode, _Link)])  # type: ignore[misc]

    def run(self, first: int, last: int) -> dict[str, int]:
        """Match the listings from place `first` to before `last`, by id; how many were linked by what, and made."""
        found: Counter[str] = Counter()
        with Session(self._engine) as session:
            for place in range(first, last, COMMIT_EVERY):
                for listing in self._batch(session, place, min(COMMIT_EVERY, last - place)):
                    found[_take_in(session, listing)] += 1
                session.commit()
        return dict(found)

    def planned(self, first: int, last: int) -> dict[str, int]:
        """What our last plan says of the same listings, in the loop's words: it knows no conflict and no duplicate."""
        sql = """
            select matched_by, count(*) from (
                select case when r.outcome = 'conflict' then 'sku' when r.outcome = 'duplicate_in_listing' then 'created'
                            when r.outcome = 'created' then 'created' when r.matched_by = 'sku' and r.code_hits & 1 = 0 then 'gtin' else r.matched_by end as matched_by
                from cloudsales.plan_row r join cloudsales.listing l using (listing_id)
                where l.channel = :channel and r.plan_id = (select max(plan_id) from cloudsales.plan where channel = :channel)
                order by l.listing_id offset :first limit :count) x
            group by matched_by"""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.text(sql), {"channel": self._channel, "first": first, "count": last - first})
            return {row.matched_by: row.count for row in rows}

    def _batch(self, session: Session, place: int, count: int) -> list[_Listing]:
        query = sa.select(_Listing).where(_Listing.channel == self._channel).order_by(_Listing.listing_id)
        return list(session.scalars(query.offset(place).limit(count)))


def _take_in(session: Session, listing: _Listing) -> str:
    """One listing; by what it was linked."""
    lookups = (("sku", listing.code_key), ("gtin", listing.ean_key), ("additional", listing.code_key))
    hit, matched_by = None, "created"
    for kind, key in lookups:
        hit = session.scalars(_known_by(kind, key)).first()
        if hit is not None:
            matched_by = "additional_code" if kind == "additional" else kind
            break
    product_id = hit.product_id if hit is not None else _create(session, listing)
    session.add(_Link(listing_id=listing.listing_id, product_id=product_id, matched_by=matched_by, linked_at=datetime.now(UTC)))
    session.flush()
    return matched_by


def _known_by(kind: str, key: str | None) -> sa.Select[tuple[_Product]]:
    codes = sa.and_(_Code.product_id == _Product.product_id, _Code.kind == kind, _Code.key == key)
    return sa.select(_Product).join(_Code, codes).limit(1)


def _create(session: Session, listing: _Listing) -> int:
    name = f"Rochie {listing.code}"
    product = _NewProduct(sku=f"{listing.code}/{listing.variant_id}", name=name, size=listing.size, colour=listing.colour)
    session.add(product)
    session.flush()
    session.add(_NewCode(product_id=product.product_id, kind="sku", key=listing.code_key or ""))
    session.add(_NewCode(product_id=product.product_id, kind="gtin", key=listing.ean_key or ""))
    return product.product_id
