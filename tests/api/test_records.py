"""Records over HTTP: the content of pages, and walks through all of them."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from api import publications, queries
from api import records as module
from tests.api.serving import MARTS, MORE, Served, publish_small, serving

ALL = MORE + 3


def get(api: httpx.Client, path: str = "/cost-and-usage", **parameters: object) -> dict[str, Any]:
    """Return a response with exact numbers."""
    answer = api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text, parse_float=Decimal)


def code(api: httpx.Client, path: str = "/cost-and-usage", **parameters: object) -> str:
    """Return the code of a response, which must be a 400."""
    answer = api.get(path, params=parameters)
    assert answer.status_code == 400, answer.text
    return answer.json()["code"]


def walk(api: httpx.Client, **parameters: object) -> list[dict[str, Any]]:
    """Return all records, read page by page."""
    page = get(api, **parameters)
    records = page["data"]
    while token := page.get("nextPageToken"):
        page = get(api, **parameters, pageToken=token)
        assert page["data"]
        records += page["data"]
    return records


def test_a_large_page_is_sent_in_pieces_and_equals_the_small_pages(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = api.get("/cost-and-usage", params={"pageSize": ALL})
    assert int(whole.headers["content-length"]) > 0
    for piece in (1, 50, ALL - 1):
        monkeypatch.setattr(module, "PIECE", piece)
        chunked = api.get("/cost-and-usage", params={"pageSize": ALL})
        assert chunked.headers["transfer-encoding"] == "chunked"
        assert chunked.content == whole.content
    monkeypatch.setattr(module, "PIECE", 7)
    assert walk(api, pageSize=20) == json.loads(whole.text, parse_float=Decimal)["data"]
    assert get(api, pageSize=1, region="none")["data"] == []


class Piece(bytes):
    """A piece of a page that counts how many exist."""

    alive = 0

    def __new__(cls, content: bytes) -> "Piece":
        """Return a counted piece."""
        cls.alive += 1
        return super().__new__(cls, content)

    def __del__(self) -> None:
        """Count one less."""
        Piece.alive -= 1


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_sent_piece_is_not_held_while_the_next_one_waits(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    held = []
    read = module.RecordReader.read

    def read_piece(reader: module.RecordReader, after: int, last: int, start: str, end: str) -> Piece:
        held.append(Piece.alive)
        return Piece(read(reader, after, last, start, end))

    monkeypatch.setattr(module, "PIECE", 7)
    monkeypatch.setattr(module.RecordReader, "read", read_piece)
    api.get("/cost-and-usage", params={"pageSize": 28}, headers={"Accept-Encoding": encoding})
    assert held == [0, 0, 0, 0]


def test_a_page_that_needs_too_much_memory_at_once_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(publications.CONFIG, "memory_limit", "40MB")
    charges = MARTS["focus.cost_and_usage"]
    names = ", ".join(f"repeat('{name}', 50000) || BilledCost as Name{name}" for name in "abcd")
    long = MARTS | {"focus.cost_and_usage": f"select *, {names} from ({charges})"}
    publish_small(tmp_path / "published", marts=long)
    with serving(tmp_path / "published", tmp_path) as served, served.client() as api:
        whole = api.get("/cost-and-usage")
        assert whole.status_code == 200, whole.text
        records = json.loads(whole.text, parse_float=Decimal)["data"]
        assert len(records) == ALL
        assert records == walk(api, pageSize=10)


def test_a_record_that_needs_too_much_memory_is_a_503(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read_rows, full_after = queries.read_rows, 0

    def fail(*arguments: Any) -> str:  # noqa: ANN401
        if arguments[-1] > full_after:
            raise duckdb.OutOfMemoryException
        return read_rows(*arguments)

    monkeypatch.setattr(queries, "read_rows", fail)
    monkeypatch.setattr(module, "PIECE", 10)
    answer = api.get("/cost-and-usage")
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert answer.headers["retry-after"] == "1"
    full_after = 50
    with pytest.raises(httpx.RemoteProtocolError):  # the first pieces were sent
        api.get("/cost-and-usage")
    assert "a response ended early: the server has too little memory" in caplog.text
    assert "Traceback" not in caplog.text


def test_numbers_texts_and_times_are_exact(api: httpx.Client) -> None:
    text = api.get("/cost-and-usage", params={"pageSize": 3}).text
    assert '"BilledCost":12345678901234567890.000000000000000001,' in text
    assert '"Tags":{"a": 0.1000000000000000055511151231257827}' in text
    first, second, third = json.loads(text, parse_float=Decimal)["data"]
    assert first["BilledCost"] == Decimal("12345678901234567890.000000000000000001")
    assert (first["Whole"], second["Whole"], third["Whole"]) == (100, 0, -1200)
    assert second["ServiceName"] == 'say "hi"\n' + "\0" + "\\ ü 😀"
    assert second["BilledCost"] == Decimal("-0.5")
    assert first["Moment"] == "2026-01-01T00:00:00.000001Z"
    assert second["Moment"] == "2026-02-01T12:00:00Z"
    assert (first["Flag"], second["Flag"]) == (True, False)


def test_every_number_of_a_record_has_a_decimal_point(api: httpx.Client) -> None:
    # a reader that infers types makes an integer column of a first value 0
    for path in ("/cost-and-usage", "/contract-commitments"):
        whole: list[str] = []
        text = api.get(path).text
        page = json.loads(text, parse_int=whole.append)
        assert page["data"]
        assert whole == [re.search('"totalRecords":([0-9]+)', text)[1]]
    first = api.get("/cost-and-usage", params={"pageSize": 3}).text
    for number in ('"BilledCost":0.0', '"BilledCost":-0.5', '"Whole":-1200.0', '"Whole":0.0'):
        assert number + "," in first


def test_a_field_that_is_null_is_absent(api: httpx.Client) -> None:
    assert "null" not in api.get("/cost-and-usage").text
    assert "Region" not in get(api)["data"][1]


@pytest.mark.parametrize("size", [1, 7, ALL - 1, ALL, 1000])
def test_a_walk_returns_every_record_once_in_order(api: httpx.Client, size: int) -> None:
    costs = [record["BilledCost"] for record in walk(api, pageSize=size)]
    assert costs[2:] == list(range(MORE + 1))
    assert len(costs) == ALL


def test_the_page_size_can_change_during_a_walk(api: httpx.Client) -> None:
    first = get(api, pageSize=5)
    second = get(api, pageSize=ALL, pageToken=first["nextPageToken"])
    assert len(second["data"]) == ALL - 5
    assert "nextPageToken" not in second


def test_every_page_has_the_total(api: httpx.Client) -> None:
    first = get(api, pageSize=60, billingPeriodStart="2026-03-01T00:00:00Z")
    second = get(
        api, pageSize=60, billingPeriodStart="2026-03-01T00:00:00Z", pageToken=first["nextPageToken"]
    )
    assert first["totalRecords"] == second["totalRecords"] == MORE
    assert first["dataLastUpdated"] == second["dataLastUpdated"] == "2026-03-06T00:00:00Z"


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ({"billingPeriodStart": "2026-02-01T00:00:00Z"}, ALL - 1),
        ({"billingPeriodStart": "2026-02-01T00:00:00.000001Z"}, MORE),
        ({"billingPeriodEnd": "2026-02-01T00:00:00Z"}, 1),
        ({"billingPeriodEnd": "2026-02-01T01:00:00+01:00"}, 1),
        ({"billingPeriodEnd": "2026-02-01T00:00:00.0000001Z"}, 3),
        ({"billingPeriodStart": "2026-02-01T00:00:00Z", "billingPeriodEnd": "2026-03-01T00:00:00Z"}, 2),
        ({"billingPeriodStart": "0000-01-01T00:00:00Z", "billingPeriodEnd": "9999-12-31T23:59:60Z"}, ALL),
        ({"chargeCategory": "Purchase"}, 1),
        ({"chargeCategory": "Tax"}, 0),
        ({"providerName": "fal"}, ALL),
        ({"providerName": "FAL"}, 0),
        ({"serviceName": 'say "hi"\n' + "\0" + "\\ ü 😀"}, 1),
        ({"serviceCategory": "Compute"}, ALL),
        ({"region": "eu"}, 1),
        ({"region": ""}, 0),
        ({"resourceId": "b"}, 1),
        ({"subAccountId": "team"}, ALL - 1),
        ({"billingCurrency": "USD"}, ALL),
        ({"billingCurrency": "' or true --"}, 0),
        ({"region": "us", "chargeCategory": "Usage", "billingPeriodEnd": "2026-03-01T00:00:00Z"}, 1),
    ],
)
def test_filters_combine(api: httpx.Client, filters: dict[str, str], rows: int) -> None:
    page = get(api, **filters)
    assert (len(page["data"]), page["totalRecords"]) == (rows, rows)


@pytest.mark.parametrize(
    ("filters", "completeness", "last_updated"),
    [
        ({}, "Incomplete", "2026-03-06T00:00:00Z"),
        (
            {"billingPeriodStart": "2024-03-01T00:00:00Z", "billingPeriodEnd": "2026-02-01T00:00:00Z"},
            "Complete",
            "2026-02-03T04:05:06.5Z",
        ),
        ({"billingPeriodEnd": "2024-02-01T00:00:00Z"}, "Complete", "2024-02-01T00:00:00Z"),
        ({"billingPeriodEnd": "2024-03-01T00:00:00Z"}, "Incomplete", "2024-02-01T00:00:00Z"),
        ({"billingPeriodEnd": "2026-02-01T00:00:00Z"}, "Incomplete", "2026-02-03T04:05:06.5Z"),
        ({"billingPeriodEnd": "2026-03-01T00:00:00Z"}, "Incomplete", "2026-03-05T00:00:00Z"),
        ({"billingPeriodStart": "2027-01-01T00:00:00Z"}, "Incomplete", None),
    ],
)
def test_data_is_complete_once_all_requested_periods_are(
    api: httpx.Client, filters: dict[str, str], completeness: str, last_updated: str | None
) -> None:
    page = get(api, **filters)
    assert (page["dataCompleteness"], page.get("dataLastUpdated")) == (completeness, last_updated)


def test_a_limited_token_sees_and_counts_only_its_accounts(small: Served) -> None:
    with small.limited_to("studio-alone", "studio") as studio, small.limited_to("nobody", "x") as nobody:
        records = walk(studio, pageSize=9)
        assert {record["BillingAccountId"] for record in records} == {"studio"}
        page = get(studio, billingPeriodEnd="2026-03-01T00:00:00Z")
        assert (page["totalRecords"], page["dataCompleteness"]) == (1, "Complete")
        assert get(studio, path="/contract-commitments")["data"] == [
            {"CommitmentDiscountId": "spend", "BillingAccountId": "studio"}
        ]
        page = get(nobody)
        assert (page["data"], page["totalRecords"]) == ([], 0)
        assert (page["dataCompleteness"], "dataLastUpdated" in page) == ("Incomplete", False)


def test_columns_selects_fields_in_the_order_of_the_view(api: httpx.Client) -> None:
    page = get(api, columns="BilledCost,ChargeCategory", pageSize=1)
    assert list(page["data"][0]) == ["ChargeCategory", "BilledCost"]
    assert code(api, columns="BilledCost,record_number") == "invalid_parameter"
    assert code(api, columns='BilledCost" from x --') == "invalid_parameter"
    assert get(api, columns="Missing", pageSize=1)["data"] == [{}]


def test_commitments_have_filters_and_pages_of_their_own(api: httpx.Client) -> None:
    path = "/contract-commitments"
    page = get(api, path=path, pageSize=1)
    assert page["data"] == [
        {
            "CommitmentDiscountId": "credits",
            "BillingAccountId": "acme",
            "CommitmentTotalQuantity": Decimal("10.5"),
        }
    ]
    assert page["totalRecords"] == 2
    assert "dataCompleteness" not in page
    rest = get(api, path=path, pageToken=page["nextPageToken"])
    assert [record["CommitmentDiscountId"] for record in rest["data"]] == ["spend"]
    assert get(api, path=path, commitmentDiscountId="spend", billingAccountId="acme")["totalRecords"] == 0
    assert code(api, path=path, pageToken=get(api, pageSize=1)["nextPageToken"]) == "invalid_page_token"


def test_a_page_token_is_valid_only_for_its_query_and_caller(small: Served, api: httpx.Client) -> None:
    token = get(api, pageSize=1)["nextPageToken"]
    assert code(api, pageToken=token, region="us") == "invalid_page_token"
    assert code(api, pageToken=token, columns="BilledCost") == "invalid_page_token"
    with small.limited_to("somebody-else", "acme") as other:
        assert code(other, pageToken=token) == "invalid_page_token"


def test_a_forged_page_token_is_refused(api: httpx.Client) -> None:
    token = get(api, pageSize=1)["nextPageToken"]
    first = "A" if token[0] != "A" else "B"  # another character than the first one of the token
    for changed in ["", "abc", "ü", token[:-1], token + "=", first + token[1:], token * 20]:
        assert code(api, pageToken=changed) == "invalid_page_token"


def test_a_walk_stays_in_its_publication_even_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "LOOK_EVERY", 0.0)
    published = tmp_path / "published"
    publish_small(published)
    with serving(published, tmp_path) as served, served.client() as api:
        first = get(api, pageSize=50)
        publish_small(published, "second", charges=2)
        assert get(api)["totalRecords"] == 2
        second = get(api, pageSize=50, pageToken=first["nextPageToken"])
    with serving(published, tmp_path, token=served.token) as served, served.client() as api:
        third = get(api, pageToken=second["nextPageToken"])
        costs = [record["BilledCost"] for page in (first, second, third) for record in page["data"]]
        assert costs[2:] == list(range(MORE + 1))
        (tmp_path / "exports" / "publications" / "first.duckdb").unlink()
    with serving(published, tmp_path, token=served.token) as served, served.client() as api:
        assert code(api, pageToken=second["nextPageToken"]) == "stale_page_token"
