{# Fails or warns if a relation has rows, such as a quarantine. #}
{% test is_empty(model) %}

select * from {{ model }}

{% endtest %}
