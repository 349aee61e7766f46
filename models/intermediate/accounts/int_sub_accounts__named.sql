with

snapshots as (

    select * from {{ ref('stg_fal__teams') }}

),

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

invoices as (

    select * from {{ ref('stg_fal__focus_invoices') }}

),

estimates as (

    select * from {{ ref('stg_fal__focus_estimates') }}

),

numbered_snapshots as (

    select
        account,
        team_username,
        team_name,
        row_number() over (
            partition by account, team_username
            order by snapshot_date desc, team_name asc nulls last
        ) as snapshots_ago
    from snapshots

),

teams as (

    -- Events of a team can land although the snapshots do not contain the team.
    select
        account,
        team_username,
        team_name
    from numbered_snapshots
    where snapshots_ago = 1
    union all
    select distinct
        files.account,
        files.source as team_username,
        cast(null as {{ dbt.type_string() }}) as team_name
    from files
    left join numbered_snapshots
        on files.account = numbered_snapshots.account and files.source = numbered_snapshots.team_username
    where files.feed = 'billing_events' and files.source is not null and numbered_snapshots.account is null

),

reported as (

    select
        account,
        billing_month as landed_for,
        SubAccountId,
        SubAccountName
    from invoices
    where SubAccountId is not null and SubAccountName is not null
    union
    select
        account,
        landed_date as landed_for,
        SubAccountId,
        SubAccountName
    from estimates
    where SubAccountId is not null and SubAccountName is not null

),

team_names as (

    select
        account,
        team_username,
        team_name as sub_account_name,
        0 as name_rank
    from teams
    where team_name is not null
    union all
    select
        account,
        team_username,
        team_username as sub_account_name,
        1 as name_rank
    from teams

),

numbered_names as (

    select
        *,
        rank() over (partition by account, sub_account_name order by name_rank asc) as name_order,
        count(*) over (partition by account, sub_account_name, name_rank) as team_count
    from team_names

),

certain_names as (

    -- The username of a team can be the name of another team, and teams can have one name. A name comes before a
    -- username, and a name of several teams belongs to none of them, so that no two teams become one sub account.
    select * from numbered_names
    where name_order = 1 and team_count = 1

),

numbered_reports as (

    select
        certain_names.account,
        certain_names.team_username,
        reported.SubAccountId,
        row_number() over (
            partition by certain_names.account, certain_names.team_username
            order by
                reported.landed_for desc,
                certain_names.name_rank asc,
                reported.SubAccountId asc
        ) as reports_ago
    from certain_names
    inner join reported
        on
            certain_names.account = reported.account
            and certain_names.sub_account_name = reported.SubAccountName

),

named as (

    -- Events have no id of a sub account. The id of the reports keeps the team's usage together when a month closes.
    select
        teams.account,
        teams.team_username,
        coalesce(numbered_reports.SubAccountId, teams.team_username) as sub_account_id,
        coalesce(teams.team_name, teams.team_username) as sub_account_name
    from teams
    left join numbered_reports
        on
            teams.account = numbered_reports.account
            and teams.team_username = numbered_reports.team_username
            and numbered_reports.reports_ago = 1

)

select * from named
