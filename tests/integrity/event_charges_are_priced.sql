-- Rows from events and serverless usage: each cost is price times quantity, rounded once.
select
    x_ChargeId,
    ListUnitPrice,
    ContractedUnitPrice,
    PricingQuantity,
    ListCost,
    ContractedCost
from {{ ref('cost_and_usage') }}
where
    x_ChargeSource in ('billing_events', 'serverless_usage')
    and (
        ListCost <> {{ money('ListUnitPrice * PricingQuantity') }}
        or ContractedCost <> {{ money('ContractedUnitPrice * PricingQuantity') }}
    )
