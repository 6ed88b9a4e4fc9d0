-- The SKU and the EAN of each row beside its additional codes, which are there already.
insert into stage_code (row_no, kind, key, code)
select row_no, 'sku', sku_key, sku from stage_catalog where fault is null
union all
select row_no, 'gtin', ean_key, ean from stage_catalog where fault is null and ean_key is not null
