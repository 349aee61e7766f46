{#
    After a build: rows of the project's own tests that failed or warned, the first of each, since dbt only counts them.
    A test with a `summary` in its meta gets one line in place of its rows. Printed, so that they show at any log level.
#}
{% macro report_findings(results) %}
    {% set most = 20 %}
    {% if execute and flags.WHICH in ['build', 'test'] %}
        {% for result in results
            if result.status in ['fail', 'warn'] and result.node.resource_type == 'test' and result.node.compiled_code
        %}
            {% if result.node.config.meta.summary %}
                {% do print(result.node.config.meta.summary | replace('{rows}', result.failures)) %}
            {% else %}
                {% do report_rows(result, most) %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{# the first rows that a test found #}
{% macro report_rows(result, most) %}
    {% set found = run_query(result.node.compiled_code ~ '\nlimit ' ~ most) %}
    {% do print(result.status ~ ' ' ~ result.node.name ~ ': ' ~ result.failures ~ (' rows' if result.failures != 1 else ' row')) %}
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
    A value as a build prints it: at most 200 characters, and an escape (\n, \x1b, \u202e) in place of each one that a terminal
    obeys, that turns text around or that breaks the line. The text is somebody else's.
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
