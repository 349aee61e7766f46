"""The landing zone: partitions, loads, manifests. Append-only; the latest load of a partition wins.

A load is one whole fetch of one partition. It is written in a hidden work folder on the same file system,
manifest last, and published by one rename to a name that did not exist. What is published never changes.
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
from typing import Any, Literal, Self, TypeVar

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
    sync_folder,
    write_durably,
)
from loaders.work import (
    RECORD,
    WORK,
    Page,
    UtcTime,
    Walk,
    account_folder,
    add_to_record,
    begin_record,
    body_of,
    cut_record,
    hand_on,
    lock_account,
    make_work_folder,
    read_record,
    take_over,
)

Feed = Literal["billing_events", "focus_reports"]
Source = Literal["invoice", "estimate"]

MANIFEST = "manifest.json"
# digits and dots to 0, all else to a space
DIGITS = bytes(48 if byte in b"0123456789." else 32 for byte in range(256))
LONG_NUMBER = b"0" * 16
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
LOAD = re.compile(r"load=(\d{8}T\d{12}Z)-[0-9a-f]{6}", re.ASCII)
# fal is a company of this century
PARTITION = re.compile(
    r"(?P<feed>billing_events|focus_reports)/account=(?P<account>[^/]+)/"
    r"(source=(?P<source>invoice|estimate)/)?(date|billing_month)=(?P<value>20\d\d-\d\d(-\d\d)?)",
    re.ASCII,
)
COMPRESSION = 5  # of what comes without; see DECISIONS.md
STAMP = "%Y%m%dT%H%M%S%fZ"
READ_FOR = timedelta(hours=6)  # how long a build may read a load that was the latest when it began

T = TypeVar("T")


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


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is written beside the pages of a load; its presence makes a folder a load.

    walks: how often its pages were walked through, the last time for these. agreed: whether the last two
    walks held the same events; None when one was enough.
    """

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
    walks: int = 1
    agreed: bool | None = None
    rows: int
    pages: list[Page]


@dataclass(frozen=True)
class Latest:
    """What a later run needs to know of a partition's latest load."""

    fetched_at: UtcTime
    complete: bool


@dataclass(frozen=True)
class Pruned:
    """What a prune removed, and how many superseded loads it left: since a build may be reading them, and
    since too few of those that came after them are whole.
    """

    removed: list[Path]
    left: int
    needed: int


class LandingZone:
    """A landing folder: read as it is, written to by one loader an account at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._work: Path | None = None
        self._on_disk: set[Path] = set()

    @contextmanager
    def writing(self, account: str) -> Iterator[Self]:
        """For the time of a run, land loads of an account. LockedError when another process does."""
        work = account_folder(self.folder, account)
        with told_in_one_line(self.folder):
            make_work_folder(work, self.folder)
            held = lock_account(work, account)
        with held:
            with told_in_one_line(self.folder):
                own = take_over(work)
            self._work = own
            try:
                yield self
            finally:
                self._work = None
                hand_on(own)

    def exists(self) -> bool:
        """Whether there is such a folder."""
        with told_in_one_line(self.folder):
            return self.folder.is_dir()

    def start_load(self, partition: Partition, request: dict[str, Any]) -> "Load":
        """Begin a load, now, or go on with one that an earlier run left. Only inside `writing`."""
        assert self._work is not None, "a load is started inside `with zone.writing()`"
        work = self._work / ",".join(partition.folder.parts)
        return Load(self.folder, partition, request, work, self._on_disk)

    def latest(self, partition: Partition) -> Latest | None:
        """The latest load of a partition, None when it never landed. BrokenFileError if it can't be read."""
        with told_in_one_line(self.folder):
            loads = loads_of(self.folder / partition.folder)
            return read_manifest(loads[-1], Latest) if loads else None

    def landed_values(self, feed: Feed, account: str, source: Source | None = None) -> list[str]:
        """The days or months of an account that have a load, in order; those there can't be are none."""
        parent = (self.folder / Partition(feed, account, "", source).folder).parent
        with told_in_one_line(self.folder):
            landed = [
                partition_in(self.folder, folder) for folder in list_folders(parent) if loads_of(folder)
            ]
        return [partition.value for partition in landed if partition]

    def prune(self, keep: int, account: str | None = None) -> Pruned:
        """Remove all but the latest whole loads of every partition, of one account or of all.

        A build lists the latest loads when it begins, and reads them later: a load whose successor has been
        there for less than READ_FOR, by the time of its manifest, is left. A broken load supersedes none.
        Nothing behind a symbolic link is removed.
        """
        removed, left, needed = [], 0, 0
        with told_in_one_line(self.folder):
            trash = self.folder / WORK / "pruned"
            make_work_folder(trash, self.folder)
            for unfinished in list_folders(trash):
                remove_folder(unfinished)
            readable_since = (clock.utc_now() - READ_FOR).timestamp()
            for load, successor, is_needed in self._superseded(keep, account):
                with suppress(FileNotFoundError):  # another prune was here first
                    if is_needed:
                        needed += 1
                        continue
                    if (successor / MANIFEST).stat().st_mtime > readable_since:
                        left += 1
                        continue
                    gone = load.rename(trash / secrets.token_hex(8))  # out of sight at once
                    removed.append(load)
                    remove_folder(gone)
        return Pruned(removed, left, needed)

    def _superseded(self, keep: int, account: str | None) -> Iterator[tuple[Path, Path, bool]]:
        """All but the latest loads of every partition, oldest first, each with the one that came after it,
        and whether it is needed, since fewer than `keep` of those that came after it are whole.
        """
        whose = f"account={account or '*'}"
        for pattern in (f"billing_events/{whose}/date=*", f"focus_reports/{whose}/source=*/*=*"):
            for folder in sorted(self.folder.glob(pattern)):
                loads = loads_of(folder) if is_below(folder, self.folder) else []
                superseded = loads[:-keep]
                if not superseded:
                    continue
                whole = (number for number in reversed(range(len(loads))) if is_whole(loads[number]))
                first_kept = next(islice(whole, keep - 1, None), 0)
                for number, load in enumerate(superseded):
                    yield load, loads[number + 1], number >= first_kept


