"""The top of report.html: the five numbers of an account or of all, and sentences on what needs attention."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Literal

from loaders.progress import format_count
from report.bill import Bill, Month, Rules
from report.digest import (
    BREACHED,
    AccountCost,
    Anomaly,
    Budget,
    Commitment,
    Digest,
    Total,
    add,
    add_up,
    find_heads,
)
from report.page import (
    describe_contributor,
    describe_runs,
    describe_state,
    format_amount,
    format_change,
    format_percent,
)

SOON = timedelta(days=30)
MONTHS_SHOWN = 3
Level = Literal["bad", "warn", "info", "good"]
LEVELS: tuple[Level, ...] = ("bad", "warn", "info", "good")


@dataclass(frozen=True)
class Fact:
    """A line below a number: an amount in USD, or a text."""

    label: str
    amount: Decimal | None = None
    text: str = ""


@dataclass(frozen=True)
class Number:
    """One of the five numbers. text: shown instead of an amount. unit: of the amount."""

    id: str
    label: str
    amount: Decimal | None
    text: str
    facts: list[Fact]
    unit: str = "USD"


@dataclass(frozen=True)
class Scope:
    """The five numbers of an account, or of all accounts, which have no alias."""

    account: str
    numbers: list[Number]


@dataclass(frozen=True)
class Notice:
    """A sentence on what needs attention."""

    account: str
    level: Level
    text: str


def list_scopes(bill: Bill) -> list[Scope]:
    """Return the numbers of all accounts, and then of each if there are several."""
    names = [account.account for account in bill.digest.accounts]
    scopes = [names, *([name] for name in names if len(names) > 1)]
    return [Scope("" if scope is names else scope[0], describe_scope(bill, scope)) for scope in scopes]


def describe_scope(bill: Bill, names: Sequence[str]) -> list[Number]:
    """Return the five numbers of some accounts."""
    digest = bill.digest
    total = add_up([account for account in digest.accounts if account.account in names])
    return [
        describe_month(digest, total, names),
        describe_forecast(digest, total, names),
        describe_budgets([budget for budget in digest.budgets if budget.account in names]),
        describe_credits([one for one in digest.commitments if one.account in names]),
        describe_invoice([month for month in bill.months if month.account in names], names),
    ]


def describe_account(bill: Bill, account: AccountCost) -> str:
    """Return the last day of an account and its latest months that are not final."""
    opened = [month for month in bill.months if month.account == account.account and month.status != "closed"]
    shown = [
        f"{month.charge_month:%b %Y}{' (partly invoiced)' if month.status == 'partly invoiced' else ''}"
        for month in opened[:MONTHS_SHOWN]
    ]
    earlier = f" and {len(opened) - len(shown)} earlier" if len(opened) > len(shown) else ""
    months = f", not final: {', '.join(shown)}{earlier}" if shown else ""
    kind = "" if account.is_daily else " (invoices only)"
    return f"{account.account} until {account.last_day}{kind}{months}."


def describe_month(digest: Digest, total: Total | None, names: Sequence[str]) -> Number:
    """Return the cost of the month until the last day."""
    if not total:
        return Number("month", "Month to date", None, "no usage", [])
    months: dict[date, Decimal] = {}
    for account in digest.accounts:
        if account.account in names:
            month = account.last_day.replace(day=1)
            months[month] = months.get(month, Decimal()) + account.month_cost
    label = f"{max(months):%B} to date" if len(months) == 1 else "Month to date"
    if total.last_month_cost is None:
        facts = [Fact("", text="Same days last month: not all landed")]
    else:
        change = format_change(total.last_month_cost, total.month_cost)
        facts = [
            Fact("Same days last month", total.last_month_cost),
            *([Fact("Change", text=change)] if total.last_month_cost > 0 else []),
        ]
    if len(months) > 1:
        facts += [Fact(f"{month:%B %Y}", months[month]) for month in sorted(months, reverse=True)]
    return Number("month", label, total.month_cost, "", facts)


def describe_forecast(digest: Digest, total: Total | None, names: Sequence[str]) -> Number:
    """Return the expected cost of the month. Intervals of several accounts have no sum."""
    accounts = [account for account in digest.accounts if account.account in names]
    months = {account.forecast_month for account in accounts if account.forecast_month}
    if not total or total.expected_cost is None or not months:
        lacking = [account for account in accounts if account.expected_cost is None]
        learned = [f"{account.account}: {account.learned_days} of 14 days" for account in lacking[:3]]
        facts = [Fact("", text=f"Settled days of {text}") for text in learned]
        known = [one for one in accounts if one.expected_cost is not None]
        facts += [Fact(f"{one.account}, {one.forecast_month:%B}", one.expected_cost) for one in known[:3]]
        text = "no usage" if not accounts else "too few days" if lacking else "of several months"
        return Number("forecast", "Forecast", None, text, facts)
    label = f"{max(months):%B} forecast"
    if len(accounts) > 1:
        return Number(
            "forecast",
            label,
            total.expected_cost,
            "",
            [Fact("", text="Sum of accounts, which has no interval")],
        )
    facts = [
        Fact("80 %: at least", accounts[0].lower_cost),
        Fact("at most", accounts[0].upper_cost),
    ]
    return Number("forecast", label, total.expected_cost, "", facts)


def describe_budgets(budgets: Sequence[Budget]) -> Number:
    """Return the share used of the worst budget."""
    if not budgets:
        return Number("budget", "Budget", None, "none", [Fact("", text="No budget has a period now")])
    worst = budgets[0]
    breached = sum(budget.status in BREACHED for budget in budgets)
    facts = [
        Fact("Spent", worst.spent_cost),
        Fact("Amount", worst.amount_usd),
        Fact("", text=describe_state(worst).capitalize()),
    ]
    if len(budgets) > 1:
        facts.append(Fact("", text=f"{breached} of {len(budgets)} budgets over or expected over"))
    return Number("budget", f"Budget {worst.name}", worst.spent_percent, "no amount", facts, unit="%")


def describe_credits(commitments: Sequence[Commitment]) -> Number:
    """Return what is left of prepaid credits, and when the first one runs out."""
    prepaid = [one for one in commitments if one.payment == "prepaid"]
    running = [one for one in prepaid if one.status == "running"]
    if not prepaid:
        return Number("credits", "Credits left", None, "none", [Fact("", text="No prepaid credit")])
    left = sum((one.remaining_amount for one in running), Decimal())
    if not running:
        used_up = max((one.runs_out_on for one in prepaid if one.runs_out_on), default=None)
        text = f"Used up on {used_up}" if used_up else "Ended"
        return Number("credits", "Credits left", left, "", [Fact("", text=text)])
    first = min(running, key=lambda one: one.runs_out_on or one.ends_on)
    if first.runs_out_on:
        return Number("credits", "Credits left", left, "", [Fact("Runs out on", text=f"{first.runs_out_on}")])
    facts = [Fact("Ends on", text=f"{first.ends_on}"), Fact("Unused then", first.expires_unused_amount)]
    return Number("credits", "Credits left", left, "", facts)


def describe_invoice(months: Sequence[Month], names: Sequence[str]) -> Number:
    """Return invoice less usage of the last closed month, of the accounts that have it."""
    finals = [month for month in months if month.status == "closed"]
    closed = [month for month in finals if month.usage_usd is not None]
    if not closed:
        facts = [
            Fact(f"Invoice total, {month.charge_month:%B}", month.invoiced_total_usd) for month in finals[:1]
        ]
        text = "no own usage" if finals else "no closed month"
        return Number("invoice", "Invoice less usage", None, text, facts)
    last = max(month.charge_month for month in closed)
    rows = [month for month in closed if month.charge_month == last]
    facts = [
        Fact("Invoice", add(month.compared_usd or Decimal() for month in rows)),
        Fact("Usage", add(month.usage_usd for month in rows)),
    ]
    other = sum((month.not_compared_usd or Decimal() for month in rows), Decimal())
    if other:
        facts.append(Fact("Invoiced without own usage", other))
    difference = sum(
        ((month.compared_usd or Decimal()) - (month.usage_usd or Decimal()) for month in rows), Decimal()
    )
    if len(rows) < len(names):
        facts.append(Fact("", text=f"{len(rows)} of {len(names)} accounts"))
    return Number("invoice", f"{last:%B} invoice less usage", difference, "", facts)


def describe_rules(rules: Sequence[Rules]) -> list[str]:
    """Return the result of the FOCUS rules, a line for each version."""
    return [
        _describe_rules_of(version, list(of_version))
        for version, of_version in groupby(rules, key=lambda one: one.focus_version)
    ]


def _describe_rules_of(version: str, rules: Sequence[Rules]) -> str:
    """Return the result of the rules of a version in a line."""
    counts = {one.status: one.rules for one in rules}
    parts = [
        f"{format_count(counts.get('passed', 0), 'rule')} passed",
        f"{counts.get('violated', 0)} violated",
        f"{counts.get('finding', 0)} broken by rows of fal's own files",
        f"{counts.get('no rows', 0)} without rows",
        f"{counts.get('not checked', 0)} not checked",
    ]
    return f"FOCUS {version}: {', '.join(parts)}."


def list_notices(bill: Bill) -> list[Notice]:
    """Return the sentences of all accounts, the most urgent first."""
    notices = [
        *notice_days(bill.digest),
        *notice_budgets(bill.digest.budgets),
        *notice_anomalies(bill.digest.anomalies),
        *notice_commitments(bill.digest.commitments),
        *notice_invoices(bill.months),
        *(
            Notice(
                change.account,
                "warn",
                f"The price of {change.model_name} rose from {change.old_unit_price:f} to"
                f" {change.new_unit_price:f} per unit ({change.unit}) on {change.valid_from}:"
                f" {format_amount(change.change_cost, sign='+')} USD since.",
            )
            for change in bill.digest.price_changes
            if change.change_cost >= 1
        ),
    ]
    return sorted(notices, key=lambda notice: LEVELS.index(notice.level))


def notice_days(digest: Digest) -> list[Notice]:
    """Return a sentence for each account with missing days."""
    notices = []
    for account in digest.accounts:
        runs = [run for run in digest.missing_days if run.account == account.account]
        if runs:
            count = format_count(sum(run.days for run in runs), "day")
            verb = "has" if count.startswith("1 ") else "have"
            shown = describe_runs(runs[-3:]) + (" and earlier" if len(runs) > 3 else "")
            notices.append(Notice(account.account, "bad", f"{count} {verb} not landed: {shown}."))
    return notices


def notice_budgets(budgets: Sequence[Budget]) -> list[Notice]:
    """Return a sentence for each budget that is over, or may be, or lacks days."""
    levels: dict[str, Level] = {"over": "bad", "expected over": "bad", "at risk": "warn"}
    notices = []
    for budget in budgets:
        level = levels.get(budget.status) or ("warn" if budget.missing_days else None)
        if not level:
            continue
        spent = f"{format_amount(budget.spent_cost)} of {format_amount(budget.amount_usd)} USD"
        expected = (
            f"; {format_amount(budget.expected_cost)} expected by {budget.period_ends_on}"
            if budget.expected_cost is not None and budget.status != "over"
            else ""
        )
        missing = f"; {format_count(budget.missing_days, 'day')} missing" if budget.missing_days else ""
        share = f"{spent} ({format_percent(budget.spent_percent)}){expected}{missing}"
        notices.append(
            Notice(budget.account, level, f"Budget {budget.name}, {describe_state(budget)}: {share}.")
        )
    return notices


def notice_anomalies(anomalies: Sequence[Anomaly]) -> list[Notice]:
    """Return a sentence for each cause of the last week's anomalies that no event explains."""
    levels: dict[str, Level] = {"high": "bad", "medium": "warn"}
    return [
        Notice(head.account, levels.get(head.severity, "info"), describe_anomaly(head))
        for head in find_heads(anomalies)
        if not head.is_known
    ]


