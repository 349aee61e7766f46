"""The daily sync: what to fetch and why, and landing snapshots and invoices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Literal, get_args

from loaders import billing_events, catalogue, clock, focus_reports, serverless_usage
from loaders.api import FalApi
from loaders.errors import LoaderError, NotFoundError, UnauthorizedError
from loaders.landing import SNAPSHOTS, LandingZone, Latest, Partition
from loaders.parallel import FATAL, Job, Outcome, land_optional, make_optional
from loaders.progress import describe_load, format_count, print_status

SETTLED_AFTER = timedelta(days=3)  # late events arrive until then, so a day is fetched again
INVOICES_AGAIN = 2  # the newest billing months are fetched again, since invoices may change

Reason = Literal["missing", "open", "unsettled"]


Days = Mapping[Partition, Reason]


@dataclass(frozen=True)
class Plan:
    """What a sync fetches: days, with the reason, kinds of snapshots, and billing months, oldest first."""

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
    """Return what a sync fetches, from what has landed. teams: those of an organization."""
    days = clock.list_days(since, now.date() + timedelta(days=1))
    events = [billing_events.locate_day(account, day, team) for day in days for team in teams]
    usage = [serverless_usage.locate_day(account, day) for day in days]
    months = zone.list_values("focus_reports", account, "invoice")
    invoices = {month: zone.read_latest(focus_reports.locate_invoice(account, month)) for month in months}
    return Plan(
        plan_days({partition: zone.read_latest(partition) for partition in events}, now),
        plan_days({partition: zone.read_latest(partition) for partition in usage}, now),
        [kind for kind in SNAPSHOTS if not _has_snapshot(zone, account, kind, now.date())],
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
    optional = [make_optional(kind, job) for kind, job in jobs.items()]
    land_optional(api, optional, concurrency, outcome)


def make_usage_jobs(api: FalApi, zone: LandingZone, account: str, days: Days) -> list[Job]:
    """Return a job for each day of serverless usage, whose refusal is not a failure."""
    land_day = partial(serverless_usage.land_day, api, zone, account)
    return [
        make_optional("serverless usage", partial(land_day, date.fromisoformat(day.value))) for day in days
    ]


def land_invoices(
    api: FalApi, zone: LandingZone, account: str, months: Sequence[str], outcome: Outcome, path: str
) -> None:
    """Land invoices one after the other, and add them to the outcome. A missing invoice is not a failure."""
    missing: list[str] = []
    for month in months:
        try:
            manifest = focus_reports.land_invoice(api, zone, account, month, path)
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
