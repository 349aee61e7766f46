{# Rows with the same key have the same value in each of these columns. #}
{% test one_value_per(model, key, columns) %}

select {{ key }}
from {{ model }}
group by {{ key }}
having
    {%- for column in columns %}
    count(distinct {{ column }}) > 1{{ ' or' if not loop.last }}
    {%- endfor %}

{% endtest %}
