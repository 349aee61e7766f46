{{ config(schema='intermediate') }}

with

expected as (

    -- after three weeks without a complete day, nothing is expected
    select * from {{ ref('int_anomalies__expected') }}
    where learned_days >= 14 and expected_cost is not null

),

uses as (

    select
        account,
        product_line,
        model_id,
        coalesce(key_id, key_name) as api_key,
        team,
        {{ days_between(first_day(), 'charge_date') }} as day_number,
        effective_cost
    from {{ ref('daily_cost') }}
    where charge_category = 'Usage' and charge_class is null

),

drifts as (

    select
        *,
        ln((level_now + 1) / (level_before + 1)) as drift
    from expected

),

measured as (

    -- The drift of four weeks earlier shows whether a steady growth goes on.
    select
        *,
        cost - expected_cost as difference,
        error / noise as score,
        greatest({{ least_anomaly_usd() }}, 0.2e0 * expected_cost) as least_difference,
        cost - expected_before as drift_difference,
        max(drift) over four_weeks_ago as drift_before,
        greatest({{ least_anomaly_usd() }}, 0.2e0 * expected_before) as least_drift_difference,
        coalesce(max(error / noise) over day_before, 0e0) as score_before,
        idle_days >= 8 and active_days >= 3 as is_often_idle,
        changed_days < 14
        and abs(changed_cost) >= greatest({{ least_anomaly_usd() }}, 0.2e0 * expected_cost)
        and changed_cost * (cost - expected_cost) > 0 as is_explained
    from drifts
    window day_before as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 1 preceding and 1 preceding
    ),
    four_weeks_ago as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 28 preceding and 28 preceding
    )

),

judged as (

    -- A cost that a new price, model or key explains needs no comparison with the noise, unless such changes are
    -- usual. A series that is often idle is compared with its other days of use. Two days in a row that are odd in the
    -- same direction need less each. A provisional day can only get dearer, so it is judged for more cost alone.
    select
        *,
        case
            when not is_settled and difference < 0 then false
            when is_explained then abs(difference) >= 0.5e0 * least_difference
            when abs(difference) < least_difference then false
            when is_often_idle then cost > 2.5e0 * active_cost
            else abs(score) >= 3.5e0 or least(abs(score), score_before * sign(score)) >= 2.4e0
        end as is_odd_alone,
        is_settled
        and learned_days >= 41
        and level_before >= {{ least_anomaly_usd() }}
        and idle_days < 28
        and abs(drift) - greatest(coalesce(drift_before * sign(drift), 0), 0) >= greatest(0.2e0, 1.7e0 * noise)
        and abs(drift_difference) >= least_drift_difference
        and drift * drift_difference > 0 as is_drift
    from measured

),

odd_uses as (

    -- The uses of a model or key that is odd, on that day and in the three weeks before. They are few of all uses, so
    -- they are summed here and not before.
    {%- for scope_type, column in [('model', 'model_id'), ('key', 'api_key')] %}

    select
        uses.account,
        judged.scope_type as part_type,
        judged.scope as part,
        judged.day_number,
        judged.expected_cost,
        uses.product_line,
        uses.model_id,
        uses.api_key,
        uses.team,
        sum(case when uses.day_number = judged.day_number then uses.effective_cost else 0 end) as cost,
        sum(case when uses.day_number < judged.day_number then uses.effective_cost else 0 end) as cost_before
    from judged
    inner join uses
        on
            judged.account = uses.account
            and judged.scope = uses.{{ column }}
            and uses.day_number between judged.day_number - 21 and judged.day_number
    where judged.is_odd_alone and judged.scope_type = '{{ scope_type }}'
    group by
        uses.account,
        judged.scope_type,
        judged.scope,
        judged.day_number,
        judged.expected_cost,
        uses.product_line,
        uses.model_id,
        uses.api_key,
        uses.team
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

expected_uses as (

    -- The expectation of the model or key is that of its uses in proportion to their cost.
    select
        *,
        cast(cost as double)
        - expected_cost * coalesce(
            cast(cost_before as double)
            / nullif(cast(sum(cost_before) over (
                partition by account, part_type, part, day_number
            ) as double), 0),
            0e0
        ) as difference
    from odd_uses

),

odd_sums as (

    {%- for scope_type, column in [
        ('account', 'account'),
        ('product_line', 'product_line'),
        ('model', 'model_id'),
        ('key', 'api_key'),
        ('team', 'team'),
    ] %}

    select
        account,
        '{{ scope_type }}' as scope_type,
        {{ column }} as scope,
        part_type,
        day_number,
        sum({{ rounded_double('difference', 6) }}) as difference
    from expected_uses
    where part_type <> '{{ scope_type }}'
    group by account, {{ column }}, part_type, day_number
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

differences_of_parts as (

    -- Models and keys are two views of the same cost.
    select
        account,
        scope_type,
        scope,
        day_number,
        cast(greatest(max(difference), 0) as double) as more,
        cast(least(min(difference), 0) as double) as less
    from odd_sums
    group by account, scope_type, scope, day_number

),

compared as (

    -- What odd models or keys explain needs no comparison with the noise of the other ones.
    select
        judged.*,
        judged.is_odd_alone
        or coalesce(
            (judged.is_settled or judged.difference > 0)
            and abs(judged.difference) >= judged.least_difference
            and not judged.is_often_idle
            and case when judged.difference > 0 then parts.more else -parts.less end >= judged.least_difference,
            false
        ) as is_sudden
    from judged
    left join differences_of_parts as parts
        on
            judged.account = parts.account
            and judged.scope_type = parts.scope_type
            and judged.scope = parts.scope
            and judged.day_number = parts.day_number

),

odd_days as (

    select
        account,
        scope_type,
        scope,
        charge_date,
        day_number,
        is_settled,
        effective_cost,
        is_sudden,
        is_explained,
        case when is_sudden then expected_cost else expected_before end as expected_cost,
        case when is_sudden then difference else drift_difference end as difference,
        case when is_sudden then score else drift / noise end as score,
        case when is_sudden then changed_cost else 0e0 end as changed_cost,
        case when case when is_sudden then difference else drift_difference end < 0 then -1 else 1 end as direction
    from compared
    where is_sudden or is_drift

),

repeated as (

    -- What goes on is not odd again.
    select
        *,
        max(case when is_sudden then abs(difference) end) over last_week as odd_difference,
        max(case when is_sudden and is_explained then abs(difference) end) over last_week as explained_difference,
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

compared_weeks as (

    -- A new price, model or key is not what was odd before it, unless that was explained as well.
    select
        *,
        case when is_explained then explained_difference else odd_difference end as difference_of_week
    from repeated

),

firsts as (

    select
        *,
        case when is_sudden and difference_of_week is null then abs(difference) end as first_difference
    from compared_weeks

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
    is_settled,
    case when is_sudden then 'sudden' else 'drift' end as kind,
    effective_cost,
    expected_cost,
    difference,
    direction,
    score,
    is_anomaly,
    case
        when is_anomaly
            then row_number() over (
                partition by is_anomaly
                order by account asc, scope_type asc, scope asc, day_number asc
            )
    end as anomaly_number,
    -- the days with which the day is compared
    case when is_sudden then day_number - 21 else day_number - 41 end as reference_first_day,
    case when is_sudden then day_number - 1 else day_number - 21 end as reference_last_day
from anomalies
