"""Ad hoc pulls: fal's answer on standard output, nothing landed."""

import click

from loaders import billing_events, clock, focus_reports
from loaders.api import FalApi
from loaders.options import When
from loaders.progress import count, say, tell


def print_events(
    api: FalApi, start: When | None, end: When | None, page_size: int, filters: dict[str, tuple[str, ...]]
) -> None:
    """An ad hoc pull: one event a line on standard output."""
    for name in ("endpoint_id", "request_id"):
        if len(filters[name]) > billing_events.MOST_IDS:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(
                f"{option} can be given {billing_events.MOST_IDS} times, not {len(filters[name])}."
            )
    requests = adhoc_windows(start, end)
    say("ad hoc pull: events go to standard output, nothing is landed")
    params = {"limit": page_size} | {name: list(values) for name, values in filters.items() if values}
    events = 0
    for window in requests:
        watch = billing_events.Watch(window)
        for page in billing_events.pages(api, {**window, **params}):
            watch.look_at(page)
            for event in page.lines:
                if not tell(event):
                    return
            events += page.rows
    say(count(events, "event"))


def adhoc_windows(start: When | None, end: When | None) -> list[dict[str, str]]:
    """The parameters start and end of each request: as fal's default where one is missing, else in pieces."""
    if start is None or end is None:
        return [
            {name: clock.micros_text(when.instant) for name, when in (("start", start), ("end", end)) if when}
        ]
    if start.instant >= end.instant:
        raise click.UsageError(f"--end {end.text} is not after --start {start.text}: the end is exclusive.")
    return [
        {"start": clock.micros_text(low), "end": clock.micros_text(high)}
        for low, high in billing_events.windows(start.instant, end.instant)
    ]


def print_report(api: FalApi, params: dict[str, str]) -> None:
    """An ad hoc report: the CSV on standard output, byte for byte."""
    say("ad hoc report: the CSV goes to standard output, nothing is landed")
    report = focus_reports.fetch(api, params)
    if tell(report.body, line_end=False):
        say(count(report.rows, "row"))
