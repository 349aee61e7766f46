{%- set steps = prepaid_steps(ref('int_commitments__terms')) -%}

with

blocks as (

    select distinct
        account,
        charge_date,
        prepaid_count,
        endpoint_id,
        prepayable_cost
    from {{ ref('int_endpoint_days__commitments') }}
    where payment = 'prepaid'

),

commitments as (

    select * from {{ ref('int_endpoint_days__commitments') }}
    where payment = 'prepaid'

),

after_step_0 as (

    select
        *,
        prepayable_cost as left_0
    from blocks

),

-- A waterfall, one step a commitment: what the ones before have left over is asked of the next. A commitment pays from
-- its first unit to its last in the order of blocks, and takes back what a correction returns.
{%- for step in range(1, steps + 1) %}

asked_in_step_{{ step }} as (

    select
        previous.*,
        commitments.contract_commitment_id as commitment_{{ step }},
        commitments.drawable_amount as amount_{{ step }},
        case
            when commitments.contract_commitment_id is null then {{ money(0) }}
            else previous.left_{{ step - 1 }}
        end as asked_{{ step }}
    from after_step_{{ step - 1 }} as previous
    left join commitments
        on
            previous.account = commitments.account
            and previous.charge_date = commitments.charge_date
            and previous.endpoint_id = commitments.endpoint_id
            and commitments.prepaid_rank = {{ step }}

),

summed_in_step_{{ step }} as (

    select
        *,
        {{ money(
            'sum(asked_' ~ step ~ ') over (
                partition by account
                order by charge_date asc, prepaid_count asc, endpoint_id asc
                rows between unbounded preceding and current row
            ) - asked_' ~ step
        ) }} as before_{{ step }}
    from asked_in_step_{{ step }}

),

after_step_{{ step }} as (

    select
        *,
        {{ money('left_' ~ (step - 1) ~ ' - ' ~ drawn_in_step(step, 'asked_' ~ step)) }} as left_{{ step }}
    from summed_in_step_{{ step }}

),
{%- endfor %}

drawn as (

    select
        waterfall.account,
        waterfall.charge_date,
        waterfall.endpoint_id,
        {{ prepaid_step_columns(steps, 'waterfall') }}
    from after_step_{{ steps }} as waterfall

)

select * from drawn
