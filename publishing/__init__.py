"""Publishes the marts for readers: a DuckDB file with all marts and their views, a Parquet file of each, and
a page. With requests, also a Parquet file of each day of an account.

All files are written into a hidden folder first, and then renamed over the published ones. A reader finds the
old file or the new one, never a part. A reader that is connected keeps the old one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from loaders.files import lock, make_folder_durably, move_durably, remove_folder
from publishing.changes import Definitions, Publication, compare
from publishing.database import DATABASE, build_metadata, write_database, write_parquet_files
from publishing.requests import VERSIONS, Requests, list_obsolete_days, write_requests

PAGE = "report.html"
WORK = ".publishing"

DuckDBConfig = dict[str, str | bool | int | float | list[str]]


@dataclass(frozen=True)
class Published:
    """The result. changed: the marts whose rows were written. is_kept: it is the publication before."""

    publication: Publication
    changed: Sequence[str]
    is_kept: bool


def publish(
    warehouse: duckdb.DuckDBPyConnection,
    folder: Path,
    definitions: Definitions,
    publication_id: str,
    requests: Requests | None = None,
    write_page: Callable[[Path, Path], None] | None = None,
    writes_all: bool = False,
) -> Published:
    """Publish marts into a folder, which is made if it is missing. Rows that have not changed are kept.

    requests: published in the folder requests, of which only days that changed are written.
    write_page: writes the page of a database into a file. Without the file, the publication has no page.
    writes_all: whether a database without any bytes of the previous one is written.

    A publication of the same UTC day is kept if nothing has changed: its page states the days that have not
    landed. Tables and Parquet files name the publication that wrote them. The database is renamed last, so
    that its readers find Parquet files that are at least as new. Raises OSError or duckdb.Error; unless a
    rename fails, no mart has changed then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with lock_publication(folder), make_work_folder(folder) as work, warehouse.cursor() as cursor:
        previous = None if writes_all else compare(cursor, folder / DATABASE, definitions)
        publication = Publication(publication_id, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        is_kept = previous is not None and previous.is_current
        if previous and is_kept:
            publication = previous.publication
        taken_over = previous.unchanged if previous else {}
        writers = {**dict.fromkeys(definitions.names, publication), **taken_over}
        if not is_kept:
            write_database(cursor, work / DATABASE, previous, definitions, publication, writers)
        write_parquet_files(cursor, folder, work, definitions.marts, writers)
        if requests:
            write_requests(cursor, requests, folder, work, build_metadata(publication))
        update_page(folder, work, write_page, is_kept, publication)
        move_files(work, folder)
        for file in list_obsolete_days(folder) if requests else ():
            file.unlink()
    changed = [mart for mart in definitions.marts if mart not in taken_over]
    return Published(publication, changed, is_kept)


def update_page(
    folder: Path,
    work: Path,
    write_page: Callable[[Path, Path], None] | None,
    is_kept: bool,
    publication: Publication,
) -> None:
    """Write the page of a new publication, or the missing page of one that is kept.

    A killed publication may have left its page, which has other amounts. The page states its publication.
    """
    if is_kept and names_publication(folder / PAGE, publication):
        return
    if write_page:
        write_page((folder if is_kept else work) / DATABASE, work / PAGE)
    if not (work / PAGE).exists():
        # the page of an older publication has other amounts
        (folder / PAGE).unlink(missing_ok=True)


def names_publication(page: Path, publication: Publication) -> bool:
    """Return whether a page is of a publication."""
    try:
        return publication.publication_id in page.read_text()
    except (OSError, ValueError):
        return False


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
