{# Pages as filename, page_text and page: its JSON with exact numbers, null if it is not JSON. #}
{% macro duckdb_billing_event_pages(pages) %}
    {%- set short, one_line, other, sizes = [], [], [], [] -%}
    {%- for page in pages -%}
        {%- set paths = other if not page['is_one_line'] else short if page['has_short_numbers'] else one_line -%}
        {%- do paths.append(load_folder(page) ~ '/' ~ page['landed_file']) -%}
        {%- do sizes.append(page['landed_bytes'] | int) -%}
    {%- endfor -%}
    {#- each thread reads into a buffer of twice this size: the default of DuckDB, or more for a larger page -#}
    {%- set largest = [16777216, sizes | max + 1024] | max -%}
    {%- set queries = [] -%}
    {%- if short -%}
        {%- do queries.append(duckdb_json_pages(short, '"json"', largest)) -%}
    {%- endif -%}
    {%- if one_line -%}
        {%- set exact = 'cast(' ~ duckdb_quote_numbers('cast("json" as varchar)') ~ ' as json)' -%}
        {%- do queries.append(duckdb_json_pages(one_line, exact, largest)) -%}
    {%- endif -%}
    {%- if other -%}
        {%- do queries.append(duckdb_text_pages(other, largest)) -%}
    {%- endif -%}
    {{ queries | join('union all') }}
{% endmacro %}

{# exact: the page with exact numbers, as SQL over "json". #}
{% macro duckdb_json_pages(paths, exact, largest) %}
    select
        filename,
        cast("json" as varchar) as page_text,
        {{ exact }} as page
    from read_json_objects(
        {{ duckdb_text_list(paths) }},
        format = 'newline_delimited',
        -- null for a page that is not JSON, whatever its manifest states
        ignore_errors = true,
        maximum_object_size = {{ largest }},
        filename = true,
        hive_partitioning = false
    )
{% endmacro %}

{# Pages of any text, read line by line as a CSV of one column. #}
{% macro duckdb_text_pages(paths, largest) %}
    (
        with

        lines as (

            select
                -- one thread counts in the order of the file, even if insertion order is not preserved
                row_number() over () as line_number,
                filename,
                line
            from read_csv(
                {{ duckdb_text_list(paths) }},
                auto_detect = false,
                header = false,
                columns = {line: 'VARCHAR'},
                delim = chr(1),
                quote = '',
                escape = '',
                nullstr = '\N~absent~',
                strict_mode = false,
                parallel = false,
                max_line_size = {{ largest }},
                filename = true,
                hive_partitioning = false
            )

        ),

        texts as (

            select
                filename,
                string_agg(line, chr(10) order by line_number) as page_text
            from lines
            group by filename

        )

        select
            filename,
            page_text,
            coalesce(
                try_cast({{ quote_long_numbers('page_text') }} as json),
                try_cast({{ replace_lone_surrogates(quote_long_numbers('page_text')) }} as json)
            ) as page
        from texts
    )
{% endmacro %}
