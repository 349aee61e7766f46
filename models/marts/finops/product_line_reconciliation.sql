select * from {{ ref('int_charge_months__reconciled') }}
where product_line <> 'all'
