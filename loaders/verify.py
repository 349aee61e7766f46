"""Whether what has landed is what was written, and what to load again where it is not. Nothing is changed."""

import os
import re
import reprlib
import shlex
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path

from loaders import billing_events, clock, focus_reports
from loaders.body import MalformedBodyError
from loaders.errors import BrokenFileError
from loaders.files import list_folders
from loaders.landing import (
    MANIFEST,
    Latest,
    Manifest,
    Partition,
    has_short_numbers,
    is_one_line,
    partition_in,
    read_manifest,
    stamp_of,
    told_in_one_line,
)
from loaders.work import body_of

# what a manifest states may be long
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 100

# the names of the folders below each feed, down to the partition
LEVELS = {
    "billing_events": ("account=.+", "date=.+"),
    "focus_reports": ("account=.+", "source=(invoice|estimate)", "(billing_month|date)=.+"),
}


@dataclass(frozen=True)
class LandedLoad:
    """A load, and whether it is the latest of its partition."""

    folder: Path
    partition: Partition
    is_latest: bool


@dataclass(frozen=True)
class Again:
    """What to load again: a partition, and the options that its load was made with."""

    partition: Partition
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, with what to do about it, and what to load again."""

    text: str
    again: tuple[Again, ...] = ()

    def __str__(self) -> str:
        return self.text


def inspect(landing_dir: Path, account: str | None) -> tuple[list[LandedLoad], list[Finding]]:
    """The loads of an account, or of all, and what is wrong with the folders they lie in."""
    loads: list[LandedLoad] = []
    findings: list[Finding] = []
    landed: list[Partition] = []
    empty: list[Partition] = []
    with told_in_one_line(landing_dir):
        for folder in _partition_folders(landing_dir, account):
            partition = partition_in(landing_dir, folder)
            if partition is None:
                findings.append(_unread(landing_dir, folder))
                continue
            found = []
            for load in list_folders(folder):
                if stamp_of(load) is None:
                    findings.append(Finding(f"{load} is not named like a load: remove it"))
                elif (load / MANIFEST).is_file():
                    found.append(load)
                elif load.is_dir():  # which a prune may have changed just now
                    findings.append(Finding(f"{load} has no {MANIFEST}, so it is no load: remove it"))
            loads += [LandedLoad(load, partition, load == found[-1]) for load in found]
            (landed if found else empty).append(partition)
        findings += _links(landing_dir, account)
    findings += [_empty(landing_dir, partition) for partition in empty]
    findings += _gaps(landing_dir, landed, set(empty))
    return loads, findings


def check(landing_dir: Path, load: LandedLoad) -> list[Finding]:
    """What is wrong with a load: nothing when a prune has removed it meanwhile."""
    with told_in_one_line(landing_dir), suppress(FileNotFoundError):
        findings = _findings(load)
        if load.folder.is_dir():
            return findings
    return []


def commands(landing_dir: Path, findings: Iterable[Finding]) -> list[str]:
    """The commands that load again what is broken or missing, days in a row by one."""
    wanted = {again for finding in findings for again in finding.again}
    return [
        shlex.join(["python", "-m", "loaders", *arguments, "--landing-dir", str(landing_dir)])
        for _, again in groupby(
            sorted(wanted, key=lambda again: (_kind(again), again.partition.value)), _kind
        )
        for arguments in _arguments(list(again))
    ]


def _findings(load: LandedLoad) -> list[Finding]:
    what_to_do, options = "load it again", tuple[str, ...]()
    try:
        manifest = read_manifest(load.folder, Manifest)
        fetched_at = read_manifest(load.folder, Latest).fetched_at
        problems, options = list(_problems(load, manifest, fetched_at)), _options(manifest)
    except BrokenFileError:
        problems = [f"{load.folder / MANIFEST} is not a manifest"]
        what_to_do = f"remove {load.folder} and load it again"
    if not load.is_latest:
        return [Finding(f"{problem}; a later load counts: remove {load.folder}") for problem in problems]
    if load.partition.window[0] > clock.utc_now():
        return [Finding(f"{problem}; remove {load.folder}") for problem in problems]
    again = (Again(load.partition, options),)
    return [Finding(f"{problem}; {what_to_do}", again) for problem in problems]


def _partition_folders(landing_dir: Path, account: str | None) -> Iterator[Path]:
    """Every folder where a partition may be; one further up that has no name of ours ends the way down."""
    for feed in list_folders(landing_dir):
        if feed.name in LEVELS:
            owners = list_folders(feed) if account is None else [feed / f"account={account}"]
            yield from _below(LEVELS[feed.name], owners)
        elif account is None and not feed.name.startswith("."):
            yield feed


def _below(levels: Sequence[str], folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if len(levels) == 1 or not re.fullmatch(levels[0], folder.name):
            yield folder
        else:
            yield from _below(levels[1:], list_folders(folder))


def _unread(landing_dir: Path, folder: Path) -> Finding:
    """A folder that is no partition. What lies beside the feeds may be anything: the setting may be wrong."""
    if folder.parent == landing_dir:
        return Finding(f"{folder} is no feed; check FAL_LANDING_DIR")
    return Finding(f"{folder} is no account, day or month that a model reads: remove it")


def _links(landing_dir: Path, account: str | None) -> Iterator[Finding]:
    """Symbolic links, which could make a model read files of other folders."""
    for feed in LEVELS:
        top = landing_dir / feed if account is None else landing_dir / feed / f"account={account}"
        below = (Path(folder, name) for folder, *names in os.walk(top) for name in (*names[0], *names[1]))
        for entry in (top, *below):
            if entry.is_symlink():
                yield Finding(f"{entry} is a symbolic link, which only models follow: remove it")


def _empty(landing_dir: Path, partition: Partition) -> Finding:
    """A partition without a load: whatever was to be removed from it, or a loader that died, left it so."""
    folder = landing_dir / partition.folder
    if partition.window[0] > clock.utc_now():
        return Finding(f"{folder} has no load, and is to come: remove it")
    return Finding(f"{folder} has no load; load it again", (Again(partition),))


def _gaps(landing_dir: Path, landed: Iterable[Partition], told: Container[Partition]) -> Iterator[Finding]:
    """The days that are missing between the first and the last of an account's events, and of its estimates,
    those to come and those that are told already aside. A month may have no invoice, so none is missing.
    """
    days_of: dict[Partition, set[date]] = {}
    for partition in landed:
        if partition.source != "invoice":
            days = days_of.setdefault(replace(partition, value=""), set())
            days.add(date.fromisoformat(partition.value))
    for whose, days in days_of.items():
        last = min(max(days), clock.utc_now().date())
        partitions = {
            day: replace(whose, value=day.isoformat())
            for day in clock.days_between(min(days), last)
            if day not in days
        }
        missing = (day for day, partition in partitions.items() if partition not in told)
        for run in _in_a_row(missing):
            again = tuple(Again(partitions[day]) for day in run)
            what = f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}"
            folder = landing_dir / again[0].partition.folder.parent
            yield Finding(f"{folder} lacks {what}, between days that have landed; load it again", again)


def _problems(load: LandedLoad, manifest: Manifest, fetched_at: datetime) -> Iterator[str]:
    file, partition = load.folder / MANIFEST, load.partition
    if b"\n" in file.read_bytes().rstrip(b"\n"):
        yield f"{file} is not on one line, so that no build can read it"
    start, end = partition.window
    for name, so, said in (
        ("load_id", load.folder.name.removeprefix("load="), manifest.load_id),
        ("feed", partition.feed, manifest.feed),
        ("account", partition.account, manifest.account),
        ("source", partition.source, manifest.source),
        ("partition", partition.value, manifest.partition),
        ("window_start", clock.seconds_text(start), manifest.window_start),
        ("window_end", clock.seconds_text(end), manifest.window_end),
        ("complete", end <= fetched_at, manifest.complete),
        ("rows", sum(page.rows for page in manifest.pages), manifest.rows),
    ):
        if said != so:
            yield f"{file} says {name} is {SHORT.repr(said)}, and it is {so!r}"
    if fetched_at > clock.utc_now():
        yield f"{file} says it was fetched at {manifest.fetched_at}, which is to come: a clock was wrong"
    if manifest.agreed is False and load.is_latest:
        yield f"{file} says its rows moved from page to page in each of {manifest.walks} walks"
    numbers = range(1, max(1, len(manifest.pages)) + 1)
    is_report = partition.feed == "focus_reports"
    names = [focus_reports.FILE] if is_report else [billing_events.file_of(number) for number in numbers]
    if [page.file for page in manifest.pages] != names:
        yield f"{file} does not name the files of a load: {names[0]} and so on"
        return
    for surplus in sorted({entry.name for entry in load.folder.iterdir()} - {MANIFEST, *names}):
        yield f"{load.folder / surplus} is not in the manifest"
    for page in manifest.pages:
        try:
            body = body_of(load.folder, page)
            rows = _rows_of(partition, body)
        except BrokenFileError as error:
            yield str(error)
        except MalformedBodyError as error:
            yield f"{load.folder / page.file} cannot be read: {error}"
        else:
            if rows != page.rows:
                yield f"{load.folder / page.file} holds {rows:,} rows, not {page.rows:,} as recorded"
            if page.one_line and not is_one_line(body):
                yield f"{load.folder / page.file} is not one line, as recorded"
            if page.short_numbers and not has_short_numbers(body):
                yield f"{load.folder / page.file} has longer numbers than recorded"


def _rows_of(partition: Partition, body: bytes) -> int:
    """How many rows a body holds. MalformedBodyError when it can't be read."""
    if partition.feed == "focus_reports":
        return focus_reports.parse_report(body).rows
    return billing_events.parse_page(body).rows


