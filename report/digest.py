"""What the digest contains, as read from a publication. Amounts are exact, in USD unless they have a unit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal, TypeVar

import duckdb
import msgspec

from loaders.clock import list_days, split_runs
from report import queries
from report.publication import UnknownAccountError

Alert = Literal["anomaly", "budget", "stale"]
BREACHED = ("over", "expected over")
Row = TypeVar("Row")
WEEK = 7  # days of anomalies


@dataclass(frozen=True)
class AccountCost:
    """What an account costs. A cost is None if the days are not all known, or without a forecast.

    day_cost: of last_day, the last day that was over when it landed. month_cost: of its month until then.
    last_month_cost: of the same days of the month before. expected_cost: of forecast_month, with an interval
    of 80 %.
    """

    account: str
    last_day: date
    settled_until: date | None
    is_daily: bool
    day_cost: Decimal
    week_before_cost: Decimal | None
    month_cost: Decimal
    last_month_cost: Decimal | None
    forecast_month: date | None
    expected_cost: Decimal | None
    lower_cost: Decimal | None
    upper_cost: Decimal | None
    learned_days: int


@dataclass(frozen=True)
class Total:
    """The sums of all accounts. A sum is None if an account lacks it. Intervals have no sum."""

    day_cost: Decimal
    week_before_cost: Decimal | None
    month_cost: Decimal
    last_month_cost: Decimal | None
    expected_cost: Decimal | None


@dataclass(frozen=True)
class Budget:
    """A budget in its current period: a row of finops.budget_status. missing_days count as 0 USD."""

    name: str
    account: str
    period_starts_on: date
    period_ends_on: date
    amount_usd: Decimal
    spent_cost: Decimal
    expected_cost: Decimal | None
    lower_cost: Decimal | None
    upper_cost: Decimal | None
    spent_percent: Decimal | None
    time_percent: Decimal
    over_on: date | None
    last_known_on: date
    missing_days: int
    status: str


@dataclass(frozen=True)
class Contributor:
    """A model with a key that contributes to an anomaly."""

    model_id: str | None
    key: str | None
    key_name: str | None
    difference_cost: Decimal


@dataclass(frozen=True)
class Anomaly:
    """A row of finops.cost_anomalies. is_settled: False if the day can still cost more."""

    account: str
    charge_date: date
    is_settled: bool
    scope_type: str
    scope: str
    scope_name: str
    kind: str
    expected_cost: Decimal
    actual_cost: Decimal
    difference_cost: Decimal
    score: Decimal
    severity: str
    cause: str
    contributors: tuple[Contributor, ...]
    is_known: bool
    known_reason: str | None


@dataclass(frozen=True)
class PriceChange:
    """A change of a list price, or of the discount alone. change_cost: what it has cost since."""

    account: str
    model_id: str
    model_name: str
    unit: str
    is_discount: bool
    old_unit_price: Decimal
    new_unit_price: Decimal
    valid_from: date
    last_used_on: date
    change_cost: Decimal


@dataclass(frozen=True)
class Commitment:
    """A row of finops.commitment_summary: a credit (payment is prepaid) or a contract, in its unit.

    ends_on: the last day of the period.
    """

    account: str
    id: str
    payment: str
    status: str
    unit: str
    remaining_amount: Decimal
    committed_amount: Decimal
    daily_amount: Decimal | None
    runs_out_on: date | None
    expires_unused_amount: Decimal | None
    ends_on: date
    as_of: date


@dataclass(frozen=True)
class MissingDays:
    """Consecutive UTC days of an account that have not landed, or whose loads are not all there."""

    account: str
    first_day: date
    last_day: date

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.last_day - self.first_day).days + 1


@dataclass(frozen=True)
class Digest:
    """All of it. total: None without accounts. alerts: what --fail-on can test."""

    publication_id: str
    published_at: datetime
    today: date
    alerts: list[Alert]
    accounts: list[AccountCost]
    total: Total | None
    budgets: list[Budget]
    anomalies: list[Anomaly]
    price_changes: list[PriceChange]
    commitments: list[Commitment]
    missing_days: list[MissingDays]


def read_digest(connection: duckdb.DuckDBPyConnection, only: Sequence[str], today: date) -> Digest:
    """Read the digest of all accounts, or only of some. today: the UTC day of the clock.

    Raises UnknownAccountError, and duckdb.Error if a mart differs from those of this version.
    """
    ((publication_id, published_at),) = connection.execute("from focus.publication").fetchall()
    names = select_accounts([name for (name,) in connection.execute(queries.ACCOUNTS).fetchall()], only)
    accounts = read_rows(connection, queries.COSTS, names, AccountCost)
    budgets = read_rows(connection, queries.BUDGETS, names, Budget)
    anomalies = read_rows(connection, queries.ANOMALIES, names, Anomaly, days=WEEK)
    missing = find_missing_days(connection, accounts, today)
    alerts: dict[Alert, bool] = {
        "anomaly": any(not anomaly.is_known for anomaly in anomalies),
        "budget": any(budget.status in BREACHED for budget in budgets),
        "stale": bool(missing) or not accounts,
    }
    return Digest(
        publication_id=publication_id,
        published_at=published_at,
        today=today,
        alerts=[alert for alert, is_raised in alerts.items() if is_raised],
        accounts=accounts,
        total=add_up(accounts),
        budgets=budgets,
        anomalies=anomalies,
        price_changes=read_rows(connection, queries.PRICES, names, PriceChange),
        commitments=read_rows(connection, queries.COMMITMENTS, names, Commitment),
        missing_days=missing,
    )


def select_accounts(published: list[str], only: Sequence[str]) -> list[str]:
    """Return the accounts to show. Raises UnknownAccountError."""
    for name in only:
        if name not in published:
            known = ", ".join(published) or "none"
            raise UnknownAccountError(f"account {name} is not published: known accounts are {known}")
    return list(only) or published


def read_rows(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    accounts: list[str],
    kind: type[Row],
    **parameters: int | list[str],
) -> list[Row]:
    """Run a query for some accounts and return its rows as dataclasses, whose fields are its columns."""
    result = connection.execute(query, {"accounts": accounts, **parameters})
    columns = [name for name, *_ in result.description]
    if "contributors" in columns:
        return [kind(**read_contributors(zip(columns, row, strict=True))) for row in result.fetchall()]
    assert columns == [field.name for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass
    return [kind(*map(trim, row)) for row in result.fetchall()]


def read_contributors(row: Iterable[tuple[str, Any]]) -> Mapping[str, Any]:
    """Return a row of finops.cost_anomalies, with the JSON of its contributors as objects."""
    values = {name: trim(value) for name, value in row}
    return values | {
        "contributors": msgspec.json.decode(values["contributors"], type=tuple[Contributor, ...])
    }


def trim(value: Any) -> Any:  # noqa: ANN401  # a value of any column
    """Remove the zeros after the last decimal, also in a list; return any other value as it is."""
    if isinstance(value, list):
        return list(map(trim, value))
    if not isinstance(value, Decimal):
        return value
    text = f"{value:f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def add_up(accounts: list[AccountCost]) -> Total | None:
    """Return the sums of accounts. Forecasts of different months have no sum."""
    if not accounts:
        return None
    has_one_month = len({account.forecast_month for account in accounts}) == 1
    return Total(
        day_cost=sum((account.day_cost for account in accounts), Decimal()),
        week_before_cost=add(account.week_before_cost for account in accounts),
        month_cost=sum((account.month_cost for account in accounts), Decimal()),
        last_month_cost=add(account.last_month_cost for account in accounts),
        expected_cost=add(account.expected_cost for account in accounts) if has_one_month else None,
    )


def add(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum of amounts, or None if one of them is None."""
    known = list(amounts)
    return None if None in known else sum((amount for amount in known if amount is not None), Decimal())


