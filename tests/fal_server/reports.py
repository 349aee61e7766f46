"""FOCUS CSVs of the local fal: invoices (usage, credit, tax, correction) and estimates, exact to the digit.

No document fixes fal's column list; these are the columns of a FOCUS 1.0 export plus a custom one.
"""

import csv
import io
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from tests.fal_server.catalogue import METER_OF
from tests.fal_server.events import Event, iso, make_id, minus, nano_to_usd, plain, product
from tests.fal_server.switches import Team
from tests.fal_server.usage import Usage, group, sum_of

if TYPE_CHECKING:
    from tests.fal_server.world import World

COLUMNS = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuPriceId",
    "Tags",
    "x_TeamName",
]

SUB_ACCOUNT_COLUMNS = ["SubAccountId", "SubAccountName"]

SERVICES = {
    "serverless": ("fal Serverless", "Serverless Compute", "App", "Seconds"),
    "compute": ("fal Compute", "Virtual Machines", "Instance", "Hours"),
}

TIMEFRAMES = ("minute", "hour", "day", "week", "month")


Item = TypeVar("Item", Event, Usage)
Bucket = tuple[datetime, datetime]


@dataclass(frozen=True)
class Invoice:
    """Settings for the invoice of a month.

    days: the UTC days [since, until) of its usage, by default the whole charge month. parts: number of
    InvoiceIds for these days. prepaid: USD of credits that pay for the usage, oldest first, and reduce what
    is billed. purchase (of credits), adjustment, credit and correction are USD, the last two as positive
    numbers. tax_rate 0.2 is 20 % of everything else. Zero omits the row.
    """

    days: tuple[date, date] | None = None
    usage: bool = True
    parts: int = 1
    prepaid: Decimal = Decimal(0)
    purchase: Decimal = Decimal(0)
    adjustment: Decimal = Decimal(0)
    credit: Decimal = Decimal("25.5")
    tax_rate: Decimal = Decimal("0.2")
    correction: Decimal = Decimal("1.234567891")


@dataclass(frozen=True)
class CsvStyle:
    """Style of CSVs, which a provider can change from file to file."""

    shuffle: bool = False
    drop: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)
    bom: bool = False
    crlf: bool = False
    quoted_breaks: bool = False


@dataclass(frozen=True)
class Row:
    """One row of a report: its columns and its billed amount."""

    billed: Decimal
    columns: dict[str, str]


@dataclass(frozen=True)
class Scope:
    """What a report is about: an account, or the teams of an organization with the root's alias.

    has_lines: whether it has rows of apps and instances.
    """

    account: str
    teams: tuple[Team, ...] = ()
    has_lines: bool = True

    @property
    def usernames(self) -> list[tuple[str, dict[str, str]]]:
        """Whose events it has, each with its columns."""
        if not self.teams:
            return [(self.account, {})]
        return [
            (team.username, {"SubAccountId": team.customer_id, "SubAccountName": team.name})
            for team in self.teams
        ]


