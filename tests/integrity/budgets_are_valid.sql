-- Invalid rows of seeds/fal_budgets.csv: which budget, the reason, and how to correct it.
with

budgets as (

    select * from {{ ref('fal_budgets') }}

),

judged as (

    select
        name,
        case
            when amount_usd <= 0
                then 'its amount_usd is not above 0: correct it or remove the budget'
            when period is null and (starts_on is null or ends_on is null)
                then 'it has neither a period nor two dates: fill in monthly or yearly, or starts_on and ends_on'
            when ends_on < starts_on
                then 'it ends before it begins: ends_on is its last day and must not be before starts_on'
            when not {{ matches('tag', '[^=]+=.+') }}
                then 'its tag ' || {{ printable('tag') }} || ' is not a key and a value: write it like Team=Imaging'
            when not {{ matches('thresholds', percent_list_pattern()) }}
                then
                    'its thresholds ' || {{ printable('thresholds') }}
                    || ' are not numbers: write percents like 50;80;100'
        end as finding
    from budgets

)

select * from judged
where finding is not null
