{#
    Numbers from text, and exact arithmetic. Engines accept different texts as numbers (such as 1_000) and round
    surplus decimals silently. So a pattern decides what is a number, and surplus decimals are detected.
#}

{% macro number_pattern() %}{{ return('-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?') }}{% endmacro %}

{# Whether a text is a number: boolean, null for null. #}
{% macro is_number(text) -%}
    {{ matches(text, number_pattern()) }}
{%- endmacro %}

{# Text to DECIMAL(38, scale), null if it is not a number or too large. See has_surplus_decimals. #}
{% macro try_decimal(text, scale) -%}
    case when {{ is_number(text) }} then try_cast({{ text }} as decimal(38, {{ scale }})) end
{%- endmacro %}

{#
    Whether the number in a text has more decimals than the scale holds, which an engine would round silently.
    Without an exponent, the text shows them. With an exponent, the value is compared at a finer scale. Both sides are
    cast to that scale, because DuckDB may raise an error when it compares decimals of different scales. The value must
    not become 0, and the text must not have more decimals than the finer scale.

#}
{% macro has_surplus_decimals(text, scale) -%}
    (
        {{ matches(text, '-?[0-9]+[.][0-9]{' ~ scale ~ '}0*[1-9][0-9]*') }}
        or {{ matches(text, '-?[0-9]+[.][0-9]{18,}[eE].*') }}
        or ({{ matches(text, '-?[0.]*[1-9].*[eE].*') }} and try_cast({{ text }} as decimal(38, {{ scale }})) = 0)
        or coalesce(
            try_cast(try_cast({{ text }} as decimal(38, {{ scale }})) as decimal(38, {{ scale + 12 }}))
            <> try_cast({{ text }} as decimal(38, {{ scale + 12 }})),
            false
        )
    )
{%- endmacro %}

{#
    An amount in USD from the text of a JSON number: DECIMAL(38, 18). A double keeps 15 digits of a decimal
    and is written with up to 17. Its difference to whole nano-dollars behind the 15th digit is noise, and is rounded
    off. Other amounts keep 18 decimals.

#}
{% macro try_usd_of_double(text) -%}
    {%- set nano_dollars = 'try_cast(' ~ text ~ ' as decimal(19, 9))' -%}
    case
        when
            {{ matches(text, '-?[0.]*([0-9][.]?){1,17}([eE][-+]?[0-9]+)?') }}
            and abs(try_cast({{ text }} as decimal(37, 24)) - try_cast({{ nano_dollars }} as decimal(37, 24)))
            < abs({{ nano_dollars }}) * cast(0.000000000000001 as decimal(15, 15))
            then cast({{ nano_dollars }} as decimal(38, 18))
        else {{ try_decimal(text, 18) }}
    end
{%- endmacro %}

{#
    a / b rounded up to an integer, exactly. a >= 0, b > 0, both with at most 18 decimals.

#}
{% macro quotient_rounded_up(a, b) -%}{{ return(adapter.dispatch('quotient_rounded_up')(a, b)) }}{%- endmacro %}

{% macro duckdb__quotient_rounded_up(a, b) -%}
    (({{ duckdb_scaled_integer(a) }} + {{ duckdb_scaled_integer(b) }} - 1) // {{ duckdb_scaled_integer(b) }})
{%- endmacro %}

{% macro spark__quotient_rounded_up(a, b) -%}
    (
        {{ spark__quotient_of_integers(money(a), money(b)) }}
        + case when {{ money(a) }} % {{ money(b) }} > 0 then 1 else 0 end
    )
{%- endmacro %}

{# a / b rounded half away from zero to 6 decimals: DECIMAL(38, 6). b: an integer from 1 to 99. #}
{% macro rounded_quotient(a, b) -%}{{ return(adapter.dispatch('rounded_quotient')(a, b)) }}{%- endmacro %}

{% macro duckdb__rounded_quotient(a, b) -%}
    cast(
        sign({{ a }})
        * ((2 * abs({{ duckdb_scaled_integer(a) }}) + {{ b }} * 1000000000000) // (2 * {{ b }} * 1000000000000))
        as decimal(38, 0)
    ) * cast(0.000001 as decimal(7, 6))
{%- endmacro %}

{#
    The quotient of a decimal(35, 18) has 21 decimals. With a divisor below 100, their rounding cannot turn a value
    into a half. With the 19 decimals of a decimal(38, 18) it could.

#}
{% macro spark__rounded_quotient(a, b) -%}
    cast(cast({{ a }} as decimal(35, 18)) / cast({{ b }} as decimal(2, 0)) as decimal(38, 6))
{%- endmacro %}

{# An amount as an integer count of 10^-18. DuckDB divides decimals as doubles, and only integers exactly. #}
{% macro duckdb_scaled_integer(amount) -%}
    cast(replace(cast({{ money(amount) }} as varchar), '.', '') as hugeint)
{%- endmacro %}

{#
    The text of a number in one canonical form, because JSON writers write 2.50 or 2.5, and 0.0000001 or 1e-07. A text
    that is not a number is returned unchanged.

#}
{% macro canonical_number(number) -%}
    case
        when {{ is_number(number) }} and not {{ has_surplus_decimals(number, 18) }}
            then coalesce(
                {{ plain_decimal('try_cast(' ~ number ~ ' as decimal(38, 18))') }},
                {{ double_as_text('try_cast(' ~ number ~ ' as double)') }}
            )
        when {{ matches(number, '.*[eE].*') }}
            then coalesce({{ double_as_text('try_cast(' ~ number ~ ' as double)') }}, {{ number }})
        else {{ number }}
    end
{%- endmacro %}

{# A double as text, like 1e+25 or 2.5e-07. #}
{% macro double_as_text(number) -%}{{ return(adapter.dispatch('double_as_text')(number)) }}{%- endmacro %}

{% macro duckdb__double_as_text(number) -%} cast({{ number }} as varchar) {%- endmacro %}

{# Java writes 1.0E25 and 2.5E-7. #}
{% macro spark__double_as_text(number) -%}
    regexp_replace(
        regexp_replace(regexp_replace(cast({{ number }} as string), '([.]0)?E', 'e'), 'e(?=[0-9])', 'e+'),
        '(?<=e[-+])(?=[0-9]$)', '0'
    )
{%- endmacro %}

{# A decimal as the shortest text without an exponent: 0.025 or 12, never 0.0250 or 2.5e-2. #}
{% macro plain_decimal(number) -%}{{ return(adapter.dispatch('plain_decimal')(number)) }}{%- endmacro %}

{% macro duckdb__plain_decimal(number) -%}
    regexp_replace(regexp_replace(cast({{ number }} as varchar), '([.][0-9]*?)0+$', '\1'), '[.]$', '')
{%- endmacro %}

{# A cast would write 0E-18. format_number is exact for decimals. #}
{% macro spark__plain_decimal(number) -%}
    format_number({{ number }}, '0.{{ '#' * 38 }}')
{%- endmacro %}

{# The share of a part in a whole in percent, with 4 decimals, for display. Null if the whole is 0. #}
{% macro percent_of(part, whole) -%}
    cast(100 * cast({{ part }} as double) / nullif(cast({{ whole }} as double), 0) as decimal(38, 4))
{%- endmacro %}

{#
    amount * part / whole, rounded half away from zero to 9 decimals: DECIMAL(38, 9). All three are rounded so first.
    whole is not 0, and part is at most 10 times as large.

#}
{% macro rounded_share(amount, part, whole) -%}
    case when ({{ amount }} < 0) <> (({{ part }} < 0) <> ({{ whole }} < 0)) then -1 else 1 end
    * cast(
        {{ adapter.dispatch('quotient_of_integers')(
            '2 * ' ~ nanos(amount) ~ ' * ' ~ nanos(part) ~ ' + ' ~ nanos(whole), '2 * ' ~ nanos(whole)
        ) }} as decimal(38, 0)
    ) * cast(0.000000001 as decimal(9, 9))
{%- endmacro %}

{# The absolute value of an amount as an integer count of 10^-9: products of decimals would need more than 38 digits. #}
{% macro nanos(amount) -%}
    cast({{ quantity('abs(' ~ amount ~ ')') }} * 1000000000 as {{ adapter.dispatch('type_whole_number')() }})
{%- endmacro %}

{% macro duckdb__type_whole_number() -%} hugeint {%- endmacro %}

{% macro spark__type_whole_number() -%} decimal(38, 0) {%- endmacro %}

{% macro duckdb__quotient_of_integers(a, b) -%} (({{ a }}) // ({{ b }})) {%- endmacro %}

{# div would return a bigint, which overflows without an error. Without its remainder, the division is exact. #}
{% macro spark__quotient_of_integers(a, b) -%}
    cast((({{ a }}) - ({{ a }}) % ({{ b }})) / ({{ b }}) as decimal(38, 0))
{%- endmacro %}
