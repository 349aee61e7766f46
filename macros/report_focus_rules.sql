{# After a build: the rules of FOCUS that rows we make break, each with a row, where the test of them failed. #}
{% macro report_focus_rules(results) %}
    {% set report = ref('conformance_report') %}
    {% if execute and flags.WHICH in ['build', 'test'] %}
        {% for result in results if result.node.name == 'focus_musts_are_kept' and result.status == 'fail' %}
            {% set query %}
                select rule_id, rule_text, violations, example_row
                from {{ report }}
                where not is_composite and violations > 0 and keyword like 'MUST%'
                order by rule_id
            {% endset %}
            {% for rule_id, rule_text, violations, example_row in run_query(query).rows %}
                {% do log('FOCUS rule ' ~ rule_id ~ ' is broken by ' ~ violations ~ ' rows, such as ' ~ example_row ~ ': ' ~ rule_text, info=true) %}
            {% endfor %}
        {% endfor %}
    {% endif %}
{% endmacro %}
