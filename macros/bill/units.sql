{#
    A unit of fal's price list in the unit format of FOCUS: image becomes Images, 1m tokens becomes 1000000 Tokens. Null
    for other texts, such as second/image.
#}
{% macro focus_unit(unit) -%}
    {%- set first_word = "split_part(" ~ unit ~ ", ' ', 1)" -%}
    {%- set number = "replace(replace(lower(" ~ first_word ~ "), 'k', '000'), 'm', '000000')" -%}
    {%- set rest = "substr(" ~ unit ~ ", length(" ~ first_word ~ ") + 1)" -%}
    case
        when {{ matches(unit, '[0-9]+[kKmM]? [A-Za-z]+([ _-][A-Za-z]+)*') }}
            then {{ plural(capitalized_words(number ~ ' || ' ~ rest)) }}
        when {{ matches(unit, '[A-Za-z]+([ _-][A-Za-z]+)*') }} then {{ plural(capitalized_words(unit)) }}
    end
{%- endmacro %}

{# An English noun in the plural. A size of data, such as GB, has none. #}
{% macro plural(noun) -%}
    case
        when lower({{ noun }}) like '%s' or {{ matches(noun, '(.* )?[KkMGTP]i?B') }} then {{ noun }}
        when lower({{ noun }}) like '%ch' or lower({{ noun }}) like '%sh' then {{ noun }} || 'es'
        when {{ matches(noun, '.*[^aeiou]y') }} then substr({{ noun }}, 1, length({{ noun }}) - 1) || 'ies'
        else {{ noun }} || 's'
    end
{%- endmacro %}
