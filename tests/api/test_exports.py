"""Exports: the files, who can download them and for how long, limits, and failures."""

import asyncio
import csv
import errno
import io
import json
import logging
import re
import resource
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from api import export_limits
from api import exports as module
from api.export_files import ExportRequest, ExportWriter, open_publication
from api.export_jobs import Job, remove_exports
from api.export_limits import UNFINISHED_AT_MOST, TooManyExportsError
from api.exports import Exports
from loaders import clock

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
OWNER = "platform"
FULL = "the server has no room for this export: request a shorter period, or try again later"
BROKEN = "the export failed; the server's log has the cause: try again later"

CHARGES = """
    create table focus.cost_and_usage (
        BilledCost decimal(38, 18), BillingAccountId varchar, BillingPeriodStart timestamp,
        ChargeDescription varchar, ConsumedQuantity decimal(38, 9), x_RequestCount bigint
    );
    insert into focus.cost_and_usage values
        (12345678901234567890.123456789012345678, 'acme', '2026-02-01 00:00:00', 'one, "two"', 2, 3),
        (0.000000000000000001, 'acme', '2026-01-01 00:00:00', 'é', 0.5, null),
        (0, 'acme', '2026-01-01 00:00:00', null, null, null),
        (-0.25, 'it''s', '2026-02-01 00:00:00', 'line
break', 10.000000001, 0),
        (7, 'acme', '2026-03-01 00:00:00', 'later', 1, 1)
"""
COMMITMENTS = """
    create table focus.contract_commitment (
        ContractCommitmentId varchar, ContractCommitmentCost decimal(38, 18), x_BillingAccountId varchar,
        ContractCommitmentPeriodStart timestamp, ContractCommitmentPeriodEnd timestamp
    );
    insert into focus.contract_commitment values
        ('b', 1.5, 'acme', '2025-01-01 00:00:00', '2027-01-01 00:00:00'),
        ('a', 2, 'it''s', '2026-01-31 00:00:00', '2026-03-01 00:00:00'),
        ('over', 3, 'acme', '2025-01-01 00:00:00', '2026-01-01 00:00:00'),
        ('to come', 4, 'acme', '2026-03-01 00:00:00', '2027-01-01 00:00:00')
"""
# texts that a spreadsheet may execute, and others. \u200b and \ufeff have no width, \u2028 separates lines
FORMULAS = [
    *("=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "\tx", " =1", " \xa0=1", "\0=1", "\x1b-1"),
    *("\u200b=1", "\ufeff@a", "\u2028=1", "\uff1d1", "\uff0b1", "\uff0d1", "\u3000\uff20a"),
]
PLAIN = ["'=1", "1=1", "x;=1+1", "a\t=1", "a\n=1", " ", "", "plain"]
MANY = """
    insert into focus.cost_and_usage
    select i, 'acme', '2026-01-01 00:00:00', md5(i::varchar), i, i from range(50_000) as numbers (i)
"""
ENDLESS = """
    create view focus.cost_and_usage as
    select timestamp '2026-01-01 00:00:00' as BillingPeriodStart, 'acme' as BillingAccountId, count(*)
    from range(1_000_000_000) as a (i), range(1_000_000_000) as b (j) where hash(i + j) = 0
"""


def make_publication(database: Path, *statements: str) -> Path:
    """Make a publication with these statements."""
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema focus")
        connection.execute(f"create table focus.publication as select '{database.stem}' as publication_id")
        for statement in statements:
            connection.execute(statement)
    return database


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Make a publication of five charges and four commitments."""
    return make_publication(tmp_path / "published.duckdb", CHARGES, COMMITMENTS)


def build_request(start: str = "2026-01-01", end: str = "2026-03-01", **fields: Any) -> ExportRequest:  # noqa: ANN401
    """Return a request for the periods that start within [start, end)."""
    days = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (start, end))
    return ExportRequest(*days, **fields)


def build_requests(count: int) -> list[ExportRequest]:
    """Return different requests for the same rows."""
    return [build_request(f"2025-12-{day:02}") for day in range(1, count + 1)]


@asynccontextmanager
async def run_exports(folder: Path, at_once: int = 2, **bounds: int) -> AsyncIterator[Exports]:
    """Start exports, and stop them at the end."""
    exports = Exports(folder, at_once, **bounds)
    await exports.start()
    try:
        yield exports
    finally:
        await exports.stop()


async def wait_until(condition: Any) -> None:  # noqa: ANN401
    """Wait until a condition is true, for a minute at most."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def wait_for_end(exports: Exports, job_id: str) -> Job:
    """Wait until a job has ended, and return it."""
    await wait_until(lambda: get_job(exports, job_id).status in ("Complete", "Failed"))
    return get_job(exports, job_id)


def get_job(exports: Exports, job_id: str) -> Job:
    """Return the current state of a job."""
    job = exports.find_job(job_id, OWNER)
    assert job
    return job


def export(
    folder: Path, database: Path, request: ExportRequest, billing_accounts: frozenset[str] | None = None
) -> tuple[Job, Path]:
    """Run an export. Return its job and its file."""

    async def run() -> tuple[Job, Path]:
        async with run_exports(folder) as exports:
            job = await wait_for_end(
                exports, exports.create(request, OWNER, billing_accounts, database).job_id
            )
            assert job.status == "Complete", job.error
            assert job.download
            file = exports.find_file(job.download.secret, OWNER)
            assert file
            return job, file

    return asyncio.run(run())


def read_record(folder: Path, job_id: str) -> Job:
    """Return the state of a job on disk."""
    return msgspec.json.decode((folder / "jobs" / job_id / "job.json").read_bytes(), type=Job)


def list_names(folder: Path) -> set[str]:
    """Return the names in a folder."""
    return {entry.name for entry in folder.iterdir()}


@contextmanager
def limit_file_size(size: int) -> Iterator[None]:
    """Limit the size of every file that this process writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Gate:
    """Stops jobs before they read their publication, until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, database: Path, work: Path) -> duckdb.DuckDBPyConnection:
        assert self.opened.wait(60)
        return open_publication(database, work)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Return a closed gate."""
    gate = Gate()
    monkeypatch.setattr(module, "open_publication", gate)
    return gate


# ---------- the file


def test_csv_has_plain_decimals_with_a_point_and_date_times_of_focus(tmp_path: Path, published: Path) -> None:
    job, file = export(tmp_path, published, build_request())
    assert (file.name, job.record_count, job.publication_id) == ("cost_and_usage.csv", 4, "published")
    with file.open(newline="") as lines:
        rows = list(csv.reader(lines))
    names = "BilledCost BillingAccountId BillingPeriodStart ChargeDescription ConsumedQuantity x_RequestCount"
    assert rows == [
        names.split(),
        ["-0.25", "it's", "2026-02-01T00:00:00Z", "line\nbreak", "10.000000001", "0"],
        ["0.0", "acme", "2026-01-01T00:00:00Z", "", "", ""],
        ["0.000000000000000001", "acme", "2026-01-01T00:00:00Z", "é", "0.5", ""],
        ["12345678901234567890.123456789012345678", "acme", "2026-02-01T00:00:00Z", 'one, "two"', "2.0", "3"],
    ]


def test_texts_that_a_spreadsheet_would_execute_are_escaped_on_request(tmp_path: Path) -> None:
    texts = [*FORMULAS, *PLAIN]
    database = make_publication(
        tmp_path / "formulas.duckdb", CHARGES, "delete from focus.cost_and_usage", COMMITMENTS
    )
    with duckdb.connect(str(database)) as connection:
        for text in texts:
            row = [-1, text, datetime(2026, 1, 1, tzinfo=UTC), None, -0.5, -1]
            connection.execute("insert into focus.cost_and_usage values (?, ?, ?, ?, ?, ?)", row)
    values = {}
    for escape in (False, True):
        _, file = export(tmp_path, database, build_request(csv_formula_escape=escape))
        with file.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        values[escape] = {row["BillingAccountId"] for row in rows}
        assert {row["BilledCost"] for row in rows} == {"-1.0"}
        assert {row["x_RequestCount"] for row in rows} == {"-1"}
    assert values[False] == set(texts)
    assert file.read_text().count('"x;=1+1"') == 1  # a program that separates cells by ; finds one cell
    assert values[True] == {f"'{text}" for text in FORMULAS} | set(PLAIN)
    plain = export(tmp_path, database, build_request(format="json"))[1].read_bytes()
    assert (
        export(tmp_path, database, build_request(format="json", csv_formula_escape=True))[1].read_bytes()
        == plain
    )


def test_json_has_one_line_per_row_and_every_digit_of_a_number(tmp_path: Path, published: Path) -> None:
    _, file = export(tmp_path, published, build_request(format="json"))
    rows = [json.loads(line, parse_float=Decimal) for line in file.read_text().splitlines()]
    numbers = [row[name] for row in rows for name in ("BilledCost", "ConsumedQuantity", "x_RequestCount")]
    assert {type(number) for number in numbers} == {
        Decimal,
        type(None),
    }  # an int would lack the decimal point
    assert not re.search(r":-?[0-9.]+[eE]", file.read_text())
    assert [row["BilledCost"] for row in rows] == [
        Decimal(cost) for cost in ("-0.25", "0", "1e-18", "12345678901234567890.123456789012345678")
    ]
    assert rows[0]["BillingPeriodStart"] == "2026-02-01T00:00:00Z"
    assert rows[1]["ChargeDescription"] is None


def test_parquet_keeps_types_and_values(tmp_path: Path, published: Path) -> None:
    _, file = export(tmp_path, published, build_request(format="parquet"))
    with duckdb.connect(str(published), read_only=True) as connection:
        types = connection.execute(f"describe from '{file}'").fetchall()
        rows = connection.execute(f"from '{file}'").fetchall()
        assert types == connection.execute("describe from focus.cost_and_usage").fetchall()
        wanted = "from focus.cost_and_usage where ChargeDescription is distinct from 'later' order by all"
        assert rows == connection.execute(wanted).fetchall()


def test_the_start_of_a_period_is_inclusive_and_its_end_exclusive(tmp_path: Path, published: Path) -> None:
    assert export(tmp_path, published, build_request("2026-02-01", "2026-03-01"))[0].record_count == 2
    assert export(tmp_path, published, build_request("2026-02-01", "2026-03-02"))[0].record_count == 3
    assert export(tmp_path, published, build_request("2026-02-02", "2026-03-01"))[0].record_count == 0
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    ever = ExportRequest(datetime.min.replace(tzinfo=east), datetime.max.replace(tzinfo=west))
    assert export(tmp_path, published, ever)[0].record_count == 5


@pytest.mark.parametrize(
    ("billing_accounts", "charges", "commitments"),
    [
        (frozenset({"it's"}), 1, ["a"]),
        (frozenset({"acme", "none"}), 3, ["b"]),
        (frozenset({"acme", "it's"}), 4, ["a", "b"]),
        (frozenset({"' or true --"}), 0, []),
        (frozenset(), 0, []),
        (None, 4, ["a", "b"]),
    ],
)
def test_a_limited_token_exports_only_its_billing_accounts_and_overlapping_commitments(
    tmp_path: Path,
    published: Path,
    billing_accounts: frozenset[str] | None,
    charges: int,
    commitments: list[str],
) -> None:
    request = build_request(format="csv", include_contract_commitments=True)
    job, file = export(tmp_path, published, request, billing_accounts)
    assert (file.name, job.record_count) == ("focus_export.zip", charges)
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["cost_and_usage.csv", "contract_commitment.csv"]
        of_charges, of_commitments = (
            list(csv.DictReader(io.StringIO(archive.read(name).decode()))) for name in archive.namelist()
        )
    assert len(of_charges) == charges
    assert [row["ContractCommitmentId"] for row in of_commitments] == commitments


@pytest.mark.parametrize("end", ["2026-02-10", "2026-02-01"])
def test_a_period_that_ends_at_or_before_its_start_is_empty(
    tmp_path: Path, published: Path, end: str
) -> None:
    request = build_request("2026-02-10", end, format="csv", include_contract_commitments=True)
    job, file = export(tmp_path, published, request)
    assert job.record_count == 0
    with zipfile.ZipFile(file) as archive:
        assert [len(archive.read(name).decode().splitlines()) for name in archive.namelist()] == [1, 1]


@pytest.mark.parametrize("file_format", ["csv", "parquet", "json"])
def test_a_zip_contains_both_datasets_in_the_requested_format(
    tmp_path: Path,
    published: Path,
    file_format: Any,  # noqa: ANN401
) -> None:
    _, alone = export(tmp_path, published, build_request(format=file_format))
    _, file = export(
        tmp_path, published, build_request(format=file_format, include_contract_commitments=True)
    )
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == [f"cost_and_usage.{file_format}", f"contract_commitment.{file_format}"]
        assert archive.read(f"cost_and_usage.{file_format}") == alone.read_bytes()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_DEFLATED}


READ_BY_A_VIEW = """
    create view focus.cost_and_usage as
    select timestamp '2026-01-01' as BillingPeriodStart, 'acme' as BillingAccountId, content
    from read_text('{}')