def month_start(month: str, plus: int = 0) -> date:
    """Return the first day of a month YYYY-MM, moved by some months."""
    number = int(month[:4]) * 12 + int(month[5:7]) - 1 + plus
    return date(number // 12, number % 12 + 1, 1)


def issued_months(world: "World") -> list[str]:
    """Return the billing months with an invoice: each follows a charge month that has days and is over."""
    first = f"{world.first_day:%Y-%m}"
    months = []
    for plus in range(1, world.days // 28 + 3):
        billing = month_start(first, plus)
        if billing - timedelta(days=1) < world.first_day or month_start(first, plus - 1) > world.last_day:
            continue
        if billing <= world.now.date():
            months.append(f"{billing:%Y-%m}")
    overridden = {month for month, plan in world.invoice_months.items() if plan is not None}
    refused = {month for month, plan in world.invoice_months.items() if plan is None}
    return sorted((set(months) | overridden) - refused)


def invoice_rows(world: "World", scope: Scope, billing_month: str) -> list[Row]:
    """Make the rows of an invoice. Raises KeyError for a month without invoice."""
    if billing_month not in issued_months(world):
        raise KeyError(billing_month)
    plan = world.invoice_months.get(billing_month) or Invoice()
    start, end = month_start(billing_month, -1), month_start(billing_month)
    since, until = plan.days or (start, end)
    head = _account_columns(scope.account) | {
        "BillingPeriodStart": _midnight(start),
        "BillingPeriodEnd": _midnight(end),
        "InvoiceId": f"INV-{scope.account}-{billing_month}",
    }
    rows: list[Row] = []
    day = since
    while plan.usage and day < until:
        part = (day - since).days * plan.parts // max((until - since).days, 1)
        ids = head | {"InvoiceId": head["InvoiceId"] + (f"-{part + 1}" if plan.parts > 1 else "")}
        rows += _invoiced_usage(world, scope, day, ids)
        day += timedelta(days=1)
    if plan.prepaid:
        rows = _pay(rows, plan.prepaid)
    if plan.parts > 1:
        head["InvoiceId"] += "-1"
    if plan.correction:
        rows.append(_correction_row(plan.correction, start - timedelta(days=2), head))
    if plan.purchase:
        rows.append(_purchase_row(plan.purchase, start, head))
    if plan.adjustment:
        rows.append(_lump("Adjustment", "Goodwill adjustment", plan.adjustment, start, end, head))
    if plan.credit:
        rows.append(_lump("Credit", "Promotional credit", -plan.credit, start, end, head))
    if plan.tax_rate:
        tax = product(total(rows), plan.tax_rate)
        rows.append(_lump("Tax", "VAT", tax, start, end, head))
    return rows


def _invoiced_usage(world: "World", scope: Scope, day: date, head: dict[str, str]) -> list[Row]:
    day_after = day + timedelta(days=1)
    rows = []
    for username, columns in scope.usernames:
        events = world.day_events(username, day, invoiced=True)
        rows += _usage_rows(events, day, day_after, head | columns)
    if scope.has_lines:
        rows += _line_rows(world.usage(scope.account, day, invoiced=True), day, day_after, head)
    return rows


def invoice_csv(world: "World", scopes: Sequence[Scope], billing_month: str) -> bytes:
    """Write the invoices of some accounts as one CSV. Raises KeyError for a month without invoice."""
    return _csv(world, scopes, [row for scope in scopes for row in invoice_rows(world, scope, billing_month)])


def estimate_csv(
    world: "World",
    scopes: Sequence[Scope],
    start: datetime,
    end: datetime,
    timeframe: str,
    timezone: str,
    bound: bool,
) -> bytes:
    """Write the live usage of some accounts as one CSV."""
    zone = ZoneInfo(timezone)
    if bound:
        start, end = bucket(start, timeframe, zone)[0], bucket_end(end, timeframe, zone)
    rows = [row for scope in scopes for row in estimate_rows(world, scope, start, end, timeframe, zone)]
    return _csv(world, scopes, rows)


def estimate_rows(
    world: "World", scope: Scope, start: datetime, end: datetime, timeframe: str, zone: ZoneInfo
) -> list[Row]:
    """Make one Usage row, without InvoiceId, per bucket, endpoint, price and discount, or app and machine."""
    rows: list[tuple[datetime, Row]] = []
    switches = world.switches_of(scope.account)

    def head(low: datetime) -> dict[str, str]:
        month = f"{low:%Y-%m}"
        return _account_columns(scope.account) | {
            "BillingPeriodStart": _midnight(month_start(month)),
            "BillingPeriodEnd": _midnight(month_start(month, 1)),
        }

    def place(moment: datetime) -> tuple[datetime, datetime]:
        low, high = bucket(moment, timeframe, zone)
        return max(low, start), min(high, end)

    for username, columns in scope.usernames:
        for (low, high), events in split(reversed(world.window(username, start, end)), place):
            usage = _usage_rows(events, low, high, head(low) | columns)
            rows += [(low, _renamed(row) if switches.display_names else row) for row in usage]
    if scope.has_lines:
        for (low, high), usages in split(world.usage_window(scope.account, start, end), place):
            usage = _line_rows(usages, low, high, head(low))
            rows += [(low, _vague(row) if switches.vague_lines else row) for row in usage]
    return [row for _, row in sorted(rows, key=lambda item: item[0])]


def split(items: Iterable[Item], place: Callable[[datetime], Bucket]) -> list[tuple[Bucket, list[Item]]]:
    """Split events or usage into buckets, oldest first."""
    buckets: dict[Bucket, list[Item]] = {}
    for item in items:
        buckets.setdefault(place(item.at), []).append(item)
    return sorted(buckets.items(), key=lambda pair: pair[0])


def bucket(moment: datetime, timeframe: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the minute, hour, day, week (from Monday) or month of a time zone around a moment, in UTC."""
    local = moment.astimezone(zone).replace(second=0, microsecond=0)
    if timeframe == "minute":
        low, high = local, local + timedelta(minutes=1)
    elif timeframe == "hour":
        low = local.replace(minute=0)
        high = low + timedelta(hours=1)
    else:
        low = local.replace(minute=0, hour=0)
        if timeframe == "day":
            high = low + timedelta(days=1)
        elif timeframe == "week":
            low -= timedelta(days=low.weekday())
            high = low + timedelta(days=7)
        else:
            low = low.replace(day=1)
            high = (low + timedelta(days=32)).replace(day=1)
    return low.astimezone(UTC), high.astimezone(UTC)


def bucket_end(moment: datetime, timeframe: str, zone: ZoneInfo) -> datetime:
    """Return the end of the bucket that holds a moment, or the moment if a bucket starts there."""
    low, high = bucket(moment, timeframe, zone)
    return moment if low == moment else high


def default_timeframe(start: datetime, end: datetime) -> str:
    """Return fal's default timeframe for a range."""
    span = end - start
    limits = {
        "minute": timedelta(hours=2),
        "hour": timedelta(days=2),
        "day": timedelta(64),
        "week": timedelta(183),
    }
    return next((timeframe for timeframe, limit in limits.items() if span < limit), "month")


def total(rows: Iterable[Row]) -> Decimal:
    """Sum BilledCost exactly."""
    with localcontext(prec=100):
        return sum((row.billed for row in rows), Decimal(0))


def _midnight(day: date) -> str:
    return f"{day:%Y-%m-%d}T00:00:00Z"


def _account_columns(account: str) -> dict[str, str]:
    return {
        "BillingAccountId": f"fal-{account}",
        "BillingAccountName": account.title(),
        "BillingCurrency": "USD",
        "InvoiceIssuerName": "fal",
        "ProviderName": "fal",
        "PublisherName": "fal",
    }


def _usage_rows(events: Sequence[Event], start: date, end: date, head: dict[str, str]) -> list[Row]:
    """Make one row per endpoint, price and discount. Events without price or units are priced in USD."""
    groups: dict[tuple[str, str | None, str | None], list[Event]] = {}
    for event in events:
        priced = event.unit_price is not None and event.output_units is not None
        key = (event.endpoint_id, event.unit_price if priced else None, event.percent_discount)
        groups.setdefault(key, []).append(event)
    return [
        _usage_row(endpoint_id, price, discount, group, start, end, head)
        for (endpoint_id, price, discount), group in sorted(groups.items(), key=lambda item: str(item[0]))
    ]


def _usage_row(
    endpoint_id: str,
    price: str | None,
    discount: str | None,
    events: Sequence[Event],
    start: date,
    end: date,
    head: dict[str, str],
) -> Row:
    meter = METER_OF.get(endpoint_id)
    unit = meter.unit if meter else "Units"
    name = meter.name if meter else endpoint_id
    billed = nano_to_usd(sum(event.cost_nano_usd for event in events))
    with localcontext(prec=100):
        kept = 1 - Decimal(discount or 0) / 100
        if price is None:
            unit, price = "USD", "1"
            quantity = sum((event.subtotal for event in events), Decimal(0))
        else:
            quantity = sum((Decimal(event.output_units or 0) for event in events), Decimal(0))
    columns = head | {
        "BilledCost": plain(billed),
        "EffectiveCost": plain(billed),
        "ListCost": plain(product(price, quantity)),
        "ListUnitPrice": plain(Decimal(price)),
        "ContractedCost": plain(product(price, quantity, kept)),
        "ContractedUnitPrice": plain(product(price, kept)),
        "PricingCategory": "Standard",
        "PricingQuantity": plain(quantity),
        "PricingUnit": unit,
        "ConsumedQuantity": plain(quantity),
        "ConsumedUnit": unit,
        "ChargeCategory": "Usage",
        "ChargeDescription": f'{name}, {len(events)} requests, "{discount or 0} % off"',
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(start),
        "ChargePeriodEnd": _time(end),
        "ResourceId": endpoint_id,
        "ResourceName": name,
        "ResourceType": "Model endpoint",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "fal Model APIs",
        "ServiceSubcategory": "Generative AI",
        "SkuId": endpoint_id,
        "SkuPriceId": f"{endpoint_id}@{plain(Decimal(price))}",
        "Tags": '{"team": "research, \\"applied\\""}',
        "x_TeamName": "research",
    }
    return Row(billed, columns)


def _line_rows(usages: Sequence[Usage], start: date, end: date, head: dict[str, str]) -> list[Row]:
    """Make one row per app or instance, environment, machine, price, discount and surge."""
    return [_line_row(usages, start, end, head) for usages in group(usages)]


def _line_row(usages: Sequence[Usage], start: date, end: date, head: dict[str, str]) -> Row:
    first, machine = usages[0], usages[0].machine
    service, subcategory, resource_type, unit = SERVICES[machine.line]
    billed = sum_of(usage.cost for usage in usages)
    subtotal = plain(sum_of(usage.subtotal for usage in usages))
    quantity = plain(sum_of(usage.quantity for usage in usages))
    kept = 1 - machine.percent_discount / 100
    sku, name, resource_id = machine.machine_type, machine.app or "", machine.app or ""
    if machine.line == "compute":
        sku, resource_id = f"{sku} ({name})", f"inst-{make_id(name)[:8]}"
    elif machine.environment:
        resource_id = f"{name}:{machine.environment}"
    if first.is_surge:
        sku += " surge"
    columns = head | {
        "BilledCost": plain(billed),
        "EffectiveCost": plain(billed),
        "ListCost": subtotal,
        "ListUnitPrice": plain(first.unit_price),
        "ContractedCost": plain(billed),
        "ContractedUnitPrice": plain(product(first.unit_price, kept)),
        "PricingCategory": "Standard",
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{name or 'Usage'}, {machine.machine_type}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(start),
        "ChargePeriodEnd": _time(end),
        "ResourceId": resource_id,
        "ResourceName": "" if resource_id == name else name,
        "ResourceType": resource_type if name else "",
        "ServiceCategory": "Compute",
        "ServiceName": service,
        "ServiceSubcategory": subcategory,
        "SkuId": sku,
        "SkuPriceId": f"{sku}@{plain(first.unit_price)}",
    }
    return Row(billed, columns)


def _renamed(row: Row) -> Row:
    """Name an endpoint by its display name."""
    name, price = row.columns["ResourceName"], row.columns["ListUnitPrice"]
    return _vague(row, ResourceId=name, ResourceName=name, SkuId=name, SkuPriceId=f"{name}@{price}")


def _vague(row: Row, **columns: str) -> Row:
    """Remove what identifies the product line of a row."""
    unknown = {"ServiceCategory": "Other", "ServiceSubcategory": "Other (Other)", "ServiceName": "fal"}
    unknown |= {"ResourceType": "", "ResourceId": "", "ResourceName": ""}
    unknown |= {"SkuId": "usage", "SkuPriceId": f"usage@{row.columns['ListUnitPrice']}"}
    return replace(row, columns=row.columns | unknown | columns)


def _correction_row(amount: Decimal, day: date, head: dict[str, str]) -> Row:
    lump = _lump("Usage", "Correction of usage billed before", -amount, day, day + timedelta(days=1), head)
    more = {
        "ChargeClass": "Correction",
        "ChargeFrequency": "Usage-Based",
        "ResourceId": "fal-ai/flux/dev",
        "ResourceName": "FLUX.1 [dev]",
        "ResourceType": "Model endpoint",
        "SkuId": "fal-ai/flux/dev",
    }
    return Row(lump.billed, lump.columns | more)


def _pay(rows: Iterable[Row], credits: Decimal) -> list[Row]:
    """Pay for rows with credits, in order, until they are used up."""
    paid = []
    for row in rows:
        drawn = min(row.billed, credits)
        credits = minus(credits, drawn)
        billed = minus(row.billed, drawn)
        paid.append(Row(billed, row.columns | {"BilledCost": plain(billed)}))
    return paid


def _purchase_row(amount: Decimal, day: date, head: dict[str, str]) -> Row:
    lump = _lump("Purchase", "Prepaid credits", amount, day, day.replace(year=day.year + 1), head)
    more = {
        "EffectiveCost": "0",
        "ListUnitPrice": "1",
        "ContractedUnitPrice": "1",
        "PricingCategory": "Standard",
        "PricingQuantity": plain(amount),
        "PricingUnit": "USD",
        "ResourceId": f"credits-{day:%Y-%m}",
        "ResourceName": f"Prepaid credits {day:%Y-%m}",
        "ResourceType": "Prepaid credits",
        "SkuId": "fal-prepaid-credits",
        "SkuPriceId": "fal-prepaid-credits|1",
    }
    return Row(lump.billed, lump.columns | more)


def _lump(
    category: str, description: str, amount: Decimal, start: date, end: date, head: dict[str, str]
) -> Row:
    columns = head | {
        "BilledCost": plain(amount),
        "EffectiveCost": plain(amount),
        "ListCost": plain(amount),
        "ContractedCost": plain(amount),
        "ChargeCategory": category,
        "ChargeDescription": description,
        "ChargeFrequency": "One-Time",
        "ChargePeriodStart": _time(start),
        "ChargePeriodEnd": _time(end),
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "fal Model APIs",
        "ServiceSubcategory": "Generative AI",
    }
    return Row(amount, columns)


def _time(moment: date) -> str:
    return iso(moment) if isinstance(moment, datetime) else _midnight(moment)


def _csv(world: "World", scopes: Sequence[Scope], rows: Iterable[Row]) -> bytes:
    style = world.csv_style
    more = SUB_ACCOUNT_COLUMNS if any(scope.teams for scope in scopes) else []
    header = [name for name in (*COLUMNS, *more, *style.extra) if name not in style.drop]
    if style.shuffle:
        random.Random(world.seed).shuffle(header)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, header, restval="", extrasaction="ignore", lineterminator="\r\n" if style.crlf else "\n"
    )
    writer.writeheader()
    for row in rows:
        columns = row.columns | style.extra
        if style.quoted_breaks:
            columns["ChargeDescription"] += "\nsecond line, with a comma\r\nthird"
        writer.writerow(columns)
    return (b"\xef\xbb\xbf" if style.bom else b"") + text.getvalue().encode()
