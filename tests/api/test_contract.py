"""The server conforms to FOCUS's OpenAPI document, and to its own."""

import copy
import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import yaml

from tests.api.contracts import Json, find_lost
from tests.api.serving import Served
from tests.api.test_app import run_export
from tests.api.test_records import get

pytestmark = pytest.mark.end_to_end

GIVEN = Path(__file__).with_name("focus-cost-and-usage-openapi.yml")

# statuses beyond the given document: it lacks one for a body that is not JSON, and lists the one for too many
# requests (exports are requests) only for GET /cost-and-usage
BEYOND = {("/cost-and-usage/export", "post"): ("415", "429")}

# a warning that an operation was not really tested is a failure. missing_deserializer is not: the files of
# exports have no schema
CONFIG = """
[warnings]
fail-on = [
    "missing_auth", "missing_test_data", "validation_mismatch", "unsupported_regex", "unused_openapi_auth"
]
"""


def read_given_document() -> Json:
    """Return the given document."""
    return yaml.safe_load(GIVEN.read_text())


def fetch_our_document(served: Served) -> Json:
    """Return the document of the server."""
    return httpx.get(f"{served.url}/openapi.json").json()


# ---------------------------------------------------------------------------------------- the server


def add_beyond(document: Json) -> Json:
    """Add the statuses of BEYOND to a document. They are Errors as well."""
    for (path, method), statuses in BEYOND.items():
        responses = document["paths"][path][method]["responses"]
        for status in statuses:
            assert status not in responses
            responses[status] = responses["400"]
    return document


def remove_page_tokens(document: Json) -> Json:
    """Remove pageToken from a document: its schema accepts any text, but only the server can make one.

    Walks and refused tokens are tested below, and in test_records.py, test_walk.py and test_fuzz.py.
    """
    for path in ("/cost-and-usage", "/contract-commitments"):
        parameters = document["paths"][path]["get"]["parameters"]
        kept = [parameter for parameter in parameters if parameter["name"] != "pageToken"]
        assert len(kept) == len(parameters) - 1
        parameters[:] = kept
    return document


def run_schemathesis(served: Served, token: str, document: Json, work: Path) -> None:
    """Run all checks of schemathesis in all its phases, the same requests every time.

    token: a separate one, since the exports of the run use up its limits.
    """
    file, config = work / "openapi.json", work / "schemathesis.toml"
    file.write_text(json.dumps(document))
    config.write_text(CONFIG)
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)]
    command += ["run", str(file), "--url", served.url, "--header", f"Authorization: Bearer {token}"]
    command += ["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--mode", "all"]
    command += ["--max-examples", "10", "--generation-deterministic"]
    done = subprocess.run(
        command, cwd=work, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600
    )
    assert done.returncode == 0, done.stdout
    operations = sum(len(methods) for methods in document["paths"].values())
    assert f"Tested: {operations}\n" in done.stdout, done.stdout


def test_schemathesis_has_no_findings_by_the_given_document(sample: Served, tmp_path: Path) -> None:
    token = sample.tokens.create("schemathesis-given", frozenset())
    run_schemathesis(sample, token, add_beyond(remove_page_tokens(read_given_document())), tmp_path)


def test_schemathesis_has_no_findings_by_our_document(sample: Served, tmp_path: Path) -> None:
    token = sample.tokens.create("schemathesis-ours", frozenset())
    with sample.client(token) as api:
        _, secret, name = run_export(api)["downloadUrl"].rsplit("/", 2)
    document = remove_page_tokens(fetch_our_document(sample))
    for parameter in document["paths"]["/downloads/{secret}/{fileName}"]["get"]["parameters"]:
        parameter["example"] = {"secret": secret, "fileName": name}[parameter["name"]]
    run_schemathesis(sample, token, document, tmp_path)


