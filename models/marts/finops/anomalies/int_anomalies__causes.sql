{{ config(schema='intermediate') }}

with

anomalies as (

    select * from {{ ref('int_anomalies__odd_days') }}
    where is_anomaly

),

compared_costs as (

    select * from {{ ref('int_anomalies__compared_costs') }}

),

series as (

    select * from {{ ref('int_anomalies__series') }}

),

daily_uses as (

    select
        anomaly_number,
        model_id,
        api_key,
        day_number,
        is_odd_day,
        max(reference_days) as reference_days,
        max(model_name) as model_name,
        max(key_name) as key_name,
        sum(effective_cost) as effective_cost
    from compared_costs
    group by anomaly_number, model_id, api_key, day_number, is_odd_day

),

ranked_uses as (

    select
        *,
        row_number() over (
            partition by anomaly_number, model_id, api_key, is_odd_day
            order by effective_cost desc, day_number asc
        ) as use_rank
    from daily_uses

),

uses as (

    -- A model that a key uses: its cost on the odd day and its median of the days before. Of those on which it was not
    -- used, the cost is 0.
    select
        anomaly_number,
        model_id,
        api_key,
        max(model_name) as model_name,
        max(key_name) as key_name,
        {{ money('sum(case when is_odd_day then effective_cost else 0 end)') }} as actual_cost,
        {{ money('sum(case
            when not is_odd_day and 2 * use_rank in (reference_days + 1, reference_days + 2)
                then effective_cost
            else 0
        end)') }} as median_cost
    from ranked_uses
    group by anomaly_number, model_id, api_key

),

expected_sums as (

    select
        anomaly_number,
        cast(sum(median_cost) as double) as median_cost
    from uses
    group by anomaly_number

),

first_days as (

    select
        account,
        scope_type,
        scope,
        min(day_number) as first_day
    from series
    where scope_type in ('account', 'model', 'key')
    group by account, scope_type, scope

),

first_uses as (

    -- A model or key is new if its first use is less than two weeks old, or came after the days of the comparison.
    select
        uses.anomaly_number,
        uses.model_id,
        uses.api_key,
        uses.model_name,
        uses.key_name,
        cast(uses.actual_cost as double)
        - cast(uses.median_cost as double)
        * coalesce(anomalies.expected_cost / nullif(expected_sums.median_cost, 0), 0e0) as difference,
        models.first_day > anomalies.reference_last_day - 13 as is_new_model,
        coalesce(keys.first_day > anomalies.reference_last_day - 13, false) as is_new_key
    from uses
    inner join anomalies on uses.anomaly_number = anomalies.anomaly_number
    inner join expected_sums on uses.anomaly_number = expected_sums.anomaly_number
    inner join first_days as models
        on anomalies.account = models.account and models.scope_type = 'model' and uses.model_id = models.scope
    left join first_days as keys
        on anomalies.account = keys.account and keys.scope_type = 'key' and uses.api_key = keys.scope

),

ranked_meters as (

    select
        anomaly_number,
        model_id,
        unit,
        list_unit_price,
        row_number() over (
            partition by anomaly_number, model_id, unit order by list_unit_price asc
        ) as use_rank,
        count(*) over (partition by anomaly_number, model_id, unit) as days_of_use
    from compared_costs
    where not is_odd_day and list_unit_price > 0

),

meters as (

    select
        anomaly_number,
        model_id,
        unit,
        max(list_unit_price) as median_price
    from ranked_meters
    where 2 * use_rank in (days_of_use, days_of_use + 1)
    group by anomaly_number, model_id, unit

),

metered_costs as (

    -- A price of less than a tenth or more than ten times the median is another meter of the model, not another price.
    select compared_costs.*
    from compared_costs
    inner join meters
        on
            compared_costs.anomaly_number = meters.anomaly_number
            and compared_costs.model_id = meters.model_id
            and compared_costs.unit = meters.unit
    where compared_costs.list_unit_price between meters.median_price / 10 and meters.median_price * 10

),

daily_prices as (

    select
        anomaly_number,
        model_id,
        unit,
        day_number,
        cast(sum(list_cost) as double) / nullif(cast(sum(quantity) as double), 0) as list_price,
        cast(sum(effective_cost) as double) / nullif(cast(sum(list_cost) as double), 0) as paid_share
    from metered_costs
    where not is_odd_day
    group by anomaly_number, model_id, unit, day_number

),

ranked_prices as (

    select
        *,
        row_number() over (
            partition by anomaly_number, model_id, unit order by list_price asc, day_number asc
        ) as price_rank,
        row_number() over (
            partition by anomaly_number, model_id, unit order by paid_share asc, day_number asc
        ) as share_rank,
        count(*) over (partition by anomaly_number, model_id, unit) as days_of_use
    from daily_prices
    where list_price is not null and paid_share is not null

),

usual_prices as (

    select
        anomaly_number,
        model_id,
        unit,
        max(days_of_use) as days_of_use,
        max(case when 2 * price_rank in (days_of_use, days_of_use + 1) then list_price end) as usual_price,
        max(case when 2 * share_rank in (days_of_use, days_of_use + 1) then paid_share end) as usual_share
    from ranked_prices
    group by anomaly_number, model_id, unit

),

priced_uses as (

    select
        anomaly_number,
        model_id,
        api_key,
        unit,
        list_unit_price,
        sum(case when is_odd_day then quantity end) as quantity,
        sum(case when is_odd_day then list_cost end) as list_cost,
        sum(case when is_odd_day then effective_cost end) as effective_cost
    from metered_costs
    group by anomaly_number, model_id, api_key, unit, list_unit_price
    having count(case when is_odd_day then 1 end) > 0

),

days_at_prices as (

    select
        anomaly_number,
        model_id,
        unit,
        list_unit_price,
        count(distinct case when not is_odd_day then day_number end) as days_at_price
    from metered_costs
    group by anomaly_number, model_id, unit, list_unit_price

),

price_effects as (

    -- What the odd day costs more than at the usual list price, and than at the usual discount. A price of a third of
    -- the days before is in use: more of its units is another mix, not another price.
    select
        priced_uses.anomaly_number,
        priced_uses.model_id,
        priced_uses.api_key,
        sum(
            (
                cast(priced_uses.list_cost as double)
                - cast(priced_uses.quantity as double) * usual_prices.usual_price
            )
            * usual_prices.usual_share
            * case when 3 * days_at_prices.days_at_price < usual_prices.days_of_use then 1 else 0 end
        ) as price_effect,
        sum(
            (
                cast(priced_uses.list_cost as double)
                - cast(priced_uses.quantity as double) * usual_prices.usual_price
            )
            * usual_prices.usual_share
            * case when 3 * days_at_prices.days_at_price < usual_prices.days_of_use then 0 else 1 end
        ) as mix_effect,
        sum(
            cast(priced_uses.effective_cost as double)
            - cast(priced_uses.list_cost as double) * usual_prices.usual_share
        ) as discount_effect
    from priced_uses
    inner join usual_prices
        on
            priced_uses.anomaly_number = usual_prices.anomaly_number
            and priced_uses.model_id = usual_prices.model_id
            and priced_uses.unit = usual_prices.unit
    inner join days_at_prices
        on
            priced_uses.anomaly_number = days_at_prices.anomaly_number
            and priced_uses.model_id = days_at_prices.model_id
            and priced_uses.unit = days_at_prices.unit
            and priced_uses.list_unit_price = days_at_prices.list_unit_price
    group by priced_uses.anomaly_number, priced_uses.model_id, priced_uses.api_key

),

effects as (

    select
        first_uses.*,
        first_uses.is_new_model or first_uses.is_new_key as is_new,
        coalesce(price_effects.price_effect, 0e0) as price_effect,
        coalesce(price_effects.mix_effect, 0e0) as mix_effect,
        coalesce(price_effects.discount_effect, 0e0) as discount_effect
    from first_uses
    left join price_effects
        on
            first_uses.anomaly_number = price_effects.anomaly_number
            and first_uses.model_id = price_effects.model_id
            and coalesce(first_uses.api_key, '') = coalesce(price_effects.api_key, '')

),

signed_sums as (

    -- each effect in the direction of the anomaly
    select
        anomalies.anomaly_number,
        anomalies.direction * sum(
            case
                when effects.is_new then 0e0
                else effects.difference - effects.price_effect - effects.mix_effect - effects.discount_effect
            end
        ) as volume,
        anomalies.direction * sum(case when effects.is_new then 0e0 else effects.price_effect end) as price,
        anomalies.direction * sum(case when effects.is_new then 0e0 else effects.discount_effect end) as discount,
        anomalies.direction * sum(case when effects.is_new_model then effects.difference else 0e0 end) as new_model,
        anomalies.direction * sum(
            case when effects.is_new_key and not effects.is_new_model then effects.difference else 0e0 end
        ) as new_key,
        anomalies.direction * sum(case when effects.is_new then 0e0 else effects.mix_effect end) as mix
    from effects
    inner join anomalies on effects.anomaly_number = anomalies.anomaly_number
    group by anomalies.anomaly_number, anomalies.direction

),

causes as (

    select
        anomaly_number,
        case greatest(price, discount, new_model, new_key, mix, volume)
            when new_model then 'new model'
            when new_key then 'new key'
            when price then 'price'
            when discount then 'discount'
            when mix then 'mix'
            else 'volume'
        end as cause
    from signed_sums

),

contributors as (

    select
        effects.anomaly_number,
        '{"model_id":' || {{ json_text('effects.model_id') }}
        || ',"key":' || coalesce({{ json_text('effects.api_key') }}, 'null')
        || ',"key_name":' || coalesce({{ json_text('effects.key_name') }}, 'null')
        || ',"difference_cost":' || {{ plain_decimal(rounded_double('effects.difference', 2)) }} || '}' as contributor,
        row_number() over (
            partition by effects.anomaly_number
            order by
                {{ rounded_double('effects.difference', 2) }} * anomalies.direction desc,
                effects.model_id asc,
                effects.api_key asc nulls first
        ) as contributor_rank
    from effects
    inner join anomalies on effects.anomaly_number = anomalies.anomaly_number
    where effects.difference * anomalies.direction > 0

),

listed as (

    select
        anomaly_number,
        '[' || concat_ws(
            ',',
            max(case when contributor_rank = 1 then contributor end),
            max(case when contributor_rank = 2 then contributor end),
            max(case when contributor_rank = 3 then contributor end)
        ) || ']' as contributors
    from contributors
    group by anomaly_number

),

names as (

    select
        anomaly_number,
        max(model_name) as model_name,
        max(key_name) as key_name
    from uses
    group by anomaly_number

)

select
    anomalies.account,
    anomalies.scope_type,
    anomalies.scope,
    coalesce(
        case anomalies.scope_type when 'model' then names.model_name when 'key' then names.key_name end, anomalies.scope
    ) as scope_name,
    anomalies.charge_date,
    anomalies.is_settled,
    anomalies.kind,
    anomalies.effective_cost,
    anomalies.expected_cost,
    anomalies.score,
    coalesce(causes.cause, 'volume') as cause,
    coalesce(listed.contributors, '[]') as contributors
from anomalies
left join causes on anomalies.anomaly_number = causes.anomaly_number
left join listed on anomalies.anomaly_number = listed.anomaly_number
left join names on anomalies.anomaly_number = names.anomaly_number
