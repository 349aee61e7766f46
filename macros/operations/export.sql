{#
    Writes the FOCUS datasets of a version as files: <folder>/cost_and_usage.<format> and the others. Names of FOCUS 1.4
    end with _1_4. format: csv, parquet or json (one object a line). The folder must exist. version: 1.3 or 1.4.
    csv_formula_escape: puts an apostrophe before the texts of a CSV that a spreadsheet would take for formulas, and
    quotes around all texts.
    `dbt run-operation export --args '{format: csv, folder: export}'`

    Queries of an operation that a user runs: they write the files and count their rows.
#}
{% macro export(format, folder, csv_formula_escape=false, version='1.3') %}
    {% if format not in ['csv', 'parquet', 'json'] %}
        {{ exceptions.raise_compiler_error("format is '" ~ format ~ "': use csv, parquet or json") }}
    {% endif %}
    {% set escape = csv_formula_escape and format == 'csv' %}
    {% set marts, suffix = focus_marts(), {'1.4': '_1_4'}.get(version | string, '') %}
    {% if version | string not in marts %}
        {{ exceptions.raise_compiler_error("version is '" ~ version ~ "': use 1.3 or 1.4") }}
    {% endif %}
    {% for mart in marts[version | string].values() %}
        {% set relation, name = load_relation(ref(mart)), ref(mart).identifier ~ suffix %}
        {% if relation is none %}
            {{ exceptions.raise_compiler_error('there is no ' ~ name ~ ' in the warehouse yet: run dbt build first') }}
        {% endif %}
        {% set file = folder ~ '/' ~ name ~ '.' ~ format %}
        {% do run_query(adapter.dispatch('export_statement')(relation, format, file, escape)) %}
        {% do print(file ~ ': ' ~ run_query('select count(*) from ' ~ relation).columns[0].values()[0] ~ ' rows') %}
    {% endfor %}
{% endmacro %}

{% macro duckdb__export_statement(relation, format, file, escape) %}
    {% set options = {'csv': 'format csv, header', 'parquet': 'format parquet', 'json': 'format json'} %}
    {# Without quotes, another separator such as ; begins a cell within a text. #}
    {% set quoted = quoted_text_columns(relation) if escape else [] %}
    copy (
        select {{ export_columns(relation, format, escape) }} from {{ relation }} order by all
    ) to {{ sql_text(file) }} ({{ options[format] }}{{ ', force_quote (' ~ quoted | join(', ') ~ ')' if quoted }})
{% endmacro %}

{#
    Spark writes a folder of this name, with one file of rows in it. It quotes all values of a CSV or only those that
    need it, not those of some columns. JSON objects are written as text, because the JSON writer of Spark uses
    exponents (0E-18).
#}
{% macro spark__export_statement(relation, format, file, escape) %}
    {% set quote_all = ", quoteAll 'true'" if escape else '' %}
    {% set writers = {
        'csv': "csv options (header 'true', escape '\"'" ~ quote_all ~ ')', 'parquet': 'parquet', 'json': 'text'
    } %}
    insert overwrite directory {{ sql_text(file) }} using {{ writers[format] }}
    with

    exported as (

        {% if format == 'json' -%}
        select *, {{ json_line(relation) }} as line from {{ relation }} order by all
        {%- else -%}
        select {{ export_columns(relation, format, escape) }} from {{ relation }} order by all
        {%- endif %}

    )

    select /*+ coalesce(1) */ {{ 'line' if format == 'json' else '*' }} from exported
{% endmacro %}

{# A row as a JSON object, without null fields. #}
{% macro json_line(relation) -%}
    '{' || concat_ws(',',
    {%- for column in adapter.get_columns_in_relation(relation) %}
        {%- set name, type = adapter.quote(column.name), column.data_type | upper %}
        '"{{ column.name }}":' ||
        {%- if 'TIMESTAMP' in type %} {{ json_text(iso_utc(name)) }}
        {%- elif 'DECIMAL' in type %} {{ decimal_with_point(name) }}
        {%- elif type == 'BIGINT' %} cast({{ name }} as {{ dbt.type_string() }}) || '.0'
        {%- else %} {{ json_text(name) }}
        {%- endif %}{{ ',' if not loop.last }}
    {%- endfor %}) || '}'
{%- endmacro %}

{% macro export_columns(relation, format, escape) -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {{ export_column(column, format, escape) }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#
    A column in the form of the file. In CSV and JSON a number has a point and no exponent, because a reader that
    infers types would take a column of whole numbers for integers, while FOCUS requires decimals. Date-times are
    YYYY-MM-DDTHH:mm:ssZ. Null is empty.
#}
{% macro export_column(column, format, escape=false) -%}
    {%- set name = adapter.quote(column.name) -%}
    {%- if 'TIMESTAMP' in column.data_type | upper and format != 'parquet' -%}
        {{ iso_utc(name) }} as {{ name }}
    {%- elif 'DECIMAL' in column.data_type | upper and format == 'csv' -%}
        {{ decimal_with_point(name) }} as {{ name }}
    {%- elif column.data_type | upper == 'BIGINT' and format == 'json' -%}
        cast({{ name }} as decimal(20, 1)) as {{ name }}
    {%- elif escape and is_text(column) -%}
        {{ escape_formula(name) }} as {{ name }}
    {%- else -%}
        {{ name }}
    {%- endif -%}
{%- endmacro %}

{% macro is_text(column) -%}
    {{ return(column.is_string() or column.dtype | upper in ['STRING', 'JSON']) }}
{%- endmacro %}

{# The names of the columns of a relation that have texts, for SQL. #}
{% macro quoted_text_columns(relation) %}
    {% set names = [] %}
    {% for column in adapter.get_columns_in_relation(relation) if is_text(column) %}
        {% do names.append(adapter.quote(column.name)) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}

{#
    Escapes a text that a spreadsheet could take for a formula. It begins with tab, LF or CR, or with = + - @ behind
    spaces and invisible characters. The code points are the full-width forms of = + - @.
#}
{% macro escape_formula(text) -%}
    {%- set text = 'cast(' ~ text ~ ' as ' ~ dbt.type_string() ~ ')' -%}
    {%- set formula = '^([\\t\\r\\n]|[\\p{C}\\p{Z}]*[=+@\\x{FF0B}\\x{FF0D}\\x{FF1D}\\x{FF20}-])' -%}
    case
        when {{ adapter.dispatch('contains_match')(text, formula) }} then chr(39) || {{ text }}
        else {{ text }}
    end
{%- endmacro %}

{# Whether a part of a text matches a pattern. #}
{% macro duckdb__contains_match(text, pattern) -%} regexp_matches({{ text }}, {{ sql_text(pattern) }}) {%- endmacro %}

{% macro spark__contains_match(text, pattern) -%} {{ text }} rlike {{ sql_text(pattern) }} {%- endmacro %}

{# A decimal as text with a point: 12.0 or 0.025. #}
{% macro decimal_with_point(number) -%}
    case
        when {{ plain_decimal(number) }} like '%.%' then {{ plain_decimal(number) }}
        else {{ plain_decimal(number) }} || '.0'
    end
{%- endmacro %}
