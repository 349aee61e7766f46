"""The landing zone: partitions, loads, manifests. Append-only; the latest load of a partition wins.

A load is one complete fetch of one partition. It is written in a hidden work folder on the same file system,
the manifest last, and published by one rename to a new name. A published load never changes.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

import msgspec
from zlib_ng import zlib_ng

from loaders import clock
from loaders.body import PIECE
from loaders.errors import BrokenFileError, LandingError
from loaders.files import (
    is_below,
    list_folders,
    make_folder_durably,
    remove_folder,
    sync_to_disk,
    write_durably,
)
from loaders.settings import FOLDER_NAME
from loaders.work import (
    RECORD,
    WORK,
    PageFile,
    UtcTime,
    Walk,
    append_to_record,
    hand_over,
    locate_work,
    lock_account,
    make_work_folder,
    read_page,
    read_record,
    start_record,
    take_over,
    truncate_record,
)

Feed = Literal["billing_events", "serverless_usage", "catalogue", "focus_reports"]
SNAPSHOTS = ("keys", "models", "pricing", "teams", "balance")

MANIFEST = "manifest.json"
# maps digits and dots to 0, other bytes to a space
DIGITS = bytes(48 if byte in b"0123456789." else 32 for byte in range(256))
LONG_NUMBER = b"0" * 16
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
LOAD = re.compile(r"load=(\d{8}T\d{12}Z)-[0-9a-f]{6}", re.ASCII)
# fal was founded in this century
PARTITION = re.compile(
    rf"(?P<feed>{'|'.join(get_args(Feed))})/account=(?P<account>[^/]+)/"
    r"((team|source)=(?P<source>[^/]+)/)?(date|billing_month)=(?P<value>20\d\d-\d\d(-\d\d)?)",
    re.ASCII,
)
# the sources of each feed; "" for a partition without a source
SOURCES: dict[Feed, re.Pattern[str]] = {
    "billing_events": re.compile(f"({FOLDER_NAME.pattern})?"),  # a team of an organization
    "serverless_usage": re.compile(""),
    "catalogue": re.compile("|".join(SNAPSHOTS)),
    "focus_reports": re.compile("invoice|estimate"),
}
# the partitions below an account
LEVELS: dict[Feed, tuple[str, ...]] = {
    "billing_events": ("date=*", "team=*/date=*"),
    "serverless_usage": ("date=*",),
    "catalogue": ("source=*/date=*",),
    "focus_reports": ("source=*/*=*",),
}
COMPRESSION = 5  # of bodies that arrive uncompressed; see DECISIONS.md
STAMP = "%Y%m%dT%H%M%S%fZ"
READ_FOR = timedelta(hours=6)  # a build may read a load for so long after a newer one supersedes it

T = TypeVar("T")


@dataclass(frozen=True)
class Partition:
    """The days that a load covers: a UTC day, or the billing month of an invoice.

    source: the team of billing events of an organization, the kind of a snapshot or a report.
    """

    feed: Feed
    account: str
    value: str
    source: str | None = None

    @property
    def folder(self) -> Path:
        """The folder, relative to the landing folder."""
        level = "team" if self.feed == "billing_events" else "source"
        source = (f"{level}={self.source}",) if self.source else ()
        key = "billing_month" if self.source == "invoice" else "date"
        return Path(self.feed, f"account={self.account}", *source, f"{key}={self.value}")

    @property
    def window(self) -> tuple[datetime, datetime]:
        """The UTC times that it covers, from start until before end. Raises ValueError for a wrong value."""
        if self.source == "invoice":
            first, last = clock.parse_month(self.value), clock.parse_month(self.value, 1)
            return clock.to_midnight(first), clock.to_midnight(last)
        start = clock.to_midnight(date.fromisoformat(self.value))
        return start, start + timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The manifest beside the pages of a load; a folder without one is not a load.

    walks: how often the pages were fetched; the pages are those of the last walk. agreed: whether the last
    two walks held the same events; None after a single walk.
    """

    feed: Feed
    account: str
    source: str | None
    partition: str
    load_id: str
    request: dict[str, Any]
    window_start: str
    window_end: str
    fetched_at: str
    complete: bool
    walks: int = 1
    agreed: bool | None = None
    rows: int
    pages: list[PageFile]


@dataclass(frozen=True)
class Latest:
    """The fields of a manifest that decide whether a partition is fetched again."""

    fetched_at: UtcTime
    complete: bool


@dataclass(frozen=True)
class Superseded:
    """A load that is not among the latest of its partition, and the load after it.

    is_needed: whether too few of the loads after it are intact.
    """

    load: Path
    successor: Path
    is_needed: bool


