with

invoices as (

    select * from {{ ref('stg_fal__focus_invoices') }}

),

product_lines as (

    select * from {{ ref('int_report_rows__product_lines') }}
    where charge_source = 'invoice'

),

invoiced_usage as (

    -- A correction refers to a day that another row of an invoice has charged, so it covers no day.
    select
        invoices.account,
        coalesce(product_lines.product_line, {{ unattributed() }}) as product_line,
        invoices.ChargePeriodStart as period_start,
        invoices.ChargePeriodEnd as period_end,
        {{ utc_date('invoices.ChargePeriodStart') }} as first_day,
        {{ utc_date('invoices.ChargePeriodEnd') }} as last_day
    from invoices
    left join product_lines
        on
            invoices.account = product_lines.account
            and invoices.billing_month = product_lines.landed_for
            and invoices.record_number = product_lines.record_number
    where {{ is_ordinary_usage('invoices') }}

),

whole_days as (

    select
        *,
        period_end > {{ utc_add('day', 1, 'period_start') }} as is_longer_than_a_day,
        case
            when period_start = {{ utc_trunc('day', 'period_start') }} then first_day
            else {{ utc_date(utc_add('day', 1, 'first_day')) }}
        end as first_whole_day
    from invoiced_usage

),

covered as (

    -- A row longer than a day covers the whole UTC days inside it: [covered_from, covered_until).
    -- A shorter row, and a longer one without a whole day inside, covers the day it starts on.
    select distinct
        account,
        {{ month_of('period_start') }} as charge_month,
        product_line,
        case when is_longer_than_a_day and first_whole_day < last_day then first_whole_day else first_day end
            as covered_from,
        case
            when is_longer_than_a_day and first_whole_day < last_day then last_day
            else {{ utc_date(utc_add('day', 1, 'first_day')) }}
        end as covered_until
    from whole_days

)

select * from covered
