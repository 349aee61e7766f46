select
    cast(null as {{ dbt.type_string() }}) as account,
    cast(null as date) as snapshot_date,
    cast(null as {{ dbt.type_string() }}) as endpoint_id
where false
