"""Types of a bill: landed data of an account, its commitments, and rows of the marts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

ZERO = Decimal(0)
DAY = timedelta(days=1)
EVENTS, SERVERLESS, ESTIMATE, INVOICE = "billing_events", "serverless_usage", "estimate", "invoice"
MODEL_APIS, APPS, COMPUTE, UNATTRIBUTED = "model_apis", "serverless", "compute", "unattributed"

# ---------------------------------------------------------------- landed data and commitments


class Caller(NamedTuple):
    """Who made requests: the label and the id of a key, or a person, and the team."""

    auth_method: str | None = None
    api_key_id: str | None = None
    login_username: str | None = None
    team: str | None = None


@dataclass(frozen=True)
class Owner:
    """A line of seeds/fal_allocation."""

    tag_key: str
    tag_value: str
    auth_method: str | None = None
    api_key_id: str | None = None
    key_alias: str | None = None
    login_username: str | None = None
    team: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True)
class Event:
    """A billed request."""

    request_id: str
    endpoint_id: str
    timestamp: datetime
    output_units: Decimal | None
    unit_price: Decimal | None
    percent_discount: Decimal | None
    cost_nano_usd: Decimal
    cost_subtotal: Decimal | None = None
    auth_method: str | None = None
    api_key_id: str | None = None
    login_username: str | None = None
    team: str | None = None

    @property
    def caller(self) -> "Caller":
        return Caller(self.auth_method, self.api_key_id, self.login_username, self.team)

    @property
    def is_metered(self) -> bool:
        return self.output_units is not None and self.unit_price is not None


@dataclass(frozen=True)
class AppUsage:
    """Machine seconds of an app on a day. Apps can lack a name."""

    day: date
    app: str | None
    environment: str | None
    machine_type: str
    is_surge: bool
    quantity: Decimal
    unit_price: Decimal
    percent_discount: Decimal | None
    cost: Decimal

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it a charge of its own."""
        price = self.unit_price, self.percent_discount or ZERO, self.is_surge
        return (self.day, self.app, self.environment, self.machine_type, *price)


@dataclass(frozen=True)
class Record:
    """A row of a FOCUS CSV. Its name is unique in an account and lands as ChargeDescription."""

    name: str
    category: str
    charge_class: str | None
    start: datetime
    end: datetime
    billed: Decimal
    effective: Decimal | None = None
    resource: str | None = None
    sku: str | None = None
    unit: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    invoice_id: str | None = None
    contract_applied: str | None = None
    resource_name: str | None = None
    service: str | None = None
    sub_account_id: str | None = None
    sub_account_name: str | None = None

    @property
    def is_ordinary_usage(self) -> bool:
        return self.category == "Usage" and self.charge_class is None


@dataclass(frozen=True)
class Load:
    """One fetch of a partition: a UTC day of a feed, of a team, or a billing month of an invoice."""

    feed: str
    partition: str
    load_id: str
    rows: tuple[Any, ...]
    complete: bool = True
    team: str | None = None

    @property
    def place(self) -> tuple[str, str, str | None]:
        """Its partition, of which the latest load counts."""
        return self.feed, self.partition, self.team


@dataclass(frozen=True)
class Commitment:
    """A row of seeds/fal_contract_commitments."""

    id: str
    category: str
    payment: str
    amount: Decimal
    start: datetime
    end: datetime
    unit: str = "USD"
    pattern: str | None = None
    invoice_id: str | None = None
    opening: Decimal | None = None
    opened: date | None = None

    @property
    def drawable(self) -> Decimal:
        return self.amount if self.opening is None else self.opening

    @property
    def first_day(self) -> date:
        return self.start.date()

    @property
    def drawn_from(self) -> date:
        return self.opened or self.first_day

    @property
    def end_day(self) -> date:
        """First day after the period. A commitment is open on each day that its period touches."""
        return (self.end + DAY - timedelta(microseconds=1)).date()

    @property
    def days(self) -> list[date]:
        """Days on which the commitment is open."""
        return [self.drawn_from + n * DAY for n in range((self.end_day - self.drawn_from).days)]

    def clamp(self, amount: Decimal) -> Decimal:
        return min(max(amount, ZERO), self.drawable)


