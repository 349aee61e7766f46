"""The landing zone: partitions, loads, manifests. Append-only; the latest load of a partition wins.

A load is one whole fetch of one partition. It is written in a hidden work folder on the same file system,
manifest last, and published by one rename to a name that did not exist. What is published never changes.
"""

import fcntl
import gzip
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from loaders import clock
from loaders.errors import LandingError

Feed = Literal["billing_events", "focus_reports"]
Source = Literal["invoice", "estimate"]

WORK = ".work"
MANIFEST = "manifest.json"
LOAD = re.compile(r"load=(\d{8}T\d{12}Z)-[0-9a-f]{6}")
VALUE = re.compile(r"date=\d{4}-\d{2}-\d{2}|billing_month=\d{4}-\d{2}")
COMPRESSION = 5  # of bodies that come without; measured, see DECISIONS.md
STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True)
class Partition:
    """What one load covers: a UTC day, or the billing month of an invoice."""

    feed: Feed
    account: str
    value: str
    source: Source | None = None

    @property
    def folder(self) -> Path:
        """Its folder, relative to the landing folder."""
        source = (f"source={self.source}",) if self.source else ()
        key = "billing_month" if self.source == "invoice" else "date"
        return Path(self.feed, f"account={self.account}", *source, f"{key}={self.value}")

    @property
    def window(self) -> tuple[datetime, datetime]:
        """The UTC times it covers, from start until before end."""
        if self.source == "invoice":
            return clock.midnight(clock.month_start(self.value)), clock.midnight(
                clock.month_start(self.value, 1)
            )
        start = clock.midnight(date.fromisoformat(self.value))
        return start, start + timedelta(days=1)


@dataclass(frozen=True)
class Page:
    """One file of a load. bytes and sha256 are those of the body before compression."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What is written beside the pages of a load; its presence makes a folder a load."""

    feed: Feed
    account: str
    source: Source | None
    partition: str
    load_id: str
    request: dict[str, Any]
    window_start: str
    window_end: str
    fetched_at: str
    complete: bool
    rows: int
    pages: list[Page]


@dataclass(frozen=True)
class Latest:
    """What a later run needs to know of a partition's latest load."""

    fetched_at: datetime
    complete: bool


class LandingZone:
    """A landing folder that this process writes to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._work: Path | None = None

    @contextmanager
    def writing(self) -> Iterator["LandingZone"]:
        """For the time of a run: a work folder of its own. Those of processes that died are removed first."""
        work = self.folder / WORK
        with _told_in_one_line(self.folder):
            work.mkdir(parents=True, exist_ok=True)
            own = work / f"{os.getpid()}-{secrets.token_hex(4)}"
            with alone_in(work):
                remove_stale_work(work)
                lock = lock_of(own).open("w")
                fcntl.flock(lock, fcntl.LOCK_EX)
                own.mkdir()
        self._work = own
        with lock:
            try:
                yield self
            finally:
                self._work = None
                # Under another name first: a thread that is still at work then fails to publish, rather than
                # publish what is half deleted. What cannot be removed is stale work for the next run.
                gone = own.with_name(f"{own.name}.gone")
                with suppress(OSError):
                    own.rename(gone)
                remove_folder(gone)
                with suppress(OSError):
                    lock_of(own).unlink()

    def exists(self) -> bool:
        """Whether there is such a folder."""
        with _told_in_one_line(self.folder):
            return self.folder.is_dir()

    def start_load(self, partition: Partition, request: dict[str, Any]) -> "Load":
        """Begin a load, now. Only inside `writing`."""
        assert self._work is not None, "a load is started inside `with zone.writing()`"
        with _told_in_one_line(self.folder):
            work = self._work / secrets.token_hex(8)
            work.mkdir()
        return Load(self.folder, partition, request, work, clock.utc_now())

    def latest(self, partition: Partition) -> Latest | None:
        """The latest load of a partition, or None when it never landed. LandingError if it can't be read."""
        with _told_in_one_line(self.folder):
            loads = loads_of(self.folder / partition.folder)
            return _read_latest(loads[-1] / MANIFEST) if loads else None

    def landed_values(self, feed: Feed, account: str, source: Source | None = None) -> list[str]:
        """The days or months of an account that have a load, in order."""
        parent = (self.folder / Partition(feed, account, "", source).folder).parent
        with _told_in_one_line(self.folder):
            named = [folder for folder in _folders(parent) if VALUE.fullmatch(folder.name)]
            return sorted(folder.name.partition("=")[2] for folder in named if loads_of(folder))

    def superseded(self, keep: int, account: str | None = None) -> list[Path]:
        """All but the latest loads of every partition, of one account or of all."""
        with _told_in_one_line(self.folder):
            return [load for folder in self._partitions(account) for load in loads_of(folder)[:-keep]]

    def remove(self, load: Path) -> bool:
        """Take a load out of sight at once, then delete it; False if another prune did. Only in `writing`."""
        assert self._work is not None, "a load is removed inside `with zone.writing()`"
        with _told_in_one_line(self.folder):
            gone = self._work / secrets.token_hex(8)
            try:
                load.rename(gone)
            except FileNotFoundError:
                return False
            remove_folder(gone)
            return True

    def _partitions(self, account: str | None) -> Iterator[Path]:
        whose = f"account={account or '*'}"
        yield from sorted(self.folder.glob(f"billing_events/{whose}/date=*"))
        yield from sorted(self.folder.glob(f"focus_reports/{whose}/source=*/*=*"))


