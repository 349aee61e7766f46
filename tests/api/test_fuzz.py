"""Random input: every response is valid or an Error, and published values do not change."""

import json
import logging
import re
import socket
from collections.abc import Iterator
from decimal import Decimal
from http.client import HTTPResponse
from itertools import count
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import duckdb
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from api import publications
from api.queries import CONTRACT_COMMITMENTS, COST_AND_USAGE
from publishing import publish
from publishing.changes import Definitions
from tests.api.serving import MARTS, VIEWS, Served, serving
from tests.api.test_app import EXPORT, error, run_export

pytestmark = pytest.mark.slow

# the same examples every time, without a deadline; all examples use one server
FUZZED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NASTY = st.sampled_from(
    [
        "",
        "'",
        '"',
        "''",
        ";",
        "\0",
        "\\",
        "%",
        "?",
        "$1",
        "' or true --",
        "'; drop table focus.cost_and_usage; --",
        "' union select * from focus.publication --",
        'BilledCost" from focus.cost_and_usage --',
        "record_number",
        "a" * 8000,
        "\ud7ff\ue000\uffff\U0010ffff",
        "é" * 500,
        "１",
        "-1",
        "1e3",
        "null",
        "2026-01-01T00:00:00Z",
        "9999-12-31T23:59:60-23:59",
        "../../etc/passwd",
    ]
)
TEXTS = NASTY | st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
LISTS = {"/cost-and-usage": COST_AND_USAGE, "/contract-commitments": CONTRACT_COMMITMENTS}
# by filter: the values that occur, and their number of records
KNOWN = {
    "providerName": {"fal": 103},
    "serviceName": {"GPU": 102, 'say "hi"\n' + "\0" + "\\ ü 😀": 1},
    "serviceCategory": {"Compute": 103},
    "region": {"eu": 1, "us": 101},
    "resourceId": {"a": 102, "b": 1},
    "subAccountId": {"team": 102},
    "billingCurrency": {"USD": 103},
}
PAGING = ("pageSize", "pageToken", "columns")
TIMES = st.datetimes(timezones=st.timezones()).map(str) | st.sampled_from(
    ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00+01:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60Z"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=5,
)
HEADERS = [
    "Accept",
    "Authorization",
    "Content-Type",
    "Cookie",
    "Expect",
    "Host",
    "If-Range",
    "Origin",
    "Range",
    "Upgrade",
    "X-API-Key",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
]
HEADER_VALUES = (
    st.sampled_from(
        [
            b"[",
            b"[::1",
            b"a:b",
            b":",
            b"a\\b",
            b"a@b/c?d#e",
            b"100-continue",
            b"websocket",
            b"Bearer",
            b"Bearer \xff",
        ]
    )
    | st.binary(max_size=50)
    | TEXTS.map(str.encode)
)


@pytest.fixture
def nothing_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that the server logs no error.

    Errors of exports are expected: the small publication lacks the commitments that they write.
    """
    caplog.set_level(logging.ERROR)
    yield
    assert [record for record in caplog.get_records("call") if record.name != "api.exports"] == []


def check_answer(answer: httpx.Response) -> int:
    """Return the status of a response. Check that it is below 500, and that an error is an Error."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        error(answer)
        assert not re.search(r"\b(duckdb|binder|parser|conversion) error", answer.text, re.IGNORECASE)
    return answer.status_code


# ------------------------------------------------------------------------------------------ requests


@FUZZED
@given(
    st.sampled_from(sorted(LISTS)),
    st.dictionaries(
        st.sampled_from([*COST_AND_USAGE.filters, *CONTRACT_COMMITMENTS.filters, *PAGING]) | TEXTS,
        TEXTS,
        min_size=1,
        max_size=4,
    ),
)
def test_any_parameters_get_an_answer(
    nothing_fails: None, api: httpx.Client, path: str, parameters: dict[str, str]
) -> None:
    status = check_answer(api.get(f"{path}?{urlencode(parameters)}"))
    assert status in (200, 400)
    if parameters.keys() - LISTS[path].filters.keys() - set(PAGING):
        assert status == 400


@FUZZED
@given(st.data(), st.sampled_from(sorted(KNOWN)))
def test_a_filter_matches_exactly_its_text(
    nothing_fails: None, api: httpx.Client, data: st.DataObject, name: str
) -> None:
    value = data.draw(TEXTS | st.sampled_from(sorted(KNOWN[name])))
    answer = api.get("/cost-and-usage", params={name: value, "pageSize": "1"})
    assert check_answer(answer) == 200
    assert answer.json()["totalRecords"] == KNOWN[name].get(value, 0)


