"""Compute the bill of an account charge by charge from its loads, by docs/rules.md.

This is slow and simple. It shares no code with the models, so an error in either shows as a difference.
It takes only the x_ChargeId of each charge from the warehouse, as an opaque key that breaks ties.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

from tests.end_to_end.bill_rows import (
    APPS,
    COMPUTE,
    DAY,
    ESTIMATE,
    EVENTS,
    INVOICE,
    MODEL_APIS,
    SERVERLESS,
    UNATTRIBUTED,
    ZERO,
    Account,
    AppUsage,
    Bill,
    BurnDown,
    Caller,
    Commitment,
    Element,
    Event,
    Line,
    Load,
    Month,
    Record,
    Seeds,
    Summary,
    elements_of,
)
from tests.end_to_end.owner_reference import Owners

ONE = Decimal(1)


def bill_of(account: Account, seeds: Seeds, charge_ids: Mapping[Any, str], grain: str) -> Bill:
    """Compute the bill, from the seeds, x_ChargeId by Line.key, and the charge period of events."""
    with localcontext(prec=100):
        landed = Landed(account, seeds, grain)
        lines = landed.lines_that_count()
        ids = {line.key: charge_ids.get(line.key, "") for line in lines}
        applied = apply_commitments(account.commitments, lines, ids, landed.as_of)
        burn_down = burn_downs(account.commitments, applied, landed.as_of)
        own = commitment_lines(account.commitments, lines, ids, landed, burn_down)
        charged = [with_applied(line, applied.get(line, [])) for line in lines]
        return Bill(
            charged + own,
            [row for rows in burn_down.values() for row in rows],
            summaries(account, burn_down, landed.as_of),
            landed.months(),
        )


# ---------------------------------------------------------------- which charges count


class Landed:
    """The latest load of each partition, and the state of days and months that follows from it."""

    def __init__(self, account: Account, seeds: Seeds, grain: str) -> None:
        latest: dict[tuple[str, str, str | None], Load] = {}
        for load in sorted(account.loads, key=lambda load: load.load_id):
            latest[load.place] = load
        daily = [load for load in latest.values() if load.feed != INVOICE]
        invoices = [load for load in latest.values() if load.feed == INVOICE]
        events = events_that_count(
            replace(row, team=row.team or load.team)
            for load in daily
            if load.feed == EVENTS
            for row in load.rows
        )
        self.owners = Owners(account, latest.values(), [event.caller for event in events])
        usage = usage_that_counts(row for load in daily if load.feed == SERVERLESS for row in load.rows)
        self.metered = event_lines(events, seeds.units, grain, self.owners)
        self.metered += [app_line(row, self.owners) for row in usage]
        self.names = Names(
            {event.endpoint_id for event in events} | {*account.endpoints, *seeds.endpoints},
            {row.app for row in usage},
            seeds.patterns,
        )
        estimates = [row for load in daily if load.feed == ESTIMATE for row in rows_of_the_day(load)]
        landed = {row.invoice_id for load in invoices for row in load.rows}
        self.estimated = [estimate_line(row, self.names, landed) for row in estimates]
        issued = [
            (date.fromisoformat(f"{load.partition}-01"), invoice_line(load.partition, row, self.names))
            for load in invoices
            for row in load.rows
        ]
        self.invoiced = [line for _, line in issued]
        used = [(month, line) for month, line in issued if line.is_ordinary_usage]
        self.closed = {month_of(line.day) for month, line in used if month_after(line.day) == month}
        self.covered: dict[str, set[date]] = defaultdict(set)
        for _, line in used:
            self.covered[line.product_line].update(days_covered(line.start, line.end))
        self.feeds: dict[date, set[str]] = defaultdict(set)
        for line in self.metered:
            self.feeds[line.day].add(line.source)
        self.complete = complete_days(daily)
        ends = [date.fromisoformat(load.partition) + DAY for load in daily]
        ends += [month_after(month) for month in self.closed]
        ends += [day + DAY for day in self.covered_days]
        self.as_of = max(ends)

    @property
    def covered_days(self) -> set[date]:
        """Days that an invoice covers, for any product line."""
        return set().union(*self.covered.values())

    def is_closed(self, day: date) -> bool:
        return month_of(day) in self.closed

    def has_landed(self, day: date) -> bool:
        """Whether all data of the day has landed, so that credits can expire."""
        classified = set().union(*(days for line, days in self.covered.items() if line != UNATTRIBUTED))
        return day in self.complete or day in classified or self.is_closed(day)

    def is_covered(self, day: date, product_line: str) -> bool:
        """Whether an invoice covers a day for a line: by its usage, or in a closed month of any line."""
        days = self.covered[product_line]
        return day in days or (self.is_closed(day) and day in self.covered[UNATTRIBUTED])

    def lines_that_count(self) -> list[Line]:
        """Count each charge once: all invoice rows, and the other feeds where they take precedence."""
        lines = list(self.invoiced)
        lines += [line for line in self.metered if self.source_of(line.day, line.product_line) == line.source]
        for line in self.estimated:
            is_replaced = line.is_ordinary_usage and self.source_of(line.day, line.product_line) != ESTIMATE
            if not self.is_closed(line.day) and not is_replaced:
                lines.append(line)
        return lines

    def source_of(self, day: date, product_line: str) -> str:
        """The feed that ordinary usage of a product line comes from on a day."""
        if self.is_closed(day) or self.is_covered(day, product_line):
            return INVOICE
        if product_line == UNATTRIBUTED and day in self.covered_days:
            return INVOICE
        feeds = {MODEL_APIS: [EVENTS], APPS: [SERVERLESS], COMPUTE: [], UNATTRIBUTED: [EVENTS, SERVERLESS]}
        return next((feed for feed in feeds[product_line] if feed in self.feeds[day]), ESTIMATE)

    def is_set_aside(self, line: Line) -> bool:
        """Whether an estimated row gives way to another feed, although it could be usage of another line."""
        is_usage = line.product_line == UNATTRIBUTED and line.is_ordinary_usage
        is_open = not self.is_closed(line.day)
        return is_usage and is_open and self.source_of(line.day, UNATTRIBUTED) != ESTIMATE

    def months(self) -> list[Month]:
        """Reconcile invoices with all other charges of their months, counted or not, by product line."""
        charged = [*self.invoiced, *self.metered, *self.estimated]
        groups = {(month_of(line.day), name) for line in charged for name in (line.product_line, "all")}
        return [self.month(month, product_line) for month, product_line in sorted(groups)]

    def month(self, month: date, product_line: str) -> Month:
        """Reconcile a month and product line, or all lines, from the rows of every feed that start in it."""

        def of_month(lines: Iterable[Line]) -> list[Line]:
            named = (line for line in lines if product_line in (line.product_line, "all"))
            return [line for line in named if month_of(line.day) == month]

        rows, estimates, metered = of_month(self.invoiced), of_month(self.estimated), of_month(self.metered)
        usage = total_or_none(line.effective for line in rows if line.is_ordinary_usage)
        used = total_or_none(line.effective for line in metered if line.source == EVENTS)
        run = total_or_none(line.effective for line in metered if line.source == SERVERLESS)
        estimated = total_or_none(line.effective for line in estimates if line.is_ordinary_usage)
        billed: dict[str, Decimal] = defaultdict(Decimal)
        for line in rows:
            billed["Correction" if line.charge_class else line.category] += line.billed
        days = {(line.day, line.product_line) for line in (*metered, *estimates)}
        sources = {(day, self.source_of(day, name)) for day, name in days}
        from_feeds = [source for _, source in sources]
        missing = [
            line
            for line in metered
            if month in self.closed and not self.is_covered(line.day, line.product_line)
        ]
        return Month(
            month,
            product_line,
            "closed" if month in self.closed else "open" if usage is None else "partly invoiced",
            ", ".join(sorted({line.invoice_id for line in rows if line.invoice_id})) or None,
            usage,
            used,
            run,
            estimated,
            sum((line.effective for line in estimates if self.is_set_aside(line)), ZERO),
            *difference(usage, used),
            *difference(usage, run),
            *difference(usage, estimated),
            billed["Credit"],
            billed["Tax"],
            billed["Correction"],
            billed["Purchase"] + billed["Adjustment"],
            sum(billed.values(), ZERO),
            *(from_feeds.count(feed) for feed in (INVOICE, EVENTS, SERVERLESS, ESTIMATE)),
            len({line.day for line in missing}),
            *(
                sum((line.effective for line in missing if line.source == feed), ZERO)
                for feed in (EVENTS, SERVERLESS)
            ),
        )


def rows_of_the_day(load: Load) -> list[Record]:
    """The rows of an estimate that start and end within its day."""
    day = date.fromisoformat(load.partition)
    return [row for row in load.rows if row.start.date() == day and row.end <= midnight(day + DAY)]


def complete_days(daily: Iterable[Load]) -> set[date]:
    """Days whose estimate is complete, or all of whose landed events and serverless usage are."""
    by_day: dict[str, list[Load]] = defaultdict(list)
    for load in daily:
        by_day[load.partition].append(load)
    complete = set()
    for partition, loads in by_day.items():
        usage = [load.complete for load in loads if load.feed != ESTIMATE]
        estimated = any(load.complete for load in loads if load.feed == ESTIMATE)
        if estimated or (usage and all(usage)):
            complete.add(date.fromisoformat(partition))
    return complete


class Names:
    """Gives rows of reports their product line."""

    def __init__(
        self, endpoints: set[str], apps: set[str | None], patterns: Sequence[tuple[str, str, str]]
    ) -> None:
        self.endpoints, self.apps = endpoints, apps - {None}
        self.patterns = [(column, glob(pattern), line) for column, pattern, line in patterns]

    def line_of(self, row: Record) -> str:
        """The product line of a row: by its endpoint, its app, the first pattern, or the name of its app.

        An id that an endpoint shares with an app decides after the patterns.
        """
        ids = {row.sku, row.resource}
        if (self.endpoints - self.apps) & ids:
            return MODEL_APIS
        if (self.apps - self.endpoints) & ids:
            return APPS
        values = {
            "ChargeDescription": row.name,
            "PricingUnit": row.unit,
            "ResourceId": row.resource,
            "ResourceName": row.resource_name,
            "ServiceName": row.service,
            "SkuId": row.sku,
        }
        matching = (
            line for column, pattern, line in self.patterns if pattern.fullmatch(values.get(column) or "")
        )
        if self.endpoints & ids:
            return next(matching, MODEL_APIS)
        return next(matching, APPS if row.resource_name in self.apps else UNATTRIBUTED)


def glob(pattern: str) -> re.Pattern[str]:
    """Compile a pattern in which * stands for any text, and case does not count."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.IGNORECASE | re.DOTALL)


