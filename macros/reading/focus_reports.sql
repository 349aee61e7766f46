{#
    The records of the loads of FOCUS CSVs, invoices and estimates, that this model does not hold yet, or of all loads
    in a full refresh. Columns: account, source, landed_partition (a billing month or a day), load_id, landed_file,
    record_number (from 1, without the header), and the lists field_names (from the header), field_keys (the names in
    lower case, without spaces and underscores) and field_values. The first record of each file is its header, and
    headers may differ from file to file. loads: stg_fal__focus_report_loads. files: stg_fal__landed_files.
#}
{% macro read_landed_focus_reports(loads, files) %}
    {# the linter compiles in a warehouse without tables #}
    {% if execute and load_relation(loads) %}
        {% set key = {
            'account': 'files.account', 'landed_partition': 'files.landed_partition', 'source': 'files.source',
            'load_id': 'files.load_id',
        } %}
        {% set reports = landed_files_to_read(files, 'focus_reports', loads, key, parts_to_build(loads)) %}
        {% if reports | length %}
            {{ return(adapter.dispatch('read_landed_focus_reports')(landed_folders(reports))) }}
        {% endif %}
    {% endif %}
    {% set text, texts = dbt.type_string(), type_text_list() %}
    {{ return(empty_relation({
        'account': text, 'source': text, 'landed_partition': text, 'load_id': text, 'landed_file': text,
        'record_number': 'bigint', 'field_names': texts, 'field_keys': texts, 'field_values': texts,
    })) }}
{% endmacro %}

{#
    The text that stands for an absent cell of a CSV. A cell may hold any text, so this one contains an id that is new
    in each run.
#}
{% macro absent_cell() %}{{ return('absent in run ' ~ invocation_id) }}{% endmacro %}

{# The columns that come from the path of a report. #}
{% macro report_path_columns() %}
        {{ folder_value('account') }} as account,
        {{ folder_value('source') }} as source,
        {{ folder_value('(?:billing_month|date)') }} as landed_partition,
        {{ folder_value('load') }} as load_id,
        regexp_extract(filename, '[^/]*$', 0) as landed_file,
{%- endmacro %}

{% macro duckdb__read_landed_focus_reports(folders) %}
    {%- set widest = most_csv_fields() + 1 -%}
    with

    lines as (

        select
            row_number() over () as line_number,
            filename,
            [{% for i in range(widest) %}c{{ i }}{{ ', ' if not loop.last }}{% endfor %}] as padded
        from read_csv(
            {{ duckdb_files_in(folders, 'report.csv.gz') }},
            auto_detect = false,
            header = false,
            columns = { {%- for i in range(widest) %}c{{ i }}: 'VARCHAR'{{ ', ' if not loop.last }}{% endfor -%} },
            delim = ',',
            quote = '"',
            escape = '"',
            nullstr = '{{ absent_cell() }}',
            null_padding = true,
            strict_mode = false,
            parallel = false,
            max_line_size = 100000000,
            filename = true,
            hive_partitioning = false,
            allow_empty = true
        )

    ),

    records as (

        select
            filename,
            line_number,
            -- no present field is null (see nullstr), so the record ends before the first null
            padded[1:coalesce(list_position(list_transform(padded, lambda f: f is null), true) - 1, len(padded))]
                as field_values
        from lines

    ),

    numbered as (

        select
            filename,
            field_values,
            first_value(field_values) over (partition by filename order by line_number) as header,
            row_number() over (partition by filename order by line_number) as record_number
        from records

    )

    select
        {{ report_path_columns() }}
        record_number - 1 as record_number,
        list_transform(header, lambda name: trim(name)) as field_names,
        list_transform(header, lambda name: regexp_replace(lower(trim(name)), '[ _]', '', 'g')) as field_keys,
        field_values
    from numbered
    where record_number > 1
{% endmacro %}

{# Patterns split the whole file into records and fields, because a quoted field may contain a line end. #}
{% macro spark__read_landed_focus_reports(folders) %}
    {%- set record = '(?:"(?:[^"]++|"")*+(?:"|\\z)[^,\\r\\n]*+|[^",\\r\\n][^,\\r\\n]*+|,)++' -%}
    {%- set field = ',("(?:[^"]++|"")*+"?[^,]*+|[^,]*+)' -%}
    with

    files as (

        {{ spark_files_in(folders, 'report.csv.gz') }}

    ),

    reports as (

        select
            filename,
            regexp_extract_all(regexp_replace(value, '^\uFEFF', ''), {{ sql_text(record) }}, 0) as records
        from files

    ),

    numbered as (

        select
            filename,
            position as record_number,
            {{ spark_record_fields('record', field) }} as field_values,
            {{ spark_record_fields('records[0]', field) }} as header
        from reports
        lateral view posexplode(records) split as position, record
        where position > 0

    )

    select
        {{ report_path_columns() }}
        cast(record_number as bigint) as record_number,
        transform(header, name -> {{ spark_trim('name') }}) as field_names,
        transform(header, name -> regexp_replace(lower({{ spark_trim('name') }}), '[ _]', '')) as field_keys,
        field_values
    from numbered
{% endmacro %}

{# The fields of a CSV record without their quotes: at most one more than most_csv_fields(). #}
{% macro spark_record_fields(record, field) -%}
    transform(
        slice(regexp_extract_all(',' || {{ record }}, {{ sql_text(field) }}, 1), 1, {{ most_csv_fields() + 1 }}),
        quoted -> case
            when quoted like '"%' then replace(regexp_replace(quoted, '^"|"$', ''), '""', '"')
            else quoted
        end
    )
{%- endmacro %}

{# The number of fields that a CSV record may have. #}
{% macro most_csv_fields() %}{{ return(300) }}{% endmacro %}

{#
    The field of a CSV record under a column of FOCUS, in any spelling of its name (BilledCost, Billed Cost,
    billed_cost): text without surrounding spaces, null if it is empty or absent.
#}
{% macro record_field(name) -%}{{ return(adapter.dispatch('record_field')(name)) }}{%- endmacro %}

{% macro duckdb__record_field(name) -%}
    nullif(trim(field_values[list_position(field_keys, '{{ name | lower }}')]), '')
{%- endmacro %}

{% macro spark__record_field(name) -%}
    {%- set position = "cast(nullif(array_position(field_keys, '" ~ name | lower ~ "'), 0) as int)" -%}
    nullif({{ spark_trim('try_element_at(field_values, ' ~ position ~ ')') }}, '')
{%- endmacro %}

{# The fields of a CSV record that are not known, by name, as a JSON object. Null if there are none. #}
{% macro remaining_record_fields(known) -%}
    {{ return(adapter.dispatch('remaining_record_fields')(known | map('lower') | list)) }}
{%- endmacro %}

{% macro duckdb__remaining_record_fields(known) -%}
    case
        when not {{ has_repeats('field_keys') }}
            then nullif(
                cast(to_json(map_from_entries(list_transform(
                    list_filter(
                        list_zip(field_names, field_values, field_keys),
                        lambda field: coalesce(field[1], '') <> ''
                            and coalesce(field[2], '') <> ''
                            and not list_contains([{{ sql_texts(known) }}], field[3])
                    ),
                    lambda field: {'k': field[1], 'v': field[2]}
                ))) as varchar),
                '{}'
            )
    end
{%- endmacro %}

{% macro spark__remaining_record_fields(known) -%}
    case
        when not {{ has_repeats('field_keys') }}
            then nullif(
                to_json(map_from_entries(transform(
                    filter(
                        arrays_zip(field_names, field_values, field_keys),
                        field -> coalesce(field.field_names, '') <> ''
                            and coalesce(field.field_values, '') <> ''
                            and not array_contains(array({{ sql_texts(known) }}), field.field_keys)
                    ),
                    field -> struct(field.field_names as k, field.field_values as v)
                ))),
                '{}'
            )
    end
{%- endmacro %}
