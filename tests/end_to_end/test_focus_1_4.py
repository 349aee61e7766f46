"""FOCUS 1.4 of an invoice that is landed again: its lines, and the state of its billing period."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from tests.end_to_end.conftest import Warehouse, copy_project
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


def land(folder: Path, account: str, source: str, partition: str, load_id: str, *rows: str) -> None:
    """Land these rows as a load of an invoice or of an estimate."""
    body = (HEADER + "".join(rows)).encode()
    write_report(folder / "landing", account, source, partition, body, len(rows), load_id)


def build(
    dbt: Callable[..., Warehouse], folder: Path, load_id: str, *rows: str, options: tuple[str, ...] = ()
) -> Warehouse:
    """Land these rows as a load of the invoice of February, and build FOCUS 1.4."""
    land(folder, "acme", "invoice", "2026-02", load_id, *rows)
    settings = {"FAL_LANDING_DIR": folder / "landing"}
    warehouse = folder / "warehouse.duckdb"
    dbt(
        warehouse,
        "build",
        "--exclude-resource-type",
        "test",
        "unit_test",
        "--select",
        *SELECTED,
        *options,
        **settings,
    )
    return dbt(warehouse, "test", "--select", *TESTS, *options, **settings)


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


def test_late_charges_of_another_account_do_not_open_a_closed_period(
    tmp_path: Path, dbt: Callable[..., Warehouse]
) -> None:
    periods = (
        "select strftime(BillingPeriodCreated, '%d %H'), BillingPeriodStatus, x_OpenAccounts"
        " from focus_1_4.billing_period where BillingPeriodStart = date '2026-01-01'"
    )
    december = usage(1, "a", "1", "INV-0").replace("2026-01-", "2025-12-")
    land(tmp_path, "studio", "invoice", "2026-01", "20260103T020000000000Z-dddddd", december)
    first = build(dbt, tmp_path, LOADS[0], usage(5, "a", "1"))
    assert first.rows(periods) == [("03 02", "Closed", 0)]

    # an estimate of studio lands late; the invoice of acme is landed again, which changes no time of creation
    estimate = usage(15, "a", "2", invoice="")
    land(tmp_path, "studio", "estimate", "2026-01-15", "20260210T020000000000Z-eeeeee", estimate)
    late = build(dbt, tmp_path, LOADS[1], usage(5, "a", "1"))
    assert late.rows(periods) == [("03 02", "Closed", 1)]
    assert "WARN=0" in late.output


def test_an_estimate_adds_no_line_to_a_landed_invoice(tmp_path: Path, dbt: Callable[..., Warehouse]) -> None:
    """The landed invoice has a credit alone, so the estimates of the month count."""
    credit = usage(5, "a", "-7").replace(",Usage,", ",Credit,")
    for day, invoice in ((15, "INV-1"), (16, "INV-2")):
        row = usage(day, "a", "2", invoice)
        land(tmp_path, "acme", "estimate", f"2026-01-{day}", f"202601{day}T020000000000Z-dddddd", row)
    built = build(dbt, tmp_path, LOADS[0], credit)
    charges = (
        "select InvoiceId, InvoiceDetailId is null, x_ProviderColumns from focus_1_4.cost_and_usage"
        " where x_ChargeSource = 'estimate' order by ChargePeriodStart"
    )
    assert built.rows(charges) == [(None, True, '{"InvoiceId":"INV-1"}'), ("INV-2", False, None)]
    lines = "select InvoiceId, InvoiceIssueStatus, BilledCost from focus_1_4.invoice_detail order by all"
    assert built.rows(lines) == [("INV-1", "Issued", Decimal(-7)), ("INV-2", "Open", Decimal(2))]
    assert "WARN=0" in built.output


def test_an_id_of_a_billing_account_in_the_seed_changes_no_id_of_a_line(
    tmp_path: Path, dbt: Callable[..., Warehouse]
) -> None:
    lines = "select BillingAccountId, InvoiceDetailId from focus_1_4.invoice_detail"
    before = build(dbt, tmp_path, LOADS[0], usage(5, "a", "1")).rows(lines)
    project = tmp_path / "project"
    copy_project(project)
    seed = project / "seeds" / "fal_accounts.csv"
    seed.write_text(seed.read_text().replace("fal-acme", "renamed"))
    options = ("--project-dir", str(project))
    after = build(dbt, tmp_path, LOADS[1], usage(5, "a", "1"), options=options).rows(lines)
    assert [(account, id) for account, id in after] == [("renamed", id) for _, id in before]