@dataclass(frozen=True)
class Seeds:
    """What the seeds say of all accounts.

    patterns: column, pattern and product line, in the order of priority.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    endpoints: frozenset[str] = frozenset()
    patterns: tuple[tuple[str, str, str], ...] = ()


@dataclass
class Account:
    """All loads of an account, including superseded loads, and its commitments.

    apps: what it runs on Serverless. endpoints: those in its latest snapshots of models. teams: usernames of
    the teams of an organization. owners: its lines of the allocation. Snapshots by day: aliases of keys by
    id, names of teams by username, and the balance in cents.
    """

    alias: str
    loads: list[Load] = field(default_factory=list)
    commitments: list[Commitment] = field(default_factory=list)
    apps: tuple[str | None, ...] = ()
    endpoints: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    owners: list[Owner] = field(default_factory=list)
    key_snapshots: dict[date, dict[str, str]] = field(default_factory=dict)
    team_snapshots: dict[date, dict[str, str]] = field(default_factory=dict)
    balances: dict[date, int] = field(default_factory=dict)


# ---------------------------------------------------------------- rows of the marts


class Element(NamedTuple):
    """An element of ContractApplied."""

    contract_id: str
    commitment_id: str
    cost: Decimal
    quantity: Decimal
    unit: str


def elements_of(contract_applied: str | None) -> tuple[Element, ...]:
    """Read the elements of a ContractApplied, in order."""
    if contract_applied is None:
        return ()
    elements = json.loads(contract_applied, parse_float=Decimal, parse_int=Decimal)["Elements"]
    return tuple(
        sorted(
            Element(
                element["ContractId"],
                element["ContractCommitmentId"],
                element["ContractCommitmentAppliedCost"],
                element["ContractCommitmentAppliedQuantity"],
                element["ContractCommitmentAppliedUnit"],
            )
            for element in elements
        )
    )


class Line(NamedTuple):
    """A row of focus.cost_and_usage. Rows of a CSV leave sku and the fields below it empty."""

    source: str
    start: datetime
    end: datetime
    effective: Decimal
    billed: Decimal
    billing_period_start: datetime
    status: str = "Estimated"
    category: str = "Usage"
    charge_class: str | None = None
    record: str | None = None
    invoice_id: str | None = None
    resource: str | None = None
    unit: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    auth_method: str | None = None
    applied: tuple[Element, ...] = ()
    product_line: str = UNATTRIBUTED
    api_key_id: str | None = None
    login_username: str | None = None
    sub_account_id: str | None = None
    sub_account_name: str | None = None
    sub_account_type: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    sku: str | None = None
    list_price: Decimal | None = None
    list_cost: Decimal | None = None
    contracted_cost: Decimal | None = None
    consumed: Decimal | None = None
    consumed_unit: str | None = None
    requests: int | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Identity of the charge."""
        prices = () if self.record else (self.sku, self.list_price, self.price, self.consumed_unit)
        caller = self.auth_method, self.api_key_id, self.login_username, self.sub_account_id
        return (self.source, self.record, self.start, self.resource, self.unit, *caller, *prices)

    @property
    def day(self) -> date:
        return self.start.date()

    @property
    def is_ordinary_usage(self) -> bool:
        return self.category == "Usage" and self.charge_class is None


class BurnDown(NamedTuple):
    """A row of finops.commitment_burn_down."""

    commitment_id: str
    day: date
    applied: Decimal
    applied_so_far: Decimal
    remaining: Decimal
    days_left: int
    daily_amount: Decimal
    runs_out_on: date | None
    expires_unused: Decimal


class Summary(NamedTuple):
    """A row of finops.commitment_summary."""

    commitment_id: str
    as_of: date
    status: str
    applied: Decimal
    remaining: Decimal
    daily_amount: Decimal | None
    runs_out_on: date | None
    expires_unused: Decimal | None
    fal_balance: Decimal | None
    fal_balance_on: date | None
    balance_difference: Decimal | None


class Month(NamedTuple):
    """A row of finops.invoice_reconciliation."""

    charge_month: date
    product_line: str
    status: str
    invoice_ids: str | None
    invoiced: Decimal | None
    events: Decimal | None
    serverless: Decimal | None
    estimated: Decimal | None
    set_aside: Decimal
    minus_events: Decimal | None
    minus_events_percent: Decimal | None
    minus_serverless: Decimal | None
    minus_serverless_percent: Decimal | None
    minus_estimates: Decimal | None
    minus_estimates_percent: Decimal | None
    credits: Decimal
    taxes: Decimal
    corrections: Decimal
    others: Decimal
    total: Decimal
    days_from_invoice: int
    days_from_events: int
    days_from_serverless: int
    days_from_estimate: int
    days_not_invoiced: int
    events_not_invoiced: Decimal
    serverless_not_invoiced: Decimal


@dataclass(frozen=True)
class Bill:
    """Expected rows of the marts for an account, in any order."""

    lines: list[Line]
    burn_down: list[BurnDown]
    summaries: list[Summary]
    months: list[Month]
