"""Checks what has landed, and lists the commands that repair it. Changes nothing."""

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

from loaders import clock, estimates, focus_reports
from loaders.billing_events import EVENTS
from loaders.body import MalformedBodyError
from loaders.catalogue import LISTINGS
from loaders.errors import BrokenFileError
from loaders.files import list_folders
from loaders.focus_reports import ORGANIZATION_PATH
from loaders.landing import (
    MANIFEST,
    SNAPSHOTS,
    LandingZone,
    Latest,
    Manifest,
    Partition,
    convert_os_errors,
    has_short_numbers,
    is_one_line,
    parse_partition,
    parse_stamp,
    read_manifest,
)
from loaders.pages import Listing, parse_page
from loaders.serverless_usage import USAGE
from loaders.settings import FOLDER_NAME
from loaders.walk import name_file
from loaders.work import PageFile, read_page

# values of a manifest may be long
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 100

# patterns of the folder names between a feed and its partitions
LEVELS = {
    "billing_events": ("account=.+", f"team={FOLDER_NAME.pattern}"),
    "serverless_usage": ("account=.+",),
    "catalogue": ("account=.+", f"source=({'|'.join(SNAPSHOTS)})"),
    "focus_reports": ("account=.+", "source=(invoice|estimate)"),
}


@dataclass(frozen=True)
class LandedLoad:
    """A load, and whether it is the latest of its partition."""

    folder: Path
    partition: Partition
    is_latest: bool


@dataclass(frozen=True)
class Reload:
    """A partition to load again, and the options of its load; None if no manifest has them."""

    partition: Partition
    options: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Finding:
    """A problem with the solution as a text, and the partitions to load again."""

    text: str
    reloads: tuple[Reload, ...] = ()

    def __str__(self) -> str:
        return self.text


def inspect(landing_dir: Path, account: str | None) -> tuple[list[LandedLoad], list[Finding]]:
    """Return the loads of one account or all, and the problems of their folders."""
    loads: list[LandedLoad] = []
    findings: list[Finding] = []
    landed: list[Partition] = []
    empty: list[Partition] = []
    with convert_os_errors(landing_dir):
        for folder in _list_partition_folders(landing_dir, account):
            partition = parse_partition(landing_dir, folder)
            if partition is None:
                findings.append(_report_unknown(landing_dir, folder))
                continue
            found, unknown = _inspect_partition(folder)
            findings += unknown
            loads += [LandedLoad(load, partition, load == found[-1]) for load in found]
            (landed if found else empty).append(partition)
        findings += _find_links(landing_dir, account)
    findings += [_report_empty(landing_dir, partition) for partition in empty]
    findings += _find_gaps(landing_dir, landed, set(empty))
    return loads, findings


def check(landing_dir: Path, load: LandedLoad) -> list[Finding]:
    """Return the problems of a load; none if a prune has removed it by now."""
    with convert_os_errors(landing_dir), suppress(FileNotFoundError):
        findings = _check_load(load)
        if load.folder.is_dir():
            return findings
    return []


def list_commands(landing_dir: Path, findings: Iterable[Finding]) -> list[str]:
    """Return the commands that load broken and missing partitions again, one for consecutive days."""
    reloads = {_add_options(landing_dir, reload) for finding in findings for reload in finding.reloads}
    in_order = sorted(reloads, key=lambda reload: (_get_kind(reload), reload.partition.value))
    return [
        shlex.join(["python", "-m", "loaders", *arguments, "--landing-dir", str(landing_dir)])
        for _, group in groupby(in_order, _get_kind)
        for arguments in _build_arguments(list(group))
    ]


def _inspect_partition(folder: Path) -> tuple[list[Path], list[Finding]]:
    """Return the loads of a partition, oldest first, and a finding for each other folder."""
    loads, findings = list[Path](), list[Finding]()
    for load in list_folders(folder):
        if parse_stamp(load) is None:
            findings.append(Finding(f"{load} is not named like a load: remove it"))
        elif (load / MANIFEST).is_file():
            loads.append(load)
        elif load.is_dir():  # a prune may have removed it by now
            findings.append(Finding(f"{load} has no {MANIFEST}, so it is not a load: remove it"))
    return loads, findings


def _check_load(load: LandedLoad) -> list[Finding]:
    what_to_do, options = "load it again", None
    try:
        manifest = read_manifest(load.folder, Manifest)
        fetched_at = read_manifest(load.folder, Latest).fetched_at
        problems, options = list(_find_problems(load, manifest, fetched_at)), _list_options(manifest)
    except BrokenFileError:
        problems = [f"{load.folder / MANIFEST} is not a manifest"]
        what_to_do = f"remove {load.folder} and load it again"
    if not load.is_latest:
        return [Finding(f"{problem}; a later load counts: remove {load.folder}") for problem in problems]
    if load.partition.window[0] > clock.utc_now():
        return [Finding(f"{problem}; remove {load.folder}") for problem in problems]
    if _is_past_snapshot(load.partition):
        what_to_do = f"a snapshot of a past day cannot be fetched again: remove {load.folder}"
        return [Finding(f"{problem}; {what_to_do}") for problem in problems]
    reloads = (Reload(load.partition, options),)
    return [Finding(f"{problem}; {what_to_do}", reloads) for problem in problems]


