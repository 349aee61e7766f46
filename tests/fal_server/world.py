"""The data of the local fal: accounts, keys, events, and the clock."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from tests.fal_server import reports
from tests.fal_server.events import Event, Oddities, draw_day, nano_to_usd, order


class World:
    """All data of the local fal. Worlds with equal arguments have equal events, byte for byte.

    accounts: alias → admin key. first_day, days: the UTC days that have events. oddities: True for all, False
    for none, or an `Oddities`. now: the server's clock (default: the end of the last day); later events do
    not exist yet. non_enterprise: aliases whose key gets 403 on /account/focus.

    By default, every charge month that is over has a complete invoice. `invoice_months` overrides this by
    billing month with an `Invoice`, or None for no invoice. `csv_style` is the style of CSVs.
    A test can change all of these while a server runs.
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
        """The day without events, if that oddity is enabled."""
        return self.first_day + timedelta(days=4) if self.oddities.empty_day and self.days > 5 else None

    @property
    def shift(self) -> int:
        """Number of rows by which the list shifts from one page to the next."""
        return 3 if self.oddities.shifted_pages else 0

    def all_days(self) -> Iterator[date]:
        """Every day of this world, oldest first."""
        return (self.first_day + timedelta(days=number) for number in range(self.days))

    def day_events(self, account: str, day: date, *, invoiced: bool = False) -> list[Event]:
        """Events of a day, oldest first. invoiced: those on its invoice, see `amend`."""
        with self._lock:
            kept = self._invoiced.get((account, day)) if invoiced else None
            if kept is not None:
                return kept
            if (account, day) not in self._days:
                self._days[account, day] = self._draw(account, day, self.events_per_day)
            return self._days[account, day]

    def events(self, account: str, since: date | None = None, until: date | None = None) -> list[Event]:
        """Distinct events before now of the days [since, until), oldest first."""
        return [
            event
            for day in self.all_days()
            if (since is None or day >= since) and (until is None or day < until)
            for event in self.day_events(account, day)
            if event.at < self.now
        ]

    def total_cost(self, account: str, since: date | None = None, until: date | None = None) -> Decimal:
        """Exact cost in USD of the distinct events of [since, until)."""
        return nano_to_usd(sum(event.cost_nano_usd for event in self.events(account, since, until)))

    def window(self, account: str, start: datetime, end: datetime) -> list[Event]:
        """Events before now with start <= at < end, newest first, as a call lists them."""
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
        """Replace the events of a day with new ones, as many as before or `events`.

        invoiced=False: the invoice was issued before and keeps the first events.
        """
        with self._lock:
            count = len(self.day_events(account, day)) if events is None else events
            revision = self._amended.get((account, day), 0) + 1
            self._amended[account, day] = revision
            self.set_day(account, day, self._draw(account, day, count, revision), invoiced=invoiced)

    def set_day(self, account: str, day: date, events: Sequence[Event], *, invoiced: bool = True) -> None:
        """Replace the events of a day with these. invoiced as in `amend`."""
        with self._lock:
            if not invoiced:
                self._invoiced.setdefault((account, day), self.day_events(account, day))
            self._days[account, day] = sorted(events, key=order)

    def issued_months(self) -> list[str]:
        """Billing months with an invoice by now, oldest first."""
        return reports.issued_months(self)

    def invoice_csv(self, account: str, billing_month: str, *, organization: bool = False) -> bytes:
        """Write the FOCUS CSV of an invoice, or of those of all accounts. Raises KeyError without one."""
        return reports.invoice_csv(self, self._reported(account, organization), billing_month)

    def invoice_total(self, account: str, billing_month: str) -> Decimal:
        """Exact sum of BilledCost of that invoice, in USD."""
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
        """Write the FOCUS CSV of live usage between two times, in buckets of a timeframe in a time zone."""
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
    """Return the start of a UTC day."""
    return datetime.combine(day, time(), UTC)


def _oddities(wanted: bool | Oddities) -> Oddities:
    if isinstance(wanted, Oddities):
        return wanted
    return Oddities.all() if wanted else Oddities()
