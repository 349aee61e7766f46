{#
    Checks several properties of a relation in one test, because the overhead of a dbt test exceeds that of a scan.

    unique: keys, each a column or a list of columns. No two rows have the same key; nulls count as equal.
    never_null: columns without nulls. never_null_where: columns without nulls in the rows that fulfil a condition.
    accepted: the accepted values by column; null is accepted.
    show: the columns to show of a row, by default those of the keys.

    One scan checks nulls and values, and one group by checks each key. The first row of each finding comes first.
#}
{% test well_formed(model, unique=[], never_null=[], never_null_where=[], accepted={}, show=none) %}

{%- set text = dbt.type_string() %}
{%- set keys = [] %}
{%- for key in unique %}
    {%- do keys.append([key] if key is string else key) %}
{%- endfor %}
{%- set shown = show or keys | sum(start=[]) | unique | list %}

{#- conditions of invalid rows, and SQL of the finding #}
{%- set broken = [] %}
{%- for column in never_null %}
    {%- do broken.append((column ~ ' is null', "'" ~ column ~ " is null'")) %}
{%- endfor %}
{%- for conditional in never_null_where %}
    {%- for column in conditional['columns'] %}
        {%- do broken.append((column ~ ' is null and (' ~ conditional['where'] ~ ')', "'" ~ column ~ " is null'")) %}
    {%- endfor %}
{%- endfor %}
{%- for column, values in accepted.items() %}
    {%- set words = "'" ~ column ~ " is ' || " ~ column ~ ' || ' ~ sql_text(', not one of ' ~ values | join(', ')) %}
    {%- do broken.append((column ~ ' not in (' ~ sql_texts(values) ~ ')', words)) %}
{%- endfor %}

with

found as (
{% if broken %}
    select
        {%- for column in shown %}
        cast({{ column }} as {{ text }}) as {{ column }},
        {%- endfor %}
        concat_ws(
            '; '
            {%- for condition, words in broken %},
            case when {{ condition }} then {{ words }} end
            {%- endfor %}
        ) as finding
    from {{ model }}
    where
        {%- for condition, _ in broken %}
        {{ condition }}{{ ' or' if not loop.last }}
        {%- endfor %}
{%- endif %}
{%- for key in keys %}
    {%- if broken or not loop.first %}
    union all
    {%- endif %}
    select
        {%- for column in shown %}
        cast({{ column if column in key else 'null' }} as {{ text }}) as {{ column }},
        {%- endfor %}
        cast(count(*) as {{ text }}) || ' rows agree in {{ key | join(', ') }}' as finding
    from {{ model }}
    group by {{ key | join(', ') }}
    having count(*) > 1
{%- endfor %}

),

numbered as (

    select
        *,
        row_number() over (partition by finding order by {{ (shown + ['finding']) | join(', ') }}) as finding_row
    from found

)

select {{ (shown + ['finding']) | join(', ') }}
from numbered
order by finding_row, finding

{% endtest %}
