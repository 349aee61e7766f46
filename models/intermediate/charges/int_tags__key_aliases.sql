with

snapshots as (

    select * from {{ ref('stg_fal__keys') }}

),

with_last as (

    select
        *,
        row_number() over one_key as snapshot_number,
        lag(key_alias) over one_key as last_key_alias
    from snapshots
    window one_key as (
        partition by account, key_id
        order by snapshot_date asc
    )

),

changed as (

    -- The first snapshot also names the key on the days before it.
    select
        *,
        case when snapshot_number = 1 then {{ first_day() }} else snapshot_date end as valid_from
    from with_last
    where snapshot_number = 1 or key_alias is distinct from last_key_alias

),

aliases as (

    select
        account,
        key_id as api_key_id,
        key_alias,
        valid_from,
        lead(valid_from, 1, {{ end_of_days() }}) over (
            partition by account, key_id
            order by valid_from asc
        ) as valid_to
    from changed

)

select * from aliases
