with

event_days as (

    select * from {{ ref('int_billing_event_days__versions') }}

),

serverless_usage as (

    select * from {{ ref('stg_fal__serverless_usage') }}

),

estimates as (

    select * from {{ ref('stg_fal__focus_estimates') }}

),

product_lines as (

    select * from {{ ref('int_report_rows__product_lines') }}
    where charge_source = 'estimate'

),

covered as (

    select * from {{ ref('int_charge_days__covered_by_invoices') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

charged_days as (

    select
        account,
        charge_date,
        'model_apis' as product_line,
        'billing_events' as feed
    from event_days
    union all
    select distinct
        account,
        charge_date,
        'serverless' as product_line,
        'serverless_usage' as feed
    from serverless_usage
    union all
    select distinct
        estimates.account,
        estimates.landed_date as charge_date,
        coalesce(product_lines.product_line, {{ unattributed() }}) as product_line,
        'estimate' as feed
    from estimates
    left join product_lines
        on
            estimates.account = product_lines.account
            and estimates.landed_date = product_lines.landed_for
            and estimates.record_number = product_lines.record_number
    where {{ is_of_its_day('estimates') }}

),

lines as (

    select
        account,
        charge_date,
        product_line,
        {{ month_of('charge_date') }} as charge_month,
        max(case when feed = 'billing_events' then 1 else 0 end) = 1 as has_events,
        max(case when feed = 'serverless_usage' then 1 else 0 end) = 1 as has_serverless_usage,
        max(case when feed = 'estimate' then 1 else 0 end) = 1 as has_estimate
    from charged_days
    group by account, charge_date, product_line

),

days as (

    select
        account,
        charge_date,
        max(case when has_events then 1 else 0 end) = 1 as has_events,
        max(case when has_serverless_usage then 1 else 0 end) = 1 as has_serverless_usage
    from lines
    group by account, charge_date

),

invoiced_lines as (

    select
        lines.account,
        lines.charge_date,
        lines.product_line,
        max(case when covered.product_line = lines.product_line then 1 else 0 end) = 1 as is_line_invoiced,
        max(case when covered.product_line = {{ unattributed() }} then 1 else 0 end) = 1 as is_maybe_invoiced
    from lines
    inner join covered
        on
            lines.account = covered.account
            and lines.charge_date >= covered.covered_from
            and lines.charge_date < covered.covered_until
    group by lines.account, lines.charge_date, lines.product_line

),

stated as (

    select
        lines.account,
        lines.charge_date,
        lines.charge_month,
        lines.product_line,
        lines.has_events,
        lines.has_serverless_usage,
        lines.has_estimate,
        days.has_events as has_day_events,
        days.has_serverless_usage as has_day_serverless_usage,
        closed_months.account is not null as is_month_closed,
        invoiced_lines.account is not null as is_day_invoiced,
        -- A row of an invoice without a product line can be a fee, so it removes no usage from an open month. A closed
        -- month has the rows of its invoice alone, and there it can be usage of any line.
        coalesce(invoiced_lines.is_line_invoiced, false)
        or (closed_months.account is not null and coalesce(invoiced_lines.is_maybe_invoiced, false)) as is_invoiced,
        lines.product_line = {{ unattributed() }} as is_unattributed
    from lines
    inner join days on lines.account = days.account and lines.charge_date = days.charge_date
    left join closed_months
        on lines.account = closed_months.account and lines.charge_month = closed_months.charge_month
    left join invoiced_lines
        on
            lines.account = invoiced_lines.account
            and lines.charge_date = invoiced_lines.charge_date
            and lines.product_line = invoiced_lines.product_line

),

decided as (

    -- A closed month has the usage of its invoice alone. In an open month, an invoice comes before the feed of the
    -- product line on the days that it covers, and that feed comes before the estimate. Estimated usage without a
    -- product line can be usage of any line, so it gives way to every other feed of the day.
    select
        account,
        charge_date,
        charge_month,
        product_line,
        is_month_closed,
        is_invoiced,
        is_day_invoiced,
        has_events,
        has_serverless_usage,
        has_estimate,
        case
            when is_month_closed or is_invoiced or (is_unattributed and is_day_invoiced) then 'invoice'
            when has_events or (is_unattributed and has_day_events) then 'billing_events'
            when has_serverless_usage or (is_unattributed and has_day_serverless_usage) then 'serverless_usage'
            else 'estimate'
        end as charge_source,
        is_unattributed
        and not is_month_closed
        and (is_day_invoiced or has_day_events or has_day_serverless_usage) as is_set_aside
    from stated

)

select * from decided
