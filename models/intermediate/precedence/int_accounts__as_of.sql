with

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

covered as (

    select * from {{ ref('int_charge_days__covered_by_invoices') }}

),

ends as (

    select
        account,
        {{ utc_date(utc_add('day', 1, 'cast(landed_partition as date)')) }} as landed_until
    from files
    where coalesce(source, 'billing_events') in ('billing_events', 'estimate')
    union all
    select
        account,
        {{ utc_date(utc_add('month', 1, 'charge_month')) }} as landed_until
    from closed_months
    union all
    select
        account,
        covered_until as landed_until
    from covered

),

as_of as (

    -- the end of the last landed day, never the clock: the same landing zone gives the same marts
    select
        account,
        {% if var('fal_as_of', none) -%}
        cast({{ sql_text(var('fal_as_of')) }} as date)
        {%- else -%}
        max(landed_until)
        {%- endif %} as as_of
    from ends
    group by account

)

select * from as_of
