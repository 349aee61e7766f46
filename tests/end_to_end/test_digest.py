"""The digest of the published sample has the amounts of its marts."""

import json
import re
import sys
from decimal import Decimal
from typing import Any

import pytest

from report.publication import NEEDED
from tests.end_to_end.conftest import ROOT, Warehouse, run


def read_report(sample: Warehouse, *arguments: str) -> str:
    """Return the output of python -m report on the publication of the sample."""
    command = [sys.executable, "-m", "report", *arguments]
    done = run(command, FAL_PUBLISH_DIR=sample.path.with_suffix(".published"))
    assert done.code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def digest(sample: Warehouse) -> dict[str, Any]:
    """The digest as JSON."""
    parsed: dict[str, Any] = json.loads(read_report(sample, "--format", "json"), parse_float=Decimal)
    return parsed


@pytest.mark.parametrize(
    ("part", "columns", "query"),
    [
        (
            "accounts",
            ("account", "last_day", "day_cost", "month_cost"),
            """
            select
                account,
                last_day::varchar,
                sum(effective_cost) filter (charge_date = last_day),
                sum(effective_cost) filter (
                    charge_month = date_trunc('month', last_day) and charge_date <= last_day
                )
            from finops.daily_cost
            inner join (
                select account, max(charge_date) as last_day
                from finops.landed_days
                where is_over
                group by all
            ) using (account)
            where charge_category = 'Usage'
            group by all
            order by account
            """,
        ),
        (
            "accounts",
            ("account", "forecast_month", "expected_cost", "lower_cost", "upper_cost"),
            """
            select distinct account, '2026-10-01', month_expected_cost, month_lower_cost, month_upper_cost
            from finops.cost_forecast
            where scope_type = 'account' and charge_month = '2026-10-01'
            order by account
            """,
        ),
        (
            "budgets",
            ("name", "amount_usd", "spent_cost", "expected_cost", "spent_percent", "over_on", "status"),
            """
            select name, amount_usd, spent_cost, expected_cost, spent_percent, over_on::varchar, status
            from finops.budget_status
            where is_latest
            order by name
            """,
        ),
        (
            "anomalies",
            (
                "account",
                "scope_type",
                "scope",
                "charge_date",
                "actual_cost",
                "expected_cost",
                "score",
                "cause",
            ),
            """
            select account, scope_type, scope, charge_date::varchar, actual_cost, expected_cost, score, cause
            from finops.cost_anomalies
            where charge_date > '2026-10-03'
            order by account, scope_type, scope, charge_date
            """,
        ),
        (
            "price_changes",
            ("model_name", "unit", "old_unit_price", "new_unit_price", "change_cost"),
            """
            select model_name, unit, previous_list_unit_price, list_unit_price, sum(change_cost)
            from finops.model_prices
            where price_source = 'billed' and previous_list_unit_price <> list_unit_price
            group by all
            order by model_name, unit
            """,
        ),
        (
            "commitments",
            ("id", "status", "remaining_amount", "committed_amount", "runs_out_on", "expires_unused_amount"),
            """
            select
                contract_commitment_id,
                status,
                remaining_amount,
                committed_amount,
                runs_out_on::varchar,
                expires_unused_amount
            from finops.commitment_summary
            where contract_commitment_id <> 'acme-credits-2026-09' -- used up more than 30 days ago
            order by contract_commitment_id
            """,
        ),
    ],
)
def test_each_part_of_the_digest_is_equal_to_its_mart(
    sample: Warehouse, digest: dict[str, Any], part: str, columns: tuple[str, ...], query: str
) -> None:
    shown = sorted(tuple(row[name] for name in columns) for row in digest[part])
    assert [tuple(map(repr_exact, row)) for row in shown] == [
        tuple(map(repr_exact, row)) for row in sample.rows(query)
    ]


def repr_exact(value: object) -> object:
    """Return an amount as its digits, so that 5 and 5.00 are equal; return any other value as it is."""
    return Decimal(f"{value:f}").normalize() if isinstance(value, (Decimal, int)) else value


def test_the_same_days_of_last_month_are_compared(sample: Warehouse, digest: dict[str, Any]) -> None:
    acme, studio = digest["accounts"]
    query = (
        "select sum(effective_cost) from finops.daily_cost where account = 'acme'"
        " and charge_category = 'Usage' and charge_date between '2026-09-01' and '2026-09-13'"
    )
    assert (acme["last_day"], acme["last_month_cost"]) == ("2026-10-13", sample.exact(query))
    assert studio["last_month_cost"] is None


def test_the_page_shows_the_rounded_amounts_of_the_marts(sample: Warehouse) -> None:
    page = read_report(sample)
    assert len(page.splitlines()) <= 25
    for query in (
        "select sum(effective_cost) from finops.daily_cost where charge_date = '2026-10-13'",
        "select min(remaining_amount) from finops.commitment_summary where unit = 'Seconds'",
    ):
        ((amount,),) = sample.rows(f"select format('{{:t,}}', ({query})::decimal(18, 2))")
        assert re.search(rf"(?<![\d.,]){re.escape(amount)}(?![\d.,])", page), amount


def test_exposures_name_the_marts_that_the_digest_and_the_page_read() -> None:
    text = (ROOT / "models" / "marts" / "exposures.yml").read_text()
    exposures = dict(re.findall(r"- name: (\w+)\n(.*?)(?=\n\n|\Z)", text, flags=re.DOTALL))
    marts = {name: set(re.findall(r"ref\('(\w+)'\)", exposures[name])) for name in ("digest", "page")}
    queries = (ROOT / "report" / "queries.py").read_text()
    assert marts["digest"] == set(re.findall(r"\bfinops\.(\w+)", queries))
    assert marts["page"] == {name.partition(".")[2] for name in NEEDED if name != "focus.publication"}
