-- Where a catalogue file lies while it is taken in.
create temp table stage_catalog (
    row_no integer primary key, sku text, fault text, note text, name text, brand text, style text, size text, colour text,
    category text, description text, currency text, supplier text, price numeric(14, 2), extra jsonb, ean text,
    additional_codes text, sku_key text collate "C", ean_key text collate "C", ean_state text, product_id bigint, same boolean
) on commit drop;
create temp table stage_code (row_no integer, kind text, key text collate "C", code text) on commit drop;
create temp table changed_key (key text collate "C") on commit drop;
create temp table touched_product (product_id bigint) on commit drop;
