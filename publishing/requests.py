"""Publishes requests as Parquet by account and day. A publication writes only the days that changed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

FOLDER = "requests"
DAY_FILE = "requests.parquet"
VERSIONS = "versions.json"


@dataclass(frozen=True)
class Requests:
    """The requests of a warehouse.

    relation: a view with the columns account, charge_date, billed_at and request_id, among others.
    versions: a relation with account, charge_date and request_day_version, one row per day.
    fingerprint: a text that changes with the SQL of the view.
    """

    relation: str
    versions: str
    fingerprint: str


def write_requests(
    cursor: duckdb.DuckDBPyConnection, requests: Requests, published: Path, work: Path, metadata: str
) -> None:
    """Write the days whose version differs from the published one below the folder work, and the versions.

    published: the folder of the publication. metadata: of each Parquet file, as a struct in SQL.
    """
    versions = read_versions(cursor, requests)
    folder = published / FOLDER
    kept = read_published_versions(folder / VERSIONS)
    for day, version in versions.items():
        if kept.get(day) == version and (folder / day).exists():
            continue
        file = work / FOLDER / day
        file.parent.mkdir(parents=True, exist_ok=True)
        account, date = (part.partition("=")[2] for part in day.split("/")[:2])
        cursor.execute(
            f"copy (select * from {requests.relation} where account = {quote(account)}"
            f" and charge_date = cast({quote(date)} as date)"
            " order by billed_at, request_id, model_id, quantity)"
            f" to {quote(file)} (format parquet, kv_metadata {metadata})"
        )
    (work / FOLDER).mkdir(exist_ok=True)
    (work / FOLDER / VERSIONS).write_text(json.dumps(versions, indent=0))


def read_versions(cursor: duckdb.DuckDBPyConnection, requests: Requests) -> dict[str, str]:
    """Return the version of each day by the path of its file."""
    rows = cursor.execute(
        "select account, cast(charge_date as varchar), request_day_version"
        f" from {requests.versions} order by account, charge_date"
    ).fetchall()
    return {
        f"account={account}/charge_date={date}/{DAY_FILE}": hashlib.sha256(
            f"{requests.fingerprint}|{version}".encode()
        ).hexdigest()
        for account, date, version in rows
    }


def read_published_versions(file: Path) -> Mapping[str, str]:
    """Return the versions of a publication; none if the file is missing or unreadable."""
    try:
        versions = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return versions if isinstance(versions, dict) else {}


def list_obsolete_days(published: Path) -> Iterable[Path]:
    """Return the files of days that are not in the published versions."""
    folder = published / FOLDER
    versions = read_published_versions(folder / VERSIONS)
    files = folder.glob(f"account=*/charge_date=*/{DAY_FILE}")
    return [file for file in files if file.relative_to(folder).as_posix() not in versions]


def quote(value: object) -> str:
    """Return a value as an SQL text."""
    return "'" + str(value).replace("'", "''") + "'"
