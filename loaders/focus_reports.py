"""FOCUS reports: checks of the CSV, and landing an invoice or a day of estimates."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import chain

from loaders import clock
from loaders.api import FalApi, Params
from loaders.body import Body, MalformedBodyError
from loaders.landing import LandingZone, Manifest, Partition

PATH = "/account/focus"
ORGANIZATION_PATH = "/organization/focus"
FILE = "report.csv.gz"
TIMEFRAMES = ("minute", "hour", "day", "week", "month")
LANDED_TIMEFRAMES = ("minute", "hour", "day")  # longer timeframes do not fit into a UTC day
NEEDED_COLUMNS = ("BilledCost", "ChargeCategory", "ChargePeriodStart")  # required to charge a row

csv.field_size_limit(2**31 - 1)  # a Tags column may exceed the default of 128 KiB


@dataclass(frozen=True)
class Report:
    """The body of a CSV, and its number of records without the header. gzipped: see Body."""

    body: bytes
    rows: int
    gzipped: bytes | None = None


def locate_invoice(account: str, billing_month: str) -> Partition:
    """Return the partition of the invoice issued in a month."""
    return Partition("focus_reports", account, billing_month, "invoice")


def locate_estimate(account: str, day: date) -> Partition:
    """Return the partition of one UTC day of estimates."""
    return Partition("focus_reports", account, day.isoformat(), "estimate")


def land_invoice(
    api: FalApi, zone: LandingZone, account: str, billing_month: str, path: str = PATH
) -> Manifest:
    """Fetch the invoice issued in a month and land it. Raises NotFoundError if it does not exist (yet)."""
    request = {"source": "invoice", "billing_month": billing_month}
    return _land(api, zone, locate_invoice(account, billing_month), request, path)


def land_estimate(
    api: FalApi,
    zone: LandingZone,
    account: str,
    day: date,
    timeframe: str = "day",
    bound: bool | None = None,
    path: str = PATH,
) -> Manifest:
    """Fetch the live usage of one UTC day and land it. timeframe: one of LANDED_TIMEFRAMES."""
    request = make_estimate_request(day, day + timedelta(days=1), timeframe, bound)
    return _land(api, zone, locate_estimate(account, day), request, path)


def make_estimate_request(start: date, end: date, timeframe: str, bound: bool | None) -> dict[str, str]:
    """Return the parameters for the live usage of the UTC days from start until before end."""
    request = {
        "source": "estimate",
        "start": clock.format_seconds(clock.to_midnight(start)),
        "end": clock.format_seconds(clock.to_midnight(end)),
        "timezone": "UTC",
        "timeframe": timeframe,
    }
    if bound is not None:
        request["bound_to_timeframe"] = str(bound).lower()
    return request


def choose_path(is_organization: bool) -> str:
    """Return the path of reports of an account, or of all teams of an organization."""
    return ORGANIZATION_PATH if is_organization else PATH


def fetch_report(api: FalApi, params: Params, path: str = PATH) -> Report:
    """Fetch the report for any parameters."""
    return api.get(path, params, accept_report)


def accept_report(body: Body) -> Report:
    """Return the report of a body. Raises MalformedBodyError if it is not a complete report.

    A CSV without its last rows is still a CSV, so the body needs a length or gzip, which reveal a truncation.
    """
    if not body.is_framed and body.gzipped is None:
        raise MalformedBodyError("it has no length, so rows may be missing at its end")
    return replace(parse_report(body.content), gzipped=body.gzipped)


def parse_report(body: bytes) -> Report:
    """Check that a body is a complete FOCUS CSV in UTF-8, and count its rows. Raises MalformedBodyError.

    Columns may be spelled like BilledCost, Billed Cost or billed_cost. Only the last row counts as truncated,
    if it is short and has no line end.
    """
    lines = io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline="")
    # an unclosed quote swallows this extra line at the end
    records = _read_records(chain(lines, ("\n", "end")))
    rows, before = -1, list[str]()  # the extra line does not count
    header = last = next(records)
    for record in records:
        rows, before, last = rows + 1, last, record
    columns = _normalize(header)
    missing = [name for name in NEEDED_COLUMNS if name.lower() not in columns]
    if missing:
        raise MalformedBodyError(f"it is not a FOCUS CSV: its header lacks {', '.join(missing)}")
    if last != ["end"]:
        raise MalformedBodyError("it ends inside a quoted field")
    if len(before) < len(header) and not body.endswith((b"\n", b"\r")):
        raise MalformedBodyError("it ends in the middle of a row")
    return Report(body, rows)


def read_rows(body: bytes) -> Iterator[dict[str, str]]:
    """Yield the rows of a report. A column is written like billedcost. Raises MalformedBodyError."""
    records = _read_records(io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline=""))
    header = _normalize(next(records, []))
    for record in records:
        yield dict(zip(header, record, strict=False))


def _read_records(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the records of a CSV, without empty lines. Raises MalformedBodyError."""
    try:
        yield from filter(None, csv.reader(lines))
    except UnicodeDecodeError:
        raise MalformedBodyError("it is not UTF-8") from None
    except csv.Error as error:
        raise MalformedBodyError(f"it is not a CSV: {error}") from None


def _normalize(columns: Iterable[str]) -> list[str]:
    return [re.sub(r"[ _]", "", name).lower() for name in columns]


def _land(
    api: FalApi, zone: LandingZone, partition: Partition, request: dict[str, str], path: str
) -> Manifest:
    # the manifest records the path of a report of an organization
    recorded = request if path == PATH else {**request, "path": path}
    with zone.start_load(partition, recorded) as load:
        report = fetch_report(api, request, path)
        load.add_page(FILE, report.body, report.rows, report.gzipped)
        return load.publish()
