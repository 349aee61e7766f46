with

costs as (

    select * from {{ ref('daily_cost') }}

),

bounds as (

    select
        min(charge_date) as first_day,
        max(charge_date) + 1 as end_day
    from costs

),

days as (

    select {{ each_day('first_day', 'end_day') }} as charge_date
    from bounds

)

select
    charge_date,
    {{ month_of('charge_date') }} as charge_month
from days
