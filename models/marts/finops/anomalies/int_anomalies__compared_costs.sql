{{ config(schema='intermediate') }}

with

anomalies as (

    select * from {{ ref('int_anomalies__odd_days') }}
    where is_anomaly

),

expected as (

    select * from {{ ref('int_anomalies__expected') }}

),

compared_days as (

    -- the day of the anomaly and the complete days with which it is compared
    select
        anomalies.anomaly_number,
        anomalies.account,
        anomalies.scope_type,
        anomalies.scope,
        expected.day_number,
        expected.day_number = anomalies.day_number as is_odd_day,
        count(case when expected.day_number <> anomalies.day_number then 1 end) over (
            partition by anomalies.anomaly_number
        ) as reference_days
    from anomalies
    inner join expected
        on
            anomalies.account = expected.account
            and anomalies.scope_type = expected.scope_type
            and anomalies.scope = expected.scope
    where
        expected.day_number = anomalies.day_number
        or (
            expected.is_settled
            and expected.day_number between anomalies.reference_first_day and anomalies.reference_last_day
        )

),

costs as (

    -- only the days that are compared
    select
        account,
        product_line,
        model_id,
        unit,
        list_unit_price,
        model_name,
        coalesce(key_id, key_name) as api_key,
        key_name,
        team,
        {{ days_between(first_day(), 'charge_date') }} as day_number,
        quantity,
        list_cost,
        effective_cost
    from {{ ref('daily_cost') }}
    where
        charge_category = 'Usage'
        and charge_class is null
        and (account, {{ days_between(first_day(), 'charge_date') }}) in (
            select
                compared_days.account,
                compared_days.day_number
            from compared_days
        )

),

compared_costs as (

    {%- for scope_type, column in [
        ('account', 'account'),
        ('product_line', 'product_line'),
        ('model', 'model_id'),
        ('key', 'api_key'),
        ('team', 'team'),
    ] %}

    select
        compared_days.anomaly_number,
        compared_days.reference_days,
        compared_days.is_odd_day,
        costs.day_number,
        costs.model_id,
        costs.model_name,
        costs.api_key,
        costs.key_name,
        costs.unit,
        costs.list_unit_price,
        costs.quantity,
        costs.list_cost,
        costs.effective_cost
    from costs
    inner join compared_days
        on
            costs.account = compared_days.account
            and costs.day_number = compared_days.day_number
            and costs.{{ column }} = compared_days.scope
    where compared_days.scope_type = '{{ scope_type }}'
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select * from compared_costs
