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

landed_partitions as (

    -- superseded loads count too, as long as they are in the landing zone
    select * from {{ ref('stg_fal__landed_partitions') }}
    where feed = 'focus_reports'

),

named_in as (

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
        named_in.account,
        named_in.invoice_id,
        named_in.source,
        files.fetched_at,
        landed_partitions.loads,
        least(files.fetched_at, landed_partitions.first_loaded_at) as first_fetched_at
    from named_in
    inner join files
        on
            named_in.account = files.account
            and named_in.source = files.source
            and named_in.landed_partition = files.landed_partition
    inner join landed_partitions
        on
            named_in.account = landed_partitions.account
            and named_in.source = landed_partitions.source
            and named_in.landed_partition = landed_partitions.landed_partition

),

landed as (

    select
        account,
        invoice_id,
        min(first_fetched_at) as created_at,
        -- an estimate does not change an invoice that has landed
        coalesce(max(case when source = 'invoice' then fetched_at end), max(fetched_at)) as updated_at,
        max(case when source = 'invoice' then loads else 0 end) as loads,
        max(case when source = 'invoice' then 1 else 0 end) = 1 as is_issued
    from timed
    group by account, invoice_id

)

select * from landed
