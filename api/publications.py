"""The current publication, and earlier ones: a walk through pages stays in the publication that it began in.

A publication is pinned by a hard link to its file. Publishing renames a new file over the old one and never
writes into a published file, so the link keeps the old publication, also across a restart.
"""

import logging
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Lock

import duckdb

from api.export_limits import FLOOR
from api.queries import RECORD_NUMBER, read_publication_id
from loaders.files import move_durably
from publishing import DuckDBConfig
from publishing.database import DATABASE

KEPT = 4  # older publications, besides those that were replaced in the last hour
KEPT_AT_MOST = 24
AN_HOUR = 3600.0  # seconds
OPEN_AT_MOST = 3
LOOK_EVERY = 1.0  # seconds between two checks of the published file
# seconds until a file that cannot be served is tried again; a changed file is tried at once
RETRY_EVERY = 600.0
log = logging.getLogger("api")

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

# a query cannot read a file of the server
CONFIG: DuckDBConfig = {
    "threads": 1,  # requests share the machine, each in its own thread
    "memory_limit": "1GB",
    "TimeZone": "UTC",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "lock_configuration": "true",
}


Version = tuple[int, int, int]  # inode, mtime and size of a file


class NotPublishedError(Exception):
    """No publication can be served. The message contains what to do."""


class NoRoomError(OSError):
    """The disk has no room for a copy of a publication."""


@dataclass
class Publication:
    """One publication, opened for reading."""

    publication_id: str
    file: Path
    published_at: str  # RFC 3339
    connection: duckdb.DuckDBPyConnection = field(repr=False)
    columns: dict[str, dict[str, str]]  # by view: the columns to show and their types, in order


