with

landed as (

    select * from ({{ read_landed_json_items(ref('stg_fal__landed_files'), 'catalogue', catalogue_lists()) }})

),

judged_items as (

    select
        *,
        {{ is_json_object('item') }} as is_object,
        -- engines read different ones of the values of a repeated field
        case when {{ json_keys_differ('item') }} then item end as readable_item
    from landed

),

fields as (

    -- fields are still text, as landed, so that quarantine can keep them; an empty text is null
    select
        account,
        source,
        landed_date,
        load_id,
        landed_file,
        item_number,
        is_readable,
        is_object,
        readable_item,
        item,
        {%- for field, key in {
            'key_id': 'key_id',
            'key_alias': 'alias',
            'key_scope': 'scope',
            'creator_nickname': 'creator_nickname',
            'creator_email': 'creator_email',
            'endpoint_id': 'endpoint_id',
            'display_name': 'metadata.display_name',
            'modality': 'metadata.category',
            'model_status': 'metadata.status',
            'license_type': 'metadata.license_type',
            'kind': 'metadata.kind',
            'unit': 'unit',
            'unit_price': 'unit_price',
            'username': 'username',
            'team_name': 'name',
            'is_org_root': 'is_org_root',
            'current_balance': 'credits.current_balance',
            'created_at': 'created_at',
        }.items() %}
        nullif({{ json_member_text('readable_item', key) }}, '') as {{ field }},
        {%- endfor %}
        nullif(
            case
                when source = 'balance' then {{ json_member_text('readable_item', 'credits.currency') }}
                else {{ json_member_text('readable_item', 'currency') }}
            end,
            ''
        ) as currency
    from judged_items

),

judged as (

    select
        *,
        -- why the item cannot be used, null when it can
        case
            {%- for source, key in catalogue_lists().items() %}
            when source = '{{ source }}' and not is_readable then '{{ unreadable_json_page(key) }}'
            {%- endfor %}
            when not is_object then 'the item is not a JSON object'
            when readable_item is null then 'the item has a field twice'
            when source = 'keys' and key_id is null then 'key_id is missing'
            when source in ('models', 'pricing') and endpoint_id is null then 'endpoint_id is missing'
            when source in ('teams', 'balance') and username is null then 'username is missing'
            {%- for source, field in {'pricing': 'unit_price', 'balance': 'current_balance'}.items() %}
            when source = '{{ source }}' and {{ field }} is null then '{{ field }} is missing'
            when source = '{{ source }}' and not {{ is_number(field) }} then '{{ field }} is not a number'
            when source = '{{ source }}' and {{ try_decimal(field, 18) }} is null then '{{ field }} is too large'
            when source = '{{ source }}' and {{ has_surplus_decimals(field, 18) }}
                then '{{ field }} has more than 18 decimals'
            {%- endfor %}
            when source = 'pricing' and unit is null then 'unit is missing'
            when source = 'pricing' and upper(currency) <> 'USD' then 'currency is not USD'
        end as quarantine_reason
    from fields

),

typed as (

    select
        ---------- ids
        account,
        source,
        case
            when source = 'keys' then key_id
            when source in ('models', 'pricing') then endpoint_id
            else username
        end as item_id,

        ---------- keys and teams
        key_alias,
        key_scope,
        creator_nickname,
        creator_email,
        team_name,
        coalesce(is_org_root = 'true', false) as is_org_root,

        ---------- models
        display_name,
        modality,
        model_status,
        license_type,
        kind,

        ---------- prices and balances
        unit,
        {{ try_decimal('unit_price', 18) }} as unit_price_usd,
        {{ try_decimal('current_balance', 18) }} as current_balance,
        upper(currency) as currency,

        ---------- times (UTC)
        {{ try_utc_timestamp('created_at') }} as created_at,

        ---------- where it was landed
        landed_date as snapshot_date,
        load_id,
        landed_file,
        item_number,

        ---------- quarantine
        quarantine_reason,
        case when quarantine_reason is not null then item end as raw_item

    from judged

),

numbered as (

    -- of an item that a snapshot repeats, the values decide which one counts, and known values come before null
    select
        *,
        cast(row_number() over (
            partition by account, source, snapshot_date, item_id, quarantine_reason
            order by
                {%- for field in [
                    'key_alias', 'key_scope', 'creator_nickname', 'creator_email', 'team_name', 'is_org_root',
                    'display_name', 'modality', 'model_status', 'license_type', 'kind', 'unit', 'unit_price_usd',
                    'current_balance', 'currency', 'created_at',
                ] %}
                {{ field }} is null, {{ field }},
                {%- endfor %}
                landed_file, item_number
        ) as bigint) as occurrence
    from typed

)

select * from numbered
