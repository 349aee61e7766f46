{{ config(schema='intermediate') }}

with

expected as (

    -- after three weeks without a complete day, nothing is expected
    select * from {{ ref('int_anomalies__expected') }}
    where learned_days >= 14 and expected_cost is not null

),

measured as (

    select
        *,
        cost - expected_cost as difference,
        error / noise as score,
        greatest({{ least_anomaly_usd() }}, 0.2e0 * expected_cost) as least_difference,
        cost - expected_before as drift_difference,
        ln((level_now + 1) / (level_before + 1)) as drift,
        greatest({{ least_anomaly_usd() }}, 0.2e0 * expected_before) as least_drift_difference,
        changed_days < 14
        and abs(changed_cost) >= greatest({{ least_anomaly_usd() }}, 0.2e0 * expected_cost)
        and changed_cost * (cost - expected_cost) > 0 as is_explained
    from expected

),

judged as (

    -- A cost that a new price, model or key explains needs no comparison with the noise, unless such changes are
    -- usual. A series that is often idle is compared with its other days of use.
    select
        *,
        case
            when is_explained then abs(difference) >= 0.5e0 * least_difference
            when abs(difference) < least_difference then false
            when idle_days >= 8 and active_days >= 3 then cost > 2.5e0 * active_cost
            else abs(score) >= 3.3e0
        end as is_sudden,
        learned_days >= 41
        and level_before >= {{ least_anomaly_usd() }}
        and idle_days < 28
        and abs(drift) >= greatest(0.2e0, 2e0 * noise)
        and abs(drift_difference) >= least_drift_difference
        and drift * drift_difference > 0 as is_drift
    from measured

),

odd_days as (

    select
        account,
        scope_type,
        scope,
        charge_date,
        day_number,
        effective_cost,
        is_sudden,
        is_explained,
        case when is_sudden then expected_cost else expected_before end as expected_cost,
        case when is_sudden then difference else drift_difference end as difference,
        case when is_sudden then score else drift / noise end as score,
        case when is_sudden then changed_cost else 0e0 end as changed_cost,
        case when case when is_sudden then difference else drift_difference end < 0 then -1 else 1 end as direction
    from judged
    where is_sudden or is_drift

),

repeated as (

    -- What goes on is not odd again.
    select
        *,
        max(case when is_sudden then abs(difference) end) over last_week as difference_of_week,
        count(case when is_sudden then 1 end) over six_weeks as sudden_days,
        count(case when not is_sudden then 1 end) over six_weeks as drift_days
    from odd_days
    window last_week as (
        partition by account, scope_type, scope, direction
        order by day_number asc
        range between 7 preceding and 1 preceding
    ),
    six_weeks as (
        partition by account, scope_type, scope, direction
        order by day_number asc
        range between 42 preceding and 1 preceding
    )

),

firsts as (

    select
        *,
        case when is_sudden and difference_of_week is null then abs(difference) end as first_difference
    from repeated

),

usual as (

    -- the first days of the last eight weeks that were odd in the same direction
    select
        *,
        count(first_difference) over eight_weeks as recent_firsts,
        {{ median_over('first_difference', 'eight_weeks') }} as usual_difference
    from firsts
    window eight_weeks as (
        partition by account, scope_type, scope, direction
        order by day_number asc
        range between 56 preceding and 1 preceding
    )

),

anomalies as (

    -- A sudden day is an anomaly if none of the week before is at least half as odd. What is new grows in its first
    -- days and is one anomaly. After two in eight weeks, the next must be twice as large. A drift is one anomaly. After
    -- a sudden change it is none.
    select
        *,
        case
            when not is_sudden then sudden_days < 4 and drift_days = 0
            when not is_explained and recent_firsts >= 2 and abs(difference) <= 2 * usual_difference then false
            when difference_of_week is null then true
            else
                expected_cost > 0
                and abs(difference) > 2 * difference_of_week
                and abs(difference - changed_cost) > 2 * difference_of_week
        end as is_anomaly
    from usual

)

select
    account,
    scope_type,
    scope,
    charge_date,
    day_number,
    case when is_sudden then 'sudden' else 'drift' end as kind,
    effective_cost,
    expected_cost,
    difference,
    direction,
    score,
    is_anomaly,
    -- the days with which the day is compared
    case when is_sudden then day_number - 21 else day_number - 41 end as reference_first_day,
    case when is_sudden then day_number - 1 else day_number - 21 end as reference_last_day
from anomalies
