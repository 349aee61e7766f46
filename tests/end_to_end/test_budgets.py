"""Budgets, from the seed and landed files to the marts."""

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ONLY_NAMED_TESTS, Warehouse, copy_project
from tests.end_to_end.landing_zone import event, page, write_events

HEADER = "name,account,sub_account,product_line,model,tag,period,starts_on,ends_on,amount_usd,thresholds\n"
BUDGETS = """Month,acme,,,,,monthly,,,300,50;80;100
Year,acme,,,,,yearly,,,3650,
Apps,acme,,serverless,,,monthly,,,1,
Past,acme,,,,,,2025-01-01,2025-12-31,1,
"""
MISTAKES = """Twice,acme,,,,,monthly,,,1,
Twice,acme,,,,,yearly,,,1,
Backwards,acme,,,,,monthly,2026-02-01,2026-01-31,1,
Half,acme,,,,,,2026-02-01,,1,
Nothing,acme,,,,,monthly,,,0,
Words,acme,,,,,monthly,,,1,50;eighty
No value,acme,,,,Team,monthly,,,1,
Stranger,unknown,,,,,monthly,,,1,
A day,acme,,,,Project=a=b,monthly,2026-01-31,2026-01-31,0.01, 50 ;80.5;100
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, dbt: Callable[..., Warehouse]) -> Warehouse:
    """Budgets of 20 days of January that cost 10 USD each."""
    folder = tmp_path_factory.mktemp("budgets")
    for day in range(1, 21):
        day_of_usage = f"2026-01-{day:02}"
        usage = event(
            f"r{day}",
            timestamp=json.dumps(f"{day_of_usage}T12:00:00Z"),
            unit_price="10",
            output_units="1",
            percent_discount="0",
            cost_estimate_nano_usd="10000000000",
        )
        write_events(folder / "landing", "acme", day_of_usage, [page(usage)])
    copy_project(folder / "project")
    (folder / "project" / "seeds" / "fal_budgets.csv").write_text(HEADER + BUDGETS)
    selected = ("+budget_status_ties_to_daily_cost", "+budget_thresholds", "warn_budgets_match_usage")
    return dbt(
        folder / "warehouse.duckdb",
        *("build", "--select", *selected, *ONLY_NAMED_TESTS, "--project-dir", str(folder / "project")),
        FAL_LANDING_DIR=folder / "landing",
    )


def test_a_budget_is_compared_with_the_expected_cost_of_its_whole_period(warehouse: Warehouse) -> None:
    # 20 of 31 days of the month and of 365 days of the year are over, and each day costs 10 USD
    columns = "name, period_ends_on, spent_cost, expected_cost, lower_cost, upper_cost, over_on, missing_days"
    assert warehouse.rows(f"select {columns}, status from finops.budget_status order by all") == [
        ("Apps", date(2026, 1, 31), Decimal(0), None, None, None, None, 0, "too few days"),
        (
            "Month",
            date(2026, 1, 31),
            *map(Decimal, (200, 310, 310, 310)),
            date(2026, 1, 31),
            0,
            "expected over",
        ),
        ("Year", date(2026, 12, 31), *map(Decimal, (200, 3650, 3650, 3650)), None, 0, "on track"),
    ]


def test_a_threshold_is_exceeded_on_a_past_day_or_a_coming_one(warehouse: Warehouse) -> None:
    thresholds = (
        "select threshold_percent, over_on, is_forecast from finops.budget_thresholds"
        " where name = 'Month' order by all"
    )
    assert warehouse.rows(thresholds) == [
        (Decimal(50), date(2026, 1, 16), False),
        (Decimal(80), date(2026, 1, 25), True),
        (Decimal(100), date(2026, 1, 31), True),
    ]


def test_a_budget_without_usage_or_period_is_a_warning_with_its_name(warehouse: Warehouse) -> None:
    _, _, warning = warehouse.output.partition("warn warn_budgets_match_usage: 2 rows\n")
    findings = sorted(line.strip() for line in warning.splitlines()[:2])
    assert findings[0].startswith("name Apps · finding no usage matches: check its")
    assert findings[1].startswith("name Past · finding it ends before the first known day")


def test_an_invalid_budget_is_one_line_with_the_reason(tmp_path: Path, dbt: Callable[..., Warehouse]) -> None:
    copy_project(tmp_path / "project")
    (tmp_path / "project" / "seeds" / "fal_budgets.csv").write_text(HEADER + MISTAKES)
    where = ("--project-dir", str(tmp_path / "project"))
    selected = ("--select", "fal_budgets", "fal_accounts", "budgets_are_valid", *ONLY_NAMED_TESTS)
    with pytest.raises(AssertionError) as failed:
        dbt(tmp_path / "w.duckdb", "build", *selected, *where)
    _, _, findings = str(failed.value).partition("fail budgets_are_valid: 7 rows\n")
    found = [line.strip() for line in findings.splitlines() if line.strip().startswith("name ")]
    assert {line.partition(":")[0] for line in found} == {
        "name Twice · finding its name is used more than once",
        "name Backwards · finding it ends before it begins",
        "name Half · finding it has neither a period nor two dates",
        "name Nothing · finding its amount_usd is not above 0",
        "name Words · finding its thresholds 50;eighty are not numbers",
        "name No value · finding its tag Team is not a key and a value",
        "name Stranger · finding its account is not in seeds/fal_accounts.csv",
    }