@FUZZED
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "billingPeriodStart": TIMES,
            "billingPeriodEnd": TIMES,
            "format": st.sampled_from(["csv", "parquet"]) | JSON,
            "includeContractCommitments": JSON,
            "another": JSON,
        },
    )
    | JSON
)
def test_any_body_gets_an_answer(nothing_fails: None, api: httpx.Client, body: object) -> None:
    answer = api.post(
        "/cost-and-usage/export", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert check_answer(answer) in (202, 400, 429)


@pytest.fixture
def job(small: Served) -> str:
    """Run an export. Return the address of its status, whose response contains an address of the server."""
    with small.client() as api:
        return f"/focus/v1/cost-and-usage/export/{run_export(api)['jobId']}"


@FUZZED
@given(
    st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "BREW"]),
    st.sampled_from(["/focus/v1/cost-and-usage", "/focus/v1/cost-and-usage/export", "/focus/v1/docs", "job"])
    | TEXTS.map(lambda text: f"/focus/v1/downloads/{quote(text)}/x")
    | TEXTS.map(lambda text: f"/{quote(text, safe='/?&=;')}"),
    st.dictionaries(st.sampled_from(HEADERS), HEADER_VALUES, max_size=3),
)
def test_any_headers_and_address_get_an_answer(
    nothing_fails: None, small: Served, job: str, method: str, target: str, headers: dict[str, bytes]
) -> None:
    sent = {"Host": b"localhost", "Authorization": f"Bearer {small.token}".encode()} | headers
    body = json.dumps(EXPORT).encode() if method == "POST" else b""
    lines = [f"{method} {job if target == 'job' else target} HTTP/1.1".encode()]
    lines += [name.encode() + b": " + value for name, value in sent.items()]
    lines += [b"Content-Length: %d" % len(body), b"Connection: close", b"", body]
    parts = urlsplit(small.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=120) as connection:
        connection.sendall(b"\r\n".join(lines))
        answer = HTTPResponse(connection, method=method)
        answer.begin()
        response = httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())
    if method != "HEAD":
        check_answer(response)
    assert response.status_code < 500


# -------------------------------------------------------------------------------------- published values


def generate_numbers(digits: int, decimals: int) -> st.SearchStrategy[Decimal]:
    """Return all values of the type decimal(digits, decimals)."""
    most = 10**digits - 1
    return st.integers(-most, most).map(lambda number: Decimal(f"{number}e-{decimals}"))


COLUMNS = {
    "decimal(38, 18)": generate_numbers(38, 18),
    "decimal(38, 9)": generate_numbers(38, 9),
    "decimal(38, 0)": generate_numbers(38, 0),
    "decimal(38, 37)": generate_numbers(38, 37),
    "decimal(18, 4)": generate_numbers(18, 4),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "varchar": TEXTS,
}


def parse_plain(number: str) -> Decimal:
    """Check that a number in JSON has a decimal point, no exponent and no needless zeros. Return it."""
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)\.([0-9]*[1-9]|0)", number)
    return Decimal(number)


def test_numbers_and_texts_are_unchanged_in_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "LOOK_EVERY", 0.0)
    published = tmp_path / "published"
    names = [f"Column{position}" for position in range(len(COLUMNS))]
    publication_ids = (f"number_{number}" for number in count())

    @settings(FUZZED, max_examples=15, phases=[Phase.generate])  # shrinking takes minutes
    @given(st.lists(st.tuples(*(st.none() | values for values in COLUMNS.values())), min_size=1, max_size=60))
    def publish_and_read(rows: list[tuple[object, ...]]) -> None:
        with duckdb.connect() as warehouse:
            warehouse.execute("create schema focus")
            for mart, query in MARTS.items():
                warehouse.execute(f"create table {mart} as {query}")
            typed = ", ".join(f"{name} {kind}" for name, kind in zip(names, COLUMNS, strict=True))
            warehouse.execute(f"create or replace table focus.cost_and_usage (Tags varchar, {typed})")
            # as texts, so that only the server could make floats of them
            texts = [
                [
                    None if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)
                    for value in row
                ]
                for row in rows
            ]
            places = ", ".join("?" for _ in names)
            warehouse.executemany(f"insert into focus.cost_and_usage values (null, {places})", texts)
            definitions = Definitions({mart: mart for mart in MARTS}, VIEWS)
            publish(warehouse, published, definitions, next(publication_ids))
        records = json.loads(api.get("/cost-and-usage").text, parse_float=parse_plain)["data"]
        assert [tuple(record.get(name) for name in names) for record in records] == rows

    with serving(published, tmp_path) as served, served.client() as api:
        publish_and_read()
