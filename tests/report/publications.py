"""Small publications, whose tables have the columns of the marts' contracts."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import duckdb
import yaml

ROOT = Path(__file__).parents[2]
MARTS = {
    "budget_status": "marts/finops/budget_status.yml",
    "commitment_burn_down": "marts/finops/commitment_burn_down.yml",
    "commitment_summary": "marts/finops/commitment_summary.yml",
    "conformance_report": "conformance/conformance_report.yml",
    "cost_anomalies": "marts/finops/anomalies/cost_anomalies.yml",
    "cost_forecast": "marts/finops/cost_forecast.yml",
    "daily_cost": "marts/finops/daily_cost.yml",
    "invoice_reconciliation": "marts/finops/invoice_reconciliation.yml",
    "landed_days": "marts/finops/landed_days.yml",
    "model_prices": "marts/finops/prices/model_prices.yml",
    "product_line_reconciliation": "marts/finops/invoice_reconciliation.yml",
    "recency": "marts/focus/recency.yml",
}
IN_FOCUS = ("conformance_report", "recency")
DEFAULTS: dict[str, dict[str, object]] = {
    "budget_status": {
        "account": "acme",
        "period": "monthly",
        "period_starts_on": "2026-03-01",
        "period_ends_on": "2026-03-31",
        "is_latest": True,
        "amount_usd": 100,
        "spent_cost": 0,
        "spent_percent": 0,
        "time_percent": 50,
        "last_known_on": "2026-03-10",
        "missing_days": 0,
        "status": "on track",
    },
    "commitment_summary": {
        "account": "acme",
        "payment": "prepaid",
        "period_start": "2026-01-01",
        "period_end": "2027-01-01",
        "as_of": "2026-03-11",
        "status": "running",
        "unit": "USD",
        "committed_amount": 100,
        "remaining_amount": 50,
        "expires_unused_amount": 0,
    },
    "commitment_burn_down": {
        "account": "acme",
        "unit": "USD",
        "committed_amount": 100,
        "remaining_amount": 50,
    },
    "conformance_report": {"focus_version": "1.3", "status": "passed"},
    "cost_anomalies": {
        "account": "acme",
        "charge_date": "2026-03-05",
        "is_settled": True,
        "scope_type": "account",
        "scope": "acme",
        "scope_name": "acme",
        "kind": "sudden",
        "expected_cost": 20,
        "actual_cost": 120,
        "difference_cost": 100,
        "score": 9,
        "severity": "medium",
        "cause": "volume",
        "contributors": "[]",
        "is_known": False,
    },
    "cost_forecast": {
        "account": "acme",
        "scope_type": "account",
        "scope": "acme",
        "charge_month": "2026-03-01",
        "as_of": "2026-03-07",
        "learned_days": 60,
        "status": "forecast",
    },
    "daily_cost": {
        "account": "acme",
        "charge_category": "Usage",
        "charge_source": "billing_events",
        "effective_cost": 0,
        "product_line": "model_apis",
    },
    "invoice_reconciliation": {
        "account": "acme",
        "product_line": "all",
        "status": "open",
        "invoiced_total_usd": 0,
        "days_not_invoiced": 0,
    },
    "landed_days": {
        "account": "acme",
        "has_load": True,
        "is_known": True,
        "is_over": True,
        "is_settled": True,
    },
    "model_prices": {
        "account": "acme",
        "product_line": "model_apis",
        "model_id": "m",
        "model_name": "M",
        "unit": "Images",
        "price_source": "billed",
        "valid_from": "2026-03-02",
        "last_used_on": "2026-03-10",
    },
}
DEFAULTS["product_line_reconciliation"] = DEFAULTS["invoice_reconciliation"]
DEFAULTS["recency"] = {"account": "acme", "is_complete": False}
Rows = Mapping[str, Iterable[Mapping[str, object]]]


@cache
def read_columns(mart: str) -> dict[str, str]:
    """Return the types by column of a mart's contract, as DuckDB has them."""
    models = yaml.safe_load((ROOT / "models" / MARTS[mart]).read_text())["models"]
    (model,) = (model for model in models if model["name"] == mart)
    types = {column["name"]: column["data_type"] for column in model["columns"]}
    return {name: "timestamp" if "timestamp" in kind else kind for name, kind in types.items()}


def publish_rows(folder: Path, rows: Rows, leave_out: str = "") -> Path:
    """Write a publication with rows of marts, without one of them. Return the database."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "fal_focus.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema focus; create schema finops")
        connection.execute(
            "create table focus.publication as select 'p' as publication_id,"
            " timestamp '2026-03-11 06:00:00' as published_at"
        )
        for mart in MARTS.keys() - {leave_out}:
            columns = read_columns(mart)
            declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            schema = "focus" if mart in IN_FOCUS else "finops"
            connection.execute(f"create table {schema}.{mart} ({declared})")
            for row in rows.get(mart, ()):
                values = DEFAULTS[mart] | row
                names = ", ".join(values)
                marks = ", ".join("?" * len(values))
                connection.execute(
                    f"insert into {schema}.{mart} ({names}) values ({marks})", [*values.values()]
                )
    return database


def list_days(account: str, first: str, last: str, settled: str = "") -> list[dict[str, object]]:
    """Return rows of finops.landed_days from a day to another, settled until a third one."""
    day, rows = date.fromisoformat(first), []
    while day <= date.fromisoformat(last):
        is_settled = day.isoformat() <= (settled or last)
        rows.append({"account": account, "charge_date": day, "is_settled": is_settled})
        day += timedelta(days=1)
    return rows


def contributors(*rows: tuple[str, str | None, float]) -> str:
    """Return contributors as finops.cost_anomalies has them: model, key, difference in USD."""
    return json.dumps(
        [
            {"model_id": model, "key": key, "key_name": key, "difference_cost": cost}
            for model, key, cost in rows
        ]
    )
