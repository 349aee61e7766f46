"""The daily job: which days and invoices to fetch, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args

from loaders import clock
from loaders.landing import Latest

SETTLED_AFTER = timedelta(days=3)  # events arrive late: a day is fetched again until it has settled
INVOICES_AGAIN = 2  # the invoices of the newest billing months are fetched again: they may have changed

Reason = Literal["missing", "open", "unsettled"]


@dataclass(frozen=True)
class Plan:
    """What a sync will fetch: days with the reason, and billing months, each oldest first."""

    days: Mapping[date, Reason]
    invoices: Sequence[str]

    def __str__(self) -> str:
        reasons = list(self.days.values())
        counts = ", ".join(
            f"{reasons.count(reason)} {reason}" for reason in get_args(Reason) if reason in reasons
        )
        days = "1 day" if len(reasons) == 1 else f"{len(reasons)} days"
        return f"{days}: {counts or 'all settled'}; invoices: {', '.join(self.invoices) or 'none'}"


def default_since(landed_days: Sequence[str], today: date) -> date:
    """The first day to look at: the first that ever landed, else the first of the month before last."""
    if landed_days:
        return date.fromisoformat(landed_days[0])
    return clock.month_start(clock.month_of(today, -2))


def plan_days(latest: Mapping[date, Latest | None], now: datetime) -> dict[date, Reason]:
    """Of these days, those to fetch, and why."""
    return {day: reason for day, load in sorted(latest.items()) if (reason := _reason(day, load, now))}


def plan_invoices(since: date, now: datetime, landed: Mapping[str, Latest | None]) -> list[str]:
    """The billing months to ask for, oldest first.

    Those after the month of since, which hold its charges, as far as they are missing; those fetched before
    they were over; and in any case the current one and the one before it.
    """
    today = now.date()
    current = clock.month_text(today)
    missing, month = set(), clock.month_of(since, 1)
    while month <= current:
        missing |= {month} - landed.keys()
        month = clock.month_of(clock.month_start(month), 1)
    open_ = {month for month, load in landed.items() if month < current and load and _was_open(load, now)}
    again = {clock.month_of(today, -number) for number in range(INVOICES_AGAIN)}
    return sorted(missing | open_ | again)


def _reason(day: date, load: Latest | None, now: datetime) -> Reason | None:
    if load is None:
        return "missing"
    if _was_open(load, now):
        return "open"
    return "unsettled" if load.fetched_at < settled_at(day) else None


def settled_at(day: date) -> datetime:
    """When no more events of a day are expected."""
    return clock.midnight(day) + timedelta(days=1) + SETTLED_AFTER


def _was_open(load: Latest, now: datetime) -> bool:
    """Whether a load's window was not over, or cannot be known to have been: its clock was ahead."""
    return not load.complete or load.fetched_at > now
