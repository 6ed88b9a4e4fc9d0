"""A small catalogue and listing, put in by SQL, with a plan that is right: what the checks' tests then spoil."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.codes import code_key, read_ean

CHANNEL = "fashionup"
CANARY = "Ionescu Maria 0722123456"  # what no result may show: names and texts may hold a person's data


@dataclass
class World:
    """Ids by the names that the tests use."""

    engine: Engine
    plan_id: int = 0
    products: dict[str, int] = field(default_factory=dict)
    listings: dict[str, int] = field(default_factory=dict)

    def run(self, sql: str, **values: object) -> sa.CursorResult[tuple[object, ...]]:
        """One statement in a transaction of its own; `:channel` and `:plan_id` are given."""
        values = {"channel": CHANNEL, "plan_id": self.plan_id, **values}
        with self.engine.begin() as connection:
            connection.execute(sa.text("set local cloudsales.product_update = 'catalogue file'"))
            return connection.execute(sa.text(sql), {k: v for k, v in values.items() if f":{k}" in sql})

    def number(self, sql: str, **values: object) -> int:
        """The statement's one number."""
        with self.engine.begin() as connection:
            values = {"channel": CHANNEL, "plan_id": self.plan_id, **values}
            return int(connection.execute(sa.text(sql), {k: v for k, v in values.items() if f":{k}" in sql}).scalar_one())

    def product(self, sku: str, **codes: str) -> int:
        """A product of the retailer's own, with its codes by kind (sku always)."""
        self.products[sku] = self.number(
            "insert into cloudsales.product (sku, name, description, created_at, changed_at)"
            " values (:sku, :name, :name, now() - interval '1 day', now() - interval '1 day') returning product_id",
            sku=sku,
            name=CANARY,
        )
        for kind, code in {"sku": sku, **codes}.items():
            self.code(self.products[sku], kind, code)
        return self.products[sku]

    def code(self, product_id: int, kind: str, code: str, source: str = "file") -> None:
        """Give a product a code, in both tables, as loading does."""
        self.run(
            "insert into cloudsales.product_code values (:product_id, :kind, :key, :code, :source, now() - interval '1 day')",
            product_id=product_id,
            kind=kind,
            key=code_key(code),
            code=code,
            source=source,
        )
        self.run(
            "insert into cloudsales.code_key values (:key, :product_id, :bit) on conflict (key) do update set"
            " kinds = code_key.kinds | excluded.kinds,"
            " product_id = case when code_key.product_id = excluded.product_id then excluded.product_id end",
            key=code_key(code),
            product_id=product_id,
            bit={"sku": 1, "gtin": 2, "additional": 4}[kind],
        )

    def listing(self, name: str, code: str = "", ean: str = "", style: str = "style-1", size: str | None = None) -> int:
        """A listing that is shown and awaits a decision."""
        read = read_ean(ean)
        self.listings[name] = self.number(
            "insert into cloudsales.listing (channel, variant_id, product_external_id, position, code, ean, code_key, ean_key,"
            " ean_state, size, row_hash, first_seen_at, changed_at)"
            " values (:channel, :name, :style, 0, :code, :ean, :code_key, :ean_key, :state, :size, '', now(), now())"
            " returning listing_id",
            name=name,
            style=style,
            code=code,
            ean=ean,
            code_key=code_key(code),
            ean_key=read.key,
            state=read.state.value,
            size=size,
        )
        self.pend(name)
        return self.listings[name]

    def pend(self, name: str) -> None:
        """Note that a listing awaits a decision."""
        self.run(
            "insert into cloudsales.listing_pending select listing_id, channel, 1, code_key, ean_key, ean_state"
            " from cloudsales.listing where listing_id = :id on conflict do nothing",
            id=self.listings[name],
        )

    def pend_between(self, first: int, last: int) -> None:
        """Note that the listings with these ids await a decision."""
        self.run(
            "insert into cloudsales.listing_pending select listing_id, channel, 1, code_key, ean_key, ean_state"
            " from cloudsales.listing where listing_id between :first and :last",
            first=first,
            last=last,
        )

    def plan(self) -> int:
        """A new, empty plan of the channel."""
        self.plan_id = self.number(
            "insert into cloudsales.plan (channel, revision, rules_version) values (:channel, 1, 1) returning plan_id"
        )
        self.run(
            f"create table cloudsales.plan_row_{self.plan_id} partition of cloudsales.plan_row for values in ({self.plan_id})"
        )
        return self.plan_id

    def row(self, name: str, outcome: str, **columns: object) -> None:
        """A row of the plan."""
        given = {"outcome": outcome, "listing_id": self.listings[name], "code_hits": 0, "ean_hits": 0, **columns}
        names, binds = ", ".join(given), ", ".join(f":{column}" for column in given)
        self.run(
            f"create unlogged table if not exists cloudsales.plan_row_{self.plan_id} partition of cloudsales.plan_row"
            f" for values in ({self.plan_id})"
        )
        self.run(f"insert into cloudsales.plan_row (plan_id, {names}) values (:plan_id, {binds})", **given)
        self.count()

    def count(self) -> None:
        """State the plan's counts."""
        self.run(
            "update cloudsales.plan set (rows, linked, created, suggested, conflict, invalid, duplicate) = ("
            " select count(*), count(*) filter (where outcome = 'linked'), count(*) filter (where outcome = 'created'),"
            " count(*) filter (where outcome = 'suggested'), count(*) filter (where outcome = 'conflict'),"
            " count(*) filter (where outcome = 'invalid'), count(*) filter (where outcome = 'duplicate_in_listing')"
            " from cloudsales.plan_row r where r.plan_id = plan.plan_id) where plan_id = :plan_id"
        )

    def apply(self) -> None:
        """What an apply leaves behind: products made, links, outcomes; nothing pending."""
        self.run(
            "insert into cloudsales.product (sku, name, origin_channel, origin_variant, created_at, changed_at)"
            " select coalesce(l.code, l.ean), :canary, l.channel, l.variant_id, now(), now() from cloudsales.plan_row r"
            " join cloudsales.listing l using (listing_id) where plan_id = :plan_id and outcome = 'created'",
            canary=CANARY,
        )
        self.run(
            "insert into cloudsales.product_code select product_id, v.kind, v.key, v.key, 'channel', now()"
            " from cloudsales.product p join cloudsales.listing l on l.channel = p.origin_channel"
            " and l.variant_id = p.origin_variant cross join lateral"
            " (values ('sku', l.code_key), ('gtin', case when l.ean_state = 'valid' then l.ean_key end)) v (kind, key)"
            " where v.key is not null on conflict do nothing"
        )
        self.run(
            "insert into cloudsales.code_key select key, product_id, case kind when 'sku' then 1 else 2 end"
            " from cloudsales.product_code where source = 'channel' on conflict do nothing"
        )
        self.run(
            "insert into cloudsales.match_outcome select r.listing_id, :channel, r.outcome, r.reason,"
            " r.matched_by, coalesce(r.product_id, p.product_id),"
            " r.candidates, r.earlier_listing, r.code_hits, r.ean_hits, 1, r.plan_id, now()"
            " from cloudsales.plan_row r join cloudsales.listing l using (listing_id) left join cloudsales.product p"
            " on r.outcome = 'created' and p.origin_channel = l.channel and p.origin_variant = l.variant_id"
            " where r.plan_id = :plan_id on conflict (listing_id) do update set outcome = excluded.outcome,"
            " product_id = excluded.product_id, matched_by = excluded.matched_by, plan_id = excluded.plan_id"
        )
        self.run(
            "insert into cloudsales.link select o.listing_id, o.channel, o.product_id, o.matched_by, l.code, l.ean, l.code_key,"
            " l.ean_key, o.code_hits, o.ean_hits, 1, now() from cloudsales.match_outcome o"
            " join cloudsales.listing l using (listing_id) where o.outcome in ('linked', 'created') on conflict do nothing"
        )
        self.run("delete from cloudsales.listing_pending")
        self.run("update cloudsales.plan set state = 'applied', applied_at = now() where plan_id = :plan_id")


