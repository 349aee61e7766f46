"""The SQL of the datasets. What a client sends is bound as a parameter, never a part of the SQL.

A row becomes JSON in DuckDB, so that no number is ever a float: the server joins texts.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

RECORD_NUMBER = "record_number"
EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
# the fields of a ColumnDefinition in FOCUS's document
COLUMN_DEFINITION = ("columnName", "dataType", "requirement", "nullable", "description", "category")
DECIMAL = re.compile(r"DECIMAL\(([0-9]+),([0-9]+)\)")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A view of the schema api, and the condition that each of its filters is.

    standard_fields: the fields of its records in FOCUS's document; the view has more.
    """

    name: str
    view: str
    filters: Mapping[str, str]
    standard_fields: frozenset[str]

    @property
    def relation(self) -> str:
        """The view, as SQL names it."""
        return f"api.{self.view}"


COST_AND_USAGE = Dataset(
    "CostAndUsage",
    "cost_and_usage_records",
    {
        "billingPeriodStart": "BillingPeriodStart >= ? at time zone 'UTC'",
        "billingPeriodEnd": "BillingPeriodStart < ? at time zone 'UTC'",
        "chargeCategory": "ChargeCategory = ?",
        "providerName": "ProviderName = ?",
        "serviceName": "ServiceName = ?",
        "serviceCategory": "ServiceCategory = ?",
        "region": "Region = ?",
        "resourceId": "ResourceId = ?",
        "subAccountId": "SubAccountId = ?",
        "billingCurrency": "BillingCurrency = ?",
    },
    frozenset(
        "AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd"
        " BillingPeriodStart CapacityReservationId ChargeCategory ChargeClass ChargeDescription"
        " ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId"
        " CommitmentDiscountName CommitmentDiscountQuantity CommitmentDiscountStatus CommitmentDiscountType"
        " CommitmentDiscountUnit ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice"
        " EffectiveCost InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingQuantity PricingUnit"
        " ProviderName PublisherName Region ResourceId ResourceName ResourceType ServiceCategory ServiceName"
        " ServiceSubcategory SkuId SkuPriceId SubAccountId SubAccountName Tags x_SplitCostAllocationMethod"
        " x_SplitCostAllocationPercentage".split()
    ),
)
CONTRACT_COMMITMENTS = Dataset(
    "ContractCommitment",
    "contract_commitment_records",
    {"commitmentDiscountId": "CommitmentDiscountId = ?", "billingAccountId": "BillingAccountId = ?"},
    frozenset(
        "BillingAccountId BillingAccountName CommitmentDescription CommitmentDiscountCategory"
        " CommitmentDiscountId CommitmentDiscountName CommitmentDiscountType CommitmentEndDate"
        " CommitmentRemainingQuantity CommitmentStartDate CommitmentTotalQuantity CommitmentUnit"
        " ProviderName".split()
    ),
)
DATASETS = {dataset.name: dataset for dataset in (COST_AND_USAGE, CONTRACT_COMMITMENTS)}


@dataclass(frozen=True)
class Selection:
    """Which rows: a condition in SQL, and what is bound to it."""

    condition: str
    bound: tuple[object, ...]


@dataclass(frozen=True)
class Recency:
    """How fresh billing periods are, by RFC 3339 and None if there are none, and whether all are complete."""

    last_updated: str | None
    is_complete: bool


def selection(
    dataset: Dataset, filters: Mapping[str, object], billing_accounts: frozenset[str] | None
) -> Selection:
    """The rows that all filters let through, of these billing accounts; None is every account."""
    conditions = [dataset.filters[name] for name in filters]
    bound = list(filters.values())
    if billing_accounts is not None:
        conditions.append(among("BillingAccountId", billing_accounts))
        bound += sorted(billing_accounts)
    return Selection(" and ".join(conditions) or "true", tuple(bound))


def among(column: str, values: Iterable[str]) -> str:
    """The condition that a column is one of so many values, to be bound."""
    return f"{column} in ({', '.join('?' for _ in values)})"


def count(cursor: duckdb.DuckDBPyConnection, dataset: Dataset, selected: Selection) -> int:
    """How many rows are selected."""
    query = f"select count(*) from {dataset.relation} where {selected.condition}"
    ((rows,),) = cursor.execute(query, selected.bound).fetchall()
    return rows


def record_numbers(
    cursor: duckdb.DuckDBPyConnection, dataset: Dataset, selected: Selection, after: int, most: int
) -> list[int]:
    """The next record numbers behind one, in the order of the publication: so many at most.

    This scan ends as soon as it has enough; only the rows between two numbers are then made into JSON.
    """
    numbers = cursor.execute(
        f"select {RECORD_NUMBER} from {dataset.relation} where {selected.condition} and {RECORD_NUMBER} > ?"
        f" order by {RECORD_NUMBER} limit ?",
        (*selected.bound, after, most),
    ).fetchall()
    return [number for (number,) in numbers]


def rows(
    cursor: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    selected: Selection,
    columns: Mapping[str, str],
    after: int,
    last: int,
) -> str:
    """The rows behind a record number up to another as JSON objects, with commas between them.

    columns: those to show, with their types.
    """
    made = cursor.execute(
        f"select {json_object(columns)} from {dataset.relation} where {selected.condition}"
        f" and {RECORD_NUMBER} > ? and {RECORD_NUMBER} <= ? order by {RECORD_NUMBER}",
        (*selected.bound, after, last),
    ).fetchall()
    return ",".join(row for (row,) in made)


