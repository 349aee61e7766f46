{#
    The landing zone, as models see it: relations of raw text, one row per event or CSV record of the latest load of each
    partition. How a file looks is known here and nowhere else.
#}

{# FAL_LANDING_DIR without a slash at its end; dbt_fal_focus checks that the folder exists #}
{% macro landing_dir() -%}
    {%- set folder = env_var('FAL_LANDING_DIR', '') or (invocation_args_dict.get('project_dir') or '.') ~ '/sample' -%}
    {{ return(folder.rstrip('/')) }}
{%- endmacro %}

{# how to call it when talking to a person #}
{% macro landing_name() -%}
    {{ return(env_var('FAL_LANDING_DIR', '') or 'sample (made-up SAMPLE DATA)') }}
{%- endmacro %}

{# every partition of every feed, as a path pattern below the landing folder #}
{% macro landing_partitions() %}
    {{ return({
        'billing_events': 'billing_events/account=*/date=*',
        'invoice': 'focus_reports/account=*/source=invoice/billing_month=*',
        'estimate': 'focus_reports/account=*/source=estimate/date=*',
    }) }}
{% endmacro %}

{#
    Folders of the latest load of each partition of a feed: a list of paths.
    Load ids sort by time, so the latest is the greatest; a folder without a manifest is no load.
    Listed when a model is compiled, so that superseded loads are never opened.
#}
{% macro latest_loads(feed) %}
    {% if not execute %}{{ return([]) }}{% endif %}
    {{ return(adapter.dispatch('latest_loads')(landing_dir() ~ '/' ~ landing_partitions()[feed])) }}
{% endmacro %}

{% macro duckdb__latest_loads(partitions) %}
    {% set query %}
        select max(regexp_replace(file, '/manifest\.json$', '')) as folder
        from glob({{ sql_text(partitions ~ '/load=*/manifest.json') }})
        group by regexp_replace(file, '/load=[^/]*/manifest\.json$', '')
        order by folder
    {% endset %}
    {{ return(run_query(query).columns[0].values() | list) }}
{% endmacro %}

{% macro spark__latest_loads(partitions) %}
    {% set below = partitions[(landing_dir() | length):] | replace('*', '[^/]*') %}
    {% set query %}
        select max(folder) as folder
        from (
            select regexp_replace(path, '/manifest[.]json$', '') as folder
            from binaryFile.{{ adapter.quote(landing_dir()) }}
                with (recursiveFileLookup = 'true', pathGlobFilter = 'manifest.json')
            where path rlike '{{ below }}/load=[^/]*/manifest[.]json$'
        ) as loads
        group by regexp_replace(folder, '/load=[^/]*$', '')
        order by folder
    {% endset %}
    {{ return(run_query(query).columns[0].values() | list) }}
{% endmacro %}

{# how many loads the landing zone has: a dict by feed #}
{% macro landed_loads() %}
    {% set loads = {} %}
    {% for feed in landing_partitions() %}
        {% do loads.update({feed: latest_loads(feed) | length}) %}
    {% endfor %}
    {{ return(loads) }}
{% endmacro %}

{# a SQL list of paths: this file of each folder #}
{% macro files_in(folders, file) -%}
    {%- set paths = [] -%}
    {%- for folder in folders %}{% do paths.append(folder ~ '/' ~ file) %}{% endfor -%}
    {{ path_list(paths) }}
{%- endmacro %}

{# Spark's relation of whole files as text (value), and their paths (filename); folders lie below one landing zone #}
{% macro spark_files_in(folders, pattern) -%}
    {%- set landing = modules.re.sub('/(billing_events|focus_reports)/account=[^{}]*$', '', folders[0]) -%}
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

{# a relation without rows, for a landing zone without loads; columns: name to SQL type #}
{% macro empty_relation(columns) %}
    select
        {%- for name, type in columns.items() %}
        cast(null as {{ type }}) as {{ adapter.quote(name) }}{{ ',' if not loop.last }}
        {%- endfor %}
    where false
{% endmacro %}

{#
    What the manifests of the latest loads state, a row per file of a load, or one row for a load without files: manifest_file
    (its path), page_number (from 1), page_file, page_rows, page_bytes (decoded), is_one_line, has_short_numbers, is_complete,
    fetched_at, and feed, account, source, landed_partition and load_id, each also as stated_..., which the path need not
    agree with. A prune may remove the manifests of superseded loads at the same time.
#}
{% macro read_landed_manifests() %}
    {{ return(adapter.dispatch('read_landed_manifests')(
        latest_loads('billing_events') + latest_loads('invoice') + latest_loads('estimate')
    )) }}
{% endmacro %}

{# what the path of a manifest says #}
{% macro manifest_path_columns() %}
        filename as manifest_file,
        regexp_extract(filename, '.*/(billing_events|focus_reports)/account=', 1) as feed,
        {{ folder_value('account') }} as account,
        nullif({{ folder_value('source') }}, '') as source,
        {{ folder_value('(?:billing_month|date)') }} as landed_partition,
        {{ folder_value('load') }} as load_id,
{%- endmacro %}

{% macro duckdb__read_landed_manifests(folders) %}
    {%- if not folders -%}
    {{ empty_relation({
        'manifest_file': 'varchar', 'feed': 'varchar', 'account': 'varchar', 'source': 'varchar',
        'landed_partition': 'varchar', 'load_id': 'varchar', 'stated_feed': 'varchar', 'stated_account': 'varchar',
        'stated_source': 'varchar', 'stated_partition': 'varchar', 'stated_load_id': 'varchar', 'is_complete': 'boolean',
        'fetched_at': 'varchar', 'page_number': 'bigint', 'page_file': 'varchar', 'page_rows': 'bigint',
        'page_bytes': 'bigint', 'is_one_line': 'boolean', 'has_short_numbers': 'boolean',
    }) }}
    {%- else -%}
    select
        {{ manifest_path_columns() }}
        stated_feed,
        stated_account,
        stated_source,
        stated_partition,
        stated_load_id,
        is_complete,
        fetched_at,
        page_number,
        page.file as page_file,
        page."rows" as page_rows,
        page.bytes as page_bytes,
        coalesce(page.one_line, false) as is_one_line,
        coalesce(page.short_numbers, false) as has_short_numbers
    from (
        select
            filename,
            feed as stated_feed,
            account as stated_account,
            source as stated_source,
            "partition" as stated_partition,
            load_id as stated_load_id,
            complete as is_complete,
            fetched_at,
            unnest(coalesce(nullif(pages, []), [null])) as page,
            generate_subscripts(coalesce(nullif(pages, []), [null]), 1) as page_number
        from read_json(
            {{ files_in(folders, 'manifest.json') }},
            columns = {
                feed: 'VARCHAR', account: 'VARCHAR', source: 'VARCHAR', "partition": 'VARCHAR', load_id: 'VARCHAR',
                complete: 'BOOLEAN', fetched_at: 'VARCHAR',
                pages: 'STRUCT(file VARCHAR, "rows" BIGINT, bytes BIGINT, one_line BOOLEAN, short_numbers BOOLEAN)[]'
            },
            format = 'newline_delimited',
            filename = true,
            hive_partitioning = false
        )
    )
    {%- endif -%}
{% endmacro %}

{% macro spark__read_landed_manifests(folders) %}
    {%- if not folders -%}
    {{ empty_relation({
        'manifest_file': 'string', 'feed': 'string', 'account': 'string', 'source': 'string', 'landed_partition': 'string',
        'load_id': 'string', 'stated_feed': 'string', 'stated_account': 'string', 'stated_source': 'string',
        'stated_partition': 'string', 'stated_load_id': 'string', 'is_complete': 'boolean', 'fetched_at': 'string',
        'page_number': 'bigint', 'page_file': 'string', 'page_rows': 'bigint', 'page_bytes': 'bigint',
        'is_one_line': 'boolean', 'has_short_numbers': 'boolean',
    }) }}
    {%- else -%}
    select
        {{ manifest_path_columns() }}
        manifest.feed as stated_feed,
        manifest.account as stated_account,
        manifest.source as stated_source,
        manifest.{{ adapter.quote('partition') }} as stated_partition,
        manifest.load_id as stated_load_id,
        manifest.complete as is_complete,
        manifest.fetched_at,
        cast(position + 1 as bigint) as page_number,
        page.file as page_file,
        page.rows as page_rows,
        page.bytes as page_bytes,
        coalesce(page.one_line, false) as is_one_line,
        coalesce(page.short_numbers, false) as has_short_numbers
    from (
        select
            filename,
            from_json(
                value,
                'feed string, account string, source string, {{ adapter.quote('partition') }} string, load_id string,
                complete boolean, fetched_at string,
                pages array<struct<file: string, rows: bigint, bytes: bigint, one_line: boolean, short_numbers: boolean>>'
            ) as manifest
        from ({{ spark_files_in(folders, 'manifest.json') }}) as files
    ) as manifests
    lateral view outer posexplode(manifest.pages) numbered as position, page
    {%- endif -%}
{% endmacro %}

{# why a page that can't be read is in quarantine #}
{% macro unreadable_page() %}{{ return('the page is not a JSON document with a list of billing_events') }}{% endmacro %}

{% macro billing_event_fields() %}
    {{ return([
        'request_id', 'endpoint_id', 'timestamp', 'output_units', 'unit_price', 'percent_discount',
        'cost_estimate_nano_usd', 'cost_subtotal', 'auth_method',
    ]) }}
{% endmacro %}

{#
    Events of the loads that this model has not, of all when it is built anew: account, landed_date, load_id, landed_file,
    event_number (from 1 within its page), is_readable, is_plain (see is_plain_event), raw_event (its JSON text; null
    where a page has only plain events), and each field of billing_event_fields() as text. A page that is no JSON document,
    or has no list of events, is one row that is not readable.
    loads: a relation of account, landed_date and load_id; files: stg_fal__landed_files.
#}
{% macro read_landed_billing_events(loads, files) %}
    {% set pages = {'short': [], 'one_line': [], 'other': []} %}
    {% set sizes = [0] %}
    {# without them there is nothing to read: the linter compiles in an empty warehouse #}
    {% if execute and load_relation(files) and load_relation(loads) %}
        {% set query %}
            select
                files.account,
                files.landed_partition,
                files.load_id,
                files.landed_file,
                files.landed_bytes,
                case
                    when files.is_one_line and files.has_short_numbers then 'short'
                    when files.is_one_line then 'one_line'
                    else 'other'
                end as written
            from {{ files }} as files
            inner join {{ loads }} as loads
                on
                    files.account = loads.account
                    and cast(files.landed_partition as date) = loads.landed_date
                    and files.load_id = loads.load_id
            where
                files.feed = 'billing_events'
                and {{ is_in_parts(parts_to_build(loads), ['loads.account', 'loads.landed_date', 'loads.load_id']) }}
            order by files.account, files.landed_partition, files.load_id, files.landed_file
        {% endset %}
        {% for page in run_query(query).rows %}
            {% do pages[page['written']].append(
                landing_dir() ~ '/billing_events/account=' ~ page['account'] ~ '/date=' ~ page['landed_partition']
                ~ '/load=' ~ page['load_id'] ~ '/' ~ page['landed_file']
            ) %}
            {% do sizes.append(page['landed_bytes'] | int) %}
        {% endfor %}
    {% endif %}
    {{ return(adapter.dispatch('read_billing_event_pages')(pages, sizes | max)) }}
{% endmacro %}

{#
    pages: lists of paths. Those of `short` and `one_line` are one line of JSON by their manifest, and of `short` without long
    numbers, too; those of `other` may be any text. largest: bytes of the largest of them by its manifest, for each thread
    reads into a buffer of twice that.
#}
{% macro duckdb__read_billing_event_pages(pages, largest) %}
    {%- set fields = billing_event_fields() -%}
    {%- if not pages.values() | sum(start=[]) -%}
    {{ empty_relation(dict({
        'account': 'varchar', 'landed_date': 'date', 'load_id': 'varchar', 'landed_file': 'varchar',
        'event_number': 'bigint', 'is_readable': 'boolean', 'is_plain': 'boolean', 'raw_event': 'varchar',
    }, **dict.fromkeys(fields, 'varchar'))) }}
    {%- else -%}
    select
        account,
        landed_date,
        load_id,
        landed_file,
        event_number,
        is_readable,
        is_plain,
        raw_event,
        {%- for field in fields %}
        event.{{ adapter.quote(field) }} as {{ adapter.quote(field) }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            account,
            landed_date,
            load_id,
            landed_file,
            is_readable,
            unnest(range(1, len(events) + 1)) as event_number,
            unnest(events) as event,
            unnest(are_plain) as is_plain,
            unnest(raw_events) as raw_event
        from (
            select
                {{ folder_value('account') }} as account,
                cast({{ folder_value('date') }} as date) as landed_date,
                {{ folder_value('load') }} as load_id,
                parse_filename(filename) as landed_file,
                is_readable,
                events,
                are_plain,
                -- the page is parsed for raw events only where one may be needed; an unreadable page shows its start
                case
                    when not is_readable then [cast(to_json(left(page_text, 1000)) as varchar)]
                    when not list_bool_and(are_plain)
                        then cast(from_json(page, '{"billing_events":["JSON"]}').billing_events as varchar[])
                end as raw_events
            from (
                select
                    *,
                    list_transform(events, lambda event: {{ is_plain_event('event.') }}) as are_plain
                from (
                    -- a page that is no document with a list of events is one row without fields
                    select
                        filename,
                        page_text,
                        page,
                        events is not null as is_readable,
                        coalesce(events, [null]) as events
                    from (
                        select
                            filename,
                            page_text,
                            page,
                            from_json(
                                page,
                                '{"billing_events":[{ {%- for field in fields %}"{{ field }}":"VARCHAR"{{ ',' if not loop.last }}{% endfor -%} }]}'
                            ).billing_events as events
                        from ({{ duckdb_billing_event_pages(pages, largest) }})
                    )
                )
            )
        )
    )
    {%- endif -%}
{% endmacro %}

{# pages: filename, page_text and page, its JSON with exact numbers, null where it is none #}
{% macro duckdb_billing_event_pages(pages, largest) %}
    {%- set read = [] -%}
    {%- if pages.short -%}
        {%- do read.append(duckdb_json_pages(pages.short, '"json"', largest)) -%}
    {%- endif -%}
    {%- if pages.one_line -%}
        {%- do read.append(duckdb_json_pages(
            pages.one_line, 'cast(' ~ duckdb_with_quoted_numbers('cast("json" as varchar)') ~ ' as json)', largest
        )) -%}
    {%- endif -%}
    {%- if pages.other -%}
        {%- do read.append(duckdb_text_pages(pages.other, largest)) -%}
    {%- endif -%}
    {{ read | join('union all') }}
{% endmacro %}

{# exact: the page with exact numbers, as SQL of "json" #}
{% macro duckdb_json_pages(paths, exact, largest) %}
    select
        filename,
        cast("json" as varchar) as page_text,
        {{ exact }} as page
    from read_json_objects(
        {{ path_list(paths) }},
        format = 'newline_delimited',
        -- a page that is no JSON after all is null
        ignore_errors = true,
        maximum_object_size = {{ duckdb_buffer_for(largest) }},
        filename = true,
        hive_partitioning = false
    )
{% endmacro %}

{% macro duckdb_text_pages(paths, largest) %}
    select
        filename,
        page_text,
        coalesce(
            try_cast({{ with_exact_numbers('page_text') }} as json),
            try_cast({{ with_valid_text(with_exact_numbers('page_text')) }} as json)
        ) as page
    from (
        select
            filename,
            string_agg(line, chr(10) order by line_number) as page_text
        from (
            select
                -- counted by one thread in the order of the file, also where insertion order is not preserved
                row_number() over () as line_number,
                filename,
                line
            from read_csv(
                {{ path_list(paths) }},
                -- no CSV: each line of a page as one text, whatever is in it
                auto_detect = false,
                header = false,
                columns = {line: 'VARCHAR'},
                delim = chr(1),
                quote = '',
                escape = '',
                nullstr = '\N~absent~',
                strict_mode = false,
                parallel = false,
                max_line_size = {{ duckdb_buffer_for(largest) }},
                filename = true,
                hive_partitioning = false
            )
        )
        group by filename
    )
{% endmacro %}

{# any page is read whole here, so that it does not matter how it is written #}
{% macro spark__read_billing_event_pages(pages, largest) %}
    {%- set folders = [] -%}
    {%- for page in pages.values() | sum(start=[]) -%}
        {%- do folders.append(modules.re.sub('/[^/]*$', '', page)) -%}
    {%- endfor -%}
    {%- set fields = billing_event_fields() -%}
    {%- if not folders -%}
    {{ empty_relation(dict({
        'account': 'string', 'landed_date': 'date', 'load_id': 'string', 'landed_file': 'string',
        'event_number': 'bigint', 'is_readable': 'boolean', 'is_plain': 'boolean', 'raw_event': 'string',
    }, **dict.fromkeys(fields, 'string'))) }}
    {%- else -%}
    select
        account,
        landed_date,
        load_id,
        landed_file,
        event_number,
        is_readable,
        {{ is_plain_event('event.') }} as is_plain,
        raw_event,
        {%- for field in fields %}
        event.{{ adapter.quote(field) }} as {{ adapter.quote(field) }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            account,
            landed_date,
            load_id,
            landed_file,
            is_readable,
            cast(raw_events.position + 1 as bigint) as event_number,
            raw_events.raw_event,
            from_json(
                raw_events.raw_event,
                '{% for field in fields %}{{ adapter.quote(field) }} string{{ ', ' if not loop.last }}{% endfor %}'
            ) as event
        from (
            select
                {{ folder_value('account') }} as account,
                cast({{ folder_value('date') }} as date) as landed_date,
                {{ folder_value('load') }} as load_id,
                regexp_extract(filename, '[^/]*$', 0) as landed_file,
                events is not null as is_readable,
                -- one row stands for a page that can't be read: it has no field, and the start of the page as its raw text
                coalesce(events, array({{ json_text('left(value, 1000)') }})) as events
            from (
                select
                    filename,
                    value,
                    -- each event is parsed by itself: one that is odd spoils no other
                    from_json(
                        {{ with_valid_text(with_exact_numbers('value')) }}, 'billing_events array<string>'
                    ).billing_events as events
                from ({{ spark_files_in(folders | unique(case_sensitive=true) | list, 'page-*.json.gz') }}) as files
            ) as parsed
        ) as pages
        lateral view posexplode(events) raw_events as position, raw_event
    ) as parsed_events
    {%- endif -%}
{% endmacro %}

{# bytes that a reader makes room for: DuckDB's own default, or more for a larger page #}
{% macro duckdb_buffer_for(largest) %}{{ return([16777216, largest + 1024] | max) }}{% endmacro %}

{# a SQL list of texts #}
{% macro path_list(paths) -%}
    [
        {%- for path in paths %}
        {{ sql_text(path) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ]
{%- endmacro %}

{# the value of key=value in the path of a file; the last one, should a folder above the landing zone be named so #}
{% macro folder_value(key) -%}
    regexp_extract(filename, '.*/{{ key }}=([^/]*)/', 1)
{%- endmacro %}

{#
    A page whose numbers survive: a JSON number passes through a double, which keeps 15 digits for certain, so a page with
    a run of 16 gets the numbers of its events put in quotes. A name directly before a colon can only be a key.
#}
{% macro with_exact_numbers(page) -%}{{ return(adapter.dispatch('with_exact_numbers')(page)) }}{%- endmacro %}

{% macro duckdb__with_exact_numbers(page) -%}
    case
        when regexp_matches({{ page }}, '[0-9][0-9.]{15}') then {{ duckdb_with_quoted_numbers(page) }}
        else {{ page }}
    end
{%- endmacro %}

{% macro duckdb_with_quoted_numbers(page) -%}
    regexp_replace(
        {{ page }},
        '"(output_units|unit_price|percent_discount|cost_estimate_nano_usd|cost_subtotal)"\s*:\s*(-?[0-9][-+0-9.eE]*)',
        '"\1":"\2"',
        'g'
    )
{%- endmacro %}

{% macro spark__with_exact_numbers(page) -%}
    case
        when {{ page }} rlike '[0-9][0-9.]{15}'
            then regexp_replace(
                {{ page }},
                '"(output_units|unit_price|percent_discount|cost_estimate_nano_usd|cost_subtotal)"\\s*:\\s*(-?[0-9][-+0-9.eE]*)',
                '"$1":"$2"'
            )
        else {{ page }}
    end
{%- endmacro %}

{#
    A page without halves of surrogate pairs, which are no text; a replacement character stands for each. Escaped
    backslashes and whole pairs are set aside meanwhile, as control characters that JSON cannot hold.
#}
{% macro with_valid_text(page) -%}{{ return(adapter.dispatch('with_valid_text')(page)) }}{%- endmacro %}

{% macro duckdb__with_valid_text(page) -%}
    replace(
        replace(
            regexp_replace(
                regexp_replace(
                    replace({{ page }}, '\\', chr(2)),
                    '\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})',
                    chr(1) || '\1' || chr(1) || '\2',
                    'g'
                ),
                '\\u[dD][89a-fA-F][0-9a-fA-F]{2}',
                '\\ufffd',
                'g'
            ),
            chr(1),
            '\u'
        ),
        chr(2),
        '\\'
    )
{%- endmacro %}

{# of an odd number of backslashes the last begins an escape #}
{% macro spark__with_valid_text(page) -%}
    case
        when {{ page }} rlike '[uU][dD][89a-fA-F]'
            then regexp_replace(
                {{ page }},
                {{ sql_text(
                    '(?<!\\\\)((?:\\\\\\\\)*+(?:\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2})*+)\\\\u[dD][89a-fA-F][0-9a-fA-F]{2}'
                ) }},
                {{ sql_text('$1\\\\ufffd') }}
            )
        else {{ page }}
    end
{%- endmacro %}

{#
    Records of the latest loads of all FOCUS CSVs, invoices and estimates: account, source, landed_partition (a billing
    month or a day), load_id, landed_file, record_number (from 1, without the header), and the lists field_names (as in
    the header), field_keys (the same in lower case, without spaces and underscores) and field_values.
    Nothing is sniffed: each file's first record is its header, and files need not agree on theirs. files: stg_fal__landed_files.
#}
{% macro read_landed_focus_reports(files) %}
    {% set folders = [] %}
    {% if execute and load_relation(files) %}
        {% set query %}
            select distinct account, source, landed_partition, load_id
            from {{ files }}
            where feed = 'focus_reports'
            order by account, source, landed_partition, load_id
        {% endset %}
        {% for load in run_query(query).rows %}
            {% do folders.append(
                landing_dir() ~ '/focus_reports/account=' ~ load['account'] ~ '/source=' ~ load['source'] ~ '/'
                ~ ('billing_month' if load['source'] == 'invoice' else 'date') ~ '=' ~ load['landed_partition']
                ~ '/load=' ~ load['load_id']
            ) %}
        {% endfor %}
    {% endif %}
    {{ return(adapter.dispatch('read_landed_focus_reports')(folders)) }}
{% endmacro %}

{% macro duckdb__read_landed_focus_reports(folders) %}
    {%- set widest = most_csv_fields() + 1 -%}
    {%- if not folders -%}
    {{ empty_relation({
        'account': 'varchar', 'source': 'varchar', 'landed_partition': 'varchar', 'load_id': 'varchar',
        'landed_file': 'varchar', 'record_number': 'bigint', 'field_names': 'varchar[]', 'field_keys': 'varchar[]',
        'field_values': 'varchar[]',
    }) }}
    {%- else -%}
    select
        {{ folder_value('account') }} as account,
        {{ folder_value('source') }} as source,
        {{ folder_value('(?:billing_month|date)') }} as landed_partition,
        {{ folder_value('load') }} as load_id,
        parse_filename(filename) as landed_file,
        record_number - 1 as record_number,
        list_transform(header, lambda name: trim(name)) as field_names,
        list_transform(header, lambda name: regexp_replace(lower(trim(name)), '[ _]', '', 'g')) as field_keys,
        field_values
    from (
        select
            filename,
            field_values,
            first_value(field_values) over (partition by filename order by line_number) as header,
            row_number() over (partition by filename order by line_number) as record_number
        from (
            select
                filename,
                line_number,
                -- a field that is there is never null here (see nullstr), so the first null is where the record ends
                padded[1:coalesce(list_position(list_transform(padded, lambda f: f is null), true) - 1, len(padded))]
                    as field_values
            from (
                select
                    row_number() over () as line_number,
                    filename,
                    [{% for i in range(widest) %}c{{ i }}{{ ', ' if not loop.last }}{% endfor %}] as padded
                from read_csv(
                    {{ files_in(folders, 'report.csv.gz') }},
                    auto_detect = false,
                    header = false,
                    columns = { {%- for i in range(widest) %}c{{ i }}: 'VARCHAR'{{ ', ' if not loop.last }}{% endfor -%} },
                    delim = ',',
                    quote = '"',
                    escape = '"',
                    nullstr = '\N~absent~',
                    null_padding = true,
                    strict_mode = false,
                    parallel = false,
                    max_line_size = 100000000,
                    filename = true,
                    hive_partitioning = false,
                    allow_empty = true
                )
            )
        )
    )
    where record_number > 1
    {%- endif -%}
{% endmacro %}

{# the whole file is split by patterns, so that a line end within quotes stays what it is #}
{% macro spark__read_landed_focus_reports(folders) %}
    {%- set record = '(?:"(?:[^"]++|"")*+(?:"|\\z)[^,\\r\\n]*+|[^",\\r\\n][^,\\r\\n]*+|,)++' -%}
    {%- set field = ',("(?:[^"]++|"")*+"?[^,]*+|[^,]*+)' -%}
    {%- if not folders -%}
    {{ empty_relation({
        'account': 'string', 'source': 'string', 'landed_partition': 'string', 'load_id': 'string',
        'landed_file': 'string', 'record_number': 'bigint', 'field_names': 'array<string>', 'field_keys': 'array<string>',
        'field_values': 'array<string>',
    }) }}
    {%- else -%}
    select
        {{ folder_value('account') }} as account,
        {{ folder_value('source') }} as source,
        {{ folder_value('(?:billing_month|date)') }} as landed_partition,
        {{ folder_value('load') }} as load_id,
        regexp_extract(filename, '[^/]*$', 0) as landed_file,
        cast(record_number as bigint) as record_number,
        transform(header, name -> {{ spark_trim('name') }}) as field_names,
        transform(header, name -> regexp_replace(lower({{ spark_trim('name') }}), '[ _]', '')) as field_keys,
        field_values
    from (
        select
            filename,
            position as record_number,
            {{ spark_record_fields('record', field) }} as field_values,
            {{ spark_record_fields('records[0]', field) }} as header
        from (
            select
                filename,
                regexp_extract_all(regexp_replace(value, '^\uFEFF', ''), {{ sql_text(record) }}, 0) as records
            from ({{ spark_files_in(folders, 'report.csv.gz') }}) as files
        ) as reports
        lateral view posexplode(records) split as position, record
        where position > 0
    ) as named
    {%- endif -%}
{% endmacro %}

{# the fields of a CSV record, without the quotes around them, and one more than may be at most #}
{% macro spark_record_fields(record, field) -%}
    transform(
        slice(regexp_extract_all(',' || {{ record }}, {{ sql_text(field) }}, 1), 1, {{ most_csv_fields() + 1 }}),
        quoted -> case
            when quoted like '"%' then replace(regexp_replace(quoted, '^"|"$', ''), '""', '"')
            else quoted
        end
    )
{%- endmacro %}

{# a text without spaces around it, of any kind that Unicode knows #}
{% macro spark_trim(text) -%}
    regexp_replace({{ text }}, {{ sql_text('^\\p{Zs}+|\\p{Zs}+$') }}, '')
{%- endmacro %}

{# how many fields a CSV record may have #}
{% macro most_csv_fields() %}{{ return(300) }}{% endmacro %}

{#
    The field of a CSV record that its file's header names so, in any spelling of the column's name (BilledCost, Billed
    Cost, billed_cost): text without the spaces around it, null when empty or not there.
#}
{% macro record_field(name) -%}{{ return(adapter.dispatch('record_field')(name)) }}{%- endmacro %}

{% macro duckdb__record_field(name) -%}
    nullif(trim(field_values[list_position(field_keys, '{{ name | lower }}')]), '')
{%- endmacro %}

{% macro spark__record_field(name) -%}
    nullif({{ spark_trim("try_element_at(field_values, cast(nullif(array_position(field_keys, '" ~ name | lower ~ "'), 0) as int))") }}, '')
{%- endmacro %}

{# the fields of a CSV record whose names are not among those known, as a JSON object, null when there is none #}
{% macro remaining_record_fields(known) -%}{{ return(adapter.dispatch('remaining_record_fields')(known)) }}{%- endmacro %}

{% macro duckdb__remaining_record_fields(known) -%}
    case
        when not {{ has_repeats('field_keys') }}
            then nullif(
                cast(to_json(map_from_entries(list_transform(
                    list_filter(
                        list_zip(field_names, field_values, field_keys),
                        lambda field: coalesce(field[1], '') <> ''
                            and coalesce(field[2], '') <> ''
                            and not list_contains({{ known | map('lower') | list | tojson | replace('"', "'") }}, field[3])
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
                            and not array_contains(array({{ sql_texts(known | map('lower') | list) }}), field.field_keys)
                    ),
                    field -> struct(field.field_names as k, field.field_values as v)
                ))),
                '{}'
            )
    end
{%- endmacro %}

{% macro array_length(list) -%}{{ return(adapter.dispatch('array_length')(list)) }}{%- endmacro %}

{% macro duckdb__array_length(list) -%} len({{ list }}) {%- endmacro %}

{% macro spark__array_length(list) -%} size({{ list }}) {%- endmacro %}

{# whether a list of texts has one twice, the empty one aside #}
{% macro has_repeats(list) -%}{{ return(adapter.dispatch('has_repeats')(list)) }}{%- endmacro %}

{% macro duckdb__has_repeats(list) -%}
    (len(list_distinct(list_filter({{ list }}, lambda x: x <> ''))) < len(list_filter({{ list }}, lambda x: x <> '')))
{%- endmacro %}

{% macro spark__has_repeats(list) -%}
    (size(array_distinct(filter({{ list }}, x -> x <> ''))) < size(filter({{ list }}, x -> x <> '')))
{%- endmacro %}

{# a list of texts as JSON text #}
{% macro array_as_json(list) -%}{{ return(adapter.dispatch('array_as_json')(list)) }}{%- endmacro %}

{% macro duckdb__array_as_json(list) -%} cast(to_json({{ list }}) as varchar) {%- endmacro %}

{% macro spark__array_as_json(list) -%} to_json({{ list }}) {%- endmacro %}
