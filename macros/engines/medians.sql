{#
    The median over a window: of an even number of values the lower one, so that it is always one of them and no engine
    rounds it. Nulls are ignored. A function for medians in Spark accepts no window frame.
#}
{% macro median_over(value, window) -%}{{ return(adapter.dispatch('median_over')(value, window)) }}{%- endmacro %}

{% macro duckdb__median_over(value, window) -%} quantile_disc({{ value }}, 0.5) over {{ window }} {%- endmacro %}

{% macro spark__median_over(value, window) -%}
    get(
        array_sort(collect_list({{ value }}) over {{ window }}),
        cast((size(collect_list({{ value }}) over {{ window }}) - 1) div 2 as int)
    )
{%- endmacro %}
