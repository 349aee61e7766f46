"""The queries of report.html that the digest does not have: each returns a class of report/bill.py.

$accounts is the list of accounts. Cost is the effective cost of usage, as in the digest.
"""

from report.queries import SPANS

# Usage of the last $days days. Beyond $rows rows, one for each day of a model, the models that cost least
# are one: all others.
SERIES = f"""
    with

    {SPANS},

    usage as (

        select
            daily_cost.account,
            product_line,
            model_id,
            model_name,
            charge_date,
            sum(effective_cost) as cost
        from finops.daily_cost
        inner join spans using (account)
        where
            charge_category = 'Usage'
            and charge_date between (select max(last_day) - $days + 1 from spans) and last_day
        group by all

    ),

    kept as (

        select
            account,
            product_line,
            model_id
        from usage
        group by account, product_line, model_id
        qualify sum(count(*)) over (
            order by sum(cost) desc, account, product_line, model_id
            rows unbounded preceding
        ) <= $rows

    ),

    reduced as (

        select
            usage.account,
            usage.product_line,
            kept.account is not null as is_kept,
            case when kept.account is not null then usage.model_id end as model_id,
            charge_date,
            max(model_name) as model_name,
            sum(cost) as cost
        from usage
        left join kept
            on usage.account = kept.account
            and usage.product_line = kept.product_line
            and usage.model_id is not distinct from kept.model_id
        group by all

    )

    select
        account,
        product_line,
        is_kept,
        model_id,
        max_by(model_name, charge_date) as model_name,
        list(charge_date order by charge_date) as days,
        list(cost order by charge_date) as costs
    from reduced
    group by account, product_line, is_kept, model_id
    order by account, product_line, is_kept, model_id
"""

# Usage of the month until the last day, and of the same days of the month before.
MONTH = f"""
    with

    {SPANS},

    usage as (

        select
            daily_cost.*,
            charge_date >= month as is_now
        from finops.daily_cost
        inner join spans using (account)
        where
            charge_category = 'Usage'
            and (
                charge_date between month and last_day
                or charge_date between month - interval 1 month and last_day - interval 1 month
            )
    )
"""

# Models beyond $rows are one per product line: all others.
MODELS = f"""
    {MONTH},

    models as (

        select
            account,
            product_line,
            model_id,
            max_by(model_name, charge_date) as model_name,
            coalesce(sum(effective_cost) filter (is_now), 0) as cost,
            coalesce(sum(effective_cost) filter (not is_now), 0) as last_cost,
            sum(request_count) filter (is_now) as requests
        from usage
        group by account, product_line, model_id

    ),

    ranked as (

        select
            *,
            row_number() over (order by cost desc, account, product_line, model_id) <= $rows as is_kept
        from models

    )

    select
        account,
        product_line,
        is_kept,
        case when is_kept then model_id end as model_id,
        max(model_name) as model_name,
        sum(cost) as cost,
        sum(last_cost) as last_cost,
        sum(requests) as requests
    from ranked
    group by all
    order by cost desc, account, product_line, model_id
"""

# The key, login and tags of usage. The model of rows beyond $rows is null: all others.
OWNERS = f"""
    {MONTH},

    owners as (

        select
            account,
            product_line,
            model_id,
            coalesce(key_id, key_name, login) as key,
            max_by(coalesce(key_name, login), charge_date) as key_name,
            sub_account_name,
            team,
            cost_center,
            project,
            environment,
            sum(effective_cost) filter (is_now) as cost,
            sum(effective_cost) filter (not is_now) as last_cost,
            sum(request_count) filter (is_now) as requests
        from usage
        group by all

    ),

    ranked as (

        select
            *,
            row_number() over (order by cost desc nulls last, account, model_id, key) <= $rows as is_kept
        from owners

    )

    select
        account,
        is_kept,
        case when is_kept then product_line end as product_line,
        case when is_kept then model_id end as model_id,
        key,
        max(key_name) as key_name,
        sub_account_name,
        team,
        cost_center,
        project,
        environment,
        coalesce(sum(cost), 0) as cost,
        coalesce(sum(last_cost), 0) as last_cost,
        sum(requests) as requests
    from ranked
    group by all
    order by cost desc, account, product_line, model_id, key
"""

FORECASTS = """
    select
        account,
        charge_date,
        expected_cost,
        lower_cost,
        upper_cost
    from finops.cost_forecast
    where
        list_contains($accounts, account)
        and scope_type = 'account'
        and charge_date is not null
    order by account, charge_date
"""

BURN_DOWN = """
    select
        account,
        contract_commitment_id as id,
        commitment_date as day,
        remaining_amount,
        round(100 * remaining_amount / committed_amount, 2) as remaining_percent
    from finops.commitment_burn_down
    where
        list_contains($accounts, account)
        and list_contains($commitments, contract_commitment_id)
        and committed_amount > 0
        and commitment_date > (select max(commitment_date) from finops.commitment_burn_down) - 400
    order by account, id, day
"""

# Invoiced usage of the product lines that have usage of another feed, and that of the others. A closed month
# without an invoice row for a product line has invoiced 0 USD of it.
MONTHS = """
    with

    lines as (

        select
            account,
            charge_month,
            sum(own_usage_usd) as usage_usd,
            sum(compared_usd) filter (own_usage_usd is not null) as compared_usd,
            sum(invoiced_usage_usd) filter (own_usage_usd is null) as not_compared_usd
        from (
            select
                *,
                case product_line
                    when 'model_apis' then event_usage_usd
                    when 'serverless' then serverless_usage_usd
                    else estimated_usage_usd
                end as own_usage_usd,
                case when status = 'closed' then coalesce(invoiced_usage_usd, 0) else invoiced_usage_usd end
                    as compared_usd
            from finops.product_line_reconciliation
        )
        group by account, charge_month

    )

    select
        account,
        charge_month,
        status,
        usage_usd,
        compared_usd,
        compared_usd - usage_usd as difference_usd,
        not_compared_usd,
        credits_usd,
        taxes_usd,
        corrections_usd,
        other_charges_usd,
        invoiced_total_usd,
        days_not_invoiced,
        invoice_ids,
        last_updated_at
    from finops.invoice_reconciliation
    left join lines using (account, charge_month)
    left join (
        select account, cast(billing_period_start as date) as charge_month, last_updated_at
        from focus.recency
    ) using (account, charge_month)
    where list_contains($accounts, account)
    order by charge_month desc, account
    limit 120
"""

RULES = """
    select
        focus_version,
        status,
        count(*) as rules
    from focus.conformance_report
    group by focus_version, status
    order by focus_version, status
"""

SOURCES = """
    select
        account,
        charge_source,
        min(charge_date) as first_day,
        max(charge_date) as last_day,
        sum(effective_cost) as cost
    from finops.daily_cost
    where list_contains($accounts, account) and charge_category = 'Usage'
    group by account, charge_source
    order by account, charge_source
"""
