{# An amount in the precision of costs and unit prices. Products are cast at once, so that they are rounded once. #}
{% macro money(amount) -%}
    cast({{ amount }} as decimal(38, 18))
{%- endmacro %}

{# An amount in the precision of quantities. #}
{% macro quantity(amount) -%}
    cast({{ amount }} as decimal(38, 9))
{%- endmacro %}
