"""The file of an export: rows of a publication, written as macros/operations/export.sql writes them."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import duckdb
import msgspec

from api.errors import invalid_parameter
from api.parameters import parse_date_time
from publishing import DuckDBConfig

# limits of one export, since the machine answers requests at the same time. Sorts beyond MEMORY use the disk
MEMORY = "1GB"
THREADS = 1
CHUNK = 1 << 20  # bytes

# by file suffix. A .json file has one object on each line, which is not application/json
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".json": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}

# a spreadsheet may execute a text as a formula if it begins with tab, LF, CR or one of = + - @. Spaces and
# invisible characters may precede the sign. The code points are the full-width forms of = + - @
FORMULA = r"^([\t\r\n]|[\p{C}\p{Z}]*[=+@\x{FF0B}\x{FF0D}\x{FF1D}\x{FF20}-])"

OPTIONS = {"csv": "format csv, header", "parquet": "format parquet", "json": "format json"}

# an export has the rows whose billing period starts within it, and the commitments that overlap it
OF_BILLING_PERIODS = """
    BillingPeriodStart >= cast($start as timestamptz) at time zone 'UTC'
    and BillingPeriodStart < cast($end as timestamptz) at time zone 'UTC'
"""
OF_COMMITMENTS = """
    cast($start as timestamptz) < cast($end as timestamptz)
    and ContractCommitmentPeriodStart < cast($end as timestamptz) at time zone 'UTC'
    and ContractCommitmentPeriodEnd > cast($start as timestamptz) at time zone 'UTC'
"""


@dataclass(frozen=True)
class ExportedMart:
    """A mart of an export.

    condition: the rows of a period. account: the column of the billing account. None if a row is about all
    accounts: a limited token gets no such row.
    """

    schema: str
    name: str
    condition: str
    account: str | None

    @property
    def relation(self) -> str:
        """The name of the mart in SQL."""
        return f"{self.schema}.{self.name}"

    @property
    def selection(self) -> str:
        """The rows of a period and of billing accounts, in SQL."""
        of_accounts = f" or list_contains(cast($billing_accounts as varchar[]), {self.account})"
        return f"{self.condition} and ($billing_accounts is null{of_accounts if self.account else ''})"


# by FOCUS version; the first one is in every export. macros/operations/export.sql gives files the same names
MARTS = {
    "1.3": (
        ExportedMart("focus", "cost_and_usage", OF_BILLING_PERIODS, "BillingAccountId"),
        ExportedMart("focus", "contract_commitment", OF_COMMITMENTS, "x_BillingAccountId"),
    ),
    "1.4": (
        ExportedMart("focus_1_4", "cost_and_usage", OF_BILLING_PERIODS, "BillingAccountId"),
        ExportedMart("focus_1_4", "contract_commitment", OF_COMMITMENTS, "x_BillingAccountId"),
        ExportedMart("focus_1_4", "billing_period", OF_BILLING_PERIODS, None),
        ExportedMart("focus_1_4", "invoice_detail", OF_BILLING_PERIODS, "BillingAccountId"),
    ),
}

ZonedTime = Annotated[datetime, msgspec.Meta(tz=True)]


class ExportRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The content of an export: the billing periods that start within [start, end).

    The export is empty if end is not after start, as a list of records is. Unknown fields are ignored, since
    the OpenAPI document allows them. csv_formula_escape: put an apostrophe before texts of a CSV that a
    spreadsheet would execute as formulas, and quotes around all texts.
    """

    billing_period_start: ZonedTime
    billing_period_end: ZonedTime
    format: Literal["csv", "parquet", "json"] = "csv"
    include_contract_commitments: bool = False
    csv_formula_escape: bool = False
    focus_version: Literal["1.3", "1.4"] = "1.3"

    @property
    def marts(self) -> tuple[ExportedMart, ...]:
        """The marts to export: cost and usage, with contract commitments all marts of the version."""
        marts = MARTS[self.focus_version]
        return marts if self.include_contract_commitments else marts[:1]

    @property
    def file_name(self) -> str:
        """The name of the file to download."""
        return "focus_export.zip" if self.include_contract_commitments else self.name_file(self.marts[0])

    def name_file(self, mart: ExportedMart) -> str:
        """Return the name of the file of a mart: cost_and_usage_1_4.csv of focus_1_4."""
        return f"{mart.name}{mart.schema.removeprefix('focus')}.{self.format}"


