"""Our OpenAPI document: it accepts all that the given one accepts, and describes all responses."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from api.app import create_application
from api.openapi import build_document
from api.queries import DATASETS
from tests.api.serving import Served

GIVEN = yaml.safe_load(Path(__file__).with_name("focus-cost-and-usage-openapi.yml").read_text())
SCHEMA = {
    "focusVersion": "1.3",
    "dataGeneratorVersion": "0.1.0",
    "columns": [
        {
            "columnName": name,
            "dataType": "String",
            "description": name,
            "dataset": dataset,
            "nullable": name not in GIVEN["components"]["schemas"][record]["required"],
        }
        for dataset, record in (
            ("CostAndUsage", "CostAndUsageRecord"),
            ("ContractCommitment", "ContractCommitmentRecord"),
        )
        for name in GIVEN["components"]["schemas"][record]["properties"]
    ],
}
OURS = build_document(SCHEMA)


def list_operations(described: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the operations by path and method."""
    return {
        (path, method): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def remove_texts(schema: Any) -> Any:  # noqa: ANN401
    """Return a schema without descriptions and without nullable: a null field is absent here."""
    if isinstance(schema, dict):
        ignored = {"description", "example", "nullable"}
        return {key: remove_texts(value) for key, value in schema.items() if key not in ignored}
    return schema


@pytest.mark.parametrize("key", list_operations(GIVEN))
def test_every_operation_has_all_parameters_and_answers_of_the_given_one(key: tuple[str, str]) -> None:
    given, ours = list_operations(GIVEN)[key], list_operations(OURS)[key]
    assert ours["operationId"] == given["operationId"]
    parameters = {parameter["name"]: parameter for parameter in ours.get("parameters", [])}
    for parameter in given.get("parameters", []):
        mine = parameters[parameter["name"]]
        assert (mine["in"], mine["required"], mine["schema"]) == (
            parameter["in"],
            parameter["required"],
            parameter["schema"],
        )
    assert given.get("requestBody") == ours.get("requestBody")
    for status, answer in given["responses"].items():
        assert answer["content"] == ours["responses"][status]["content"]
    assert {"400", "401", "429", "500", "503"} <= set(ours["responses"])


@pytest.mark.parametrize("name", GIVEN["components"]["schemas"])
def test_every_schema_has_all_fields_of_the_given_one(name: str) -> None:
    given = remove_texts(GIVEN["components"]["schemas"][name])
    ours = remove_texts(OURS["components"]["schemas"][name])
    assert set(given["properties"]) <= set(ours["properties"])
    # the types of record fields come from the views, which have their own tests
    if not name.endswith("Record"):
        for field, schema in given["properties"].items():
            assert ours["properties"][field] == schema
    assert set(given.get("required", [])) <= set(ours.get("required", []))


def test_operations_have_the_tags_of_the_given_one() -> None:
    assert [tag["name"] for tag in OURS["tags"]] == [tag["name"] for tag in GIVEN["tags"]]
    for key, operation in list_operations(GIVEN).items():
        assert list_operations(OURS)[key]["tags"] == operation["tags"]
    assert all(operation["tags"] for operation in list_operations(OURS).values())


def test_no_field_has_several_types(small: Served) -> None:
    # client generators drop a record with such a field
    schemas = httpx.get(f"{small.url}/openapi.json").json()["components"]["schemas"]
    for schema in schemas.values():
        for field in schema["properties"].values():
            assert isinstance(field.get("type", ""), str)
    record = schemas["CostAndUsageRecord"]
    assert record["required"] == ["BilledCost"]
    assert set(record["properties"]) == {"BilledCost", "Tags"}


@pytest.mark.parametrize("name", GIVEN["components"]["schemas"])
def test_the_standard_document_has_only_fields_of_the_given_one(name: str) -> None:
    given = GIVEN["components"]["schemas"][name]
    ours = build_document(SCHEMA, standard_fields=True)["components"]["schemas"][name]
    assert set(ours["properties"]) == set(given["properties"])
    assert set(ours.get("required", [])) <= set(given["properties"])


def test_the_standard_fields_are_those_of_the_given_document() -> None:
    for dataset in DATASETS.values():
        properties = GIVEN["components"]["schemas"][f"{dataset.name}Record"]["properties"]
        assert dataset.standard_fields == set(properties)


def test_the_security_schemes_equal_those_of_the_given_one() -> None:
    given, ours = GIVEN["components"]["securitySchemes"], OURS["components"]["securitySchemes"]
    assert remove_texts(given) == remove_texts(ours)
    assert GIVEN["security"] == OURS["security"]


def test_every_route_is_described(small: Served) -> None:
    routes = {
        (route.path.removeprefix("/focus/v1"), method.lower())
        for route in create_application(small.settings).app.routes
        for method in route.methods - {"HEAD"}
    }
    apart = {("/health", "get"), ("/openapi.json", "get"), ("/docs", "get")}
    assert set(list_operations(OURS)) == routes - apart


def test_the_page_loads_nothing_from_other_servers(small: Served) -> None:
    answer = httpx.get(f"{small.url}/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "style-src 'sha256-" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    for path, _ in list_operations(OURS):
        assert f"/focus/v1{path}</code>" in answer.text
