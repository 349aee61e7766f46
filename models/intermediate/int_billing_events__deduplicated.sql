{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('stg_fal__billing_events') }}

),

ranked as (

    -- Paging is by page number, so rows shift while one pages and an event can be landed twice; late ones can lie in
    -- two partitions. One request on two meters is two events. Where repeats differ in the rest, their values decide,
    -- not where they were landed: landing everything again must not change the bill.
    select
        *,
        row_number() over (
            partition by
                -- repeats lie on one day: of a query for some days no others are read
                account,
                charge_date,
                request_id,
                endpoint_id,
                billed_at,
                unit_price_usd,
                output_units,
                misfit_meter
            order by
                cost_nano_usd desc,
                percent_discount asc nulls last,
                cost_subtotal_usd desc nulls last,
                auth_method asc nulls last,
                landed_date asc,
                load_id asc,
                landed_file asc,
                event_number asc
        ) as repeat_number
    from events

),

first_of_each as (

    select
        ---------- ids
        account,
        request_id,
        endpoint_id,
        auth_method,

        ---------- quantities and money
        output_units,
        unit_price_usd,
        percent_discount,
        cost_nano_usd,
        cost_subtotal_usd,
        {{ money('cost_nano_usd * cast(0.000000001 as decimal(9, 9))') }} as cost_usd,

        ---------- times (UTC)
        billed_at,
        charge_date

    from ranked
    where repeat_number = 1

)

select * from first_of_each
