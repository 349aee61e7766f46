{#
    What a relation promises of its rows, all in one test: a test costs dbt more than a scan. unique: keys, each a
    column or a list of columns, in which no two rows agree; nulls agree with each other. never_null: columns that
    have a value. never_null_where: columns, and where they have one. accepted: by column, the values that it has, if
    any. One scan for nulls and values, and a group by for each key. A row that is found shows some columns as text,
    those of the keys unless others are named, and what is wrong; the first row of each thing that is wrong comes
    first.
#}
{% test well_formed(model, unique=[], never_null=[], never_null_where=[], accepted={}, show=none) %}

{%- set text = dbt.type_string() %}
{%- set keys = [] %}
{%- for key in unique %}
    {%- do keys.append([key] if key is string else key) %}
{%- endfor %}
{%- set shown = show or keys | sum(start=[]) | unique | list %}

{#- what breaks a promise, and the words for it #}
{%- set broken = [] %}
{%- for column in never_null %}
    {%- do broken.append((column ~ ' is null', "'" ~ column ~ " is null'")) %}
{%- endfor %}
{%- for promise in never_null_where %}
    {%- for column in promise['columns'] %}
        {%- do broken.append((column ~ ' is null and (' ~ promise['where'] ~ ')', "'" ~ column ~ " is null'")) %}
    {%- endfor %}
{%- endfor %}
{%- for column, values in accepted.items() %}
    {%- set words = "'" ~ column ~ " is ' || " ~ column ~ ' || ' ~ sql_text(', not one of ' ~ values | join(', ')) %}
    {%- do broken.append((column ~ ' not in (' ~ sql_texts(values) ~ ')', words)) %}
{%- endfor %}

select {{ (shown + ['finding']) | join(', ') }}
from (
    select
        *,
        row_number() over (partition by finding order by {{ (shown + ['finding']) | join(', ') }}) as finding_row
    from (
{%- if broken %}
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
    ) as found
) as numbered
order by finding_row, finding

{% endtest %}
