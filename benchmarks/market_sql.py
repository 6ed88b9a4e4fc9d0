"""What the market asks and writes in SQL: its listing, the reader's look, and the histories behind its exposure."""

FILL = (
    "insert into cloudsales.product (sku, name, created_at, changed_at)"
    " select s, s, now(), now() from unnest(cast(:skus as text[])) s",
    "insert into cloudsales.listing_product (channel, external_id, code, name, brand, description, category_ids, images,"
    " characteristics, status, updated_at, raw, raw_hash, first_seen_at, changed_at)"
    " select c, 'P-' || s, s, s, null, null, '{}', '[]', '[]', 'active', now(), '', '', now(), now()"
    " from unnest(cast(:channels as text[])) c, unnest(cast(:skus as text[])) s",
    "insert into cloudsales.listing (channel, variant_id, product_external_id, position, code, ean_state, row_hash, first_seen_at,"
    " changed_at) select c, 'V-' || s, 'P-' || s, 0, s, 'empty', '', now(), now()"
    " from unnest(cast(:channels as text[])) c, unnest(cast(:skus as text[])) s",
    "insert into cloudsales.link (listing_id, channel, product_id, matched_by, code_hits, ean_hits, rules_version, linked_at)"
    " select l.listing_id, l.channel, p.product_id, 'manual', 0, 0, 1, now()"
    " from cloudsales.listing l join cloudsales.product p on p.sku = l.code and l.channel = any (cast(:channels as text[]))"
    " where p.sku = any (cast(:skus as text[]))",
)
LOOK = """
select (select count(*) from cloudsales.stock_level where reserved > on_hand or reserved < 0 or on_hand < 0) as oversold,
       (select count(*) from cloudsales.sales_order_line
        where quantity <> reserved + waiting + issued + cancelled or least(reserved, waiting, issued, cancelled) < 0) as unaccounted,
       (select count(*) from cloudsales.stock_level v
        left join (select product_id, warehouse, sum(quantity) as held from cloudsales.reservation where state = 'open' group by 1, 2) r
            using (product_id, warehouse)
        where v.reserved <> coalesce(r.held, 0)) as reserved_otherwise,
       (select count(*) from cloudsales.sales_order_line l
        left join (select owner, sum(quantity) as held from cloudsales.reservation where state = 'open' group by 1) r using (owner)
        where l.reserved <> coalesce(r.held, 0)) as lines_hold_otherwise,
       (select count(*) from cloudsales.sales_order o where not exists
            (select from cloudsales.sales_order_line l where l.order_id = o.order_id)) as without_lines
"""
PAID = """
select o.channel, o.external_id from cloudsales.sales_order o
where o.status = 'paid' and o.order_id >= (select floor(random() * max(order_id)) from cloudsales.sales_order)
order by o.order_id limit 1
"""
TIME_PASSES = (
    "update cloudsales.publication set retry_at = now() where retry_at > now()",
    "update cloudsales.stock_channel set next_try_at = null",
    "update cloudsales.sales_order set acknowledge_after = now() where acknowledgement in ('due', 'locked')",
    "delete from cloudsales.channel_pause",
)
LEFT = """
select (select count(*) from cloudsales.publication where state <> 'done') as unpublished,
       (select count(*) from cloudsales.sales_order where acknowledgement <> 'done') as unacknowledged,
       (select count(*) from personal.order_payload where state = 'new') as payloads,
       (select count(*) from cloudsales.order_intake where pass_cursor is not null) as passes
"""
ORDERS = """
select o.channel, o.external_id, o.revision, o.acknowledgement, bool_or(l.issued > 0) or o.status in ('cancelled', 'returned') as frozen,
       sum(case when l.quantity = l.cancelled then 0 else l.quantity end) as wanted
from cloudsales.sales_order o join cloudsales.sales_order_line l using (order_id) group by o.order_id
"""
DECIDED = """
select channel, external_id, revision, extract(epoch from decided_at)::float8 as at
from personal.order_payload where decided_at is not null
"""
ON_HAND = """
select p.sku, extract(epoch from m.recorded_at)::float8 as at, m.quantity as pieces
from cloudsales.stock_movement m join cloudsales.product p using (product_id)
"""
RESERVED = """
select p.sku, extract(epoch from r.created_at)::float8 as at, r.quantity as pieces
from cloudsales.reservation r join cloudsales.product p using (product_id)
union all
select p.sku, extract(epoch from r.ended_at)::float8, -r.quantity
from cloudsales.reservation r join cloudsales.product p using (product_id) where r.ended_at is not null
"""
