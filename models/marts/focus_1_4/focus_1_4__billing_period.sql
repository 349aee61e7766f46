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

account_periods as (

    select distinct
        x_Account as account,
        InvoiceIssuerName,
        BillingPeriodStart,
        BillingPeriodEnd,
        {{ month_of(utc_add('day', -1, 'BillingPeriodEnd')) }} as charge_month
    from charges

),

invoiced_accounts as (

    select
        account,
        min(charge_month) as first_invoiced_month
    from closed_months
    group by account

),

judged as (

    -- An account expects an invoice for each month from its first invoiced month on. Others pay in advance.
    select
        account_periods.*,
        closed_months.account is not null as is_closed,
        closed_months.account is null
        and coalesce(account_periods.charge_month >= invoiced_accounts.first_invoiced_month, false) as expects_invoice
    from account_periods
    left join closed_months
        on
            account_periods.account = closed_months.account
            and account_periods.charge_month = closed_months.charge_month
    left join invoiced_accounts on account_periods.account = invoiced_accounts.account

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
        files.account,
        {{ utc_trunc('day', try_utc_timestamp('files.landed_partition')) }} as landed_for,
        files.fetched_at
    from files
    where files.feed <> 'focus_reports' or files.source = 'estimate'
    union all
    select
        files.account,
        billing_months.period_start as landed_for,
        files.fetched_at
    from files
    inner join billing_months
        on files.account = billing_months.account and files.landed_partition = billing_months.landed_partition
    where files.feed = 'focus_reports' and files.source = 'invoice'

),

first_loads as (

    select
        account,
        min(fetched_at) as first_fetched_at
    from files
    group by account

),

account_times as (

    -- A purchase can be older than the landed days of its account.
    select
        judged.account,
        judged.InvoiceIssuerName,
        judged.BillingPeriodStart,
        judged.BillingPeriodEnd,
        judged.is_closed,
        judged.expects_invoice,
        coalesce(min(account_loads.fetched_at), min(first_loads.first_fetched_at)) as created_at,
        coalesce(max(account_loads.fetched_at), min(first_loads.first_fetched_at)) as updated_at
    from judged
    inner join first_loads on judged.account = first_loads.account
    left join account_loads
        on
            judged.account = account_loads.account
            and judged.BillingPeriodStart <= account_loads.landed_for
            and judged.BillingPeriodEnd > account_loads.landed_for
    group by
        judged.account,
        judged.InvoiceIssuerName,
        judged.BillingPeriodStart,
        judged.BillingPeriodEnd,
        judged.is_closed,
        judged.expects_invoice

),

billing_period as (

    select
        ---------- FOCUS columns
        min(created_at) as BillingPeriodCreated,
        BillingPeriodEnd,
        max(updated_at) as BillingPeriodLastUpdated,
        BillingPeriodStart,
        case
            when
                max(case when is_closed then 1 else 0 end) = 1
                and max(case when expects_invoice then 1 else 0 end) = 0
                then 'Closed'
            else 'Open'
        end as BillingPeriodStatus,
        InvoiceIssuerName,

        ---------- fal_focus
        count(case when is_closed then 1 end) as x_InvoicedAccounts,
        count(case when not is_closed then 1 end) as x_OpenAccounts
    from account_times
    group by InvoiceIssuerName, BillingPeriodStart, BillingPeriodEnd

)

select * from billing_period