def _options(manifest: Manifest) -> tuple[str, ...]:
    """The options that a load of estimates was made with."""
    if manifest.source != "estimate":
        return ()
    timeframe, bound = (manifest.request.get(name) for name in ("timeframe", "bound_to_timeframe"))
    options = ("--timeframe", timeframe) if timeframe in focus_reports.LANDED_TIMEFRAMES else ()
    if bound == "true":
        return (*options, "--bound-to-timeframe")
    return (*options, "--no-bound-to-timeframe") if bound == "false" else options


def _kind(again: Again) -> tuple[str, ...]:
    """What loads must share to be loaded by one command."""
    return again.partition.feed, again.partition.account, again.partition.source or "", *again.options


def _arguments(again: Sequence[Again]) -> Iterator[list[str]]:
    """The arguments of the commands for loads of one kind, in order of their days or months."""
    partition, options = again[0].partition, again[0].options
    account = ["--account", partition.account]
    if partition.source == "invoice":
        for one in again:
            yield ["focus-report", "--source", "invoice", "--billing-month", one.partition.value, *account]
        return
    command = ["focus-report", "--source", "estimate"] if partition.source else ["billing-events"]
    for days in _in_a_row([date.fromisoformat(one.partition.value) for one in again]):
        window = ["--start", str(days[0]), "--end", str(days[-1] + timedelta(days=1))]
        yield [*command, *window, *options, *account]


def _in_a_row(days: Iterable[date]) -> Iterator[list[date]]:
    """Days cut into pieces without a gap; they come in order."""
    for _, run in groupby(enumerate(days), key=lambda numbered: numbered[1].toordinal() - numbered[0]):
        yield [day for _, day in run]
