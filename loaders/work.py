"""The work folder, which holds the lock of each account and unfinished loads.

    .work/account=<account>/lock          locked while a loader runs
    .work/account=<account>/run-<token>/  a folder for each unfinished load; named `kept` between two runs
    .work/pruned/                         loads that a prune is deleting

A walk fetches page after page. Its record is a file beside the pages of an unfinished load. The first line is
the walk, and each further line is a page that has a successor, with the time. A line is written after its
page is on disk.
"""

import hashlib
import io
import re
import secrets
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from os import getpid
from pathlib import Path
from typing import Annotated, Any

import msgspec

from loaders import clock
from loaders.body import PIECE, GzipDecoder, MalformedBodyError
from loaders.errors import BrokenFileError, LandingError, LockedError
from loaders.files import is_below, list_folders, lock, remove_folder, replace_file

WORK = ".work"
LOCK = "lock"
KEPT = "kept"
RECORD = "walk.jsonl"
KEPT_FOR = timedelta(hours=1)  # from the last page
WALKED_FOR = timedelta(days=1)  # from the first

HOLDER = re.compile(r"process [0-9]+ since [0-9TZ:-]+")
UtcTime = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True)
class PageFile:
    """One file of a load. bytes and sha256 are those of the body before compression.

    one_line: whether the body is one line without halves of surrogate pairs, so that a reader of JSON lines
    needs no repair. short_numbers: whether all numbers have at most 15 digits, which JSON readers keep
    exactly.
    """

    file: str
    rows: int
    bytes: int
    sha256: str
    one_line: bool = False
    short_numbers: bool = False


@dataclass(frozen=True)
class Walk:
    """A request that is followed from page to page, its start, and the digests of the walks before it."""

    request: dict[str, Any]
    began_at: UtcTime
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordedPage:
    """A page on disk, and the time of its record."""

    page: PageFile
    kept_at: UtcTime


@dataclass(frozen=True)
class Record:
    """A walk and its pages so far."""

    walk: Walk
    pages: list[RecordedPage]

    @property
    def is_fresh(self) -> bool:
        """Whether the pages may still be used. A future time means that the clock was set back."""
        now, began_at = clock.utc_now(), self.walk.began_at
        last = self.pages[-1].kept_at if self.pages else began_at
        return timedelta(0) <= now - began_at <= WALKED_FOR and timedelta(0) <= now - last <= KEPT_FOR


def locate_work(landing_dir: Path, account: str) -> Path:
    """Return the work folder of an account."""
    return landing_dir / WORK / f"account={account}"


def make_work_folder(folder: Path, landing_dir: Path) -> None:
    """Make a folder in the work folder. Raises LandingError if a symbolic link leads to it.

    Loaders delete the content of such a folder, so it must not be outside the landing folder.
    """
    if not is_below(folder, landing_dir):
        raise LandingError(f"{folder} is a symbolic link or behind one: remove the link")
    folder.mkdir(parents=True, exist_ok=True)


def lock_account(work: Path, account: str) -> ExitStack:
    """Lock an account until the returned stack is closed. Raises LockedError if a loader has the lock.

    The file contains which process has the lock, for the error message of others.
    """
    file = work / LOCK
    if file.is_symlink():
        raise LandingError(f"{file} is a symbolic link: remove it")
    try:
        held = lock(file, wait=False)
    except BlockingIOError:
        holder = HOLDER.fullmatch(file.read_text(errors="replace"))
        raise LockedError(
            f"account {account} is being landed by {holder[0] if holder else 'another process'}: "
            "wait until that has ended, or stop it, then run this again"
        ) from None
    with held:
        file.write_text(f"process {getpid()} since {clock.format_seconds(clock.utc_now())}")
        return held.pop_all()


def take_over(work: Path) -> Path:
    """Return a folder for the loads of this run, with the fresh loads of the last one. Needs the lock.

    The folder gets a new name, so that a thread of an earlier run cannot write to it or publish. Symbolic
    links are removed, their targets are not.
    """
    own = work / f"run-{secrets.token_hex(4)}"
    for entry in work.iterdir():
        if entry.is_symlink():
            entry.unlink()
    for left in list_folders(work):
        if own.exists():
            remove_folder(left)
        else:
            left.rename(own)
    own.mkdir(exist_ok=True)
    _remove_unusable(own)
    return own


