"""Compressed responses."""

import gzip

import httpx
import pytest

from tests.api.serving import Served
from tests.api.test_app import run_export

ACCEPTED = ["gzip", "gzip, deflate, br", "br;q=1, gzip;q=0.1"]
REFUSED = ["identity", "br", "gzip;q=0", "GZIP; q=0.000, br", ""]


def raw(api: httpx.Client, path: str, accepted: str, method: str = "GET") -> tuple[httpx.Headers, bytes]:
    """Return the headers of a response, and its body as it was sent."""
    with api.stream(method, path, headers={"Accept-Encoding": accepted}) as answer:
        assert answer.status_code == 200
        return answer.headers, b"".join(answer.iter_raw())


@pytest.mark.parametrize("accepted", ACCEPTED)
@pytest.mark.parametrize("path", ["/cost-and-usage", "/openapi.json", "/docs"])
def test_an_answer_is_compressed_for_a_client_that_accepts_it(
    api: httpx.Client, path: str, accepted: str
) -> None:
    headers, body = raw(api, path, accepted)
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Accept-Encoding")
    assert int(headers["content-length"]) == len(body)
    plain = api.get(path, headers={"Accept-Encoding": "identity"}).content
    assert gzip.decompress(body) == plain
    assert len(body) < len(plain) / 2
    head, nothing = raw(api, path, accepted, "HEAD")
    assert (head["content-encoding"], head["vary"], nothing) == ("gzip", "Accept-Encoding", b"")


@pytest.mark.parametrize("accepted", REFUSED)
def test_an_answer_is_not_compressed_for_other_clients(api: httpx.Client, accepted: str) -> None:
    headers, body = raw(api, "/cost-and-usage", accepted)
    assert "content-encoding" not in headers
    assert headers["vary"] == "Accept-Encoding"
    assert body.startswith(b'{"data":[')


@pytest.mark.parametrize("file_format", ["csv", "json", "parquet"])
def test_a_download_is_not_compressed(small: Served, file_format: str) -> None:
    with small.client() as api:
        period = {"billingPeriodStart": "2026-01-01T00:00:00Z", "billingPeriodEnd": "2026-12-01T00:00:00Z"}
        url = run_export(api, format=file_format, **period)["downloadUrl"]
        headers, body = raw(api, url, "gzip")
        assert "content-encoding" not in headers
        assert int(headers["content-length"]) == len(body) > 1000
        part = api.get(url, headers={"Accept-Encoding": "gzip", "Range": "bytes=10-1009"})
        assert (part.status_code, part.content) == (206, body[10:1010])
        assert part.headers["etag"] == headers["etag"]
