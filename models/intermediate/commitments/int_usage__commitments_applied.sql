with

usage as (

    select * from {{ ref('int_usage__ordered') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

applied as (

    select * from {{ ref('int_usage__prepaid') }}
    union all
    select * from {{ ref('int_usage__in_arrears') }}

),

elements as (

    -- A Spend commitment is applied in money. A Usage commitment is applied in its unit, and the cost is that of the
    -- charge, or price times quantity where the commitment covers a part of the charge.
    select
        usage.charge_id,
        usage.charge_date,
        terms.account,
        terms.contract_id,
        terms.contract_commitment_id,
        terms.payment,
        terms.unit as applied_unit,
        applied.applied as applied_quantity,
        case
            when terms.contract_commitment_category = 'Spend' then applied.applied
            when {{ quantity('applied.applied') }} = usage.pricing_quantity then usage.effective_cost
            else {{ money('usage.contracted_unit_price * ' ~ quantity('applied.applied')) }}
        end as applied_cost
    from applied
    inner join usage on applied.account = usage.account and applied.usage_number = usage.usage_number
    inner join terms on applied.contract_commitment_id = terms.contract_commitment_id

)

select * from elements
