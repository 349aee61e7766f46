{# Prints which landing zone a build read, and how many loads it has. Warns if it has none. #}
{% macro report_landing_zone() %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {% set kinds = [] %}
        {% for folder in latest_loads() %}
            {% do kinds.append(load_kind(folder)) %}
        {% endfor %}
        {% if kinds %}
            {% set counts = [] %}
            {% for kind in ['days of events', 'invoices', 'days of estimates'] %}
                {% do counts.append(kinds.count(kind) ~ ' ' ~ kind) %}
            {% endfor %}
            {# feeds that some accounts do not have #}
            {% for kind in ['days of Serverless usage', 'snapshots of the catalogue'] if kind in kinds %}
                {% do counts.append(kinds.count(kind) ~ ' ' ~ kind) %}
            {% endfor %}
            {% do log('Landing zone ' ~ landing_name() ~ ': ' ~ counts | join(', '), info=true) %}
        {% else %}
            {% do exceptions.warn(
                'The landing zone ' ~ landing_name()
                ~ ' has no loads: check FAL_LANDING_DIR, or run python -m loaders sync.'
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{# What the load in a folder holds. #}
{% macro load_kind(folder) %}
    {% set feed, path = modules.re.search('.*/(' ~ feed_pattern() ~ ')/account=[^/]*/(.*)', folder).groups() %}
    {{ return({
        'billing_events': 'days of events',
        'focus_reports': 'invoices' if path.startswith('source=invoice/') else 'days of estimates',
        'serverless_usage': 'days of Serverless usage',
        'catalogue': 'snapshots of the catalogue',
    }[feed]) }}
{% endmacro %}
