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

    select * from ({{ read_loads_of_invoices() }})

),

first_loads as (

    -- A load id begins with the time of the fetch, such as 20261014T090000.
    select
        account,
        landed_partition,
        count(*) as loads,
        min(load_id) as first_load_id
    from all_loads
    group by account, landed_partition

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
        least(
            files.fetched_at,
            coalesce(
                {{ try_utc_timestamp(
                    "concat_ws('', substr(first_loads.first_load_id, 1, 4), '-', substr(first_loads.first_load_id, 5, 2), '-',"
                    ~ " substr(first_loads.first_load_id, 7, 5), ':', substr(first_loads.first_load_id, 12, 2), ':',"
                    ~ " substr(first_loads.first_load_id, 14, 2), 'Z')"
                ) }},
                files.fetched_at
            )
        ) as first_fetched_at
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
            and partitions.landed_partition = first_loads.landed_partition

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