def difference(invoiced: Decimal | None, other: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
    """Return invoiced - other, and the difference in percent of other, rounded to 4 decimals."""
    if invoiced is None or other is None:
        return None, None
    percent = rounded(Fraction(invoiced - other) * 100 / Fraction(other), 4) if other else None
    return invoiced - other, percent


def events_that_count(landed: Iterable[Event]) -> list[Event]:
    """Keep each event once, and drop an event without meter if one of equal cost has a meter."""
    repeats, metered = defaultdict(list), set()

    def request(event: Event) -> tuple[Any, ...]:
        return event.request_id, event.endpoint_id, event.timestamp, event.cost_nano_usd

    for event in landed:
        identity = (
            event.request_id,
            event.endpoint_id,
            event.timestamp,
            event.unit_price,
            event.output_units,
        )
        repeats[identity].append(event)
        if event.is_metered:
            metered.add(request(event))
    events = [
        replace(
            max(same, key=lambda e: (e.cost_nano_usd, -(e.percent_discount or ZERO), e.auth_method or "")),
            api_key_id=min((e.api_key_id for e in same if e.api_key_id), default=None),
            login_username=min((e.login_username for e in same if e.login_username), default=None),
            team=min((e.team for e in same if e.team), default=None),
        )
        for same in repeats.values()
    ]
    return [event for event in events if event.is_metered or request(event) not in metered]


def event_lines(events: Iterable[Event], units: Mapping[str, str], grain: str, owners: Owners) -> list[Line]:
    """Make a line for each period, endpoint, unit price, discount, and caller."""
    groups = defaultdict(list)
    for event in events:
        start = event.timestamp.replace(minute=0, second=0, microsecond=0)
        start = midnight(start.date()) if grain == "day" else start
        shows_discount = event.is_metered or event.cost_subtotal is not None
        discount = (event.percent_discount or ZERO) if shows_discount else ZERO
        price = event.unit_price if event.is_metered else None
        has_units = event.output_units is not None
        groups[start, event.endpoint_id, price, discount, event.caller, has_units].append(event)
    lines = []
    for (start, endpoint, price, discount, caller, has_units), group in groups.items():
        sub_account_id, sub_account_name, sub_account_type = owners.sub_account_of(caller.team)
        unit = units.get(endpoint, "Units")
        requests = len({event.request_id for event in group})
        if price is not None:
            list_price, quantity = price, sum((event.output_units for event in group), ZERO)
        else:
            list_price, quantity = ONE, sum((cost_before_discount(event) for event in group), ZERO)
        contracted_price = list_price * (1 - discount / 100)
        cost = sum((event.cost_nano_usd for event in group), ZERO) / 10**9
        lines.append(
            Line(
                source=EVENTS,
                start=start,
                end=start + (DAY if grain == "day" else timedelta(hours=1)),
                resource=endpoint,
                unit="USD" if price is None else unit,
                price=contracted_price,
                quantity=quantity,
                auth_method=caller.auth_method,
                product_line=MODEL_APIS,
                api_key_id=caller.api_key_id,
                login_username=caller.login_username,
                sub_account_id=sub_account_id,
                sub_account_name=sub_account_name,
                sub_account_type=sub_account_type,
                tags=owners.tags_of(caller, start.date()),
                sku=endpoint,
                billing_period_start=midnight(month_of(start.date())),
                effective=cost,
                billed=cost,
                list_price=list_price,
                list_cost=list_price * quantity,
                contracted_cost=contracted_price * quantity,
                consumed=sum((e.output_units for e in group), ZERO) if has_units else Decimal(requests),
                consumed_unit=unit if has_units else "Requests",
                requests=requests,
            )
        )
    return lines


def cost_before_discount(event: Event) -> Decimal:
    return event.cost_nano_usd / 10**9 if event.cost_subtotal is None else event.cost_subtotal


def usage_that_counts(landed: Iterable[AppUsage]) -> list[AppUsage]:
    """Keep each app, environment, machine type, price, discount and surge of a day once."""
    repeats = defaultdict(list)
    for row in landed:
        repeats[row.key].append(row)
    return [max(same, key=lambda row: (row.cost, row.quantity)) for same in repeats.values()]


def app_line(row: AppUsage, owners: Owners) -> Line:
    """Make a line of the machine seconds of an app."""
    sku = f"{row.machine_type} surge" if row.is_surge else row.machine_type
    app = row.app and row.app.replace("%", "%25").replace(":", "%3A")
    resource = ":".join(filter(None, (app, row.environment))) if app else sku
    price = row.unit_price * (1 - (row.percent_discount or ZERO) / 100)
    return Line(
        source=SERVERLESS,
        start=midnight(row.day),
        end=midnight(row.day + DAY),
        resource=resource,
        unit="Seconds",
        price=price,
        quantity=row.quantity,
        product_line=APPS,
        tags=owners.tags_of(Caller(), row.day),
        sku=sku,
        billing_period_start=midnight(month_of(row.day)),
        effective=row.cost,
        billed=row.cost,
        list_price=row.unit_price,
        list_cost=row.unit_price * row.quantity,
        contracted_cost=price * row.quantity,
        consumed=row.quantity,
        consumed_unit="Seconds",
    )


def invoice_line(billing_month: str, row: Record, names: Names) -> Line:
    """Make a line of an unaltered invoice row; its billing period is the month before billing_month."""
    issued = date.fromisoformat(f"{billing_month}-01")
    return record_line(INVOICE, row, names, "Final", month_of(issued - DAY))


def estimate_line(row: Record, names: Names, landed: Collection[str | None]) -> Line:
    """Make a line of an estimate row; its billing period is the month of the charge.

    landed: ids of the invoices of the account. Such an invoice is complete, so the row is not on it.
    """
    line = record_line(ESTIMATE, row, names, "Estimated", month_of(row.start.date()))
    return line._replace(invoice_id=None if line.invoice_id in landed else line.invoice_id)


def record_line(source: str, row: Record, names: Names, status: str, billing_month: date) -> Line:
    return Line(
        source=source,
        record=row.name,
        start=row.start,
        end=row.end,
        category=row.category,
        charge_class=row.charge_class,
        resource=row.resource or row.sku,
        unit=row.unit,
        price=row.price,
        quantity=row.quantity,
        invoice_id=row.invoice_id,
        status=status,
        billing_period_start=midnight(billing_month),
        effective=effective_of(row),
        billed=row.billed,
        applied=elements_of(row.contract_applied),
        product_line=names.line_of(row),
        sub_account_id=row.sub_account_id,
        sub_account_name=row.sub_account_name,
        sub_account_type="Team" if row.sub_account_id else None,
    )


def effective_of(row: Record) -> Decimal:
    return row.billed if row.effective is None else row.effective


# ---------------------------------------------------------------- commitments

Applied = dict[Line, list[tuple[Commitment, Decimal, Decimal]]]


def apply_commitments(
    commitments: Sequence[Commitment], lines: Sequence[Line], ids: Mapping[Any, str], as_of: date
) -> Applied:
    """Return the commitments applied to each charge, with cost and quantity."""
    prepaid = sorted((c for c in commitments if c.payment == "prepaid"), key=prepaid_order)
    in_arrears = [c for c in commitments if c.payment == "in_arrears"]

    def order(line: Line) -> tuple[Any, ...]:
        payers = sum(covers(c, line) for c in prepaid)
        return line.day, payers, line.resource or "", ids[line.key]

    totals = dict.fromkeys((c.id for c in commitments), ZERO)

    def count(commitment: Commitment, asked: Decimal) -> Decimal:
        before = commitment.clamp(totals[commitment.id])
        totals[commitment.id] += asked
        return commitment.clamp(totals[commitment.id]) - before

    applied: Applied = defaultdict(list)
    for line in sorted((line for line in lines if draws(line, as_of)), key=order):
        left = prepayable_cost(line)
        for commitment in prepaid:
            if covers(commitment, line):
                paid = count(commitment, left)
                left -= paid
                applied[line].append((commitment, paid, paid))
        for commitment in in_arrears:
            if covers(commitment, line):
                is_spend = commitment.category == "Spend"
                counted = count(commitment, line.effective if is_spend else line.quantity or ZERO)
                cost = counted if is_spend else cost_of_part(line, counted)
                applied[line].append((commitment, cost, counted))
    return {line: [part for part in parts if part[2]] for line, parts in applied.items()}


def prepaid_order(commitment: Commitment) -> tuple[Any, ...]:
    return commitment.end, commitment.start, commitment.amount, commitment.id


def draws(line: Line, as_of: date) -> bool:
    return line.category == "Usage" and not line.applied and line.day < as_of


def covers(commitment: Commitment, line: Line) -> bool:
    """Whether a commitment is active on the day of the usage and covers its endpoint."""
    is_open = commitment.drawn_from <= line.day < commitment.end_day
    is_in_unit = commitment.category == "Spend" or commitment.unit == line.unit
    pattern = ".*".join(re.escape(part) for part in (commitment.pattern or "*").split("*"))
    if commitment.category == "Usage" and not commitment.pattern and line.product_line in (APPS, COMPUTE):
        return False
    return is_open and is_in_unit and re.fullmatch(pattern, line.resource or "") is not None


def prepayable_cost(line: Line) -> Decimal:
    """The cost that credits can pay: all of it, or the unbilled part of an invoice row."""
    if line.source != INVOICE:
        return line.effective
    unbilled = line.effective - line.billed
    if line.effective >= 0:
        return min(max(unbilled, ZERO), line.effective)
    return max(min(unbilled, ZERO), line.effective)


def cost_of_part(line: Line, quantity: Decimal) -> Decimal:
    """The cost of a quantity: price times quantity for a part, the cost of the charge for all of it."""
    if quantity == line.quantity:
        return line.effective
    return ((line.price or ZERO) * quantity).quantize(Decimal("1e-18"), ROUND_HALF_UP)


def with_applied(line: Line, parts: Sequence[tuple[Commitment, Decimal, Decimal]]) -> Line:
    """Add ContractApplied to the line. Except on invoice rows, credits reduce BilledCost."""
    if not parts:
        return line
    elements = (Element(f"contract of {c.id}", c.id, cost, quantity, c.unit) for c, cost, quantity in parts)
    paid = sum((cost for c, cost, _ in parts if c.payment == "prepaid"), ZERO)
    billed = line.billed
    if line.source != INVOICE and paid:
        unpaid = line.effective - paid
        billed = min(billed, unpaid) if line.effective >= 0 else max(billed, unpaid)
    return line._replace(applied=tuple(sorted(elements)), billed=billed)


def burn_downs(commitments: Sequence[Commitment], applied: Applied, as_of: date) -> dict[str, list[BurnDown]]:
    """Return, by commitment, a row for each open day before as_of."""
    by_day: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    for line, parts in applied.items():
        for commitment, _, quantity in parts:
            by_day[commitment.id, line.day] += quantity
    rows: dict[str, list[BurnDown]] = {}
    for commitment in commitments:
        used: list[Decimal] = []
        empty_since, history = None, []
        for day in commitment.days:
            if day >= as_of:
                break
            used.append(by_day[commitment.id, day])
            remaining = commitment.drawable - sum(used, ZERO)
            empty_since = (empty_since or day) if remaining <= 0 else None
            pace = Fraction(sum(used[-28:], ZERO)) / len(used[-28:])
            days_left = (commitment.end_day - day).days - 1
            runs_out_on = empty_since
            if empty_since is None and pace > 0:
                needed = math.ceil(Fraction(remaining) / pace)
                runs_out_on = day + needed * DAY if needed <= days_left else None
            unused = max(Fraction(remaining) - max(pace, Fraction(0)) * days_left, Fraction(0))
            history.append(
                BurnDown(
                    commitment.id,
                    day,
                    used[-1],
                    sum(used, ZERO),
                    remaining,
                    days_left,
                    rounded(pace, 6),
                    runs_out_on,
                    rounded(unused, 6),
                )
            )
        rows[commitment.id] = history
    return rows


def rounded(value: Fraction, decimals: int) -> Decimal:
    """Round once, half away from zero."""
    units = math.floor(abs(value) * 10**decimals + Fraction(1, 2))
    return Decimal(units).scaleb(-decimals).copy_sign(-1 if value < 0 else 1)


def summaries(account: Account, burn_down: Mapping[str, Sequence[BurnDown]], as_of: date) -> list[Summary]:
    """Sum up the commitments. Prepaid ones have fal's latest balance beside the credit of the account."""
    rows = [summary(c, burn_down[c.id], as_of) for c in account.commitments]
    known = [day for day in account.balances if day <= as_of]
    if not known:
        return rows
    balance_on = max(known)
    balance = Decimal(account.balances[balance_on]) / 100
    last_known_day, credit = min(balance_on, as_of - DAY), ZERO
    for c in account.commitments:
        if c.payment == "prepaid" and c.drawn_from <= balance_on < c.end_day:
            remaining = {row.day: row.remaining for row in burn_down[c.id]}
            credit += remaining.get(last_known_day, c.drawable)
    stated = {"fal_balance": balance, "fal_balance_on": balance_on, "balance_difference": balance - credit}
    return [
        row._replace(**stated) if c.payment == "prepaid" else row
        for c, row in zip(account.commitments, rows, strict=True)
    ]


def summary(commitment: Commitment, history: Sequence[BurnDown], as_of: date) -> Summary:
    """Sum up a commitment as of the last known day, without fal's balance."""
    last = history[-1] if history else None
    remaining = last.remaining if last else commitment.drawable
    if commitment.first_day >= as_of:
        status = "upcoming"
    elif commitment.end_day <= as_of:
        status = "ended"
    else:
        status = "used up" if remaining <= 0 else "running"
    return Summary(
        commitment.id,
        as_of,
        status,
        last.applied_so_far if last else ZERO,
        remaining,
        last.daily_amount if last else None,
        last.runs_out_on if last else None,
        last.expires_unused if last else None,
        None,
        None,
        None,
    )


def commitment_lines(
    commitments: Sequence[Commitment],
    lines: Sequence[Line],
    ids: Mapping[Any, str],
    landed: Landed,
    burn_down: Mapping[str, Sequence[BurnDown]],
) -> list[Line]:
    """Make lines for purchases without invoice row, and for credits that expired unused."""
    prepaid = [c for c in commitments if c.payment == "prepaid"]
    invoiced = purchases_on_invoices(prepaid, lines, ids)
    made = []
    for c in prepaid:
        if c.id not in invoiced and c.first_day < landed.as_of:
            made.append(commitment_line(c, "Purchase", c.start, c.end, c.first_day, c.amount))
        remaining = burn_down[c.id][-1].remaining if burn_down[c.id] else ZERO
        if remaining > 0 and c.end_day <= landed.as_of and all(landed.has_landed(day) for day in c.days):
            last_day = c.end_day - DAY
            made.append(
                commitment_line(c, "Usage", midnight(last_day), midnight(c.end_day), last_day, remaining)
            )
    return made


def commitment_line(
    commitment: Commitment, category: str, start: datetime, end: datetime, charged_on: date, amount: Decimal
) -> Line:
    """Make the line of a purchase (Purchase) or of an expired rest (Usage)."""
    is_purchase = category == "Purchase"
    quantity = amount.quantize(Decimal("1e-9"), ROUND_HALF_UP)
    return Line(
        source="commitment",
        start=start,
        end=end,
        category=category,
        resource=commitment.id,
        unit="USD",
        price=ONE,
        quantity=quantity,
        billing_period_start=midnight(month_of(charged_on)),
        effective=ZERO if is_purchase else amount,
        billed=amount if is_purchase else ZERO,
        applied=(Element(f"contract of {commitment.id}", commitment.id, amount, amount, "USD"),),
        sku="fal-prepaid-credits",
        list_price=ONE,
        list_cost=quantity,
        contracted_cost=quantity,
        consumed=None if is_purchase else ZERO,
        consumed_unit=None if is_purchase else "USD",
    )


def purchases_on_invoices(
    prepaid: Sequence[Commitment], lines: Sequence[Line], ids: Mapping[Any, str]
) -> set[str]:
    """Match commitments to purchases on invoices: equal amounts first, then in order of amounts."""
    matched: set[str] = set()
    purchases = [
        line
        for line in lines
        if (line.source, line.category, line.charge_class) == (INVOICE, "Purchase", None) and line.billed > 0
    ]
    purchases.sort(key=lambda line: (-line.billed, ids[line.key]))
    waiting = sorted(prepaid, key=lambda c: (-c.amount, c.end, c.start, c.id))
    for invoice_id in sorted({c.invoice_id for c in prepaid if c.invoice_id}):
        rows = [line for line in purchases if line.invoice_id == invoice_id]
        unmatched = []
        for commitment in (c for c in waiting if c.invoice_id == invoice_id):
            equal = [line for line in rows if line.billed == commitment.amount]
            if equal:
                rows.remove(equal[0])
                matched.add(commitment.id)
            else:
                unmatched.append(commitment)
        matched |= {commitment.id for commitment, _ in zip(unmatched, rows, strict=False)}
    return matched


# ---------------------------------------------------------------- days and months


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def month_of(day: date) -> date:
    return day.replace(day=1)


def month_after(day: date) -> date:
    return month_of(month_of(day) + 31 * DAY)


def days_between(first: date, end: date) -> list[date]:
    return [first + n * DAY for n in range((end - first).days)]


def days_covered(start: datetime, end: datetime) -> list[date]:
    """The whole days inside a row longer than 24 hours; otherwise the day on which it starts."""
    first = start.date() if start == midnight(start.date()) else start.date() + DAY
    whole = days_between(first, end.date())
    return whole if end - start > DAY and whole else [start.date()]


def total_or_none(amounts: Iterable[Decimal]) -> Decimal | None:
    listed = list(amounts)
    return sum(listed, ZERO) if listed else None
