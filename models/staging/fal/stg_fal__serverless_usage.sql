select
    cast(null as {{ dbt.type_string() }}) as account,
    cast(null as date) as charge_date,
    cast(null as {{ dbt.type_string() }}) as app,
    cast(null as {{ dbt.type_string() }}) as environment,
    cast(null as {{ dbt.type_string() }}) as machine_type,
    cast(null as boolean) as is_surge,
    cast(null as {{ dbt.type_string() }}) as unit,
    cast(null as decimal(38, 9)) as quantity,
    cast(null as decimal(38, 18)) as unit_price_usd,
    cast(null as decimal(38, 9)) as percent_discount,
    cast(null as decimal(38, 18)) as cost_subtotal_usd,
    cast(null as decimal(38, 18)) as cost_discount_usd,
    cast(null as decimal(38, 18)) as cost_total_usd,
    cast(null as date) as landed_date,
    cast(null as {{ dbt.type_string() }}) as load_id,
    cast(null as {{ dbt.type_string() }}) as landed_file,
    cast(null as bigint) as row_number
where false