def parse_export_request(body: bytes) -> ExportRequest:
    """Read an export request from JSON. Raises ApiError."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
        for name in ("billingPeriodStart", "billingPeriodEnd"):
            value = fields.get(name)
            if isinstance(value, str):
                fields[name] = parse_date_time(name, value)
        return msgspec.convert(fields, ExportRequest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise invalid_parameter(
            "the body must be JSON, with billingPeriodStart and billingPeriodEnd (date-times). "
            "Optional are format (csv, parquet or json), includeContractCommitments and csvFormulaEscape "
            f'(true or false), and focusVersion ("1.3" or "1.4"): {error}'
        ) from None


def open_publication(database: Path, work: Path) -> duckdb.DuckDBPyConnection:
    """Open a publication for an export. Its queries can access only files in the folder work.

    Large sorts write into that folder as well. Raises duckdb.Error.
    """
    config: DuckDBConfig = {
        "memory_limit": MEMORY,
        "threads": THREADS,
        "temp_directory": str(work / "sorting"),
    }
    publication = duckdb.connect(str(database), read_only=True, config=config)
    # older versions published times with a time zone
    publication.execute("set TimeZone = 'UTC'")
    # a view or a macro of a published file could read other files. These settings prevent it before any SQL
    # of that file runs. DuckDB accepts allowed_directories only on an open database, while access is on
    publication.execute("set allowed_directories = [$work]", {"work": str(work)})
    publication.execute("set enable_external_access = false")
    publication.execute("set lock_configuration = true")
    return publication


@dataclass(frozen=True)
class ExportWriter:
    """Writes the file of an export into a folder. Raises OSError or duckdb.Error, and leaves partial files.

    billing_accounts: the only accounts to export; None is every account.
    check: called now and then; an exception that it raises ends the export.
    """

    publication: duckdb.DuckDBPyConnection
    request: ExportRequest
    billing_accounts: frozenset[str] | None
    work: Path
    check: Callable[[], None]

    def write(self) -> int:
        """Write request.file_name. Return the rows of cost and usage."""
        counts = []
        for mart in self.request.marts:
            self.check()
            counts.append(self.write_rows(mart))
        if self.request.include_contract_commitments:
            self.zip_files([self.work / self.request.name_file(mart) for mart in self.request.marts])
        return counts[0]

    def write_rows(self, mart: ExportedMart) -> int:
        """Write the rows of a mart that the request selects, in order. Return their number."""
        described = self.publication.execute(f"describe {mart.relation}").fetchall()
        columns = ", ".join(build_column(name, kind, self.request) for name, kind, *_ in described)
        options = OPTIONS[self.request.format]
        escaped = [quote_name(name) for name, kind, *_ in described if is_escaped(kind, self.request)]
        if escaped:  # without quotes, a program that separates by ; would find a cell within a text
            options += f", force_quote ({', '.join(escaped)})"
        rows = f"select {columns} from (from {mart.relation} where {mart.selection}) order by all"
        values = {
            # as text: Python cannot convert a time at the end of the year 9999 to UTC
            "start": self.request.billing_period_start.isoformat(),
            "end": self.request.billing_period_end.isoformat(),
            "billing_accounts": None if self.billing_accounts is None else sorted(self.billing_accounts),
            "file": str(self.work / self.request.name_file(mart)),
        }
        copy = f"copy ({rows}) to $file ({options})"
        ((count,),) = self.publication.execute(copy, values).fetchall()
        return int(count)

    def zip_files(self, files: list[Path]) -> None:
        """Move files of any size into the archive request.file_name."""
        with zipfile.ZipFile(self.work / self.request.file_name, "x", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                entry = zipfile.ZipInfo.from_file(file, file.name)
                entry.compress_type = zipfile.ZIP_DEFLATED
                with file.open("rb") as content, archive.open(entry, "w", force_zip64=True) as out:
                    while chunk := content.read(CHUNK):
                        self.check()
                        out.write(chunk)
                file.unlink()


def build_column(name: str, data_type: str, request: ExportRequest) -> str:
    """Return the SQL of a column in a file, as macros/operations/export.sql has it."""
    file_format = request.format
    column = quote_name(name)
    if "TIMESTAMP" in data_type and file_format != "parquet":
        return f"strftime(cast({column} as timestamp), '%Y-%m-%dT%H:%M:%SZ') as {column}"
    if data_type == "BIGINT" and file_format == "json":
        return f"cast({column} as decimal(20, 1)) as {column}"
    if "DECIMAL" in data_type and file_format == "csv":
        plain = (
            rf"regexp_replace(regexp_replace(cast({column} as varchar), '([.][0-9]*?)0+$', '\1'), '[.]$', '')"
        )
        return f"case when {plain} like '%.%' then {plain} else {plain} || '.0' end as {column}"
    if is_escaped(data_type, request):
        text = f"cast({column} as varchar)"
        escaped = f"case when regexp_matches({text}, '{FORMULA}') then chr(39) || {text} else {text} end"
        return f"{escaped} as {column}"
    return column


def is_escaped(data_type: str, request: ExportRequest) -> bool:
    """Return whether formulas in a column are escaped."""
    return request.csv_formula_escape and request.format == "csv" and data_type in ("VARCHAR", "JSON")


def quote_name(name: str) -> str:
    """Return the name of a column in SQL."""
    return '"' + name.replace('"', '""') + '"'
