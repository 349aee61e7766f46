{{ config(materialized='view') }}

with

usage as (

    select * from {{ ref('int_usage__ordered') }}

),

scopes as (

    select * from {{ ref('int_commitments__scopes') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}
    where payment = 'in_arrears'

),

counted as (

    select
        usage.account,
        usage.usage_number,
        usage.effective_cost,
        usage.pricing_quantity,
        terms.contract_commitment_id,
        terms.contract_commitment_category,
        terms.drawable_amount
    from usage
    inner join scopes
        on
            usage.account = scopes.account
            and usage.endpoint_id = scopes.endpoint_id
            and usage.pricing_unit = scopes.pricing_unit
    inner join terms
        on
            scopes.contract_commitment_id = terms.contract_commitment_id
            and {{ is_active_on('usage.charge_date', 'terms') }}
    where
        -- a second of a machine is no second of video: only a pattern makes it part of a quantity
        terms.contract_commitment_category = 'Spend'
        or terms.endpoint_pattern is not null
        or coalesce(usage.product_line, {{ unattributed() }}) not in ('serverless', 'compute')

),

summed as (

    select
        *,
        sum(effective_cost) over so_far as cost_so_far,
        sum(pricing_quantity) over so_far as quantity_so_far
    from counted
    window so_far as (
        partition by contract_commitment_id
        order by usage_number asc
        rows between unbounded preceding and current row
    )

),

in_arrears as (

    -- Each commitment counts for itself, up to its amount: a Spend commitment counts cost, a Usage commitment
    -- quantity.
    select
        account,
        usage_number,
        contract_commitment_id,
        case
            when contract_commitment_category = 'Usage'
                then {{ applied_of('quantity_so_far', 'pricing_quantity', 'drawable_amount', quantity) }}
            else {{ applied_of('cost_so_far', 'effective_cost', 'drawable_amount', money) }}
        end as applied
    from summed

)

select * from in_arrears
where applied <> 0