@pytest.mark.parametrize("whose", ["given", "ours"])
def test_walks_and_exports_match_both_documents(sample: Served, whose: str) -> None:
    document = read_given_document() if whose == "given" else fetch_our_document(sample)
    operations = schemathesis.openapi.from_dict(document)
    with sample.client() as api:
        for path, size in (("/cost-and-usage", 700), ("/contract-commitments", 4)):
            pages, token = 0, None
            while pages == 0 or token:
                answer = api.get(path, params={"pageSize": size} | ({"pageToken": token} if token else {}))
                operations[path]["GET"].validate_response(answer)
                pages, token = pages + 1, answer.json().get("nextPageToken")
            assert pages > 1
        operations["/schema"]["GET"].validate_response(api.get("/schema"))
        status = operations["/cost-and-usage/export/{jobId}"]["GET"]
        for file_format in ("csv", "parquet", "json"):
            job = run_export(api, format=file_format, includeContractCommitments=True)
            assert job["status"] == "Complete"
            assert api.head(job["downloadUrl"]).headers["content-type"] == "application/zip"
            status.validate_response(api.get(f"/cost-and-usage/export/{job['jobId']}"))


@pytest.mark.parametrize("whose", ["given", "ours"])
def test_records_have_all_required_fields(sample: Served, whose: str) -> None:
    document = read_given_document() if whose == "given" else fetch_our_document(sample)
    schemas = document["components"]["schemas"]
    with sample.client() as api:
        for path, schema in (
            ("/cost-and-usage", "CostAndUsageRecord"),
            ("/contract-commitments", "ContractCommitmentRecord"),
        ):
            records = get(api, path=path, pageSize=10_000)["data"]
            assert records
            assert all(set(schemas[schema]["required"]) <= set(record) for record in records)


@pytest.mark.parametrize("path", ["/cost-and-usage", "/contract-commitments"])
def test_every_number_of_the_sample_has_a_decimal_point(sample: Served, path: str) -> None:
    whole: list[str] = []
    with sample.client() as api:
        page = json.loads(api.get(path, params={"pageSize": 10_000}).text, parse_int=whole.append)
    assert page["data"]
    assert len(whole) == 1  # totalRecords


def test_focus_1_4_matches_both_documents_and_the_schema_has_the_columns_of_its_exports(
    sample: Served,
) -> None:
    documents = (read_given_document(), fetch_our_document(sample))
    with sample.client() as api:
        answer = api.get("/schema", params={"focusVersion": "1.4"})
        job = run_export(api, focusVersion="1.4", includeContractCommitments=True)
        status = api.get(f"/cost-and-usage/export/{job['jobId']}")
        with zipfile.ZipFile(io.BytesIO(api.get(job["downloadUrl"]).content)) as archive:
            headers = {
                name: next(csv.reader(io.TextIOWrapper(archive.open(name)))) for name in archive.namelist()
            }
    for document in documents:
        operations = schemathesis.openapi.from_dict(document)
        operations["/schema"]["GET"].validate_response(answer)
        operations["/cost-and-usage/export/{jobId}"]["GET"].validate_response(status)
    schema = answer.json()
    assert schema["focusVersion"] == "1.4"
    assert schema["datasets"] == ["CostAndUsage", "BillingPeriod", "ContractCommitment", "InvoiceDetail"]
    names = {"".join(word.title() for word in name.split("_")[:-2]): name for name in headers}
    assert set(names) == set(schema["datasets"])
    for dataset, name in names.items():
        columns = [column for column in schema["columns"] if column["dataset"] == dataset]
        assert [column["columnName"] for column in columns] == headers[name]
        digits = {"numericPrecision", "numericScale"}
        assert all((column["dataType"] == "Number") == (digits <= set(column)) for column in columns)


def test_a_token_of_standard_fields_gets_only_fields_of_the_given_document(sample: Served) -> None:
    document = read_given_document()
    for schema in document["components"]["schemas"].values():
        schema["additionalProperties"] = False
    operations = schemathesis.openapi.from_dict(document)
    with sample.client(sample.tokens.create("strict", frozenset(), standard_fields=True)) as api:
        for path in ("/cost-and-usage", "/contract-commitments", "/schema"):
            operations[path]["GET"].validate_response(api.get(path))
        later = api.get("/schema", params={"focusVersion": "1.4"})
        operations["/schema"]["GET"].validate_response(later)
        job = run_export(api)
        operations["/cost-and-usage/export/{jobId}"]["GET"].validate_response(
            api.get(f"/cost-and-usage/export/{job['jobId']}")
        )
    with sample.client() as api, pytest.raises(Exception, match="Additional properties"):
        operations["/schema"]["GET"].validate_response(api.get("/schema"))


