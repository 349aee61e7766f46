{#
    Prints the bill: cost by month and source, usage by month, product line and team, usage by month and model, app or
    instance, and the rest of each commitment.
    `dbt run-operation show_bill`
#}
{% macro show_bill() %}
    {% set by_month %}
        select
            {{ printable('x_Account') }} as "account",
            {{ iso_month('ChargePeriodStart') }} as "month",
            case
                when x_ChargeSource = 'invoice' then 'invoice'
                when x_ChargeSource = 'billing_events' then 'billing events'
                when x_ChargeSource = 'serverless_usage' then 'serverless usage'
                else x_ChargeSource
            end as "source",
            max(x_ChargeStatus) as "status",
            cast(sum(case when ChargeCategory = 'Usage' then EffectiveCost else 0 end) as decimal(18, 2))
                as "usage USD",
            cast(sum(case when ChargeCategory <> 'Usage' then EffectiveCost else 0 end) as decimal(18, 2))
                as "credits, taxes ... USD",
            cast(sum(BilledCost) as decimal(18, 2)) as "billed USD"
        from {{ ref('cost_and_usage') }}
        group by 1, 2, 3
        order by 1, 2, 3
    {% endset %}

    {% set by_line %}
        select
            {{ printable('x_Account') }} as "account",
            {{ iso_month('ChargePeriodStart') }} as "month",
            case x_ProductLine
                when 'model_apis' then 'Model APIs'
                when 'serverless' then 'Serverless'
                when 'compute' then 'Compute'
                else 'unattributed'
            end as "product line",
            {{ printable("coalesce(SubAccountName, '')") }} as "team",
            cast(sum(EffectiveCost) as decimal(18, 2)) as "usage USD"
        from {{ ref('cost_and_usage') }}
        where ChargeCategory = 'Usage' and x_ChargeSource <> 'commitment'
        group by 1, 2, 3, 4
        order by 1, 2, 3, 4
    {% endset %}

    {% set by_model %}
        with

        models as (

            select
                {{ iso_month('ChargePeriodStart') }} as charge_month,
                {{ printable('coalesce(ResourceId, ChargeDescription)') }} as model,
                sum(EffectiveCost) as usage_usd
            from {{ ref('cost_and_usage') }}
            -- credits that expired unused are charged as usage, but of no model
            where ChargeCategory = 'Usage' and x_ChargeSource <> 'commitment'
            group by 1, 2

        ),

        ranked as (

            select
                *,
                row_number() over (partition by charge_month order by usage_usd desc, model) as rank_in_month,
                sum(usage_usd) over (partition by charge_month) as usage_of_month_usd
            from models

        )

        select
            charge_month as "month",
            case when rank_in_month <= 10 then model else 'all others' end as "model, app or instance",
            cast(sum(usage_usd) as decimal(18, 2)) as "usage USD",
            cast({{ percent_of('sum(usage_usd)', 'max(usage_of_month_usd)') }} as decimal(18, 1)) as "percent"
        from ranked
        group by 1, 2
        order by charge_month, min(rank_in_month)
    {% endset %}

    {% set commitments %}
        select
            {{ printable('account') }} as "account",
            contract_commitment_id as "commitment",
            status as "status",
            cast(remaining_amount as decimal(18, 2)) as "left",
            cast(committed_amount as decimal(18, 2)) as "of",
            unit as "unit",
            runs_out_on as "runs out on",
            cast(expires_unused_amount as decimal(18, 2)) as "will expire"
        from {{ ref('commitment_summary') }}
        order by account, period_end, contract_commitment_id
    {% endset %}

    {% set months = print_table(
        'COST BY MONTH AND SOURCE',
        by_month,
        'No charges. Either nothing has landed in ' ~ landing_dir()
        ~ ' yet, or it is in quarantine: see staging.*_quarantine.',
    ) %}
    {% if months.rows | length %}
        {% do print_table('USAGE BY MONTH, PRODUCT LINE AND TEAM', by_line) %}
        {% do print_table('USAGE BY MONTH AND MODEL, APP OR INSTANCE', by_model) %}
        {% do print_table('COMMITMENTS, AS OF THE LAST KNOWN DAY', commitments) %}
    {% endif %}
    {% set next_step = '.' if env_var('FAL_LANDING_DIR', '')
        else ': set FAL_KEY or FAL_KEY_FILE and run again to see your own bill.'
    %}
    {% do print('\nBuilt from ' ~ landing_name() ~ next_step) %}
    {% do print(
        'The warehouse is ' ~ env_var('FAL_WAREHOUSE', 'warehouse/fal_focus.duckdb')
        ~ ': see focus.cost_and_usage and finops.invoice_reconciliation.'
    ) %}
{% endmacro %}
