"""Output: progress on standard error, as a bar or in plain lines, and results on standard output."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import click

from loaders.landing import Manifest

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


class Reporter:
    """Reports each load, as a line or a step of a bar."""

    def __init__(self, bar: "Progress | None", total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("landing", total=total) if bar else None

    def report(self, manifest: Manifest) -> None:
        """Report a published load."""
        if self._bar is None or self._task is None:
            print_status(f"landed {describe_load(manifest)}")
        else:
            self._bar.update(self._task, advance=1, description=f"{manifest.feed} {manifest.partition}")


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
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield bar


def describe_load(manifest: Manifest) -> str:
    """Describe a load like `billing_events acme 2026-01-05: 2,000 events, 1 page in 2 walks`."""
    what = " ".join(
        part for part in (manifest.feed, manifest.source, manifest.account, manifest.partition) if part
    )
    if manifest.feed == "focus_reports":
        return f"{what}: {format_count(manifest.rows, 'row')}"
    events, pages = format_count(manifest.rows, "event"), format_count(len(manifest.pages), "page")
    walks = f" in {manifest.walks} walks" if manifest.walks > 1 else ""
    differing = ", which differ" if manifest.agreed is False else ""
    return f"{what}: {events}, {pages}{walks}{differing}"


def summarize(landed: Sequence[Manifest]) -> str:
    """Summarize loads like `landed 12 days with 24,000 events, 2 invoices with 310 rows`."""
    events = [manifest.rows for manifest in landed if manifest.feed == "billing_events"]
    invoices = [manifest.rows for manifest in landed if manifest.source == "invoice"]
    estimates = [manifest.rows for manifest in landed if manifest.source == "estimate"]
    parts = [
        f"{format_count(len(rows), noun)} with {format_count(sum(rows), row)}"
        for rows, noun, row in (
            (events, "day", "event"),
            (invoices, "invoice", "row"),
            (estimates, "day", "estimate row"),
        )
        if rows
    ]
    return f"landed {', '.join(parts) or 'nothing'}"


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