@dataclass(frozen=True)
class PruneResult:
    """The loads that a prune removed, and how many superseded loads it left.

    left: those that a build may be reading. needed: those whose successors are broken.
    """

    removed: list[Path]
    left: int
    needed: int


class LandingZone:
    """A landing folder. At a time, one loader writes loads of an account; readers need no lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._work: Path | None = None
        self._on_disk: set[Path] = set()

    @contextmanager
    def open_account(self, account: str) -> Iterator[Self]:
        """Lock an account for the time of a run, to land its loads. Raises LockedError."""
        work = locate_work(self.folder, account)
        with convert_os_errors(self.folder):
            make_work_folder(work, self.folder)
            held = lock_account(work, account)
        with held:
            with convert_os_errors(self.folder):
                own = take_over(work)
            self._work = own
            try:
                yield self
            finally:
                self._work = None
                hand_over(own)

    def exists(self) -> bool:
        """Return whether the landing folder exists."""
        with convert_os_errors(self.folder):
            return self.folder.is_dir()

    def start_load(self, partition: Partition, request: dict[str, Any]) -> "Load":
        """Start a load, or resume one of an earlier run. Needs an open account."""
        assert self._work is not None, "a load needs `with zone.open_account(...)`"
        work = self._work / ",".join(partition.folder.parts)
        return Load(self.folder, partition, request, work, self._on_disk)

    def read_latest(self, partition: Partition) -> Latest | None:
        """Return the latest load of a partition, or None if it never landed. Raises BrokenFileError."""
        load = self.find_latest(partition)
        with convert_os_errors(self.folder):
            return read_manifest(load, Latest) if load else None

    def find_latest(self, partition: Partition) -> Path | None:
        """Return the folder of the latest load of a partition, or None if it never landed."""
        with convert_os_errors(self.folder):
            loads = list_loads(self.folder / partition.folder)
        return loads[-1] if loads else None

    def list_values(self, feed: Feed, account: str, source: str | None = None) -> list[str]:
        """Return the days or months of an account that have a load, in order. Ignores impossible dates."""
        parent = (self.folder / Partition(feed, account, "", source).folder).parent
        with convert_os_errors(self.folder):
            folders = [folder for folder in list_folders(parent) if list_loads(folder)]
        partitions = (parse_partition(self.folder, folder) for folder in folders)
        return [partition.value for partition in partitions if partition]

    def list_teams(self, account: str) -> list[str]:
        """Return the teams of an account whose billing events have landed, in order."""
        with convert_os_errors(self.folder):
            folders = list_folders(self.folder / "billing_events" / f"account={account}")
        teams = (folder.name.partition("team=") for folder in folders)
        return [team for before, _, team in teams if not before and FOLDER_NAME.fullmatch(team)]

    def prune(self, keep: int, account: str | None = None) -> PruneResult:
        """Remove all but the latest intact loads of every partition, of one account or of all.

        A build lists the latest loads when it starts, and reads them later. A load therefore stays until the
        manifest of its successor is older than READ_FOR. A broken load does not supersede others. The first
        load of an invoice stays, and so do loads behind a symbolic link.
        """
        removed, left, needed = list[Path](), 0, 0
        with convert_os_errors(self.folder):
            trash = self.folder / WORK / "pruned"
            make_work_folder(trash, self.folder)
            for unfinished in list_folders(trash):
                remove_folder(unfinished)
            readable_since = (clock.utc_now() - READ_FOR).timestamp()
            for old in self._list_superseded(keep, account):
                with suppress(FileNotFoundError):  # another prune removed it
                    if old.is_needed:
                        needed += 1
                    elif (old.successor / MANIFEST).stat().st_mtime > readable_since:
                        left += 1
                    else:
                        hidden = old.load.rename(trash / secrets.token_hex(8))
                        removed.append(old.load)
                        remove_folder(hidden)
        return PruneResult(removed, left, needed)

    def _list_superseded(self, keep: int, account: str | None) -> Iterator[Superseded]:
        """Yield all but the latest loads of each partition, oldest first, without first loads of invoices.

        The id of the first load is the time at which an invoice was known, and at which it closed its month.
        """
        owner = f"account={account or '*'}"
        for pattern in (f"{feed}/{owner}/{level}" for feed, levels in LEVELS.items() for level in levels):
            for folder in sorted(self.folder.glob(pattern)):
                loads = list_loads(folder) if is_below(folder, self.folder) else []
                old = loads[:-keep]
                if not old:
                    continue
                intact = (number for number in reversed(range(len(loads))) if is_intact(loads[number]))
                first_kept = next(islice(intact, keep - 1, None), 0)
                is_invoice = folder.parent.name == "source=invoice"
                for number, load in islice(enumerate(old), int(is_invoice), None):
                    yield Superseded(load, loads[number + 1], number >= first_kept)


class Load:
    """A load before its publication, which makes it visible.

    walk: the request and its start. pages: those on disk, in order. is_resumed: whether an earlier run
    started the walk.
    """

    def __init__(
        self, landing_dir: Path, partition: Partition, request: dict[str, Any], work: Path, on_disk: set[Path]
    ) -> None:
        self.landing_dir = landing_dir
        self.partition = partition
        self.work = work
        self._on_disk = on_disk
        with convert_os_errors(landing_dir):
            record = read_record(work)
        if record and record.walk.request == request and self._was_over(record.walk) == self._is_over():
            self.walk, self.pages = record.walk, [recorded.page for recorded in record.pages]
            self.is_resumed = True
        else:
            self._start(Walk(request, clock.utc_now()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the folder, unless another run can resume it. Publication has already moved it."""
        with suppress(OSError):
            if read_record(self.work) is None:
                remove_folder(self.work)

    @property
    def complete(self) -> bool:
        """Whether the window was over before the request of the first page."""
        return self._was_over(self.walk)

    def restart(self, earlier: tuple[str, ...] = (), request: dict[str, Any] | None = None) -> None:
        """Remove the pages and start another walk.

        earlier: digests of the walks before it. request: another request than before.
        """
        self._start(Walk(request or self.walk.request, clock.utc_now(), earlier))

    def keep_first(self, count: int) -> None:
        """Keep the first pages, and remove all other files."""
        self.pages = self.pages[:count]
        with convert_os_errors(self.landing_dir):
            truncate_record(self.work, count)
            self._remove_surplus()

    def add_page(self, file: str, body: bytes, rows: int, gzipped: bytes | None = None) -> None:
        """Write a body as gzip. gzipped: the body as it arrived, if it was gzip."""
        with convert_os_errors(self.landing_dir):
            write_durably(self.work / file, to_gzip(body, gzipped))
        self.pages.append(describe_page(file, body, rows))

    def record_page(self) -> None:
        """Record the last page, so that another run can resume after it."""
        with convert_os_errors(self.landing_dir):
            append_to_record(self.work, self.pages[-1])

    def read_page(self, page: PageFile) -> bytes:
        """Return the body of a page. Raises BrokenFileError if it is missing or differs."""
        with convert_os_errors(self.landing_dir):
            return read_page(self.work, page)

    def publish(self, agreed: bool | None = None) -> Manifest:
        """Write the manifest, and make the load visible as the latest of its partition in one step."""
        target = self.landing_dir / self.partition.folder
        with convert_os_errors(self.landing_dir):
            make_folder_durably(target, self.landing_dir, self._on_disk)
            manifest = self._make_manifest(make_load_id(target, self.walk.began_at), agreed)
            write_durably(self.work / MANIFEST, (json.dumps(asdict(manifest)) + "\n").encode())
            (self.work / RECORD).unlink()
            sync_to_disk(self.work)
            self.work.rename(target / f"load={manifest.load_id}")
            sync_to_disk(target)
        return manifest

    def _make_manifest(self, load_id: str, agreed: bool | None) -> Manifest:
        start, end = self.partition.window
        return Manifest(
            feed=self.partition.feed,
            account=self.partition.account,
            source=self.partition.source,
            partition=self.partition.value,
            load_id=load_id,
            request=self.walk.request,
            window_start=clock.format_seconds(start),
            window_end=clock.format_seconds(end),
            fetched_at=clock.format_micros(self.walk.began_at),
            complete=self.complete,
            walks=len(self.walk.earlier) + 1,
            agreed=agreed,
            rows=sum(page.rows for page in self.pages),
            pages=self.pages,
        )

    def _start(self, walk: Walk) -> None:
        self.walk = walk
        self.is_resumed = False
        self.pages = []
        with convert_os_errors(self.landing_dir):
            self.work.mkdir(exist_ok=True)
            start_record(self.work, walk)
            self._remove_surplus()

    def _remove_surplus(self) -> None:
        kept = {RECORD, *(page.file for page in self.pages)}
        for file in self.work.iterdir():
            if file.name not in kept:
                file.unlink()

    def _was_over(self, walk: Walk) -> bool:
        """Return whether the window was over when a walk started."""
        return self.partition.window[1] <= walk.began_at

    def _is_over(self) -> bool:
        """Return whether the window is over now."""
        return self.partition.window[1] <= clock.utc_now()


