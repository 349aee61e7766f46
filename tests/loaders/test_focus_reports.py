"""Landing FOCUS reports from the local fal server."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from loaders.body import MalformedBodyError
from loaders.focus_reports import parse_report
from tests.fal_server import CsvStyle, FalServer, Fault, Invoice, World
from tests.loaders.conftest import Landed, Loads, Run

INVOICE = "focus_reports/account=acme/source=invoice/billing_month=2026-02"


def records(load: Landed) -> list[dict[str, str]]:
    (body,) = load.bodies
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_an_invoice_lands_under_its_billing_month_byte_for_byte(run: Run, loads: Loads, world: World) -> None:
    result = run("focus-report", "--source", "invoice", "--billing-month", "2026-02")
    assert result.code == 0, result.err
    (load,) = loads(INVOICE)
    assert load.bodies == [world.invoice_csv("acme", "2026-02")]
    assert sum(Decimal(row["BilledCost"]) for row in records(load)) == world.invoice_total("acme", "2026-02")
    manifest = load.manifest
    assert manifest["feed"] == "focus_reports" and manifest["source"] == "invoice"
    assert manifest["partition"] == "2026-02"
    assert manifest["request"] == {"source": "invoice", "billing_month": "2026-02"}
    assert manifest["window_start"] == "2026-02-01T00:00:00Z"
    assert manifest["window_end"] == "2026-03-01T00:00:00Z"
    assert manifest["complete"] is False  # more invoices may still be issued in that month
    assert [page["file"] for page in manifest["pages"]] == ["report.csv.gz"]
    assert manifest["rows"] == manifest["pages"][0]["rows"] == len(records(load))


def test_a_charge_month_is_requested_as_the_next_billing_month(
    run: Run, loads: Loads, server: FalServer
) -> None:
    assert run("focus-report", "--source", "invoice", "--charge-month", "2026-01").code == 0
    assert server.requests[-1].params == {"source": ["invoice"], "billing_month": ["2026-02"]}
    assert len(loads(INVOICE)) == 1


def test_december_is_billed_in_january(run: Run, loads: Loads, world: World) -> None:
    world.invoice_months["2026-01"] = Invoice()
    assert run("focus-report", "--source", "invoice", "--charge-month", "2025-12").code == 0
    assert len(loads("focus_reports/account=acme/source=invoice/billing_month=2026-01")) == 1


def test_the_default_invoice_is_of_the_current_month(run: Run, loads: Loads) -> None:
    assert run("focus-report", "--source", "invoice").code == 0
    assert len(loads(INVOICE)) == 1


def test_a_month_without_an_invoice_is_a_one_line_error(run: Run, loads: Loads) -> None:
    result = run("focus-report", "--source", "invoice", "--billing-month", "2025-06")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("error: GET /account/focus (2025-06): answered 404 (not_found: ")
    assert loads("focus_reports/*/*/*") == []


def test_estimates_land_one_utc_day_at_a_time(
    run: Run, loads: Loads, world: World, server: FalServer
) -> None:
    result = run("focus-report", "--source", "estimate", "--start", "2026-01-31", "--end", "2026-02-02")
    assert result.code == 0, result.err
    landed = loads("focus_reports/account=acme/source=estimate/date=*")
    assert [load.manifest["partition"] for load in landed] == ["2026-01-31", "2026-02-01"]
    assert landed[0].manifest["request"] == {
        "source": "estimate",
        "start": "2026-01-31T00:00:00Z",
        "end": "2026-02-01T00:00:00Z",
        "timezone": "UTC",
        "timeframe": "day",
    }
    day = datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    assert landed[0].bodies == [world.estimate_csv("acme", *day)]
    billed = sum(Decimal(row["BilledCost"]) for load in landed for row in records(load))
    assert billed == world.total_cost("acme", date(2026, 1, 31), date(2026, 2, 2))


@pytest.mark.parametrize("timeframe", ["minute", "hour"])
def test_estimates_can_be_finer_than_a_day(run: Run, loads: Loads, world: World, timeframe: str) -> None:
    result = run(
        "focus-report", "--source", "estimate", "--start", "2026-01-31", "--end", "2026-02-01",
        "--timeframe", timeframe, "--no-bound-to-timeframe", "--timezone", "UTC",
    )  # fmt: skip
    assert result.code == 0, result.err
    (load,) = loads("focus_reports/account=acme/source=estimate/date=2026-01-31")
    assert load.manifest["request"]["timeframe"] == timeframe
    assert load.manifest["request"]["bound_to_timeframe"] == "false"
    assert len(records(load)) > 30


@pytest.mark.parametrize(
    "style",
    [
        CsvStyle(shuffle=True),
        CsvStyle(drop=("x_TeamName", "Tags", "InvoiceId")),
        CsvStyle(extra={"x_Cluster": "a,b", "x_Empty": ""}),
        CsvStyle(bom=True, crlf=True),
        CsvStyle(quoted_breaks=True, crlf=True, shuffle=True, bom=True),
    ],
    ids=["shuffled", "missing", "additional", "bom_crlf", "quoted_breaks"],
)
def test_a_csv_with_any_columns_and_line_ends_lands_unchanged(
    run: Run, loads: Loads, world: World, style: CsvStyle
) -> None:
    plain_rows = len(world.invoice_csv("acme", "2026-02").splitlines()) - 1
    world.csv_style = style
    assert run("focus-report", "--source", "invoice", "--billing-month", "2026-02").code == 0
    (load,) = loads(INVOICE)
    assert load.bodies == [world.invoice_csv("acme", "2026-02")]
    assert load.manifest["rows"] == len(records(load)) == plain_rows


def test_an_account_without_focus_reports_is_a_one_line_error(run: Run, world: World) -> None:
    world.non_enterprise.add("acme")
    result = run("focus-report", "--source", "invoice", "--billing-month", "2026-02")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "403 (authorization_error: FOCUS reports are available to enterprise accounts only)" in line


HEADER = b"BilledCost,ChargeCategory,ChargePeriodStart\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "its header lacks BilledCost, ChargeCategory, ChargePeriodStart"),
        (b"\n\r\n\n", "its header lacks BilledCost"),
        (b"upstream temporarily unavailable", "its header lacks BilledCost"),
        (b"null", "its header lacks BilledCost"),
        (b'"rate limited"', "its header lacks BilledCost"),
        (b'\xef\xbb\xbf{"error": "oops"}', "its header lacks BilledCost"),
        (b"billed-cost,charge_category,Charge Period Start\n", "its header lacks BilledCost$"),
        (b"BilledCost,ChargeCategory,ChargePeriodSta", "its header lacks ChargePeriodStart$"),
        (HEADER + b"\xff\n", "not UTF-8"),
        (HEADER + b"1,Usage,2026-01-01\n2,Usa", "in the middle of a row"),
        (HEADER + b'1,Usage,"2026-01-01', "inside a quoted field"),
        (HEADER + b'1,Usage,"2026-01-01\n2,Usage,2026-01-01\n', "inside a quoted field"),
        (HEADER + b'1,Usage,"', "inside a quoted field"),
        (HEADER + b'1,Usage,"end""', "inside a quoted field"),
    ],
)
def test_an_incomplete_or_invalid_csv_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedBodyError, match=reason):
        parse_report(body)


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (HEADER, 0),
        (HEADER[:-1], 0),
        (HEADER + b"1,Usage,2026-01-01", 1),
        (b"\xef\xbb\xbf" + HEADER + b"1,Usage,2026-01-01\r\n\r\n\r\n", 1),
        (b"x_Team, ChargePeriodStart ,ChargeCategory,BilledCost\n", 0),
        (b"billed_cost,Charge Category,CHARGEPERIODSTART\n", 0),
        (HEADER + b'"1\n\n2",Usage,2026-01-01\n4,5,6\n', 2),
        (HEADER.replace(b"\n", b"\r") + b"1,Usage,2026-01-01\r", 1),
        (HEADER + b'1,Usage,"2026-01-01"', 1),
        (HEADER + b'1,"a"b,2026-01-01\n2,c"d,2026-01-01\n', 2),
        (HEADER + b"1,short\n2,Usage,2026-01-01\n3\n", 3),
        (HEADER + b"end\n", 1),
        (HEADER + b'"' + b"x" * 300_000 + b'",2,3\n', 1),
    ],
)
def test_rows_are_records_without_the_header_and_blank_lines(body: bytes, rows: int) -> None:
    assert parse_report(body).rows == rows


@pytest.mark.parametrize("body", [b"upstream temporarily unavailable", HEADER + b'1,Usage,"2026-'])
def test_an_invalid_report_does_not_replace_a_landed_one(
    run: Run, loads: Loads, server: FalServer, body: bytes
) -> None:
    command = ("focus-report", "--source", "invoice", "--billing-month", "2026-02")
    server.faults.append(Fault.answer(200, body, {"Content-Type": "text/csv"}))
    assert run(*command).code == 0
    server.faults.append(Fault.answer(200, body, {"Content-Type": "text/csv"}, times=100))
    result = run(*command)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("error: GET /account/focus (2026-02): answered 200, but the body is invalid: it ")
    (load,) = loads(INVOICE)
    assert load.manifest["rows"] > 100
