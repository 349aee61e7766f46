{{ config(meta={'published_by': 'BillingPeriodStart'}) }}

with

charges as (

    select * from {{ ref('int_charges__with_commitments') }}

),

cost_and_usage as (

    select
        {{ all_focus_columns() }}
    from charges

)

select * from cost_and_usage
