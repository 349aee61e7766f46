"""Compute the bill of an account charge by charge from its loads, by docs/rules.md.

This is slow and simple. It shares no code with the models, so an error in either shows as a difference.
It takes only the x_ChargeId of each charge from the warehouse, as an opaque key that breaks ties.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

from tests.end_to_end.bill_rows import (
    DAY,
    ESTIMATE,
    EVENTS,
    INVOICE,
    ZERO,
    Account,
    Bill,
    BurnDown,
    Commitment,
    Element,
    Event,
    Line,
    Load,
    Month,
    Record,
    Summary,
    elements_of,
)

ONE = Decimal(1)


def bill_of(account: Account, units: Mapping[str, str], charge_ids: Mapping[Any, str], grain: str) -> Bill:
    """Compute the bill, from units by endpoint, x_ChargeId by Line.key, and the charge period of events."""
    with localcontext(prec=100):
        landed = Landed(account)
        lines = landed.lines_that_count(units, grain)
        ids = {line.key: charge_ids.get(line.key, "") for line in lines}
        applied = apply_commitments(account.commitments, lines, ids, landed.as_of)
        burn_down = burn_downs(account.commitments, applied, landed.as_of)
        own = commitment_lines(account.commitments, lines, ids, landed, burn_down)
        charged = [with_applied(line, applied.get(line, [])) for line in lines]
        return Bill(
            charged + own,
            [row for rows in burn_down.values() for row in rows],
            [summary(c, burn_down[c.id], landed.as_of) for c in account.commitments],
            landed.months(units, grain),
        )


# ---------------------------------------------------------------- which charges count


class Landed:
    """The latest load of each partition, and the state of days and months that follows from it."""

    def __init__(self, account: Account) -> None:
        latest: dict[tuple[str, str], Load] = {}
        for load in sorted(account.loads, key=lambda load: load.load_id):
            latest[load.feed, load.partition] = load
        daily = [load for load in latest.values() if load.feed != INVOICE]
        invoices = [load for load in latest.values() if load.feed == INVOICE]
        self.events = events_that_count(row for load in daily if load.feed == EVENTS for row in load.rows)
        self.estimates = [
            row
            for load in daily
            if load.feed == ESTIMATE
            for row in load.rows
            if row.start.date() == date.fromisoformat(load.partition)
            and row.end <= midnight(row.start.date() + DAY)
        ]
        self.invoiced = [(load.partition, row) for load in invoices for row in load.rows]
        usage = [(partition, row) for partition, row in self.invoiced if row.is_ordinary_usage]
        self.closed = {
            month_of(row.start.date())
            for partition, row in usage
            if month_after(row.start.date()) == date.fromisoformat(f"{partition}-01")
        }
        self.covered = {day for _, row in usage for day in days_covered(row.start, row.end)}
        self.with_events = {event.timestamp.date() for event in self.events}
        self.complete = {date.fromisoformat(load.partition) for load in daily if load.complete}
        ends = [date.fromisoformat(load.partition) + DAY for load in daily]
        ends += [month_after(month) for month in self.closed] + [day + DAY for day in self.covered]
        self.as_of = max(ends)

    def is_closed(self, day: date) -> bool:
        return month_of(day) in self.closed

    def has_landed(self, day: date) -> bool:
        """Whether all data of the day has landed, so that credits can expire."""
        return day in self.complete or day in self.covered or self.is_closed(day)

    def lines_that_count(self, units: Mapping[str, str], grain: str) -> list[Line]:
        """Count each charge once: all invoice rows, and events and estimates where they take precedence."""
        lines = [invoice_line(partition, row) for partition, row in self.invoiced]
        for line in event_lines(self.events, units, grain):
            if self.source_of(line.day) == EVENTS:
                lines.append(line)
        for row in self.estimates:
            day = row.start.date()
            is_replaced = row.is_ordinary_usage and self.source_of(day) != ESTIMATE
            if not self.is_closed(day) and not is_replaced:
                lines.append(estimate_line(row))
        return lines

    def source_of(self, day: date) -> str:
        """The feed that the ordinary usage of a day with events or an estimate comes from."""
        if self.is_closed(day) or day in self.covered:
            return INVOICE
        return EVENTS if day in self.with_events else ESTIMATE

    def months(self, units: Mapping[str, str], grain: str) -> list[Month]:
        """Reconcile invoices with all events and estimates of their months, counted or not."""
        lines = event_lines(self.events, units, grain)
        days = self.with_events | {row.start.date() for row in self.estimates}
        charged = [*days, *(row.start.date() for _, row in self.invoiced)]
        return [self.month(month, lines, days) for month in sorted({month_of(day) for day in charged})]

    def month(self, month: date, lines: Sequence[Line], charged_days: Iterable[date]) -> Month:
        """Reconcile a month from the rows of every feed that start in it."""
        rows = [row for _, row in self.invoiced if month_of(row.start.date()) == month]
        events = [line for line in lines if month_of(line.day) == month]
        estimates = [row for row in self.estimates if month_of(row.start.date()) == month]
        usage = total_or_none(effective_of(row) for row in rows if row.is_ordinary_usage)
        used = total_or_none(line.effective for line in events)
        estimated = total_or_none(effective_of(row) for row in estimates if row.is_ordinary_usage)
        billed: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            billed["Correction" if row.charge_class else row.category] += row.billed
        sources = [self.source_of(day) for day in charged_days if month_of(day) == month]
        missing = [line for line in events if month in self.closed and line.day not in self.covered]
        return Month(
            month,
            "closed" if month in self.closed else "open" if usage is None else "partly invoiced",
            ", ".join(sorted({row.invoice_id for row in rows if row.invoice_id})) or None,
            usage,
            used,
            estimated,
            *difference(usage, used),
            *difference(usage, estimated),
            billed["Credit"],
            billed["Tax"],
            billed["Correction"],
            billed["Purchase"] + billed["Adjustment"],
            sum(billed.values(), ZERO),
            sources.count(INVOICE),
            sources.count(EVENTS),
            sources.count(ESTIMATE),
            len({line.day for line in missing}),
            sum((line.effective for line in missing), ZERO),
        )


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
        max(same, key=lambda e: (e.cost_nano_usd, -(e.percent_discount or ZERO), e.auth_method or ""))
        for same in repeats.values()
    ]
    return [event for event in events if event.is_metered or request(event) not in metered]


def event_lines(events: Iterable[Event], units: Mapping[str, str], grain: str) -> list[Line]:
    """Make a line for each period, endpoint, unit price, discount and auth method."""
    groups = defaultdict(list)
    for event in events:
        start = event.timestamp.replace(minute=0, second=0, microsecond=0)
        start = midnight(start.date()) if grain == "day" else start
        shows_discount = event.is_metered or event.cost_subtotal is not None
        discount = (event.percent_discount or ZERO) if shows_discount else ZERO
        price = event.unit_price if event.is_metered else None
        has_units = event.output_units is not None
        groups[start, event.endpoint_id, price, discount, event.auth_method, has_units].append(event)
    lines = []
    for (start, endpoint, price, discount, auth_method, has_units), group in groups.items():
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
                auth_method=auth_method,
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


def invoice_line(billing_month: str, row: Record) -> Line:
    """Make a line of an unaltered invoice row; its billing period is the month before billing_month."""
    issued = date.fromisoformat(f"{billing_month}-01")
    return record_line(INVOICE, row, "Final", month_of(issued - DAY), row.billed)


def estimate_line(row: Record) -> Line:
    """Make a line of an estimate row; its billing period is the month of the charge."""
    return record_line(ESTIMATE, row, "Estimated", month_of(row.start.date()), row.billed)


def record_line(source: str, row: Record, status: str, billing_month: date, billed: Decimal) -> Line:
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
        billed=billed,
        applied=elements_of(row.contract_applied),
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


def summary(commitment: Commitment, history: Sequence[BurnDown], as_of: date) -> Summary:
    """Sum up a commitment as of the last known day."""
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
    return Line(
        source="commitment",
        start=start,
        end=end,
        category=category,
        resource=commitment.id,
        unit="USD",
        price=ONE,
        quantity=amount,
        billing_period_start=midnight(month_of(charged_on)),
        effective=ZERO if is_purchase else amount,
        billed=amount if is_purchase else ZERO,
        applied=(Element(f"contract of {commitment.id}", commitment.id, amount, amount, "USD"),),
        list_price=ONE,
        list_cost=amount,
        contracted_cost=amount,
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
