"""Publishes the marts for readers: one DuckDB file with all of them and views of them, and a Parquet file of
each mart.

All is written into a hidden folder first and then renamed over what was published before: a reader finds
the old or the new, never a part of it, and one that is connected keeps the old.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from loaders.files import remove_folder, sync_folder

DATABASE = "fal_focus.duckdb"
WORK = ".publishing"
# the oldest format that DuckDB writes: a BI tool brings a DuckDB of its own, and any since 1.0 reads this one
STORAGE_VERSION = "v1.0.0"


@dataclass(frozen=True)
class Description:
    """What a relation holds, and what each of its columns does: its comments in the published database."""

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
) -> None:
    """Publish marts, `schema.name` to what it is in the warehouse, into a folder, which is made if need be.

    views: `schema.name` to SQL, which calls a mart `schema.name`: the file may be attached as any catalog.
    descriptions: of marts and views, by `schema.name`; BI tools show them.
    The database also has focus.publication: publication_id and published_at, which are in the metadata of
    every Parquet file, too. It is renamed last: whoever reads it finds Parquet files that are no older.
    Raises OSError or duckdb.Error, before anything is renamed unless a rename itself fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder), work_folder(folder) as work:
        with warehouse.cursor() as cursor:
            write(cursor, work / DATABASE, marts, views, publication_id, descriptions or {})
        files = sorted(work.iterdir(), key=lambda file: file.name == DATABASE)
        for file in files:
            # for reading alone: who opened the database for writing would leave a log beside the next one
            file.chmod(file.stat().st_mode & ~0o222)
            sync_folder(file)
        # what somebody wrote into the old database nevertheless would be replayed into the new one
        (folder / f"{DATABASE}.wal").unlink(missing_ok=True)
        for file in files:
            file.replace(folder / file.name)
        sync_folder(folder)


def charges_by_account(warehouse: duckdb.DuckDBPyConnection, relation: str) -> dict[str, int]:
    """How many charges each account has in a relation of the columns of focus.cost_and_usage."""
    with warehouse.cursor() as cursor:
        query = f"select x_Account, count(*) from {relation} group by all order by all"
        return dict(cursor.execute(query).fetchall())


def published_charges(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int] | None:
    """How many charges each account has in the publication of a folder; None if it cannot be read."""
    if not (folder / DATABASE).exists():
        return {}
    with warehouse.cursor() as cursor:
        try:
            cursor.execute(f"attach {text(folder / DATABASE)} as fal_published (read_only)")
        except duckdb.Error:
            return None
        try:
            return charges_by_account(cursor, "fal_published.focus.cost_and_usage")
        except duckdb.Error:
            return None
        finally:
            cursor.execute("detach fal_published")


def write(
    cursor: duckdb.DuckDBPyConnection,
    database: Path,
    marts: Mapping[str, str],
    views: Mapping[str, str],
    publication_id: str,
    descriptions: Mapping[str, Description],
) -> None:
    """Copy marts into a new database, and from there into Parquet files beside it; make the views there."""
    published_at = text(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    metadata = f"{{publication_id: {text(publication_id)}, published_at: {published_at}}}"
    cursor.execute(f"attach {text(database)} as fal_publication (storage_version {text(STORAGE_VERSION)})")
    try:
        for schema in sorted({name.partition(".")[0] for name in (*marts, *views)}):
            cursor.execute(f"create schema fal_publication.{schema}")
        for mart, relation in marts.items():
            cursor.execute(f"create table fal_publication.{mart} as from {relation}")
            file = database.with_name(f"{mart.partition('.')[2]}.parquet")
            cursor.execute(
                f"copy fal_publication.{mart} to {text(file)} (format parquet, kv_metadata {metadata})"
            )
        for view, sql in views.items():
            cursor.execute(f"create view fal_publication.{view} as {sql}")
        cursor.execute(
            "create table fal_publication.focus.publication as"
            f" select {text(publication_id)} as publication_id, timestamp {published_at} as published_at"
        )
        # in one transaction, which waits for the disk once
        cursor.execute("begin")
        for name, description in {**descriptions, "focus.publication": PUBLICATION}.items():
            cursor.execute(comments("view" if name in views else "table", name, description))
        cursor.execute("commit")
        cursor.execute("checkpoint fal_publication")
    finally:
        cursor.execute("detach fal_publication")


def comments(kind: str, name: str, description: Description) -> str:
    """Statements that write a description into the new database. kind: table or view."""
    relation = f"fal_publication.{name}"
    on_columns = (
        f'comment on column {relation}."{column}" is {text(words)};'
        for column, words in description.columns.items()
    )
    return f"comment on {kind} {relation} is {text(description.text)};" + "".join(on_columns)


def text(value: object) -> str:
    """A value as an SQL text."""
    return "'" + str(value).replace("'", "''") + "'"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder against another build that publishes there; OSError if there is one."""
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise OSError("another build is publishing there at this moment") from None
    finally:
        os.close(number)


@contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """A new hidden folder, without what a publication that was killed left in it; removed afterwards."""
    work = folder / WORK
    remove_folder(work)
    work.mkdir()
    try:
        yield work
    finally:
        remove_folder(work)
