"""Publications of small warehouses. Which builds publish: tests/end_to_end/test_publication.py."""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from publishing import WORK, Description, lock_publication, publish
from tests.publishing.readers import ROOT, check, connect, database_state, parquet_state, reading

MARTS = {name: f"warehouse.{name}" for name in ("focus.charges", "focus.accounts", "finops.months")}
VIEWS = {
    "api.records": "select rowid as record_number, cast('[' || version || ']' as json) as versions, cost"
    " from focus.charges",
    "api.totals": "select cost, (select sum(cost) from focus.charges) as charged from finops.months",
}
FILES = ["accounts.parquet", "charges.parquet", "fal_focus.duckdb", "months.parquet"]


def fill(warehouse: duckdb.DuckDBPyConnection, version: int) -> None:
    """Fill the marts with the values of a version. No two versions have a total in common."""
    warehouse.execute(
        "create or replace table focus.charges as select n as id, cast(? as integer) as version,"
        " n + cast(? as decimal(38, 18)) as cost, timestamp '2026-01-01 00:00:00' as charged_at"
        " from range(2000) as rows (n)",
        [version, f"{version}.000000000000000001"],
    )
    warehouse.execute(
        "create or replace table finops.months as"
        " select version, sum(cost) as cost from focus.charges group by version"
    )
    warehouse.execute("create or replace table focus.accounts as select distinct version from focus.charges")


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a warehouse of version 1 for writing, as a build does."""
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema focus; create schema finops")
        fill(connection, 1)
        yield connection


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files in a folder, hidden ones included."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def version(folder: Path) -> int:
    """Return the version that a new reader of the database finds."""
    with connect(folder) as connection:
        ((value,),) = connection.execute("select distinct version from focus.charges").fetchall()
    return value


def test_the_marts_are_published_row_for_row_in_both_forms(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "made" / "published"
    publish(warehouse, folder, MARTS, VIEWS, "first")
    assert sorted(contents(folder)) == FILES
    with connect(folder) as published:
        for mart in MARTS:
            file = folder / f"{mart.partition('.')[2]}.parquet"
            rows = warehouse.execute(f"from {mart} order by all").fetchall()
            assert published.execute(f"from {mart} order by all").fetchall() == rows
            assert duckdb.execute(f"from '{file}' order by all").fetchall() == rows
        assert published.execute("select sum(cost) from focus.charges").fetchall() == [
            (Decimal("2001000.000000000000002000"),)
        ]
        types = published.execute("select column_type from (describe focus.charges)").fetchall()
    assert ("DECIMAL(38,18)",) in types


def test_views_read_the_marts_of_their_own_file_under_any_name(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    publish(warehouse, tmp_path / "published", MARTS, VIEWS, "first")
    renamed = tmp_path / "renamed.duckdb"
    os.link(tmp_path / "published" / "fal_focus.duckdb", renamed)
    # a later change of the warehouse is not published
    fill(warehouse, 2)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{renamed}' as pinned (read_only)")
        ends = connection.execute(
            "select min(record_number), max(record_number), count(*), any_value(versions)"
            " from pinned.api.records"
        )
        assert ends.fetchall() == [(0, 1999, 2000, "[1]")]
        ((cost, charged),) = connection.execute("from pinned.api.totals").fetchall()
        assert cost == charged == Decimal("2001000.000000000000002000")
        described = connection.execute("select column_name, column_type from (describe pinned.api.records)")
        assert described.fetchall() == [
            ("record_number", "BIGINT"),
            ("versions", "JSON"),
            ("cost", "DECIMAL(38,18)"),
        ]
        # in the order of the mart: a page begins after a number
        rest = connection.execute("select cost from pinned.api.records where record_number > 1997").fetchall()
        mart = connection.execute("from pinned.focus.charges select cost").fetchall()
        assert rest == mart[1998:]


def test_a_view_of_an_unpublished_table_fails(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(duckdb.Error):
        publish(warehouse, tmp_path / "published", MARTS, {"api.weeks": "from finops.weeks"}, "first")
    assert contents(tmp_path / "published") == {}


def test_every_published_file_has_the_id_of_the_publication(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    publish(warehouse, tmp_path / "published", MARTS, VIEWS, "it's the first")
    with connect(tmp_path / "published") as published:
        query = "select publication_id, cast(epoch(published_at) as bigint) from focus.publication"
        assert published.execute(query).fetchall()[0][0] == "it's the first"
    for file in FILES:
        if file.endswith(".parquet"):
            query = f"select decode(value) from parquet_kv_metadata('{tmp_path / 'published' / file}')"
            assert ("it's the first",) in duckdb.execute(query).fetchall()


def test_marts_and_views_are_published_with_comments(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    descriptions = {
        "focus.charges": Description("What it's about", {"id": "A number", "cost": 'In USD, "exact"'}),
        "api.totals": Description("Totals", {"charged": "All charges"}),
    }
    publish(warehouse, tmp_path / "published", MARTS, VIEWS, "first", descriptions)
    with connect(tmp_path / "published") as published:
        relations = published.execute(
            "select table_name, comment from duckdb_tables() where comment is not null union all"
            " select view_name, comment from duckdb_views() where comment is not null order by all"
        ).fetchall()
        columns = published.execute(
            "select table_name, column_name, comment from duckdb_columns() where comment is not null"
            " and table_name <> 'publication' order by all"
        ).fetchall()
    assert relations == [
        ("charges", "What it's about"),
        ("publication", "One row: which publication this is."),
        ("totals", "Totals"),
    ]
    assert columns == [
        ("charges", "cost", 'In USD, "exact"'),
        ("charges", "id", "A number"),
        ("totals", "charged", "All charges"),
    ]


def test_the_database_opens_in_every_duckdb_since_1_0(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    publish(warehouse, tmp_path / "published", MARTS, VIEWS, "first")
    # the storage version behind the magic bytes: 64 is what DuckDB 1.0 writes
    head = (tmp_path / "published" / "fal_focus.duckdb").read_bytes()[:20]
    assert (head[8:12], head[12]) == (b"DUCK", 64)


def test_a_connected_reader_keeps_the_old_publication_and_a_new_one_gets_the_new(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, MARTS, VIEWS, "first")
    with connect(folder) as connected, (folder / "charges.parquet").open("rb") as opened:
        old = contents(folder)["charges.parquet"]
        fill(warehouse, 2)
        publish(warehouse, folder, MARTS, VIEWS, "second")
        assert connected.execute("select distinct version from focus.charges").fetchall() == [(1,)]
        assert opened.read() == old
    assert version(folder) == 2


def test_rows_written_into_a_published_database_are_not_in_the_next(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, MARTS, VIEWS, "first")
    (folder / "fal_focus.duckdb.wal").write_bytes(b"the log of a writer")
    publish(warehouse, folder, MARTS, VIEWS, "second")
    assert sorted(contents(folder)) == FILES


def test_a_failed_publication_leaves_the_previous_one_unchanged(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, MARTS, VIEWS, "first")
    before = contents(folder)
    fill(warehouse, 2)
    with pytest.raises(duckdb.Error):
        publish(warehouse, folder, MARTS | {"finops.weeks": "finops.weeks"}, VIEWS, "second")
    assert contents(folder) == before
    # the warehouse can still publish
    publish(warehouse, folder, MARTS, VIEWS, "third")
    assert version(folder) == 2


PUBLISH_WITH_LIMIT = """
import resource, sys
from pathlib import Path
import duckdb
from publishing import publish
from tests.publishing.test_publishing import MARTS, VIEWS, fill
warehouse = duckdb.connect(sys.argv[1])
fill(warehouse, 2)
warehouse.execute("checkpoint")
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    publish(warehouse, Path(sys.argv[2]), MARTS, VIEWS, "second")
except (OSError, duckdb.Error) as error:
    print("failed:", error)
