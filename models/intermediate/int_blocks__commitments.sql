with

usage_rows as (

    select * from {{ ref('int_usage__in_blocks') }}

),

scope_commitments as (

    select distinct
        account,
        scope,
        contract_commitment_id
    from {{ ref('int_commitments__scopes') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

blocks as (

    select
        account,
        charge_date,
        scope,
        {{ money('sum(prepayable_cost)') }} as prepayable_cost,
        {{ money('sum(effective_cost)') }} as effective_cost,
        {{ quantity('sum(pricing_quantity)') }} as pricing_quantity
    from usage_rows
    group by account, charge_date, scope

),

open_commitments as (

    select
        blocks.account,
        blocks.charge_date,
        blocks.scope,
        terms.contract_commitment_id,
        terms.contract_commitment_category,
        terms.payment,
        terms.prepaid_rank,
        terms.drawable_amount,
        blocks.prepayable_cost,
        blocks.effective_cost,
        blocks.pricing_quantity
    from blocks
    inner join scope_commitments
        on blocks.account = scope_commitments.account and blocks.scope = scope_commitments.scope
    inner join terms
        on
            scope_commitments.account = terms.account
            and scope_commitments.contract_commitment_id = terms.contract_commitment_id
            and blocks.charge_date >= terms.drawn_from
            and blocks.charge_date < terms.end_day

),

counted as (

    -- in arrears, every commitment counts for itself: what it has seen before this block
    select
        *,
        {{ money('(sum(effective_cost) over so_far) - effective_cost') }} as cost_before,
        {{ quantity('(sum(pricing_quantity) over so_far) - pricing_quantity') }} as quantity_before
    from open_commitments
    window so_far as (
        partition by contract_commitment_id
        order by charge_date asc, scope asc
        rows between unbounded preceding and current row
    )

)

select * from counted
