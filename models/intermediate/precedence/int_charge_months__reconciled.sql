with

from_events as (

    select * from {{ ref('int_charges__from_billing_events') }}

),

from_serverless_usage as (

    select * from {{ ref('int_charges__from_serverless_usage') }}

),

from_reports as (

    select * from {{ ref('int_charges__from_focus_reports') }}

),

day_sources as (

    select * from {{ ref('int_charge_days__sources') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

totals as (

    -- A month has a row for each product line, and one for all of them.
    select false as is_total
    union all
    select true as is_total

),

charges as (

    -- every charge of every feed, including charges that cost_and_usage leaves out
    select
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        x_ProductLine as product_line,
        'billing_events' as feed,
        'usage' as kind,
        EffectiveCost as effective_cost,
        BilledCost as billed_cost,
        cast(null as {{ dbt.type_string() }}) as invoice_id
    from from_events
    union all
    select
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        x_ProductLine as product_line,
        'serverless_usage' as feed,
        'usage' as kind,
        EffectiveCost as effective_cost,
        BilledCost as billed_cost,
        cast(null as {{ dbt.type_string() }}) as invoice_id
    from from_serverless_usage
    union all
    select
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        x_ProductLine as product_line,
        x_ChargeSource as feed,
        case when ChargeClass = 'Correction' then 'correction' else lower(ChargeCategory) end as kind,
        EffectiveCost as effective_cost,
        BilledCost as billed_cost,
        InvoiceId as invoice_id
    from from_reports
    where x_ChargeSource = 'invoice' or is_of_its_day

),

by_day as (

    -- the steps after this one read a few rows a day, not each charge
    select
        account,
        charge_date,
        product_line,
        feed,
        kind,
        invoice_id,
        sum(effective_cost) as effective_cost,
        sum(billed_cost) as billed_cost
    from charges
    group by account, charge_date, product_line, feed, kind, invoice_id

),

amounts as (

    select
        by_day.account,
        by_day.charge_date,
        {{ month_of('by_day.charge_date') }} as charge_month,
        case when totals.is_total then 'all' else by_day.product_line end as product_line,
        by_day.feed,
        by_day.kind,
        by_day.effective_cost,
        by_day.billed_cost,
        by_day.invoice_id,
        by_day.feed in ('billing_events', 'serverless_usage')
        and coalesce(day_sources.is_month_closed and not day_sources.is_invoiced, false) as is_not_invoiced,
        by_day.feed = 'estimate' and by_day.kind = 'usage' and coalesce(day_sources.is_set_aside, false)
            as is_set_aside
    from by_day
    cross join totals
    left join day_sources
        on
            by_day.account = day_sources.account
            and by_day.charge_date = day_sources.charge_date
            and by_day.product_line = day_sources.product_line

),

by_month as (

    -- Events and serverless usage of a closed month do not count, so their usage without an invoice row is stated.
    select
        account,
        charge_month,
        product_line,
        sum(case when feed = 'invoice' and kind = 'usage' then effective_cost end) as invoiced_usage_usd,
        sum(case when feed = 'billing_events' then effective_cost end) as event_usage_usd,
        sum(case when feed = 'serverless_usage' then effective_cost end) as serverless_usage_usd,
        sum(case when feed = 'estimate' and kind = 'usage' then effective_cost end) as estimated_usage_usd,
        sum(case when is_set_aside then effective_cost end) as unattributed_usage_usd,
        sum(case when feed = 'invoice' and kind = 'credit' then billed_cost end) as credits_usd,
        sum(case when feed = 'invoice' and kind = 'tax' then billed_cost end) as taxes_usd,
        sum(case when feed = 'invoice' and kind = 'correction' then billed_cost end) as corrections_usd,
        sum(case when feed = 'invoice' and kind not in ('usage', 'credit', 'tax', 'correction') then billed_cost end)
            as other_charges_usd,
        sum(case when feed = 'invoice' then billed_cost end) as invoiced_total_usd,
        count(distinct case when is_not_invoiced then charge_date end) as days_not_invoiced,
        sum(case when is_not_invoiced and feed = 'billing_events' then effective_cost end)
            as event_usage_not_invoiced_usd,
        sum(case when is_not_invoiced and feed = 'serverless_usage' then effective_cost end)
            as serverless_usage_not_invoiced_usd
    from amounts
    group by account, charge_month, product_line

),

invoices_by_month as (

    -- Spark 4.3 fails with a ClassCastException where listagg stands beside count(distinct).
    select
        account,
        charge_month,
        product_line,
        {{ text_list_agg('invoice_id') }} as invoice_ids
    from amounts
    group by account, charge_month, product_line

),

sources as (

    select
        day_sources.account,
        day_sources.charge_month,
        day_sources.charge_date,
        case when totals.is_total then 'all' else day_sources.product_line end as product_line,
        day_sources.charge_source
    from day_sources
    cross join totals

),

days_by_month as (

    select
        account,
        charge_month,
        product_line,
        count(distinct case when charge_source = 'invoice' then charge_date end) as days_from_invoice,
        count(distinct case when charge_source = 'billing_events' then charge_date end) as days_from_events,
        count(distinct case when charge_source = 'serverless_usage' then charge_date end)
            as days_from_serverless_usage,
        count(distinct case when charge_source = 'estimate' then charge_date end) as days_from_estimate
    from sources
    group by account, charge_month, product_line

),

reconciled as (

    select
        ---------- ids
        by_month.account,
        by_month.charge_month,
        by_month.product_line,
        case
            when closed_months.account is not null then 'closed'
            when by_month.invoiced_usage_usd is not null then 'partly invoiced'
            else 'open'
        end as status,
        invoices_by_month.invoice_ids,

        ---------- usage by each feed (USD)
        {{ money('by_month.invoiced_usage_usd') }} as invoiced_usage_usd,
        {{ money('by_month.event_usage_usd') }} as event_usage_usd,
        {{ money('by_month.serverless_usage_usd') }} as serverless_usage_usd,
        {{ money('by_month.estimated_usage_usd') }} as estimated_usage_usd,
        {{ money('coalesce(by_month.unattributed_usage_usd, 0)') }} as unattributed_usage_usd,

        ---------- differences (USD and percent)
        {{ money('by_month.invoiced_usage_usd - by_month.event_usage_usd') }} as invoice_minus_events_usd,
        {{ percent_of('by_month.invoiced_usage_usd - by_month.event_usage_usd', 'by_month.event_usage_usd') }}
            as invoice_minus_events_percent,
        {{ money('by_month.invoiced_usage_usd - by_month.serverless_usage_usd') }}
            as invoice_minus_serverless_usage_usd,
        {{ percent_of('by_month.invoiced_usage_usd - by_month.serverless_usage_usd', 'by_month.serverless_usage_usd') }}
            as invoice_minus_serverless_usage_percent,
        {{ money('by_month.invoiced_usage_usd - by_month.estimated_usage_usd') }} as invoice_minus_estimates_usd,
        {{ percent_of('by_month.invoiced_usage_usd - by_month.estimated_usage_usd', 'by_month.estimated_usage_usd') }}
            as invoice_minus_estimates_percent,

        ---------- other invoiced charges of the month (USD)
        {{ money('coalesce(by_month.credits_usd, 0)') }} as credits_usd,
        {{ money('coalesce(by_month.taxes_usd, 0)') }} as taxes_usd,
        {{ money('coalesce(by_month.corrections_usd, 0)') }} as corrections_usd,
        {{ money('coalesce(by_month.other_charges_usd, 0)') }} as other_charges_usd,
        {{ money('coalesce(by_month.invoiced_total_usd, 0)') }} as invoiced_total_usd,

        ---------- days with events, serverless usage or estimates, by the feed that counts on them
        cast(coalesce(days_by_month.days_from_invoice, 0) as bigint) as days_from_invoice,
        cast(coalesce(days_by_month.days_from_events, 0) as bigint) as days_from_events,
        cast(coalesce(days_by_month.days_from_serverless_usage, 0) as bigint) as days_from_serverless_usage,
        cast(coalesce(days_by_month.days_from_estimate, 0) as bigint) as days_from_estimate,

        ---------- days with events or serverless usage in a closed month that no invoiced usage covers
        cast(by_month.days_not_invoiced as bigint) as days_not_invoiced,
        {{ money('coalesce(by_month.event_usage_not_invoiced_usd, 0)') }} as event_usage_not_invoiced_usd,
        {{ money('coalesce(by_month.serverless_usage_not_invoiced_usd, 0)') }} as serverless_usage_not_invoiced_usd

    from by_month
    inner join invoices_by_month
        on
            by_month.account = invoices_by_month.account
            and by_month.charge_month = invoices_by_month.charge_month
            and by_month.product_line = invoices_by_month.product_line
    left join closed_months
        on by_month.account = closed_months.account and by_month.charge_month = closed_months.charge_month
    left join days_by_month
        on
            by_month.account = days_by_month.account
            and by_month.charge_month = days_by_month.charge_month
            and by_month.product_line = days_by_month.product_line

)

select * from reconciled
