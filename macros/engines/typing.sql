{#
    From text to types, the same on every engine: engines accept different texts as numbers and times (1_000, now, T01:00)
    and round silently what does not fit, so a pattern decides what is a number or a time, and surplus decimals are found.
#}

{# a value as a text literal #}
{% macro sql_text(value) -%}{{ return(adapter.dispatch('sql_text')(value | string)) }}{%- endmacro %}

{% macro duckdb__sql_text(value) -%} '{{ value | replace("'", "''") }}' {%- endmacro %}

{% macro spark__sql_text(value) -%} '{{ value | replace("\\", "\\\\") | replace("'", "\\'") }}' {%- endmacro %}

{# a SQL list of texts #}
{% macro sql_texts(values) -%}
    {%- for value in values -%} {{ sql_text(value) }}{{ ', ' if not loop.last }} {%- endfor -%}
{%- endmacro %}

{#
    A text without characters that a terminal obeys or that break a line: a question mark stands for each control character,
    format character (as those that turn text around) and line separator.
#}
{% macro printable(text) -%}{{ return(adapter.dispatch('printable')(text, '[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]')) }}{%- endmacro %}

{% macro duckdb__printable(text, pattern) -%} regexp_replace({{ text }}, '{{ pattern }}', '?', 'g') {%- endmacro %}

{% macro spark__printable(text, pattern) -%} regexp_replace({{ text }}, {{ sql_text(pattern) }}, '?') {%- endmacro %}

{# a text that has no value: the query that needs it fails with the message, which is SQL of a text #}
{% macro raise_error(message) -%}{{ return(adapter.dispatch('raise_error')(message)) }}{%- endmacro %}

{% macro duckdb__raise_error(message) -%} cast(error({{ message }}) as varchar) {%- endmacro %}

{% macro spark__raise_error(message) -%} cast(raise_error({{ message }}) as string) {%- endmacro %}

{# a text or date as a literal #}
{% macro sql_value(value) -%}
    {%- if value.isoformat is defined -%} cast('{{ value.isoformat() }}' as date)
    {%- else -%} {{ sql_text(value) }}
    {%- endif -%}
{%- endmacro %}

{% macro number_pattern() %}{{ return('-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?') }}{% endmacro %}

{% macro time_pattern() %}
    {{ return('[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[-+][0-9]{2}(:?[0-9]{2})?)?)?') }}
{% endmacro %}

{# a time that leaves nothing to be filled in: it has a time of day and a zone #}
{% macro whole_time_pattern() %}{{ return('[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9].*(Z|[-+][0-9]{2}(:?[0-9]{2})?)') }}{% endmacro %}

{# whether the whole text matches: boolean, null for null #}
{% macro matches(text, pattern) -%}{{ return(adapter.dispatch('matches')(text, pattern)) }}{%- endmacro %}

{% macro duckdb__matches(text, pattern) -%}
    regexp_full_match({{ text }}, '{{ pattern }}')
{%- endmacro %}

{# Java's $ also matches before a last line feed, and its dot stops at more than that, unless told #}
{% macro spark__matches(text, pattern) -%}
    {{ text }} rlike {{ sql_text('(?d)\\A(?:' ~ pattern ~ ')\\z') }}
{%- endmacro %}

{# whether a text is a number; null for null #}
{% macro is_number(text) -%}
    {{ matches(text, number_pattern()) }}
{%- endmacro %}

{# text to DECIMAL(38, scale), null where it is no number or too large; see has_surplus_decimals #}
{% macro try_decimal(text, scale) -%}
    case when {{ is_number(text) }} then try_cast({{ text }} as decimal(38, {{ scale }})) end
{%- endmacro %}

{#
    Whether the number in a text has more decimals than the scale holds: an engine would round it silently.
    Without an exponent the text shows it. With one, the value is compared at a finer scale (both sides at one scale, as
    two scales may not fit each other), must not vanish, and may not be longer than that scale can show.
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
    Whether an event is written plainly, as nearly all are: its ids are there, its time is UTC to the second or finer, and
    its numbers have no sign, no exponent and no more digits than fit any limit of base_fal__typed_billing_events. One
    pattern over all fields says so; an event that is not plain is judged field by field, which takes five times as long.
    event: what its fields are qualified with, like `event.`. A field that is not there counts as 0.
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
                plain_time_pattern(), plain_number_pattern(18, 9), plain_number_pattern(5, 9), plain_number_pattern(2, 18),
                plain_number_pattern(2, 9), plain_number_pattern(9, 18),
            ] | join(' ')
        ) }},
        false
    )
{%- endmacro %}

{# a time in UTC that is there in every calendar; 29 February is not in every year #}
{% macro plain_time_pattern() -%}
    {%- set day = '((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))' -%}
    {{ return('20[0-9]{2}-' ~ day ~ 'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?Z') }}
{%- endmacro %}

{% macro plain_number_pattern(digits, decimals) -%}
    {{ return('[0-9]{1,' ~ digits ~ '}([.][0-9]{1,' ~ decimals ~ '})?') }}
{%- endmacro %}

{# ISO 8601 date or date-time, as text, to a UTC timestamp; UTC where it names no zone; null where it is neither #}
{% macro try_utc_timestamp(text) -%}
    case when {{ matches(text, time_pattern()) }} then {{ cast_utc_timestamp(text) }} end
{%- endmacro %}

{% macro cast_utc_timestamp(text) -%}{{ return(adapter.dispatch('cast_utc_timestamp')(text)) }}{%- endmacro %}

{# a cast to the type without a zone would ignore an offset; profiles.yml sets the session's zone to UTC #}
{% macro duckdb__cast_utc_timestamp(text) -%}
    try_cast({{ text }} as timestamp with time zone) at time zone 'UTC'
{%- endmacro %}

{# Spark reads no time of day without seconds #}
{% macro spark__cast_utc_timestamp(text) -%}
    cast(try_cast(
        regexp_replace({{ text }}, '^([^T ]*[T ][0-9]{2}:[0-9]{2})([-+Z].*)?$', '$1:00$2') as timestamp
    ) as {{ type_utc_timestamp() }})
{%- endmacro %}

{# a UTC time: its type has no zone, so that it reads the same in any session #}
{% macro type_utc_timestamp() -%}{{ return(adapter.dispatch('type_utc_timestamp')()) }}{%- endmacro %}

{% macro duckdb__type_utc_timestamp() -%}timestamp{%- endmacro %}

{% macro spark__type_utc_timestamp() -%}timestamp_ntz{%- endmacro %}

{# the date of a UTC time, and the start of its day, hour or month as a UTC time #}
{% macro utc_date(time) -%}
    cast({{ time }} as date)
{%- endmacro %}

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

{# how many days from a date to another: an integer #}
{% macro days_between(first_day, end_day) -%}{{ return(adapter.dispatch('days_between')(first_day, end_day)) }}{%- endmacro %}

{% macro duckdb__days_between(first_day, end_day) -%}
    datediff('day', {{ first_day }}, {{ end_day }})
{%- endmacro %}

{% macro spark__days_between(first_day, end_day) -%}
    datediff({{ end_day }}, {{ first_day }})
{%- endmacro %}

{# first day of the month of a date or UTC time #}
{% macro month_of(day) -%}
    cast(date_trunc('month', {{ day }}) as date)
{%- endmacro %}

{# an amount in the one precision that money and unit prices have; products come here at once, and are rounded once #}
{% macro money(amount) -%}
    cast({{ amount }} as decimal(38, 18))
{%- endmacro %}

{% macro quantity(amount) -%}
    cast({{ amount }} as decimal(38, 9))
{%- endmacro %}

{#
    a / b as the next integer that is not less, exactly; a >= 0, b > 0, both with at most 18 decimals. On Spark the result
    has to fit a bigint: div wraps around without an error.
#}
{% macro quotient_rounded_up(a, b) -%}{{ return(adapter.dispatch('quotient_rounded_up')(a, b)) }}{%- endmacro %}

{% macro duckdb__quotient_rounded_up(a, b) -%}
    (({{ duckdb_units(a) }} + {{ duckdb_units(b) }} - 1) // {{ duckdb_units(b) }})
{%- endmacro %}

{% macro spark__quotient_rounded_up(a, b) -%}
    (({{ money(a) }} div {{ money(b) }}) + case when {{ money(a) }} % {{ money(b) }} > 0 then 1 else 0 end)
{%- endmacro %}

{# a / b, b an integer from 1 to 99, rounded once to 6 decimals, a half away from zero: DECIMAL(38, 6) #}
{% macro rounded_quotient(a, b) -%}{{ return(adapter.dispatch('rounded_quotient')(a, b)) }}{%- endmacro %}

{% macro duckdb__rounded_quotient(a, b) -%}
    cast(
        sign({{ a }})
        * ((2 * abs({{ duckdb_units(a) }}) + {{ b }} * 1000000000000) // (2 * {{ b }} * 1000000000000))
        as decimal(38, 0)
    ) * cast(0.000001 as decimal(7, 6))
{%- endmacro %}

{#
    The quotient of a decimal(35, 18) has 21 decimals. With so small a divisor its own rounding cannot reach the half by which
    the cast decides; with the 19 decimals of a decimal(38, 18) it could.
#}
{% macro spark__rounded_quotient(a, b) -%}
    cast(cast({{ a }} as decimal(35, 18)) / cast({{ b }} as decimal(2, 0)) as decimal(38, 6))
{%- endmacro %}

{# DuckDB divides decimals as doubles and only integers exactly: an amount as the count of its 10^-18 #}
{% macro duckdb_units(amount) -%}
    cast(replace(cast({{ money(amount) }} as varchar), '.', '') as hugeint)
{%- endmacro %}

{#
    The text of a number in one spelling, for a reader of JSON may have written 2.50 as 2.5 and 0.0000001 as 1e-07. What is no
    number stays as it is.
#}
{% macro one_spelling(number) -%}
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

{# a double as text, like 1e+25 or 2.5e-07 #}
{% macro double_as_text(number) -%}{{ return(adapter.dispatch('double_as_text')(number)) }}{%- endmacro %}

{% macro duckdb__double_as_text(number) -%} cast({{ number }} as varchar) {%- endmacro %}

{# Java writes 1.0E25 and 2.5E-7 #}
{% macro spark__double_as_text(number) -%}
    regexp_replace(
        regexp_replace(regexp_replace(cast({{ number }} as string), '([.]0)?E', 'e'), 'e(?=[0-9])', 'e+'),
        '(?<=e[-+])(?=[0-9]$)', '0'
    )
{%- endmacro %}

{# a decimal as the shortest plain text: 0.025, 12, never 0.0250 or 2.5e-2 #}
{% macro plain_decimal(number) -%}{{ return(adapter.dispatch('plain_decimal')(number)) }}{%- endmacro %}

{% macro duckdb__plain_decimal(number) -%}
    regexp_replace(regexp_replace(cast({{ number }} as varchar), '([.][0-9]*?)0+$', '\1'), '[.]$', '')
{%- endmacro %}

{# a cast would write 0E-18; format_number is exact for decimals #}
{% macro spark__plain_decimal(number) -%}
    format_number({{ number }}, '0.{{ '#' * 38 }}')
{%- endmacro %}

{# a UTC time as text, like 2026-01-05T00:00:00Z #}
{% macro iso_utc(time) -%}{{ return(adapter.dispatch('iso_utc')(time)) }}{%- endmacro %}

{% macro duckdb__iso_utc(time) -%}
    strftime({{ time }}, '%Y-%m-%dT%H:%M:%SZ')
{%- endmacro %}

{% macro spark__iso_utc(time) -%}
    date_format({{ time }}, 'yyyy-MM-dd\'T\'HH:mm:ss\'Z\'')
{%- endmacro %}

{# the month of a UTC time as text, like 2026-01 #}
{% macro iso_month(time) -%}
    substr({{ iso_utc(time) }}, 1, 7)
{%- endmacro %}

{# a text as a JSON string #}
{% macro json_text(text) -%}{{ return(adapter.dispatch('json_text')(text)) }}{%- endmacro %}

{% macro duckdb__json_text(text) -%}
    cast(to_json({{ text }}) as varchar)
{%- endmacro %}

{% macro spark__json_text(text) -%}
    case when {{ text }} is not null then substr(to_json(array({{ text }})), 2, length(to_json(array({{ text }}))) - 2) end
{%- endmacro %}

{# pairs of a group as the text of one JSON object, keys in byte order; json: the value as JSON text #}
{% macro json_object_agg(key, json) -%}{{ return(adapter.dispatch('json_object_agg')(key, json)) }}{%- endmacro %}

{% macro duckdb__json_object_agg(key, json) -%}
    '{' || string_agg({{ json_text(key) }} || ':' || {{ json }}, ',' order by {{ key }}) || '}'
{%- endmacro %}

{% macro spark__json_object_agg(key, json) -%}
    '{' || listagg({{ json_text(key) }} || ':' || {{ json }}, ',') within group (order by {{ key }}) || '}'
{%- endmacro %}

{#
    A key in PascalCase: cost_center, cost-center, "cost center" and costCenter become CostCenter. A prefix, which ends with
    a colon or a slash, stays as it is, and so does a key without a letter or digit.
#}
{% macro pascal_case(key) -%}{{ return(adapter.dispatch('pascal_case')(key)) }}{%- endmacro %}

{% macro duckdb__pascal_case(key) -%}
    coalesce(
        nullif(array_to_string(
            list_transform(
                regexp_extract_all({{ key }}, '^.*[:/]|[\p{L}\p{M}\p{N}]+'),
                lambda word: case when regexp_matches(word, '[:/]$') then word else upper(word[1]) || word[2:] end
            ),
            ''
        ), ''),
        {{ key }}
    )
{%- endmacro %}

{% macro spark__pascal_case(key) -%}
    coalesce(
        nullif(array_join(
            transform(
                regexp_extract_all({{ key }}, {{ sql_text('^.*[:/]|[\\p{L}\\p{M}\\p{N}]+') }}, 0),
                word -> case when word rlike '[:/]$' then word else upper(substr(word, 1, 1)) || substr(word, 2) end
            ),
            ''
        ), ''),
        {{ key }}
    )
{%- endmacro %}

{# the distinct texts of a group, in byte order, with a comma and a space between them #}
{% macro text_list_agg(text) -%}{{ return(adapter.dispatch('text_list_agg')(text)) }}{%- endmacro %}

{% macro duckdb__text_list_agg(text) -%}
    string_agg(distinct {{ text }}, ', ' order by {{ text }})
{%- endmacro %}

{% macro spark__text_list_agg(text) -%}
    listagg(distinct {{ text }}, ', ') within group (order by {{ text }})
{%- endmacro %}

{# several values as one, compared from the first on; fields: name to SQL #}
{% macro struct(fields) -%}{{ return(adapter.dispatch('struct')(fields)) }}{%- endmacro %}

{% macro duckdb__struct(fields) -%}
    struct_pack({% for name, value in fields.items() %}{{ name }} := {{ value }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro spark__struct(fields) -%}
    named_struct({% for name, value in fields.items() %}'{{ name }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# a 64-bit hash of columns: equal for equal values, and nearly always different for different ones #}
{% macro hash_of(columns) -%}{{ return(adapter.dispatch('hash_of')(columns)) }}{%- endmacro %}

{% macro duckdb__hash_of(columns) -%} hash({{ columns | join(', ') }}) {%- endmacro %}

{% macro spark__hash_of(columns) -%} xxhash64({{ columns | join(', ') }}) {%- endmacro %}

{# how much a part is of a whole, in percent with 4 decimals: a ratio to read, not money; null where the whole is 0 #}
{% macro percent_of(part, whole) -%}
    cast(100 * cast({{ part }} as double) / nullif(cast({{ whole }} as double), 0) as decimal(38, 4))
{%- endmacro %}
