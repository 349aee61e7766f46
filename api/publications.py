"""What is published now, and what was published before: a walk through pages stays in the one it began in.

A publication is pinned by a hard link to its file: publishing renames a new file over the old one and writes
into neither, so that the link keeps what was published, across a restart, too.
"""

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import duckdb

from api.queries import RECORD_NUMBER
from publishing import DATABASE

KEPT = 4  # older publications, besides those that were replaced in the last hour
KEPT_AT_MOST = 24
AN_HOUR = 3600.0  # seconds
OPEN_AT_MOST = 3
LOOK_EVERY = 1.0  # seconds between two looks at the published file
log = logging.getLogger("api")

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

# no file of the server can be read through it, whatever the query
CONFIG = {
    "threads": 1,  # requests share the machine, each in a thread of its own
    "memory_limit": "1GB",
    "TimeZone": "UTC",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "lock_configuration": "true",
}


class NotPublishedError(Exception):
    """Nothing is published, or nothing that can be served; the message says what to do."""


@dataclass
class Publication:
    """One publication, opened for reading."""

    publication_id: str
    file: Path
    published_at: str  # RFC 3339
    connection: duckdb.DuckDBPyConnection = field(repr=False)
    columns: dict[str, dict[str, str]]  # by view: the columns to show and their types, in order


class Publications:
    """The publications that a folder keeps of what builds publish into another. For use by many threads."""

    def __init__(self, published: Path, folder: Path) -> None:
        self.published = published / DATABASE
        self.folder = folder
        self.lock = Lock()
        self.seen: tuple[int, int] | None = None  # inode and mtime of the published file
        self.looked_at = -LOOK_EVERY
        self.newest_id = ""  # or else
        self.problem = ""
        self.told: object = None  # what the log was last told of a problem
        self.opened: dict[str, Publication] = {}  # the one used last is the last

    @contextmanager
    def reading(
        self, publication_id: str | None = None
    ) -> Iterator[tuple[Publication, duckdb.DuckDBPyConnection]]:
        """What is published now, or the publication of this name, and a connection to it for one thread.

        NotPublishedError if nothing is published, or that publication is not kept any more.
        """
        with self.lock:
            if publication_id is None and time.monotonic() - self.looked_at >= LOOK_EVERY:
                self._look()
            if publication_id is None and not self.newest_id:
                raise NotPublishedError(self.problem)
            publication = self._open(publication_id or self.newest_id)
            cursor = publication.connection.cursor()
        with cursor:
            yield publication, cursor

    @contextmanager
    def reading_on(self, publication: Publication) -> Iterator[duckdb.DuckDBPyConnection]:
        """Another connection to a publication that is open, even if it is not kept any more."""
        with self.lock:
            cursor = publication.connection.cursor()
        with cursor:
            yield cursor

    def close(self) -> None:
        """Close all that is open, once nobody reads it any more."""
        with self.lock:
            self.opened.clear()

    def _look(self) -> None:
        """Pin what is published, if that is another than before; what cannot be served leaves that served."""
        self.looked_at = time.monotonic()
        seen = None
        try:
            status = self.published.stat()
            seen = (status.st_ino, status.st_mtime_ns)
            if seen != self.seen:
                pinned = self._pin()
                self._open(pinned)
                self.newest_id, self.seen, self.told = pinned, seen, None
                self._forget_old_ones()
        except (OSError, duckdb.Error, NotPublishedError) as error:
            self.problem = f"{DATABASE} cannot be served; the server's log says why"
            if isinstance(error, FileNotFoundError):
                self.problem = f"there is no {DATABASE} yet: dbt build publishes it"
            if isinstance(error, NotPublishedError):
                self.problem = f"{DATABASE} cannot be served: {error}"
            if self.told != (seen, type(error)):  # once, not on each look
                log.error("%s cannot be served: %s", self.published, error)
            self.told = (seen, type(error))

    def _pin(self) -> str:
        """Link the published file into the folder, under its own name; that name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        link = self.folder / f".{secrets.token_hex(8)}"
        try:
            try:
                os.link(self.published, link)
            except OSError:  # the folder is on another file system
                shutil.copy2(self.published, link)
            with duckdb.connect(str(link), read_only=True, config=CONFIG) as connection:
                ((publication_id,),) = connection.execute(
                    "select publication_id from focus.publication"
                ).fetchall()
            if not IDENTIFIER.fullmatch(publication_id):
                raise NotPublishedError("its publication_id is no file name")
            file = self._file(publication_id)
            if not file.exists():
                link.rename(file)
        finally:
            link.unlink(missing_ok=True)
        return publication_id

    def _open(self, publication_id: str) -> Publication:
        """A publication that is kept. Those used longest ago are dropped, not closed: that would end their
        queries; the last of these closes them."""
        publication = self.opened.pop(publication_id, None)
        if publication is None:
            file = self._file(publication_id)
            if not IDENTIFIER.fullmatch(publication_id) or not file.exists():
                raise NotPublishedError("this publication is not kept any more")
            publication = opened(publication_id, file)
        self.opened[publication_id] = publication
        while len(self.opened) > OPEN_AT_MOST:
            del self.opened[next(iter(self.opened))]
        return publication

    def _forget_old_ones(self) -> None:
        """Remove the publications that nobody is owed any more."""
        files = sorted(self.folder.glob("*.duckdb"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        files.sort(key=lambda file: file != self._file(self.newest_id))
        replaced_at = time.time()
        for age, file in enumerate(files):  # the newest is 0
            if age > KEPT and (age > KEPT_AT_MOST or time.time() - replaced_at > AN_HOUR):
                self.opened.pop(file.stem, None)
                file.unlink()
            else:
                replaced_at = file.stat().st_mtime
        for link in self.folder.glob(".*"):  # of a server that was killed while it pinned
            if time.time() - link.stat().st_ctime > AN_HOUR:
                link.unlink()

    def _file(self, publication_id: str) -> Path:
        return self.folder / f"{publication_id}.duckdb"


def opened(publication_id: str, file: Path) -> Publication:
    """Open a publication. duckdb.Error."""
    connection = duckdb.connect(str(file), read_only=True, config=CONFIG)
    columns: dict[str, dict[str, str]] = {}
    rows = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        " where database_name = current_database() and schema_name = 'api' order by table_name, column_index"
    ).fetchall()
    for view, column, kind in rows:
        if column != RECORD_NUMBER:
            columns.setdefault(view, {})[column] = kind
    if not columns:
        raise NotPublishedError("it is of an older version, without the views of the API: run dbt build")
    ((published_at,),) = connection.execute(
        "select strftime(published_at, '%Y-%m-%dT%H:%M:%SZ') from focus.publication"
    ).fetchall()
    return Publication(publication_id, file, published_at, connection, columns)
