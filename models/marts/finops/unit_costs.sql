{{ config(materialized='view', meta={'published_as': 'view'}) }}

with

daily_cost as (

    select * from {{ ref('daily_cost') }}
    where
        charge_category = 'Usage'
        and charge_class is null

),

by_unit as (

    select
        account,
        sub_account_id,
        sub_account_name,
        charge_date,
        charge_month,
        product_line,
        model_id,
        model_name,
        modality,
        unit,
        key_id,
        key_name,
        login,
        team,
        cost_center,
        project,
        environment,
        cast(sum(request_count) as bigint) as request_count,
        {{ quantity('sum(quantity)') }} as quantity,
        {{ money('sum(list_cost)') }} as list_cost,
        {{ money('sum(effective_cost)') }} as effective_cost,
        max(cost_day_version) as cost_day_version
    from daily_cost
    group by
        account,
        sub_account_id,
        sub_account_name,
        charge_date,
        charge_month,
        product_line,
        model_id,
        model_name,
        modality,
        unit,
        key_id,
        key_name,
        login,
        team,
        cost_center,
        project,
        environment

),

unit_costs as (

    select
        ---------- ids
        account,
        sub_account_id,
        sub_account_name,

        ---------- when (UTC)
        charge_date,
        charge_month,

        ---------- what
        product_line,
        model_id,
        model_name,
        modality,
        unit,

        ---------- who
        key_id,
        key_name,
        login,
        team,
        cost_center,
        project,
        environment,

        ---------- how much (USD)
        request_count,
        quantity,
        list_cost,
        effective_cost,

        ---------- by request and unit
        case
            when request_count > 0 then {{ quantity(rounded_share('effective_cost', '1', 'request_count')) }}
        end as cost_per_request,
        case
            when quantity > 0 then {{ quantity(rounded_share('effective_cost', '1', 'quantity')) }}
        end as cost_per_unit,
        case
            when request_count > 0 then {{ quantity(rounded_share('quantity', '1', 'request_count')) }}
        end as units_per_request,
        {{ percent_of('list_cost - effective_cost', 'list_cost') }} as savings_percent,

        ---------- where from
        cost_day_version

    from by_unit

)

select * from unit_costs
