"""Publishes the marts for readers: a DuckDB file with all marts and their views, a Parquet file of each, and
a page. With requests, also a Parquet file of each day of an account.

All files are written into a hidden folder first, and then renamed over the published ones. A reader finds the
old file or the new one, never a part. A reader that is connected keeps the old one.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from loaders.files import lock, make_folder_durably, move_durably, remove_folder
from publishing.requests import VERSIONS, Requests, list_obsolete_days, quote, write_requests

DATABASE = "fal_focus.duckdb"
PAGE = "report.html"
WORK = ".publishing"
# the oldest format that DuckDB writes: a BI tool has its own DuckDB, and every version since 1.0 reads it
STORAGE_VERSION = "v1.0.0"

DuckDBConfig = dict[str, str | bool | int | float | list[str]]


@dataclass(frozen=True)
class Description:
    """The descriptions of a relation and its columns, which become comments in the published database."""

    text: str
    columns: Mapping[str, str] = field(default_factory=dict)


PUBLICATION = Description(
    "One row: which publication this is.",
    {"publication_id": "Id of the build that published it.", "published_at": "When it was published, UTC."},
)


def publish(
    warehouse: duckdb.DuckDBPyConnection,
    folder: Path,
    marts: Mapping[str, str],
    views: Mapping[str, str],
    publication_id: str,
    descriptions: Mapping[str, Description] | None = None,
    requests: Requests | None = None,
    write_page: Callable[[Path, Path], None] | None = None,
) -> None:
    """Publish marts into a folder, which is made if it is missing.

    marts: `schema.name` to the relation in the warehouse.
    views: `schema.name` to SQL, which refers to a mart as `schema.name`, since a reader may attach the file
    under any name.
    descriptions: of marts and views, by `schema.name`; BI tools show them.
    requests: published in the folder requests, of which only days that changed are written.
    write_page: writes the page of a database into a file. Without the file, the publication has no page.

    The database also has focus.publication, with publication_id and published_at. The metadata of each
    Parquet file has both as well. The database is renamed last, so that its readers find Parquet files that
    are at least as new. Raises OSError or duckdb.Error; unless a rename fails, no mart has changed then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with lock_publication(folder), make_work_folder(folder) as work:
        with warehouse.cursor() as cursor:
            metadata = build_metadata(publication_id)
            write_files(cursor, work / DATABASE, marts, views, metadata, descriptions or {})
            if requests:
                write_requests(cursor, requests, folder, work, metadata)
        if write_page:
            write_page(work / DATABASE, work / PAGE)
        if not (work / PAGE).exists():
            # the page of an older publication has other amounts
            (folder / PAGE).unlink(missing_ok=True)
        move_files(work, folder)
        if requests:
            for file in list_obsolete_days(folder):
                file.unlink()


def move_files(work: Path, folder: Path) -> None:
    """Rename the files of a work folder over those of a publication, in order_of_file."""
    files = sorted((file for file in work.rglob("*") if file.is_file()), key=order_of_file)
    for file in files:
        # a program that opens the database for writing would leave a log beside the next one
        write_protect(file)
    # DuckDB would replay the log of a program that wrote into the old database into the new one
    (folder / f"{DATABASE}.wal").unlink(missing_ok=True)
    moves = {file: folder / file.relative_to(work) for file in files}
    on_disk: set[Path] = set()
    for parent in {path.parent for path in moves.values()} - {folder}:
        make_folder_durably(parent, folder, on_disk)
    move_durably(moves)


def write_protect(file: Path) -> None:
    """Make a file read-only."""
    file.chmod(file.stat().st_mode & ~0o222)


def order_of_file(file: Path) -> int:
    """Return the position of a file among those that are renamed.

    The versions of requests follow their days: after a crash in between, the next publication writes these
    days again. The database is last.
    """
    return (VERSIONS, DATABASE).index(file.name) + 1 if file.name in (VERSIONS, DATABASE) else 0


