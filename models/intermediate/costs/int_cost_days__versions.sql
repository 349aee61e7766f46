{%- set values = [
    'billing_account_id', 'sub_account_id', 'sub_account_name', 'key_id', 'key_name', 'login', 'tags',
    'is_longer_than_a_day', 'charge_category', 'charge_class', 'product_line', 'model_id', 'model_name',
    'model_developer', 'unit', 'list_unit_price', 'contracted_unit_price', 'request_count', 'quantity',
    'effective_cost', 'billed_cost', 'charge_source', 'charge_status', 'is_set_aside', 'is_invoiced_usage',
] -%}

with

counted as (

    select * from {{ ref('int_costs__charges') }}
    where not is_set_aside

),

set_aside as (

    select * from {{ ref('int_costs__charges') }}
    where is_set_aside

),

endpoints as (

    select * from {{ ref('int_endpoints__described') }}

),

owners as (

    select * from {{ ref('int_tags__owners') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

hashed_charges as (

    select
        account,
        charge_date,
        model_id,
        tags,
        is_invoiced_usage,
        is_set_aside,
        cast({{ hash_of(values + ['list_cost', 'contracted_cost']) }} as decimal(38, 0)) as row_hash
    from counted
    union all
    -- The other feeds than reports make the list and contracted cost of quantity and price, which takes long.
    select
        account,
        charge_date,
        model_id,
        tags,
        is_invoiced_usage,
        is_set_aside,
        cast({{ hash_of(values) }} as decimal(38, 0)) as row_hash
    from set_aside

),

hashed_models as (

    -- The models and tags of a day are taken from these groups, so charges are read once.
    select
        account,
        charge_date,
        model_id,
        tags,
        sum(row_hash) as row_hash,
        max(case when is_invoiced_usage then 1 else 0 end) as is_invoiced,
        max(case when is_set_aside then 1 else 0 end) as is_set_aside
    from hashed_charges
    group by account, charge_date, model_id, tags

),

charged_models as (

    select distinct
        account,
        charge_date,
        model_id
    from hashed_models

),

charged_tags as (

    select distinct
        account,
        charge_date,
        tags
    from hashed_models

),

hashed as (

    select
        account,
        charge_date,
        is_invoiced,
        is_set_aside,
        row_hash
    from hashed_models
    union all
    select
        charged_models.account,
        charged_models.charge_date,
        0 as is_invoiced,
        0 as is_set_aside,
        cast({{ hash_of(['charged_models.model_id', 'endpoints.modality']) }} as decimal(38, 0)) as row_hash
    from charged_models
    inner join endpoints
        on
            charged_models.account = endpoints.account
            and charged_models.model_id = endpoints.endpoint_id
            and charged_models.charge_date >= endpoints.valid_from
            and charged_models.charge_date < endpoints.valid_to
    union all
    select
        charged_tags.account,
        charged_tags.charge_date,
        0 as is_invoiced,
        0 as is_set_aside,
        cast({{ hash_of([
            'owners.tags', 'owners.team', 'owners.cost_center', 'owners.project', 'owners.environment',
        ]) }} as decimal(38, 0)) as row_hash
    from charged_tags
    inner join owners on charged_tags.tags = owners.tags

),

days as (

    select
        account,
        charge_date,
        {{ month_of('charge_date') }} as charge_month,
        sum(row_hash) as day_hash,
        max(is_invoiced) as is_invoiced,
        max(is_set_aside) as is_set_aside
    from hashed
    group by account, charge_date

),

settled as (

    select
        account,
        charge_date,
        sum(cast({{ hash_of(['product_line', 'is_settled']) }} as decimal(38, 0))) as settled_hash
    from settled_days
    group by account, charge_date

),

with_months as (

    select
        *,
        sum(day_hash) over one_month as month_hash,
        max(is_invoiced) over one_month = 1 and max(is_set_aside) over one_month = 1 as is_compared
    from days
    window one_month as (partition by account, charge_month)

),

versions as (

    -- Usage and the invoice of its month may be compared by month, so one day changes the others.
    select
        with_months.account,
        with_months.charge_date,
        concat_ws(
            '|',
            cast(with_months.day_hash as {{ dbt.type_string() }}),
            case when with_months.is_compared then cast(with_months.month_hash as {{ dbt.type_string() }}) end,
            cast(settled.settled_hash as {{ dbt.type_string() }})
        ) as cost_day_version
    from with_months
    left join settled
        on with_months.account = settled.account and with_months.charge_date = settled.charge_date

)

select * from versions
