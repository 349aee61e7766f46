with

allocation as (

    -- a space around a condition is a slip of typing, and no caller has it
    select
        account,
        nullif(trim(auth_method), '') as auth_method,
        nullif(trim(api_key_id), '') as api_key_id,
        nullif(trim(key_alias), '') as key_alias,
        nullif(trim(login_username), '') as login_username,
        nullif(trim(team), '') as team,
        valid_from,
        valid_to,
        tag_key,
        tag_value
    from {{ ref('fal_allocation') }}

),

keys as (

    select * from {{ ref('int_tags__keys') }}
    where tags is null

),

charges as (

    select * from {{ ref('int_billing_event_usage__priced') }}

),

aliases as (

    select * from {{ ref('int_tags__key_aliases') }}

),

sub_accounts as (

    select * from {{ ref('int_sub_accounts__named') }}

),

lines as (

    select
        row_number() over (
            order by
                allocation.account asc,
                keys.spelled_key asc,
                allocation.tag_value asc,
                allocation.api_key_id asc nulls last,
                allocation.auth_method asc nulls last,
                allocation.key_alias asc nulls last,
                allocation.login_username asc nulls last,
                allocation.team asc nulls last,
                allocation.valid_from asc nulls last,
                allocation.valid_to asc nulls last
        ) as line_number,
        allocation.account,
        keys.spelled_key,
        allocation.tag_value,
        allocation.api_key_id,
        allocation.auth_method,
        allocation.key_alias,
        allocation.auth_method is not null or allocation.key_alias is not null as is_for_a_name,
        allocation.login_username,
        allocation.team,
        concat_ws(
            '|',
            allocation.api_key_id,
            allocation.auth_method,
            allocation.key_alias,
            allocation.login_username,
            allocation.team
        ) as conditions,
        coalesce(allocation.valid_from, {{ first_day() }}) as valid_from,
        coalesce(allocation.valid_to, {{ end_of_days() }}) as valid_to
    from allocation
    inner join keys on allocation.tag_key = keys.tag_key

),

distinct_callers as (

    select
        account,
        auth_method,
        api_key_id,
        login_username,
        team_username
    from charges
    union
    -- for usage without a caller
    select
        account,
        null as auth_method,
        null as api_key_id,
        null as login_username,
        null as team_username
    from allocation

),

callers as (

    select
        row_number() over (
            order by
                distinct_callers.account asc,
                distinct_callers.auth_method asc nulls last,
                distinct_callers.api_key_id asc nulls last,
                distinct_callers.login_username asc nulls last,
                distinct_callers.team_username asc nulls last
        ) as caller_number,
        distinct_callers.*,
        coalesce(sub_accounts.sub_account_name, distinct_callers.team_username) as team_name
    from distinct_callers
    left join sub_accounts
        on
            distinct_callers.account = sub_accounts.account
            and distinct_callers.team_username = sub_accounts.team_username

),

names as (

    -- The label of its requests names a key on each of their days. Other labels of the key name it on no certain day.
    select
        caller_number,
        auth_method as key_name,
        {{ first_day() }} as valid_from,
        {{ end_of_days() }} as valid_to
    from callers
    where auth_method is not null
    union
    select
        callers.caller_number,
        same_key.auth_method as key_name,
        null as valid_from,
        null as valid_to
    from callers
    inner join callers as same_key
        on callers.account = same_key.account and callers.api_key_id = same_key.api_key_id
    where same_key.auth_method is not null
    union
    select
        callers.caller_number,
        aliases.key_alias as key_name,
        aliases.valid_from,
        aliases.valid_to
    from callers
    inner join aliases on callers.account = aliases.account and callers.api_key_id = aliases.api_key_id
    where aliases.key_alias is not null

),

