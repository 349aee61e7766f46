"""The work folder: one loader an account at a time, and the pages that the one before it left.

    .work/account=<account>/lock          held while a loader runs, released by its death
    .work/account=<account>/run-<token>/  the loads it makes, a folder each; named `kept` between two runs
    .work/pruned/                         what is being deleted; whoever comes by may finish that

A walk goes from page to page. Its record, one line of JSON for the walk and one for each page that another
follows, lies beside the pages while they are in the making. A line is written after its page is on disk, and
says when.
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
from loaders.body import PIECE, Gunzip, MalformedBodyError
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
class Page:
    """One file of a load. bytes and sha256 are those of the body before compression.

    one_line: whether the body is one line of text without halves of surrogate pairs, so that a reader of
    JSON lines can take it as it is. short_numbers: whether no number in it has more than 15 digits, all that
    a reader of JSON keeps for certain.
    """

    file: str
    rows: int
    bytes: int
    sha256: str
    one_line: bool = False
    short_numbers: bool = False


@dataclass(frozen=True)
class Walk:
    """What is asked for from page to page, since when, and the digests of the walks before it."""

    request: dict[str, Any]
    began_at: UtcTime
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """A page that is on disk, and since when."""

    page: Page
    kept_at: UtcTime


@dataclass(frozen=True)
class Record:
    """A walk, and its pages so far."""

    walk: Walk
    kept: list[Kept]

    @property
    def is_young(self) -> bool:
        """Whether the pages may still be used. A time to come is one of a clock that has gone back since."""
        now, began_at = clock.utc_now(), self.walk.began_at
        last = self.kept[-1].kept_at if self.kept else began_at
        return timedelta(0) <= now - began_at <= WALKED_FOR and timedelta(0) <= now - last <= KEPT_FOR


def account_folder(landing_dir: Path, account: str) -> Path:
    """The work folder of an account."""
    return landing_dir / WORK / f"account={account}"


def make_work_folder(folder: Path, landing_dir: Path) -> None:
    """Make a folder in the work folder, whose content is deleted sooner or later.

    LandingError if a symbolic link leads to it.
    """
    if not is_below(folder, landing_dir):
        raise LandingError(f"{folder} is a symbolic link or behind one: remove the link")
    folder.mkdir(parents=True, exist_ok=True)


def lock_account(work: Path, account: str) -> ExitStack:
    """Lock an account until the returned stack is closed. Raises LockedError if a loader has the lock.

    The file contains who has the lock, for the error message of others.
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
        file.write_text(f"process {getpid()} since {clock.seconds_text(clock.utc_now())}")
        return held.pop_all()


def take_over(work: Path) -> Path:
    """A folder for the loads of this run, with what the last one left and is still young. Only when locked.

    It gets a new name: a thread that outlived its run then finds nothing to write to, and publishes nothing.
    Symbolic links are removed, their targets are not.
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
    _tidy(own)
    return own


def hand_on(own: Path) -> None:
    """Leave a run's unfinished loads to the next one, under another name; see `take_over`."""
    kept = own.with_name(KEPT)
    with suppress(OSError):
        own.rename(kept)
        _tidy(kept)
        kept.rmdir()  # refused while something is inside


def _tidy(run: Path) -> None:
    """Remove what cannot be resumed: old loads, and whatever contains or is a symbolic link."""
    for entry in run.iterdir():
        if not entry.is_dir() or entry.is_symlink():
            entry.unlink()
        elif any(file.is_symlink() for file in entry.iterdir()) or not _is_resumable(entry):
            remove_folder(entry)


def _is_resumable(load: Path) -> bool:
    record = read_record(load)
    return record is not None and record.is_young


def begin_record(load: Path, walk: Walk) -> None:
    """Write the record of a walk without a page, in one step."""
    replace_file(load / RECORD, _line(walk), durable=False)


def cut_record(load: Path, count: int) -> None:
    """Leave the walk and its first pages in a record, in one step."""
    lines = (load / RECORD).read_bytes().split(b"\n")
    content = b"".join(line + b"\n" for line in lines[: 1 + count])
    replace_file(load / RECORD, content, durable=False)


def add_to_record(load: Path, page: Page) -> None:
    """Record that a page is whole, now. Should the line get lost, the page is fetched again."""
    with (load / RECORD).open("ab") as record:
        record.write(_line(Kept(page, clock.utc_now())))


def read_record(load: Path) -> Record | None:
    """A walk and its pages up to the first line that is not whole; None when there is nothing to resume."""
    try:
        first, *lines = (load / RECORD).read_bytes().split(b"\n")
        walk, kept = msgspec.json.decode(first.decode(), type=Walk), []
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    for line in lines:
        try:
            kept.append(msgspec.json.decode(line.decode(), type=Kept))
        except (ValueError, RecursionError):
            break
    return Record(walk, kept) if kept or walk.earlier else None


def body_of(load: Path, page: Page) -> bytes:
    """The body of a page as it came. BrokenFileError says how its file is not what was recorded."""
    file = load / page.file
    try:
        if file.exists() and not file.is_file():  # a pipe may have nobody at its other end
            raise BrokenFileError(f"{file} is no regular file")
        body = _gunzipped(file, page.bytes)
    except FileNotFoundError:
        raise BrokenFileError(f"{file} is missing") from None
    except MalformedBodyError:
        raise BrokenFileError(f"{file} is no whole gzip") from None
    except OSError as error:
        raise BrokenFileError(f"{file} cannot be read: {error.strerror or error}") from None
    if len(body) != page.bytes:
        raise BrokenFileError(f"{file} holds {len(body):,} bytes, not {page.bytes:,} as recorded")
    if hashlib.sha256(body).hexdigest() != page.sha256:
        raise BrokenFileError(f"{file} has another sha256 than recorded")
    return body


def _gunzipped(file: Path, bound: int) -> bytes:
    """What a gzip file holds, decoded as far as the bound. MalformedBodyError when it is no gzip,
    BrokenFileError when it is cut or holds more.
    """
    gunzip, body = Gunzip(), io.BytesIO()
    with file.open("rb") as opened:
        while data := opened.read(PIECE):
            for piece in gunzip.fed(data):
                body.write(piece)
                if body.tell() > bound:
                    raise BrokenFileError(f"{file} holds more than the {bound:,} bytes recorded")
    if not gunzip.is_whole:
        raise BrokenFileError(f"{file} is cut: its gzip ends too early")
    return body.getvalue()


def _line(value: Walk | Kept) -> bytes:
    return msgspec.json.encode(value) + b"\n"
