{# After a build: which landing zone it read, and how many loads it has. Without any, a warning. #}
{% macro report_landing_zone() %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {% set loads = landed_loads() %}
        {% if loads.values() | sum %}
            {% do log(
                'Landing zone ' ~ landing_name() ~ ': ' ~ loads.billing_events ~ ' days of events, ' ~ loads.invoice
                ~ ' invoices, ' ~ loads.estimate ~ ' days of estimates',
                info=true
            ) %}
        {% else %}
            {% do exceptions.warn('The landing zone ' ~ landing_name() ~ ' has no loads: check FAL_LANDING_DIR, or run python -m loaders sync.') %}
        {% endif %}
    {% endif %}
{% endmacro %}
