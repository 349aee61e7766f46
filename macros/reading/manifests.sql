{#
    The manifests of the latest loads: a row per file of a load, or one row for a load without files. Columns:
    manifest_file (its path), feed, account, source, landed_partition and load_id from the path; the same five as the
    manifest states them (stated_...), which may differ; is_complete, fetched_at, page_number (from 1), page_file,
    page_rows, page_bytes (decoded), is_one_line and has_short_numbers.
#}
{% macro read_landed_manifests() %}
    {% set folders = latest_loads() %}
    {% if folders %}
        {{ return(adapter.dispatch('read_landed_manifests')(folders)) }}
    {% endif %}
    {% set text = dbt.type_string() %}
    {{ return(empty_relation({
        'manifest_file': text, 'feed': text, 'account': text, 'source': text, 'landed_partition': text, 'load_id': text,
        'stated_feed': text, 'stated_account': text, 'stated_source': text, 'stated_partition': text,
        'stated_load_id': text, 'is_complete': 'boolean', 'fetched_at': text, 'page_number': 'bigint',
        'page_file': text, 'page_rows': 'bigint', 'page_bytes': 'bigint',
        'is_one_line': 'boolean', 'has_short_numbers': 'boolean',
    })) }}
{% endmacro %}

{# The columns that come from the path of a manifest. #}
{% macro manifest_path_columns() %}
        filename as manifest_file,
        regexp_extract(filename, '.*/({{ feed_pattern() }})/account=', 1) as feed,
        {{ folder_value('account') }} as account,
        nullif({{ folder_value('(?:source|team)') }}, '') as source,
        {{ folder_value('(?:billing_month|date)') }} as landed_partition,
        {{ folder_value('load') }} as load_id,
{%- endmacro %}

{% macro duckdb__read_landed_manifests(folders) %}
    with

    manifests as (

        select
            filename,
            feed as stated_feed,
            account as stated_account,
            source as stated_source,
            "partition" as stated_partition,
            load_id as stated_load_id,
            complete as is_complete,
            fetched_at,
            unnest(coalesce(nullif(pages, []), [null])) as page,
            generate_subscripts(coalesce(nullif(pages, []), [null]), 1) as page_number
        from read_json(
            {{ duckdb_files_in(folders, 'manifest.json') }},
            columns = {
                feed: 'VARCHAR', account: 'VARCHAR', source: 'VARCHAR', "partition": 'VARCHAR', load_id: 'VARCHAR',
                complete: 'BOOLEAN', fetched_at: 'VARCHAR',
                pages: 'STRUCT(file VARCHAR, "rows" BIGINT, bytes BIGINT, one_line BOOLEAN, short_numbers BOOLEAN)[]'
            },
            format = 'newline_delimited',
            filename = true,
            hive_partitioning = false
        )

    )

    select
        {{ manifest_path_columns() }}
        stated_feed,
        stated_account,
        stated_source,
        stated_partition,
        stated_load_id,
        is_complete,
        fetched_at,
        page_number,
        page.file as page_file,
        page."rows" as page_rows,
        page.bytes as page_bytes,
        coalesce(page.one_line, false) as is_one_line,
        coalesce(page.short_numbers, false) as has_short_numbers
    from manifests
{% endmacro %}

{% macro spark__read_landed_manifests(folders) %}
    with

    files as (

        {{ spark_files_in(folders, 'manifest.json') }}

    ),

    manifests as (

        select
            filename,
            from_json(
                value,
                'feed string, account string, source string, {{ adapter.quote('partition') }} string, load_id string,
                complete boolean, fetched_at string,
                pages array<
                    struct<file: string, rows: bigint, bytes: bigint, one_line: boolean, short_numbers: boolean>
                >'
            ) as manifest
        from files

    )

    select
        {{ manifest_path_columns() }}
        manifest.feed as stated_feed,
        manifest.account as stated_account,
        manifest.source as stated_source,
        manifest.{{ adapter.quote('partition') }} as stated_partition,
        manifest.load_id as stated_load_id,
        manifest.complete as is_complete,
        manifest.fetched_at,
        cast(position + 1 as bigint) as page_number,
        page.file as page_file,
        page.rows as page_rows,
        page.bytes as page_bytes,
        coalesce(page.one_line, false) as is_one_line,
        coalesce(page.short_numbers, false) as has_short_numbers
    from manifests
    lateral view outer posexplode(manifest.pages) numbered as position, page
{% endmacro %}
