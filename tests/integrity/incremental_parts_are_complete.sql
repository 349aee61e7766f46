-- Incremental models have every part that is landed, and no other part.
with

cost_days as (

    select distinct
        account,
        charge_date,
        cost_day_version
    from {{ ref('daily_cost') }}

),

days_with_costs as (

    select distinct
        account,
        charge_date
    from cost_days

),

held as (

    select distinct
        'events' as what,
        account,
        landed_date as part_date,
        load_id as part
    from {{ ref('base_fal__typed_billing_events') }}
    union all
    select distinct
        'days of events' as what,
        account,
        landed_date as part_date,
        load_id as part
    from {{ ref('stg_fal__billing_event_days') }}
    union all
    select distinct
        source as what,
        account,
        cast(substr(landed_partition || '-01', 1, 10) as date) as part_date,
        load_id as part
    from {{ ref('base_fal__focus_reports') }}
    union all
    select distinct
        'typed ' || source as what,
        account,
        cast(substr(landed_partition || '-01', 1, 10) as date) as part_date,
        load_id as part
    from {{ ref('base_fal__typed_focus_reports') }}
    union all
    select distinct
        'charges' as what,
        account,
        charge_date as part_date,
        day_version as part
    from {{ ref('int_billing_event_usage__priced') }}
    union all
    select
        'costs' as what,
        account,
        charge_date as part_date,
        cost_day_version as part
    from cost_days

),

wanted as (

    select
        'events' as what,
        account,
        landed_date as part_date,
        load_id as part
    from {{ ref('stg_fal__billing_event_loads') }}
    union all
    select
        'days of events' as what,
        account,
        landed_date as part_date,
        load_id as part
    from {{ ref('stg_fal__billing_event_loads') }}
    union all
    select
        source as what,
        account,
        cast(substr(landed_partition || '-01', 1, 10) as date) as part_date,
        load_id as part
    from {{ ref('stg_fal__landed_files') }}
    where feed = 'focus_reports' and landed_rows > 0
    union all
    select
        'typed ' || source as what,
        account,
        cast(substr(landed_partition || '-01', 1, 10) as date) as part_date,
        load_id as part
    from {{ ref('stg_fal__landed_files') }}
    where feed = 'focus_reports' and landed_rows > 0
    union all
    select
        'charges' as what,
        account,
        charge_date as part_date,
        day_version as part
    from {{ ref('int_billing_event_days__versions') }}
    union all
    -- A day of an invoice may have no row, if only its other days have usage. daily_cost_ties_to_cost_and_usage finds
    -- days that are missing.
    select
        'costs' as what,
        versions.account,
        versions.charge_date as part_date,
        versions.cost_day_version as part
    from {{ ref('int_cost_days__versions') }} as versions
    inner join days_with_costs
        on versions.account = days_with_costs.account and versions.charge_date = days_with_costs.charge_date

)

select
    coalesce(held.what, wanted.what) as what,
    coalesce(held.account, wanted.account) as account,
    coalesce(held.part_date, wanted.part_date) as part_date,
    held.part as held_part,
    wanted.part as wanted_part
from held
full outer join wanted
    on
        held.what = wanted.what
        and held.account = wanted.account
        and held.part_date = wanted.part_date
        and held.part = wanted.part
where held.what is null or wanted.what is null