def count_charges(warehouse: duckdb.DuckDBPyConnection, relation: str) -> dict[str, int]:
    """Return the number of charges by account, in a relation with the columns of focus.cost_and_usage."""
    with warehouse.cursor() as cursor:
        query = f"select x_Account, count(*) from {relation} group by all order by all"
        return dict(cursor.execute(query).fetchall())


def count_published_charges(folder: Path) -> dict[str, int] | None:
    """Return the number of charges by account in a publication. None if it cannot be read."""
    if not (folder / DATABASE).exists():
        return {}
    # a view or a macro of the file cannot read another file
    config: DuckDBConfig = {"enable_external_access": "false"}
    try:
        with duckdb.connect(str(folder / DATABASE), read_only=True, config=config) as published:
            return count_charges(published, "focus.cost_and_usage")
    except duckdb.Error:
        return None


def write_files(
    cursor: duckdb.DuckDBPyConnection,
    database: Path,
    marts: Mapping[str, str],
    views: Mapping[str, str],
    metadata: str,
    descriptions: Mapping[str, Description],
) -> None:
    """Copy marts into a new database, and from there into Parquet files beside it. Create the views.

    metadata: of the publication, as build_metadata returns it.
    """
    cursor.execute(f"attach {quote(database)} as fal_publication (storage_version {quote(STORAGE_VERSION)})")
    try:
        for schema in sorted({name.partition(".")[0] for name in (*marts, *views)}):
            cursor.execute(f"create schema fal_publication.{schema}")
        for mart, relation in marts.items():
            cursor.execute(f"create table fal_publication.{mart} as from {relation}")
            file = database.with_name(name_parquet_file(mart))
            cursor.execute(
                f"copy fal_publication.{mart} to {quote(file)} (format parquet, kv_metadata {metadata})"
            )
        for view, sql in views.items():
            cursor.execute(f"create view fal_publication.{view} as {sql}")
        cursor.execute(
            "create table fal_publication.focus.publication as select publication_id,"
            f" cast(published_at as timestamp) as published_at from (select unnest({metadata}))"
        )
        # in one transaction, which waits for the disk once
        cursor.execute("begin")
        for name, description in {**descriptions, "focus.publication": PUBLICATION}.items():
            cursor.execute(build_comments("view" if name in views else "table", name, description))
        cursor.execute("commit")
        cursor.execute("checkpoint fal_publication")
    except BaseException:
        with suppress(duckdb.Error):  # on a full disk this fails as well, and would hide the cause
            cursor.execute("detach fal_publication")
        raise
    cursor.execute("detach fal_publication")


def name_parquet_file(mart: str) -> str:
    """Return the name of the Parquet file of a mart: contract_commitment_1_4.parquet of focus_1_4."""
    schema, _, name = mart.partition(".")
    version = schema.removeprefix("focus") if schema.startswith("focus_") else ""
    return f"{name}{version}.parquet"


def build_metadata(publication_id: str) -> str:
    """Return a struct in SQL with publication_id and published_at."""
    published_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{{publication_id: {quote(publication_id)}, published_at: {quote(published_at)}}}"


def build_comments(kind: str, name: str, description: Description) -> str:
    """Return the SQL that writes a description into the new database. kind: table or view."""
    relation = f"fal_publication.{name}"
    on_columns = (
        f'comment on column {relation}."{column}" is {quote(text)};'
        for column, text in description.columns.items()
    )
    return f"comment on {kind} {relation} is {quote(description.text)};" + "".join(on_columns)


@contextmanager
def lock_publication(folder: Path) -> Iterator[None]:
    """Lock a folder against other builds that publish there. Raises OSError if another build has the lock."""
    try:
        held = lock(folder, wait=False)
    except BlockingIOError:
        raise OSError("another build is publishing there at this moment") from None
    with held:
        yield


@contextmanager
def make_work_folder(folder: Path) -> Iterator[Path]:
    """Yield a new hidden folder, and remove it afterwards. The files of a killed build are removed first."""
    work = folder / WORK
    remove_folder(work)
    work.mkdir()
    try:
        yield work
    finally:
        remove_folder(work)
