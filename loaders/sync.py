"""The daily sync: what to fetch and why, and landing snapshots, invoices and estimates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Literal, get_args

from loaders import billing_events, catalogue, clock, estimates, focus_reports, serverless_usage
from loaders.api import FalApi
from loaders.errors import LoaderError, NotFoundError, PostponedError, SkippedError, UnauthorizedError
from loaders.landing import SNAPSHOTS, LandingZone, Latest, Partition
from loaders.parallel import (
    FATAL,
    Job,
    Outcome,
    allow_refusal,
    land_feed,
    land_optional,
    make_optional,
    report_skipped,
)
from loaders.progress import describe_load, format_count, print_result, print_status

SETTLED_AFTER = timedelta(days=3)  # late events arrive until then, so a day is fetched again
INVOICES_AGAIN = 2  # the newest billing months are fetched again, since invoices may change

ESTIMATES = "estimates"

Reason = Literal["missing", "open", "unsettled"]


Days = Mapping[Partition, Reason]


@dataclass(frozen=True)
class Plan:
    """What a sync fetches: days, with the reason, kinds of snapshots, and billing months, oldest first.

    days: all days of the sync. Their estimates are planned once the invoices have landed.
    """

    days: Sequence[date]
    events: Days
    usage: Days
    snapshots: Sequence[str]
    invoices: Sequence[str]

    def __str__(self) -> str:
        teams = {partition.source for partition in self.events if partition.source}
        of_teams = f" of {format_count(len(teams), 'team')}" if teams else ""
        parts = (
            _describe_days(self.events, of_teams),
            f"invoices: {', '.join(self.invoices) or 'none'}",
            f"serverless usage: {_describe_days(self.usage)}",
            f"snapshots: {', '.join(self.snapshots) or 'none'}",
        )
        return "; ".join(parts)


def choose_since(landed_days: Sequence[str], today: date) -> date:
    """Return the first day of a sync: the first landed day, or else the first of the month before last."""
    if landed_days:
        return date.fromisoformat(min(landed_days))
    return clock.parse_month(clock.format_month(today, -2))


def make_plan(
    zone: LandingZone, account: str, since: date, now: datetime, teams: Sequence[str | None] = (None,)
) -> Plan:
    """Return what a sync fetches, from what has landed. teams: those of an organization.

    An account that never was an organization has no snapshot of teams.
    """
    days = clock.list_days(since, now.date() + timedelta(days=1))
    events = [billing_events.locate_day(account, day, team) for day in days for team in teams]
    usage = [serverless_usage.locate_day(account, day) for day in days]
    months = zone.list_values("focus_reports", account, "invoice")
    has_teams = any(teams) or zone.list_teams(account) or zone.list_values("catalogue", account, "teams")
    kinds = [kind for kind in SNAPSHOTS if kind != "teams" or has_teams]
    invoices = {month: zone.read_latest(focus_reports.locate_invoice(account, month)) for month in months}
    return Plan(
        days,
        plan_days({partition: zone.read_latest(partition) for partition in events}, now),
        plan_days({partition: zone.read_latest(partition) for partition in usage}, now),
        [kind for kind in kinds if not _has_snapshot(zone, account, kind, now.date())],
        plan_invoices(since, now, invoices),
    )


def make_snapshot_jobs(
    api: FalApi, zone: LandingZone, account: str, kinds: Sequence[str]
) -> tuple[dict[str, Job], str | None]:
    """Return a job for each kind of snapshot, and why kinds have none.

    Models and prices are those of the endpoints of landed events, so call this after events have landed.
    Without landed events, they have no job.
    """
    endpoints, reason = list[str](), None
    if by_endpoint := [kind for kind in kinds if kind in catalogue.BY_ENDPOINT]:
        endpoints = catalogue.list_endpoints(zone, account)
    if by_endpoint and not endpoints:
        reason = (
            f"{' and '.join(by_endpoint)}: no events of {account} have landed in {zone.folder}, and only the "
            "endpoints of events are requested; land a day that has usage with sync or billing-events"
        )
        kinds = [kind for kind in kinds if kind not in by_endpoint]
    land_kind = partial(catalogue.land_snapshot, api, zone, account)
    return {kind: partial(land_kind, kind, endpoints) for kind in kinds}, reason


def land_snapshots(
    api: FalApi, zone: LandingZone, account: str, kinds: Sequence[str], concurrency: int, outcome: Outcome
) -> None:
    """Land snapshots, and add them to the outcome. A refusal of one of them is not a failure."""
    jobs, reason = make_snapshot_jobs(api, zone, account, kinds)
    if reason:
        print_status(f"skipped {reason}")
    optional = [make_optional(api, kind, job) for kind, job in jobs.items()]
    land_optional(api, optional, concurrency, outcome)


def make_usage_jobs(api: FalApi, zone: LandingZone, account: str, days: Days) -> list[Job]:
    """Return a job for each day of serverless usage, whose refusal is not a failure."""
    land_day = partial(serverless_usage.land_day, api, zone, account)
    return [
        make_optional(api, "serverless usage", partial(land_day, date.fromisoformat(day.value)))
        for day in days
    ]


def land_invoices(
    api: FalApi, zone: LandingZone, account: str, months: Sequence[str], outcome: Outcome, path: str
) -> bool:
    """Land invoices one after the other, and add them to the outcome. A missing invoice is not a failure.

    Return whether fal answers requests for FOCUS reports.
    """
    missing: list[str] = []
    for month in months:
        try:
            manifest = focus_reports.land_invoice(api, zone, account, month, path)
        except UnauthorizedError as error:
            print_status(f"{account} has no FOCUS reports: {error}")
            return False
        except PostponedError as error:
            outcome.failed.append(error)
            return False
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
    return True


def land_reports(
    api: FalApi,
    zone: LandingZone,
    account: str,
    plan: Plan,
    concurrency: int,
    outcome: Outcome,
    is_organization: bool,
) -> None:
    """Land invoices, then the estimates of months that they leave open, and add them to the outcome."""
    path = focus_reports.choose_path(is_organization)
    if land_invoices(api, zone, account, plan.invoices, outcome, path):
        days = plan_estimates(api, zone, account, plan.days, outcome, path)
        land_feed(api, make_estimate_jobs(api, zone, account, days, path), concurrency, outcome)


def plan_estimates(
    api: FalApi, zone: LandingZone, account: str, days: Sequence[date], outcome: Outcome, path: str
) -> Days:
    """Return the days of estimates to fetch, with the reason, and print them.

    These are days of open months, if their estimates contain more than billing events. A refusal is not a
    failure.
    """
    days = estimates.list_open_days(zone, account, days)
    try:
        with allow_refusal(api, ESTIMATES):
            are_needed = estimates.are_needed(api, zone, account, days, path)
    except SkippedError as error:
        report_skipped([error], outcome)
        return {}
    except FATAL:
        raise
    except LoaderError as error:
        outcome.failed.append(error)
        return {}
    if not are_needed:
        count = format_count(len(days), "day")
        print_result(f"estimates of open months: none, since events contain all of {count}")
        return {}
    partitions = [focus_reports.locate_estimate(account, day) for day in days]
    latest = {partition: zone.read_latest(partition) for partition in partitions}
    planned = plan_days(latest, clock.utc_now())
    print_result(f"estimates of open months: {_describe_days(planned)}")
    return planned


def make_estimate_jobs(api: FalApi, zone: LandingZone, account: str, days: Days, path: str) -> list[Job]:
    """Return a job for each day of estimates, whose refusal is not a failure."""
    land_day = partial(focus_reports.land_estimate, api, zone, account, path=path)
    return [make_optional(api, ESTIMATES, partial(land_day, date.fromisoformat(day.value))) for day in days]


def plan_days(latest: Mapping[Partition, Latest | None], now: datetime) -> dict[Partition, Reason]:
    """Return the days to fetch, with the reason. latest: the latest load of each day, in order."""
    return {
        partition: reason
        for partition, load in latest.items()
        if (reason := _find_reason(partition.window[1], load, now))
    }


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


def _describe_days(days: Days, of_teams: str = "") -> str:
    """Describe days like `12 days: 10 missing, 1 open`."""
    reasons = list(days.values())
    counts = (f"{reasons.count(reason)} {reason}" for reason in get_args(Reason) if reason in reasons)
    return f"{format_count(len(reasons), 'day')}{of_teams}: {', '.join(counts) or 'all settled'}"


def _has_snapshot(zone: LandingZone, account: str, kind: str, day: date) -> bool:
    return zone.find_latest(catalogue.locate_snapshot(account, kind, day)) is not None


def _find_reason(end: datetime, load: Latest | None, now: datetime) -> Reason | None:
    """Return why a day is fetched. end: the end of the day."""
    if load is None:
        return "missing"
    if _was_open(load, now):
        return "open"
    return "unsettled" if load.fetched_at < end + SETTLED_AFTER else None


def _was_open(load: Latest, now: datetime) -> bool:
    """Return whether the window of a load was not over, or its clock was ahead, so that this is unknown."""
    return not load.complete or load.fetched_at > now
