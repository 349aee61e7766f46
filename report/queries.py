"""The queries of the digest. Each returns the columns of a class of report/digest.py, in its order.

Cost is the effective cost of usage, as in budgets and forecasts. $accounts is the list of accounts.
"""

ACCOUNTS = """
    select account from finops.landed_days
    union
    select account from finops.daily_cost
    order by account
"""

# The last day of each account and the first day of its month. Without landed days, charges have the last day.
SPANS = """
    known as (

        select
            account,
            coalesce(max(charge_date) filter (is_over), max(charge_date) filter (is_known)) as last_day,
            max(charge_date) filter (is_settled) as settled_until,
            bool_or(has_load) as is_daily
        from finops.landed_days
        where list_contains($accounts, account)
        group by account

    ),

    last_days as (

        select
            daily_cost.account,
            max(daily_cost.charge_date) as last_day
        from finops.daily_cost
        where list_contains($accounts, account)
        group by account

    ),

    spans as (

        select
            account,
            coalesce(known.last_day, last_days.last_day) as last_day,
            known.settled_until,
            coalesce(known.is_daily, false) as is_daily,
            cast(date_trunc('month', coalesce(known.last_day, last_days.last_day)) as date) as month
        from known
        full join last_days using (account)

    )
"""

# A cost is null if its days are not all known. A month before 31 March is the last day of February.
COSTS = f"""
    with

    {SPANS},

    days_known as (

        select
            spans.account,
            coalesce(bool_or(charge_date = spans.last_day - 7), false) as is_week_before_known,
            count(*) filter (
                charge_date between spans.month - interval 1 month and spans.last_day - interval 1 month
            ) = date_diff('day', spans.month - interval 1 month, spans.last_day - interval 1 month) + 1
                as is_last_month_known
        from spans
        left join finops.landed_days on spans.account = landed_days.account and landed_days.is_known
        group by spans.account, spans.month, spans.last_day

    ),

    costs as (

        select
            spans.account,
            sum(effective_cost) filter (charge_date = spans.last_day) as day_cost,
            sum(effective_cost) filter (charge_date = spans.last_day - 7) as week_before_cost,
            sum(effective_cost) filter (charge_date between spans.month and spans.last_day) as month_cost,
            sum(effective_cost) filter (
                charge_date >= spans.month and charge_date < spans.month + interval 1 month
            ) as landed_cost,
            sum(effective_cost) filter (
                charge_date between spans.month - interval 1 month and spans.last_day - interval 1 month
            ) as last_month_cost
        from spans
        left join finops.daily_cost
            on spans.account = daily_cost.account and daily_cost.charge_category = 'Usage'
        group by spans.account

    ),

    -- The month of the last day, or the next one if that is over and settled. Days that are not settled are
    -- forecast, but a month costs no less than what has landed of it.
    forecasts as (

        select
            spans.account,
            charge_month,
            greatest(min(month_expected_cost), min(landed_cost)) as expected_cost,
            greatest(min(month_lower_cost), min(landed_cost)) as lower_cost,
            greatest(min(month_upper_cost), min(landed_cost)) as upper_cost,
            min(learned_days) as learned_days
        from spans
        inner join finops.cost_forecast
            on spans.account = cost_forecast.account and cost_forecast.scope_type = 'account'
        left join costs
            on
                spans.account = costs.account
                and charge_month = spans.month
                and month_expected_cost is not null
        where charge_month >= spans.month
        group by spans.account, charge_month
        qualify row_number() over (partition by spans.account order by charge_month) = 1

    )

    select
        account,
        spans.last_day,
        spans.settled_until,
        spans.is_daily,
        coalesce(costs.day_cost, 0) as day_cost,
        case
            when days_known.is_week_before_known then coalesce(costs.week_before_cost, 0)
        end as week_before_cost,
        coalesce(costs.month_cost, 0) as month_cost,
        case
            when days_known.is_last_month_known then coalesce(costs.last_month_cost, 0)
        end as last_month_cost,
        forecasts.charge_month as forecast_month,
        forecasts.expected_cost,
        forecasts.lower_cost,
        forecasts.upper_cost,
        coalesce(forecasts.learned_days, 0) as learned_days
    from spans
    inner join days_known using (account)
    inner join costs using (account)
    left join forecasts using (account)
    order by account
"""