def describe_anomaly(anomaly: Anomaly) -> str:
    """Return an anomaly as a sentence with its evidence."""
    scope = anomaly.scope_type.replace("_", " ")
    subject = "the account" if scope == "account" else f"{scope} {anomaly.scope_name}"
    sentence = (
        f"On {anomaly.charge_date}, {subject} cost {format_amount(anomaly.actual_cost)} USD instead of"
        f" about {format_amount(anomaly.expected_cost)}. Cause: {anomaly.cause.replace('_', ' ')}"
    )
    evidence = [describe_contributor(one, anomaly.scope_type) for one in anomaly.contributors[:3]]
    known = f" Known: {anomaly.known_reason or 'yes'}." if anomaly.is_known else ""
    provisional = "" if anomaly.is_settled else " Provisional: late usage can still add to the day."
    return f"{sentence}{', ' if evidence else ''}{'; '.join(evidence)}.{known}{provisional}"


def notice_commitments(commitments: Sequence[Commitment]) -> list[Notice]:
    """Return a sentence for each credit that is used up, runs out soon, or will expire with a rest."""
    notices = []
    for one in commitments:
        left = f"{format_amount(one.remaining_amount)} {one.unit}"
        if one.status == "used up":
            text, level = f"{one.id} was used up on {one.runs_out_on}.", "info"
        elif one.status == "running" and one.runs_out_on and one.runs_out_on - one.as_of <= SOON:
            text, level = f"{one.id} runs out on {one.runs_out_on}: {left} left.", "warn"
        elif one.status == "running" and one.expires_unused_amount and one.ends_on - one.as_of <= SOON:
            unused = f"{format_amount(one.expires_unused_amount)} {one.unit}"
            text, level = f"{one.id} ends on {one.ends_on} with {unused} unused at the present pace.", "warn"
        else:
            continue
        notices.append(Notice(one.account, level, f"Commitment {text}"))  # type: ignore[arg-type]
    return notices


def notice_invoices(months: Sequence[Month]) -> list[Notice]:
    """Return a sentence for each closed month whose invoice differs from the usage by a cent or more."""
    return [
        Notice(
            month.account,
            "warn",
            f"The invoice of {month.charge_month:%B %Y} differs from the usage by"
            f" {format_amount(month.difference_usd, sign='+')} USD.",
        )
        for month in months
        if month.status == "closed"
        and month.difference_usd is not None
        and abs(month.difference_usd) >= Decimal("0.01")
    ]
