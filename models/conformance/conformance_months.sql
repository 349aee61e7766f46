with

charges as (

    select * from {{ ref('cost_and_usage') }}

),

lines as (

    select * from {{ ref('focus_1_4__invoice_detail') }}

),

rules as (

    select * from {{ ref('focus_rules') }}

),

columns_of_focus as (

    select * from {{ ref('focus_columns') }}

),

service_subcategories as (

    select * from {{ ref('focus_service_subcategories') }}

),

hashed_charges as (

    select
        x_Account as account,
        {{ month_of('BillingPeriodStart') }} as billing_month,
        cast({{ hash_of_row('charges') }} as decimal(38, 0)) as row_hash
    from charges

),

-- FOCUS 1.4 derives its columns from those of 1.3, so its rows need no hash.
charges_of_months as (

    select
        account,
        billing_month,
        sum(row_hash) as charges_hash
    from hashed_charges
    group by account, billing_month

),

hashed_lines as (

    select
        x_Account as account,
        {{ month_of('BillingPeriodStart') }} as billing_month,
        cast({{ hash_of(['InvoiceId', 'InvoiceDetailId']) }} as decimal(38, 0)) as row_hash
    from lines

),

-- A rule looks for the line of a charge. Its id is made of account and month, so it is among these.
lines_of_months as (

    select
        account,
        billing_month,
        sum(row_hash) as lines_hash
    from hashed_lines
    group by account, billing_month

),

hashed_seeds as (

    select cast({{ hash_of_row('rules') }} as decimal(38, 0)) as row_hash from rules
    union all
    select cast({{ hash_of_row('columns_of_focus') }} as decimal(38, 0)) as row_hash from columns_of_focus
    union all
    select cast({{ hash_of_row('service_subcategories') }} as decimal(38, 0)) as row_hash from service_subcategories

),

seeds as (

    select sum(row_hash) as seeds_hash from hashed_seeds

),

months as (

    select
        charges_of_months.account,
        charges_of_months.billing_month,
        concat_ws(
            '|',
            cast(charges_of_months.charges_hash as {{ dbt.type_string() }}),
            cast(coalesce(lines_of_months.lines_hash, 0) as {{ dbt.type_string() }}),
            cast(seeds.seeds_hash as {{ dbt.type_string() }}),
            {{ focus_version_of_checks() }}
        ) as month_version
    from charges_of_months
    cross join seeds
    left join lines_of_months
        on
            charges_of_months.account = lines_of_months.account
            and charges_of_months.billing_month = lines_of_months.billing_month

)

select * from months
