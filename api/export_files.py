"""The file of an export: rows of a publication, written as macros/operations/export.sql writes them."""

import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import duckdb
import msgspec

from loaders.files import sync_folder

# what one export may take of a machine that answers requests meanwhile; what a sort needs beyond is on disk
MEMORY = "1GB"
THREADS = 1
CHUNK = 1 << 20  # bytes

# by what a file's name ends with; an object a line is no JSON text
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".json": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}

# a spreadsheet takes a text that begins with one of these for a formula; the last are tab, LF and CR
FORMULA_STARTS = "'=', '+', '-', '@', chr(9), chr(10), chr(13)"

OPTIONS = {"csv": "format csv, header", "parquet": "format parquet", "json": "format json"}

# a billing period belongs to where it begins; a commitment to wherever it lasts
COST_AND_USAGE = """
    BillingPeriodStart >= cast($start as timestamptz) at time zone 'UTC'
    and BillingPeriodStart < cast($end as timestamptz) at time zone 'UTC'
    and ($billing_accounts is null or list_contains(cast($billing_accounts as varchar[]), BillingAccountId))
"""
CONTRACT_COMMITMENT = """
    cast($start as timestamptz) < cast($end as timestamptz)
    and ContractCommitmentPeriodStart < cast($end as timestamptz) at time zone 'UTC'
    and ContractCommitmentPeriodEnd > cast($start as timestamptz) at time zone 'UTC'
    and ($billing_accounts is null or list_contains(cast($billing_accounts as varchar[]), x_BillingAccountId))
"""

ZonedTime = Annotated[datetime, msgspec.Meta(tz=True)]


class ExportRequest(msgspec.Struct, frozen=True, rename="camel"):
    """What an export shall hold: the billing periods that begin from start until before end.

    None does if end is not after start, as in a list. csv_formula_escape: texts of a CSV that a spreadsheet
    would take for formulas begin with an apostrophe. Other fields are ignored: the document allows them.
    """

    billing_period_start: ZonedTime
    billing_period_end: ZonedTime
    format: Literal["csv", "parquet", "json"] = "csv"
    include_contract_commitments: bool = False
    csv_formula_escape: bool = False

    @property
    def file_name(self) -> str:
        """What the one file is called that comes of it."""
        return "focus_export.zip" if self.include_contract_commitments else f"cost_and_usage.{self.format}"


def open_publication(database: Path, work: Path) -> duckdb.DuckDBPyConnection:
    """A publication, to be exported by way of a folder for what memory does not hold. Raises duckdb.Error."""
    config = {"memory_limit": MEMORY, "threads": THREADS, "temp_directory": str(work / "sorting")}
    publication = duckdb.connect(str(database), read_only=True, config=config)
    # times of a publication of an older version have a zone
    publication.execute("set TimeZone = 'UTC'")
    return publication


def publication_id_of(publication: duckdb.DuckDBPyConnection) -> str:
    """The name of a publication. Raises duckdb.Error."""
    ((publication_id,),) = publication.execute("select publication_id from focus.publication").fetchall()
    return publication_id


def write_export(
    publication: duckdb.DuckDBPyConnection,
    request: ExportRequest,
    billing_accounts: frozenset[str] | None,
    work: Path,
    check: Callable[[], None],
) -> int:
    """Write request.file_name into a folder, and wait until it is on disk: how many rows of cost and usage.

    billing_accounts: whose rows alone; None for all. check: called now and then; what it raises ends it.
    Raises OSError or duckdb.Error, too, and leaves what it wrote so far.
    """
    values = {
        # as text, since a time at the rim of the calendar may lie beyond Python's in UTC
        "start": request.billing_period_start.isoformat(),
        "end": request.billing_period_end.isoformat(),
        "billing_accounts": None if billing_accounts is None else sorted(billing_accounts),
    }
    cost_and_usage = work / f"cost_and_usage.{request.format}"
    count = write_rows(publication, "cost_and_usage", COST_AND_USAGE, values, request, cost_and_usage)
    if request.include_contract_commitments:
        check()
        commitments = work / f"contract_commitment.{request.format}"
        write_rows(publication, "contract_commitment", CONTRACT_COMMITMENT, values, request, commitments)
        zip_files([cost_and_usage, commitments], work / request.file_name, check)
    sync_folder(work / request.file_name)
    return count


def write_rows(
    publication: duckdb.DuckDBPyConnection,
    mart: str,
    condition: str,
    values: dict[str, object],
    request: ExportRequest,
    file: Path,
) -> int:
    """Write those rows of a mart of schema focus that fulfil a condition, in order: how many they are."""
    described = publication.execute(f"describe focus.{mart}").fetchall()
    columns = ", ".join(exported(name, data_type, request) for name, data_type, *_ in described)
    rows = f"select {columns} from (from focus.{mart} where {condition}) order by all"
    ((count,),) = publication.execute(
        f"copy ({rows}) to $file ({OPTIONS[request.format]})", values | {"file": str(file)}
    ).fetchall()
    return count


def exported(name: str, data_type: str, request: ExportRequest) -> str:
    """A column as a file wants it: what macros/operations/export.sql says."""
    file_format = request.format
    column = '"' + name.replace('"', '""') + '"'
    if "TIMESTAMP" in data_type and file_format != "parquet":
        return f"strftime(cast({column} as timestamp), '%Y-%m-%dT%H:%M:%SZ') as {column}"
    if data_type == "BIGINT" and file_format == "json":
        return f"cast({column} as decimal(20, 1)) as {column}"
    if "DECIMAL" in data_type and file_format == "csv":
        plain = (
            rf"regexp_replace(regexp_replace(cast({column} as varchar), '([.][0-9]*?)0+$', '\1'), '[.]$', '')"
        )
        return f"case when {plain} like '%.%' then {plain} else {plain} || '.0' end as {column}"
    if data_type in ("VARCHAR", "JSON") and file_format == "csv" and request.csv_formula_escape:
        text = f"cast({column} as varchar)"
        escaped = f"case when left({text}, 1) in ({FORMULA_STARTS}) then chr(39) || {text} else {text} end"
        return f"{escaped} as {column}"
    return column


def zip_files(files: list[Path], archive: Path, check: Callable[[], None]) -> None:
    """Move files into a new archive, however large they are. check: as of write_export."""
    with zipfile.ZipFile(archive, "x", zipfile.ZIP_DEFLATED) as entries:
        for file in files:
            entry = zipfile.ZipInfo.from_file(file, file.name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as content, entries.open(entry, "w", force_zip64=True) as out:
                while chunk := content.read(CHUNK):
                    check()
                    out.write(chunk)
            file.unlink()
