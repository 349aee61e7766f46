"""The page of the digest: a table of accounts and sections of lines, selected to fit on one screen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from loaders.progress import format_count
from report.digest import (
    BREACHED,
    AccountCost,
    Anomaly,
    Budget,
    Commitment,
    Contributor,
    Digest,
    MissingDays,
    PriceChange,
    Total,
    add_up,
    find_heads,
)

LINES = 25
FIXED = 4  # the title, the header of the table, and two empty lines
Level = Literal["", "good", "warn", "bad", "known"]
NONE = "-"


@dataclass(frozen=True)
class Line:
    """A line of a section: cells, or one text. level: how much attention it needs."""

    cells: tuple[str, ...]
    level: Level = ""


@dataclass(frozen=True)
class Section:
    """The lines below a word. flexible: the columns that can be cut on a screen, which are not amounts."""

    name: str
    flexible: tuple[int, ...]
    lines: list[Line]


@dataclass(frozen=True)
class Page:
    """All lines of the digest. The first column of the table is text, and the others are numbers."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    sections: list[Section]


def make_page(digest: Digest) -> Page:
    """Select and format the lines of a digest: at most 25 lines with those of the table and the title."""
    sections = [
        Section("Budgets", (0, 1), describe_budgets(digest)),
        Section("Anomalies", (0, 2, 5), describe_anomalies(digest)),
        Section("Prices", (0, 2, 3), describe_prices(digest)),
        Section("Credits", (0, 1, 3), describe_commitments(digest)),
        Section("Days", (0, 2), describe_days(digest)),
    ]
    has_total = len(digest.accounts) > 1
    wanted = [len(digest.accounts) + has_total, *(len(section.lines) for section in sections)]
    rows, *shares = share_lines(wanted, LINES - FIXED)
    return Page(
        title=describe_title(digest),
        header=("account", "until", "day", "week ago", "month", "month ago", "change", "forecast (80 %)"),
        rows=select_rows(digest, rows),
        sections=[cut(section, share) for section, share in zip(sections, shares, strict=True)],
    )


def share_lines(wanted: Sequence[int], lines: int) -> list[int]:
    """Return how many lines each part gets: one after the other, until each has enough or none is left."""
    shares = [0] * len(wanted)
    while lines > 0 and shares != list(wanted):
        for part, share in enumerate(shares):
            if share < wanted[part] and lines > 0:
                shares[part] += 1
                lines -= 1
    return shares


def cut(section: Section, lines: int) -> Section:
    """Return a section with at most a number of lines. The last one counts those that are left out."""
    if len(section.lines) <= lines:
        return section
    left_out = len(section.lines) - lines + 1
    return replace(section, lines=[*section.lines[: lines - 1], Line((f"{left_out:,} more",))])


def select_rows(digest: Digest, lines: int) -> list[tuple[str, ...]]:
    """Return the rows of the table: accounts with the highest cost, the others together, and all."""
    if not digest.total or len(digest.accounts) == 1:
        return [describe_account(account) for account in digest.accounts]
    by_cost = sorted(digest.accounts, key=lambda account: (-account.month_cost, account.account))
    shown = by_cost if len(by_cost) < lines else by_cost[: lines - 2]
    others = by_cost[len(shown) :]
    rest = add_up(others)
    return [
        *(describe_account(account) for account in shown),
        *([describe_total(f"{len(others):,} others", rest)] if rest else []),
        describe_total("all", digest.total),
    ]


def describe_title(digest: Digest) -> str:
    """Return the title, with the last day of the account that is ahead."""
    if not digest.accounts:
        return "fal.ai: nothing has landed yet"
    last = max(account.last_day for account in digest.accounts)
    return f"fal.ai until {last:%A} {last}: effective cost of usage in USD"


def describe_account(account: AccountCost) -> tuple[str, ...]:
    """Return the row of an account."""
    forecast = NONE
    if account.expected_cost is not None and account.forecast_month:
        interval = f"{format_amount(account.lower_cost, '1')} to {format_amount(account.upper_cost, '1')}"
        forecast = f"{account.forecast_month:%b} {format_amount(account.expected_cost, '1')} ({interval})"
    elif account.learned_days:
        forecast = f"{account.learned_days} of 14 days to learn"
    costs = describe_costs(account)
    return (account.account, f"{account.last_day:%m-%d}", *costs, forecast)


def describe_total(name: str, total: Total) -> tuple[str, ...]:
    """Return the row of several accounts."""
    return (name, "", *describe_costs(total), format_amount(total.expected_cost, "1"))


def describe_costs(costs: AccountCost | Total) -> tuple[str, ...]:
    """Return the cells of costs."""
    return (
        format_amount(costs.day_cost),
        format_amount(costs.week_before_cost),
        format_amount(costs.month_cost),
        format_amount(costs.last_month_cost),
        format_change(costs.last_month_cost, costs.month_cost),
    )


def describe_budgets(digest: Digest) -> list[Line]:
    """Return a line for each budget."""
    none = Line(("no budget in seeds/fal_budgets.csv has a period now",))
    return [describe_budget(budget) for budget in digest.budgets] or [none]


def describe_budget(budget: Budget) -> Line:
    """Return the line of a budget."""
    spent = f"{format_amount(budget.spent_cost, '1')} of {format_amount(budget.amount_usd, '1')}"
    expected = (
        f", {format_amount(budget.expected_cost, '1')} expected" if budget.expected_cost is not None else ""
    )
    missing = f", {format_count(budget.missing_days, 'day')} missing" if budget.missing_days else ""
    is_unsure = budget.status == "at risk" or budget.missing_days > 0
    level: Level = "bad" if budget.status in BREACHED else "warn" if is_unsure else ""
    cells = (
        budget.account,
        budget.name,
        f"{spent} ({format_percent(budget.spent_percent)}){expected}{missing}",
        describe_state(budget),
    )
    return Line(cells, level)


