{# An amount in the precision of costs and unit prices. Products are cast at once, so that they are rounded once. #}
{% macro money(amount) -%}
    cast({{ amount }} as decimal(38, 18))
{%- endmacro %}

{# An amount in the precision of quantities. #}
{% macro quantity(amount) -%}
    cast({{ amount }} as decimal(38, 9))
{%- endmacro %}

{#
    What an invoice bills of an amount, which is a part of the effective cost that it bills. A cost near 0 cannot be
    shared.
#}
{% macro share_of_bill(amount, billed_cost, effective_cost) -%}
    case
        when {{ billed_cost }} = {{ effective_cost }} and {{ billed_cost }} <> 0 then {{ amount }}
        when {{ billed_cost }} = 0 then {{ money(0) }}
        when
            {{ quantity(effective_cost) }} <> 0
            and abs({{ billed_cost }}) <= 10 * abs({{ quantity(effective_cost) }})
            then {{ money(rounded_share(amount, billed_cost, effective_cost)) }}
        else {{ money(0) }}
    end
{%- endmacro %}
