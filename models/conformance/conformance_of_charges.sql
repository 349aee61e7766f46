{{
    config(
        materialized='incremental',
        incremental_strategy='parts',
        unique_key=['account', 'billing_month', 'month_version'],
        meta={'parts_of': 'conformance_months'},
    )
}}

-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
-- depends_on: {{ ref('focus_1_4__invoice_detail') }}
{%- set parts = parts_to_build(ref('conformance_months')) -%}
{%- set rules = focus_rules_of_months(parts, 'charges') -%}
{%- set is_in_months = is_in_months_of_parts(parts, 'x_Account', 'BillingPeriodStart') %}

with

months as (

    select * from {{ ref('conformance_months') }}
    where {{ is_in_parts(parts, ['account', 'billing_month']) }}

),

charges as (

    select * from {{ ref('cost_and_usage') }}
    where {{ is_in_months }}

),

charges_1_4 as (

    select * from {{ ref('focus_1_4__cost_and_usage') }}
    where {{ is_in_months }}

),

tallies_1_3 as (

    {{ focus_rule_tallies(
        rules['1.3'], ref('cost_and_usage'), 'charges', part=focus_month_of_charge(), **focus_scan_of_charges()
    ) }}

),

tallies_1_4 as (

    {{ focus_rule_tallies(
        rules['1.4'],
        ref('focus_1_4__cost_and_usage'),
        'charges_1_4',
        part=focus_month_of_charge(),
        **focus_scan_of_charges(),
    ) }}

),

tallies as (

    select * from tallies_1_3
    union all
    select * from tallies_1_4

),

tallies_of_months as (

    select
        months.account,
        months.billing_month,
        months.month_version,
        tallies.focus_version,
        tallies.rule_id,
        tallies.rows_checked,
        tallies.violations,
        tallies.findings,
        tallies.example_row
    from months
    left join tallies on months.account = tallies.account and months.billing_month = tallies.billing_month

)

select * from tallies_of_months