def describe_state(budget: Budget) -> str:
    """Return the status of a budget, with the day on which it is over."""
    states = {
        "over": f"over since {budget.over_on}",
        "expected over": f"expected over on {budget.over_on}",
        "too few days": "too few days to forecast",
    }
    return states.get(budget.status, budget.status)


def describe_anomalies(digest: Digest) -> list[Line]:
    """Return a line for each cause of anomalies, those that an event explains last."""
    heads = sorted(find_heads(digest.anomalies), key=lambda anomaly: anomaly.is_known)
    settled = [account.settled_until for account in digest.accounts if account.settled_until]
    none = f"none in the week until {min(settled)}" if settled else "none, because no day is settled"
    return [describe_anomaly(anomaly) for anomaly in heads] or [Line((none,))]


def describe_anomaly(anomaly: Anomaly) -> Line:
    """Return the line of an anomaly, with its evidence."""
    scope = anomaly.scope_type.replace("_", " ")
    evidence = [describe_contributor(one, anomaly.scope_type) for one in anomaly.contributors[:1]]
    if anomaly.is_known:
        evidence = [f"known: {anomaly.known_reason or ''}"]
    levels: dict[str, Level] = {"high": "bad", "medium": "warn"}
    cells = (
        anomaly.account,
        f"{anomaly.charge_date:%m-%d}",
        scope if scope == "account" else f"{scope} {anomaly.scope_name}",
        f"{format_amount(anomaly.actual_cost)} not {format_amount(anomaly.expected_cost)}",
        anomaly.cause if anomaly.is_settled else f"{anomaly.cause} (provisional)",
        *evidence,
    )
    return Line(cells, "known" if anomaly.is_known else levels.get(anomaly.severity, ""))


def describe_contributor(contributor: Contributor, scope_type: str) -> str:
    """Return the contributor of an anomaly without what its scope names already."""
    model = "" if scope_type == "model" else contributor.model_id
    key = "" if scope_type == "key" else contributor.key_name or contributor.key
    names = (model, f"key {key}" if key else "")
    name = " with ".join(filter(None, names)) or "requests without a key"
    return f"{format_amount(contributor.difference_cost, sign='+')} by {name}"


def describe_prices(digest: Digest) -> list[Line]:
    """Return a line for each price change."""
    none = Line(("no price changed in the last 30 days",))
    return [describe_price(change) for change in digest.price_changes] or [none]


def describe_price(change: PriceChange) -> Line:
    """Return the line of a price change."""
    after = " after discount" if change.is_discount else ""
    cells = (
        change.account,
        f"{change.valid_from:%m-%d}",
        change.model_name,
        change.unit,
        f"{change.old_unit_price:f} to {change.new_unit_price:f}{after}",
        format_change(change.old_unit_price, change.new_unit_price),
        f"{format_amount(change.change_cost, sign='+')} since",
    )
    return Line(cells, "warn" if change.change_cost > 0 else "")


def describe_commitments(digest: Digest) -> list[Line]:
    """Return a line for each credit and contract."""
    none = Line(("no credit or contract is running",))
    return [describe_commitment(commitment) for commitment in digest.commitments] or [none]


def describe_commitment(commitment: Commitment) -> Line:
    """Return the line of a credit or a contract, with what is left of it."""
    rest = f"{format_amount(commitment.remaining_amount)} of {commitment.committed_amount:,f}"
    level: Level = ""
    if commitment.status == "used up":
        state, level = f"used up on {commitment.runs_out_on}", "warn"
    elif commitment.status == "ended":
        state = f"ended after {commitment.ends_on}"
    elif commitment.runs_out_on:
        state, level = f"runs out on {commitment.runs_out_on}", "warn"
    else:
        state = f"{format_amount(commitment.expires_unused_amount)} unused on {commitment.ends_on}"
    return Line((commitment.account, commitment.id, rest, commitment.unit, state), level)


def describe_days(digest: Digest) -> list[Line]:
    """Return a line for each account with days that have not landed."""
    lines = []
    for account in digest.accounts:
        missing = [run for run in digest.missing_days if run.account == account.account]
        if missing:
            count = format_count(sum(run.days for run in missing), "day")
            lines.append(Line((account.account, f"{count} missing", describe_runs(missing)), "bad"))
        elif not account.is_daily:
            lines.append(Line((account.account, "only invoices", f"until {account.last_day}")))
    if not digest.accounts:
        return [Line(("nothing has landed",), "bad")]
    return lines or [Line(("all have landed",), "good")]


def describe_runs(missing: list[MissingDays]) -> str:
    """Return consecutive days as text, the latest first."""
    return ", ".join(
        str(run.first_day) if run.days == 1 else f"{run.first_day} to {run.last_day}"
        for run in reversed(missing)
    )


def format_amount(amount: Decimal | None, unit: str = "0.01", sign: str = "") -> str:
    """Format an amount to a unit, rounded as casts in SQL do. sign: + to show that of positive amounts."""
    if amount is None:
        return NONE
    rounded = amount.quantize(Decimal(unit), ROUND_HALF_UP)
    return f"{rounded:{sign if rounded else ''}z,}"


def format_percent(percent: Decimal | None) -> str:
    """Format a share in percent."""
    return NONE if percent is None else f"{format_amount(percent, '1')} %"


def format_change(old: Decimal | None, new: Decimal) -> str:
    """Format a change in percent with its sign. A change from 0 or a refund has no percentage."""
    return f"{format_amount(100 * (new - old) / old, '0.1', '+')} %" if old and old > 0 else NONE
