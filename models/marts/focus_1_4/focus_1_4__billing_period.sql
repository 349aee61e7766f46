with

charges as (

    select * from {{ ref('cost_and_usage') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

invoice_rows as (

    select * from {{ ref('stg_fal__focus_invoices') }}

),

files as (

    select * from {{ ref('stg_fal__landed_files') }}
    where feed <> 'catalogue'

),

partitions as (

    select * from {{ ref('stg_fal__landed_partitions') }}

),

loads as (

    -- the latest loads; first_fetched_at is that of the first load of the partition
    select
        files.account,
        coalesce(files.source, '') = 'invoice' as is_invoice,
        files.landed_partition,
        max(files.fetched_at) as fetched_at,
        max(case when files.landed_rows > 0 then 1 else 0 end) as row_flag,
        least(max(files.fetched_at), min(partitions.first_loaded_at)) as first_fetched_at
    from files
    inner join partitions
        on
            files.feed = partitions.feed
            and files.account = partitions.account
            and coalesce(files.source, '') = coalesce(partitions.source, '')
            and files.landed_partition = partitions.landed_partition
    group by files.feed, files.account, files.source, files.landed_partition

),

account_periods as (

    select distinct
        x_Account as account,
        InvoiceIssuerName,
        BillingPeriodStart,
        BillingPeriodEnd,
        {{ month_of(utc_add('day', -1, 'BillingPeriodEnd')) }} as charge_month
    from charges

),

invoiced as (

    -- the invoice of the month after closes a month
    select
        closed_months.account,
        closed_months.charge_month,
        loads.first_fetched_at as invoiced_at
    from closed_months
    inner join loads
        on
            closed_months.account = loads.account
            and loads.is_invoice
            and {{ iso_month(utc_add('month', 1, 'closed_months.charge_month')) }} = loads.landed_partition

),

billing_months as (

    select distinct
        account,
        {{ iso_month('billing_month') }} as landed_partition,
        coalesce(BillingPeriodStart, {{ utc_add('month', -1, 'billing_month') }}) as period_start
    from invoice_rows

),

account_loads as (

    -- the loads with rows of a period: days of the period, and invoices with rows of it
    select
        account,
        {{ utc_trunc('day', try_utc_timestamp('landed_partition')) }} as landed_for,
        fetched_at,
        first_fetched_at,
        row_flag
    from loads
    where not is_invoice
    union all
    select
        loads.account,
        billing_months.period_start as landed_for,
        loads.fetched_at,
        loads.first_fetched_at,
        loads.row_flag
    from loads
    inner join billing_months
        on loads.account = billing_months.account and loads.landed_partition = billing_months.landed_partition
    where loads.is_invoice

),

first_loads as (

    select
        account,
        min(first_fetched_at) as first_fetched_at
    from loads
    group by account

),

loaded as (

    -- A purchase can be older than the landed days of its account.
    select
        account_periods.account,
        account_periods.InvoiceIssuerName,
        account_periods.BillingPeriodStart,
        account_periods.BillingPeriodEnd,
        account_periods.charge_month,
        coalesce(min(account_loads.first_fetched_at), min(first_loads.first_fetched_at)) as created_at,
        coalesce(max(account_loads.fetched_at), min(first_loads.first_fetched_at)) as updated_at,
        min(case when account_loads.row_flag = 1 then account_loads.fetched_at end) as charged_at
    from account_periods
    inner join first_loads on account_periods.account = first_loads.account
    left join account_loads
        on
            account_periods.account = account_loads.account
            and account_periods.BillingPeriodStart <= account_loads.landed_for
            and account_periods.BillingPeriodEnd > account_loads.landed_for
    group by
        account_periods.account,
        account_periods.InvoiceIssuerName,
        account_periods.BillingPeriodStart,
        account_periods.BillingPeriodEnd,
        account_periods.charge_month

),

accounts as (

    -- An account expects an invoice from the time on at which it has rows of the period and an invoice of this or an
    -- earlier month. Others pay in advance.
    select
        loaded.account,
        loaded.InvoiceIssuerName,
        loaded.BillingPeriodStart,
        loaded.BillingPeriodEnd,
        loaded.created_at,
        loaded.updated_at,
        max(case when invoiced.charge_month = loaded.charge_month then invoiced.invoiced_at end) as invoiced_at,
        case
            when loaded.charged_at is not null and min(invoiced.invoiced_at) is not null
                then greatest(loaded.charged_at, min(invoiced.invoiced_at))
        end as expects_from
    from loaded
    left join invoiced
        on loaded.account = invoiced.account and loaded.charge_month >= invoiced.charge_month
    group by
        loaded.account,
        loaded.InvoiceIssuerName,
        loaded.BillingPeriodStart,
        loaded.BillingPeriodEnd,
        loaded.created_at,
        loaded.updated_at,
        loaded.charged_at

),

closings as (

    -- An invoice closes the period if no account expected another one at its time. What is landed later cannot change
    -- this, so a closed period stays closed.
    select
        accounts.InvoiceIssuerName,
        accounts.BillingPeriodStart,
        accounts.BillingPeriodEnd,
        accounts.account
    from accounts
    inner join accounts as others
        on
            accounts.InvoiceIssuerName = others.InvoiceIssuerName
            and accounts.BillingPeriodStart = others.BillingPeriodStart
            and accounts.BillingPeriodEnd = others.BillingPeriodEnd
    where accounts.invoiced_at is not null
    group by
        accounts.InvoiceIssuerName,
        accounts.BillingPeriodStart,
        accounts.BillingPeriodEnd,
        accounts.account
    having max(
        case
            when
                others.expects_from <= accounts.invoiced_at
                and coalesce(others.invoiced_at > accounts.invoiced_at, true)
                then 1
            else 0
        end
    ) = 0

),

billing_period as (

    select
        ---------- FOCUS columns
        min(accounts.created_at) as BillingPeriodCreated,
        accounts.BillingPeriodEnd,
        max(accounts.updated_at) as BillingPeriodLastUpdated,
        accounts.BillingPeriodStart,
        case when count(closings.account) > 0 then 'Closed' else 'Open' end as BillingPeriodStatus,
        accounts.InvoiceIssuerName,

        ---------- fal_focus
        count(accounts.invoiced_at) as x_InvoicedAccounts,
        count(*) - count(accounts.invoiced_at) as x_OpenAccounts
    from accounts
    left join closings
        on
            accounts.account = closings.account
            and accounts.InvoiceIssuerName = closings.InvoiceIssuerName
            and accounts.BillingPeriodStart = closings.BillingPeriodStart
            and accounts.BillingPeriodEnd = closings.BillingPeriodEnd
    group by accounts.InvoiceIssuerName, accounts.BillingPeriodStart, accounts.BillingPeriodEnd

)

select * from billing_period
