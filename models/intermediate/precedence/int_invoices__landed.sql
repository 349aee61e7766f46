with

invoice_rows as (

    select * from {{ ref('stg_fal__focus_invoices') }}

),

estimate_rows as (

    select * from {{ ref('stg_fal__focus_estimates') }}

),

files as (

    select * from {{ ref('stg_fal__landed_files') }}
    where feed = 'focus_reports'

),

all_loads as (

    select * from {{ ref('stg_fal__invoice_loads') }}

),

first_loads as (

    -- superseded loads count too, as long as they are in the landing zone
    select
        account,
        billing_month,
        count(*) as loads,
        min(loaded_at) as first_loaded_at
    from all_loads
    group by account, billing_month

),

partitions as (

    -- an estimate can name the invoice that it will be part of
    select distinct
        account,
        InvoiceId as invoice_id,
        'invoice' as source,
        {{ iso_month('billing_month') }} as landed_partition
    from invoice_rows
    where InvoiceId is not null
    union all
    select distinct
        account,
        InvoiceId as invoice_id,
        'estimate' as source,
        cast(landed_date as {{ dbt.type_string() }}) as landed_partition
    from estimate_rows
    where InvoiceId is not null

),

timed as (

    select
        partitions.account,
        partitions.invoice_id,
        partitions.source,
        files.fetched_at,
        coalesce(first_loads.loads, 1) as loads,
        least(files.fetched_at, coalesce(first_loads.first_loaded_at, files.fetched_at)) as first_fetched_at
    from partitions
    inner join files
        on
            partitions.account = files.account
            and partitions.source = files.source
            and partitions.landed_partition = files.landed_partition
    left join first_loads
        on
            partitions.source = 'invoice'
            and partitions.account = first_loads.account
            and partitions.landed_partition = {{ iso_month('first_loads.billing_month') }}

),

landed as (

    select
        account,
        invoice_id,
        min(first_fetched_at) as created_at,
        max(fetched_at) as updated_at,
        max(case when source = 'invoice' then loads else 0 end) as loads,
        max(case when source = 'invoice' then 1 else 0 end) = 1 as is_issued
    from timed
    group by account, invoice_id

)

select * from landed
