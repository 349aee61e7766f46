{{
    config(
        materialized='incremental',
        incremental_strategy='parts',
        unique_key=['account', 'charge_date', 'cost_day_version'],
        on_schema_change='fail',
        meta={'parts_of': 'int_cost_days__versions'},
    )
}}

with

costs as (

    select * from {{ ref('int_costs__by_owner') }}
    where {{ is_in_parts(parts_to_build(ref('int_cost_days__versions')), ['account', 'charge_date']) }}

),

endpoints as (

    select * from {{ ref('int_endpoints__described') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

owners as (

    select * from {{ ref('int_tags__owners') }}

),

daily_cost as (

    select
        ---------- ids
        costs.account,
        costs.billing_account_id,
        costs.sub_account_id,
        costs.sub_account_name,

        ---------- when (UTC)
        costs.charge_date,
        {{ month_of('costs.charge_date') }} as charge_month,

        ---------- what
        costs.charge_category,
        costs.charge_class,
        costs.product_line,
        costs.model_id,
        costs.model_name,
        endpoints.modality,
        costs.model_developer,

        ---------- who
        costs.key_id,
        costs.key_name,
        costs.login,
        costs.tags,
        owners.team,
        owners.cost_center,
        owners.project,
        owners.environment,

        ---------- at what price (USD)
        costs.unit,
        costs.list_unit_price,
        costs.contracted_unit_price,

        ---------- how much
        costs.request_count,
        costs.quantity,
        costs.list_cost,
        costs.contracted_cost,
        costs.effective_cost,
        costs.billed_cost,

        ---------- where from
        costs.charge_source,
        costs.charge_status,
        coalesce(settled_days.is_settled, false) as is_complete,
        costs.cost_day_version

    from costs
    left join owners on costs.tags = owners.tags
    left join endpoints
        on
            costs.account = endpoints.account
            and costs.model_id = endpoints.endpoint_id
            and costs.charge_date >= endpoints.valid_from
            and costs.charge_date < endpoints.valid_to
    left join settled_days
        on
            costs.account = settled_days.account
            and costs.charge_date = settled_days.charge_date
            and case when costs.charge_category = 'Usage' then costs.product_line else 'all' end
            = settled_days.product_line

)

select * from daily_cost
