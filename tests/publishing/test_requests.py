"""Publications of requests: which days are written, and what remains of others."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from publishing import WORK, publish
from publishing.changes import Definitions
from publishing.requests import Requests

MARTS = {"focus.charges": "focus.charges"}
REQUESTS = Requests("finops.requests", "finops.versions", "first SQL")


def fill(warehouse: duckdb.DuckDBPyConnection, days: dict[str, str], account: str = "acme") -> None:
    """Fill a warehouse with two requests of each day. days: version by day."""
    warehouse.execute("create or replace table focus.charges as select 1 as cost")
    warehouse.execute(
        "create or replace table finops.versions"
        " (account varchar, charge_date date, request_day_version varchar)"
    )
    for day, version in days.items():
        warehouse.execute("insert into finops.versions values (?, ?, ?)", [account, day, version])
    warehouse.execute(
        "create or replace view finops.requests as"
        " select account, charge_date, charge_date + interval 1 hour as billed_at,"
        " number || ' of ' || request_day_version as request_id, 'flux' as model_id,"
        " cast(number as decimal(38, 9)) as quantity from finops.versions, range(2) as numbers (number)"
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a warehouse with requests of two days."""
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema focus; create schema finops")
        fill(connection, {"2026-01-05": "1", "2026-01-06": "1"})
        yield connection


def list_days(folder: Path) -> dict[str, int]:
    """Return the published days, and the inode of each file, which a publication that writes it changes."""
    files = (folder / "requests").glob("account=*/charge_date=*/requests.parquet")
    return {file.parent.name.partition("=")[2]: file.stat().st_ino for file in sorted(files)}


def read_ids(folder: Path) -> list[str]:
    """Return the ids of all published requests."""
    query = f"select request_id from '{folder}/requests/**/*.parquet' order by charge_date, request_id"
    return [request_id for (request_id,) in duckdb.execute(query).fetchall()]


def test_each_day_of_an_account_is_a_file_with_the_rows_of_the_view(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, Definitions(MARTS), "first", requests=REQUESTS)
    published = duckdb.execute(
        f"from read_parquet('{folder}/requests/**/*.parquet', hive_partitioning = false) order by all"
    )
    assert published.fetchall() == warehouse.execute("from finops.requests order by all").fetchall()
    assert [column[:2] for column in published.description] == [
        column[:2] for column in warehouse.execute("from finops.requests").description
    ]
    (file, _) = sorted((folder / "requests").rglob("*.parquet"))
    assert file == folder / "requests" / "account=acme" / "charge_date=2026-01-05" / "requests.parquet"
    assert file.stat().st_mode & 0o222 == 0
    metadata = f"select decode(value) from parquet_kv_metadata('{file}')"
    assert ("first",) in duckdb.execute(metadata).fetchall()


def test_a_publication_writes_only_days_that_changed(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, Definitions(MARTS), "first", requests=REQUESTS)
    before = list_days(folder)
    fill(warehouse, {"2026-01-05": "1", "2026-01-06": "2", "2026-01-07": "1"})
    publish(warehouse, folder, Definitions(MARTS), "second", requests=REQUESTS)
    after = list_days(folder)
    assert list(after) == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert after["2026-01-05"] == before["2026-01-05"]
    assert after["2026-01-06"] != before["2026-01-06"]
    assert read_ids(folder) == ["0 of 1", "1 of 1", "0 of 2", "1 of 2", "0 of 1", "1 of 1"]


def test_a_day_that_is_gone_is_removed_and_one_that_is_missing_is_written_again(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, Definitions(MARTS), "first", requests=REQUESTS)
    (folder / "requests" / "account=acme" / "charge_date=2026-01-06" / "requests.parquet").unlink()
    fill(warehouse, {"2026-01-06": "1"})
    publish(warehouse, folder, Definitions(MARTS), "second", requests=REQUESTS)
    assert list(list_days(folder)) == ["2026-01-06"]


@pytest.mark.parametrize("versions", [None, "", "[]", "{"])
def test_other_sql_or_unreadable_versions_write_all_days_again(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, versions: str | None
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, Definitions(MARTS), "first", requests=REQUESTS)
    before = list_days(folder)
    file, requests = folder / "requests" / "versions.json", REQUESTS
    if versions is None:
        requests = Requests(REQUESTS.relation, REQUESTS.versions, "other SQL")
    else:
        file.unlink()
        file.write_text(versions)
    publish(warehouse, folder, Definitions(MARTS), "second", requests=requests)
    after = list_days(folder)
    assert list(after) == list(before) and not set(after.values()) & set(before.values())


def test_a_publication_without_requests_leaves_those_of_an_earlier_one(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, Definitions(MARTS), "first", requests=REQUESTS)
    before = list_days(folder)
    fill(warehouse, {})
    publish(warehouse, folder, Definitions(MARTS), "second")
    assert list_days(folder) == before


def test_a_failed_publication_changes_no_day(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, Definitions(MARTS), "first", requests=REQUESTS)
    before = list_days(folder)
    fill(warehouse, {"2026-01-05": "2", "2026-01-06": "2"})
    warehouse.execute(
        "create or replace view finops.requests as select account, charge_date, charge_date as billed_at,"
        " case when charge_date = date '2026-01-06' then error('broken') end as request_id,"
        " 'flux' as model_id, 1 as quantity from finops.versions"
    )
    with pytest.raises(duckdb.Error):
        publish(warehouse, folder, Definitions(MARTS), "second", requests=REQUESTS)
    assert list_days(folder) == before
    assert not (folder / WORK).exists()
    assert read_ids(folder) == ["0 of 1", "1 of 1"] * 2
