{# Each of these columns has a value in every row. One scan for all; a row that is found tells where it has none. #}
{% test never_null(model, columns) %}

select
    {{ columns | join(',\n    ') }}
from {{ model }}
where
    {%- for column in columns %}
    {{ column }} is null{{ ' or' if not loop.last }}
    {%- endfor %}

{% endtest %}