# ------------------------------------------------------------------------------------- our document


def test_our_document_accepts_and_returns_what_the_given_one_does(sample: Served) -> None:
    assert list(find_lost(read_given_document(), fetch_our_document(sample))) == []


def test_every_dropped_or_changed_field_is_detected(sample: Served) -> None:
    given, ours = read_given_document(), fetch_our_document(sample)
    for name, schema in given["components"]["schemas"].items():
        for field, content in schema["properties"].items():
            dropped, changed, required, wider = (copy.deepcopy(ours) for _ in range(4))
            del dropped["components"]["schemas"][name]["properties"][field]
            assert list(find_lost(given, dropped)), (name, field)
            changed["components"]["schemas"][name]["properties"][field]["type"] = "null"
            changed["components"]["schemas"][name]["properties"][field].pop("$ref", None)
            assert list(find_lost(given, changed)), (name, field)
            if field in schema.get("required", []):
                required["components"]["schemas"][name]["required"].remove(field)
                # a request body may have fewer required fields
                assert bool(list(find_lost(given, required))) == (name != "ExportRequest"), (name, field)
            if "enum" in content:
                enum = wider["components"]["schemas"][name]["properties"][field]["enum"]
                enum.remove("csv") if name == "ExportRequest" else enum.append("x")
                assert list(find_lost(given, wider)), (name, field)


PAGE_SIZE = ("paths", "/cost-and-usage", "get", "parameters", 10, "schema")
EXPORT = ("components", "schemas", "ExportRequest")


@pytest.mark.parametrize(
    ("where", "change", "found"),
    [
        (("paths",), lambda paths: paths.pop("/schema"), "get /schema: is missing"),
        (PAGE_SIZE, lambda size: size.update(maximum=9999), "pageSize: has another maximum"),
        (PAGE_SIZE, lambda size: size.update(minimum=2), "pageSize: has another minimum"),
        (PAGE_SIZE, lambda size: size.update(default=100), "pageSize: has another default"),
        (PAGE_SIZE, lambda size: size.update(multipleOf=2), "pageSize: multipleOf cannot be compared"),
        (PAGE_SIZE[:-2], lambda parameters: parameters.pop(0), "billingPeriodStart: is missing"),
        (
            PAGE_SIZE[:-2],
            lambda parameters: parameters[0].update(required=True),
            "billingPeriodStart: is req",
        ),
        (PAGE_SIZE[:-2], lambda parameters: parameters[3]["schema"].update(enum=["fal"]), "has other values"),
        (PAGE_SIZE[:-2], lambda parameters: parameters[3]["schema"].update(format="uuid"), "another format"),
        (PAGE_SIZE[:-2], lambda parameters: parameters[-1].update(required=True), "pageToken: is required"),
        (
            PAGE_SIZE[:-2],
            lambda parameters: parameters.append({"name": "x", "in": "query", "required": True}),
            "x: is required",
        ),
        ((*PAGE_SIZE[:-3], "responses"), lambda content: content.pop("429"), "429: is missing"),
        (PAGE_SIZE[:-3], lambda content: content.update(operationId="x"), "has another operationId"),
        (PAGE_SIZE[:-3], lambda content: content.update(security=[]), "has a security of its own"),
        (EXPORT, lambda body: body.update(additionalProperties=False), ".*: is of one alone"),
        (EXPORT, lambda body: body["required"].append("format"), "format: is required by one alone"),
        (EXPORT, lambda body: body["properties"].update(x={"type": "string"}), ".x: is of one alone"),
        (EXPORT, lambda body: body["properties"]["format"].update(default="json"), "another default"),
        (("security",), lambda ways: ways.pop(), "security: apiKeyAuth is missing"),
        (("components", "securitySchemes", "apiKeyAuth"), lambda way: way.update(name="Key"), "is another"),
    ],
)
def test_other_changes_of_the_document_are_detected(
    sample: Served, where: tuple[Any, ...], change: Callable[[Any], object], found: str
) -> None:
    ours = fetch_our_document(sample)
    part = ours
    for key in where:
        part = part[key]
    change(part)
    (difference,) = find_lost(read_given_document(), ours)
    assert found in difference
