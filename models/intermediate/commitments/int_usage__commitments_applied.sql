with

usage_rows as (

    select * from {{ ref('int_usage__by_endpoint_day') }}

),

blocks as (

    select * from {{ ref('int_endpoint_days__commitments') }}
    where payment = 'in_arrears'

),

prepaid as (

    select * from {{ ref('int_usage__prepaid') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

counted as (

    -- in arrears: how far the charge moves the commitment's own count, up to its amount
    select
        usage_rows.charge_id,
        usage_rows.charge_date,
        blocks.contract_commitment_id,
        usage_rows.effective_cost,
        usage_rows.pricing_quantity,
        usage_rows.contracted_unit_price,
        case
            when blocks.contract_commitment_category = 'Usage'
                then {{ counted_up_to(
                    'blocks.quantity_before', 'usage_rows.quantity_so_far', 'usage_rows.pricing_quantity',
                    'blocks.drawable_amount', quantity
                ) }}
            else {{ counted_up_to(
                'blocks.cost_before', 'usage_rows.cost_so_far', 'usage_rows.effective_cost',
                'blocks.drawable_amount', money
            ) }}
        end as applied
    from usage_rows
    inner join blocks
        on
            usage_rows.account = blocks.account
            and usage_rows.charge_date = blocks.charge_date
            and usage_rows.endpoint_id = blocks.endpoint_id
            and (blocks.contract_commitment_category = 'Spend' or usage_rows.pricing_unit = blocks.unit)

),

in_arrears as (

    select
        charge_id,
        charge_date,
        contract_commitment_id,
        effective_cost,
        pricing_quantity,
        contracted_unit_price,
        applied
    from counted
    where applied <> 0

),

applied as (

    select
        prepaid.charge_id,
        prepaid.charge_date,
        prepaid.contract_commitment_id,
        prepaid.applied_cost as applied,
        cast(null as decimal(38, 18)) as effective_cost,
        cast(null as decimal(38, 9)) as pricing_quantity,
        cast(null as decimal(38, 18)) as contracted_unit_price
    from prepaid
    union all
    select
        charge_id,
        charge_date,
        contract_commitment_id,
        applied,
        effective_cost,
        pricing_quantity,
        contracted_unit_price
    from in_arrears

),

elements as (

    -- a Spend commitment is counted in money; a Usage commitment in its unit, which has its cost, too
    select
        applied.charge_id,
        applied.charge_date,
        terms.account,
        terms.contract_id,
        terms.contract_commitment_id,
        terms.payment,
        terms.unit as applied_unit,
        applied.applied as applied_quantity,
        case
            when terms.contract_commitment_category = 'Spend' then applied.applied
            when {{ quantity('applied.applied') }} = applied.pricing_quantity then applied.effective_cost
            else {{ money('applied.contracted_unit_price * ' ~ quantity('applied.applied')) }}
        end as applied_cost
    from applied
    inner join terms on applied.contract_commitment_id = terms.contract_commitment_id

)

select * from elements