def _list_partition_folders(landing_dir: Path, account: str | None) -> Iterator[Path]:
    """Yield the folders of partitions, and folders with unknown names at or above their level."""
    for feed in list_folders(landing_dir):
        levels = LEVELS.get(feed.name)
        if levels and account is not None:
            yield from _list_below(feed / f"account={account}", levels[1:])
        elif levels:
            yield from _list_below(feed, levels)
        elif account is None and not feed.name.startswith("."):
            yield feed


def _list_below(parent: Path, levels: Sequence[str]) -> Iterator[Path]:
    """Yield the folders below all levels, and those that do not match the pattern of their level."""
    for folder in list_folders(parent):
        if levels and re.fullmatch(levels[0], folder.name):
            yield from _list_below(folder, levels[1:])
        else:
            yield folder


def _report_unknown(landing_dir: Path, folder: Path) -> Finding:
    """Report a folder that is not a partition. Beside the feeds, it may mean that the setting is wrong."""
    if folder.parent == landing_dir:
        return Finding(f"{folder} is not a feed; check FAL_LANDING_DIR")
    return Finding(f"{folder} is not an account, day or month that a model reads: remove it")


def _find_links(landing_dir: Path, account: str | None) -> Iterator[Finding]:
    """Report symbolic links, through which a model could read files of other folders."""
    for feed in LEVELS:
        top = landing_dir / feed if account is None else landing_dir / feed / f"account={account}"
        below = (Path(folder, name) for folder, *names in os.walk(top) for name in (*names[0], *names[1]))
        for entry in (top, *below):
            if entry.is_symlink():
                yield Finding(f"{entry} is a symbolic link, which only models follow: remove it")


def _report_empty(landing_dir: Path, partition: Partition) -> Finding:
    """Report a partition without loads, which remains after a removal or the death of a loader."""
    folder = landing_dir / partition.folder
    if partition.window[0] > clock.utc_now():
        return Finding(f"{folder} has no load, and is in the future: remove it")
    if _is_past_snapshot(partition):
        return Finding(f"{folder} has no load, and is a snapshot of a past day: remove it")
    return Finding(f"{folder} has no load; load it again", (Reload(partition),))


def _is_past_snapshot(partition: Partition) -> bool:
    """Return whether a partition is a snapshot of a day that is over."""
    return partition.feed == "catalogue" and partition.window[1] <= clock.utc_now()


def _find_gaps(
    landing_dir: Path, landed: Iterable[Partition], reported: Container[Partition]
) -> Iterator[Finding]:
    """Report missing days between the first and the last of the events of an account or a team.

    The same holds for serverless usage, and for estimates in open months. Excludes future days and reported
    ones. A month without an invoice is not a gap, and neither is a day without a snapshot.
    """
    days_of: dict[Partition, set[date]] = {}
    for partition in landed:
        if partition.source != "invoice" and partition.feed != "catalogue":
            days = days_of.setdefault(replace(partition, value=""), set())
            days.add(date.fromisoformat(partition.value))
    for series, days in days_of.items():
        missing = [
            day
            for day in clock.list_days(min(days), min(max(days), clock.utc_now().date()))
            if day not in days and replace(series, value=day.isoformat()) not in reported
        ]
        if series.source == "estimate":
            missing = estimates.list_open_days(LandingZone(landing_dir), series.account, missing)
        for run in clock.split_runs(missing):
            reloads = tuple(Reload(replace(series, value=day.isoformat())) for day in run)
            what = f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}"
            folder = landing_dir / reloads[0].partition.folder.parent
            yield Finding(f"{folder} lacks {what}, between days that have landed; load it again", reloads)


def _find_problems(load: LandedLoad, manifest: Manifest, fetched_at: datetime) -> Iterator[str]:
    """Compare a manifest with its folder and its files."""
    file = load.folder / MANIFEST
    if b"\n" in file.read_bytes().rstrip(b"\n"):
        yield f"{file} is not on one line, so builds cannot read it"
    yield from _check_values(load, manifest, fetched_at)
    if fetched_at > clock.utc_now():
        yield f"{file} has fetched_at {manifest.fetched_at}, which is in the future: a clock was wrong"
    if manifest.agreed is False and load.is_latest:
        yield f"{file} records that rows moved between pages in each of {manifest.walks} walks"
    names = _list_file_names(load.partition, len(manifest.pages))
    if [page.file for page in manifest.pages] != names:
        yield f"{file} does not name the files of a load: {names[0]} and so on"
        return
    for surplus in sorted({entry.name for entry in load.folder.iterdir()} - {MANIFEST, *names}):
        yield f"{load.folder / surplus} is not in the manifest"
    for page in manifest.pages:
        yield from _check_page(load, page)


