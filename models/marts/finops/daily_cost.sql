with

costs as (

    select * from {{ ref('int_costs__by_owner') }}

),

aliases as (

    select * from {{ ref('int_tags__key_aliases') }}

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

described as (

    select
        costs.*,
        {{ month_of('costs.charge_date') }} as charge_month,
        coalesce(aliases.key_alias, costs.auth_method) as key_name,
        owners.team,
        owners.cost_center,
        owners.project,
        owners.environment,
        endpoints.modality,
        coalesce(settled_days.is_settled, false) as is_complete
    from costs
    left join owners on costs.tags = owners.tags
    left join aliases
        on
            costs.account = aliases.account
            and costs.key_id = aliases.api_key_id
            and costs.charge_date >= aliases.valid_from
            and costs.charge_date < aliases.valid_to
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

),

daily_cost as (

    -- Of one caller on a day, the label is the same. Labels that an alias replaces are summed.
    select
        ---------- ids
        account,
        billing_account_id,
        sub_account_id,
        sub_account_name,

        ---------- when (UTC)
        charge_date,
        charge_month,

        ---------- what
        charge_category,
        charge_class,
        product_line,
        model_id,
        model_name,
        modality,
        model_developer,

        ---------- who
        key_id,
        key_name,
        login,
        tags,
        team,
        cost_center,
        project,
        environment,

        ---------- at what price (USD)
        unit,
        list_unit_price,
        contracted_unit_price,

        ---------- how much
        cast(sum(request_count) as bigint) as request_count,
        {{ quantity('sum(quantity)') }} as quantity,
        {{ money('sum(list_cost)') }} as list_cost,
        {{ money('sum(contracted_cost)') }} as contracted_cost,
        {{ money('sum(effective_cost)') }} as effective_cost,
        {{ money('sum(billed_cost)') }} as billed_cost,

        ---------- where from
        charge_source,
        charge_status,
        is_complete

    from described
    group by
        account,
        billing_account_id,
        sub_account_id,
        sub_account_name,
        charge_date,
        charge_month,
        charge_category,
        charge_class,
        product_line,
        model_id,
        model_name,
        modality,
        model_developer,
        key_id,
        key_name,
        login,
        tags,
        team,
        cost_center,
        project,
        environment,
        unit,
        list_unit_price,
        contracted_unit_price,
        charge_source,
        charge_status,
        is_complete

)

select * from daily_cost