class Load:
    """A load in the making: invisible until it is published.

    walk: what is asked for, and since when; pages: those that are on disk, in order. is_resumed: whether an
    earlier run began the walk.
    """

    def __init__(
        self, landing_dir: Path, partition: Partition, request: dict[str, Any], work: Path, on_disk: set[Path]
    ) -> None:
        self.landing_dir = landing_dir
        self.partition = partition
        self.work = work
        self._on_disk = on_disk
        with told_in_one_line(landing_dir):
            record = read_record(work)
        if (
            record
            and record.walk.request == request
            and self._is_over(record.walk.began_at) == self._is_over()
        ):
            self.walk, self.pages = record.walk, [kept.page for kept in record.kept]
            self.is_resumed = True
        else:
            self._begin(Walk(request, clock.utc_now()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave what another run can go on with. Once it is published there is nothing here any more."""
        with suppress(OSError):
            if read_record(self.work) is None:
                remove_folder(self.work)

    @property
    def complete(self) -> bool:
        """Whether the window was over before the first page was asked for."""
        return self._is_over(self.walk.began_at)

    def begin_again(self, earlier: tuple[str, ...] = ()) -> None:
        """Throw the pages away and begin another walk, now. earlier: digests of the walks before it."""
        self._begin(Walk(self.walk.request, clock.utc_now(), earlier))

    def keep_only(self, count: int) -> None:
        """Keep the first pages, and nothing else that may lie beside them."""
        self.pages = self.pages[:count]
        with told_in_one_line(self.landing_dir):
            cut_record(self.work, count)
            self._remove_surplus()

    def add(self, file: str, body: bytes, rows: int, gzipped: bytes | None = None) -> None:
        """Write one body, compressed, as it came. gzipped: the body as gzip, if it came so."""
        with told_in_one_line(self.landing_dir):
            write_durably(self.work / file, as_gzip(body, gzipped))
        sha256 = hashlib.sha256(body).hexdigest()
        self.pages.append(Page(file, rows, len(body), sha256, is_one_line(body), has_short_numbers(body)))

    def keep(self) -> None:
        """Should this run die, the next one goes on after the page that was added last."""
        with told_in_one_line(self.landing_dir):
            add_to_record(self.work, self.pages[-1])

    def body(self, page: Page) -> bytes:
        """The body of a page that was added. BrokenFileError when it is not there as it was."""
        with told_in_one_line(self.landing_dir):
            return body_of(self.work, page)

    def publish(self, agreed: bool | None = None) -> Manifest:
        """Write the manifest and make the load visible, in one step. From then on it is the latest."""
        start, end = self.partition.window
        target = self.landing_dir / self.partition.folder
        with told_in_one_line(self.landing_dir):
            make_folder_durably(target, self.landing_dir, self._on_disk)
            manifest = Manifest(
                feed=self.partition.feed,
                account=self.partition.account,
                source=self.partition.source,
                partition=self.partition.value,
                load_id=next_load_id(target, self.walk.began_at),
                request=self.walk.request,
                window_start=clock.seconds_text(start),
                window_end=clock.seconds_text(end),
                fetched_at=clock.micros_text(self.walk.began_at),
                complete=self.complete,
                walks=len(self.walk.earlier) + 1,
                agreed=agreed,
                rows=sum(page.rows for page in self.pages),
                pages=self.pages,
            )
            write_durably(self.work / MANIFEST, (json.dumps(asdict(manifest)) + "\n").encode())
            (self.work / RECORD).unlink()
            sync_folder(self.work)
            self.work.rename(target / f"load={manifest.load_id}")
            sync_folder(target)
        return manifest

    def _begin(self, walk: Walk) -> None:
        self.walk = walk
        self.is_resumed = False
        self.pages = []
        with told_in_one_line(self.landing_dir):
            self.work.mkdir(exist_ok=True)
            begin_record(self.work, walk)
            self._remove_surplus()

    def _remove_surplus(self) -> None:
        kept = {RECORD, *(page.file for page in self.pages)}
        for file in self.work.iterdir():
            if file.name not in kept:
                file.unlink()

    def _is_over(self, moment: datetime | None = None) -> bool:
        """Whether the window was over at a moment, now by default."""
        return self.partition.window[1] <= (moment or clock.utc_now())


def partition_in(landing_dir: Path, folder: Path) -> Partition | None:
    """The partition of a folder, None when it is none: by its name, or as no such day or month can be."""
    named = PARTITION.fullmatch(folder.relative_to(landing_dir).as_posix())
    if named is None or (named["source"] is None) != (named["feed"] == "billing_events"):
        return None
    partition = Partition(named["feed"], named["account"], named["value"], named["source"])  # type: ignore[arg-type]
    try:
        partition.window  # noqa: B018
    except ValueError:
        return None
    return partition if landing_dir / partition.folder == folder else None


def is_one_line(body: bytes) -> bool:
    """Whether a body has neither line breaks nor escaped surrogates, including pairs. Few pages have any.

    One byte is found 30 times faster than a pattern with a literal prefix, and 1,000 times faster than a
    pattern that begins with alternatives.
    """
    if b"\n" in body or b"\r" in body:
        return False
    return b"\\" not in body or not SURROGATE.search(body)


def has_short_numbers(body: bytes) -> bool:
    """Whether a body has no run of 16 digits and dots: fast, and false of every body with a longer number.

    Works in pieces, which fit into the CPU's cache; they overlap by one byte less than the run.
    """
    overlap = len(LONG_NUMBER) - 1
    return not any(
        LONG_NUMBER in body[start : start + PIECE + overlap].translate(DIGITS)
        for start in range(0, len(body), PIECE)
    )


def as_gzip(body: bytes, gzipped: bytes | None) -> bytes:
    """A body as gzip: as it came, or else compressed here, always to the same bytes.

    DuckDB reads no gzip whose header has a checksum or a comment: the flags must be zero, as servers have it.
    """
    if gzipped is not None and gzipped[3] == 0:
        return gzipped
    return zlib_ng.compress(body, COMPRESSION, wbits=31)


def next_load_id(partition_folder: Path, fetched_at: datetime) -> str:
    """An id that sorts after every load already there, even when the clock went back. LandingError when there
    is none, after the end of the year 9999.
    """
    stamps = {stamp: entry for entry in partition_folder.iterdir() if (stamp := stamp_of(entry))}
    last = max(stamps, default=None)
    stamp = fetched_at
    if last is not None:
        try:
            stamp = max(stamp, last + timedelta(microseconds=1))
        except OverflowError:
            raise LandingError(f"no load can come after {stamps[last]}: remove it") from None
    return f"{stamp.strftime(STAMP)}-{secrets.token_hex(3)}"


def stamp_of(load: Path) -> datetime | None:
    """The time in the name of a load, None when it is not named like one."""
    named = LOAD.fullmatch(load.name)
    try:
        return datetime.strptime(named[1], STAMP).replace(tzinfo=UTC) if named else None
    except ValueError:
        return None


def loads_of(partition_folder: Path) -> list[Path]:
    """The loads of a partition, oldest first. A folder without a manifest is none, nor is a symbolic link."""
    return [
        folder
        for folder in list_folders(partition_folder)
        if stamp_of(folder) and (folder / MANIFEST).is_file()
    ]


def read_manifest(load: Path, kind: type[T]) -> T:
    """What a load's manifest says, as a Manifest or a part of one. BrokenFileError when it can't be read."""
    try:
        return msgspec.json.decode((load / MANIFEST).read_bytes().decode(), type=kind)
    except (ValueError, RecursionError):
        what_to_do = "remove that load's folder and land it again"
        raise BrokenFileError(f"{load / MANIFEST} is not a manifest: {what_to_do}") from None


def is_whole(load: Path) -> bool:
    """Whether a load's manifest can be read and its pages are there; what is in them is not looked into."""
    try:
        manifest = read_manifest(load, Manifest)
        files = {entry.name for entry in load.iterdir() if entry.is_file()}
    except (BrokenFileError, FileNotFoundError):  # another prune was here first
        return False
    return all(page.file in files for page in manifest.pages)


@contextmanager
def told_in_one_line(landing_dir: Path) -> Iterator[None]:
    """What the operating system refuses to do in the landing folder is a LandingError."""
    try:
        yield
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        raise LandingError(
            f"cannot use the landing folder {landing_dir}: {what}; "
            "check FAL_LANDING_DIR, its rights and the space left"
        ) from None