BUDGETS = """
    select
        name,
        account,
        period_starts_on,
        period_ends_on,
        amount_usd,
        spent_cost,
        expected_cost,
        lower_cost,
        upper_cost,
        spent_percent,
        time_percent,
        over_on,
        last_known_on,
        missing_days,
        status
    from finops.budget_status
    where
        list_contains($accounts, account)
        and is_latest
        and last_known_on between period_starts_on and period_ends_on
    order by
        list_position(['over', 'expected over', 'at risk', 'too few days', 'on track', 'kept'], status),
        expected_percent desc nulls last,
        name
"""

# of the last $days settled days and the provisional days after them
ANOMALIES = """
    select
        account,
        charge_date,
        is_settled,
        scope_type,
        scope,
        scope_name,
        kind,
        expected_cost,
        actual_cost,
        difference_cost,
        score,
        severity,
        cause,
        contributors,
        is_known,
        known_reason
    from finops.cost_anomalies
    inner join (
        select account, max(charge_date) filter (is_settled) as settled_until
        from finops.landed_days
        group by account
    ) using (account)
    where list_contains($accounts, account) and charge_date > settled_until - $days
    order by
        abs(difference_cost) desc,
        list_position(['key', 'model', 'team', 'product_line', 'account'], scope_type),
        account,
        charge_date,
        scope
"""

# Of the last 30 days. A list price with several discounts is one row, and so is a change of discount alone.
PRICES = """
    with

    last_days as (

        select account, max(charge_date) as last_day
        from finops.landed_days
        where is_known
        group by account

    ),

    changes as (

        select
            *,
            list_unit_price = previous_list_unit_price as is_discount
        from finops.model_prices
        where list_contains($accounts, account) and price_source = 'billed' and change_percent <> 0

    )

    select
        account,
        model_id,
        max(model_name) as model_name,
        unit,
        is_discount,
        case
            when is_discount then previous_contracted_unit_price
            else previous_list_unit_price
        end as old_unit_price,
        case when is_discount then contracted_unit_price else list_unit_price end as new_unit_price,
        min(valid_from) as valid_from,
        max(last_used_on) as last_used_on,
        sum(change_cost) as change_cost
    from changes
    inner join last_days using (account)
    where valid_from > last_day - 30
    group by account, product_line, model_id, unit, is_discount, old_unit_price, new_unit_price
    order by abs(sum(change_cost)) desc, account, model_id, unit, valid_from
"""

# that are running, or were used up or ended in the last 30 days
COMMITMENTS = """
    select
        account,
        contract_commitment_id as id,
        payment,
        status,
        unit,
        remaining_amount,
        committed_amount,
        daily_amount,
        runs_out_on,
        expires_unused_amount,
        cast(period_end - interval 1 microsecond as date) as ends_on,
        as_of
    from finops.commitment_summary
    where
        list_contains($accounts, account)
        and (
            status = 'running'
            or status = 'used up' and runs_out_on > as_of - 30
            or status = 'ended' and period_end > as_of - interval 30 days
        )
    order by
        status = 'running' desc,
        least(runs_out_on, ends_on),
        account,
        id
"""

# days whose load is missing: all before the last settled day that are not settled, and all that are not known
GAPS = """
    select account, charge_date
    from finops.landed_days
    inner join (
        select account, max(charge_date) filter (is_settled) as settled_until
        from finops.landed_days
        group by account
    ) using (account)
    where
        list_contains($accounts, account)
        and (not is_known or (not is_settled and charge_date < settled_until))
    order by account, charge_date
"""
