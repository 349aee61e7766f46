{# Prints which landing zone a build read, and how many loads it has. Warns if it has none. #}
{% macro report_landing_zone() %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {% set kinds = [] %}
        {% for folder in latest_loads() %}
            {# a folder ends with account=.../date=.../load=..., or with account=.../source=.../date=.../load=... #}
            {% do kinds.append(folder.split('/')[-3]) %}
        {% endfor %}
        {% if kinds %}
            {% set invoices, estimates = kinds.count('source=invoice'), kinds.count('source=estimate') %}
            {% do log(
                'Landing zone ' ~ landing_name() ~ ': ' ~ (kinds | length - invoices - estimates) ~ ' days of events, '
                ~ invoices ~ ' invoices, ' ~ estimates ~ ' days of estimates',
                info=true
            ) %}
        {% else %}
            {% do exceptions.warn(
                'The landing zone ' ~ landing_name()
                ~ ' has no loads: check FAL_LANDING_DIR, or run python -m loaders sync.'
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}
