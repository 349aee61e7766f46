with

costs as (

    select * from {{ ref('int_costs__by_day') }}

),

invoiced_models as (

    select
        account,
        product_line,
        model_id,
        charge_month,
        max(case when has_longer_row then 1 else 0 end) = 1 as has_longer_row
    from costs
    where is_invoiced_usage
    group by account, product_line, model_id, charge_month

),

invoiced_sub_accounts as (

    select distinct
        account,
        product_line,
        charge_month,
        sub_account_id
    from costs
    where is_invoiced_usage

),

sub_accounts as (

    select distinct
        account,
        product_line,
        charge_month,
        sub_account_id
    from costs
    where is_set_aside

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
    -- row of the model, and by sub account if the invoice has each sub account of the usage.
    select
        costs.*,
        case when invoiced_models.has_longer_row then costs.charge_month else costs.charge_date end as compared_from,
        case when months.has_sub_accounts then costs.sub_account_id end as compared_sub_account_id
    from costs
    left join months
        on
            costs.account = months.account
            and costs.product_line = months.product_line
            and costs.charge_month = months.charge_month
    left join invoiced_models
        on
            costs.account = invoiced_models.account
            and costs.product_line = invoiced_models.product_line
            and costs.model_id is not distinct from invoiced_models.model_id
            and costs.charge_month = invoiced_models.charge_month
    where costs.is_set_aside or costs.is_invoiced_usage

),

totals as (

    -- an aggregate and a join, because a window would sort all rows
    select
        account,
        product_line,
        model_id,
        compared_sub_account_id,
        compared_from,
        max(case when is_set_aside then 1 else 0 end) = 1 as is_split,
        {{ money('sum(case when is_invoiced_usage then effective_cost else 0 end)') }} as invoiced_effective_cost,
        {{ money('sum(case when is_invoiced_usage then billed_cost else 0 end)') }} as invoiced_billed_cost
    from grouped
    group by account, product_line, model_id, compared_sub_account_id, compared_from

),

with_totals as (

    select
        grouped.*,
        totals.is_split,
        totals.invoiced_effective_cost,
        totals.invoiced_billed_cost
    from grouped
    inner join totals
        on
            grouped.account = totals.account
            and grouped.product_line = totals.product_line
            and grouped.model_id is not distinct from totals.model_id
            and grouped.compared_sub_account_id is not distinct from totals.compared_sub_account_id
            and grouped.compared_from = totals.compared_from

),

compared as (

    -- Usage of a group shares by its effective cost what the invoice bills. A cost near 0 cannot be shared.
    select
        *,
        case when is_set_aside then -1 else 1 end as sign_of_row,
        case
            when not is_set_aside then billed_cost
            when invoiced_billed_cost = invoiced_effective_cost and invoiced_billed_cost <> 0 then effective_cost
            when invoiced_billed_cost = 0 then {{ money(0) }}
            when
                {{ quantity('invoiced_effective_cost') }} <> 0
                and abs(invoiced_billed_cost) <= 10 * abs({{ quantity('invoiced_effective_cost') }})
                then {{ money(rounded_share('effective_cost', 'invoiced_billed_cost', 'invoiced_effective_cost')) }}
            else {{ money(0) }}
        end as shared_billed_cost
    from with_totals
    where is_split

),

differences as (

    -- what the invoice has beyond the usage of all owners
    select
        account,
        coalesce(max(case when is_invoiced_usage then billing_account_id end), max(billing_account_id))
            as billing_account_id,
        compared_sub_account_id as sub_account_id,
        case when compared_sub_account_id is not null then max(sub_account_name) end as sub_account_name,
        case
            when min(case when is_invoiced_usage then tags end) = max(case when is_invoiced_usage then tags end)
                then min(case when is_invoiced_usage then tags end)
        end as tags,
        coalesce(min(case when is_invoiced_usage then charge_date end), min(charge_date)) as charge_date,
        product_line,
        model_id,
        max(model_name) as model_name,
        max(model_developer) as model_developer,
        case when min(unit) = max(unit) then min(unit) end as unit,
        {{ quantity('sum(sign_of_row * quantity)') }} as quantity,
        {{ money('sum(sign_of_row * list_cost)') }} as list_cost,
        {{ money('sum(sign_of_row * contracted_cost)') }} as contracted_cost,
        {{ money('sum(sign_of_row * effective_cost)') }} as effective_cost,
        {{ money('sum(sign_of_row * shared_billed_cost)') }} as billed_cost
    from compared
    group by account, product_line, model_id, compared_sub_account_id, compared_from

),

costs_by_owner as (

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
        request_count,
        quantity,
        list_cost,
        contracted_cost,
        effective_cost,
        billed_cost,
        charge_source,
        charge_status
    from costs
    where not is_set_aside and not is_invoiced_usage
    union all
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
        request_count,
        quantity,
        list_cost,
        contracted_cost,
        effective_cost,
        billed_cost,
        charge_source,
        charge_status
    from with_totals
    where not is_split
    union all
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
        request_count,
        quantity,
        list_cost,
        contracted_cost,
        effective_cost,
        shared_billed_cost as billed_cost,
        'invoice' as charge_source,
        'Final' as charge_status
    from compared
    where is_set_aside
    union all
    select
        account,
        billing_account_id,
        sub_account_id,
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

)

select * from costs_by_owner
