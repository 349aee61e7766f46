{#-
    What is drawn from a commitment within a block is a function of the block's running total alone. So a charge draws the
    difference of that function between the running total with it and without it, and no charge waits for another.
-#}
{%- set steps = prepaid_steps(ref('int_commitments__terms')) -%}

with

usage_rows as (

    select * from {{ ref('int_usage__by_endpoint_day') }}

),

blocks as (

    select * from {{ ref('int_blocks__prepaid') }}

),

after_step_0 as (

    select
        usage_rows.charge_id,
        usage_rows.charge_date,
        usage_rows.prepayable_so_far as with_0,
        {{ money('usage_rows.prepayable_so_far - usage_rows.prepayable_cost') }} as without_0,
        {{ prepaid_step_columns(steps, 'blocks') }}
    from usage_rows
    inner join blocks
        on
            usage_rows.account = blocks.account
            and usage_rows.charge_date = blocks.charge_date
            and usage_rows.endpoint_id = blocks.endpoint_id
    where usage_rows.prepayable_cost <> 0

),
{%- for step in range(1, steps + 1) %}

drawn_in_step_{{ step }} as (

    select
        *,
        {{ drawn_in_step(step, 'with_' ~ (step - 1)) }} as drawn_with_{{ step }},
        {{ drawn_in_step(step, 'without_' ~ (step - 1)) }} as drawn_without_{{ step }}
    from after_step_{{ step - 1 }}

),

after_step_{{ step }} as (

    select
        *,
        {{ money('with_' ~ (step - 1) ~ ' - drawn_with_' ~ step) }} as with_{{ step }},
        {{ money('without_' ~ (step - 1) ~ ' - drawn_without_' ~ step) }} as without_{{ step }}
    from drawn_in_step_{{ step }}

),
{%- endfor %}

{%- set elements = [] -%}
{%- for step in range(1, steps + 1) -%}
    {%- do elements.append({
        'contract_commitment_id': 'commitment_' ~ step,
        'applied_cost': money('drawn_with_' ~ step ~ ' - drawn_without_' ~ step),
    }) -%}
{%- endfor %}

each_commitment as (

    select
        charge_id,
        charge_date,
        {{ unnest_structs(elements) }} as element
    from after_step_{{ steps }}

),

drawn as (

    select
        each_commitment.charge_id,
        each_commitment.charge_date,
        each_commitment.element.contract_commitment_id,
        each_commitment.element.applied_cost
    from each_commitment
    where
        each_commitment.element.contract_commitment_id is not null
        and each_commitment.element.applied_cost <> 0

)

select * from drawn