def find_missing_days(
    connection: duckdb.DuckDBPyConnection, accounts: list[AccountCost], today: date
) -> list[MissingDays]:
    """Return the days without their loads, of each account until yesterday.

    An account with only invoices gets its days with the next one, so no day after the last is missing.
    """
    names = [account.account for account in accounts]
    gaps = connection.execute(queries.GAPS, {"accounts": names}).fetchall()
    days = {name: [day for _, day in found] for name, found in groupby(gaps, key=lambda gap: gap[0])}
    runs = []
    for account in accounts:
        missing = [day for day in days.get(account.account, []) if day <= account.last_day]
        if account.is_daily:
            missing += list_days(account.last_day + timedelta(days=1), today)
        runs += [MissingDays(account.account, run[0], run[-1]) for run in split_runs(missing)]
    return runs


def find_heads(anomalies: Sequence[Anomaly]) -> list[Anomaly]:
    """Return one anomaly for each cause; they are in the order of their amounts.

    A leaked key is an anomaly of the key, of its models, its team and its account. Anomalies of an account
    and day in one direction have the same cause if the first contributor of the smaller one contributes to
    the larger one. Of those that explain at least half of the amount, the narrowest scope is returned.
    """
    groups: list[list[Anomaly]] = []
    for anomaly in anomalies:
        for group in groups:
            if is_part(anomaly, group[0]):
                group.append(anomaly)
                break
        else:
            groups.append([anomaly])
    return [find_narrowest(group) for group in groups]


def is_part(anomaly: Anomaly, larger: Anomaly) -> bool:
    """Return whether an anomaly has the same cause as a larger one."""
    if (anomaly.account, anomaly.charge_date) != (larger.account, larger.charge_date):
        return False
    first = [(contributor.model_id, contributor.key) for contributor in anomaly.contributors[:1]]
    return (
        (anomaly.difference_cost > 0) == (larger.difference_cost > 0)
        and anomaly.is_known == larger.is_known
        and all(pair in [(one.model_id, one.key) for one in larger.contributors] for pair in first)
    )


def find_narrowest(group: list[Anomaly]) -> Anomaly:
    """Return the anomaly of the narrowest scope that explains at least half of the largest one."""
    scopes = ("key", "model", "team", "product_line", "account")
    explaining = [one for one in group if 2 * abs(one.difference_cost) >= abs(group[0].difference_cost)]
    return min(explaining, key=lambda one: scopes.index(one.scope_type))
