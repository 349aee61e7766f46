"""The whole server: access, addresses, and an Error for every error."""

import http.client
import json
import logging
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from api import publications
from api.access import BUCKETS, Buckets
from api.app import Service
from api.errors import LARGEST_BODY
from api.settings import RateLimit
from tests.api.serving import Served, publish_small, serving

EXPORT = {"billingPeriodStart": "2026-01-01T00:00:00Z", "billingPeriodEnd": "2026-02-01T00:00:00Z"}
GUARDED = [
    "/cost-and-usage",
    "/contract-commitments",
    "/schema",
    "/cost-and-usage/export/x",
    "/downloads/x/y",
    "/x",
]


def error(answer: httpx.Response) -> dict[str, str]:
    """Return the Error of a response."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) <= {"code", "message", "details"}
    assert all(isinstance(text, str) and text for text in body.values())
    return body


def raw(served: Served, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes that no client library would send. Return status, headers and body."""
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=120) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


# ------------------------------------------------------------------------------------------------ access


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
def test_a_request_without_a_token_is_a_401(small: Served, path: str, method: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": f"Basic {small.token}"},
        {"X-API-Key": "x"},
    ):
        answer = httpx.request(method, small.url + path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="focus"'
        if method != "HEAD":
            assert error(answer)["code"] == "unauthorized"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "X-API-Key", "x-api-key"])
def test_a_token_can_be_sent_in_two_headers(small: Served, name: str) -> None:
    values = (
        [small.token] if name.lower() == "x-api-key" else [f"Bearer {small.token}", f"bearer {small.token}"]
    )
    for value in values:
        assert httpx.get(f"{small.url}/schema", headers={name: value}).status_code == 200


def test_a_token_in_the_query_string_is_refused(small: Served) -> None:
    assert httpx.get(f"{small.url}/schema", params={"X-API-Key": small.token}).status_code == 401


def test_health_and_documentation_need_no_token(small: Served) -> None:
    health = httpx.get(small.url.removesuffix("/focus/v1") + "/health")
    assert health.json()["status"] == "ok"
    assert set(health.json()) == {"status", "publishedAt"}
    assert httpx.get(f"{small.url}/openapi.json").json()["openapi"] == "3.1.0"
    assert "<h1>" in httpx.get(f"{small.url}/docs").text


