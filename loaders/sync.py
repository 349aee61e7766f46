"""The daily sync: which days and invoices to fetch and why, and landing the invoices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args

from loaders import billing_events, clock, focus_reports
from loaders.api import FalApi
from loaders.errors import LoaderError, NotFoundError, UnauthorizedError
from loaders.landing import LandingZone, Latest
from loaders.parallel import FATAL, Outcome
from loaders.progress import describe_load, print_status

SETTLED_AFTER = timedelta(days=3)  # late events arrive until then, so a day is fetched again
INVOICES_AGAIN = 2  # the newest billing months are fetched again, since invoices may change

Reason = Literal["missing", "open", "unsettled"]


@dataclass(frozen=True)
class Plan:
    """The days that a sync fetches, with the reason, and the billing months, both oldest first."""

    days: Mapping[date, Reason]
    invoices: Sequence[str]

    def __str__(self) -> str:
        reasons = list(self.days.values())
        counts = ", ".join(
            f"{reasons.count(reason)} {reason}" for reason in get_args(Reason) if reason in reasons
        )
        days = "1 day" if len(reasons) == 1 else f"{len(reasons)} days"
        return f"{days}: {counts or 'all settled'}; invoices: {', '.join(self.invoices) or 'none'}"


def choose_since(landed_days: Sequence[str], today: date) -> date:
    """Return the first day of a sync: the first landed day, or else the first of the month before last."""
    if landed_days:
        return date.fromisoformat(landed_days[0])
    return clock.parse_month(clock.format_month(today, -2))


def make_plan(zone: LandingZone, account: str, since: date, now: datetime) -> Plan:
    """Return what a sync fetches, from what has landed."""
    days = clock.list_days(since, now.date() + timedelta(days=1))
    latest = {day: zone.read_latest(billing_events.locate_day(account, day)) for day in days}
    months = zone.list_values("focus_reports", account, "invoice")
    invoices = {month: zone.read_latest(focus_reports.locate_invoice(account, month)) for month in months}
    return Plan(plan_days(latest, now), plan_invoices(since, now, invoices))


def land_invoices(
    api: FalApi, zone: LandingZone, account: str, months: Sequence[str], outcome: Outcome
) -> None:
    """Land invoices one after the other, and add them to the outcome. A missing invoice is not a failure."""
    missing: list[str] = []
    for month in months:
        try:
            manifest = focus_reports.land_invoice(api, zone, account, month)
        except UnauthorizedError as error:
            print_status(f"{account} has no FOCUS reports: {error}")
            return
        except NotFoundError:
            missing.append(month)
        except FATAL:
            raise
        except LoaderError as error:
            outcome.failed.append(error)
        else:
            outcome.landed.append(manifest)
            print_status(f"landed {describe_load(manifest)}")
    if missing and missing == list(months):
        print_status(f"{account} has no FOCUS reports, or no invoice yet: none for {', '.join(missing)}")
    elif missing:
        print_status(f"no invoice yet: {', '.join(missing)}")


def plan_days(latest: Mapping[date, Latest | None], now: datetime) -> dict[date, Reason]:
    """Return the days to fetch, with the reason. latest: the latest load of each day."""
    return {day: reason for day, load in sorted(latest.items()) if (reason := _find_reason(day, load, now))}


def plan_invoices(since: date, now: datetime, landed: Mapping[str, Latest | None]) -> list[str]:
    """Return the billing months to fetch, oldest first.

    These are the missing months from the one after since, which holds its charges; months that were fetched
    before they were over; and always the current month and the one before it.
    """
    today = now.date()
    current = clock.format_month(today)
    missing, month = set(), clock.format_month(since, 1)
    while month <= current:
        missing |= {month} - landed.keys()
        month = clock.format_month(clock.parse_month(month), 1)
    open_ = {month for month, load in landed.items() if month < current and load and _was_open(load, now)}
    again = {clock.format_month(today, -number) for number in range(INVOICES_AGAIN)}
    return sorted(missing | open_ | again)


def _find_reason(day: date, load: Latest | None, now: datetime) -> Reason | None:
    if load is None:
        return "missing"
    if _was_open(load, now):
        return "open"
    settled_at = clock.to_midnight(day) + timedelta(days=1) + SETTLED_AFTER
    return "unsettled" if load.fetched_at < settled_at else None


def _was_open(load: Latest, now: datetime) -> bool:
    """Return whether the window of a load was not over, or its clock was ahead, so that this is unknown."""
    return not load.complete or load.fetched_at > now
