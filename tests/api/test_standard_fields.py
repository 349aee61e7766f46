"""Servers and tokens that serve only the fields of FOCUS's API document."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.queries import COST_AND_USAGE
from tests.api.serving import Served, publish_small, serving
from tests.api.test_records import code, get


@pytest.fixture(params=["token", "server"])
def standard(request: pytest.FixtureRequest, small: Served, tmp_path: Path) -> Iterator[httpx.Client]:
    """Return a client that gets the standard fields, by its token or by the setting of its server."""
    if request.param == "token":
        name = f"standard-{tmp_path.name}"
        with small.client(small.tokens.create(name, frozenset(), standard_fields=True)) as client:
            yield client
    else:
        publish_small(tmp_path / "published")
        served = serving(tmp_path / "published", tmp_path, standard_fields=True)
        with served as server, server.client() as client:
            yield client


def test_records_have_only_standard_fields(api: httpx.Client, standard: httpx.Client) -> None:
    fields = [set(record) for record in get(api)["data"]]
    expected = [names & COST_AND_USAGE.standard_fields for names in fields]
    assert [set(record) for record in get(standard)["data"]] == expected != fields
    assert list(get(standard, columns="Tags,BilledCost", pageSize=1)["data"][0]) == ["BilledCost", "Tags"]
    assert code(standard, columns="Whole") == "invalid_parameter"


def test_a_walk_does_not_change_to_the_standard_fields_midway(small: Served) -> None:
    tokens = small.tokens
    with small.client(tokens.create("changed", frozenset())) as api:
        page = api.get("/cost-and-usage", params={"pageSize": 1}).json()
        content = tokens.file.read_text()
        changed = content.replace('"name":"changed",', '"name":"changed","standard_fields":true,')
        tokens.file.write_text(changed)
        assert code(api, pageSize=1, pageToken=page["nextPageToken"]) == "invalid_page_token"


def test_the_schema_has_only_standard_columns_and_fields(api: httpx.Client, standard: httpx.Client) -> None:
    ours, given = get(api, path="/schema"), get(standard, path="/schema")
    billed_cost = {"columnName": "BilledCost", "dataType": "Number", "requirement": "Must"}
    billed_cost |= {"nullable": False, "description": "Cost.", "category": "Metric"}
    assert given["columns"][0] == billed_cost
    own = {"dataset": "CostAndUsage", "numericPrecision": 38, "numericScale": 18}
    assert ours["columns"][0] == billed_cost | own
    assert given | {"columns": []} == ours | {"columns": []}


def test_the_openapi_document_has_only_standard_fields(small: Served, standard: httpx.Client) -> None:
    def fields(document: httpx.Response) -> set[str]:
        return set(document.json()["components"]["schemas"]["ColumnDefinition"]["properties"])

    assert "dataset" not in fields(standard.get("/openapi.json"))
    for headers in ({}, {"X-API-Key": small.token}, {"X-API-Key": "no token of this server"}):
        assert "dataset" in fields(httpx.get(f"{small.url}/openapi.json", headers=headers))