def test_requests_of_a_token_are_limited(tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    limited = serving(tmp_path / "published", tmp_path, RateLimit(3, 3600))
    with limited as served, served.client() as api, served.limited_to("other", "acme") as other:
        assert [api.get("/schema").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        refused = api.get("/cost-and-usage")
        assert error(refused)["code"] == "rate_limited"
        assert 0 < int(refused.headers["retry-after"]) <= 1200
        assert other.get("/schema").status_code == 200


def test_records_that_a_token_reads_are_limited(tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    limited = serving(tmp_path / "published", tmp_path, row_rate_limit=RateLimit(150, 3600))
    with limited as served, served.client() as api, served.limited_to("other", "acme") as other:
        sizes = [{"pageSize": size} for size in ("100", "40", "11", "10")]
        assert [api.get("/cost-and-usage", params=size).status_code for size in sizes] == [200, 200, 429, 200]
        refused = api.get("/cost-and-usage", params={"pageSize": "1"})
        assert error(refused)["code"] == "rate_limited"
        assert 0 < int(refused.headers["retry-after"]) <= 24
        few = [other.get("/cost-and-usage", params={"pageSize": "100"}) for _ in range(9)]
        assert [page.status_code for page in few] == [200] * 9  # of 2 records each
        assert api.head("/cost-and-usage").status_code == 200


def test_a_page_larger_than_the_limit_of_records_uses_up_the_limit(tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    limited = serving(tmp_path / "published", tmp_path, row_rate_limit=RateLimit(2, 3600))
    with limited as served, served.client() as api:
        pages = [api.get("/cost-and-usage", params={"pageSize": "100"}).status_code for _ in range(3)]
        assert pages == [200, 429, 429]


def test_requests_without_a_valid_token_count_together(tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    limited = serving(tmp_path / "published", tmp_path, RateLimit(3, 3600))
    with limited as served, served.client() as api:
        guesses = [httpx.get(f"{served.url}/schema", headers={"X-API-Key": str(n)}) for n in range(5)]
        assert [guess.status_code for guess in guesses] == [401, 401, 401, 429, 429]
        assert api.get("/schema").status_code == 200


def test_full_buckets_are_removed() -> None:
    now = 0.0
    buckets = Buckets(RateLimit(1, 1), lambda: now)
    for number in range(BUCKETS):
        assert buckets.take(str(number), 1) == 0
    now = 2.0
    assert buckets.take("last", 1) == 0
    assert set(buckets.buckets) == {"last"}


def test_an_unreadable_tokens_file_refuses_every_token(tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    with serving(tmp_path / "published", tmp_path) as served, served.client() as api:
        served.settings.tokens_file.write_text("{")
        answer = api.get("/schema")
        assert (answer.status_code, error(answer)["code"]) == (503, "no_tokens")


# ------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "path",
    ["/", "/x", "/cost-and-usage/", "/cost-and-usage/export/", "//schema", "/schema/%2e%2e", "/%00", "/%FF"],
)
def test_an_unknown_address_is_a_404(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, error(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/cost-and-usage", {"GET", "HEAD"}),
        ("DELETE", "/schema", {"GET", "HEAD"}),
        ("OPTIONS", "/schema", {"GET", "HEAD"}),
        ("GET", "/cost-and-usage/export", {"POST"}),
        ("HEAD", "/cost-and-usage/export", {"POST"}),
        ("QUERY", "/cost-and-usage/export/x", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_a_405_with_the_allowed_methods(
    api: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = api.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed
    if method != "HEAD":
        assert error(answer)["code"] == "method_not_allowed"


def test_head_returns_only_headers(api: httpx.Client) -> None:
    answer = api.head("/cost-and-usage")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/json"
    assert "content-length" not in answer.headers  # the page is not read
    assert api.head("/cost-and-usage", params={"pageSize": "0"}).status_code == 400


@pytest.mark.parametrize("path", ["/schema", "/cost-and-usage/export/x", "/downloads/x/y"])
def test_unknown_parameters_are_refused(api: httpx.Client, path: str) -> None:
    answer = api.get(path, params={"x": "1"})
    assert (answer.status_code, error(answer)["code"]) == (400, "invalid_parameter")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body must be JSON"),
        (b"{", "the body must be JSON"),
        (b"[]", "the body must be JSON"),
        (b"null", "the body must be JSON"),
        (b"\xff\xfe", "the body must be JSON"),
        (b"[" * 60_000, "the body must be JSON"),
        (b'{"a": ' * 10_000, "the body must be JSON"),
        (b"{}", "the body must be JSON"),
        (json.dumps(EXPORT | {"format": "xml"}).encode(), "the body must be JSON"),
        (json.dumps(EXPORT | {"format": None}).encode(), "the body must be JSON"),
        (json.dumps(EXPORT | {"includeContractCommitments": "true"}).encode(), "the body must be JSON"),
        (json.dumps(EXPORT | {"billingPeriodStart": 0}).encode(), "the body must be JSON"),
        (json.dumps(EXPORT | {"billingPeriodStart": "2026-01-01"}).encode(), "billingPeriodStart must be"),
    ],
)
def test_the_error_for_an_invalid_body_lists_what_is_allowed(
    api: httpx.Client, body: bytes, message: str
) -> None:
    answer = api.post("/cost-and-usage/export", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert error(answer)["code"] == "invalid_parameter"
    assert answer.json()["message"].startswith(message)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_a_body_that_is_not_json_is_a_415(api: httpx.Client, kind: str) -> None:
    answer = api.post("/cost-and-usage/export", content=json.dumps(EXPORT), headers={"Content-Type": kind})
    assert (answer.status_code, error(answer)["code"]) == (415, "unsupported_media_type")


def test_a_body_that_is_too_large_is_a_413(api: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (b" " * (LARGEST_BODY + 1), (b" " * 60_000 for _ in range(2))):
        answer = api.post("/cost-and-usage/export", content=content, headers=headers)
        assert (answer.status_code, error(answer)["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /focus/v1/schema HTTP/1.1\r\nHost: a\r\nX\xff: \x00\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\nHost: a\n\n",
        b"GET /health HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n\n",
        b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 5\r\n\r\n",
    ],
)
def test_an_invalid_http_request_is_a_json_error(small: Served, request_bytes: bytes) -> None:
    status, headers, body = raw(small, request_bytes)
    assert (status, json.loads(body)["code"]) == (400, "invalid_request")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["connection"] == "close"


def test_a_body_can_contain_line_feeds_and_header_names(small: Served) -> None:
    body = b'{\n"content-length: 3\nTransfer-Encoding: chunked"\n\n'
    head = f"POST /focus/v1/cost-and-usage/export HTTP/1.1\r\nHost: a\r\nX-API-Key: {small.token}\r\n"
    content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    status, _, answer = raw(small, (head + content).encode() + body)
    assert (status, json.loads(answer)["code"]) == (400, "invalid_parameter")


def test_an_internal_error_is_only_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Service, *_: object) -> bytes:
        raise RuntimeError("something private")

    monkeypatch.setattr(Service, "read_schema", broken)
    publish_small(tmp_path / "published")
    with serving(tmp_path / "published", tmp_path) as served, served.client() as api:
        answer = api.get("/schema")
        assert (answer.status_code, error(answer)["code"]) == (500, "internal_error")
        assert "private" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert api.get("/cost-and-usage").status_code == 200
    assert "something private" in caplog.text


def test_without_a_publication_the_answer_is_a_503_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "LOOK_EVERY", 0.0)
    with serving(tmp_path / "published", tmp_path) as served, served.client() as api:
        for answer in (
            api.get("/schema"),
            api.get("/cost-and-usage"),
            api.get("/openapi.json"),
            api.get("/docs"),
        ):
            assert (answer.status_code, error(answer)["code"]) == (503, "not_published")
        assert api.post("/cost-and-usage/export", json=EXPORT).status_code == 503
        publish_small(tmp_path / "published")
        assert api.get("/schema").status_code == 200


# ---------------------------------------------------------------------------------------- headers and log


def test_every_answer_has_the_security_headers(small: Served, api: httpx.Client) -> None:
    answers = [
        api.get("/schema"),
        api.get("/x"),
        api.post("/schema"),
        api.get("/docs"),
        httpx.get(f"{small.url}/schema"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


def test_the_log_contains_no_token_and_no_parameter(small: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with small.client() as api:
        api.get("/cost-and-usage", params={"region": "somewhere"})
        api.get(f"/{small.token}")
        api.get("/schema", headers={"Authorization": "Bearer guessed"})
        api.get("/downloads/guessed/guessed.csv")
    lines: list[Any] = []
    while not lines or "downloads" not in str(lines[-1]["path"]):  # a line follows its response
        records = [record for record in caplog.records if record.name == "api.access"]
        lines = [json.loads(record.getMessage()) for record in records]
    assert [(line["method"], line["path"], line["status"], line["token"]) for line in lines[-4:]] == [
        ("GET", "/focus/v1/cost-and-usage", 200, "everything"),
        ("GET", None, 404, "everything"),
        ("GET", None, 401, None),
        ("GET", "/focus/v1/downloads/{secret}/{fileName}", 404, "everything"),
    ]
    ours = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith(("api", "uvicorn"))
    )
    for secret in (small.token, "guessed", "somewhere"):
        assert secret not in ours


# ------------------------------------------------------------------------------------------------ exports


def run_export(api: httpx.Client, **fields: object) -> dict[str, Any]:
    """Run an export to its end. Return the job."""
    answer = api.post("/cost-and-usage/export", json=EXPORT | fields)
    assert answer.status_code == 202
    job = answer.json()
    assert {"jobId", "status", "createdAt"} <= set(job)
    while job["status"] in ("Pending", "Processing"):
        time.sleep(0.01)
        job = api.get(f"/cost-and-usage/export/{job['jobId']}").json()
    return job


def test_a_publication_of_an_older_version_has_no_focus_1_4(api: httpx.Client) -> None:
    for answer in (
        api.get("/schema", params={"focusVersion": "1.4"}),
        api.post("/cost-and-usage/export", json=EXPORT | {"focusVersion": "1.4"}),
    ):
        message = "the publication has no datasets of FOCUS 1.4: run dbt build"
        assert (answer.status_code, answer.json()) == (503, {"code": "not_published", "message": message})
    assert api.get("/schema", params={"focusVersion": "1.3"}).json() == api.get("/schema").json()


def test_an_export_of_another_focus_version_is_refused(api: httpx.Client) -> None:
    answer = api.post("/cost-and-usage/export", json=EXPORT | {"focusVersion": "1.2"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert 'focusVersion ("1.3" or "1.4")' in answer.json()["message"]


def test_an_export_can_be_created_polled_and_downloaded(small: Served) -> None:
    with small.client() as api, small.limited_to("limited", "studio") as limited:
        job = run_export(api)
        assert (job["status"], job["recordCount"]) == ("Complete", 1)
        assert job["downloadUrl"].startswith(small.url + "/downloads/")
        file = api.get(job["downloadUrl"])
        assert file.status_code == 200
        assert file.headers["content-disposition"] == 'attachment; filename="cost_and_usage.csv"'
        assert len(file.text.splitlines()) == 2
        part = api.get(job["downloadUrl"], headers={"Range": "bytes=0-9"})
        assert (part.status_code, part.content) == (206, file.content[:10])
        beyond = api.get(job["downloadUrl"], headers={"Range": "bytes=999999-"})
        assert (beyond.status_code, error(beyond)["code"]) == (416, "range_not_satisfiable")
        assert file.headers["content-type"] == "text/csv; charset=utf-8"
        for nonsense in ("x", "bytes", "bytes=", "lines=1-2", "bytes=5-2"):
            assert api.get(job["downloadUrl"], headers={"Range": nonsense}).content == file.content
        for url in (job["downloadUrl"] + "x", f"/cost-and-usage/export/{job['jobId']}x"):
            assert api.get(url).status_code == 404
        for url in (job["downloadUrl"], f"/cost-and-usage/export/{job['jobId']}"):
            assert limited.get(url).status_code == 404
        assert httpx.get(job["downloadUrl"]).status_code == 401
        for fields, kind in (
            ({"format": "json"}, "application/x-ndjson"),
            ({"format": "parquet"}, "application/vnd.apache.parquet"),
        ):
            assert api.head(run_export(api, **fields)["downloadUrl"]).headers["content-type"] == kind
        assert run_export(limited)["recordCount"] == 0


def test_an_export_belongs_to_a_token_with_its_billing_accounts(small: Served) -> None:
    with small.limited_to("narrowed", "acme", "studio") as api:
        url = run_export(api)["downloadUrl"]
        assert api.get(url).status_code == 200
        file = small.settings.tokens_file
        content = file.read_text()
        assert '"acme","studio"' in content
        file.write_text(content.replace('"acme","studio"', '"studio"'))
        assert api.get("/schema").status_code == 200
        assert api.get(url).status_code == 404
        file.write_text(content)
        assert api.get(url).status_code == 200
