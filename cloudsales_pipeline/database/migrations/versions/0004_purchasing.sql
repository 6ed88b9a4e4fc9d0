-- What is missing is bought. What is to be bought is derived: a line's waiting pieces less those on order for it.

create table cloudsales.supplier (
    supplier        text primary key,
    name            text not null,
    cut_off         time not null,
    lead_time_days  integer not null check (lead_time_days >= 0),
    active          boolean not null default true,
    changed_at      timestamptz not null default clock_timestamp()
);
comment on table cloudsales.supplier is 'Suppliers as the settings name them; one that they name no more stays, inactive.';

create table cloudsales.supplier_name (
    name_key        text primary key,
    supplier        text not null references cloudsales.supplier
);
comment on table cloudsales.supplier_name is 'By which names, in lower case, the catalogue may mean a supplier: its key and its name.';

create table cloudsales.purchase_channel (
    channel         text primary key references cloudsales.channel,
    add_shortages   boolean not null
);
comment on table cloudsales.purchase_channel is 'Whether what a channel''s orders lack is to be bought, as the settings say.';

create table cloudsales.supplier_price (
    price_id        bigint generated always as identity primary key,
    supplier        text not null references cloudsales.supplier,
    product_id      bigint not null references cloudsales.product,
    supplier_code   text,
    price           numeric(14, 4) check (price >= 0),
    currency        text,
    pack_size       integer check (pack_size > 0),
    minimum_quantity integer check (minimum_quantity >= 0),
    lead_time_days  integer check (lead_time_days >= 0),
    preferred       boolean not null default false,
    locked          boolean not null default false,
    valid_from      date not null,
    valid_until     date,
    loaded_at       timestamptz not null default clock_timestamp(),
    unique (supplier, product_id, valid_from),
    check (valid_until is null or valid_until >= valid_from)
);
create index supplier_price_by_product on cloudsales.supplier_price (product_id, supplier, valid_from);
comment on table cloudsales.supplier_price is 'Price lists: what a product costs at a supplier from a date on, in which packs.';
comment on column cloudsales.supplier_price.locked is 'Bought of this supplier and no other; preferred: of this one where none is locked.';

create table cloudsales.supplier_order (
    supplier_order_id   bigint generated always as identity primary key,
    supplier            text not null references cloudsales.supplier,
    business_date       date not null,
    number              text not null unique,
    cut_off_at          timestamptz not null,
    closed_at           timestamptz not null default clock_timestamp(),
    currency            text,
    language            text not null,
    facts               jsonb not null default '{}',
    unique (supplier, business_date)
);
comment on table cloudsales.supplier_order is 'One order for each supplier and business date (I-28), frozen when it was closed.';
comment on column cloudsales.supplier_order.facts is 'Buyer, supplier and delivery as they stood at the close; what the documents are made of.';

create table cloudsales.supplier_close (
    supplier            text not null references cloudsales.supplier,
    business_date       date not null,
    cut_off_at          timestamptz not null,
    closed_at           timestamptz not null default clock_timestamp(),
    outcome             text not null check (outcome in ('ordered', 'nothing', 'below_minimum')),
    supplier_order_id   bigint references cloudsales.supplier_order,
    lines               integer not null default 0,
    quantity            bigint not null default 0,
    primary key (supplier, business_date),
    check ((outcome = 'ordered') = (supplier_order_id is not null))
);
comment on table cloudsales.supplier_close is 'Every close of a supplier''s day, also those that ordered nothing: a date that is here is done.';