def recency(
    cursor: duckdb.DuckDBPyConnection,
    start: datetime | None,
    end: datetime | None,
    billing_accounts: frozenset[str] | None,
) -> Recency:
    """How fresh the billing periods are that start within [start, end), of these billing accounts."""
    among_accounts, bound = "true", list[object]()
    if billing_accounts is not None:
        among_accounts = among("billing_account_id", billing_accounts)
        bound += sorted(billing_accounts)
    # a month that never landed between two that did is not complete either
    query = f"""
        with months as (
            select
                *,
                lead(billing_period_start) over (partition by account order by billing_period_start) as later
            from focus.recency
            where {among_accounts}
        ),
        asked as (
            select
                *,
                billing_period_start >= $start and billing_period_start < $end as is_asked,
                later > billing_period_end and billing_period_end < $end and later > $start as has_gap
            from months
        )
        select
            {rfc_3339("max(last_updated_at) filter (is_asked)")},
            coalesce(bool_and(is_complete) filter (is_asked), false) and not coalesce(bool_or(has_gap), false)
        from asked
    """.replace("$start", "cast(? as timestamptz) at time zone 'UTC'").replace(
        "$end", "cast(? as timestamptz) at time zone 'UTC'"
    )
    first, last = start or EVER[0], end or EVER[1]
    bound += [first, last, last, first]
    ((last_updated, is_complete),) = cursor.execute(query, bound).fetchall()
    return Recency(last_updated, is_complete)


def schema(
    cursor: duckdb.DuckDBPyConnection,
    types: Mapping[str, Mapping[str, str]],
    standard_fields: bool = False,
) -> dict[str, Any]:
    """The SchemaMetadata of the document: who made the data, and the columns of both datasets.

    types: the types of the columns, by view. standard_fields: leave out what FOCUS's document does not have.
    """
    generators = cursor.execute(
        "select dataset, focus_version, data_generator, data_generator_version"
        " from focus.data_generator order by dataset desc"
    ).fetchall()
    rows = cursor.execute(
        f"select dataset, {', '.join(COLUMN_DEFINITION)} from api.schema_columns"
        " order by dataset desc, column_position"
    ).fetchall()
    columns = []
    for name, *values in rows:
        dataset, column = DATASETS[name], dict(zip(COLUMN_DEFINITION, values, strict=True))
        if not standard_fields:
            columns.append(column | {"dataset": name} | digits(types[dataset.view][column["columnName"]]))
        elif column["columnName"] in dataset.standard_fields:
            columns.append(column)
    return {
        "focusVersion": generators[0][1],
        "dataGeneratorName": generators[0][2],
        "dataGeneratorVersion": generators[0][3],
        "columns": columns,
        "datasets": [dataset for dataset, *_ in generators],
    }


def digits(kind: str) -> dict[str, int]:
    """How many digits a number of a type has, and how many of them are decimals; nothing for another type."""
    if kind == "BIGINT":
        return {"numericPrecision": 19, "numericScale": 0}
    match = DECIMAL.fullmatch(kind)
    return {"numericPrecision": int(match[1]), "numericScale": int(match[2])} if match else {}


def json_object(columns: Mapping[str, str]) -> str:
    """A row as a JSON object, in SQL; a field that is null is absent."""
    fields = ", ".join(f"'\"{name}\":' || {json_value(name, kind)}" for name, kind in columns.items())
    return f"'{{' || concat_ws(',', {fields}) || '}}'"


def json_value(name: str, kind: str) -> str:
    """A column as a JSON value, in SQL, by its type.

    Numbers are exact, have no exponent and always a decimal point: readers that infer types, such as dlt,
    make a column of integers from a 0 without one.
    """
    column = f'"{name}"'
    if kind == "BIGINT" or kind.endswith(",0)"):
        return f"cast({column} as varchar) || '.0'"
    if kind.startswith("DECIMAL"):
        return f"regexp_replace(cast({column} as varchar), '([.][0-9]+?)0+$', '\\1')"
    if kind.startswith("TIMESTAMP"):
        return f"'\"' || {rfc_3339(column)} || '\"'"
    if kind == "VARCHAR":
        return f"cast(to_json({column}) as varchar)"
    return f"cast({column} as varchar)"  # JSON, BOOLEAN


def known_billing_accounts(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """The ids of the billing accounts that have a record."""
    rows = cursor.execute(
        f"select BillingAccountId from {COST_AND_USAGE.relation}"
        f" union select BillingAccountId from {CONTRACT_COMMITMENTS.relation} order by 1"
    ).fetchall()
    return [billing_account for (billing_account,) in rows if billing_account is not None]


def billing_accounts_of_alias(cursor: duckdb.DuckDBPyConnection, alias: str) -> list[str]:
    """The ids of the billing accounts that were loaded under an alias."""
    query = "select distinct billing_account_id from focus.recency where account = ? order by 1"
    return [billing_account for (billing_account,) in cursor.execute(query, [alias]).fetchall()]


def rfc_3339(time: str) -> str:
    """A UTC time, in SQL, to the microsecond if it has any."""
    return f"replace(cast(cast({time} as timestamp) as varchar), ' ', 'T') || 'Z'"
