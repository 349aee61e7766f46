"""FOCUS CSVs of the local fal: invoices (usage, credit, tax, correction) and estimates, exact to the digit.

No document fixes fal's column list; these are the columns of a FOCUS 1.0 export plus a custom one.
"""

import csv
import io
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tests.fal_server.catalogue import METER_OF
from tests.fal_server.events import Event, iso, nano_to_usd, plain, product

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

TIMEFRAMES = ("minute", "hour", "day", "week", "month")


@dataclass(frozen=True)
class Invoice:
    """Settings for the invoice of a month.

    days: the UTC days [since, until) of its usage, by default the whole charge month. parts: number of
    InvoiceIds for these days. prepaid_until: usage before this day was paid with credits and is billed at 0.
    purchase (of credits), adjustment, credit and correction are USD, the last two as positive numbers.
    tax_rate 0.2 is 20 % of everything else. Zero omits the row.
    """

    days: tuple[date, date] | None = None
    usage: bool = True
    parts: int = 1
    prepaid_until: date | None = None
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


def invoice_rows(world: "World", account: str, billing_month: str) -> list[Row]:
    """Make the rows of an invoice. Raises KeyError for a month without invoice."""
    if billing_month not in issued_months(world):
        raise KeyError(billing_month)
    plan = world.invoice_months.get(billing_month) or Invoice()
    start, end = month_start(billing_month, -1), month_start(billing_month)
    since, until = plan.days or (start, end)
    head = _account_columns(account) | {
        "BillingPeriodStart": _midnight(start),
        "BillingPeriodEnd": _midnight(end),
        "InvoiceId": f"INV-{account}-{billing_month}",
    }
    rows: list[Row] = []
    day = since
    while plan.usage and day < until:
        part = (day - since).days * plan.parts // max((until - since).days, 1)
        ids = head | {"InvoiceId": head["InvoiceId"] + (f"-{part + 1}" if plan.parts > 1 else "")}
        usage = _usage_rows(world.day_events(account, day, invoiced=True), day, day + timedelta(days=1), ids)
        is_prepaid = plan.prepaid_until is not None and day < plan.prepaid_until
        rows += [_prepaid(row) for row in usage] if is_prepaid else usage
        day += timedelta(days=1)
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


def invoice_csv(world: "World", accounts: Sequence[str], billing_month: str) -> bytes:
    """Write the invoices of some accounts as one CSV. Raises KeyError for a month without invoice."""
    return _csv(world, [row for account in accounts for row in invoice_rows(world, account, billing_month)])


def estimate_csv(
    world: "World",
    accounts: Sequence[str],
    start: datetime,
    end: datetime,
    timeframe: str,
    timezone: str,
    bound: bool,
) -> bytes:
    """Write the live usage of some accounts as one CSV."""
    zone = ZoneInfo(timezone)
    if bound:
        start, end = bucket(start, timeframe, zone)[0], _up(end, timeframe, zone)
    rows = (row for account in accounts for row in estimate_rows(world, account, start, end, timeframe, zone))
    return _csv(world, rows)


def estimate_rows(
    world: "World", account: str, start: datetime, end: datetime, timeframe: str, zone: ZoneInfo
) -> list[Row]:
    """Make one Usage row, without InvoiceId, per bucket, endpoint, price and discount."""
    buckets: dict[tuple[datetime, datetime], list[Event]] = {}
    for event in reversed(world.window(account, start, end)):
        low, high = bucket(event.at, timeframe, zone)
        buckets.setdefault((max(low, start), min(high, end)), []).append(event)
    rows: list[Row] = []
    for (low, high), events in sorted(buckets.items()):
        month = f"{low:%Y-%m}"
        head = _account_columns(account) | {
            "BillingPeriodStart": _midnight(month_start(month)),
            "BillingPeriodEnd": _midnight(month_start(month, 1)),
        }
        rows += _usage_rows(events, low, high, head)
    return rows


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


def _up(moment: datetime, timeframe: str, zone: ZoneInfo) -> datetime:
    low, high = bucket(moment, timeframe, zone)
    return moment if low == moment else high


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


def _prepaid(row: Row) -> Row:
    return Row(Decimal(0), row.columns | {"BilledCost": "0"})


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


def _csv(world: "World", rows: Iterable[Row]) -> bytes:
    style = world.csv_style
    header = [name for name in (*COLUMNS, *style.extra) if name not in style.drop]
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
