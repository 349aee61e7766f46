with

usage_rows as (

    select * from {{ ref('int_usage__by_endpoint_day') }}

),

scopes as (

    select * from {{ ref('int_commitments__scopes') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

used as (

    select
        account,
        charge_date,
        endpoint_id,
        pricing_unit,
        sum(prepayable_cost) as prepayable_cost,
        sum(effective_cost) as effective_cost,
        sum(pricing_quantity) as pricing_quantity
    from usage_rows
    group by account, charge_date, endpoint_id, pricing_unit

),

open_commitments as (

    -- of a block a Spend commitment covers all, a Usage commitment what is in its unit
    select
        used.account,
        used.charge_date,
        used.endpoint_id,
        terms.contract_commitment_id,
        terms.contract_commitment_category,
        terms.payment,
        terms.unit,
        terms.prepaid_rank,
        terms.drawable_amount,
        {{ money('sum(used.prepayable_cost)') }} as prepayable_cost,
        {{ money('sum(used.effective_cost)') }} as effective_cost,
        {{ quantity('sum(used.pricing_quantity)') }} as pricing_quantity
    from used
    inner join scopes
        on
            used.account = scopes.account
            and used.endpoint_id = scopes.endpoint_id
            and used.pricing_unit = scopes.pricing_unit
    inner join terms
        on
            scopes.account = terms.account
            and scopes.contract_commitment_id = terms.contract_commitment_id
            and used.charge_date >= terms.drawn_from
            and used.charge_date < terms.end_day
    group by
        used.account,
        used.charge_date,
        used.endpoint_id,
        terms.contract_commitment_id,
        terms.contract_commitment_category,
        terms.payment,
        terms.unit,
        terms.prepaid_rank,
        terms.drawable_amount

),

ordered as (

    -- Within a day, usage that fewer credits can pay for comes first: what is left for it elsewhere is least.
    select
        *,
        cast(count(prepaid_rank) over (partition by account, charge_date, endpoint_id) as bigint) as prepaid_count
    from open_commitments

),

counted as (

    -- in arrears, every commitment counts for itself: what it has seen before this block
    select
        *,
        {{ money('(sum(effective_cost) over so_far) - effective_cost') }} as cost_before,
        {{ quantity('(sum(pricing_quantity) over so_far) - pricing_quantity') }} as quantity_before
    from ordered
    window so_far as (
        partition by contract_commitment_id
        order by charge_date asc, prepaid_count asc, endpoint_id asc
        rows between unbounded preceding and current row
    )

)

select * from counted
