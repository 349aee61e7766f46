{# After a build: which landing zone it was made of, and how much there is. A mistyped folder shows as nothing landed. #}
{% macro report_landing_zone() %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {% set loads = [] %}
        {% for feed in landing_partitions() %}
            {% do loads.append(latest_loads(feed) | length) %}
        {% endfor %}
        {% do log(
            'Landing zone ' ~ landing_name() ~ ': ' ~ loads[0] ~ ' days of events, ' ~ loads[1] ~ ' invoices, ' ~ loads[2] ~ ' days of estimates',
            info=true
        ) %}
    {% endif %}
{% endmacro %}