"""


@pytest.mark.parametrize("limit", [1, 5_000, 50_000])
def test_a_full_disk_leaves_the_publication_unchanged(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, limit: int
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, MARTS, VIEWS, "first")
    before = contents(folder)
    warehouse.close()
    command = [sys.executable, "-c", PUBLISH_WITH_LIMIT, str(tmp_path / "warehouse.duckdb"), str(folder)]
    done = subprocess.run([*command, str(limit)], cwd=ROOT, text=True, capture_output=True)
    assert done.stdout.startswith("failed:"), done.stderr
    assert os.strerror(errno.EFBIG) in done.stdout.splitlines()[0]  # the cause
    assert contents(folder) == before


PUBLISH_FOR_EVER = """
import itertools, sys
from pathlib import Path
import duckdb
from publishing import publish
from tests.publishing.test_publishing import MARTS, VIEWS, fill
warehouse = duckdb.connect(sys.argv[1])
for version in itertools.count(2):
    fill(warehouse, version)
    publish(warehouse, Path(sys.argv[2]), MARTS, VIEWS, str(version))
    print(version, flush=True)
"""


def test_a_killed_publication_leaves_whole_files_and_the_next_one_cleans_up(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, MARTS, VIEWS, "first")
    warehouse.close()
    left_over = 0
    for number in range(6):
        command = [sys.executable, "-c", PUBLISH_FOR_EVER, str(tmp_path / "warehouse.duckdb"), str(folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            process.stdout.readline()
            # the work folder exists from the first file until the last rename
            while not (folder / WORK).exists():
                pass
            for _ in range(number * 2000):
                pass
            process.send_signal(signal.SIGKILL)
        left_over += (folder / WORK).exists()
        assert [name for name in sorted(file.name for file in folder.iterdir()) if name != WORK] == FILES
        found = version(folder)
        for name in ("charges", "accounts", "months"):
            # files are replaced one by one: a file is of this publication or of the next
            file = folder / f"{name}.parquet"
            assert duckdb.execute(
                f"select distinct version - {found} in (0, 1) from '{file}'"
            ).fetchall() == [(True,)]
    assert left_over
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as next_one:
        publish(next_one, folder, MARTS, VIEWS, "last")
    assert sorted(contents(folder)) == FILES


def test_two_builds_do_not_publish_into_one_folder_at_once(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, MARTS, VIEWS, "first")
    with lock_publication(folder), pytest.raises(OSError, match="another build is publishing there"):
        publish(warehouse, folder, MARTS, VIEWS, "second")
    publish(warehouse, folder, MARTS, VIEWS, "third")


def test_eight_readers_see_twenty_publications_whole_and_in_order(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    # benchmarks/readers.py does this with twenty whole builds
    folder = tmp_path / "published"
    publish(warehouse, folder, MARTS, VIEWS, "1")
    databases, files = [], []
    kinds = ["reconnecting"] * 3 + ["connected"] * 2 + ["parquet"] * 3
    with reading(folder, tmp_path, kinds) as readers:
        for number in range(1, 21):
            if number > 1:
                fill(warehouse, number)
                publish(warehouse, folder, MARTS, VIEWS, str(number))
            with connect(folder) as connection:
                databases.append(database_state(connection))
            files.append(parquet_state(folder))
            readers.wait()
    assert len({str(state) for state in databases}) == 20
    check(readers, databases, files)


def test_a_link_in_place_of_the_work_folder_publishes_nothing_and_its_target_stays(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder, outside = tmp_path / "published", tmp_path / "outside"
    (outside / "ledgers").mkdir(parents=True)
    folder.mkdir()
    (folder / WORK).symlink_to(outside)
    with pytest.raises(OSError, match="File exists"):
        publish(warehouse, folder, MARTS, VIEWS, "first")
    assert (outside / "ledgers").exists() and not (folder / "fal_focus.duckdb").exists()


def test_a_link_in_place_of_a_published_file_is_replaced_and_its_target_stays(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder, outside = tmp_path / "published", tmp_path / "outside.txt"
    folder.mkdir()
    outside.write_text("not to be lost")
    for name in (*FILES, "fal_focus.duckdb.wal"):
        (folder / name).symlink_to(outside)
    publish(warehouse, folder, MARTS, VIEWS, "first")
    assert outside.read_text() == "not to be lost"
    assert sorted(contents(folder)) == FILES and version(folder) == 1


@pytest.mark.parametrize(("umask", "file", "made"), [(0o077, 0o400, 0o700), (0o027, 0o440, 0o750)])
def test_published_files_are_write_protected_and_follow_the_umask(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, umask: int, file: int, made: int
) -> None:
    folder = tmp_path / "published"
    os.umask(umask)
    publish(warehouse, folder, MARTS, VIEWS, "first")
    publish(warehouse, folder, MARTS, VIEWS, "second")
    assert stat.S_IMODE(folder.stat().st_mode) == made
    assert {name: stat.S_IMODE((folder / name).stat().st_mode) for name in FILES} == dict.fromkeys(
        FILES, file
    )