def small_world(engine: Engine) -> World:
    """Four products and eight listings, of every outcome; the plan is right."""
    w = World(engine)
    w.product("ROCHIE-1-M")
    w.product("BLUZA-7", gtin="5941234567899")
    w.product("PANTALON-3", additional="SITE-33")
    w.product("FUSTA-9")
    w.plan()
    for name, code, ean in (
        ("by sku", "rochie-1-m", ""),
        ("by gtin", "other", "594 1234 56789 9"),
        ("by additional", "Site-33", "N/A"),
        ("new", "NOU-1", "5901234123457"),
        ("new by ean", "", "4006381333931"),
        ("again", "nou-1", ""),
        ("two products", "ROCHIE-1-M", "5941234567899"),
        ("bad ean", "", "5941234567890"),
    ):
        w.listing(name, code, ean)
    w.row("by sku", "linked", matched_by="sku", product_id=w.products["ROCHIE-1-M"], code_hits=1)
    w.row("by gtin", "linked", matched_by="gtin", product_id=w.products["BLUZA-7"], ean_hits=2)
    w.row("by additional", "linked", matched_by="additional_code", product_id=w.products["PANTALON-3"], code_hits=4)
    w.row("new", "created", matched_by="created")
    w.row("new by ean", "created", matched_by="created")
    w.row("again", "duplicate_in_listing", earlier_listing=w.listings["new"])
    w.row("two products", "conflict", candidates=[w.products["ROCHIE-1-M"], w.products["BLUZA-7"]], code_hits=1, ean_hits=2)
    w.row("bad ean", "invalid", reason="bad_ean")
    return w
