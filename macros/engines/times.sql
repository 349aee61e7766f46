{#
    Times in UTC. Engines accept different texts as times (such as now and T01:00), so a pattern decides what is a
    time.
#}

{% macro time_pattern() %}
    {%- set time_of_day = '([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?' -%}
    {{ return('[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]' ~ time_of_day ~ zone_pattern() ~ '?)?') }}
{% endmacro %}

{# A time with a time of day and a time zone. #}
{% macro whole_time_pattern() %}
    {{ return('[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9].*' ~ zone_pattern()) }}
{% endmacro %}

{% macro zone_pattern() %}{{ return('(Z|[-+][0-9]{2}(:?[0-9]{2})?)') }}{% endmacro %}

{#
    An ISO 8601 date or date-time as a UTC timestamp. Without a time zone it is taken as UTC. Null for other texts.

#}
{% macro try_utc_timestamp(text) -%}
    case when {{ matches(text, time_pattern()) }} then {{ cast_utc_timestamp(text) }} end
{%- endmacro %}

{% macro cast_utc_timestamp(text) -%}{{ return(adapter.dispatch('cast_utc_timestamp')(text)) }}{%- endmacro %}

{# A cast to the type without a time zone would ignore an offset. profiles.yml sets the session to UTC. #}
{% macro duckdb__cast_utc_timestamp(text) -%}
    try_cast({{ text }} as timestamp with time zone) at time zone 'UTC'
{%- endmacro %}

{# Spark requires seconds in a time of day. #}
{% macro spark__cast_utc_timestamp(text) -%}
    cast(try_cast(
        regexp_replace({{ text }}, '^([^T ]*[T ][0-9]{2}:[0-9]{2})([-+Z].*)?$', '$1:00$2') as timestamp
    ) as {{ type_utc_timestamp() }})
{%- endmacro %}

{# The type of a UTC time. It has no time zone, so that any session reads the same value. #}
{% macro type_utc_timestamp() -%}{{ return(adapter.dispatch('type_utc_timestamp')()) }}{%- endmacro %}

{% macro duckdb__type_utc_timestamp() -%}timestamp{%- endmacro %}

{% macro spark__type_utc_timestamp() -%}timestamp_ntz{%- endmacro %}

{# The date of a UTC time. #}
{% macro utc_date(time) -%}
    cast({{ time }} as date)
{%- endmacro %}

{# The start of the day, hour or month of a UTC time, as a UTC time. #}
{% macro utc_trunc(unit, time) -%}
    cast(date_trunc('{{ unit }}', {{ time }}) as {{ type_utc_timestamp() }})
{%- endmacro %}

{% macro utc_add(unit, count, time) -%}{{ return(adapter.dispatch('utc_add')(unit, count, time)) }}{%- endmacro %}

{% macro duckdb__utc_add(unit, count, time) -%}
    cast({{ dbt.dateadd(unit, count, time) }} as {{ type_utc_timestamp() }})
{%- endmacro %}

{% macro spark__utc_add(unit, count, time) -%}
    cast(timestampadd({{ unit }}, {{ count }}, {{ time }}) as {{ type_utc_timestamp() }})
{%- endmacro %}

{# The number of days from a date to another: an integer. #}
{% macro days_between(first_day, end_day) -%}
    {{ return(adapter.dispatch('days_between')(first_day, end_day)) }}
{%- endmacro %}

{% macro duckdb__days_between(first_day, end_day) -%}
    datediff('day', {{ first_day }}, {{ end_day }})
{%- endmacro %}

{% macro spark__days_between(first_day, end_day) -%}
    datediff({{ end_day }}, {{ first_day }})
{%- endmacro %}

{# The first day of the month of a date or UTC time. #}
{% macro month_of(day) -%}
    cast(date_trunc('month', {{ day }}) as date)
{%- endmacro %}

{# The bounds of a period without a start or an end, which joins can compare. #}
{% macro first_day() -%} cast('1970-01-01' as date) {%- endmacro %}

{% macro end_of_days() -%} cast('9999-12-31' as date) {%- endmacro %}

{# A UTC time as text, like 2026-01-05T00:00:00Z. #}
{% macro iso_utc(time) -%}{{ return(adapter.dispatch('iso_utc')(time)) }}{%- endmacro %}

{% macro duckdb__iso_utc(time) -%}
    strftime({{ time }}, '%Y-%m-%dT%H:%M:%SZ')
{%- endmacro %}

{% macro spark__iso_utc(time) -%}
    date_format({{ time }}, 'yyyy-MM-dd\'T\'HH:mm:ss\'Z\'')
{%- endmacro %}

{# The month of a UTC time as text, like 2026-01. #}
{% macro iso_month(time) -%}
    substr({{ iso_utc(time) }}, 1, 7)
{%- endmacro %}
