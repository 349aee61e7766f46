{# Why a page that cannot be read is in quarantine. #}
{% macro unreadable_page() %}{{ return('the page is not a JSON document with a list of billing_events') }}{% endmacro %}

{# The fields of an event that are read. username: the team, in events of an organization. #}
{% macro billing_event_fields() %}
    {{ return([
        'request_id', 'endpoint_id', 'timestamp', 'output_units', 'unit_price', 'percent_discount',
        'cost_estimate_nano_usd', 'cost_subtotal', 'auth_method', 'username',
    ]) }}
{% endmacro %}

{# The fields of auth_method_structured in an event, by the name of their column. #}
{% macro auth_method_fields() %}
    {{ return({'auth_detail': 'detail', 'api_key_id': 'api_key_id', 'login_username': 'login_username'}) }}
{% endmacro %}

{#
    The events of the loads that this model does not hold yet, or of all loads in a full refresh. Columns: account,
    landed_date, landed_team (empty outside of an organization), load_id, landed_file, event_number (from 1 within its
    page), is_readable, is_plain (see is_plain_event), raw_event (its JSON text; on DuckDB null in a page that has only
    plain events), and each field of billing_event_fields() and auth_method_fields() as text. A page that is not a JSON
    document with a list of events is one row that is not readable. loads: stg_fal__billing_event_loads. files:
    stg_fal__landed_files.
#}
{% macro read_landed_billing_events(loads, files) %}
    {# the linter compiles in a warehouse without tables #}
    {% if execute and load_relation(loads) %}
        {% set key = {
            'account': 'files.account', 'landed_date': 'cast(files.landed_partition as date)',
            'landed_team': "coalesce(files.source, '')", 'load_id': 'files.load_id',
        } %}
        {% set pages = landed_files_to_read(files, 'billing_events', loads, key, parts_to_build(loads)) %}
        {% if pages | length %}
            {{ return(adapter.dispatch('read_billing_event_pages')(pages)) }}
        {% endif %}
    {% endif %}
    {% set text = dbt.type_string() %}
    {{ return(empty_relation(dict({
        'account': text, 'landed_date': 'date', 'landed_team': text, 'load_id': text, 'landed_file': text,
        'event_number': 'bigint', 'is_readable': 'boolean', 'is_plain': 'boolean', 'raw_event': text,
    }, **dict.fromkeys(billing_event_fields() + auth_method_fields() | list, text)))) }}
{% endmacro %}

{#
    pages: rows of stg_fal__landed_files. The manifest states which pages are one line of JSON, and which of these
    have no long numbers. Both are cheaper to read than any other text.
#}
{% macro duckdb__read_billing_event_pages(pages) %}
    {%- set fields = dict.fromkeys(billing_event_fields(), 'varchar') -%}
    {%- do fields.update({'auth_method_structured': dict.fromkeys(auth_method_fields().values(), 'varchar')}) -%}
    with

    pages as (

        {{ duckdb_billing_event_pages(pages) }}

    ),

    parsed as (

        select
            *,
            from_json(
                page,
                '{"billing_events":[{{ fields | tojson }}]}'
            ).billing_events as parsed_events
        from pages

    ),

    readable as (

        -- a page without a list of events is one row without fields
        select
            *,
            parsed_events is not null as is_readable,
            coalesce(parsed_events, [null]) as events
        from parsed

    ),

    judged as (

        select
            *,
            list_transform(events, lambda event: {{ is_plain_event('event.') }}) as are_plain
        from readable

    ),

    with_raw_events as (

        select
            *,
            -- a page is parsed for raw events only if it may need one; an unreadable page shows its start
            case
                when not is_readable then [cast(to_json(left(page_text, 1000)) as varchar)]
                when not list_bool_and(are_plain)
                    then cast(from_json(page, '{"billing_events":["JSON"]}').billing_events as varchar[])
            end as raw_events
        from judged

    ),

    numbered as (

        select
            filename,
            is_readable,
            unnest(range(1, len(events) + 1)) as event_number,
            unnest(events) as event,
            unnest(are_plain) as is_plain,
            unnest(raw_events) as raw_event
        from with_raw_events

    )

    select
        {{ page_path_columns() }}
        {{ folder_value('team') }} as landed_team,
        event_number,
        is_readable,
        is_plain,
        raw_event,
        {{ event_field_columns() }}
    from numbered
{% endmacro %}

{# The columns that come from the path of a page. #}
{% macro page_path_columns() %}
        {{ folder_value('account') }} as account,
        cast({{ folder_value('date') }} as date) as landed_date,
        {{ folder_value('load') }} as load_id,
        regexp_extract(filename, '[^/]*$', 0) as landed_file,
{%- endmacro %}

{% macro event_field_columns() %}
        {%- for field in billing_event_fields() %}
        event.{{ adapter.quote(field) }} as {{ adapter.quote(field) }},
        {%- endfor %}
        {%- for column, field in auth_method_fields().items() %}
        event.auth_method_structured.{{ field }} as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
{%- endmacro %}

{# Spark reads every page as a whole text, so that the form of a page does not matter. #}
{% macro spark__read_billing_event_pages(pages) %}
    with

    files as (

        {{ spark_files_in(landed_folders(pages), 'page-*.json.gz') }}

    ),

    parsed as (

        select
            -- a value for each page, not for each of its events
            {{ page_path_columns() }}
            {{ folder_value('team') }} as landed_team,
            value,
            -- each event is parsed by itself, because from_json returns null for a page with one malformed event
            from_json(
                {{ replace_lone_surrogates(quote_long_numbers('value')) }}, 'billing_events array<string>'
            ).billing_events as events
        from files

    ),

    readable as (

        select
            account,
            landed_date,
            load_id,
            landed_file,
            landed_team,
            events is not null as is_readable,
            -- a page that cannot be read is one row without fields, with the start of the page as its raw text
            coalesce(events, array({{ json_text('left(value, 1000)') }})) as events
        from parsed

    ),

    numbered as (

        select
            account,
            landed_date,
            load_id,
            landed_file,
            landed_team,
            is_readable,
            cast(raw_events.position + 1 as bigint) as event_number,
            raw_events.raw_event,
            from_json(
                raw_events.raw_event,
                '{% for field in billing_event_fields() -%} {{ adapter.quote(field) }} string, {% endfor %}
                auth_method_structured struct<{{ auth_method_fields().values() | join(': string, ') }}: string>'
            ) as event
        from readable
        -- without `outer`, Spark parses each page twice: first to skip pages without events
        lateral view outer posexplode(events) raw_events as position, raw_event
        where raw_events.position is not null

    )

    select
        account,
        landed_date,
        load_id,
        landed_file,
        landed_team,
        event_number,
        is_readable,
        {{ is_plain_event('event.') }} as is_plain,
        raw_event,
        {{ event_field_columns() }}
    from numbered
{% endmacro %}
