-- Rows from events: each cost is price times quantity, rounded once.
select
    x_ChargeId,
    ListUnitPrice,
    ContractedUnitPrice,
    PricingQuantity,
    ListCost,
    ContractedCost
from {{ ref('cost_and_usage') }}
where
    x_ChargeSource = 'billing_events'
    and (
        ListCost <> {{ money('ListUnitPrice * PricingQuantity') }}
        or ContractedCost <> {{ money('ContractedUnitPrice * PricingQuantity') }}
    )
