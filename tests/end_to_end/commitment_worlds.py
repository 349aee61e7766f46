"""Random charges and commitments, a warehouse of them for the drawdown models, and the expected result."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

import duckdb

FIRST_DAY = date(2026, 1, 1)
DAYS = 30
ENDPOINTS = ("fal-ai/flux/dev", "fal-ai/flux/schnell", "fal-ai/kling-video/v2", "fal_ai/odd", "")
UNITS = ("Images", "Seconds")
ZERO = Decimal(0)


@dataclass(frozen=True)
class Commitment:
    """A row of seeds/fal_contract_commitments."""

    id: str
    account: str
    category: str
    payment: str
    amount: Decimal
    start: date
    end: date
    pattern: str | None = None
    unit: str | None = None
    opening: Decimal | None = None
    opened: date | None = None

    @property
    def drawable(self) -> Decimal:
        """Amount that can be applied."""
        return self.amount if self.opening is None else self.opening

    def covers(self, charge: "Charge") -> bool:
        """Whether the charge is in its scope, regardless of time."""
        in_unit = self.category == "Spend" or self.unit == charge.unit
        return (
            self.account == charge.account and in_unit and fnmatchcase(charge.endpoint, self.pattern or "*")
        )

    def is_open(self, day: date) -> bool:
        """Whether it is open on a day."""
        return (self.opened or self.start) <= day < self.end


@dataclass(frozen=True)
class Charge:
    """A Usage row that counts."""

    id: str
    account: str
    day: date
    endpoint: str
    unit: str
    quantity: Decimal
    price: Decimal
    effective: Decimal
    billed: Decimal
    source: str = "billing_events"

    @property
    def prepayable(self) -> Decimal:
        """Cost that prepaid commitments can pay."""
        if self.source != "invoice":
            return self.effective
        unbilled = self.effective - self.billed
        if self.effective >= 0:
            return min(max(unbilled, ZERO), self.effective)
        return max(min(unbilled, ZERO), self.effective)


@dataclass(frozen=True)
class Drawdown:
    """Expected amounts by (charge, commitment), in the unit of the commitment; never 0."""

    applied: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    def of(self, commitment: str) -> Decimal:
        """Sum the amounts of a commitment."""
        return sum((amount for (_, id), amount in self.applied.items() if id == commitment), ZERO)


def random_account(seed: str, account: str) -> tuple[list[Charge], list[Commitment]]:
    """Draw commitments that overlap or follow each other, and charges with corrections."""
    draw = random.Random(seed)
    commitments = []
    for number in range(draw.randrange(1, 7)):
        start = FIRST_DAY + timedelta(days=draw.randrange(-10, DAYS - 2))
        end = start + timedelta(days=draw.randrange(1, DAYS + 10))
        category = draw.choice(("Spend", "Spend", "Usage"))
        payment = "in_arrears" if category == "Usage" else draw.choice(("prepaid", "prepaid", "in_arrears"))
        amount = Decimal(draw.randrange(1, 40_000)) / 1000
        opened = (
            start + timedelta(days=draw.randrange(0, (end - start).days)) if draw.random() < 0.2 else None
        )
        commitments.append(
            Commitment(
                id=f"{account}-{number}",
                account=account,
                category=category,
                payment=payment,
                amount=amount,
                start=start,
                end=end,
                pattern=draw.choice((None, None, "fal-ai/*", "fal-ai/flux/*", "fal_ai/*", "*/dev")),
                unit=draw.choice(UNITS) if category == "Usage" else None,
                opening=amount * draw.randrange(0, 11) / 10 if opened else None,
                opened=opened,
            )
        )
    charges = []
    for number in range(draw.randrange(1, 60)):
        sign = draw.choice((1, 1, 1, 1, 1, -1))
        quantity = sign * Decimal(draw.randrange(0, 5000)) / 1000
        price = Decimal(draw.randrange(0, 3000)) / 1000
        source = draw.choice(("billing_events", "billing_events", "estimate", "invoice"))
        effective = quantity * price
        charges.append(
            Charge(
                id=f"{account}-c{draw.randrange(10**6):06}-{number}",
                account=account,
                day=FIRST_DAY + timedelta(days=draw.randrange(DAYS)),
                endpoint=draw.choice(ENDPOINTS),
                unit=draw.choice(UNITS),
                quantity=quantity,
                price=price,
                effective=effective,
                billed=effective * draw.choice((-1, 0, 1, 1, 2, 3)) / 2 if source == "invoice" else effective,
                source=source,
            )
        )
    return charges, commitments


def expected(charges: Iterable[Charge], commitments: Sequence[Commitment]) -> Drawdown:
    """Apply the rules charge by charge, which is slow and simple."""
    applied: dict[tuple[str, str], Decimal] = {}
    totals = {commitment.id: ZERO for commitment in commitments}

    def clamp(commitment: Commitment, amount: Decimal) -> Decimal:
        return min(max(amount, ZERO), commitment.drawable)

    def credits_of(charge: Charge) -> int:
        return sum(c.payment == "prepaid" and c.covers(charge) and c.is_open(charge.day) for c in commitments)

    for charge in sorted(charges, key=lambda c: (c.day, credits_of(c), c.endpoint, c.id)):
        left = charge.prepayable
        for commitment in sorted(commitments, key=lambda c: (c.end, c.start, c.amount, c.id)):
            if not (commitment.covers(charge) and commitment.is_open(charge.day)):
                continue
            counted = charge.quantity if commitment.category == "Usage" else charge.effective
            asked = left if commitment.payment == "prepaid" else counted
            before = clamp(commitment, totals[commitment.id])
            totals[commitment.id] += asked
            amount = clamp(commitment, totals[commitment.id]) - before
            if commitment.payment == "prepaid":
                left -= amount
            if amount:
                applied[charge.id, commitment.id] = amount
    return Drawdown(applied)


def write_warehouse(path: Path, charges: Sequence[Charge], commitments: Sequence[Commitment]) -> None:
    """Write the relations that the commitment models read, with these rows in order. All days have landed."""
    accounts = sorted({c.account for c in commitments} | {c.account for c in charges})
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for schema in ("seeds", "intermediate"):
            connection.execute(f"create schema if not exists {schema}")
        connection.execute(
            "create or replace table seeds.fal_contract_commitments (contract_id varchar,"
            " contract_commitment_id varchar, contract_commitment_type varchar,"
            " contract_commitment_category varchar, contract_commitment_description varchar,"
            " contract_commitment_cost decimal(38,18), contract_commitment_quantity decimal(38,9),"
            " contract_commitment_unit varchar, billing_currency varchar,"
            " contract_commitment_period_start varchar, contract_commitment_period_end varchar,"
            " account varchar, payment varchar, endpoint_pattern varchar, invoice_id varchar,"
            " opening_balance decimal(38,18), opening_balance_date varchar)"
        )
        insert(
            connection,
            f"insert into seeds.fal_contract_commitments values ({', '.join('?' * 17)})",
            [
                (
                    "contract",
                    c.id,
                    "Prepaid credits",
                    c.category,
                    c.id,
                    c.amount if c.category == "Spend" else None,
                    c.amount if c.category == "Usage" else None,
                    c.unit,
                    "USD",
                    str(c.start),
                    str(c.end),
                    c.account,
                    c.payment,
                    c.pattern,
                    None,
                    c.opening,
                    str(c.opened) if c.opened else None,
                )
                for c in commitments
            ],
        )
        connection.execute(
            "create or replace table intermediate.int_accounts__named (account varchar,"
            " billing_account_id varchar, billing_account_name varchar, billing_account_type varchar)"
        )
        insert(
            connection,
            "insert into intermediate.int_accounts__named values (?, ?, null, 'Account')",
            [(account, account) for account in accounts],
        )
        connection.execute(
            "create or replace table intermediate.int_charge_days__known as"
            f" select account, date '{FIRST_DAY - timedelta(days=10)}' + cast(n as integer) as charge_date,"
            " true as is_complete"
            " from intermediate.int_accounts__named, range(?) as days(n)",
            [DAYS + 10],
        )
        connection.execute(
            "create or replace table intermediate.int_charges__counted (x_ChargeId varchar,"
            " x_Account varchar, ChargePeriodStart timestamp, ResourceId varchar, SkuId varchar,"
            " PricingUnit varchar, PricingQuantity decimal(38,9), ContractedUnitPrice decimal(38,18),"
            " EffectiveCost decimal(38,18), BilledCost decimal(38,18), x_ChargeSource varchar,"
            " ChargeCategory varchar, ChargeClass varchar, InvoiceId varchar, ContractApplied varchar,"
            " x_ProductLine varchar)"
        )
        for feed, condition in (
            ("billing_events", "true"),
            ("serverless_usage", "false"),
            ("focus_reports", "false"),
        ):
            connection.execute(
                f"create or replace view intermediate.int_charges__from_{feed}"
                f" as from intermediate.int_charges__counted where {condition}"
            )
        rows = [
            (
                c.id,
                c.account,
                datetime.combine(c.day, time(), UTC),
                c.endpoint or None,
                c.unit,
                c.quantity,
                c.price,
                c.effective,
                c.billed,
                c.source,
            )
            for c in charges
        ]
        insert(
            connection,
            "insert into intermediate.int_charges__counted"
            " values (?, ?, ?, ?, null, ?, ?, ?, ?, ?, ?, 'Usage', null, null, null, 'model_apis')",
            rows,
        )


def insert(connection: duckdb.DuckDBPyConnection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows, if any, into a table."""
    if rows:
        connection.executemany(statement, rows)
