with

rules as (

    select * from {{ ref('focus_rules') }}

),

mart_columns as (

    select * from {{ ref('mart_columns') }}

),

focus_columns as (

    select * from {{ ref('focus_columns') }}

),

present_and_typed as (

    -- rules on the presence and the type of a column
    select
        rules.focus_version,
        rules.rule_id,
        rules.column_id as example_row,
        case
            when rules.shape = 'present' then mart_columns.column_id is not null
            else coalesce(mart_columns.data_kind = rules.arguments, false)
        end as is_kept
    from rules
    left join mart_columns
        on
            rules.focus_version = mart_columns.focus_version
            and rules.dataset = mart_columns.dataset
            and rules.column_id = mart_columns.column_id
    where rules.scan = 'columns' and rules.shape in ('present', 'type')

),

known_columns as (

    select
        mart_columns.*,
        focus_columns.column_id is not null as is_focus,
        max(case when focus_columns.column_id is not null then mart_columns.column_position end)
            over (partition by mart_columns.focus_version, mart_columns.dataset) as last_focus_position
    from mart_columns
    left join focus_columns
        on
            mart_columns.focus_version = focus_columns.focus_version
            and mart_columns.dataset = focus_columns.dataset
            and mart_columns.column_id = focus_columns.column_id

),

named_and_placed as (

    -- rules on the names and the order of columns
    select
        rules.focus_version,
        rules.rule_id,
        known_columns.column_id as example_row,
        case rules.arguments
            when 'at_most_50' then length(known_columns.column_id) <= 50
            when 'x_prefix' then substr(known_columns.column_id, 1, 2) = 'x_'
            when 'custom_pascal_case'
                then {{ matches('known_columns.column_id', 'x_[A-Z][a-z0-9]+([A-Z][a-z0-9]+)*') }}
            when 'custom_last' then known_columns.column_position > known_columns.last_focus_position
        end as is_kept
    from rules
    inner join known_columns
        on
            rules.focus_version = known_columns.focus_version
            and (
                rules.applies_when is null
                or (rules.applies_when = 'is_focus' and known_columns.is_focus)
                or (rules.applies_when = 'not is_focus' and not known_columns.is_focus)
            )
    where rules.scan = 'columns' and rules.shape = 'column_name'

),

verdicts as (

    select * from present_and_typed
    union all
    select * from named_and_placed

),

tallies as (

    select
        focus_version,
        rule_id,
        count(*) as rows_checked,
        count(case when is_kept then null else 1 end) as violations,
        cast(0 as bigint) as findings,
        min(case when is_kept then null else example_row end) as example_row
    from verdicts
    group by focus_version, rule_id

)

select * from tallies
