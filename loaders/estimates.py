"""Estimates in a sync: the days of open months, and whether an account needs them."""

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta

from loaders import catalogue, clock, focus_reports
from loaders.api import FalApi
from loaders.body import MalformedBodyError
from loaders.errors import BrokenFileError
from loaders.landing import LandingZone, Manifest, convert_os_errors, read_manifest
from loaders.work import read_page

LONGEST_RANGE = 90  # days of a request

Row = dict[str, str]


def list_open_days(zone: LandingZone, account: str, days: Iterable[date]) -> list[date]:
    """Return the days of months that no landed invoice closes."""
    days = list(days)
    months = dict.fromkeys(clock.format_month(day) for day in days)
    open_months = {month for month in months if not is_closed(zone, account, month)}
    return [day for day in days if clock.format_month(day) in open_months]


def is_closed(zone: LandingZone, account: str, month: str) -> bool:
    """Return whether the invoice of the next month has landed, and has ordinary usage of a month.

    The models decide in the same way: see int_charge_months__closed.
    """
    billing_month = clock.format_month(clock.parse_month(month), 1)
    usage = _read_invoiced_usage(zone, account, billing_month)
    return any(row.get("chargeperiodstart", "").strip().startswith(month) for row in usage)


def are_needed(api: FalApi, zone: LandingZone, account: str, days: Sequence[date], path: str) -> bool:
    """Return whether estimates of an account contain more than its billing events, such as Compute.

    This is so if estimates have landed before, or if a landed invoice has usage of anything except the
    endpoints of landed events. Otherwise, it takes a request for each run of up to LONGEST_RANGE days.
    """
    if zone.list_values("focus_reports", account, "estimate"):
        return True
    endpoints = set(catalogue.list_endpoints(zone, account))
    months = zone.list_values("focus_reports", account, "invoice")
    if any(_has_more(_read_invoiced_usage(zone, account, month), endpoints) for month in months):
        return True
    ranges = (
        run[first : first + LONGEST_RANGE]
        for run in clock.split_runs(days)
        for first in range(0, len(run), LONGEST_RANGE)
    )
    return any(_has_more(_fetch_rows(api, part[0], part[-1], path), endpoints) for part in ranges)


def _has_more(rows: Iterable[Row], endpoints: Container[str]) -> bool:
    """Return whether rows contain a charge that is not of one of these endpoints."""
    return any(row.get("skuid") not in endpoints and row.get("resourceid") not in endpoints for row in rows)


def _fetch_rows(api: FalApi, first: date, last: date, path: str) -> Iterator[Row]:
    """Fetch the estimate of a range of days. The timeframe of a month makes it short."""
    request = focus_reports.make_estimate_request(first, last + timedelta(days=1), "month", bound=False)
    return focus_reports.read_rows(focus_reports.fetch_report(api, request, path).body)


def _read_invoiced_usage(zone: LandingZone, account: str, billing_month: str) -> Iterator[Row]:
    """Yield the ordinary usage of a landed invoice; none of a broken one, which verify reports."""
    load = zone.find_latest(focus_reports.locate_invoice(account, billing_month))
    if load is None:
        return
    with convert_os_errors(zone.folder), suppress(BrokenFileError, MalformedBodyError):
        for page in read_manifest(load, Manifest).pages:
            for row in focus_reports.read_rows(read_page(load, page)):
                category, charge_class = row.get("chargecategory", ""), row.get("chargeclass", "")
                if category.strip().lower() == "usage" and not charge_class.strip():
                    yield row