def parse_partition(landing_dir: Path, folder: Path) -> Partition | None:
    """Return the partition of a folder; None for another name, or an impossible day or month."""
    found = PARTITION.fullmatch(folder.relative_to(landing_dir).as_posix())
    if found is None:
        return None
    feed: Feed = found["feed"]  # type: ignore[assignment]  # the pattern matches only feeds
    if not SOURCES[feed].fullmatch(found["source"] or ""):
        return None
    partition = Partition(feed, found["account"], found["value"], found["source"])
    try:
        _ = partition.window
    except ValueError:
        return None
    return partition if landing_dir / partition.folder == folder else None


def describe_page(file: str, body: bytes, rows: int, sha256: str | None = None) -> PageFile:
    """Return the entry of a body in a manifest. sha256: that of the body, if it is known."""
    sha256 = sha256 or hashlib.sha256(body).hexdigest()
    return PageFile(file, rows, len(body), sha256, is_one_line(body), has_short_numbers(body))


def is_one_line(body: bytes) -> bool:
    """Return whether a body has no line breaks and no escaped surrogates, as most pages.

    A search for one byte is 30 times faster than a pattern with a literal prefix, and 1,000 times faster than
    a pattern that begins with alternatives.
    """
    if b"\n" in body or b"\r" in body:
        return False
    return b"\\" not in body or not SURROGATE.search(body)


