"""What report.html contains beside the digest, as read from a publication. Amounts are exact, in USD.

Cost is the effective cost of usage.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import duckdb

from report import bill_queries, queries
from report.digest import Anomaly, Commitment, Digest, read_digest, read_rows

DAYS = 400
# rows of the page: a year with 200 models has 73,000 days of models
DAY_ROWS = 75_000
OWNER_ROWS = 3_000
MODEL_ROWS = 2_000
CHARTED_COMMITMENTS = 8


@dataclass(frozen=True)
class Series:
    """The cost of a model on each of its days. is_kept: False for all other models of a product line."""

    account: str
    product_line: str
    is_kept: bool
    model_id: str | None
    model_name: str | None
    days: list[date]
    costs: list[Decimal]


@dataclass(frozen=True)
class Model:
    """A model in the month until the last day. last_cost: of the same days of the month before.

    is_kept: False for all others.
    """

    account: str
    product_line: str
    is_kept: bool
    model_id: str | None
    model_name: str | None
    cost: Decimal
    last_cost: Decimal
    requests: int | None


@dataclass(frozen=True)
class Owner:
    """A key and its tags with a model, in the same days as Model. is_kept: whether the model is known."""

    account: str
    is_kept: bool
    product_line: str | None
    model_id: str | None
    key: str | None
    key_name: str | None
    sub_account_name: str | None
    team: str | None
    cost_center: str | None
    project: str | None
    environment: str | None
    cost: Decimal
    last_cost: Decimal
    requests: int | None


@dataclass(frozen=True)
class ForecastDay:
    """A day of the forecast of an account, with an interval of 80 %."""

    account: str
    charge_date: date
    expected_cost: Decimal
    lower_cost: Decimal
    upper_cost: Decimal


@dataclass(frozen=True)
class Balance:
    """What remains of a commitment at the end of a day, in its unit and in percent."""

    account: str
    id: str
    day: date
    remaining_amount: Decimal
    remaining_percent: Decimal


@dataclass(frozen=True)
class Month:
    """A charge month: invoice against usage.

    usage_usd: of events, serverless usage and estimates, each for its product line. compared_usd: what the
    invoice has of the same lines. not_compared_usd: of the others.
    """

    account: str
    charge_month: date
    status: str
    usage_usd: Decimal | None
    compared_usd: Decimal | None
    difference_usd: Decimal | None
    not_compared_usd: Decimal | None
    credits_usd: Decimal | None
    taxes_usd: Decimal | None
    corrections_usd: Decimal | None
    other_charges_usd: Decimal | None
    invoiced_total_usd: Decimal | None
    days_not_invoiced: int
    invoice_ids: str | None
    last_updated_at: datetime | None


@dataclass(frozen=True)
class Rules:
    """The number of rules of a FOCUS version with a status."""

    focus_version: str
    status: str
    rules: int


@dataclass(frozen=True)
class Source:
    """The usage of an account that counts from a feed."""

    account: str
    charge_source: str
    first_day: date
    last_day: date
    cost: Decimal


@dataclass(frozen=True)
class Bill:
    """All of it. anomalies: of DAYS days; the digest has those of a week."""

    digest: Digest
    series: list[Series]
    models: list[Model]
    owners: list[Owner]
    forecasts: list[ForecastDay]
    anomalies: list[Anomaly]
    balances: list[Balance]
    months: list[Month]
    rules: list[Rules]
    sources: list[Source]


def read_bill(connection: duckdb.DuckDBPyConnection) -> Bill:
    """Read all accounts of a publication. Raises duckdb.Error if a mart differs from those of this version.

    The clock of the page is that of the publication, so that a publication has one page.
    """
    (published_at,) = connection.execute("select published_at from focus.publication").fetchone() or ()
    digest = read_digest(connection, (), published_at.date())
    names = [name for (name,) in connection.execute(queries.ACCOUNTS).fetchall()]
    charted = [commitment.id for commitment in select_charted(digest.commitments)]
    return Bill(
        digest=digest,
        series=read_rows(connection, bill_queries.SERIES, names, Series, days=DAYS, rows=DAY_ROWS),
        models=read_rows(connection, bill_queries.MODELS, names, Model, rows=MODEL_ROWS),
        owners=read_rows(connection, bill_queries.OWNERS, names, Owner, rows=OWNER_ROWS),
        forecasts=read_rows(connection, bill_queries.FORECASTS, names, ForecastDay),
        anomalies=read_rows(connection, queries.ANOMALIES, names, Anomaly, days=DAYS),
        balances=read_rows(connection, bill_queries.BURN_DOWN, names, Balance, commitments=charted),
        months=read_rows(connection, bill_queries.MONTHS, names, Month),
        rules=[Rules(*row) for row in connection.execute(bill_queries.RULES).fetchall()],
        sources=read_rows(connection, bill_queries.SOURCES, names, Source),
    )


def select_charted(commitments: Sequence[Commitment]) -> list[Commitment]:
    """Return the commitments of the burn-down chart: those that are running, and the next to end, first."""
    return list(commitments[:CHARTED_COMMITMENTS])
