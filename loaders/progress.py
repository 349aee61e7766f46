"""What is said: progress on standard error, as a bar or in plain lines; results on standard output."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import click

from loaders.landing import Manifest

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


class Reporter:
    """Tells what landed, one line a load or one step of the bar."""

    def __init__(self, bar: "Progress | None", total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("landing", total=total) if bar else None
        self._lock = threading.Lock()

    def landed(self, manifest: Manifest) -> None:
        """A load was published."""
        if self._bar is None or self._task is None:
            say(f"landed {described(manifest)}")
        else:
            self._bar.update(self._task, advance=1, description=f"{manifest.feed} {manifest.partition}")


@contextmanager
def reporting(total: int) -> Iterator[Reporter]:
    """A reporter for a number of loads to come."""
    with _bar(total) as bar:
        yield Reporter(bar, total)


def tracked(items: Sequence[T], what: str) -> Iterator[T]:
    """Each of the items, with a bar on a terminal."""
    with _bar(len(items)) as bar:
        yield from bar.track(items, description=what) if bar else items


@contextmanager
def _bar(total: int) -> Iterator["Progress | None"]:
    """A bar, if there is anything to show and a terminal to show it on."""
    if total == 0 or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    # here, since without a terminal nobody needs to wait for it
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield bar


def described(manifest: Manifest) -> str:
    """`billing_events acme 2026-01-05: 2,000 events, 1 page`; ` in 2 walks` when its rows moved."""
    what = " ".join(
        part for part in (manifest.feed, manifest.source, manifest.account, manifest.partition) if part
    )
    if manifest.feed == "focus_reports":
        return f"{what}: {count(manifest.rows, 'row')}"
    walks = f" in {manifest.walks} walks" if manifest.walks > 1 else ""
    differing = ", which differ" if manifest.agreed is False else ""
    return f"{what}: {count(manifest.rows, 'event')}, {count(len(manifest.pages), 'page')}{walks}{differing}"


def count(number: int, noun: str) -> str:
    """`1 page`, `2,000 pages`"""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(line: str) -> str:
    """A line with an escape in place of each character that a terminal obeys or that breaks the line."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in line
    )


def say(line: str) -> None:
    """One line on standard error; that nobody can read it stops nothing."""
    with suppress(OSError):
        print(printable(line), file=sys.stderr, flush=True)


def tell(text: str | bytes, *, line_end: bool = True) -> bool:
    """Write to standard output, bytes as they are; False when its reader has enough, which is no error."""
    try:
        click.echo(text if isinstance(text, bytes) else printable(text), nl=line_end)
    except BrokenPipeError:
        return False
    return True
