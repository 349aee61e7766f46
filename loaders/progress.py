"""Output: progress on standard error, as a bar or in plain lines, and results on standard output."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import click

from loaders.landing import Manifest

if TYPE_CHECKING:
    from rich.progress import Progress

# the nouns for loads and their rows, by feed or kind of report
SUMMARY = {
    "billing_events": ("day", "event"),
    "team": ("team day", "event"),
    "invoice": ("invoice", "row"),
    "estimate": ("day", "estimate row"),
    "serverless_usage": ("day", "serverless row"),
    "catalogue": ("snapshot", "row"),
}
ESTIMATE_EVERY = 30.0  # seconds between lines with the time left

T = TypeVar("T")


class Reporter:
    """Reports each load, as a line or a step of a bar, and the time left."""

    def __init__(self, bar: "Progress | None", total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("landing", total=total) if bar else None
        self._total = total
        self._done = 0
        self._began = self._estimated = time.monotonic()

    def report(self, manifest: Manifest) -> None:
        """Report a published load."""
        self._done += 1
        if self._bar is None or self._task is None:
            print_status(f"landed {describe_load(manifest)}")
            self._estimate_time()
        else:
            what = " ".join(part for part in (manifest.feed, manifest.source, manifest.partition) if part)
            self._bar.update(self._task, advance=1, description=what)

    def _estimate_time(self) -> None:
        """Print the time left, at most every ESTIMATE_EVERY seconds."""
        now = time.monotonic()
        if self._done == self._total or now - self._estimated < ESTIMATE_EVERY:
            return
        self._estimated = now
        left = (now - self._began) / self._done * (self._total - self._done)
        print_status(f"{self._done:,} of {self._total:,} loads; about {format_duration(left)} left")


@contextmanager
def open_reporter(total: int) -> Iterator[Reporter]:
    """Return a reporter for a number of loads."""
    with _open_bar(total) as bar:
        yield Reporter(bar, total)


def track(items: Sequence[T], what: str) -> Iterator[T]:
    """Yield the items, with a bar on a terminal."""
    with _open_bar(len(items)) as bar:
        yield from bar.track(items, description=what) if bar else items


@contextmanager
def _open_bar(total: int) -> Iterator["Progress | None"]:
    """Return a bar, or None without items or without a terminal."""
    if total == 0 or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    # imported here, since it is slow and needed only on a terminal
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        yield bar


def describe_load(manifest: Manifest) -> str:
    """Describe a load like `billing_events acme 2026-01-05: 2,000 events, 1 page in 2 walks`."""
    what = " ".join(
        part for part in (manifest.feed, manifest.source, manifest.account, manifest.partition) if part
    )
    if manifest.feed == "focus_reports":
        return f"{what}: {format_count(manifest.rows, 'row')}"
    noun = "event" if manifest.feed == "billing_events" else "row"
    rows, pages = format_count(manifest.rows, noun), format_count(len(manifest.pages), "page")
    walks = f" in {manifest.walks} walks" if manifest.walks > 1 else ""
    differing = ", which differ" if manifest.agreed is False else ""
    return f"{what}: {rows}, {pages}{walks}{differing}"


def summarize(landed: Sequence[Manifest]) -> str:
    """Summarize loads like `landed 12 days with 24,000 events, 2 invoices with 310 rows`."""
    rows_of: dict[tuple[str, str], list[int]] = {kind: [] for kind in SUMMARY.values()}
    for manifest in landed:
        kind: str = manifest.feed
        if kind == "focus_reports" and manifest.source:
            kind = manifest.source
        elif kind == "billing_events" and manifest.source:
            kind = "team"
        rows_of[SUMMARY[kind]].append(manifest.rows)
    parts = [
        f"{format_count(len(rows), noun)} with {format_count(sum(rows), row)}"
        for (noun, row), rows in rows_of.items()
        if rows
    ]
    return f"landed {', '.join(parts) or 'nothing'}"


def format_duration(seconds: float) -> str:
    """Format seconds like `1 minute` and `3 hours`."""
    minutes = max(1, round(seconds / 60))
    return format_count(minutes, "minute") if minutes < 120 else format_count(round(minutes / 60), "hour")


def format_count(number: int, noun: str) -> str:
    """Format a number with its noun, like `1 page` and `2,000 pages`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def escape(line: str) -> str:
    """Escape control characters and line breaks."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in line
    )


def print_status(line: str) -> None:
    """Print a line on standard error, if it can be written."""
    with suppress(OSError):
        print(escape(line), file=sys.stderr, flush=True)


def print_result(text: str | bytes, *, line_end: bool = True) -> bool:
    """Print on standard output, bytes unchanged; return False if its reader has closed it, as `head` does."""
    try:
        click.echo(text if isinstance(text, bytes) else escape(text), nl=line_end)
    except BrokenPipeError:
        return False
    return True
