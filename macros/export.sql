{#
    Both FOCUS datasets as files: <folder>/cost_and_usage.<format> and <folder>/contract_commitment.<format>.
    format: csv, parquet or json (one object a line). The folder must be there.
    `dbt run-operation export --args '{format: csv, folder: export}'`
#}
{% macro export(format, folder) %}
    {% if format not in ['csv', 'parquet', 'json'] %}
        {{ exceptions.raise_compiler_error("format is '" ~ format ~ "': say csv, parquet or json") }}
    {% endif %}
    {% for mart in ['cost_and_usage', 'contract_commitment'] %}
        {% set relation = load_relation(ref(mart)) %}
        {% if relation is none %}
            {{ exceptions.raise_compiler_error('there is no ' ~ mart ~ ' in the warehouse yet: run dbt build first') }}
        {% endif %}
        {% set file = folder ~ '/' ~ mart ~ '.' ~ format %}
        {% do adapter.dispatch('export_relation')(relation, format, file) %}
        {% do print(file ~ ': ' ~ run_query('select count(*) from ' ~ relation).columns[0].values()[0] ~ ' rows') %}
    {% endfor %}
{% endmacro %}

{% macro duckdb__export_relation(relation, format, file) %}
    {% set options = {'csv': 'format csv, header', 'parquet': 'format parquet', 'json': 'format json'} %}
    {% do run_query(
        'copy (select ' ~ exported_columns(relation, format) ~ ' from ' ~ relation ~ ' order by all) to ' ~ sql_text(file)
        ~ ' (' ~ options[format] ~ ')'
    ) %}
{% endmacro %}

{# Spark writes a folder of this name, with one file of rows in it #}
{% macro spark__export_relation(relation, format, file) %}
    {% set options = {'csv': " options (header 'true', escape '\"')", 'parquet': '', 'json': ''} %}
    {% do run_query(
        'insert overwrite directory ' ~ sql_text(file) ~ ' using ' ~ format ~ options[format]
        ~ ' select /*+ coalesce(1) */ * from (select ' ~ exported_columns(relation, format) ~ ' from ' ~ relation ~ ' order by all)'
    ) %}
{% endmacro %}

{% macro exported_columns(relation, format) -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {{ exported(column, format) }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#
    A column as a file wants it. In CSV a decimal has a point and no exponent: a reader that guesses types would take a column
    of whole numbers for integers, and FOCUS wants decimals. Date-times are YYYY-MM-DDTHH:mm:ssZ. Null is nothing.
#}
{% macro exported(column, format) -%}
    {%- set name = adapter.quote(column.name) -%}
    {%- if 'TIMESTAMP' in column.data_type | upper and format != 'parquet' -%}
        {{ iso_utc(name) }} as {{ name }}
    {%- elif 'DECIMAL' in column.data_type | upper and format == 'csv' -%}
        case
            when {{ plain_decimal(name) }} like '%.%' then {{ plain_decimal(name) }}
            else {{ plain_decimal(name) }} || '.0'
        end as {{ name }}
    {%- else -%}
        {{ name }}
    {%- endif -%}
{%- endmacro %}
