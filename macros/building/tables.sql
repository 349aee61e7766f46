{#
    Replaces a table in one transaction, on DuckDB. dbt-duckdb creates it under another name, renames both tables and
    drops the old one afterwards, which takes 6 % of a build when nothing is new.
#}
{% materialization table, adapter='duckdb' %}
    {% set target, existing = this.incorporate(type='table'), load_cached_relation(this) %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        {% if existing %}drop {{ existing.type }} {{ existing }};{% endif %}
        {{ create_table_as(False, target, compiled_code) }}
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
