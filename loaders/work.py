"""The work folder: one loader an account at a time, and the pages that the one before it left.

    .work/account=<account>/lock          held while a loader runs, released by its death
    .work/account=<account>/run-<token>/  the loads it makes, a folder each; named `kept` between two runs
    .work/pruned/                         what is being deleted; whoever comes by may finish that

A walk goes from page to page. Its record, one line of JSON for the walk and one for each page that another
follows, lies beside the pages while they are in the making. A line is written after its page is on disk.
"""

import fcntl
import gzip
import hashlib
import re
import secrets
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from os import getpid
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec

from loaders import clock
from loaders.errors import BrokenFileError, LockedError
from loaders.files import folders_in, remove_folder

WORK = ".work"
LOCK = "lock"
KEPT = "kept"
RECORD = "walk.jsonl"
KEPT_FOR = timedelta(hours=1)

HOLDER = re.compile(r"process [0-9]+ since [0-9TZ:-]+")
UtcTime = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True)
class Page:
    """One file of a load. bytes and sha256 are those of the body before compression.

    one_line: whether the body is one line of text without halves of surrogate pairs, so that a reader of
    JSON lines can take it as it is.
    """

    file: str
    rows: int
    bytes: int
    sha256: str
    one_line: bool = False


@dataclass(frozen=True)
class Walk:
    """What is asked for from page to page, since when, and the digests of the walks before it."""

    request: dict[str, Any]
    began_at: UtcTime
    earlier: tuple[str, ...] = ()

    @property
    def is_young(self) -> bool:
        """Whether its pages may still be used. A time to come is one of a clock that has gone back since."""
        return timedelta(0) <= clock.utc_now() - self.began_at <= KEPT_FOR


def account_folder(landing_dir: Path, account: str) -> Path:
    """The work folder of an account."""
    return landing_dir / WORK / f"account={account}"


def lock(work: Path, account: str) -> IO[str]:
    """Take an account, until the file that this returns is closed. LockedError when a loader has it."""
    file = (work / LOCK).open("a+", errors="replace")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = HOLDER.fullmatch(file.read(100))
        file.close()
        raise LockedError(
            f"account {account} is being landed by {holder[0] if holder else 'another process'}: "
            "wait until that has ended, or stop it, then run this again"
        ) from None
    file.truncate(0)
    file.write(f"process {getpid()} since {clock.seconds_text(clock.utc_now())}")
    file.flush()
    return file


def take_over(work: Path) -> Path:
    """A folder for the loads of this run, with what the last one left and is still young. Only when locked.

    It gets a new name: a thread that outlived its run then finds nothing to write to, and publishes nothing.
    """
    own = work / f"run-{secrets.token_hex(4)}"
    for left in folders_in(work):
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
    for load in folders_in(run):
        record = read_record(load)
        if record is None or not record[0].is_young:
            remove_folder(load)


def write_record(load: Path, walk: Walk, pages: Sequence[Page]) -> None:
    """Write the record of a walk anew, in one step."""
    new = load / f"{RECORD}.new"
    described = {**asdict(walk), "began_at": clock.micros_text(walk.began_at)}
    new.write_bytes(b"".join(map(_line, (described, *map(asdict, pages)))))
    new.rename(load / RECORD)


def add_to_record(load: Path, page: Page) -> None:
    """Record that a page is whole. Should the line get lost, the page is fetched again."""
    with (load / RECORD).open("ab") as record:
        record.write(_line(asdict(page)))


def read_record(load: Path) -> tuple[Walk, list[Page]] | None:
    """A walk and its pages up to the first line that is not whole; None when there is nothing to resume."""
    try:
        first, *lines = (load / RECORD).read_bytes().split(b"\n")
        walk, pages = msgspec.json.decode(first.decode(), type=Walk), []
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    for line in lines:
        try:
            pages.append(msgspec.json.decode(line.decode(), type=Page))
        except (ValueError, RecursionError):
            break
    return (walk, pages) if pages or walk.earlier else None


def body_of(load: Path, page: Page) -> bytes:
    """The body of a page as it came. BrokenFileError says how its file is not what was recorded."""
    file = load / page.file
    try:
        body = gzip.decompress(file.read_bytes())
    except FileNotFoundError:
        raise BrokenFileError(f"{file} is missing") from None
    except EOFError:
        raise BrokenFileError(f"{file} is cut: its gzip ends too early") from None
    except (gzip.BadGzipFile, zlib.error):
        raise BrokenFileError(f"{file} is no whole gzip") from None
    except OSError as error:
        raise BrokenFileError(f"{file} cannot be read: {error.strerror or error}") from None
    if len(body) != page.bytes:
        raise BrokenFileError(f"{file} holds {len(body):,} bytes, not {page.bytes:,} as recorded")
    if hashlib.sha256(body).hexdigest() != page.sha256:
        raise BrokenFileError(f"{file} has another sha256 than recorded")
    return body


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