create table cloudsales.supplier_order_line (
    supplier_order_line_id  bigint generated always as identity primary key,
    supplier_order_id   bigint not null references cloudsales.supplier_order,
    position            integer not null,
    product_id          bigint not null references cloudsales.product,
    sku                 text not null,
    name                text not null,
    supplier_code       text,
    pack_size           integer not null check (pack_size > 0),
    required            integer not null check (required >= 0),
    quantity            integer not null check (quantity > 0),
    surplus             integer generated always as (quantity - required) stored check (surplus >= 0),
    price               numeric(14, 4),
    currency            text,
    received            integer not null default 0 check (received >= 0),
    written_off         integer not null default 0 check (written_off >= 0),
    outstanding         integer generated always as (quantity - received - written_off) stored check (outstanding >= 0),
    unique (supplier_order_id, product_id),
    unique (supplier_order_id, position)
) with (fillfactor = 80);
create index supplier_order_line_by_product on cloudsales.supplier_order_line (product_id);
create index supplier_order_line_outstanding on cloudsales.supplier_order_line (product_id, supplier_order_line_id) where outstanding > 0;
comment on table cloudsales.supplier_order_line is 'A line of a supplier order. quantity = required + surplus; required = the sum of its requirement lines when it was closed (I-29).';
comment on column cloudsales.supplier_order_line.written_off is 'Pieces that will not come: the supplier said so, or a person did.';

create table cloudsales.requirement (
    requirement_id      bigint generated always as identity primary key,
    supplier_order_line_id bigint not null references cloudsales.supplier_order_line,
    line_id             bigint not null references cloudsales.sales_order_line,
    product_id          bigint not null references cloudsales.product,
    quantity            integer not null check (quantity > 0),
    received            integer not null default 0 check (received >= 0),
    withdrawn           integer not null default 0 check (withdrawn >= 0),
    outstanding         integer generated always as (quantity - received - withdrawn) stored check (outstanding >= 0),
    from_surplus        boolean not null default false,
    created_at          timestamptz not null default clock_timestamp()
) with (fillfactor = 80);
create index requirement_by_line on cloudsales.requirement (line_id, requirement_id);
create index requirement_by_order_line on cloudsales.requirement (supplier_order_line_id, requirement_id);
create index requirement_outstanding on cloudsales.requirement (product_id, requirement_id) where outstanding > 0;
comment on table cloudsales.requirement is 'What of an order''s line is bought by which line of a supplier order: by its key, one (I-27). What is not bought yet is derived (open_requirement).';
comment on column cloudsales.requirement.withdrawn is 'Wanted no more after it was ordered, or to come otherwise; from then on surplus.';
comment on column cloudsales.requirement.from_surplus is 'Taken from pieces that were on order for nobody: it did not add to the supplier order.';

-- What was frozen stays so: of an order line and a requirement, counters alone move.
create function cloudsales.refuse_thaw() returns trigger language plpgsql as $$
begin
    raise exception '% of % is refused: what was ordered is frozen (I-28)', tg_op, tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger supplier_order_guard before update or delete or truncate on cloudsales.supplier_order
    for each statement execute function cloudsales.refuse_thaw();
create trigger supplier_close_guard before update or delete or truncate on cloudsales.supplier_close
    for each statement execute function cloudsales.refuse_thaw();
create trigger supplier_order_line_guard before delete or truncate on cloudsales.supplier_order_line
    for each statement execute function cloudsales.refuse_thaw();
create trigger supplier_order_line_frozen before update on cloudsales.supplier_order_line
    for each row when ((old.supplier_order_id, old.position, old.product_id, old.sku, old.name, old.supplier_code, old.pack_size, old.required, old.quantity, old.price, old.currency)
                       is distinct from (new.supplier_order_id, new.position, new.product_id, new.sku, new.name, new.supplier_code, new.pack_size, new.required, new.quantity, new.price, new.currency))
    execute function cloudsales.refuse_thaw();
create trigger requirement_guard before delete or truncate on cloudsales.requirement
    for each statement execute function cloudsales.refuse_thaw();
create trigger requirement_frozen before update on cloudsales.requirement
    for each row when ((old.supplier_order_line_id, old.line_id, old.product_id, old.quantity, old.from_surplus)
                       is distinct from (new.supplier_order_line_id, new.line_id, new.product_id, new.quantity, new.from_surplus))
    execute function cloudsales.refuse_thaw();

create table cloudsales.supplier_order_file (
    supplier_order_id   bigint not null references cloudsales.supplier_order,
    kind                text not null check (kind in ('pdf', 'xlsx')),
    file_id             bigint not null references personal.stored_file,
    primary key (supplier_order_id, kind)
);
comment on table cloudsales.supplier_order_file is 'The documents of a supplier order, made once from its frozen rows.';

