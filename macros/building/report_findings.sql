{#
    After a build: prints the first rows of each test of the project that failed or warned. dbt prints only their
    number. For a test with a `summary` in its meta, it prints the summary. It uses print, which shows at any log
    level.
#}
{% macro report_findings(results) %}
    {% if execute and flags.WHICH in ['build', 'test'] %}
        {% for result in results
            if result.status in ['fail', 'warn'] and result.node.resource_type == 'test' and result.node.compiled_code
        %}
            {% set summary = result.node.config.meta.summary %}
            {% if summary %}
                {% do print(summary | replace('{rows}', result.failures)) %}
            {% else %}
                {% do print_first_rows(result, 20) %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{#
    Prints the first rows that a test found.

    Query at the end of a run: dbt counts the rows of a test and does not keep them.
#}
{% macro print_first_rows(result, most) %}
    {% set found = run_query(result.node.compiled_code ~ '\nlimit ' ~ most) %}
    {% set unit = ' row' if result.failures == 1 else ' rows' %}
    {% do print(result.status ~ ' ' ~ result.node.name ~ ': ' ~ result.failures ~ unit) %}
    {% for row in found.rows %}
        {% set cells = [] %}
        {% for column in found.column_names if row[column] is not none %}
            {% do cells.append(column ~ ' ' ~ printable_cell(row[column])) %}
        {% endfor %}
        {% if cells %}{% do print('    ' ~ cells | join(' · ')) %}{% endif %}
    {% endfor %}
    {% if result.failures > most %}
        {% do print('    and ' ~ (result.failures - most) ~ ' more: ' ~ result.node.original_file_path) %}
    {% endif %}
{% endmacro %}

{#
    A value as text of at most 200 characters. Characters that a terminal interprets, that reverse the direction of
    text or that break a line become escapes (\n, \x1b, \u202e), because the text may come from anyone.
#}
{% macro printable_cell(value) -%}
    {%- set written = [] -%}
    {%- for character in value | string | truncate(200, true) -%}
        {%- do written.append(
            character if character.isprintable() else character.encode('unicode_escape').decode('ascii')
        ) -%}
    {%- endfor -%}
    {{ return(written | join) }}
{%- endmacro %}
