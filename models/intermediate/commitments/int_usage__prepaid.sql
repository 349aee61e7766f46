with recursive

usage as (

    select * from {{ ref('int_usage__ordered') }}
    where prepayable_cost <> 0

),

scopes as (

    select * from {{ ref('int_commitments__scopes') }}

),

credits as (

    -- The credit that ends first pays first, by the instant; then the one that starts first; then the smaller. The id
    -- decides only between credits that are equal in all three.
    select
        account,
        contract_commitment_id,
        drawable_amount,
        drawn_from,
        end_day,
        cast(row_number() over (
            partition by account
            order by period_end asc, period_start asc, committed_amount asc, contract_commitment_id asc
        ) as bigint) as credit_number
    from {{ ref('int_commitments__terms') }}
    where payment = 'prepaid'

),

unpaid as (

    select
        account,
        usage_number,
        charge_date,
        endpoint_id,
        pricing_unit,
        cast(0 as bigint) as credit_number,
        cast(null as {{ dbt.type_string() }}) as contract_commitment_id,
        {{ money(0) }} as paid_cost,
        prepayable_cost as unpaid_cost
    from usage

),

-- Each step takes the usage that is not yet paid in full to the next credit of its account.
{% call(previous) recursive_cte(
    'waterfall', start='unpaid', most_steps=most_credits_of_an_account(ref('int_commitments__terms'))
) -%}
with

    eligible as (

        select
            previous.account,
            previous.usage_number,
            previous.charge_date,
            previous.endpoint_id,
            previous.pricing_unit,
            previous.unpaid_cost,
            credits.credit_number,
            credits.contract_commitment_id,
            credits.drawable_amount,
            case
                when scopes.contract_commitment_id is not null then previous.unpaid_cost
                else {{ money(0) }}
            end as eligible_cost
        from {{ previous }} as previous
        inner join credits
            on previous.account = credits.account and previous.credit_number + 1 = credits.credit_number
        left join scopes
            on
                previous.account = scopes.account
                and previous.endpoint_id = scopes.endpoint_id
                and previous.pricing_unit = scopes.pricing_unit
                and credits.contract_commitment_id = scopes.contract_commitment_id
                and {{ is_active_on('previous.charge_date', 'credits') }}
        where previous.unpaid_cost <> 0

    ),

    summed as (

        select
            *,
            sum(eligible_cost) over (
                partition by account order by usage_number asc rows between unbounded preceding and current row
            ) as eligible_so_far
        from eligible

    ),

    paid as (

        select
            *,
            {{ applied_of('eligible_so_far', 'eligible_cost', 'drawable_amount', money) }} as paid_cost
        from summed

    )

    select
        account,
        usage_number,
        charge_date,
        endpoint_id,
        pricing_unit,
        credit_number,
        contract_commitment_id,
        paid_cost,
        {{ money('unpaid_cost - paid_cost') }} as unpaid_cost
    from paid
{%- endcall %},

prepaid as (

    select
        account,
        usage_number,
        contract_commitment_id,
        paid_cost as applied
    from waterfall
    where paid_cost <> 0

)

select * from prepaid
