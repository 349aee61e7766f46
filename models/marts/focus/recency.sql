with

landed_files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

accounts as (

    select * from {{ ref('int_accounts__named') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

landed_partitions as (

    -- an invoice covers the month before its billing month; a snapshot of the catalogue belongs to no month
    select
        account,
        feed,
        source,
        landed_partition,
        fetched_at,
        case
            when feed = 'focus_reports' and source = 'invoice'
                then {{ utc_add('month', -1, try_utc_timestamp("landed_partition || '-01'")) }}
            else {{ utc_trunc('month', try_utc_timestamp('landed_partition')) }}
        end as billing_period_start
    from landed_files
    where feed <> 'catalogue'

),

months as (

    select
        account,
        billing_period_start,
        max(fetched_at) as last_updated_at,
        max(case when feed = 'focus_reports' and source = 'invoice' then fetched_at end) as invoice_fetched_at,
        count(distinct case when feed = 'billing_events' then landed_partition end) as days_of_events
    from landed_partitions
    group by account, billing_period_start

),

recency as (

    -- late events can change a month until an invoice with its usage has landed
    select
        accounts.billing_account_id,
        months.billing_period_start,
        {{ utc_add('month', 1, 'months.billing_period_start') }} as billing_period_end,
        closed_months.account is not null as is_complete,
        months.last_updated_at,
        months.invoice_fetched_at,
        months.days_of_events,
        months.account
    from months
    inner join accounts on months.account = accounts.account
    left join closed_months
        on
            months.account = closed_months.account
            and {{ utc_date('months.billing_period_start') }} = closed_months.charge_month

)

select * from recency
