{# The text of event pages, prepared for the JSON parsers of the engines. #}

{#
    A page whose numbers keep all digits. Engines parse a JSON number as a double, which keeps 15 digits. So in a page
    with a run of 16 digits, the numbers of events are put in quotes. A name directly before a colon can only be a
    key.
#}
{% macro quote_long_numbers(page) -%}{{ return(adapter.dispatch('quote_long_numbers')(page)) }}{%- endmacro %}

{% macro duckdb__quote_long_numbers(page) -%}
    case
        when regexp_matches({{ page }}, '[0-9][0-9.]{15}') then {{ duckdb_quote_numbers(page, event_number_fields()) }}
        else {{ page }}
    end
{%- endmacro %}

{# The fields of an event that are numbers. #}
{% macro event_number_fields() %}
    {{ return(['output_units', 'unit_price', 'percent_discount', 'cost_estimate_nano_usd', 'cost_subtotal']) }}
{% endmacro %}

{# The fields of the other feeds that are exact numbers. #}
{% macro money_fields() %}
    {{ return([
        'quantity', 'unit_price', 'percent_discount', 'cost_subtotal', 'cost_discount', 'cost_total', 'current_balance',
    ]) }}
{% endmacro %}

{% macro duckdb_quote_numbers(page, fields) -%}
    regexp_replace(
        {{ page }},
        '"({{ fields | join('|') }})"\s*:\s*(-?[0-9][-+0-9.eE]*)',
        '"\1":"\2"',
        'g'
    )
{%- endmacro %}

{% macro spark__quote_long_numbers(page) -%}
    case
        when {{ page }} rlike '[0-9][0-9.]{15}' then {{ spark_quote_numbers(page, event_number_fields()) }}
        else {{ page }}
    end
{%- endmacro %}

{% macro spark_quote_numbers(page, fields) -%}
    regexp_replace(
        {{ page }},
        '"({{ fields | join('|') }})"\\s*:\\s*(-?[0-9][-+0-9.eE]*)',
        '"$1":"$2"'
    )
{%- endmacro %}

{#
    A page with a replacement character for each lone half of a surrogate pair, which is not valid text. Control
    characters, which JSON does not allow, stand for escaped backslashes and whole pairs during the replacement.
#}
{% macro replace_lone_surrogates(page) -%}{{ return(adapter.dispatch('replace_lone_surrogates')(page)) }}{%- endmacro %}

{% macro duckdb__replace_lone_surrogates(page) -%}
    replace(
        replace(
            regexp_replace(
                regexp_replace(
                    replace({{ page }}, '\\', chr(2)),
                    '\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})',
                    chr(1) || '\1' || chr(1) || '\2',
                    'g'
                ),
                '\\u[dD][89a-fA-F][0-9a-fA-F]{2}',
                '\\ufffd',
                'g'
            ),
            chr(1),
            '\u'
        ),
        chr(2),
        '\\'
    )
{%- endmacro %}

{% macro spark__replace_lone_surrogates(page) -%}
    case
        when {{ page }} rlike '[uU][dD][89a-fA-F]'
            then replace(
                replace(
                    regexp_replace(
                        regexp_replace(
                            replace({{ page }}, {{ sql_text('\\\\') }}, chr(2)),
                            {{ sql_text('\\\\u([dD][89abAB][0-9a-fA-F]{2})\\\\u([dD][c-fC-F][0-9a-fA-F]{2})') }},
                            chr(1) || '$1' || chr(1) || '$2'
                        ),
                        {{ sql_text('\\\\u[dD][89a-fA-F][0-9a-fA-F]{2}') }},
                        {{ sql_text('\\\\ufffd') }}
                    ),
                    chr(1),
                    {{ sql_text('\\u') }}
                ),
                chr(2),
                {{ sql_text('\\\\') }}
            )
        else {{ page }}
    end
{%- endmacro %}
