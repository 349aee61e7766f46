"""The world behind the local fal: accounts, their keys, their events, and the clock."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from tests.fal_server import reports
from tests.fal_server.events import Event, Oddities, draw_day, nano_to_usd, order


class World:
    """Everything the local fal knows. Two worlds with the same arguments hold the same events, byte for byte.

    accounts: alias → admin key. first_day, days: the UTC days that have events. oddities: True for all, False
    for none, or an `Oddities`. now: the server's clock (default: the end of the last day); what lies after it
    does not exist yet. non_enterprise: aliases whose key gets 403 on /account/focus.

    `invoice_months` overrides, per billing month, how the invoice is made (an `Invoice`) or that there is
    none (None); otherwise every charge month that is over has a whole one. `csv_style` changes how CSVs are
    written.
    All of it may be changed while a server answers from it.
    """

    def __init__(
        self,
        seed: int = 7,
        accounts: Mapping[str, str] | None = None,
        first_day: date = date(2026, 1, 5),
        days: int = 40,
        events_per_day: int = 2000,
        oddities: bool | Oddities = True,
        now: datetime | None = None,
        non_enterprise: Sequence[str] = (),
    ) -> None:
        self.seed = seed
        self.accounts = dict(accounts or {"acme": "key-acme"})
        self.first_day = first_day
        self.days = days
        self.events_per_day = events_per_day
        self.oddities = _oddities(oddities)
        self.now = now or midnight(first_day + timedelta(days=days))
        self.non_enterprise = set(non_enterprise)
        self.invoice_months: dict[str, reports.Invoice | None] = {}
        self.csv_style = reports.CsvStyle()
        self._days: dict[tuple[str, date], list[Event]] = {}
        self._invoiced: dict[tuple[str, date], list[Event]] = {}
        self._amended: dict[tuple[str, date], int] = {}
        self._lock = threading.RLock()

    @property
    def last_day(self) -> date:
        """The last day that has events."""
        return self.first_day + timedelta(days=self.days - 1)

    @property
    def empty_day(self) -> date | None:
        """The day in the middle on which nobody ordered anything, if that oddity is on."""
        return self.first_day + timedelta(days=4) if self.oddities.empty_day and self.days > 5 else None

    @property
    def shift(self) -> int:
        """By how many rows the list moves from one page to the next while somebody pages through it."""
        return 3 if self.oddities.shifted_pages else 0

    def all_days(self) -> Iterator[date]:
        """Every day of this world, oldest first."""
        return (self.first_day + timedelta(days=number) for number in range(self.days))

    def day_events(self, account: str, day: date, *, invoiced: bool = False) -> list[Event]:
        """A day's events, oldest first, the clock aside. invoiced: those the invoice knows, see `amend`."""
        with self._lock:
            kept = self._invoiced.get((account, day)) if invoiced else None
            if kept is not None:
                return kept
            if (account, day) not in self._days:
                self._days[account, day] = self._draw(account, day, self.events_per_day)
            return self._days[account, day]

    def events(self, account: str, since: date | None = None, until: date | None = None) -> list[Event]:
        """The distinct events that exist by now, oldest first, of the days from since until before until."""
        return [
            event
            for day in self.all_days()
            if (since is None or day >= since) and (until is None or day < until)
            for event in self.day_events(account, day)
            if event.at < self.now
        ]

    def total_cost(self, account: str, since: date | None = None, until: date | None = None) -> Decimal:
        """What the distinct events of [since, until) cost: USD, exact."""
        return nano_to_usd(sum(event.cost_nano_usd for event in self.events(account, since, until)))

    def window(self, account: str, start: datetime, end: datetime) -> list[Event]:
        """The events with start <= at < end that exist by now, newest first: what a call lists."""
        listed: list[Event] = []
        day = min(end.date(), self.last_day)
        while day >= max(start.date(), self.first_day):
            listed.extend(
                event
                for event in reversed(self.day_events(account, day))
                if start <= event.at < end and event.at < self.now
            )
            day -= timedelta(days=1)
        return listed

    def amend(self, account: str, day: date, *, events: int | None = None, invoiced: bool = True) -> None:
        """Give a day other content: new events, as many as before or `events`.

        invoiced=False: the invoice was issued before and keeps what the day held first.
        """
        with self._lock:
            count = len(self.day_events(account, day)) if events is None else events
            revision = self._amended.get((account, day), 0) + 1
            self._amended[account, day] = revision
            self.set_day(account, day, self._draw(account, day, count, revision), invoiced=invoiced)

    def set_day(self, account: str, day: date, events: Sequence[Event], *, invoiced: bool = True) -> None:
        """Give a day exactly these events. invoiced as in `amend`."""
        with self._lock:
            if not invoiced:
                self._invoiced.setdefault((account, day), self.day_events(account, day))
            self._days[account, day] = sorted(events, key=order)

    def issued_months(self) -> list[str]:
        """The billing months that have an invoice by now, oldest first."""
        return reports.issued_months(self)

    def invoice_csv(self, account: str, billing_month: str, *, organization: bool = False) -> bytes:
        """The FOCUS CSV of an invoice, or of all accounts'. KeyError when that month has none."""
        return reports.invoice_csv(self, self._reported(account, organization), billing_month)

    def invoice_total(self, account: str, billing_month: str) -> Decimal:
        """sum(BilledCost) of that invoice: USD, exact."""
        return reports.total(reports.invoice_rows(self, account, billing_month))

    def estimate_csv(
        self,
        account: str,
        start: datetime,
        end: datetime,
        timeframe: str = "day",
        timezone: str = "UTC",
        bound: bool = True,
        *,
        organization: bool = False,
    ) -> bytes:
        """The FOCUS CSV of live usage between two times, in buckets of a timeframe in a time zone."""
        accounts = self._reported(account, organization)
        return reports.estimate_csv(self, accounts, start, end, timeframe, timezone, bound)

    def _reported(self, account: str, organization: bool) -> list[str]:
        return list(self.accounts) if organization else [account]

    def _draw(self, account: str, day: date, count: int, revision: int = 0) -> list[Event]:
        known = self.first_day <= day <= self.last_day
        if not known or (day == self.empty_day and revision == 0):
            return []
        return draw_day(f"{self.seed}|{account}|{revision}", day, count, self.oddities)


def midnight(day: date) -> datetime:
    """The UTC instant a day begins."""
    return datetime.combine(day, time(), UTC)


def _oddities(wanted: bool | Oddities) -> Oddities:
    if isinstance(wanted, Oddities):
        return wanted
    return Oddities.all() if wanted else Oddities()
