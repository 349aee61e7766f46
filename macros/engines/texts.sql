{# Texts: patterns, cleaning and aggregation. #}

{# Whether the whole text matches a pattern: boolean, null for null. #}
{% macro matches(text, pattern) -%}{{ return(adapter.dispatch('matches')(text, pattern)) }}{%- endmacro %}

{% macro duckdb__matches(text, pattern) -%}
    regexp_full_match({{ text }}, '{{ pattern }}')
{%- endmacro %}

{# In Java, `$` also matches before a final line feed, and without (?d) the dot stops at more than line feeds. #}
{% macro spark__matches(text, pattern) -%}
    {{ text }} rlike {{ sql_text('(?d)\\A(?:' ~ pattern ~ ')\\z') }}
{%- endmacro %}

{# Whether a text is one of these: boolean, null for null. #}
{% macro is_one_of(value, texts) -%}{{ return(adapter.dispatch('is_one_of')(value, texts | list)) }}{%- endmacro %}

{# A pattern, not IN: DuckDB plans a longer IN list as a join, and one scan checks about a hundred rules. #}
{% macro duckdb__is_one_of(value, texts) -%}
    {%- set patterns = [] -%}
    {%- for text in texts %}{% do patterns.append(modules.re.escape(text)) %}{% endfor -%}
    regexp_full_match({{ value }}, {{ sql_text(patterns | join('|')) }})
{%- endmacro %}

{% macro default__is_one_of(value, texts) -%} {{ value }} in ({{ sql_texts(texts) }}) {%- endmacro %}

{#
    Replaces characters that a terminal interprets or that break a line by question marks: control characters,
    format characters (such as those that reverse the direction of text) and line separators.

#}
{% macro printable(text) -%}
    {{ return(adapter.dispatch('printable')(text, '[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]')) }}
{%- endmacro %}

{% macro duckdb__printable(text, pattern) -%} regexp_replace({{ text }}, '{{ pattern }}', '?', 'g') {%- endmacro %}

{% macro spark__printable(text, pattern) -%} regexp_replace({{ text }}, {{ sql_text(pattern) }}, '?') {%- endmacro %}

{# Removes the spaces of Unicode around a text. The trim of Spark removes ASCII spaces only. #}
{% macro spark_trim(text) -%}
    regexp_replace({{ text }}, {{ sql_text('^\\p{Zs}+|\\p{Zs}+$') }}, '')
{%- endmacro %}

{#
    A key in PascalCase: cost_center, cost-center, "cost center" and costCenter become CostCenter. A prefix that ends
    with a colon or a slash is kept, and so is a key without letters and digits.

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

{# A key as it is compared: in lower case, without separators. #}
{% macro comparable_key(key) -%} lower({{ pascal_case(key) }}) {%- endmacro %}

{# The words of a text, each with a capital first letter, separated by spaces. Other characters are dropped. #}
{% macro capitalized_words(text) -%}{{ return(adapter.dispatch('capitalized_words')(text)) }}{%- endmacro %}

{% macro duckdb__capitalized_words(text) -%}
    array_to_string(
        list_transform(regexp_extract_all({{ text }}, '[A-Za-z0-9]+'), lambda word: upper(word[1]) || word[2:]), ' '
    )
{%- endmacro %}

{% macro spark__capitalized_words(text) -%}
    array_join(
        transform(
            regexp_extract_all({{ text }}, '[A-Za-z0-9]+', 0),
            word -> upper(substr(word, 1, 1)) || substr(word, 2)
        ),
        ' '
    )
{%- endmacro %}

{# The distinct texts of a group in byte order, separated by a comma and a space. #}
{% macro text_list_agg(text) -%}{{ return(adapter.dispatch('text_list_agg')(text)) }}{%- endmacro %}

{% macro duckdb__text_list_agg(text) -%}
    string_agg(distinct {{ text }}, ', ' order by {{ text }})
{%- endmacro %}

{% macro spark__text_list_agg(text) -%}
    listagg(distinct {{ text }}, ', ') within group (order by {{ text }})
{%- endmacro %}

{# A 64-bit hash of columns. Different values, or equal ones in other columns, rarely have equal hashes. #}
{% macro hash_of(columns) -%}{{ return(adapter.dispatch('hash_of')(columns)) }}{%- endmacro %}

{% macro duckdb__hash_of(columns) -%} hash({{ columns | join(', ') }}) {%- endmacro %}

{# Spark's function ignores nulls, so that a value could move to another column. #}
{% macro spark__hash_of(columns) -%}
    xxhash64({% for column in columns %}isnull({{ column }}), {{ column }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# Replaces each match of a pattern by a text. #}
{% macro replace_each(text, pattern, replacement) -%}
    {{ return(adapter.dispatch('replace_each')(text, pattern, replacement)) }}
{%- endmacro %}

{% macro duckdb__replace_each(text, pattern, replacement) -%}
    regexp_replace({{ text }}, {{ sql_text(pattern) }}, {{ sql_text(replacement) }}, 'g')
{%- endmacro %}

{% macro spark__replace_each(text, pattern, replacement) -%}
    regexp_replace({{ text }}, {{ sql_text(pattern) }}, {{ sql_text(replacement) }})
{%- endmacro %}
