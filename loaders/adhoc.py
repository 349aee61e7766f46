"""Ad hoc pulls: print the responses of fal on standard output, and land nothing."""

import click

from loaders import billing_events, clock, focus_reports
from loaders.api import FalApi, Request
from loaders.options import When
from loaders.pages import MOST_IDS, Listing, fetch_pages
from loaders.progress import format_count, print_result, print_status
from loaders.walk import RepeatDetector


def print_events(
    api: FalApi,
    listing: Listing,
    start: When | None,
    end: When | None,
    page_size: int,
    filters: dict[str, tuple[str, ...]],
) -> None:
    """Print the events of a window, one a line."""
    for name in ("endpoint_id", "request_id"):
        if len(filters[name]) > MOST_IDS:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} can be given {MOST_IDS} times, not {len(filters[name])}.")
    windows = make_windows(start, end)
    print_status("ad hoc pull: events go to standard output, nothing is landed")
    params = {"limit": page_size} | {name: list(values) for name, values in filters.items() if values}
    events = 0
    for window in windows:
        detector = RepeatDetector(Request(listing.path, window))
        for page in fetch_pages(api, listing, {**window, **params}):
            detector.check(page)
            for event in page.lines:
                if not print_result(event):
                    return
            events += page.rows
    print_status(format_count(events, "event"))


def make_windows(start: When | None, end: When | None) -> list[dict[str, str]]:
    """Return the parameters start and end of each request; fal has a default for a missing one."""
    if start is None or end is None:
        times = (("start", start), ("end", end))
        return [{name: clock.format_micros(when.instant) for name, when in times if when}]
    if start.instant >= end.instant:
        raise click.UsageError(f"--end {end.text} is not after --start {start.text}: the end is exclusive.")
    return [
        {"start": clock.format_micros(low), "end": clock.format_micros(high)}
        for low, high in billing_events.split_window(start.instant, end.instant)
    ]


def print_report(api: FalApi, params: dict[str, str], path: str) -> None:
    """Print a report byte for byte."""
    print_status("ad hoc report: the CSV goes to standard output, nothing is landed")
    report = focus_reports.fetch_report(api, params, path)
    if print_result(report.body, line_end=False):
        print_status(format_count(report.rows, "row"))
