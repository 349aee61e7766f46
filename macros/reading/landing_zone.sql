{# The folders and files of the landing zone. Its layout is defined here only. #}

{# FAL_LANDING_DIR without a trailing slash. dbt_fal_focus checks that the folder exists. #}
{% macro landing_dir() -%}
    {%- set folder = env_var('FAL_LANDING_DIR', '') or (invocation_args_dict.get('project_dir') or '.') ~ '/sample' -%}
    {{ return(folder.rstrip('/')) }}
{%- endmacro %}

{# The name of the landing zone in messages. #}
{% macro landing_name() -%}
    {{ return(env_var('FAL_LANDING_DIR', '') or 'sample (made-up SAMPLE DATA)') }}
{%- endmacro %}

{# The partitions of the feeds, as path patterns below the landing folder. #}
{% macro landing_partitions() %}
    {% set partitions = [
        'billing_events/account=*/date=*',
        'billing_events/account=*/team=*/date=*',
        'focus_reports/account=*/source=invoice/billing_month=*',
        'focus_reports/account=*/source=estimate/date=*',
        'serverless_usage/account=*/date=*',
    ] %}
    {% for source in catalogue_lists() %}
        {% do partitions.append('catalogue/account=*/source=' ~ source ~ '/date=*') %}
    {% endfor %}
    {{ return(partitions) }}
{% endmacro %}

{# The feeds, as alternatives of a pattern. #}
{% macro feed_pattern() %}{{ return('billing_events|focus_reports|serverless_usage|catalogue') }}{% endmacro %}

{#
    The folders of the latest load of each partition: a list of paths. Load ids sort by time, so the latest load has the
    greatest id. A folder without a manifest is not a load.

    Query while compiling: the readers of both engines take file paths as constants only. With these paths, they never
    open a superseded load, which a prune may remove at the same time.
#}
{% macro latest_loads() %}
    {% if not execute %}{{ return([]) }}{% endif %}
    {{ return(run_query(adapter.dispatch('latest_loads_query')()).columns[0].values() | list) }}
{% endmacro %}

{% macro duckdb__latest_loads_query() %}
    select max(regexp_replace(filename, '/manifest\.json$', '')) as folder
    from ({{ duckdb__landed_manifests() }})
    group by regexp_replace(filename, '/load=[^/]*/manifest\.json$', '')
    order by folder
{% endmacro %}

{% macro spark__latest_loads_query() %}
    with

    loads as (

        select regexp_replace(filename, '/manifest[.]json$', '') as folder
        from ({{ spark__landed_manifests() }})

    )

    select max(folder) as folder
    from loads
    group by regexp_replace(folder, '/load=[^/]*$', '')
    order by folder
{% endmacro %}

{#
    The files of a feed that a model reads: rows of stg_fal__landed_files in the order of their paths, none before that
    table exists. With loads, only files of these are listed, and of these only the given parts. key: the columns of
    loads, and SQL of the file for each.

    Query while compiling: the readers of both engines take file paths as constants only.
#}
{% macro landed_files_to_read(files, feed, loads=none, key={}, parts=none) %}
    {% if not execute or not load_relation(files) %}{{ return([]) }}{% endif %}
    {% set columns = [] %}
    {% for column in key %}{% do columns.append('loads.' ~ column) %}{% endfor %}
    {% set query %}
        select files.*
        from {{ files }} as files
        {%- if loads %}
        inner join {{ loads }} as loads
            on {% for column, of_file in key.items() -%}
                loads.{{ column }} = {{ of_file }}{{ ' and ' if not loop.last }}
            {%- endfor %}
        {%- endif %}
        where files.feed = '{{ feed }}' and {{ is_in_parts(parts, columns) }}
        order by files.account, files.source, files.landed_partition, files.load_id, files.landed_file
    {% endset %}
    {{ return(run_query(query).rows) }}
{% endmacro %}

{# The path of the folder of a load. file: a row of stg_fal__landed_files. #}
{% macro load_folder(file) -%}
    {%- set is_invoice = file['feed'] == 'focus_reports' and file['source'] == 'invoice' -%}
    {%- set partition = 'billing_month' if is_invoice else 'date' -%}
    {%- set source = 'team' if file['feed'] == 'billing_events' else 'source' -%}
    {{ return(
        landing_dir() ~ '/' ~ file['feed'] ~ '/account=' ~ file['account']
        ~ ('/' ~ source ~ '=' ~ file['source'] if file['source'] else '')
        ~ '/' ~ partition ~ '=' ~ file['landed_partition'] ~ '/load=' ~ file['load_id']
    ) }}
{%- endmacro %}

{# The folders of the loads of files: rows of stg_fal__landed_files. #}
{% macro landed_folders(files) %}
    {% set folders = [] %}
    {% for file in files %}{% do folders.append(load_folder(file)) %}{% endfor %}
    {{ return(folders | unique(case_sensitive=true) | list) }}
{% endmacro %}

{# The paths of one file of each folder, as a DuckDB list. #}
{% macro duckdb_files_in(folders, file) -%}
    {%- set paths = [] -%}
    {%- for folder in folders %}{% do paths.append(folder ~ '/' ~ file) %}{% endfor -%}
    {{ duckdb_text_list(paths) }}
{%- endmacro %}

{#
    A query of whole files as text (value) and their paths (filename). folders: of one landing zone. pattern: of file
    names.
#}
{% macro spark_files_in(folders, pattern) -%}
    {%- set landing = modules.re.sub('/(' ~ feed_pattern() ~ ')/account=[^{}]*$', '', folders[0]) -%}
    {%- set below = [] -%}
    {%- for folder in folders -%}
        {%- do below.append(folder[(landing | length + 1):]) -%}
    {%- endfor -%}
    select
        _metadata.file_path as filename,
        value
    from text.{{ adapter.quote(landing ~ '/{' ~ below | join(',') ~ '}') }}
        with (wholetext = 'true', recursiveFileLookup = 'true', pathGlobFilter = '{{ pattern }}')
{%- endmacro %}

{#
    The value of key=value in the path of a file. The last one counts, because a folder above the landing zone may
    have such a name too. The pattern begins at the start of the path: elsewhere Java would look for an absent key from
    each character on.
#}
{% macro folder_value(key) -%}
    regexp_extract(filename, '(?s)^.*/{{ key }}=([^/]*)/', 1)
{%- endmacro %}

{#
    All loads with a manifest, the superseded ones included: feed, account, source, landed_partition and load_id, which
    begins with the time of the fetch. Only the paths are read, because a prune may remove the files.
#}
{% macro read_landed_loads() %}
    select
        {{ manifest_path_columns() | trim | trim(',') }}
    from ({{ adapter.dispatch('landed_manifests')() }}) as manifests
{% endmacro %}

{% macro duckdb__landed_manifests() -%}
    {%- set patterns = [] -%}
    {%- for partitions in landing_partitions() -%}
        {%- do patterns.append(landing_dir() ~ '/' ~ partitions ~ '/load=*/manifest.json') -%}
    {%- endfor -%}
    select file as filename
    from glob({{ duckdb_text_list(patterns) }})
{%- endmacro %}

{% macro spark__landed_manifests() -%}
    {%- set partitions = landing_partitions() | join('|') | replace('*', '[^/]*') -%}
    select path as filename
    from binaryFile.{{ adapter.quote(landing_dir()) }}
        with (recursiveFileLookup = 'true', pathGlobFilter = 'manifest.json')
    where path rlike '/({{ partitions }})/load=[^/]*/manifest[.]json$'
{%- endmacro %}
