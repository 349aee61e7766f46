{{ config(materialized='view') }}

with

landed as (

    -- every field still as the text that was landed: nothing is lost before it can be quarantined
    select * from ({{ read_landed_billing_events() }})

)

select * from landed
