"""Model APIs, Serverless and Compute of an account, from landed files to the marts."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Warehouse
from tests.end_to_end.landing_zone import (
    event,
    page,
    usage,
    usage_page,
    write_events,
    write_report,
    write_serverless_usage,
    write_snapshot,
)

HEADER = "ChargeCategory,ChargePeriodStart,ChargePeriodEnd,BilledCost,ServiceName,ResourceId,SkuId"


def report(day: str, *rows: str, until: str | None = None) -> tuple[bytes, int]:
    """Write a FOCUS CSV of days in January 2026, by default one. A row is its CSV from BilledCost on."""
    period = f"Usage,2026-01-{day}T00:00:00Z,2026-01-{until or f'{int(day) + 1:02}'}T00:00:00Z"
    return "\n".join([HEADER, *(f"{period},{row}" for row in rows), ""]).encode(), len(rows)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, dbt_build: Callable[[Path], Warehouse]) -> Warehouse:
    """The 5th has all feeds, the 6th serverless usage and an estimate, the 7th an estimate alone.

    The account shop has an invoice without the instances of its estimate, and mixed an invoice of a fee until
    the 7th in an open month. studio bought credits on 3 October, after fal stated its balance, and runs apps
    since the 1st.
    """
    landing = tmp_path_factory.mktemp("lines") / "landing"
    write_events(landing, "acme", "2026-01-05", [page(event())])
    apps = [
        usage(),
        usage(is_surge="true", unit_price="0.002", cost_total="6.48"),
        usage(environment="null", cost_total="1.5"),
        usage(app="null", cost_total="0.25"),
        # a repeat, at a smaller cost
        usage(cost_total="3"),
    ]
    write_serverless_usage(landing, "acme", "2026-01-05", [usage_page(d2026_01_05=apps)])
    write_serverless_usage(landing, "acme", "2026-01-06", [usage_page(d2026_01_06=[usage()])])
    rows = (
        "0.5,,,fal-ai/flux/dev",
        "9,fal Serverless,my-app,GPU-H100",
        "20,,i-1,type: gpu_1x_h100_sxm5 (my-app)",
        "7,,,mystery",
    )
    write_report(landing, "acme", "estimate", "2026-01-05", *report("05", *rows))
    write_report(landing, "acme", "estimate", "2026-01-06", *report("06", *rows))
    write_report(landing, "acme", "estimate", "2026-01-07", *report("07", *rows))
    write_report(landing, "shop", "estimate", "2026-01-05", *report("05", *rows[:3]))
    write_report(landing, "shop", "invoice", "2026-02", *report("05", *rows[:2]))
    write_events(landing, "mixed", "2026-01-05", [page(event(endpoint_id='"upscaler"'))])
    named = ("4,fal Serverless,,upscaler", "3,,,odd", "20,,i-1,type: gpu_1x_h100_sxm5")
    write_report(landing, "mixed", "estimate", "2026-01-05", *report("05", *named))
    write_report(landing, "mixed", "invoice", "2026-01", *report("05", "50,Platform fee,,", until="08"))
    write_serverless_usage(landing, "studio", "2026-10-01", [usage_page(d2026_10_01=[usage()])])
    for day in range(1, 6):
        used = event(timestamp=f'"2026-10-0{day}T09:30:00Z"', cost_estimate_nano_usd="1000000000")
        write_events(landing, "studio", f"2026-10-0{day}", [page(used)])
    balance = b'{"username": "studio", "credits": {"current_balance": 59.5, "currency": "USD"}}'
    write_snapshot(landing, "studio", "balance", "2026-10-03", [(balance, 1)])
    return dbt_build(landing)


def test_each_product_line_of_a_day_counts_from_its_own_feed(built: Warehouse) -> None:
    rows = built.rows(
        "select day(ChargePeriodStart), x_ProductLine, x_ChargeSource, sum(EffectiveCost)"
        " from focus.cost_and_usage where x_ChargeSource <> 'commitment' and x_Account = 'acme'"
        " group by all order by all"
    )
    assert rows == [
        (5, "compute", "estimate", Decimal(20)),
        (5, "model_apis", "billing_events", Decimal("0.0018")),
        (5, "serverless", "serverless_usage", Decimal("11.47")),
        (6, "compute", "estimate", Decimal(20)),
        (6, "model_apis", "estimate", Decimal("0.5")),
        (6, "serverless", "serverless_usage", Decimal("3.24")),
        (7, "compute", "estimate", Decimal(20)),
        (7, "model_apis", "estimate", Decimal("0.5")),
        (7, "serverless", "estimate", Decimal(9)),
        (7, "unattributed", "estimate", Decimal(7)),
    ]


def test_usage_without_a_product_line_is_set_aside_and_reported(built: Warehouse) -> None:
    assert built.rows(
        "select product_line, estimated_usage_usd, unattributed_usage_usd from"
        " (from finops.invoice_reconciliation union all from finops.product_line_reconciliation)"
        " where unattributed_usage_usd <> 0 order by all"
    ) == [
        ("all", Decimal(27), Decimal(3)),
        ("all", Decimal("109.5"), Decimal(14)),
        ("unattributed", Decimal(3), Decimal(3)),
        ("unattributed", Decimal(21), Decimal(14)),
    ]
    assert "WARN 2 warn_usage_has_a_product_line" in built.output
    assert (
        "account acme · first_day 2026-01-05 · last_day 2026-01-06 · unattributed_usage_usd 14"
        " · finding add a pattern to seeds/fal_product_lines.csv for SkuId mystery"
    ) in built.output
    # a fee of an invoice covers the day of this row, and can be something else
    assert (
        "account mixed · first_day 2026-01-05 · last_day 2026-01-05 · unattributed_usage_usd 3"
        " · finding add a pattern to seeds/fal_product_lines.csv for SkuId odd"
    ) in built.output


def test_usage_that_only_an_estimate_of_a_closed_month_has_is_reported(built: Warehouse) -> None:
    assert built.exact(
        "select sum(EffectiveCost) from focus.cost_and_usage where x_Account = 'shop'"
    ) == Decimal("9.5")
    assert "WARN 1 warn_closed_months_are_invoiced_whole" in built.output
    assert (
        "account shop · charge_month 2026-01-01 · product_line compute · days_not_invoiced 1"
        " · first_day 2026-01-05 · last_day 2026-01-05 · usage_not_invoiced_usd 20"
    ) in built.output


def test_usage_that_repeats_with_another_cost_counts_once_and_is_reported(built: Warehouse) -> None:
    assert "WARN 1 warn_serverless_usage_repeats_agree" in built.output
    assert built.rows(
        "select ResourceId, ResourceName, SkuPriceId, EffectiveCost from focus.cost_and_usage"
        " where x_ChargeSource = 'serverless_usage' and day(ChargePeriodStart) = 5 order by EffectiveCost"
    ) == [
        (None, None, "GPU-H100|0.001", Decimal("0.25")),
        ("my-app", None, "GPU-H100|0.001", Decimal("1.5")),
        ("my-app:main", "my-app", "GPU-H100|0.001", Decimal("3.24")),
        ("my-app:main", "my-app", "GPU-H100 surge|0.002", Decimal("6.48")),
    ]


def test_a_fee_of_an_invoice_removes_no_events_and_is_reported(built: Warehouse) -> None:
    assert built.rows(
        "select x_ChargeSource, sum(EffectiveCost) from focus.cost_and_usage where x_Account = 'mixed'"
        " group by all order by all"
    ) == [("billing_events", Decimal("0.0018")), ("estimate", Decimal(20)), ("invoice", Decimal(50))]
    assert "WARN 1 warn_invoiced_usage_has_a_product_line" in built.output
    assert (
        "first_day 2026-01-05 · last_day 2026-01-05 · unattributed_usage_usd 50 · finding unless it is a fee,"
        " add a pattern to seeds/fal_product_lines.csv for ServiceName Platform fee"
    ) in built.output


def test_days_to_come_that_a_fee_covers_need_no_estimate(built: Warehouse) -> None:
    assert "PASS warn_compute_has_estimates" in built.output


def test_an_id_of_another_line_than_its_service_is_reported(built: Warehouse) -> None:
    assert "WARN 1 warn_product_lines_agree_with_services" in built.output
    assert (
        "account mixed · charge_source estimate · id_or_name upscaler · product_line model_apis"
        " · service_name fal Serverless · product_line_of_service serverless · first_day 2026-01-05"
        " · last_day 2026-01-05 · usage_usd 4"
    ) in built.output


def test_credits_that_expire_without_days_of_serverless_usage_are_reported(built: Warehouse) -> None:
    assert "WARN 1 warn_expired_credits_have_serverless_usage" in built.output
    # 60 USD, of which the app used 3.24, and the events 1 each day
    assert (
        "account studio · contract_commitment_id studio-credits-2025-10 · first_day_missing 2026-10-02"
        " · last_day_missing 2026-10-04 · days_missing 3 · expired_usd 52.76"
    ) in built.output


def test_a_balance_before_a_purchase_of_its_day_agrees(built: Warehouse) -> None:
    assert built.rows(
        "select credit_at_start, credit_at_end, least_credit from intermediate.int_commitments__balances"
    ) == [(Decimal("109.76"), Decimal("108.76"), Decimal("58.76"))]
    assert "WARN 1 warn_credit_agrees_with_fal" not in built.output


def test_each_line_has_its_own_service(built: Warehouse) -> None:
    assert built.rows(
        "select distinct x_ProductLine, ServiceName, ServiceCategory, ServiceSubcategory"
        " from focus.cost_and_usage where x_ProductLine <> 'unattributed' order by all"
    ) == [
        ("compute", "fal Compute", "Compute", "Virtual Machines"),
        ("model_apis", "fal Model APIs", "AI and Machine Learning", "Generative AI"),
        ("serverless", "fal Serverless", "Compute", "Serverless Compute"),
    ]


def test_no_row_of_our_own_breaks_a_rule_of_focus(built: Warehouse) -> None:
    assert built.rows("select rule_id from focus.conformance_report where violations > 0") == []
    # rows of serverless usage have SkuPriceDetails
    checked = (
        "select min(rows_checked) > 0 from focus.conformance_report"
        " where rule_id = 'CAU-SkuPriceDetails-C-017-C'"
    )
    assert built.value(checked)
