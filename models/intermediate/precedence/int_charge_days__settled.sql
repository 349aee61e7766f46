{#- the days after which sync fetches a day no more: SETTLED_AFTER of loaders/sync.py -#}
{%- set settled_after_days = 3 -%}

with

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

known_days as (

    select * from {{ ref('int_charge_days__known') }}

),

day_sources as (

    select * from {{ ref('int_charge_days__sources') }}

),

covered as (

    select * from {{ ref('int_charge_days__covered_by_invoices') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

lines as (

    -- The line `all` is settled when each line is that the account uses at that time.
    select
        'model_apis' as product_line,
        'billing_events' as line_feed
    union all
    select
        'serverless' as product_line,
        'serverless_usage' as line_feed
    union all
    select
        'compute' as product_line,
        null as line_feed
    union all
    select
        {{ unattributed() }} as product_line,
        null as line_feed

),

loads as (

    select
        account,
        case when feed = 'focus_reports' then 'estimate' else feed end as feed,
        coalesce(source, '') as source,
        cast(landed_partition as date) as charge_date,
        min(case
            when fetched_at >= {{ utc_add('day', settled_after_days + 1, 'cast(landed_partition as date)') }} then 1
            else 0
        end) as settled_flag
    from files
    where feed in ('billing_events', 'serverless_usage') or (feed = 'focus_reports' and source = 'estimate')
    group by account, feed, source, landed_partition

),

spans as (

    -- A team has loads from its first day on. A feed of an account has them until now, and a team can leave.
    select
        account,
        feed,
        source,
        min(charge_date) as first_date,
        max(charge_date) as last_date
    from loads
    group by account, feed, source

),

bounds as (

    select
        account,
        min(charge_date) as first_date,
        max(charge_date) as last_date
    from known_days
    group by account

),

days as (

    select
        account,
        {{ each_day('first_date', utc_date(utc_add('day', 1, 'last_date'))) }} as charge_date
    from bounds

),

landed as (

    -- A load that is missing between others of its team is a gap.
    select
        days.account,
        days.charge_date,
        spans.feed,
        max(case when loads.account is not null then 1 else 0 end) = 1 as has_load,
        min(case
            when loads.account is not null then loads.settled_flag
            when days.charge_date between spans.first_date and spans.last_date then 0
            else 1
        end) = 1 as is_settled,
        min(spans.first_date) <= days.charge_date as has_begun
    from days
    inner join spans on days.account = spans.account
    left join loads
        on
            days.account = loads.account
            and days.charge_date = loads.charge_date
            and spans.feed = loads.feed
            and spans.source = loads.source
    group by days.account, days.charge_date, spans.feed

),

months_of_use as (

    select
        account,
        product_line,
        charge_month
    from day_sources
    union
    select
        account,
        product_line,
        charge_month
    from covered

),

line_days as (

    select
        days.account,
        days.charge_date,
        {{ month_of('days.charge_date') }} as charge_month,
        lines.product_line,
        lines.line_feed
    from days
    cross join lines

),

invoiced as (

    select distinct
        line_days.account,
        line_days.charge_date,
        line_days.product_line
    from line_days
    inner join covered
        on
            line_days.account = covered.account
            and line_days.charge_date >= covered.covered_from
            and line_days.charge_date < covered.covered_until
            and (line_days.product_line = covered.product_line or covered.product_line = {{ unattributed() }})

),

used as (

    -- usage in the month or in one of the two before it
    select distinct
        line_days.account,
        line_days.charge_month,
        line_days.product_line
    from line_days
    inner join months_of_use
        on
            line_days.account = months_of_use.account
            and line_days.product_line = months_of_use.product_line
            and line_days.charge_month >= months_of_use.charge_month
            and line_days.charge_month <= {{ utc_date(utc_add('month', 2, 'months_of_use.charge_month')) }}

),

decided as (

    select
        line_days.account,
        line_days.charge_date,
        line_days.product_line,
        closed_months.account is not null
        or invoiced.account is not null
        or case
            when coalesce(of_feed.has_load, false) then of_feed.is_settled
            else coalesce(of_estimate.is_settled and of_estimate.has_load, false)
        end as is_settled,
        used.account is not null or coalesce(of_feed.has_begun, false) as is_used
    from line_days
    left join closed_months
        on line_days.account = closed_months.account and line_days.charge_month = closed_months.charge_month
    left join invoiced
        on
            line_days.account = invoiced.account
            and line_days.charge_date = invoiced.charge_date
            and line_days.product_line = invoiced.product_line
    left join landed as of_feed
        on
            line_days.account = of_feed.account
            and line_days.charge_date = of_feed.charge_date
            and line_days.line_feed = of_feed.feed
    left join landed as of_estimate
        on
            line_days.account = of_estimate.account
            and line_days.charge_date = of_estimate.charge_date
            and of_estimate.feed = 'estimate'
    left join used
        on
            line_days.account = used.account
            and line_days.charge_month = used.charge_month
            and line_days.product_line = used.product_line

),

settled as (

    select
        account,
        charge_date,
        product_line,
        is_settled
    from decided
    union all
    select
        account,
        charge_date,
        'all' as product_line,
        min(case when is_used and product_line <> {{ unattributed() }} and not is_settled then 0 else 1 end) = 1
        and max(case when is_settled then 1 else 0 end) = 1 as is_settled
    from decided
    group by account, charge_date

)

select * from settled
