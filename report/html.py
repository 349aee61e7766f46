"""Writes report.html: a publication on one page, which needs no network.

judgement.py has the top of the page, charts.py the charts, and templates/ the rest. The page computes sums
itself where a reader filters, from the rows of pack().
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, localcontext
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from publishing import PAGE, lock_publication, make_work_folder, move_files
from report.bill import Bill, DayCost, Owner, read_bill, select_charted
from report.charts import build_charts, read_vega
from report.digest import find_heads
from report.judgement import describe_anomaly, describe_rules, describe_state, list_notices, list_scopes
from report.page import format_amount, format_change, format_percent
from report.publication import DIGITS, open_publication

ANOMALIES_SHOWN = 8  # as sentences; the table has as many rows as ANOMALY_ROWS
ANOMALY_ROWS = 200
TEMPLATES = Path(__file__).parent / "templates"
OWNER_COLUMNS = ("account", "model", "key", "team", "sub_account", "cost_center", "project", "environment")


def write_report(database: Path, file: Path) -> None:
    """Write the page of a published database. Raises ReportError, OSError and what its libraries raise."""
    with localcontext(prec=DIGITS), open_publication(database) as connection:
        file.write_text(render(read_bill(connection)), encoding="utf-8")


def replace_report(database: Path) -> Path:
    """Write the page beside a published database again, and return its path. Raises as write_report does."""
    with lock_publication(database.parent), make_work_folder(database.parent) as work:
        write_report(database, work / PAGE)
        move_files(work, database.parent)
    return database.with_name(PAGE)


def render(bill: Bill) -> str:
    """Return the page as HTML. Names are data: the template escapes them, and so does its JSON."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters |= {
        "amount": format_amount,
        "exact": lambda amount: f"{amount:f}",
        "percent": format_percent,
    }
    environment.globals |= {"format_change": format_change, "describe_state": describe_state}
    environment.globals |= {"describe_rules": describe_rules}
    style = read_template("report.css")
    scripts = [read_vega(), read_template("report.js")]
    return environment.get_template("report.html").render(
        bill=bill,
        digest=bill.digest,
        scopes=list_scopes(bill),
        notices=list_notices(bill),
        anomalies=[(head, describe_anomaly(head)) for head in find_heads(bill.anomalies)][:ANOMALY_ROWS],
        shown=ANOMALIES_SHOWN,
        policy=build_policy(style, scripts),
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        data=pack(bill),
        charts=build_charts(),
    )