"""
READ_BY_A_MACRO = "create macro strftime(time, format) as (select content from read_text('{}'))"


@pytest.mark.parametrize("statements", [[READ_BY_A_VIEW], [CHARGES, READ_BY_A_MACRO]])
def test_a_publication_cannot_read_files_of_the_server(tmp_path: Path, statements: list[str]) -> None:
    secret = tmp_path / "secret"
    secret.write_text("top secret")
    statements = [statement.replace("{}", str(secret)) for statement in statements]
    database = make_publication(tmp_path / "hostile.duckdb", *statements)

    async def run() -> None:
        async with run_exports(tmp_path / "exports") as exports:
            job = await wait_for_end(exports, exports.create(build_request(), OWNER, None, database).job_id)
            assert (job.status, job.error) == ("Failed", BROKEN)

    asyncio.run(run())
    assert b"top secret" not in b"".join(file.read_bytes() for file in tmp_path.glob("exports/jobs/*/*"))


# ---------- the request


def test_a_request_has_the_defaults_of_the_document() -> None:
    body = b'{"billingPeriodStart": "2026-01-01T00:00:00Z", "billingPeriodEnd": "2026-03-01T00:00:00Z"}'
    request = msgspec.json.decode(body, type=ExportRequest)
    assert request == build_request()
    assert (request.format, request.include_contract_commitments, request.focus_version) == (
        "csv",
        False,
        "1.3",
    )
    assert msgspec.json.decode(body[:-1] + b', "another": {}}', type=ExportRequest) == request


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"billingPeriodStart": "2026-01-01"}, "Invalid RFC3339 encoded datetime"),
        ({"billingPeriodStart": "2026-01-01T00:00:00"}, "with a timezone component"),
        ({"format": "xml"}, "Invalid enum value 'xml' - at `$.format`"),
        ({"format": None}, "Expected `str`, got `null` - at `$.format`"),
        ({"includeContractCommitments": 1}, "Expected `bool`, got `int`"),
        ({"focusVersion": "1.2"}, "Invalid enum value '1.2' - at `$.focusVersion`"),
        ({"focusVersion": 1.4}, "Expected `str`, got `float` - at `$.focusVersion`"),
    ],
)
def test_the_error_for_an_invalid_request_names_the_cause(fields: dict[str, object], message: str) -> None:
    good = {"billingPeriodStart": "2026-01-01T00:00:00Z", "billingPeriodEnd": "2026-03-01T00:00:00Z"}
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.json.decode(json.dumps(good | fields), type=ExportRequest)
    assert message in str(error.value)


# ---------- access and expiry


def test_only_the_owner_can_read_a_job_and_its_file(tmp_path: Path, published: Path) -> None:
    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            job = await wait_for_end(exports, exports.create(build_request(), OWNER, None, published).job_id)
            assert job.download
            secret = job.download.secret
            assert exports.find_file(secret, OWNER) == tmp_path / "jobs" / job.job_id / "cost_and_usage.csv"
            assert exports.find_job(job.job_id, "another") is None
            assert exports.find_file(secret, "another") is None
            assert exports.find_job("none", OWNER) is None
            for other in ("", "none", secret[:-1], secret + "=", "\u00e9", "\ud800", job.job_id):
                assert exports.find_file(other, OWNER) is None
            assert secret not in str(exports.find_file(secret, OWNER))
            assert (tmp_path / "jobs" / job.job_id).stat().st_mode & 0o077 == 0

    asyncio.run(run())


def test_a_file_expires_after_a_day_and_its_job_after_a_week(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLEAN_EVERY", 0.01)
    at = datetime(2026, 5, 1, tzinfo=UTC)
    monkeypatch.setattr(clock, "utc_now", lambda: at)

    async def run() -> None:
        nonlocal at
        async with run_exports(tmp_path) as exports:
            done = await wait_for_end(exports, exports.create(build_request(), OWNER, None, published).job_id)
            folder = tmp_path / "jobs" / done.job_id
            assert done.download
            assert done.expires_at == at + timedelta(hours=24)
            await asyncio.sleep(0.05)
            at += timedelta(hours=24, microseconds=-1)
            assert exports.find_file(done.download.secret, OWNER) == folder / "cost_and_usage.csv"
            at += timedelta(microseconds=1)
            assert exports.find_file(done.download.secret, OWNER) is None
            assert get_job(exports, done.job_id) == msgspec.structs.replace(done, download=None)
            await wait_until(
                lambda: list_names(folder) == {"job.json"} and not read_record(tmp_path, done.job_id).download
            )
            at += timedelta(days=6)
            await wait_until(lambda: not folder.exists())
            assert exports.find_job(done.job_id, OWNER) is None

    asyncio.run(run())


# ---------- the queue


def test_a_job_keeps_its_publication_when_that_is_removed(
    tmp_path: Path, published: Path, gate: Gate
) -> None:
    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            job = exports.create(build_request(), OWNER, None, published)
            published.unlink()
            make_publication(published, CHARGES, "delete from focus.cost_and_usage", COMMITMENTS)
            gate.opened.set()
            assert (await wait_for_end(exports, job.job_id)).record_count == 4
            await wait_until(
                lambda: list_names(tmp_path / "jobs" / job.job_id) == {"job.json", "cost_and_usage.csv"}
            )

    asyncio.run(run())


def test_a_publication_is_copied_where_there_are_no_hard_links(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hardlink_to(*_: object) -> None:
        raise OSError(errno.EXDEV, "no")

    monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
    job, file = export(tmp_path, published, build_request())
    assert job.record_count == 4
    assert list_names(file.parent) == {"job.json", file.name}


def test_jobs_over_the_limit_of_running_jobs_wait(tmp_path: Path, published: Path, gate: Gate) -> None:
    async def run() -> None:
        async with run_exports(tmp_path, at_once=2) as exports:
            created = [exports.create(request, OWNER, None, published) for request in build_requests(5)]
            ids = [job.job_id for job in created]
            assert {job.status for job in created} == {"Pending"}
            await wait_until(
                lambda: {get_job(exports, job_id).status for job_id in ids[:2]} == {"Processing"}
            )
            wanted = ["Processing"] * 2 + ["Pending"] * 3
            assert [get_job(exports, job_id).status for job_id in ids] == wanted
            assert [read_record(tmp_path, job_id).status for job_id in ids] == wanted
            gate.opened.set()
            ended = [await wait_for_end(exports, job_id) for job_id in ids]
            assert {job.status for job in ended} == {"Complete"}
            assert len({job.download.secret for job in ended if job.download}) == 5
            assert [read_record(tmp_path, job_id) for job_id in ids] == ended

    asyncio.run(run())


def test_unfinished_jobs_of_an_owner_are_limited(tmp_path: Path, published: Path, gate: Gate) -> None:
    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            for request in build_requests(UNFINISHED_AT_MOST):
                job = exports.create(request, OWNER, None, published)
            with pytest.raises(TooManyExportsError, match="20 exports have not ended yet"):
                exports.create(build_request(), OWNER, None, published)
            assert len(list_names(tmp_path / "jobs")) == UNFINISHED_AT_MOST
            exports.create(build_request(), "another", None, published)
            gate.opened.set()
            await wait_for_end(exports, job.job_id)
            exports.create(build_request(), OWNER, None, published)

    asyncio.run(run())


def test_jobs_run_in_turns_by_owner(tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(Exports, "_end", lambda exports, job: ran.append(job.owner))

    async def run() -> None:
        async with run_exports(tmp_path, at_once=1) as exports:
            gate = threading.Event()
            exports._threads.submit(gate.wait)
            for request in build_requests(4):
                exports.create(request, "hostile", None, published)
            for request in build_requests(2):
                exports.create(request, "another", None, published)
            gate.set()
            await wait_until(lambda: len(ran) == 6)

    asyncio.run(run())
    assert ran == ["hostile", "another", "hostile", "another", "hostile", "hostile"]


def test_a_repeated_export_of_an_owner_uses_one_file(tmp_path: Path, published: Path) -> None:
    later = tmp_path / "later.duckdb"
    later.hardlink_to(published)

    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            job = exports.create(build_request(), OWNER, None, published)
            assert exports.create(build_request(), OWNER, None, published).job_id == job.job_id
            ended = await wait_for_end(exports, job.job_id)
            assert exports.create(build_request(), OWNER, None, published) == ended
            others = [
                exports.create(build_request(), "another", None, published),
                exports.create(build_request(format="json"), OWNER, None, published),
                exports.create(build_request(), OWNER, None, later),
            ]
            assert len({job.job_id, *(other.job_id for other in others)}) == 4
            (tmp_path / "jobs" / job.job_id / "cost_and_usage.csv").unlink()
            assert exports.create(build_request(), OWNER, None, published).job_id != job.job_id

    asyncio.run(run())


def test_an_export_that_expires_soon_is_not_reused(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = export(tmp_path, published, build_request())
    later = job.created_at + timedelta(hours=23, minutes=1)
    monkeypatch.setattr(clock, "utc_now", lambda: later)
    assert export(tmp_path, published, build_request())[0].job_id != job.job_id


# ---------- limits


def test_the_bytes_of_an_owner_are_limited(tmp_path: Path) -> None:
    database = make_publication(tmp_path / "many.duckdb", CHARGES, COMMITMENTS, MANY)

    async def run() -> None:
        async with run_exports(tmp_path, at_once=1, quota=7_000_000) as exports:
            created = [exports.create(request, OWNER, None, database) for request in build_requests(3)]
            ended = [await wait_for_end(exports, job.job_id) for job in created]
            assert sorted(job.status for job in ended) == ["Complete", "Failed", "Failed"]
            (error,) = {job.error for job in ended if job.error}
            assert error.startswith("the exports of this token may use 7000000 bytes: ")
            sizes = [file.stat().st_size for file in (tmp_path / "jobs").glob("*/*.csv")]
            assert sizes == [job.size for job in ended if job.download] and sizes[0] > 3_500_000
        async with run_exports(tmp_path, quota=1_000_000) as exports:
            with pytest.raises(TooManyExportsError, match="this token has 1 exported files of") as refused:
                exports.create(build_request(format="json"), OWNER, None, database)
            assert 86_000 < refused.value.retry_after <= 86_400
            exports.create(build_request(), "another", None, database)

    asyncio.run(run())


def test_a_running_export_ends_at_the_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: Path
) -> None:
    def write(writer: ExportWriter) -> int:
        (writer.work / "cost_and_usage.csv").write_bytes(b" " * 2000)
        writer.publication.execute(
            "select count(*) from range(1_000_000_000) a, range(1_000_000_000) b where hash(a) = 0"
        )
        return 0

    monkeypatch.setattr(ExportWriter, "write", write)
    monkeypatch.setattr(module, "WATCH_EVERY", 0.01)

    async def run() -> None:
        async with run_exports(tmp_path, quota=1000) as exports:
            job = await wait_for_end(exports, exports.create(build_request(), OWNER, None, published).job_id)
            assert (job.status, job.download) == ("Failed", None)
            assert job.error and job.error.startswith("the exports of this token may use 1000 bytes")
            assert list_names(tmp_path / "jobs" / job.job_id) == {"job.json"}
            exports._floor = 10**18
            with pytest.raises(OSError):
                exports.create(build_request(), OWNER, None, published)

    asyncio.run(run())


def test_exports_leave_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    endless = make_publication(tmp_path / "endless.duckdb", ENDLESS)
    monkeypatch.setattr(module, "WATCH_EVERY", 0.01)

    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            job = exports.create(build_request(), OWNER, None, endless)
            exports._floor = 10**18
            gate.opened.set()
            ended = await wait_for_end(exports, job.job_id)
            assert (ended.status, ended.error) == ("Failed", FULL)
            with pytest.raises(OSError) as error:
                exports.create(build_request(format="json"), OWNER, None, endless)
            assert error.value.errno == errno.ENOSPC
            assert list_names(tmp_path / "jobs") == {job.job_id}

    asyncio.run(run())


def test_files_and_jobs_of_an_owner_are_limited(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_limits, "FILES_AT_MOST", 2)
    monkeypatch.setattr(module, "JOBS_AT_MOST", 5)
    empty = make_publication(tmp_path / "empty.duckdb")

    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            kept = await wait_for_end(exports, exports.create(build_request(), OWNER, None, published).job_id)
            failing = [
                (await wait_for_end(exports, exports.create(request, OWNER, None, empty).job_id)).job_id
                for request in build_requests(9)
            ]
            assert list_names(tmp_path / "jobs") == {kept.job_id, *failing[-4:]}
            assert [bool(exports.find_job(job_id, OWNER)) for job_id in failing] == [False] * 5 + [True] * 4
            await wait_for_end(
                exports, exports.create(build_request(format="json"), OWNER, None, published).job_id
            )
            with pytest.raises(TooManyExportsError, match="this token has 2 exported files"):
                exports.create(build_request(format="parquet"), OWNER, None, published)
        async with run_exports(tmp_path) as exports:
            assert len(exports._jobs.list_of_owner(OWNER)) == 5
        monkeypatch.setattr(module, "JOBS_AT_MOST", 3)
        async with run_exports(tmp_path) as exports:
            await wait_until(
                lambda: len(list_names(tmp_path / "jobs")) == len(exports._jobs.list_of_owner(OWNER)) == 3
            )
            assert kept.download and exports.find_file(kept.download.secret, OWNER)

    asyncio.run(run())


def test_exports_of_some_owners_are_removed_while_a_server_runs(tmp_path: Path, published: Path) -> None:
    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            job = await wait_for_end(exports, exports.create(build_request(), OWNER, None, published).job_id)
            other = exports.create(build_request(), "another", None, published)
            await wait_until(lambda: exports.find_job(other.job_id, "another").completed_at)
            remove_exports(tmp_path, OWNER)
            assert list_names(tmp_path / "jobs") == {other.job_id}
            exports._clean()
            assert exports.find_job(job.job_id, OWNER) is None

    asyncio.run(run())


def test_revoking_a_token_logs_one_line_for_each_running_export(
    tmp_path: Path, published: Path, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> list[str]:
        async with run_exports(tmp_path) as exports:
            jobs = [exports.create(request, OWNER, None, published) for request in build_requests(5)]
            await wait_until(lambda: get_job(exports, jobs[1].job_id).status == "Processing")
            remove_exports(tmp_path, OWNER)
            gate.opened.set()
            await wait_until(lambda: not exports._jobs.list_of_owner(OWNER))
            return [job.job_id for job in jobs]

    with caplog.at_level(logging.INFO):
        ids = asyncio.run(run())
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("api.")]
    assert sorted(lines) == sorted(f"export {job_id} has ended: its token is revoked" for job_id in ids)
    assert not any(record.exc_info for record in caplog.records)


def test_two_servers_cannot_share_an_export_folder(tmp_path: Path) -> None:
    async def run() -> None:
        async with run_exports(tmp_path):
            with pytest.raises(
                OSError, match="another server uses this folder for exports: set FOCUS_API_EXPORT_DIR"
            ):
                await Exports(tmp_path).start()
        async with run_exports(tmp_path):
            pass

    asyncio.run(run())


# ---------- failures and restarts


@pytest.mark.parametrize("file_format", ["csv", "parquet", "json"])
def test_a_full_disk_fails_the_job_and_nothing_else(
    tmp_path: Path,
    file_format: Any,  # noqa: ANN401
) -> None:
    database = make_publication(tmp_path / "many.duckdb", CHARGES, COMMITMENTS, MANY)

    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            with limit_file_size(16_384):
                created = exports.create(build_request(format=file_format), OWNER, None, database)
                job = await wait_for_end(exports, created.job_id)
            assert (job.status, job.error, job.download) == ("Failed", FULL, None)
            assert read_record(tmp_path, job.job_id) == job
            assert list_names(tmp_path / "jobs" / job.job_id) == {"job.json"}
            again = exports.create(build_request(format=file_format), OWNER, None, database)
            assert (await wait_for_end(exports, again.job_id)).record_count == 50_004

    asyncio.run(run())


def test_a_job_that_cannot_be_written_is_not_created(tmp_path: Path, published: Path) -> None:
    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            with limit_file_size(0), pytest.raises(OSError) as error:
                exports.create(build_request(), OWNER, None, published)
            assert error.value.errno == errno.EFBIG
            with pytest.raises(FileNotFoundError):
                exports.create(build_request(), OWNER, None, tmp_path / "none.duckdb")
            assert list_names(tmp_path / "jobs") == set()

    asyncio.run(run())


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_job_whose_state_cannot_be_written_fails_and_runs_again_after_a_restart(
    tmp_path: Path, published: Path, gate: Gate, is_begun: bool
) -> None:
    async def run() -> None:
        async with run_exports(tmp_path, at_once=1) as exports:
            jobs = [exports.create(request, OWNER, None, published) for request in build_requests(2)]
            job = jobs[
                not is_begun
            ]  # the first record to be written then is its end, or its state Processing
            await wait_until(lambda: read_record(tmp_path, jobs[0].job_id).status == "Processing")
            with limit_file_size(0):
                gate.opened.set()
                ended = [await wait_for_end(exports, job.job_id) for job in jobs]
            assert [(job.status, job.error) for job in ended] == [("Failed", FULL)] * 2
            assert read_record(tmp_path, job.job_id).status == ("Processing" if is_begun else "Pending")
        async with run_exports(tmp_path) as exports:
            assert (await wait_for_end(exports, job.job_id)).record_count == 4

    asyncio.run(run())


def test_a_publication_that_cannot_be_read_fails_the_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"no database" * 1000)
    empty = make_publication(tmp_path / "empty.duckdb")

    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            for database in (broken, empty):
                created = exports.create(build_request(), OWNER, None, database)
                job = await wait_for_end(exports, created.job_id)
                assert (job.status, job.error, job.record_count) == ("Failed", BROKEN, None)

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert "not a valid DuckDB database file" in caplog.text
    assert "cost_and_usage does not exist" in caplog.text


def test_a_job_that_is_stopped_is_run_again_on_the_same_publication(tmp_path: Path, published: Path) -> None:
    endless = make_publication(tmp_path / "endless.duckdb", ENDLESS)

    async def run() -> None:
        async with run_exports(tmp_path, at_once=1) as exports:
            job_id = exports.create(build_request(), OWNER, frozenset({"acme"}), endless).job_id
            waiting = exports.create(build_request(), OWNER, None, published).job_id
            await wait_until(lambda: exports._connections)
        assert read_record(tmp_path, job_id).status == "Processing"
        assert read_record(tmp_path, waiting).status == "Pending"
        kept = tmp_path / "jobs" / job_id / "publication.duckdb"
        assert kept.samefile(endless)
        kept.unlink()
        kept.hardlink_to(published)
        published.unlink()
        async with run_exports(tmp_path) as exports:
            job = await wait_for_end(exports, job_id)
            assert (job.record_count, job.publication_id, job.owner) == (3, "published", OWNER)
            assert (await wait_for_end(exports, waiting)).record_count == 4

    asyncio.run(run())


@pytest.mark.parametrize(
    ("death", "state"),
    [
        ("os.rename job.json 2", "Pending"),
        ("os.rename focus_export.zip 1!", "Processing"),
        ("os.rename focus_export.zip 1", "Processing"),
        ("os.rename job.json 3", "Processing"),
        ("os.remove publication.duckdb 1", "Complete"),
    ],
)
def test_a_job_of_a_killed_server_completes_with_one_whole_file(
    tmp_path: Path, death: str, state: str
) -> None:
    database = make_publication(tmp_path / "many.duckdb", CHARGES, COMMITMENTS, MANY)
    with run_killed(tmp_path, database, death) as server:
        assert server.stdout
        server.stdout.readline()  # it has created the job, and may have died since
        (job_id,) = list_names(tmp_path / "jobs")
        folder = tmp_path / "jobs" / job_id
        if death.endswith("!"):  # as soon as a part of it is written
            while not any(file.stat().st_size for file in (folder / ".work").glob("*cost_and_usage.csv")):
                time.sleep(0.001)
            server.kill()
    assert server.returncode == -9
    assert read_record(tmp_path, job_id).status == state
    database.unlink()

    async def run() -> None:
        async with run_exports(tmp_path) as exports:
            job = await wait_for_end(exports, job_id)
            assert (job.status, job.record_count) == ("Complete", 50_005)
            await wait_until(lambda: list_names(folder) == {"job.json", "focus_export.zip"})
            with zipfile.ZipFile(folder / "focus_export.zip") as archive:
                assert (
                    archive.read("cost_and_usage.csv").count(b"\n") == 50_007
                )  # one line break is within a text

    asyncio.run(run())


def test_a_server_killed_before_it_stored_a_job_leaves_no_files(tmp_path: Path, published: Path) -> None:
    with run_killed(tmp_path, published, "os.rename job.json 1") as server:
        assert server.communicate()[0] == ""
    assert len(list_names(tmp_path / "jobs")) == 1
    asyncio.run(start_and_stop(tmp_path))
    assert list_names(tmp_path / "jobs") == set()


def test_an_unreadable_job_record_is_removed_and_logged(
    tmp_path: Path, published: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, _ = export(tmp_path, published, build_request())
    bad, file = export(tmp_path, published, build_request(format="json"))
    (file.parent / "job.json").write_text('{"job_id": 1}')
    asyncio.run(start_and_stop(tmp_path))
    assert list_names(tmp_path / "jobs") == {good.job_id}
    assert f"export {bad.job_id} cannot be read: it is removed" in caplog.text


async def start_and_stop(folder: Path) -> None:
    """Start and stop."""
    async with run_exports(folder):
        pass


@contextmanager
def run_killed(folder: Path, database: Path, death: str) -> Iterator[subprocess.Popen[str]]:
    """Run a server in its own process, which dies within the block or at its end."""
    command = [sys.executable, "-m", "tests.api.killed_exports", str(folder), str(database), death]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        yield server
        server.wait(60)


def test_a_link_in_place_of_the_jobs_folder_keeps_its_target(tmp_path: Path) -> None:
    (tmp_path / "outside" / "ledgers").mkdir(parents=True)
    (tmp_path / "outside" / "ledgers" / "2025.txt").write_text("not to be lost")
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "jobs").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="is a symbolic link: remove it"):
        asyncio.run(start_and_stop(tmp_path / "exports"))
    assert (tmp_path / "outside" / "ledgers" / "2025.txt").exists()


def test_a_link_among_the_jobs_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "outside" / "ledgers").mkdir(parents=True)
    (tmp_path / "exports" / "jobs").mkdir(parents=True)
    (tmp_path / "exports" / "jobs" / "job").symlink_to(tmp_path / "outside")
    asyncio.run(start_and_stop(tmp_path / "exports"))
    assert (tmp_path / "outside" / "ledgers").exists()
