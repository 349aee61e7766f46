-- On rows from events each cost is its price times the quantity, rounded once, and the price after discount is not
-- above the one before.
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