class Publications:
    """The pinned publications of a folder that builds publish into. For use by many threads."""

    def __init__(self, published: Path, folder: Path, floor: int = FLOOR) -> None:
        """floor: bytes of free space that a copy leaves."""
        self.published = published / DATABASE
        self.folder, self.floor = folder, floor
        self.lock = Lock()
        self.turn = Condition()  # protects the next three
        self.looking = False  # whether a thread looks for a new publication
        self.copying = False  # whether it copies one
        self.looked_at = -math.inf  # the beginning of the last complete look
        self.version: Version | None = None  # of the published file that was pinned or failed last
        self.retry_at = math.inf  # when the version is tried again, if it failed
        self.newest_id = ""  # empty: see problem
        self.problem = ""
        self.logged: object = None  # the problem that was logged last
        self.opened: dict[str, Publication] = {}  # in the order of use

    @contextmanager
    def open(
        self, publication_id: str | None = None
    ) -> Iterator[tuple[Publication, duckdb.DuckDBPyConnection]]:
        """Yield the current publication, or the one of this id, and a connection to it for one thread.

        Raises NotPublishedError if no publication can be served, or the one of this id was removed.
        """
        if publication_id is None:
            self._look()
        with self.lock:
            if publication_id is None and not self.newest_id:
                raise NotPublishedError(self.problem)
            publication = self._open(publication_id or self.newest_id)
            cursor = publication.connection.cursor()
        with cursor:
            yield publication, cursor

    @contextmanager
    def reopen(self, publication: Publication) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield another connection to an open publication, even after its file was removed."""
        with self.lock:
            cursor = publication.connection.cursor()
        with cursor:
            yield cursor

    def close(self) -> None:
        """Close all publications that no query reads."""
        with self.lock:
            self.opened.clear()

    def _look(self) -> None:
        """Pin the published file if it has changed. An invalid file leaves the current one in service.

        One thread pins, and the others wait: a request gets no publication that was replaced more than
        LOOK_EVERY before it. They wait for a copy only if no publication is in service: it can take minutes.
        """
        began = time.monotonic()
        with self.turn:
            self.turn.wait_for(lambda: not self.looking or (self.copying and self.newest_id))
            if self.looking or self.looked_at > began - LOOK_EVERY:
                return
            self.looking, looked_at = True, time.monotonic()
        try:
            self._pin_new_version()
        finally:
            with self.turn:
                self.looking, self.copying, self.looked_at = False, False, looked_at
                self.turn.notify_all()

    def _pin_new_version(self) -> None:
        """Pin the published file if it has changed, or if it failed some time ago."""
        version = None
        try:
            status = self.published.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if version == self.version and time.monotonic() < self.retry_at:
                return
            publication_id = self._pin(status.st_size)
            with self.lock:
                self._open(publication_id)
                self.newest_id = publication_id
                self._remove_old()
            self.version, self.retry_at, self.logged = version, math.inf, None
        except (OSError, duckdb.Error, NotPublishedError) as error:
            self._report(error, version)
            if not isinstance(error, NoRoomError):  # room costs nothing to check, and can come at any time
                self.version, self.retry_at = version, time.monotonic() + RETRY_EVERY
            if version and not self.newest_id:
                self._serve_pinned()

    def _serve_pinned(self) -> None:
        """Serve the newest pinned publication that can be read."""
        for file in self._list_pinned():
            with suppress(OSError, duckdb.Error, NotPublishedError), self.lock:
                self._open(file.stem)
                self.newest_id = file.stem
                log.warning("publication %s is served instead", file.stem)
                return

    def _report(self, error: Exception, version: Version | None) -> None:
        """Keep the problem for clients, and log it once for a version of the file."""
        if isinstance(error, FileNotFoundError):
            self.problem = f"there is no {DATABASE} yet: dbt build publishes it"
        elif isinstance(error, NotPublishedError):
            self.problem = f"{DATABASE} cannot be served: {error}"
        else:
            self.problem = f"{DATABASE} cannot be served; the server's log has the cause"
        if self.logged != (version, type(error)):
            log.error("%s cannot be served: %s", self.published, error)
        self.logged = (version, type(error))

    def _pin(self, size: int) -> str:
        """Link the published file into the folder, under its publication id. Return the id.

        Where links are impossible, the file is copied, unless a publication of its id is pinned already.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        link = self.folder / f".{secrets.token_hex(8)}"
        try:
            try:
                os.link(self.published, link)
            except OSError:  # the folder is on another file system
                publication_id = read_checked_id(self.published)
                if self._build_path(publication_id).exists():
                    return publication_id
                self._check_room(size)
                with self.turn:
                    self.copying = True
                    self.turn.notify_all()
                shutil.copy2(self.published, link)
            publication_id = read_checked_id(link)
            file = self._build_path(publication_id)
            if not file.exists():
                move_durably({link: file})  # a copy may not be on disk yet
        finally:
            link.unlink(missing_ok=True)
        return publication_id

    def _check_room(self, size: int) -> None:
        """Raise NoRoomError if a copy of this size would leave too little free space."""
        if shutil.disk_usage(self.folder).free < size + self.floor:
            raise NoRoomError(f"{self.folder} has no room for a copy of {size} bytes")

    def _open(self, publication_id: str) -> Publication:
        """Return a kept publication, and drop those that were used longest ago.

        A dropped publication is not closed, which would end its queries. The last of them closes it.
        """
        publication = self.opened.pop(publication_id, None)
        if publication is None:
            file = self._build_path(publication_id)
            if not IDENTIFIER.fullmatch(publication_id) or not file.exists():
                raise NotPublishedError("this publication is no longer kept")
            publication = open_publication(publication_id, file)
        self.opened[publication_id] = publication
        while len(self.opened) > OPEN_AT_MOST:
            del self.opened[next(iter(self.opened))]
        return publication

    def _remove_old(self) -> None:
        """Remove the publications whose time has ended."""
        files = self._list_pinned()
        files.sort(key=lambda file: file != self._build_path(self.newest_id))
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

    def _list_pinned(self) -> list[Path]:
        """Return the files of all pinned publications, the newest first."""
        return sorted(self.folder.glob("*.duckdb"), key=lambda file: file.stat().st_mtime_ns, reverse=True)

    def _build_path(self, publication_id: str) -> Path:
        return self.folder / f"{publication_id}.duckdb"


def read_checked_id(file: Path) -> str:
    """Return the id of a published file. Raises duckdb.Error, or NotPublishedError for an unusable id."""
    with duckdb.connect(str(file), read_only=True, config=CONFIG) as connection:
        publication_id = read_publication_id(connection)
    if not IDENTIFIER.fullmatch(publication_id):
        raise NotPublishedError("its publication_id cannot be a file name")
    return publication_id


def open_publication(publication_id: str, file: Path) -> Publication:
    """Open a publication. Raises duckdb.Error, or NotPublishedError if it lacks the views of the API."""
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
        raise NotPublishedError("an older version published it, without the views of the API: run dbt build")
    ((published_at,),) = connection.execute(
        "select strftime(published_at, '%Y-%m-%dT%H:%M:%SZ') from focus.publication"
    ).fetchall()
    return Publication(publication_id, file, published_at, connection, columns)
