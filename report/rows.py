"""The rows that report.html filters. Amounts are decimal strings, and names are texts.

The page adds them up itself, as integers. Only charts have floats.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from report.bill import Bill, ForecastDay, Model, Owner, Series, select_charted
from report.digest import Anomaly, Budget, find_heads
from report.judgement import describe_anomaly
from report.page import describe_state, format_amount, format_percent

OWNER_COLUMNS = ("account", "model", "key", "team", "sub_account", "cost_center", "project", "environment")
OTHERS = "all others"
# marks, embeddings, overrides and isolates, which would turn the text and the amounts after a name
DIRECTIONS = dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")
# product line, id, and False for all others
ModelKey = tuple[str | None, str | None, bool]


def pack(bill: Bill) -> dict[str, Any]:
    """Return the rows of the page, which refer to a model by its place."""
    models = name_models([*bill.models, *bill.series, *bill.owners])
    places = {key: place for place, key in enumerate(models)}
    accounts = bill.digest.accounts
    return {
        "until": str(max((one.last_day for one in accounts), default="")),
        "accounts": [{"name": one.account, "compares": one.last_month_cost is not None} for one in accounts],
        "models": [
            {"id": model_id or "", "line": line or "", "name": show_direction(name), "is_kept": is_kept}
            for (line, model_id, is_kept), name in models.items()
        ],
        "series": pack_series(bill.series, places),
        "month": [[one.account, places[find_key(one)], *pack_costs(one)] for one in bill.models],
        "owners": pack_owners(bill.owners, places),
        "forecasts": [pack_forecast(one) for one in bill.forecasts],
        "anomalies": [pack_anomaly(head) for head in find_heads(bill.anomalies)],
        "budgets": [pack_budget(budget) for budget in bill.digest.budgets],
        "commitments": pack_commitments(bill),
    }


def find_key(row: Series | Model | Owner) -> ModelKey:
    """Return the model of a row."""
    return row.product_line, row.model_id, row.is_kept


def name_models(rows: Iterable[Series | Model | Owner]) -> dict[ModelKey, str]:
    """Return the name of each model, in the order of the rows. Models with the same name have their ids."""
    models: dict[ModelKey, str] = {}
    for row in rows:
        name = None if isinstance(row, Owner) else row.model_name
        models.setdefault(find_key(row), (name or row.model_id or "no model") if row.is_kept else OTHERS)
    names = Counter(models.values())
    return {
        (line, model_id, is_kept): model_id if model_id and is_kept and names[name] > 1 else name
        for (line, model_id, is_kept), name in models.items()
    }


def show_direction(text: str) -> str:
    """Return a text with a replacement mark for each character that changes its direction."""
    return text.translate(DIRECTIONS)


def pack_series(series: Iterable[Series], places: Mapping[ModelKey, int]) -> list[list[Any]]:
    """Return account, place of the model, first day, and costs until the last day, separated by spaces."""
    packed = []
    for one in series:
        texts = [""] * ((one.days[-1] - one.days[0]).days + 1)
        for day, cost in zip(one.days, one.costs, strict=True):
            texts[(day - one.days[0]).days] = f"{cost:f}"
        packed.append([one.account, places[find_key(one)], str(one.days[0]), " ".join(texts)])
    return packed


def pack_costs(one: Model | Owner) -> list[Any]:
    """Return cost, cost last month and requests."""
    return [f"{one.cost:f}", f"{one.last_cost:f}", one.requests]


def pack_owners(owners: Sequence[Owner], places: Mapping[ModelKey, int]) -> dict[str, list[Any]]:
    """Return the names of owners, and rows whose names are places among them. The place of null is -1."""
    names: dict[str, int] = {}
    rows = []
    for one in owners:
        texts = (one.account, one.key, one.team, one.sub_account_name)
        tags = (one.cost_center, one.project, one.environment)
        account, key, *others = (
            -1 if text is None else names.setdefault(text, len(names)) for text in (*texts, *tags)
        )
        rows.append([account, places[find_key(one)], key, *others, *pack_costs(one)])
    labels = {one.key: one.key_name for one in owners if one.key and one.key_name and one.key != one.key_name}
    return {
        "columns": list(OWNER_COLUMNS),
        "names": list(names),
        "rows": rows,
        "labels": [labels.get(name, "") for name in names],
    }


def pack_forecast(day: ForecastDay) -> list[str]:
    """Return account, day, expected cost and the bounds of its interval."""
    amounts = (day.expected_cost, day.lower_cost, day.upper_cost)
    return [day.account, str(day.charge_date), *(f"{amount:f}" for amount in amounts)]


def pack_anomaly(anomaly: Anomaly) -> dict[str, Any]:
    """Return the mark of an anomaly. models: its own one, and the one that contributes most."""
    models = [one.model_id for one in anomaly.contributors[:1]]
    if anomaly.scope_type == "model":
        models.append(anomaly.scope)
    return {
        "account": anomaly.account,
        "day": str(anomaly.charge_date),
        "models": models,
        "text": show_direction(describe_anomaly(anomaly)),
    }


def pack_budget(budget: Budget) -> dict[str, Any]:
    """Return the shares of a budget, which only the chart shows."""

    def share(amount: Decimal | None) -> float | None:
        if amount is None or not budget.amount_usd:
            return None
        return float(round(100 * amount / budget.amount_usd, 2))

    levels = {"over": "bad", "expected over": "bad", "at risk": "warn"}
    return {
        "account": budget.account,
        "name": budget.name,
        "level": levels.get(budget.status, "good"),
        "spent": share(budget.spent_cost),
        "expected": share(budget.expected_cost),
        "lower": share(budget.lower_cost),
        "upper": share(budget.upper_cost),
        "tip": f"{show_direction(budget.name)}\n"
        f"{format_amount(budget.spent_cost)} of {format_amount(budget.amount_usd)} USD"
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
