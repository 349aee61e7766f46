{#
    The price, the quantity and the discount of an event. An event without units or price (is_metered) is charged by its
    cost: the quantity is USD and the price is 1. A discount applies only if fal states the cost before it, because cost
    alone is after discount.
#}
{% macro event_prices() -%}
    case when is_metered then unit_price_usd else {{ money(1) }} end as list_unit_price,
    case
        when is_metered then output_units
        else {{ quantity('coalesce(cost_subtotal_usd, cost_usd)') }}
    end as pricing_quantity,
    case
        when is_metered or cost_subtotal_usd is not null then coalesce(percent_discount, 0)
        else 0
    end as percent_discount
{%- endmacro %}

{# The price of a unit after discount. #}
{% macro discounted(price, percent) -%}
    {{ money(price ~ ' * (1 - cast(' ~ percent ~ ' as decimal(12, 9)) * cast(0.01 as decimal(3, 2)))') }}
{%- endmacro %}
