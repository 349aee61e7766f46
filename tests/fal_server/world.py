"""The data of the local fal: accounts, keys, events, and the clock."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from tests.fal_server import reports
from tests.fal_server.episodes import draw_episodes
from tests.fal_server.events import Event, Oddities, draw_day, nano_to_usd, order
from tests.fal_server.keys import Key, change_event, list_keys, move_to_team
from tests.fal_server.switches import LINES, Switches, Team
from tests.fal_server.usage import Usage, draw_usage, sum_of


class World:
    """All data of the local fal. Worlds with equal arguments have equal events, byte for byte.

    accounts: alias → admin key. first_day, days: the UTC days that have events. oddities: True for all, False
    for none, or an `Oddities`. now: the server's clock (default: the end of the last day); later events do
    not exist yet. non_enterprise: aliases whose key gets 403 on /account/focus.

    By default, every charge month that is over has a complete invoice. `invoice_months` overrides this by
    billing month with an `Invoice`, or None for no invoice. `csv_style` is the style of CSVs.

    switches: product lines and more, see `Switches`; plain_accounts: aliases without them. changed_at: when
    their changes happen (default: noon of the middle day). teams: root alias → the teams of the organization,
    the root among them; other accounts get 403 on /organization. The root's own events are those of its team,
    and apps and instances belong to the root. not_admin: aliases whose key gets 403 on calls for admins.

    `refused` maps a path, such as "/keys", to the status (401, 403, 404) of its error. `credits` has the USD
    of credits bought before the first day.

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
        switches: Switches | None = None,
        changed_at: datetime | None = None,
        teams: Mapping[str, Sequence[Team]] | None = None,
        not_admin: Sequence[str] = (),
        plain_accounts: Sequence[str] = (),
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
        self.switches = switches or Switches()
        self.changed_at = changed_at or midnight(first_day + timedelta(days=days // 2)) + timedelta(hours=12)
        self.teams = {root: list(members) for root, members in (teams or {}).items()}
        self.not_admin = set(not_admin)
        self.plain_accounts = set(plain_accounts)
        self.refused: dict[str, int] = {}
        self.credits: dict[str, Decimal] = {}
        self._days: dict[tuple[str, date], list[Event]] = {}
        self._invoiced: dict[tuple[str, date], list[Event]] = {}
        self._amended: dict[tuple[str, date], int] = {}
        self._changed: dict[tuple[str, date], tuple[object, list[Event]]] = {}
        self._usage: dict[tuple[object, ...], list[Usage]] = {}
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
            return self._as_changed(account, day)

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

    def usage(self, account: str, day: date, *, invoiced: bool = False) -> list[Usage]:
        """Usage of apps and instances of a day, oldest first. invoiced: including what is not visible yet."""
        if not self.first_day <= day <= self.last_day:
            return []
        with self._lock:
            switches = self.switches_of(account)
            key = (account, day, switches, self.changed_at)
            if key not in self._usage:
                self._usage[key] = draw_usage(f"{self.seed}|{account}", day, switches, self.changed_at)
            drawn = self._usage[key]
        return [usage for usage in drawn if invoiced or usage.is_visible(self.now)]

    def usage_window(self, account: str, start: datetime, end: datetime) -> list[Usage]:
        """Usage of apps and instances with start <= at < end that is visible by now, oldest first."""
        days = (end.date() - start.date()).days + 1
        return [
            usage
            for number in range(days)
            for usage in self.usage(account, start.date() + timedelta(days=number))
            if start <= usage.at < end
        ]

    def cost(
        self,
        account: str,
        line: str | None = None,
        since: date | None = None,
        until: date | None = None,
        team: str | None = None,
    ) -> Decimal:
        """Exact cost in USD of [since, until) that is visible by now, of one product line or all.

        It covers all teams of an organization, or one. Only model APIs belong to a team.
        """
        costs = []
        if line in (None, "model_apis"):
            for username in [team] if team else self._usernames(account):
                costs.append(self.total_cost(username, since, until))
        if team is None:
            costs += [
                usage.cost
                for day in self.all_days()
                if (since is None or day >= since) and (until is None or day < until)
                for usage in self.usage(account, day)
                if line in (None, usage.machine.line)
            ]
        return sum_of(costs)

    def costs(self, account: str, team: str | None = None) -> dict[tuple[date, str], Decimal]:
        """Exact cost in USD by UTC day and product line, without days that have none."""
        day_after = timedelta(days=1)
        found = {
            (day, line): self.cost(account, line, day, day + day_after, team)
            for day in self.all_days()
            for line in LINES
        }
        return {key: cost for key, cost in found.items() if cost}

    def members(self, account: str) -> list[Team]:
        """The teams of an organization; any other account is its own only team."""
        return self.teams.get(account) or [Team(account, account.title())]

    def switches_of(self, account: str) -> Switches:
        """Switches of an account, or of the organization of a team."""
        return Switches() if (self._root_of(account) or account) in self.plain_accounts else self.switches

    @property
    def has_changed(self) -> bool:
        """Whether the changes of the switches have happened by now."""
        return self.now >= self.changed_at

    def keys(self, account: str) -> list[Key]:
        """Keys of an account as of now."""
        return list_keys(
            self.switches_of(account),
            odd=self.oddities.odd_labels,
            first=midnight(self.first_day),
            is_changed=self.has_changed,
        )

    def balance(self, account: str) -> Decimal:
        """Credits of an account that remain now, in USD."""
        return max(sum_of([self.credits.get(account, Decimal(0)), -self.cost(account)]), Decimal(0))

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
        """Write the FOCUS CSV of an invoice, or of those of all teams. Raises KeyError without one."""
        return reports.invoice_csv(self, self._reported(account, organization), billing_month)

    def invoice_total(self, account: str, billing_month: str, *, organization: bool = False) -> Decimal:
        """Exact sum of BilledCost of that invoice, in USD."""
        scopes = self._reported(account, organization)
        invoices = (reports.invoice_rows(self, scope, billing_month) for scope in scopes)
        return reports.total(row for rows in invoices for row in rows)

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
        teams: Sequence[str] = (),
    ) -> bytes:
        """Write the FOCUS CSV of live usage between two times, in buckets of a timeframe in a time zone.

        teams: usernames of the teams of an organization that it is limited to.
        """
        scopes = self._reported(account, organization, teams)
        return reports.estimate_csv(self, scopes, start, end, timeframe, timezone, bound)

    def _reported(self, account: str, organization: bool, teams: Sequence[str] = ()) -> list[reports.Scope]:
        if not organization:
            return [reports.Scope(account)]
        if account in self.teams:
            kept = [team for team in self.members(account) if not teams or team.username in teams]
            return [reports.Scope(account, tuple(kept), has_lines=not teams)]
        # without teams, the organization has all accounts of the world
        return [reports.Scope(alias) for alias in self.accounts]

    def _root_of(self, username: str) -> str | None:
        return next((root for root in self.teams if username in self._usernames(root)), None)

    def _usernames(self, account: str) -> list[str]:
        return [team.username for team in self.members(account)]

    def _as_changed(self, account: str, day: date) -> list[Event]:
        """Events of a day with the changes of the switches, and with their team."""
        drawn = self._days[account, day]
        root, switches = self._root_of(account), self.switches_of(account)
        if switches == Switches() and root is None:
            return drawn
        state = (drawn, switches, self.changed_at, root)
        kept = self._changed.get((account, day))
        if kept is None or kept[0] != state:
            moved = drawn
            if root is not None:
                moved = [move_to_team(event, account, is_root=root == account) for event in drawn]
            changed = [change_event(event, switches, self.changed_at) for event in moved]
            kept = self._changed[account, day] = (state, changed)
        return kept[1]

    def _draw(self, account: str, day: date, count: int, revision: int = 0) -> list[Event]:
        known = self.first_day <= day <= self.last_day
        if not known or (day == self.empty_day and revision == 0):
            return []
        seed = f"{self.seed}|{account}|{revision}"
        drawn = draw_day(seed, day, count, self.oddities)
        if account in self.accounts and revision == 0:
            drawn += draw_episodes(seed, day, self.switches_of(account), self.last_day, count)
        return sorted(drawn, key=order)


def midnight(day: date) -> datetime:
    """Return the start of a UTC day."""
    return datetime.combine(day, time(), UTC)


def _oddities(wanted: bool | Oddities) -> Oddities:
    if isinstance(wanted, Oddities):
        return wanted
    return Oddities.all() if wanted else Oddities()
