with

causes as (

    select * from {{ ref('int_anomalies__causes') }}

),

known_events as (

    select * from {{ ref('fal_known_events') }}

),

matches as (

    -- of several events, the one that began last
    select
        causes.account,
        causes.scope_type,
        causes.scope,
        causes.charge_date,
        known_events.reason,
        row_number() over (
            partition by causes.account, causes.scope_type, causes.scope, causes.charge_date
            order by known_events.valid_from desc, known_events.valid_to asc, known_events.reason asc
        ) as match_rank
    from causes
    inner join known_events
        on
            causes.account = coalesce(known_events.account, causes.account)
            and causes.scope_type = coalesce(known_events.scope_type, causes.scope_type)
            and {{ matches_glob('causes.scope', "coalesce(known_events.scope, '*')") }}
            and causes.charge_date >= known_events.valid_from
            and causes.charge_date < known_events.valid_to

),

rounded as (

    select
        *,
        {{ rounded_double('expected_cost', 6) }} as rounded_cost
    from causes

),

anomalies as (

    select
        ---------- ids
        rounded.account,
        rounded.scope_type,
        rounded.scope,
        rounded.scope_name,

        ---------- when (UTC)
        rounded.charge_date,
        rounded.is_settled,
        rounded.kind,

        ---------- how much (USD)
        rounded.rounded_cost as expected_cost,
        rounded.effective_cost as actual_cost,
        {{ money('rounded.effective_cost - rounded.rounded_cost') }} as difference_cost,
        {{ rounded_double('rounded.score', 2) }} as score,
        case
            when abs(rounded.effective_cost - rounded.rounded_cost) >= 500 then 'high'
            when abs(rounded.effective_cost - rounded.rounded_cost) >= 50 then 'medium'
            else 'low'
        end as severity,

        ---------- why
        rounded.cause,
        rounded.contributors,
        matches.account is not null as is_known,
        matches.reason as known_reason

    from rounded
    left join matches
        on
            rounded.account = matches.account
            and rounded.scope_type = matches.scope_type
            and rounded.scope = matches.scope
            and rounded.charge_date = matches.charge_date
            and matches.match_rank = 1

)

select * from anomalies
