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

from publishing import WORK, lock_publication, publish
from publishing.changes import Definitions, Description
from tests.publishing.readers import ROOT, check, connect, database_state, parquet_state, reading

MARTS = {name: f"warehouse.{name}" for name in ("focus.charges", "focus.accounts", "finops.months")}
VIEWS = {
    "api.records": "select rowid as record_number, cast('[' || version || ']' as json) as versions, cost"
    " from focus.charges",
    "api.totals": "select cost, (select sum(cost) from focus.charges) as charged from finops.months",
}
DEFINITIONS = Definitions(MARTS, VIEWS)
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
    publish(warehouse, folder, DEFINITIONS, "first")
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
    publish(warehouse, tmp_path / "published", DEFINITIONS, "first")
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
        publish(
            warehouse, tmp_path / "published", Definitions(MARTS, {"api.weeks": "from finops.weeks"}), "first"
        )
    assert contents(tmp_path / "published") == {}


def test_every_published_file_has_the_id_of_the_publication(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    publish(warehouse, tmp_path / "published", DEFINITIONS, "it's the first")
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
    publish(warehouse, tmp_path / "published", Definitions(MARTS, VIEWS, descriptions), "first")
    with connect(tmp_path / "published") as published:
        relations = published.execute(
            "select table_name, comment from duckdb_tables() where comment is not null union all"
            " select view_name, comment from duckdb_views() where comment is not null order by all"
        ).fetchall()
        columns = published.execute(
            "select table_name, column_name, comment from duckdb_columns() where comment is not null"
            " and table_name not in ('publication', 'published_marts') order by all"
        ).fetchall()
    assert relations == [
        ("charges", "What it's about"),
        ("publication", "One row: which publication this is."),
        (
            "published_marts",
            "One row per mart or view: the publication in which its rows or its SQL changed last.",
        ),
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
    publish(warehouse, tmp_path / "published", DEFINITIONS, "first")
    # the storage version behind the magic bytes: 64 is what DuckDB 1.0 writes
    head = (tmp_path / "published" / "fal_focus.duckdb").read_bytes()[:20]
    assert (head[8:12], head[12]) == (b"DUCK", 64)


def test_a_connected_reader_keeps_the_old_publication_and_a_new_one_gets_the_new(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first")
    with connect(folder) as connected, (folder / "charges.parquet").open("rb") as opened:
        old = contents(folder)["charges.parquet"]
        fill(warehouse, 2)
        publish(warehouse, folder, DEFINITIONS, "second")
        assert connected.execute("select distinct version from focus.charges").fetchall() == [(1,)]
        assert opened.read() == old
    assert version(folder) == 2


def test_rows_written_into_a_published_database_are_not_in_the_next(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first")
    (folder / "fal_focus.duckdb.wal").write_bytes(b"the log of a writer")
    publish(warehouse, folder, DEFINITIONS, "second")
    assert sorted(contents(folder)) == FILES


def read_writers(folder: Path) -> dict[str, str]:
    """Return the publication that wrote each mart, and fail if a Parquet file names another one."""
    with connect(folder) as published:
        rows = published.execute(
            "select mart, publication_id from focus.published_marts where not starts_with(mart, 'api.')"
        ).fetchall()
    for mart, publication_id in rows:
        file = folder / f"{mart.partition('.')[2]}.parquet"
        metadata = duckdb.execute(f"select decode(value) from parquet_kv_metadata('{file}')").fetchall()
        assert (publication_id,) in metadata
    return dict(rows)


def test_a_publication_writes_only_marts_that_changed(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    assert publish(warehouse, folder, DEFINITIONS, "first").changed == list(MARTS)
    before = contents(folder)
    warehouse.execute("update finops.months set cost = cost + 0.000000000000000001")
    done = publish(warehouse, folder, DEFINITIONS, "second")
    assert (done.changed, done.is_kept) == (["finops.months"], False)
    assert read_writers(folder) == dict.fromkeys(MARTS, "first") | {"finops.months": "second"}
    after = contents(folder)
    changed = {"fal_focus.duckdb", "months.parquet"}
    assert {name for name in FILES if after[name] != before[name]} == changed
    with connect(folder) as published:
        assert published.execute("select publication_id from focus.publication").fetchall() == [("second",)]
        for mart in MARTS:
            rows = warehouse.execute(f"from {mart} order by all").fetchall()
            assert published.execute(f"from {mart} order by all").fetchall() == rows


@pytest.mark.parametrize("kind", ["date", "timestamp"])
def test_months_of_a_large_mart_are_replaced(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "published"
    month = f"cast(date '2026-01-01' + to_months(cast(n % 3 as integer)) as {kind})"
    warehouse.execute(
        f"create table finops.daily as select n as id, {month} as month from range(3000) as rows (n)"
    )
    definitions = Definitions(
        {"finops.daily": "warehouse.finops.daily"},
        {"api.days": "from finops.daily"},
        {},
        {"finops.daily": "month"},
    )
    publish(warehouse, folder, definitions, "first")
    for number, change in enumerate(
        [
            "update finops.daily set id = -id where id = 1",
            "delete from finops.daily where month = '2026-03-01'",
            "insert into finops.daily values (1, '2027-01-01'), (1, '2027-01-01')",
            "delete from finops.daily where id = 1 and rowid = (select max(rowid) from finops.daily)",
            "update finops.daily set month = null where id = 6",
            "update finops.daily set month = '2026-01-01' where month is null",
            "alter table finops.daily add column more integer",
            "delete from finops.daily",
        ]
    ):
        warehouse.execute(change)
        assert publish(warehouse, folder, definitions, str(number)).changed == ["finops.daily"], change
        with connect(folder) as published:
            rows = warehouse.execute("from finops.daily order by all").fetchall()
            assert published.execute("from finops.daily order by all").fetchall() == rows
            assert published.execute("from api.days order by all").fetchall() == rows
        assert duckdb.execute(f"from '{folder / 'daily.parquet'}' order by all").fetchall() == rows
        assert read_writers(folder) == {"finops.daily": str(number)}


def test_a_publication_of_the_same_day_without_a_change_is_kept(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first", write_page=write_page)
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    done = publish(warehouse, folder, DEFINITIONS, "second", write_page=write_page)
    assert (done.changed, done.is_kept, done.publication.publication_id) == ([], True, "first")
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    # a file that is missing is written again
    for name in ("charges.parquet", "report.html"):
        (folder / name).unlink()
    assert publish(warehouse, folder, DEFINITIONS, "third", write_page=write_page).is_kept
    assert {file.name for file in folder.iterdir()} == {*FILES, "report.html"}
    assert read_writers(folder) == dict.fromkeys(MARTS, "first")
    # a killed publication can leave its page
    page = folder / "report.html"
    page.unlink()
    page.write_text("page of a killed publication")
    assert publish(warehouse, folder, DEFINITIONS, "third", write_page=write_page).is_kept
    assert page.read_text() == "page of first"
    # another view or description is a change without rows
    for definitions in (
        Definitions(MARTS, VIEWS | {"api.totals": "select 1 as one"}),
        Definitions(MARTS, VIEWS, {"api.totals": Description("Totals")}),
        DEFINITIONS,
    ):
        done = publish(warehouse, folder, definitions, "fourth")
        assert (done.changed, done.is_kept) == ([], False)


def test_a_database_of_a_newer_format_is_written_as_a_whole(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first")
    database, copy = folder / "fal_focus.duckdb", tmp_path / "copy.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{database}' as old (read_only); attach '{copy}' as new")
        connection.execute("copy from database old to new")
    copy.replace(database)
    assert publish(warehouse, folder, DEFINITIONS, "second").changed == list(MARTS)
    assert database.read_bytes()[12] == 64


def test_nothing_of_a_removed_row_stays_if_all_is_written(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    warehouse.execute("create or replace table focus.accounts as select 'removed-login' as login")
    publish(warehouse, folder, DEFINITIONS, "first")
    assert b"removed-login" in (folder / "fal_focus.duckdb").read_bytes()
    warehouse.execute("delete from focus.accounts")
    publish(warehouse, folder, DEFINITIONS, "second", writes_all=True)
    assert b"removed-login" not in (folder / "fal_focus.duckdb").read_bytes()


def test_a_publication_of_another_day_is_replaced_without_writing_rows(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first")
    change_database(folder, "update focus.publication set published_at = published_at - interval 1 day")
    done = publish(warehouse, folder, DEFINITIONS, "second")
    assert (done.changed, done.is_kept) == ([], False)
    assert read_writers(folder) == dict.fromkeys(MARTS, "first")


@pytest.mark.parametrize(
    "change",
    [
        "delete from focus.charges where id = 7",
        "update finops.months set cost = 0",
        "create table focus.mine as select 1 as one",
        "create view focus.mine as select 1 as one",
        "create macro focus.mine() as 1",
        "create index mine on focus.charges (id)",
        "drop view api.totals",
        "drop table focus.accounts; create view focus.accounts as select 1 as version",
        "drop table focus.published_marts",
        "delete from focus.published_marts",
        "delete from focus.publication",
        "update focus.publication set published_at = null",
        "update focus.published_marts set publication_id = null",
    ],
)
def test_what_another_program_wrote_into_a_database_is_not_in_the_next(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, change: str
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first")
    change_database(folder, change)
    assert not publish(warehouse, folder, DEFINITIONS, "second").is_kept
    with connect(folder) as published:
        for mart in MARTS:
            rows = warehouse.execute(f"from {mart} order by all").fetchall()
            assert published.execute(f"from {mart} order by all").fetchall() == rows
        names = published.execute(
            "select schema_name || '.' || table_name from duckdb_tables() union all"
            " select schema_name || '.' || view_name from duckdb_views() where not internal"
        ).fetchall()
        assert {name for (name,) in names} == {*MARTS, *VIEWS, "focus.publication", "focus.published_marts"}
        assert published.execute("from duckdb_indexes()").fetchall() == []


def change_database(folder: Path, statements: str) -> None:
    """Write into a published database, as another program can."""
    (folder / "fal_focus.duckdb").chmod(0o600)
    with duckdb.connect(str(folder / "fal_focus.duckdb")) as connection:
        connection.execute(statements)


def write_page(database: Path, file: Path) -> None:
    """Write a page."""
    with duckdb.connect(str(database), read_only=True) as published:
        ((publication_id,),) = published.execute("select publication_id from focus.publication").fetchall()
    file.write_text(f"page of {publication_id}")


def test_a_failed_publication_leaves_the_previous_one_unchanged(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first")
    before = contents(folder)
    fill(warehouse, 2)
    with pytest.raises(duckdb.Error):
        publish(warehouse, folder, Definitions(MARTS | {"finops.weeks": "finops.weeks"}, VIEWS), "second")
    assert contents(folder) == before
    # the warehouse can still publish
    publish(warehouse, folder, DEFINITIONS, "third")
    assert version(folder) == 2


PUBLISH_WITH_LIMIT = """
import resource, sys
from pathlib import Path
import duckdb
from publishing import publish
from tests.publishing.test_publishing import DEFINITIONS, fill
warehouse = duckdb.connect(sys.argv[1])
fill(warehouse, 2)
warehouse.execute("checkpoint")
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    publish(warehouse, Path(sys.argv[2]), DEFINITIONS, "second")
except (OSError, duckdb.Error) as error:
    print("failed:", error)
"""


@pytest.mark.parametrize("limit", [1, 5_000, 50_000])
def test_a_full_disk_leaves_the_publication_unchanged(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, limit: int
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first")
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
from tests.publishing.test_publishing import DEFINITIONS, fill
warehouse = duckdb.connect(sys.argv[1])
for version in itertools.count(2):
    fill(warehouse, version)
    publish(warehouse, Path(sys.argv[2]), DEFINITIONS, str(version))
    print(version, flush=True)
"""


def test_a_killed_publication_leaves_whole_files_and_the_next_one_cleans_up(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first")
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
        publish(next_one, folder, DEFINITIONS, "last")
    assert sorted(contents(folder)) == FILES


def test_two_builds_do_not_publish_into_one_folder_at_once(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "first")
    with lock_publication(folder), pytest.raises(OSError, match="another build is publishing there"):
        publish(warehouse, folder, DEFINITIONS, "second")
    publish(warehouse, folder, DEFINITIONS, "third")


def test_eight_readers_see_twenty_publications_whole_and_in_order(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    # benchmarks/readers.py does this with twenty whole builds
    folder = tmp_path / "published"
    publish(warehouse, folder, DEFINITIONS, "1")
    databases, files = [], []
    kinds = ["reconnecting"] * 3 + ["connected"] * 2 + ["parquet"] * 3
    with reading(folder, tmp_path, kinds) as readers:
        for number in range(1, 21):
            if number > 1:
                fill(warehouse, number)
                publish(warehouse, folder, DEFINITIONS, str(number))
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
        publish(warehouse, folder, DEFINITIONS, "first")
    assert (outside / "ledgers").exists() and not (folder / "fal_focus.duckdb").exists()


def test_a_link_in_place_of_a_published_file_is_replaced_and_its_target_stays(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder, outside = tmp_path / "published", tmp_path / "outside.txt"
    folder.mkdir()
    outside.write_text("not to be lost")
    for name in (*FILES, "fal_focus.duckdb.wal"):
        (folder / name).symlink_to(outside)
    publish(warehouse, folder, DEFINITIONS, "first")
    assert outside.read_text() == "not to be lost"
    assert sorted(contents(folder)) == FILES and version(folder) == 1


@pytest.mark.parametrize(("umask", "file", "made"), [(0o077, 0o400, 0o700), (0o027, 0o440, 0o750)])
def test_published_files_are_write_protected_and_follow_the_umask(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, umask: int, file: int, made: int
) -> None:
    folder = tmp_path / "published"
    os.umask(umask)
    publish(warehouse, folder, DEFINITIONS, "first")
    publish(warehouse, folder, DEFINITIONS, "second")
    assert stat.S_IMODE(folder.stat().st_mode) == made
    assert {name: stat.S_IMODE((folder / name).stat().st_mode) for name in FILES} == dict.fromkeys(
        FILES, file
    )
