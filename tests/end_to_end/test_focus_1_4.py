"""FOCUS 1.4 of an invoice that is landed again: its lines, and the state of its billing period."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from tests.end_to_end.conftest import Warehouse
from tests.end_to_end.landing_zone import write_report

HEADER = (
    "InvoiceId,ReferenceInvoiceId,BilledCost,EffectiveCost,ListCost,ContractedCost,ChargeCategory,ChargeClass,"
    "ChargePeriodStart,ChargePeriodEnd,ResourceId,SkuId,PricingQuantity,PricingUnit,ListUnitPrice,"
    "ContractedUnitPrice,BillingCurrency\n"
)
DAY = "2026-01-{:02},2026-01-{:02},{sku},{sku},1,Images,{cost},{cost},USD\n"
LOADS = (
    "20260203T020000000000Z-aaaaaa",
    "20260204T020000000000Z-bbbbbb",
    "20260205T020000000000Z-cccccc",
)
SELECTED = (
    "+focus_1_4__invoice_detail",
    "focus_1_4__billing_period",
    "focus_1_4__closed_billing_periods",
)
TESTS = (
    "invoice_detail_ties_to_invoices",
    "charges_are_in_invoice_detail",
    "focus_1_4_ties_to_focus",
    "warn_closed_billing_periods_stay_closed",
)


def usage(day: int, sku: str, cost: str, invoice: str = "INV-1", adjusts: str = "", klass: str = "") -> str:
    """Write a row of usage of a day."""
    row = f"{invoice},{adjusts},{cost},{cost},{cost},{cost},Usage,{klass},"
    return row + DAY.format(day, day + 1, sku=sku, cost=cost.lstrip("-"))


def build(dbt: Callable[..., Warehouse], folder: Path, load_id: str, *rows: str) -> Warehouse:
    """Land these rows as a load of the invoice of February, and build FOCUS 1.4."""
    body = (HEADER + "".join(rows)).encode()
    write_report(folder / "landing", "acme", "invoice", "2026-02", body, len(rows), load_id)
    settings = {"FAL_LANDING_DIR": folder / "landing"}
    warehouse = folder / "warehouse.duckdb"
    dbt(warehouse, "build", "--exclude-resource-type", "test", "unit_test", "--select", *SELECTED, **settings)
    return dbt(warehouse, "test", "--select", *TESTS, **settings)


def test_an_invoice_that_is_landed_again_keeps_its_ids_and_a_period_that_opens_again_is_reported(
    tmp_path: Path, dbt: Callable[..., Warehouse]
) -> None:
    lines = (
        "select SkuId, InvoiceDetailId from focus_1_4.cost_and_usage"
        " where InvoiceDetailId is not null group by all order by all"
    )
    detail = (
        "select sum(BilledCost), min(strftime(InvoiceDetailCreated, '%d %H')), max(x_LoadCount), count(*)"
        " from focus_1_4.invoice_detail"
    )
    status = "select BillingPeriodStatus from focus_1_4.billing_period"

    rows = (usage(5, "a", "1.000000000000000001"), usage(6, "a", "2"), usage(5, "b", "4"))
    first = build(dbt, tmp_path, LOADS[0], *rows)
    ids = first.rows(lines)
    assert len(ids) == 2
    assert first.rows(detail) == [(Decimal("7.000000000000000001"), "03 02", 1, 2)]
    assert first.rows(status) == [("Closed",)]
    assert "WARN=0" in first.output

    # other amounts in another order, and a day that was missing
    rows = (usage(5, "b", "5"), usage(7, "a", "3"), usage(5, "a", "1"), usage(6, "a", "2"))
    again = build(dbt, tmp_path, LOADS[1], *rows)
    assert again.rows(lines) == ids
    assert again.rows(detail) == [(Decimal("11"), "03 02", 2, 2)]
    assert again.rows(status) == [("Closed",)]
    assert "WARN=0" in again.output

    # a correction takes back the usage and leaves none, so the month is open
    correction = usage(5, "a", "-1", "INV-2", "INV-1", "Correction")
    opened = build(dbt, tmp_path, LOADS[2], correction)
    assert opened.rows(status) == [("Open",)]
    assert opened.rows("select InvoiceId, ReferenceInvoiceId, BilledCost from focus_1_4.invoice_detail") == [
        ("INV-2", "INV-1", Decimal("-1"))
    ]
    assert "warn_closed_billing_periods_stay_closed: 1 row" in opened.output
    assert "invoice_issuer_name fal" in opened.output
