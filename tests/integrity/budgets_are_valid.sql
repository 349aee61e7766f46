-- Invalid rows of seeds/fal_budgets.csv: which budget, the reason, and how to correct it.
{%- set percent = ' *[0-9]{1,6}([.][0-9]{1,4})? *' %}

with

budgets as (

    select
        *,
        count(*) over (partition by name) as times_named
    from {{ ref('fal_budgets') }}

),

accounts as (

    select * from {{ ref('fal_accounts') }}

),

judged as (

    select
        budgets.name,
        case
            when accounts.account is null
                then 'its account is not in seeds/fal_accounts.csv: add it there or correct the alias'
            when budgets.times_named > 1
                then 'its name is used more than once: give each budget a name of its own'
            when budgets.amount_usd <= 0
                then 'its amount_usd is not above 0: correct it or remove the budget'
            when budgets.period is null and (budgets.starts_on is null or budgets.ends_on is null)
                then 'it has neither a period nor two dates: fill in monthly or yearly, or starts_on and ends_on'
            when budgets.ends_on < budgets.starts_on
                then 'it ends before it begins: ends_on is its last day and must not be before starts_on'
            when not {{ matches('budgets.tag', '[^=]+=.+') }}
                then
                    'its tag ' || {{ printable('budgets.tag') }}
                    || ' is not a key and a value: write it like Team=Imaging'
            when not {{ matches('budgets.thresholds', percent ~ '(;' ~ percent ~ ')*') }}
                then
                    'its thresholds ' || {{ printable('budgets.thresholds') }}
                    || ' are not numbers: write percents like 50;80;100'
        end as finding
    from budgets
    left join accounts on budgets.account = accounts.account

)

select distinct
    name,
    finding
from judged
where finding is not null
