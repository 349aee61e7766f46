"""The SQL of the datasets. Values from a client are bound as parameters, and are never part of the SQL.

DuckDB makes the JSON of a row, so that a number never becomes a float. The server only joins texts.
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
# the fields of a column in /schema that FOCUS's document lacks
OWN_FIELDS = ("dataset", "numericPrecision", "numericScale")
DECIMAL = re.compile(r"DECIMAL\(([0-9]+),([0-9]+)\)")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A view of the schema api, and the condition of each of its filters.

    standard_fields: the fields of its records in FOCUS's document. The view has more.
    """

    name: str
    view: str
    filters: Mapping[str, str]
    standard_fields: frozenset[str]

    @property
    def relation(self) -> str:
        """The name of the view in SQL."""
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
    """The rows to read: a condition in SQL, and the values bound to it."""

    condition: str
    bound: tuple[object, ...]


@dataclass(frozen=True)
class Recency:
    """When the data of billing periods last changed, and whether all periods are complete.

    last_updated: by RFC 3339; None without a period.
    """

    last_updated: str | None
    is_complete: bool


def read_publication_id(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the id of a publication. Raises duckdb.Error."""
    publication_id: str
    ((publication_id,),) = connection.execute("select publication_id from focus.publication").fetchall()
    return publication_id


def build_selection(
    dataset: Dataset, filters: Mapping[str, object], billing_accounts: frozenset[str] | None
) -> Selection:
    """Return the rows that pass all filters and belong to these billing accounts; None is every account."""
    conditions = [dataset.filters[name] for name in filters]
    bound = list(filters.values())
    if billing_accounts is not None:
        conditions.append(build_in("BillingAccountId", billing_accounts))
        bound += sorted(billing_accounts)
    return Selection(" and ".join(conditions) or "true", tuple(bound))


def build_in(column: str, values: Iterable[str]) -> str:
    """Return the condition that a column has one of these values, which the caller binds."""
    return f"{column} in ({', '.join('?' for _ in values)})"


def count_rows(cursor: duckdb.DuckDBPyConnection, dataset: Dataset, selection: Selection) -> int:
    """Return the number of selected rows."""
    query = f"select count(*) from {dataset.relation} where {selection.condition}"
    ((rows,),) = cursor.execute(query, selection.bound).fetchall()
    return int(rows)


def read_record_numbers(
    cursor: duckdb.DuckDBPyConnection, dataset: Dataset, selection: Selection, after: int, limit: int
) -> list[int]:
    """Return the record numbers that follow one, in the order of the publication.

    This scan ends once the limit is reached. Only the rows between two numbers are then made into JSON.
    """
    numbers = cursor.execute(
        f"select {RECORD_NUMBER} from {dataset.relation} where {selection.condition} and {RECORD_NUMBER} > ?"
        f" order by {RECORD_NUMBER} limit ?",
        (*selection.bound, after, limit),
    ).fetchall()
    return [number for (number,) in numbers]


def read_rows(
    cursor: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    selection: Selection,
    columns: Mapping[str, str],
    after: int,
    last: int,
) -> str:
    """Return the rows after a record number, up to another, as JSON objects with commas between them.

    columns: the columns to show, with their types.
    """
    rows = cursor.execute(
        f"select {build_json_object(columns)} from {dataset.relation} where {selection.condition}"
        f" and {RECORD_NUMBER} > ? and {RECORD_NUMBER} <= ? order by {RECORD_NUMBER}",
        (*selection.bound, after, last),
    ).fetchall()
    return ",".join(row for (row,) in rows)


def read_recency(
    cursor: duckdb.DuckDBPyConnection,
    start: datetime | None,
    end: datetime | None,
    billing_accounts: frozenset[str] | None,
) -> Recency:
    """Return the recency of the billing periods that start within [start, end), of these billing accounts."""
    of_accounts, bound = "true", list[object]()
    if billing_accounts is not None:
        of_accounts = build_in("billing_account_id", billing_accounts)
        bound += sorted(billing_accounts)
    # a month without loads between two months with loads is incomplete as well
    query = f"""
        with months as (
            select
                *,
                lead(billing_period_start) over (partition by account order by billing_period_start) as later
            from focus.recency
            where {of_accounts}
        ),
        requested as (
            select
                *,
                billing_period_start >= $start and billing_period_start < $end as is_requested,
                later > billing_period_end and billing_period_end < $end and later > $start as has_gap
            from months
        )
        select
            {format_rfc_3339("max(last_updated_at) filter (is_requested)")},
            coalesce(bool_and(is_complete) filter (is_requested), false)
                and not coalesce(bool_or(has_gap), false)
        from requested
    """.replace("$start", "cast(? as timestamptz) at time zone 'UTC'").replace(
        "$end", "cast(? as timestamptz) at time zone 'UTC'"
    )
    first, last = start or EVER[0], end or EVER[1]
    bound += [first, last, last, first]
    ((last_updated, is_complete),) = cursor.execute(query, bound).fetchall()
    return Recency(last_updated, is_complete)


def read_schema(
    cursor: duckdb.DuckDBPyConnection,
    types: Mapping[str, Mapping[str, str]],
    standard_fields: bool = False,
) -> dict[str, Any]:
    """Return the SchemaMetadata of the document: the data generator, and the columns of both datasets.

    types: the types of the columns, by view. standard_fields: leave out fields that FOCUS's document lacks.
    """
    rows = cursor.execute(
        f"select dataset, {', '.join(COLUMN_DEFINITION)} from api.schema_columns"
        " order by dataset desc, column_position"
    ).fetchall()
    columns = []
    for name, *values in rows:
        dataset, column = DATASETS[name], dict(zip(COLUMN_DEFINITION, values, strict=True))
        if not standard_fields:
            columns.append(
                column | {"dataset": name} | describe_digits(types[dataset.view][column["columnName"]])
            )
        elif column["columnName"] in dataset.standard_fields:
            columns.append(column)
    return build_schema(cursor, "1.3", columns)


def read_schema_1_4(cursor: duckdb.DuckDBPyConnection, standard_fields: bool = False) -> dict[str, Any]:
    """Return the SchemaMetadata of FOCUS 1.4: the data generator, and the columns of all exported files.

    standard_fields: leave out fields of a column that FOCUS's document lacks.
    """
    names = COLUMN_DEFINITION if standard_fields else (*COLUMN_DEFINITION, *OWN_FIELDS)
    rows = cursor.execute(
        f"select {', '.join(names)} from api.schema_columns_1_4"
        " order by dataset <> 'CostAndUsage', dataset, column_position"
    ).fetchall()
    columns = [dict(zip(names, values, strict=True)) for values in rows]
    # a column that is no number has no digits
    present = [{name: value for name, value in column.items() if value is not None} for column in columns]
    return build_schema(cursor, "1.4", present)


def build_schema(
    cursor: duckdb.DuckDBPyConnection, focus_version: str, columns: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the SchemaMetadata of a FOCUS version with these columns. CostAndUsage is its first dataset."""
    generators = cursor.execute(
        "select dataset, data_generator, data_generator_version from focus.data_generator"
        " where focus_version = ? order by dataset <> 'CostAndUsage', dataset",
        [focus_version],
    ).fetchall()
    _, name, version = generators[0]
    return {
        "focusVersion": focus_version,
        "dataGeneratorName": name,
        "dataGeneratorVersion": version,
        "columns": columns,
        "datasets": [dataset for dataset, *_ in generators],
    }


def has_focus_version(cursor: duckdb.DuckDBPyConnection, focus_version: str) -> bool:
    """Return whether a publication has the datasets of a FOCUS version."""
    query = "select dataset from focus.data_generator where focus_version = ?"
    return bool(cursor.execute(query, [focus_version]).fetchall())


def describe_digits(kind: str) -> dict[str, int]:
    """Return the precision and scale of a numeric type; empty for another type."""
    if kind == "BIGINT":
        return {"numericPrecision": 19, "numericScale": 0}
    match = DECIMAL.fullmatch(kind)
    return {"numericPrecision": int(match[1]), "numericScale": int(match[2])} if match else {}


def build_json_object(columns: Mapping[str, str]) -> str:
    """Return the SQL that makes a JSON object of a row. A null field is absent."""
    fields = ", ".join(f"'\"{name}\":' || {build_json_value(name, kind)}" for name, kind in columns.items())
    return f"'{{' || concat_ws(',', {fields}) || '}}'"


def build_json_value(name: str, kind: str) -> str:
    """Return the SQL that makes a JSON value of a column, by its type.

    Numbers are exact, without an exponent and with a decimal point. Readers that infer types, such as dlt,
    would make an integer column of a 0 without a point.
    """
    column = f'"{name}"'
    if kind == "BIGINT" or kind.endswith(",0)"):
        return f"cast({column} as varchar) || '.0'"
    if kind.startswith("DECIMAL"):
        return f"regexp_replace(cast({column} as varchar), '([.][0-9]+?)0+$', '\\1')"
    if kind.startswith("TIMESTAMP"):
        return f"'\"' || {format_rfc_3339(column)} || '\"'"
    if kind == "VARCHAR":
        return f"cast(to_json({column}) as varchar)"
    return f"cast({column} as varchar)"  # JSON, BOOLEAN


def list_billing_accounts(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the ids of the billing accounts that have records."""
    rows = cursor.execute(
        f"select BillingAccountId from {COST_AND_USAGE.relation}"
        f" union select BillingAccountId from {CONTRACT_COMMITMENTS.relation} order by 1"
    ).fetchall()
    return [billing_account for (billing_account,) in rows if billing_account is not None]


def list_billing_accounts_of_alias(cursor: duckdb.DuckDBPyConnection, alias: str) -> list[str]:
    """Return the ids of the billing accounts that were loaded under an alias."""
    query = "select distinct billing_account_id from focus.recency where account = ? order by 1"
    return [billing_account for (billing_account,) in cursor.execute(query, [alias]).fetchall()]


def format_rfc_3339(time: str) -> str:
    """Return the SQL of a UTC time by RFC 3339, to the microsecond if it has any."""
    return f"replace(cast(cast({time} as timestamp) as varchar), ' ', 'T') || 'Z'"
