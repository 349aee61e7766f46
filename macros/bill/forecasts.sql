{#
    Statistics of forecasts. They are doubles, and rounded before each sum. A sum of doubles depends on the order of its
    rows, which engines do not keep.
#}

{# A double, rounded to 12 decimals. #}
{% macro rounded(value) -%} cast(cast({{ value }} as decimal(38, 12)) as double) {%- endmacro %}

{# The sum of doubles, each rounded to 12 decimals. over: the name of a window. #}
{% macro total(value, over=none) -%}
    cast((sum(cast({{ value }} as decimal(38, 12))){{ ' over ' ~ over if over }}) as double)
{%- endmacro %}

{# The mean of doubles. #}
{% macro mean(value) -%} {{ total(value) }} / count({{ value }}) {%- endmacro %}

{# The weight of a day: 1 at age 0, half after half_life days. #}
{% macro weight(age, half_life) -%}
    {{ rounded('power(0.5, ' ~ age ~ ' / cast(' ~ half_life ~ ' as double))') }}
{%- endmacro %}

{# The value that a share of the values does not exceed, interpolated. #}
{% macro quantile(value, share) -%}{{ return(adapter.dispatch('quantile')(value, share)) }}{%- endmacro %}

{% macro duckdb__quantile(value, share) -%} quantile_cont({{ value }}, {{ share }}) {%- endmacro %}

{% macro spark__quantile(value, share) -%} percentile({{ value }}, {{ share }}) {%- endmacro %}

{# The group of horizons whose past errors count for a day. #}
{% macro horizon_band(horizon) -%}
    case when {{ horizon }} <= 7 then 1 when {{ horizon }} <= 14 then 2 when {{ horizon }} <= 28 then 3 else 4 end
{%- endmacro %}

{# The share of the expected cost by which a bound differs from it, side: lower or upper. An interval contains the
   expected cost, although all past errors have one sign after a launch. #}
{% macro interval_bound(side, prior_origins) -%}
    {{ 'least' if side == 'lower' else 'greatest' }}(
        (origins * {{ side }}_error {{ '-' if side == 'lower' else '+' }} {{ prior_origins }} * prior_error)
        / (origins + {{ prior_origins }}),
        0
    )
{%- endmacro %}