def has_short_numbers(body: bytes) -> bool:
    """Return whether a body has no run of 16 digits and dots, so no longer number.

    The pieces fit into the CPU's cache. They overlap by one byte less than the run.
    """
    overlap = len(LONG_NUMBER) - 1
    return not any(
        LONG_NUMBER in body[start : start + PIECE + overlap].translate(DIGITS)
        for start in range(0, len(body), PIECE)
    )


def to_gzip(body: bytes, gzipped: bytes | None) -> bytes:
    """Return a body as gzip: the bytes that arrived, or compressed here, always to the same bytes.

    DuckDB cannot read gzip whose header has a checksum or a comment, so the flags must be zero, as is usual.
    """
    if gzipped is not None and gzipped[3] == 0:
        return gzipped
    return zlib_ng.compress(body, COMPRESSION, wbits=31)


def make_load_id(partition_folder: Path, fetched_at: datetime) -> str:
    """Return an id that sorts after all loads of a partition, even if the clock was set back.

    Raises LandingError after a load of the end of the year 9999.
    """
    stamps = {stamp: entry for entry in partition_folder.iterdir() if (stamp := parse_stamp(entry))}
    last = max(stamps, default=None)
    stamp = fetched_at
    if last is not None:
        try:
            stamp = max(stamp, last + timedelta(microseconds=1))
        except OverflowError:
            raise LandingError(f"no load can come after {stamps[last]}: remove it") from None
    return f"{stamp.strftime(STAMP)}-{secrets.token_hex(3)}"


def parse_stamp(load: Path) -> datetime | None:
    """Return the time in the name of a load, or None for another name."""
    found = LOAD.fullmatch(load.name)
    try:
        return datetime.strptime(found[1], STAMP).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def list_loads(partition_folder: Path) -> list[Path]:
    """Return the loads of a partition, oldest first, without symbolic links and folders without manifest."""
    return [
        folder
        for folder in list_folders(partition_folder)
        if parse_stamp(folder) and (folder / MANIFEST).is_file()
    ]


def read_manifest(load: Path, kind: type[T]) -> T:
    """Read the manifest of a load as a Manifest, or as a class with some fields. Raises BrokenFileError."""
    try:
        return msgspec.json.decode((load / MANIFEST).read_bytes().decode(), type=kind)
    except (ValueError, RecursionError):
        what_to_do = "remove that load's folder and land it again"
        raise BrokenFileError(f"{load / MANIFEST} is not a manifest: {what_to_do}") from None


def is_intact(load: Path) -> bool:
    """Return whether the manifest of a load is valid and its files exist. Does not read the files."""
    try:
        manifest = read_manifest(load, Manifest)
        files = {entry.name for entry in load.iterdir() if entry.is_file()}
    except (BrokenFileError, FileNotFoundError):  # another prune removed it
        return False
    return all(page.file in files for page in manifest.pages)


@contextmanager
def convert_os_errors(landing_dir: Path) -> Iterator[None]:
    """Convert an OSError in the landing folder to a LandingError of one line."""
    try:
        yield
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        raise LandingError(
            f"cannot use the landing folder {landing_dir}: {what}; "
            "check FAL_LANDING_DIR, its permissions and the free space"
        ) from None