@dataclass
class Load:
    """A load in the making: invisible until it is published."""

    landing_dir: Path
    partition: Partition
    request: dict[str, Any]
    work: Path
    fetched_at: datetime

    def __post_init__(self) -> None:
        self.pages: list[Page] = []

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        remove_folder(self.work)  # nothing is there any more once it was published

    def add(self, file: str, body: bytes, rows: int, gzipped: bytes | None = None) -> None:
        """Write one body, compressed, as it came. gzipped: the body as gzip, if it came so."""
        with _told_in_one_line(self.landing_dir):
            write_durably(self.work / file, as_gzip(body, gzipped))
        self.pages.append(Page(file, rows, len(body), hashlib.sha256(body).hexdigest()))

    def publish(self) -> Manifest:
        """Write the manifest and make the load visible, in one step. From then on it is the latest."""
        start, end = self.partition.window
        target = self.landing_dir / self.partition.folder
        with _told_in_one_line(self.landing_dir):
            make_folder_durably(target, self.landing_dir)
            manifest = Manifest(
                feed=self.partition.feed,
                account=self.partition.account,
                source=self.partition.source,
                partition=self.partition.value,
                load_id=next_load_id(target, self.fetched_at),
                request=self.request,
                window_start=clock.seconds_text(start),
                window_end=clock.seconds_text(end),
                fetched_at=clock.micros_text(self.fetched_at),
                complete=end <= self.fetched_at,
                rows=sum(page.rows for page in self.pages),
                pages=self.pages,
            )
            write_durably(self.work / MANIFEST, (json.dumps(asdict(manifest)) + "\n").encode())
            sync_folder(self.work)
            self.work.rename(target / f"load={manifest.load_id}")
            sync_folder(target)
        return manifest


def as_gzip(body: bytes, gzipped: bytes | None) -> bytes:
    """A body as gzip: as it came, or else compressed here, always to the same bytes.

    DuckDB reads no gzip whose header has a checksum or a comment: the flags must be zero, as servers have it.
    """
    if gzipped is not None and gzipped[3] == 0:
        return gzipped
    return gzip.compress(body, COMPRESSION, mtime=0)


def next_load_id(partition_folder: Path, fetched_at: datetime) -> str:
    """An id that sorts after every load already there, even when the clock went back."""
    stamps = [match[1] for folder in _folders(partition_folder) if (match := LOAD.fullmatch(folder.name))]
    stamp = fetched_at
    if stamps:
        newest = datetime.strptime(max(stamps), STAMP).replace(tzinfo=UTC)
        stamp = max(stamp, newest + timedelta(microseconds=1))
    return f"{stamp.strftime(STAMP)}-{secrets.token_hex(3)}"


def loads_of(partition_folder: Path) -> list[Path]:
    """The loads of a partition, oldest first. A folder without a manifest is none."""
    return sorted(
        folder
        for folder in _folders(partition_folder)
        if LOAD.fullmatch(folder.name) and (folder / MANIFEST).is_file()
    )


def remove_stale_work(work: Path) -> None:
    """Remove what processes that died left behind. A living one holds its lock, which death releases."""
    for lock_file in work.glob("*.lock"):
        with suppress(BlockingIOError, FileNotFoundError), lock_file.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock_file.unlink(missing_ok=True)
    for folder in _folders(work):
        if not lock_of(folder).exists():
            remove_folder(folder)


def lock_of(folder: Path) -> Path:
    """The lock file of a work folder, beside it."""
    return folder.with_name(f"{folder.name}.lock")


@contextmanager
def alone_in(work: Path) -> Iterator[None]:
    """No other process makes or removes work folders meanwhile."""
    number = os.open(work, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def remove_folder(folder: Path) -> None:
    """Delete a folder and all in it; what cannot be deleted now is stale work for the next run."""
    shutil.rmtree(folder, ignore_errors=True)


def write_durably(file: Path, content: bytes) -> None:
    """Write a file and wait until it is on disk."""
    with file.open("xb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def make_folder_durably(folder: Path, root: Path) -> None:
    """Make a folder under root, and wait until every folder on the way to it is on disk."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:
        folder = folder.parent
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _folders(parent: Path) -> list[Path]:
    try:
        return [entry for entry in parent.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []


def _read_latest(file: Path) -> Latest:
    try:
        manifest = json.loads(file.read_bytes())
        return Latest(datetime.fromisoformat(manifest["fetched_at"]), bool(manifest["complete"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise LandingError(f"{file} is not a manifest: remove that load's folder and land it again") from None


@contextmanager
def _told_in_one_line(landing_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        raise LandingError(
            f"cannot use the landing folder {landing_dir}: {what}; "
            "check FAL_LANDING_DIR, its rights and the space left"
        ) from None
