with

costs as (

    select * from {{ ref('int_costs__by_owner') }}

),

aliases as (

    select * from {{ ref('int_tags__key_aliases') }}

),

endpoints as (

    select * from {{ ref('int_endpoints__described') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

tag_members as (

    select
        tags,
        {{ json_members('tags') }} as members
    from (select distinct tags from costs) as distinct_tags
    where tags is not null

),

members as (

    {{ explode('tag_members', 'members', 'member', 'member_number') }}

),

owners as (

    -- The spelling of a key in an invoice may differ from that of the seed.
    select
        tags,
        max(case when {{ comparable_key('member.key') }} = 'team' then member.json end) as team,
        max(case when {{ comparable_key('member.key') }} = 'costcenter' then member.json end) as cost_center,
        max(case when {{ comparable_key('member.key') }} = 'project' then member.json end) as project,
        max(case when {{ comparable_key('member.key') }} = 'environment' then member.json end) as environment
    from members
    group by tags

),

described as (

    select
        costs.*,
        {{ month_of('costs.charge_date') }} as charge_month,
        coalesce(aliases.key_alias, costs.auth_method) as key_name,
        {{ json_member_text("'{\"value\":' || owners.team || '}'", 'value') }} as team,
        {{ json_member_text("'{\"value\":' || owners.cost_center || '}'", 'value') }} as cost_center,
        {{ json_member_text("'{\"value\":' || owners.project || '}'", 'value') }} as project,
        {{ json_member_text("'{\"value\":' || owners.environment || '}'", 'value') }} as environment,
        endpoints.modality,
        coalesce(settled_days.is_settled, false) as is_complete
    from costs
    left join owners on costs.tags = owners.tags
    left join aliases
        on
            costs.account = aliases.account
            and costs.key_id = aliases.api_key_id
            and costs.charge_date >= aliases.valid_from
            and costs.charge_date < aliases.valid_to
    left join endpoints
        on
            costs.account = endpoints.account
            and costs.model_id = endpoints.endpoint_id
            and costs.charge_date >= endpoints.valid_from
            and costs.charge_date < endpoints.valid_to
    left join settled_days
        on
            costs.account = settled_days.account
            and costs.charge_date = settled_days.charge_date
            and case when costs.charge_category = 'Usage' then costs.product_line else 'all' end
            = settled_days.product_line

),

daily_cost as (

    -- Of one caller on a day, the label is the same. Labels that an alias replaces are summed.
    select
        ---------- ids
        account,
        billing_account_id,
        sub_account_id,
        sub_account_name,

        ---------- when (UTC)
        charge_date,
        charge_month,

        ---------- what
        charge_category,
        charge_class,
        product_line,
        model_id,
        model_name,
        modality,
        model_developer,

        ---------- who
        key_id,
        key_name,
        login,
        tags,
        team,
        cost_center,
        project,
        environment,

        ---------- at what price (USD)
        unit,
        list_unit_price,
        contracted_unit_price,

        ---------- how much
        cast(sum(request_count) as bigint) as request_count,
        {{ quantity('sum(quantity)') }} as quantity,
        {{ money('sum(list_cost)') }} as list_cost,
        {{ money('sum(contracted_cost)') }} as contracted_cost,
        {{ money('sum(effective_cost)') }} as effective_cost,
        {{ money('sum(billed_cost)') }} as billed_cost,

        ---------- where from
        charge_source,
        charge_status,
        is_complete

    from described
    group by
        account,
        billing_account_id,
        sub_account_id,
        sub_account_name,
        charge_date,
        charge_month,
        charge_category,
        charge_class,
        product_line,
        model_id,
        model_name,
        modality,
        model_developer,
        key_id,
        key_name,
        login,
        tags,
        team,
        cost_center,
        project,
        environment,
        unit,
        list_unit_price,
        contracted_unit_price,
        charge_source,
        charge_status,
        is_complete

)

select * from daily_cost
