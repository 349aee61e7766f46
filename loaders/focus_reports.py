"""FOCUS reports: what is accepted as a CSV, a landed invoice month, a landed day of estimates."""

import csv
import io
import re
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain

from loaders import clock
from loaders.api import FalApi, Params
from loaders.body import Body, MalformedBodyError
from loaders.landing import LandingZone, Manifest, Partition

PATH = "/account/focus"
FILE = "report.csv.gz"
TIMEFRAMES = ("minute", "hour", "day", "week", "month")
LANDED_TIMEFRAMES = ("minute", "hour", "day")  # a week or a month does not fit into a UTC day
NEEDED_COLUMNS = ("BilledCost", "ChargeCategory", "ChargePeriodStart")  # no row can be charged without them

csv.field_size_limit(2**31 - 1)  # the default cuts off at 128 KiB, less than a Tags column may hold


@dataclass(frozen=True)
class Report:
    """A CSV as it came, and how many records it has below its header. gzipped: as in `Body`."""

    body: bytes
    rows: int
    gzipped: bytes | None = None


def invoice_of(account: str, billing_month: str) -> Partition:
    """The partition of the invoice issued in a month."""
    return Partition("focus_reports", account, billing_month, "invoice")


def estimate_of(account: str, day: date) -> Partition:
    """The partition of one UTC day of estimates."""
    return Partition("focus_reports", account, day.isoformat(), "estimate")


def land_invoice(api: FalApi, zone: LandingZone, account: str, billing_month: str) -> Manifest:
    """Fetch the invoice issued in a month and land it. NotFoundError when there is none (yet)."""
    request = {"source": "invoice", "billing_month": billing_month}
    return _land(api, zone, invoice_of(account, billing_month), request)


def land_estimate(
    api: FalApi, zone: LandingZone, account: str, day: date, timeframe: str, bound: bool | None
) -> Manifest:
    """Fetch the live usage of one UTC day, in buckets of a timeframe no longer than it, and land it."""
    partition = estimate_of(account, day)
    start, end = partition.window
    request = {
        "source": "estimate",
        "start": clock.seconds_text(start),
        "end": clock.seconds_text(end),
        "timezone": "UTC",
        "timeframe": timeframe,
    }
    if bound is not None:
        request["bound_to_timeframe"] = str(bound).lower()
    return _land(api, zone, partition, request)


def fetch(api: FalApi, params: Params) -> Report:
    """The report for any parameters."""
    return api.get(PATH, params, accept)


def accept(body: Body) -> Report:
    """The report that came. MalformedBodyError when it is none, or when nothing shows that all of it came.

    A page that was cut is no JSON, but a CSV that lost its last rows is a CSV.
    """
    if not body.is_framed and body.gzipped is None:
        raise MalformedBodyError("it came without a length, so that rows may be missing at its end")
    return replace(parse_report(body.content), gzipped=body.gzipped)


def parse_report(body: bytes) -> Report:
    """Check that a body is a whole FOCUS CSV, in UTF-8. MalformedBodyError says why it is not.

    Columns may be spelled like BilledCost, Billed Cost or billed_cost. A short row is cut only if it is the
    last one and its line does not end; others are not looked into.
    """
    lines = io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline="")
    # a line of our own at the end, which an open quote swallows
    records = (record for record in csv.reader(chain(lines, ("\n", "end"))) if record)
    rows, before = -1, []  # our own line is no row
    try:
        header = last = next(records)
        for record in records:
            rows, before, last = rows + 1, last, record
    except UnicodeDecodeError:
        raise MalformedBodyError("it is not UTF-8") from None
    except csv.Error as error:
        raise MalformedBodyError(f"it is no CSV: {error}") from None
    named = {re.sub(r"[ _]", "", name).lower() for name in header}
    missing = [name for name in NEEDED_COLUMNS if name.lower() not in named]
    if missing:
        raise MalformedBodyError(f"it is no FOCUS CSV: its header does not name {', '.join(missing)}")
    if last != ["end"]:
        raise MalformedBodyError("it ends inside a quoted field")
    if len(before) < len(header) and not body.endswith((b"\n", b"\r")):
        raise MalformedBodyError("it ends in the middle of a row")
    return Report(body, rows)


def _land(api: FalApi, zone: LandingZone, partition: Partition, request: dict[str, str]) -> Manifest:
    with zone.start_load(partition, request) as load:
        report = fetch(api, request)
        load.add(FILE, report.body, report.rows, report.gzipped)
        return load.publish()
