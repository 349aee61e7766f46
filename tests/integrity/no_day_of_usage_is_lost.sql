-- A day with usage of a product line in events, serverless usage or an estimate has usage of the line in the mart from
-- any feed, unless its month is closed and the invoice does not bill the day. Usage without a product line can be usage
-- of any line. Both sides are ordinary usage: a day with a credit only has no usage. An estimate row that is not within
-- its own day counts on no day, and warn_estimates_are_within_their_day reports it.
with

charged as (

    select distinct
        account,
        charge_date,
        'model_apis' as product_line
    from {{ ref('int_billing_event_usage__priced') }}
    union
    select distinct
        account,
        charge_date,
        'serverless' as product_line
    from {{ ref('stg_fal__serverless_usage') }}
    union
    select distinct
        estimates.account,
        estimates.landed_date as charge_date,
        product_lines.product_line
    from {{ ref('stg_fal__focus_estimates') }} as estimates
    inner join {{ ref('int_report_rows__product_lines') }} as product_lines
        on
            product_lines.charge_source = 'estimate'
            and estimates.account = product_lines.account
            and estimates.landed_date = product_lines.landed_for
            and estimates.record_number = product_lines.record_number
    where
        {{ is_ordinary_usage('estimates') }}
        and {{ utc_date('estimates.ChargePeriodStart') }} = estimates.landed_date
        and estimates.ChargePeriodEnd <= {{ utc_add('day', 1, utc_trunc('day', 'estimates.ChargePeriodStart')) }}

),

mart as (

    select distinct
        x_Account as account,
        x_ChargeSource as charge_source,
        x_ProductLine as product_line,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        ChargePeriodEnd as period_end
    from {{ ref('cost_and_usage') }}
    where {{ is_ordinary_usage() }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

)

select
    charged.account,
    charged.charge_date,
    charged.product_line
from charged
left join mart
    on
        charged.account = mart.account
        and charged.product_line in (mart.product_line, {{ unattributed() }})
        and (
            charged.charge_date = mart.charge_date
            -- a longer row of an invoice covers the day
            or (
                mart.charge_source = 'invoice'
                and charged.charge_date > mart.charge_date
                and charged.charge_date < {{ utc_date('mart.period_end') }}
            )
        )
left join closed_months
    on
        charged.account = closed_months.account
        and {{ month_of('charged.charge_date') }} = closed_months.charge_month
group by charged.account, charged.charge_date, charged.product_line
having count(mart.account) = 0 and count(closed_months.account) = 0