applicable as (

    -- the lines whose conditions a caller fulfils on some day
    select
        callers.caller_number,
        lines.line_number
    from callers
    inner join lines
        on
            callers.account = lines.account
            and (lines.api_key_id is null or {{ matches_glob('callers.api_key_id', 'lines.api_key_id') }})
            and (lines.login_username is null or {{ matches_glob('callers.login_username', 'lines.login_username') }})
            and (
                lines.team is null
                or {{ matches_glob('callers.team_username', 'lines.team') }}
                or {{ matches_glob('callers.team_name', 'lines.team') }}
            )
    left join names on callers.caller_number = names.caller_number and lines.is_for_a_name
    group by callers.caller_number, lines.line_number
    having
        max(case when lines.auth_method is null or {{ matches_glob('names.key_name', 'lines.auth_method') }} then 1 end)
        = 1
        and max(case when lines.key_alias is null or {{ matches_glob('names.key_name', 'lines.key_alias') }} then 1 end)
        = 1

),

starts as (

    -- the days on which another line may apply to a caller
    select
        caller_number,
        {{ first_day() }} as valid_from
    from applicable
    union
    select
        applicable.caller_number,
        lines.valid_from
    from applicable
    inner join lines on applicable.line_number = lines.line_number
    union
    select
        applicable.caller_number,
        lines.valid_to as valid_from
    from applicable
    inner join lines on applicable.line_number = lines.line_number
    where lines.valid_to < {{ end_of_days() }}
    union
    select
        applicable.caller_number,
        names.valid_from
    from applicable
    inner join lines on applicable.line_number = lines.line_number and lines.is_for_a_name
    inner join names on applicable.caller_number = names.caller_number
    where names.valid_from is not null

),

periods as (

    select
        *,
        lead(valid_from, 1, {{ end_of_days() }}) over (
            partition by caller_number
            order by valid_from asc
        ) as valid_to
    from starts

),

matched as (

    select
        periods.caller_number,
        periods.valid_from,
        periods.valid_to,
        lines.line_number,
        max(case when lines.auth_method is null or {{ matches_glob('names.key_name', 'lines.auth_method') }} then 1 end)
        = 1
        and max(case when lines.key_alias is null or {{ matches_glob('names.key_name', 'lines.key_alias') }} then 1 end)
        = 1
            as is_name_of_these_days
    from periods
    inner join applicable on periods.caller_number = applicable.caller_number
    inner join lines
        on
            applicable.line_number = lines.line_number
            and periods.valid_from >= lines.valid_from
            and periods.valid_from < lines.valid_to
    left join names
        on
            periods.caller_number = names.caller_number
            and lines.is_for_a_name
            and periods.valid_from >= names.valid_from
            and periods.valid_from < names.valid_to
    group by
        periods.caller_number,
        periods.valid_from,
        periods.valid_to,
        lines.line_number

),

ranked as (

    -- Of several lines with one tag, the most specific applies. Then exact conditions come before patterns, lines with
    -- dates before lines without, and longer conditions before shorter ones.
    select
        matched.caller_number,
        matched.valid_from,
        matched.valid_to,
        lines.spelled_key,
        lines.tag_value,
        row_number() over (
            partition by matched.caller_number, matched.valid_from, lines.spelled_key
            order by
                case when lines.api_key_id is not null then 0 else 1 end,
                case when lines.is_for_a_name and matched.is_name_of_these_days then 0 else 1 end,
                case when lines.is_for_a_name then 0 else 1 end,
                case when lines.login_username is not null then 0 else 1 end,
                case when lines.team is not null then 0 else 1 end,
                case when lines.conditions like '%*%' then 1 else 0 end,
                lines.valid_from desc,
                lines.valid_to asc,
                length(lines.conditions) desc,
                lines.line_number asc
        ) as precedence
    from matched
    inner join lines on matched.line_number = lines.line_number

),

tags as (

    select
        caller_number,
        valid_from,
        valid_to,
        {{ json_object_agg('spelled_key', json_text('tag_value')) }} as tags
    from ranked
    where precedence = 1
    group by caller_number, valid_from, valid_to

),

tagged as (

    select
        ---------- who
        callers.account,
        callers.auth_method,
        callers.api_key_id,
        callers.login_username,
        callers.team_username,

        ---------- UTC days, [from, to)
        tags.valid_from,
        tags.valid_to,

        ---------- tags
        tags.tags

    from tags
    inner join callers on tags.caller_number = callers.caller_number

)

select * from tagged
