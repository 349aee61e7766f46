{{
    config(
        materialized='incremental',
        incremental_strategy='parts',
        unique_key=['account', 'charge_date', 'cost_day_version'],
        meta={'parts_of': 'int_cost_days__versions'},
    )
}}

{#- An invoice may be compared with the usage of its month. So whole months are read, and only missing days kept. -#}
{%- set parts = parts_to_build(ref('int_cost_days__versions')) -%}
{%- set is_in_months = is_in_months_of_parts(parts, 'account', 'charge_period_start') -%}

with

days as (

    select * from {{ ref('int_cost_days__versions') }}

),

endpoints as (

    select * from {{ ref('int_endpoints__described') }}

),

owners as (

    select * from {{ ref('int_tags__owners') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

charges as (

    select * from {{ ref('int_costs__charges') }}
    where {{ is_in_months }}

),

-- Charges are read three times, because DuckDB would copy all columns of a CTE that is used three times.
invoiced as (

    select
        account,
        product_line,
        model_id,
        charge_month,
        sub_account_id,
        is_longer_than_a_day
    from {{ ref('int_costs__charges') }}
    where is_invoiced_usage and {{ is_in_months }}

),

set_aside as (

    select
        account,
        product_line,
        charge_month,
        sub_account_id
    from {{ ref('int_costs__charges') }}
    where is_set_aside and {{ is_in_months }}

),

invoiced_models as (

    select
        account,
        product_line,
        model_id,
        charge_month,
        max(case when is_longer_than_a_day then 1 else 0 end) = 1 as has_longer_row
    from invoiced
    group by account, product_line, model_id, charge_month

),

invoiced_sub_accounts as (

    select distinct
        account,
        product_line,
        charge_month,
        sub_account_id
    from invoiced

),

sub_accounts as (

    select distinct
        account,
        product_line,
        charge_month,
        sub_account_id
    from set_aside

),

months as (

    select
        sub_accounts.account,
        sub_accounts.product_line,
        sub_accounts.charge_month,
        max(case when invoiced_sub_accounts.account is null then 1 else 0 end) = 0 as has_sub_accounts
    from sub_accounts
    left join invoiced_sub_accounts
        on
            sub_accounts.account = invoiced_sub_accounts.account
            and sub_accounts.product_line = invoiced_sub_accounts.product_line
            and sub_accounts.charge_month = invoiced_sub_accounts.charge_month
            and sub_accounts.sub_account_id = invoiced_sub_accounts.sub_account_id
    group by sub_accounts.account, sub_accounts.product_line, sub_accounts.charge_month

),

grouped as (

    -- The invoice and the usage that was set aside are compared by model and day: by month if the invoice has a longer
    -- row of the model, and by sub account if the invoice has each sub account of the usage. Other charges are not
    -- compared.
    select
        charges.*,
        case
            when not (charges.is_set_aside or charges.is_invoiced_usage) then null
            when invoiced_models.has_longer_row then charges.charge_month
            else charges.charge_date
        end as compared_from,
        case
            when (charges.is_set_aside or charges.is_invoiced_usage) and months.has_sub_accounts
                then charges.sub_account_id
        end as compared_sub_account_id
    from charges
    left join months
        on
            charges.account = months.account
            and charges.product_line = months.product_line
            and charges.charge_month = months.charge_month
    left join invoiced_models
        on
            charges.account = invoiced_models.account
            and charges.product_line = invoiced_models.product_line
            and charges.model_id is not distinct from invoiced_models.model_id
            and charges.charge_month = invoiced_models.charge_month

),

costs as (

    -- Charges of one caller and price are one row a day.
    select
        account,
        billing_account_id,
        sub_account_id,
        sub_account_name,
        key_id,
        key_name,
        login,
        tags,
        charge_date,
        charge_category,
        charge_class,
        product_line,
        model_id,
        model_name,
        model_developer,
        unit,
        list_unit_price,
        contracted_unit_price,
        charge_source,
        charge_status,
        is_set_aside,
        is_invoiced_usage,
        compared_from,
        compared_sub_account_id,
        cast(sum(request_count) as bigint) as request_count,
        {{ quantity('coalesce(sum(quantity), 0)') }} as quantity,
        {{ money('coalesce(sum(list_cost), 0)') }} as list_cost,
        {{ money('coalesce(sum(contracted_cost), 0)') }} as contracted_cost,
        {{ money('sum(effective_cost)') }} as effective_cost,
        {{ money('sum(billed_cost)') }} as billed_cost
    from grouped
    group by
        account,
        billing_account_id,
        sub_account_id,
        sub_account_name,
        key_id,
        key_name,
        login,
        tags,
        charge_date,
        charge_category,
        charge_class,
        product_line,
        model_id,
        model_name,
        model_developer,
        unit,
        list_unit_price,
        contracted_unit_price,
        charge_source,
        charge_status,
        is_set_aside,
        is_invoiced_usage,
        compared_from,
        compared_sub_account_id

),

totals as (

    -- what the invoice has beyond the usage of all owners
    select
        account,
        product_line,
        model_id,
        compared_sub_account_id,
        compared_from,
        max(case when is_set_aside then 1 else 0 end) = 1 as is_split,
        coalesce(max(case when is_invoiced_usage then billing_account_id end), max(billing_account_id))
            as billing_account_id,
        case when compared_sub_account_id is not null then max(sub_account_name) end as sub_account_name,
        case
            when min(case when is_invoiced_usage then tags end) = max(case when is_invoiced_usage then tags end)
                then min(case when is_invoiced_usage then tags end)
        end as tags,
        coalesce(min(case when is_invoiced_usage then charge_date end), min(charge_date)) as charge_date,
        max(model_name) as model_name,
        max(model_developer) as model_developer,
        case when min(unit) = max(unit) then min(unit) end as unit,
        {{ quantity('sum(case when is_set_aside then -quantity else quantity end)') }} as quantity,
        {{ money('sum(case when is_set_aside then -list_cost else list_cost end)') }} as list_cost,
        {{ money('sum(case when is_set_aside then -contracted_cost else contracted_cost end)') }} as contracted_cost,
        {{ money('sum(case when is_set_aside then -effective_cost else effective_cost end)') }} as effective_cost,
        {{ money('sum(case when is_invoiced_usage then effective_cost else 0 end)') }} as invoiced_effective_cost,
        {{ money('sum(case when is_invoiced_usage then billed_cost else 0 end)') }} as invoiced_billed_cost
    from costs
    where compared_from is not null
    group by account, product_line, model_id, compared_sub_account_id, compared_from

),

owned as (

    -- Usage of a group shares by its effective cost what the invoice bills.
    select
        costs.account,
        costs.billing_account_id,
        costs.sub_account_id,
        costs.sub_account_name,
        costs.key_id,
        costs.key_name,
        costs.login,
        costs.tags,
        costs.charge_date,
        costs.charge_category,
        costs.charge_class,
        costs.product_line,
        costs.model_id,
        costs.model_name,
        costs.model_developer,
        costs.unit,
        costs.list_unit_price,
        costs.contracted_unit_price,
        costs.request_count,
        costs.quantity,
        costs.list_cost,
        costs.contracted_cost,
        costs.effective_cost,
        case
            when totals.is_split
                then {{ share_of_bill(
                    'costs.effective_cost', 'totals.invoiced_billed_cost', 'totals.invoiced_effective_cost'
                ) }}
            else costs.billed_cost
        end as billed_cost,
        case when totals.is_split then 'invoice' else costs.charge_source end as charge_source,
        case when totals.is_split then 'Final' else costs.charge_status end as charge_status
    from costs
    left join totals
        on
            costs.account = totals.account
            and costs.product_line = totals.product_line
            and costs.model_id is not distinct from totals.model_id
            and costs.compared_sub_account_id is not distinct from totals.compared_sub_account_id
            and costs.compared_from = totals.compared_from
    where not (costs.is_invoiced_usage and totals.is_split)

),

shared as (

    select
        costs.account,
        costs.product_line,
        costs.model_id,
        costs.compared_sub_account_id,
        costs.compared_from,
        sum({{ share_of_bill(
            'costs.effective_cost', 'totals.invoiced_billed_cost', 'totals.invoiced_effective_cost'
        ) }}) as shared_billed_cost
    from costs
    inner join totals
        on
            costs.account = totals.account
            and costs.product_line = totals.product_line
            and costs.model_id is not distinct from totals.model_id
            and costs.compared_sub_account_id is not distinct from totals.compared_sub_account_id
            and costs.compared_from = totals.compared_from
    where costs.is_set_aside
    group by
        costs.account,
        costs.product_line,
        costs.model_id,
        costs.compared_sub_account_id,
        costs.compared_from

),

differences as (

    select
        totals.*,
        {{ money('totals.invoiced_billed_cost - shared.shared_billed_cost') }} as billed_cost
    from totals
    inner join shared
        on
            totals.account = shared.account
            and totals.product_line = shared.product_line
            and totals.model_id is not distinct from shared.model_id
            and totals.compared_sub_account_id is not distinct from shared.compared_sub_account_id
            and totals.compared_from = shared.compared_from

),

costs_by_owner as (

    select * from owned
    union all
    select
        account,
        billing_account_id,
        compared_sub_account_id as sub_account_id,
        sub_account_name,
        null as key_id,
        null as key_name,
        null as login,
        tags,
        charge_date,
        'Usage' as charge_category,
        null as charge_class,
        product_line,
        model_id,
        model_name,
        model_developer,
        unit,
        null as list_unit_price,
        null as contracted_unit_price,
        null as request_count,
        quantity,
        list_cost,
        contracted_cost,
        effective_cost,
        billed_cost,
        'invoice' as charge_source,
        'Final' as charge_status
    from differences
    where quantity <> 0 or list_cost <> 0 or contracted_cost <> 0 or effective_cost <> 0 or billed_cost <> 0

),

described as (

    select
        costs_by_owner.*,
        {{ month_of('costs_by_owner.charge_date') }} as charge_month,
        endpoints.modality,
        owners.team,
        owners.cost_center,
        owners.project,
        owners.environment,
        coalesce(settled_days.is_settled, false) as is_complete,
        days.cost_day_version
    from costs_by_owner
    inner join days on costs_by_owner.account = days.account and costs_by_owner.charge_date = days.charge_date
    left join owners on costs_by_owner.tags = owners.tags
    left join endpoints
        on
            costs_by_owner.account = endpoints.account
            and costs_by_owner.model_id = endpoints.endpoint_id
            and costs_by_owner.charge_date >= endpoints.valid_from
            and costs_by_owner.charge_date < endpoints.valid_to
    left join settled_days
        on
            costs_by_owner.account = settled_days.account
            and costs_by_owner.charge_date = settled_days.charge_date
            and case when costs_by_owner.charge_category = 'Usage' then costs_by_owner.product_line else 'all' end
            = settled_days.product_line
    where {{ is_in_parts(parts, ['costs_by_owner.account', 'costs_by_owner.charge_date']) }}

)

select * from described
