{{ config(materialized='view') }}

with

days as (

    select * from {{ ref('int_billing_event_days__versions') }}

),

day_sources as (

    select * from {{ ref('int_charge_days__sources') }}
    where product_line = 'model_apis'

),

charges as (

    select * from {{ ref('int_charges__from_billing_events') }}

),

aliases as (

    select * from {{ ref('int_tags__key_aliases') }}

),

labels as (

    -- the names and tags that the requests of a day have
    select distinct
        charges.x_Account as account,
        {{ utc_date('charges.ChargePeriodStart') }} as charge_date,
        charges.x_ApiKeyId as key_id,
        charges.x_AuthMethod as auth_method,
        aliases.key_alias,
        charges.x_LoginUsername as login,
        charges.SubAccountId as sub_account_id,
        charges.SubAccountName as sub_account_name,
        charges.{{ adapter.quote('Tags') }} as tags,
        charges.ResourceId as model_id,
        charges.ResourceName as model_name,
        charges.PricingUnit as unit
    from charges
    left join aliases
        on
            charges.x_Account = aliases.account
            and charges.x_ApiKeyId = aliases.api_key_id
            and {{ utc_date('charges.ChargePeriodStart') }} >= aliases.valid_from
            and {{ utc_date('charges.ChargePeriodStart') }} < aliases.valid_to

),

hashed_labels as (

    select
        account,
        charge_date,
        sum(cast({{ hash_of([
            'key_id', 'auth_method', 'key_alias', 'login', 'sub_account_id', 'sub_account_name', 'tags', 'model_id',
            'model_name', 'unit',
        ]) }} as decimal(38, 0))) as labels_hash
    from labels
    group by account, charge_date

),

versions as (

    select
        days.account,
        days.charge_date,
        concat_ws(
            '|',
            days.day_version,
            day_sources.charge_source,
            cast(hashed_labels.labels_hash as {{ dbt.type_string() }})
        ) as request_day_version
    from days
    left join day_sources on days.account = day_sources.account and days.charge_date = day_sources.charge_date
    left join hashed_labels on days.account = hashed_labels.account and days.charge_date = hashed_labels.charge_date

)

select * from versions
