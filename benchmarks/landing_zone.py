"""A landing zone of any size: `python -m benchmarks.landing_zone FOLDER [--days N] [--events N] ...`.

The files are those that loaders write: one account, one load a day, pages of 10,000 events. The events of a
day cycle through endpoints and keys, so a day has endpoints × keys charges, at most `--events`. With
`--invoices`, each month that is over has an invoice, which has a row for each day and endpoint, without keys.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import duckdb
from zlib_ng import zlib_ng

from loaders.landing import Manifest, has_short_numbers, is_one_line
from loaders.work import PageFile

PAGE = 10_000  # events

EVENTS = """
    select printf(
        '{"request_id":"%s","endpoint_id":"fal-ai/model-%d","timestamp":"%s","output_units":%d.5,'
        '"unit_price":0.0%d,"percent_discount":null,"cost_estimate_nano_usd":%d,"auth_method":"Key %d"}',
        cast(uuid() as varchar),
        n % $endpoints,
        strftime(
            cast($day as timestamp) + to_microseconds(n * 86400000000 // $events), '%Y-%m-%dT%H:%M:%S.%gZ'
        ),
        n % 7 + 1,
        n % $endpoints % 40 + 11,
        ((n % 7 + 1) * 1000000 + 500000) * (n % $endpoints % 40 + 11),
        n // $endpoints % $keys
    )
    from range($events) as events (n)
    order by n
"""


# fal bills nothing for a tenth of the endpoints, and a unit a day more than the events have for another tenth
INVOICE = """
    copy (
        with events as (
            select
                n % $endpoints as endpoint,
                cast(n % $endpoints % 40 + 11 as decimal(9, 0)) / 1000 as price,
                cast(n % 7 + 1.5 as decimal(9, 1)) as units
            from range($events) as events (n)
        ),
        usage as (
            select
                endpoint,
                cast(any_value(price) as decimal(9, 3)) as price,
                sum(units) + if(endpoint % 10 = 1, 1, 0) as units
            from events
            group by endpoint
        ),
        days as (select unnest(range($first, $end, interval 1 day)) as day)
        select
            if(endpoint % 10 = 0, 0, price * units) as "BilledCost",
            'acme' as "BillingAccountId",
            'USD' as "BillingCurrency",
            strftime($first, '%Y-%m-%dT00:00:00Z') as "BillingPeriodStart",
            strftime($end, '%Y-%m-%dT00:00:00Z') as "BillingPeriodEnd",
            'Usage' as "ChargeCategory",
            'Usage-Based' as "ChargeFrequency",
            strftime(day, '%Y-%m-%dT00:00:00Z') as "ChargePeriodStart",
            strftime(day + interval 1 day, '%Y-%m-%dT00:00:00Z') as "ChargePeriodEnd",
            price * units as "ContractedCost",
            price as "ContractedUnitPrice",
            price * units as "EffectiveCost",
            'INV-' || strftime($end, '%Y-%m') as "InvoiceId",
            price * units as "ListCost",
            price as "ListUnitPrice",
            'Standard' as "PricingCategory",
            units as "PricingQuantity",
            'Units' as "PricingUnit",
            'fal-ai/model-' || endpoint as "ResourceId",
            'fal-ai/model-' || endpoint as "SkuId"
        from usage
        cross join days
        order by day, endpoint
    ) to '{file}' (format csv)
"""


def write_load(load: Path, manifest: Manifest) -> None:
    """Write the manifest of a load, whose pages are there."""
    (load / "manifest.json").write_text(json.dumps(asdict(manifest)) + "\n")


def describe_page(file: str, rows: int, body: bytes) -> PageFile:
    """Return the entry of a page in the manifest."""
    sha256 = hashlib.sha256(body).hexdigest()
    return PageFile(file, rows, len(body), sha256, is_one_line(body), has_short_numbers(body))


def write_day(folder: Path, day: date, events: int, endpoints: int, keys: int) -> None:
    """Land a day of generated events as one load, fetched at the end of the day after."""
    fetched = day + timedelta(days=2)
    load_id = f"{fetched:%Y%m%d}T000000000000Z-000000"
    load = folder / "billing_events" / "account=acme" / f"date={day}" / f"load={load_id}"
    load.mkdir(parents=True)
    parameters = {"day": str(day), "events": events, "endpoints": endpoints, "keys": keys}
    texts = [text for (text,) in duckdb.execute(EVENTS, parameters).fetchall()]
    pages = []
    for number, start in enumerate(range(0, events, PAGE), start=1):
        listed = texts[start : start + PAGE]
        body = f'{{"next_cursor":null,"has_more":false,"billing_events":[{",".join(listed)}]}}'.encode()
        file = f"page-{number:05}.json.gz"
        (load / file).write_bytes(zlib_ng.compress(body, 1, wbits=31))
        pages.append(describe_page(file, len(listed), body))
    manifest = Manifest(
        feed="billing_events",
        account="acme",
        source=None,
        partition=str(day),
        load_id=load_id,
        request={},
        window_start=f"{day}T00:00:00Z",
        window_end=f"{day + timedelta(days=1)}T00:00:00Z",
        fetched_at=f"{fetched}T00:00:00.000000Z",
        complete=True,
        rows=events,
        pages=pages,
    )
    write_load(load, manifest)


def write_invoice(folder: Path, month: date, events: int, endpoints: int) -> None:
    """Land the invoice of a charge month, fetched in the middle of the next month. month: its first day."""
    end = add_month(month)
    fetched = end + timedelta(days=14)
    load_id = f"{fetched:%Y%m%d}T000000000000Z-000000"
    partition = Path("focus_reports", "account=acme", "source=invoice", f"billing_month={end:%Y-%m}")
    load = folder / partition / f"load={load_id}"
    load.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "report.csv"
        parameters = {"first": month, "end": end, "events": events, "endpoints": endpoints}
        duckdb.execute(INVOICE.replace("{file}", str(file)), parameters)
        body = file.read_bytes()
    (load / "report.csv.gz").write_bytes(zlib_ng.compress(body, 1, wbits=31))
    rows = (end - month).days * endpoints
    manifest = Manifest(
        feed="focus_reports",
        account="acme",
        source="invoice",
        partition=f"{end:%Y-%m}",
        load_id=load_id,
        request={"source": "invoice", "billing_month": f"{end:%Y-%m}"},
        window_start=f"{end}T00:00:00Z",
        window_end=f"{add_month(end)}T00:00:00Z",
        fetched_at=f"{fetched}T00:00:00.000000Z",
        complete=False,
        rows=rows,
        pages=[describe_page("report.csv.gz", rows, body)],
    )
    write_load(load, manifest)


def add_month(month: date) -> date:
    """Return the first day of the next month."""
    return (month.replace(day=1) + timedelta(days=31)).replace(day=1)


def write_invoices(folder: Path, first: date, days: int, events: int, endpoints: int) -> None:
    """Land the invoices of the months that begin and end within some days."""
    month, end = first if first.day == 1 else add_month(first), first + timedelta(days=days)
    while add_month(month) <= end:
        write_invoice(folder, month, events, endpoints)
        month = add_month(month)


def write_days(folder: Path, first: date, days: int, events: int, endpoints: int = 40, keys: int = 5) -> None:
    """Land some days, starting with the first."""
    for number in range(days):
        write_day(folder, first + timedelta(days=number), events, endpoints, keys)


def main() -> int:
    """Write the days that the options describe."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.landing_zone", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--events", type=int, default=100_000, help="a day")
    parser.add_argument("--first", type=date.fromisoformat, default=date(2025, 1, 1))
    parser.add_argument("--endpoints", type=int, default=40)
    parser.add_argument("--keys", type=int, default=5)
    parser.add_argument("--invoices", action="store_true", help="and an invoice for each month that is over")
    options = parser.parse_args()
    write_days(options.folder, options.first, options.days, options.events, options.endpoints, options.keys)
    if options.invoices:
        write_invoices(options.folder, options.first, options.days, options.events, options.endpoints)
    return 0


if __name__ == "__main__":
    sys.exit(main())