def hand_over(own: Path) -> None:
    """Rename the folder of a run, so that the next run can take it over."""
    kept = own.with_name(KEPT)
    with suppress(OSError):
        own.rename(kept)
        _remove_unusable(kept)
        kept.rmdir()  # fails unless it is empty


def _remove_unusable(run: Path) -> None:
    """Remove loads that cannot be resumed, and symbolic links with the loads that contain them."""
    for entry in run.iterdir():
        if not entry.is_dir() or entry.is_symlink():
            entry.unlink()
        elif any(file.is_symlink() for file in entry.iterdir()) or not _is_resumable(entry):
            remove_folder(entry)


def _is_resumable(load: Path) -> bool:
    record = read_record(load)
    return record is not None and record.is_fresh


def start_record(load: Path, walk: Walk) -> None:
    """Write the record of a walk without pages."""
    # not durable: without a record, the pages are only fetched again
    replace_file(load / RECORD, _encode_line(walk), durable=False)


def truncate_record(load: Path, count: int) -> None:
    """Keep only the walk and its first pages in a record."""
    lines = (load / RECORD).read_bytes().split(b"\n")
    content = b"".join(line + b"\n" for line in lines[: 1 + count])
    replace_file(load / RECORD, content, durable=False)


def append_to_record(load: Path, page: PageFile) -> None:
    """Record that a page is on disk now. If the line is lost, the page is fetched again."""
    with (load / RECORD).open("ab") as record:
        record.write(_encode_line(RecordedPage(page, clock.utc_now())))


def read_record(load: Path) -> Record | None:
    """Return a walk and its pages up to the first broken line; None without anything to resume."""
    try:
        first, *lines = (load / RECORD).read_bytes().split(b"\n")
        walk, pages = msgspec.json.decode(first.decode(), type=Walk), list[RecordedPage]()
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    for line in lines:
        try:
            pages.append(msgspec.json.decode(line.decode(), type=RecordedPage))
        except (ValueError, RecursionError):
            break
    return Record(walk, pages) if pages or walk.earlier else None


def read_page(load: Path, page: PageFile) -> bytes:
    """Return the body of a page. Raises BrokenFileError if the file is missing or differs from its entry."""
    file = load / page.file
    try:
        if file.exists() and not file.is_file():  # opening a pipe without a writer would block
            raise BrokenFileError(f"{file} is not a regular file")
        body = _decompress(file, page.bytes)
    except FileNotFoundError:
        raise BrokenFileError(f"{file} is missing") from None
    except MalformedBodyError:
        raise BrokenFileError(f"{file} is not valid gzip") from None
    except OSError as error:
        raise BrokenFileError(f"{file} cannot be read: {error.strerror or error}") from None
    if len(body) != page.bytes:
        raise BrokenFileError(f"{file} has {len(body):,} bytes, not {page.bytes:,} as recorded")
    if hashlib.sha256(body).hexdigest() != page.sha256:
        raise BrokenFileError(f"{file} has another sha256 than recorded")
    return body


def _decompress(file: Path, limit: int) -> bytes:
    """Return the decoded content of a gzip file.

    Raises MalformedBodyError for invalid gzip, BrokenFileError if it is truncated or exceeds the limit.
    """
    decoder, body = GzipDecoder(), io.BytesIO()
    with file.open("rb") as opened:
        while data := opened.read(PIECE):
            for piece in decoder.decode(data):
                body.write(piece)
                if body.tell() > limit:
                    raise BrokenFileError(f"{file} has more than the {limit:,} bytes recorded")
    if not decoder.is_complete:
        raise BrokenFileError(f"{file} is truncated: its gzip ends too early")
    return body.getvalue()


def _encode_line(value: Walk | RecordedPage) -> bytes:
    return msgspec.json.encode(value) + b"\n"