def _check_values(load: LandedLoad, manifest: Manifest, fetched_at: datetime) -> Iterator[str]:
    """Compare the values of a manifest with those that follow from the folder and the pages."""
    partition = load.partition
    start, end = partition.window
    expected = {
        "load_id": load.folder.name.removeprefix("load="),
        "feed": partition.feed,
        "account": partition.account,
        "source": partition.source,
        "partition": partition.value,
        "window_start": clock.format_seconds(start),
        "window_end": clock.format_seconds(end),
        "complete": end <= fetched_at,
        "rows": sum(page.rows for page in manifest.pages),
    }
    for name, value in expected.items():
        recorded = getattr(manifest, name)
        if recorded != value:
            yield f"{load.folder / MANIFEST} has {name} {SHORT.repr(recorded)} instead of {value!r}"


def _list_file_names(partition: Partition, count: int) -> list[str]:
    """Return the names of the files that a load has, at least one."""
    if partition.feed == "focus_reports":
        return [focus_reports.FILE]
    return [name_file(number) for number in range(1, max(1, count) + 1)]


def _check_page(load: LandedLoad, page: PageFile) -> Iterator[str]:
    """Compare a page with its entry in the manifest."""
    file = load.folder / page.file
    try:
        body = read_page(load.folder, page)
        rows = _count_rows(load.partition, body)
    except BrokenFileError as error:
        yield str(error)
        return
    except MalformedBodyError as error:
        yield f"{file} cannot be read: {error}"
        return
    if rows != page.rows:
        yield f"{file} has {rows:,} rows, not {page.rows:,} as recorded"
    if page.one_line and not is_one_line(body):
        yield f"{file} is recorded as one line, but has several"
    if page.short_numbers and not has_short_numbers(body):
        yield f"{file} has longer numbers than recorded"


def _count_rows(partition: Partition, body: bytes) -> int:
    """Return the number of rows in a body. Raises MalformedBodyError."""
    if partition.feed == "focus_reports":
        return focus_reports.parse_report(body).rows
    return parse_page(_find_listing(partition), body).rows


def _find_listing(partition: Partition) -> Listing:
    """Return the endpoint of the pages of a partition."""
    if partition.source and partition.feed == "catalogue":
        return LISTINGS[partition.source]
    return USAGE if partition.feed == "serverless_usage" else EVENTS


def _list_options(manifest: Manifest) -> tuple[str, ...]:
    """Return the options of a load of a report."""
    options: tuple[str, ...] = ()
    if manifest.request.get("path") == ORGANIZATION_PATH:
        options = ("--organization",)
    if manifest.source != "estimate":
        return options
    timeframe, bound = (manifest.request.get(name) for name in ("timeframe", "bound_to_timeframe"))
    if timeframe in focus_reports.LANDED_TIMEFRAMES:
        options += ("--timeframe", timeframe)
    if bound == "true":
        return (*options, "--bound-to-timeframe")
    return (*options, "--no-bound-to-timeframe") if bound == "false" else options


def _add_options(landing_dir: Path, reload: Reload) -> Reload:
    """Return a reload with options. A report is that of an organization if events of teams have landed."""
    partition = reload.partition
    if reload.options is not None or partition.feed != "focus_reports":
        return reload
    has_teams = bool(LandingZone(landing_dir).list_teams(partition.account))
    return replace(reload, options=("--organization",) if has_teams else ())


def _get_kind(reload: Reload) -> tuple[str, ...]:
    """Return what the loads of one command share. A command lands all teams of an organization."""
    partition = reload.partition
    source = partition.source or ""
    if partition.feed == "billing_events" and source:
        source = "organization"
    return partition.feed, partition.account, source, *(reload.options or ())


def _build_arguments(reloads: Sequence[Reload]) -> Iterator[list[str]]:
    """Yield the arguments of each command. reloads: of one kind, in order of their days or months."""
    partition, options = reloads[0].partition, reloads[0].options or ()
    account = ["--account", partition.account]
    if partition.source == "invoice":
        for reload in reloads:
            month = reload.partition.value
            yield ["focus-report", "--source", "invoice", "--billing-month", month, *options, *account]
        return
    if partition.feed == "catalogue":
        yield ["catalogue", partition.source or "", *account]
        return
    command = [partition.feed.replace("_", "-")]
    if partition.feed == "focus_reports":
        command = ["focus-report", "--source", "estimate"]
    elif partition.source:
        command.append("--organization")
    for days in clock.split_runs(sorted({date.fromisoformat(reload.partition.value) for reload in reloads})):
        window = ["--start", str(days[0]), "--end", str(days[-1] + timedelta(days=1))]
        yield [*command, *window, *options, *account]
