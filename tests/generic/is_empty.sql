{# Fails, or warns, with the number of rows: for relations that hold what should not be. #}
{% test is_empty(model) %}

select * from {{ model }}

{% endtest %}