def read_template(name: str) -> str:
    """Return a file of templates/ that the page contains as it is."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def build_policy(style: str, scripts: Iterable[str]) -> str:
    """Return a Content-Security-Policy without network, in which only the page's own scripts run."""
    allowed = " ".join(hash_source(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {hash_source(style)};"
        " connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def hash_source(text: str) -> str:
    """Return the hash of a script or style as a source of a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def pack(bill: Bill) -> dict[str, Any]:
    """Return the rows that the page filters. Amounts are decimal strings, and names are texts.

    A series has the costs of a model from its first day to its last, separated by spaces.
    """
    models = list_models(bill)
    places = {key: place for place, key in enumerate(models)}
    return {
        "accounts": [
            {
                "name": account.account,
                "last_day": str(account.last_day),
                "compares": account.last_month_cost is not None,
            }
            for account in bill.digest.accounts
        ],
        "models": [
            {"id": model or "", "line": line or "", "name": name}
            for (line, model, _), name in models.items()
        ],
        "series": pack_series(bill.days, places),
        "month": [
            [one.account, places[one.product_line, one.model_id, True], *pack_costs(one)]
            for one in bill.models
        ],
        "owners": pack_owners(bill.owners, places),
        "forecasts": [
            [
                *(one.account, one.product_line or "", str(one.charge_date)),
                *(f"{amount:f}" for amount in (one.expected_cost, one.lower_cost, one.upper_cost)),
            ]
            for one in bill.forecasts
        ],
        "anomalies": [
            {
                "account": head.account,
                "day": str(head.charge_date),
                "model": head.scope if head.scope_type == "model" else "",
                "text": describe_anomaly(head),
            }
            for head in find_heads(bill.anomalies)
        ],
        "budgets": [pack_budget(budget) for budget in bill.digest.budgets],
        "commitments": pack_commitments(bill),
    } | {"first_day": str(min((day.charge_date for day in bill.days), default=""))}


def list_models(bill: Bill) -> dict[tuple[str | None, str | None, bool], str]:
    """Return the name of each model by its product line, id, and whether it is kept, the costliest first."""
    models: dict[tuple[str | None, str | None, bool], str] = {}
    for one in (*bill.models, *bill.days, *bill.owners):
        is_kept = getattr(one, "is_kept", True)
        name = getattr(one, "model_name", None) or one.model_id or "no model"
        models.setdefault((one.product_line, one.model_id, is_kept), name if is_kept else "all others")
    names = Counter(models.values())
    return {
        key: key[1] if names[name] > 1 and key[1] and key[2] else name for key, name in models.items()
    }


def pack_series(
    days: Iterable[DayCost], places: dict[tuple[str | None, str | None, bool], int]
) -> list[list[Any]]:
    """Return account, place of the model, first day and costs of each model."""
    series = []
    for (account, *model), found in groupby(
        days, key=lambda day: (day.account, day.product_line, day.model_id, day.is_kept)
    ):
        costs = {day.charge_date.toordinal(): day.cost for day in found}
        first, last = min(costs), max(costs)
        texts = (f"{costs[day]:f}" if day in costs else "" for day in range(first, last + 1))
        line, model_id, is_kept = model
        place = places[line, model_id, is_kept]  # type: ignore[index]  # types of a group
        series.append([account, place, str(date.fromordinal(first)), " ".join(texts)])
    return series


def pack_costs(one: Any) -> list[Any]:  # noqa: ANN401  # a Model or an Owner
    """Return cost, cost last month and requests."""
    return [f"{one.cost:f}", f"{one.last_cost:f}", one.requests]


def pack_owners(
    owners: Iterable[Owner], places: dict[tuple[str | None, str | None, bool], int]
) -> dict[str, list[Any]]:
    """Return the names of owners, and rows whose names are places among them. The place of null is -1."""
    names: dict[str, int] = {}
    rows = []
    for one in owners:
        texts = (one.account, one.key, one.team, one.sub_account_name)
        tags = (one.cost_center, one.project, one.environment)
        account, key, *others = (
            -1 if text is None else names.setdefault(text, len(names)) for text in (*texts, *tags)
        )
        model = places[one.product_line, one.model_id, one.is_kept]
        rows.append([account, model, key, *others, *pack_costs(one)])
    labels = {one.key: one.key_name for one in owners if one.key and one.key_name and one.key != one.key_name}
    return {
        "columns": list(OWNER_COLUMNS),
        "names": list(names),
        "rows": rows,
        "labels": [labels.get(name, "") for name in names],
    }


def pack_budget(budget: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the shares of a budget, which only the chart shows."""

    def share(amount: Decimal | None) -> float | None:
        return None if amount is None else float(round(100 * amount / budget.amount_usd, 2))

    levels = {"over": "bad", "expected over": "bad", "at risk": "warn"}
    return {
        "account": budget.account,
        "name": budget.name,
        "level": levels.get(budget.status, "good"),
        "spent": share(budget.spent_cost),
        "expected": share(budget.expected_cost),
        "lower": share(budget.lower_cost),
        "upper": share(budget.upper_cost),
        "tip": f"{budget.name}\n{format_amount(budget.spent_cost)} of {format_amount(budget.amount_usd)} USD"
        f" ({format_percent(budget.spent_percent)})\nExpected {format_amount(budget.expected_cost)}\n"
        f"{describe_state(budget)}",
    }


def pack_commitments(bill: Bill) -> list[dict[str, Any]]:
    """Return the balances of the commitments of the chart, by their last day."""
    packed = []
    for one in select_charted(bill.digest.commitments):
        found = [row for row in bill.balances if (row.account, row.id) == (one.account, one.id)]
        if not found:
            continue
        unused = one.expires_unused_amount or Decimal()
        packed.append(
            {
                "account": one.account,
                "id": one.id,
                "unit": one.unit,
                "first": str(found[0].day),
                "amounts": " ".join(f"{row.remaining_amount:f}" for row in found),
                "percents": [float(row.remaining_percent) for row in found],
                "is_running": one.status == "running",
                "end": str(one.runs_out_on or one.ends_on),
                "rest": 0.0 if one.runs_out_on else float(round(100 * unused / one.committed_amount, 2)),
            }
        )
    return packed
