{#
    Whether an event is written plainly, as nearly all events are: it has its ids, its time is in UTC and at least to
    the second, and its numbers have no sign, no exponent and no more digits than base_fal__typed_billing_events
    allows. One pattern over all fields checks this. Events that are not plain are checked field by field, which takes
    five times as long. event: the qualifier of its fields, such as `event.`. An absent field counts as 0.
#}
{% macro is_plain_event(event) -%}
    coalesce(
        {{ event }}request_id <> ''
        and {{ event }}endpoint_id <> ''
        and {{ event }}{{ adapter.quote('timestamp') }} is not null
        and {{ event }}cost_estimate_nano_usd is not null
        and {{ matches(
            "concat_ws(' ', " ~ event ~ adapter.quote('timestamp') ~ ", " ~ event ~ "cost_estimate_nano_usd, coalesce("
            ~ event ~ "output_units, '0'), coalesce(" ~ event ~ "unit_price, '0'), coalesce(" ~ event
            ~ "percent_discount, '0'), coalesce(" ~ event ~ "cost_subtotal, '0'))",
            [
                plain_time_pattern(), plain_number_pattern(18, 9), plain_number_pattern(5, 9),
                plain_number_pattern(2, 18), plain_number_pattern(2, 9), plain_number_pattern(9, 18),
            ] | join(' ')
        ) }},
        false
    )
{%- endmacro %}

{# A time in UTC that exists in every year, which excludes 29 February. #}
{% macro plain_time_pattern() -%}
    {%- set days = [
        '(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])', '(0[469]|11)-(0[1-9]|[12][0-9]|30)', '02-(0[1-9]|1[0-9]|2[0-8])'
    ] -%}
    {{ return('20[0-9]{2}-(' ~ days | join('|') ~ ')T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?Z') }}
{%- endmacro %}

{% macro plain_number_pattern(digits, decimals) -%}
    {{ return('[0-9]{1,' ~ digits ~ '}([.][0-9]{1,' ~ decimals ~ '})?') }}
{%- endmacro %}
