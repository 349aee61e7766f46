{# The least difference from the expectation of a day that is an anomaly, in USD, as a double. #}
{% macro least_anomaly_usd() -%} 5e0 {%- endmacro %}