create table cloudsales.goods_receipt (
    receipt_id      bigint generated always as identity primary key,
    supplier        text not null references cloudsales.supplier,
    reference       text not null,
    warehouse       text not null references cloudsales.warehouse,
    order_number    text,
    occurred_at     timestamptz not null,
    received_at     timestamptz not null default clock_timestamp(),
    unique (supplier, reference)
);
comment on table cloudsales.goods_receipt is 'A delivery of a supplier, once by its own document (I-10).';

create table cloudsales.goods_receipt_line (
    receipt_id      bigint not null references cloudsales.goods_receipt,
    position        integer not null,
    product_id      bigint not null references cloudsales.product,
    supplier_order_line_id bigint references cloudsales.supplier_order_line,
    kind            text not null check (kind in ('ordered', 'over', 'unordered')),
    quantity        integer not null check (quantity > 0),
    primary key (receipt_id, position),
    check ((kind = 'ordered') = (supplier_order_line_id is not null))
);
create index goods_receipt_line_by_order_line on cloudsales.goods_receipt_line (supplier_order_line_id) where supplier_order_line_id is not null;
comment on table cloudsales.goods_receipt_line is 'Pieces of a delivery by what they were ordered with: over: more than was on order; unordered: nothing of it was.';

create table cloudsales.transfer_proposal (
    proposal_id     bigint generated always as identity primary key,
    product_id      bigint not null references cloudsales.product,
    from_warehouse  text not null references cloudsales.warehouse,
    to_warehouse    text not null references cloudsales.warehouse,
    quantity        integer not null check (quantity > 0),
    state           text not null default 'open' check (state in ('open', 'done', 'dismissed', 'expired')),
    business_date   date not null,
    created_at      timestamptz not null default clock_timestamp(),
    ended_at        timestamptz,
    check ((state = 'open') = (ended_at is null)),
    check (from_warehouse <> to_warehouse)
);
create unique index transfer_proposal_open on cloudsales.transfer_proposal (product_id, from_warehouse, to_warehouse) where state = 'open';
comment on table cloudsales.transfer_proposal is 'What another warehouse could give instead of buying it.';

create table cloudsales.replenishment_proposal (
    business_date   date not null,
    product_id      bigint not null references cloudsales.product,
    supplier        text references cloudsales.supplier,
    method          text not null,
    demand_per_day  numeric(14, 4) not null,
    deviation       numeric(14, 4) not null,
    lead_time_days  integer not null,
    safety_stock    integer not null,
    reorder_point   integer not null,
    position        integer not null,
    quantity        integer not null check (quantity >= 0),
    detail          jsonb not null default '{}',
    primary key (business_date, product_id)
);
comment on table cloudsales.replenishment_proposal is 'What to buy before it is missing, with the figures that it follows from. Shown; never ordered unasked.';
comment on column cloudsales.replenishment_proposal.position is 'Available plus on order, less what waits.';

create view cloudsales.open_requirement as
select l.line_id, l.owner, l.product_id, o.channel, o.external_id, l.external_line_id, o.warehouses, o.placed_at, o.imported_at,
       l.waiting - coalesce(t.outstanding, 0)::integer as quantity
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
join cloudsales.purchase_channel c on c.channel = o.channel and c.add_shortages
left join lateral (select sum(r.outstanding) as outstanding from cloudsales.requirement r where r.line_id = l.line_id) t on true
where l.waiting > 0 and l.product_id is not null and o.status in ('new', 'paid') and l.waiting > coalesce(t.outstanding, 0);
comment on view cloudsales.open_requirement is 'What must be bought: what waits of each line and is not on order for it. Derived, so that no step can forget it.';

alter table cloudsales.quarantine drop constraint quarantine_stage_check;
alter table cloudsales.quarantine add constraint quarantine_stage_check
    check (stage in ('listing', 'catalog', 'match', 'stock', 'orders', 'purchasing', 'documents', 'messages'));
comment on column cloudsales.quarantine.reference is 'listing, match: the variant or product id on the channel; catalog, stock, purchasing: file and row; orders: the order''s id, and /line where it is a line''s.';
