-- What another warehouse could give instead of buying it.

-- step: expire
-- Nobody took it in time, or nobody waits for it any more.
update cloudsales.transfer_proposal t set state = 'expired', ended_at = :now
where t.state = 'open'
  and (t.created_at <= :overdue
       or not exists (select from cloudsales.open_requirement q where q.product_id = t.product_id and q.warehouses[1] = t.to_warehouse))

-- step: propose
-- reads closing_line, stock_level → transfer_proposal. What is lacking and what is free are laid end to end; where they overlap it is
-- proposed, unless the lines that wait have seen such a proposal dismissed or run out: then it is bought.
with asked as (
    select product_id, from_warehouse, to_warehouse, quantity from cloudsales.transfer_proposal where state = 'open'
), lacking as (
    select l.product_id, l.warehouse, min(l.imported_at) as since,
           sum(l.quantity) - coalesce((select sum(a.quantity) from asked a where a.product_id = l.product_id and a.to_warehouse = l.warehouse), 0) as quantity
    from closing_line l where l.quantity > 0 and l.warehouse is not null group by l.product_id, l.warehouse
), demand as (
    select *, sum(quantity) over (partition by product_id order by since, warehouse) - quantity as begins from lacking where quantity > 0
), spare as (
    select v.product_id, v.warehouse,
           v.on_hand - v.reserved - coalesce((select sum(a.quantity) from asked a where a.product_id = v.product_id and a.from_warehouse = v.warehouse), 0) as quantity
    from cloudsales.stock_level v
    where v.on_hand > v.reserved and v.product_id in (select product_id from demand)
      and not exists (select from closing_line l where l.product_id = v.product_id and v.warehouse = any (l.warehouses))
), supply as (
    select *, sum(quantity) over (partition by product_id order by quantity desc, warehouse) - quantity as begins from spare where quantity > 0
)
insert into cloudsales.transfer_proposal (product_id, from_warehouse, to_warehouse, quantity, business_date, created_at)
select s.product_id, s.warehouse, d.warehouse, least(s.begins + s.quantity, d.begins + d.quantity) - greatest(s.begins, d.begins), :business_date, :now
from supply s
join demand d on d.product_id = s.product_id and d.begins < s.begins + s.quantity and s.begins < d.begins + d.quantity
where not exists (
    select from cloudsales.transfer_proposal t
    where t.product_id = s.product_id and t.from_warehouse = s.warehouse and t.to_warehouse = d.warehouse
      and t.state in ('dismissed', 'expired') and t.ended_at >= d.since)
order by s.product_id, s.warehouse, d.warehouse
on conflict (product_id, from_warehouse, to_warehouse) where state = 'open' do update set quantity = transfer_proposal.quantity + excluded.quantity

-- step: list
select t.proposal_id, p.sku, p.name, t.from_warehouse, t.to_warehouse, t.quantity, t.state, t.business_date, t.created_at
from cloudsales.transfer_proposal t join cloudsales.product p using (product_id)
where t.state = 'open' order by t.proposal_id limit :limit

-- step: end
update cloudsales.transfer_proposal t set state = :state, ended_at = :now
from cloudsales.product p
where t.proposal_id = :proposal and t.state = 'open' and p.product_id = t.product_id
returning p.sku, t.product_id, t.from_warehouse, t.to_warehouse, t.quantity

-- step: state_of
select state from cloudsales.transfer_proposal where proposal_id = :proposal
