{# Pages as filename, page_text and page: its JSON with exact numbers, null if it is not JSON. #}
{% macro duckdb_billing_event_pages(pages) %}
    {%- set short, one_line, other = [], [], [] -%}
    {%- for page in pages -%}
        {%- set paths = other if not page['is_one_line'] else short if page['has_short_numbers'] else one_line -%}
        {%- do paths.append(page) -%}
    {%- endfor -%}
    {%- set largest = largest_page(pages) -%}
    {%- set queries = [] -%}
    {%- if short -%}
        {%- do queries.append(duckdb_json_pages(landed_paths(short), '"json"', largest)) -%}
    {%- endif -%}
    {%- if one_line -%}
        {%- set quoted = duckdb_quote_numbers('cast("json" as varchar)', event_number_fields()) -%}
        {%- do queries.append(duckdb_json_pages(landed_paths(one_line), 'cast(' ~ quoted ~ ' as json)', largest)) -%}
    {%- endif -%}
    {%- if other -%}
        {%- do queries.append(duckdb_text_pages(landed_paths(other), largest)) -%}
    {%- endif -%}
    {{ queries | join('union all') }}
{% endmacro %}

{# The paths of pages: rows of stg_fal__landed_files. #}
{% macro landed_paths(pages) %}
    {% set paths = [] %}
    {% for page in pages %}{% do paths.append(load_folder(page) ~ '/' ~ page['landed_file']) %}{% endfor %}
    {{ return(paths) }}
{% endmacro %}

{# Each thread reads into a buffer of twice this size: the default of DuckDB, or more for a larger page. #}
{% macro largest_page(pages) %}
    {% set sizes = [] %}
    {% for page in pages %}{% do sizes.append(page['landed_bytes'] | int) %}{% endfor %}
    {{ return([16777216, sizes | max + 1024] | max) }}
{% endmacro %}

{# A text as JSON, null if it is not JSON. #}
{% macro duckdb_as_json(text) -%}
    coalesce(try_cast({{ text }} as json), try_cast({{ replace_lone_surrogates(text) }} as json))
{%- endmacro %}

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

{# Pages of any text. #}
{% macro duckdb_text_pages(paths, largest) %}
    select
        filename,
        page_text,
        {{ duckdb_as_json(quote_long_numbers('page_text')) }} as page
    from ({{ duckdb_page_texts(paths, largest) }}) as texts
{% endmacro %}

{# The texts of pages as filename and page_text, read line by line as a CSV of one column. #}
{% macro duckdb_page_texts(paths, largest) %}
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
            nullstr = '{{ absent_cell() }}',
            strict_mode = false,
            parallel = false,
            max_line_size = {{ largest }},
            filename = true,
            hive_partitioning = false
        )

    )

    select
        filename,
        string_agg(line, chr(10) order by line_number) as page_text
    from lines
    group by filename
{% endmacro %}
