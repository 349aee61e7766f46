"""Our OpenAPI document, of what is published, and a page that shows it to people."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from typing import Any

from api.export_files import MEDIA_TYPES
from api.parameters import CHARGE_CATEGORIES, DEFAULT_PAGE_SIZE, PAGE_SIZES
from api.queries import COLUMN_DEFINITION, CONTRACT_COMMITMENTS, COST_AND_USAGE, Dataset

Json = dict[str, Any]

DESCRIPTION = (
    "What fal.ai billed, by FOCUS 1.3: the FOCUS Cost and Usage API over the published marts. {fields} "
    "A field that is null is absent, and so is nextPageToken on the last page. Numbers are exact decimals "
    "with a decimal point, date-times are UTC. A walk through pages stays in the publication that it began "
    "in. Lists also take columns=BilledCost,Tags: these fields alone. This parameter is not declared below, "
    "since its records lack fields that are required otherwise. An export also takes csvFormulaEscape: true "
    "puts an apostrophe before texts of a CSV that a spreadsheet would take for formulas. "
    "All operations need a token; GET /health, at "
    "the root of the server, needs none."
)
FIELDS = "Records have the fields of that API, and all other columns of the marts."
STANDARD_FIELDS = "Records have the fields of that API."
TAGS = {
    "Contract Commitments": "Contract commitments: their terms, and what is left of them.",
    "Cost and Usage": "Charges, page by page or as a file.",
    "Schema Metadata": "The columns of both datasets.",
}

DATE_TIME = {"type": "string", "format": "date-time"}
TEXT = {"type": "string"}
TYPES: dict[str, Json] = {
    "String": TEXT,
    "Number": {"type": "number"},
    "DateTime": DATE_TIME,
    "JSON": {},  # any; generators of clients drop a record that has a field of several types
}
# what the document says beyond the type
REFINED: dict[str, Json] = {
    "ChargeCategory": {"enum": list(CHARGE_CATEGORIES)},
    "ChargeClass": {"enum": ["Correction"]},
    "ChargeFrequency": {"enum": ["One-Time", "Recurring", "Usage-Based"]},
    "CommitmentDiscountCategory": {"enum": ["Spend", "Usage"]},
    "CommitmentDiscountStatus": {"enum": ["Used", "Unused"]},
    "PricingCategory": {"enum": ["On-Demand", "Dynamic", "Commitment-Based", "Other"]},
    "Tags": {"type": "object", "additionalProperties": TEXT},
}
FILTERS: dict[str, tuple[str, Json]] = {
    "billingPeriodStart": ("Only billing periods that start then or later (inclusive).", DATE_TIME),
    "billingPeriodEnd": ("Only billing periods that start before then (exclusive).", DATE_TIME),
    "chargeCategory": ("Only this ChargeCategory.", {"type": "string", "enum": list(CHARGE_CATEGORIES)}),
    "providerName": ("Only this ProviderName.", TEXT),
    "serviceName": ("Only this ServiceName.", TEXT),
    "serviceCategory": ("Only this ServiceCategory.", TEXT),
    "region": ("Only this Region.", TEXT),
    "resourceId": ("Only this ResourceId.", TEXT),
    "subAccountId": ("Only this SubAccountId.", TEXT),
    "billingCurrency": ("Only this BillingCurrency.", TEXT),
    "commitmentDiscountId": ("Only this CommitmentDiscountId.", TEXT),
    "billingAccountId": ("Only this BillingAccountId.", TEXT),
}
PAGING: dict[str, tuple[str, Json]] = {
    "pageSize": (
        "Records of a page; it may differ from page to page.",
        {
            "type": "integer",
            "minimum": PAGE_SIZES[0],
            "maximum": PAGE_SIZES[-1],
            "default": DEFAULT_PAGE_SIZE,
        },
    ),
    "pageToken": (
        "nextPageToken of the page before. It is for the same token and the same parameters, pageSize apart.",
        TEXT,
    ),
}
ERRORS = {
    400: "A parameter, the body or the page token cannot be used: code invalid_parameter, invalid_page_token "
    "or stale_page_token (the publication is not kept any more: begin again without the token).",
    401: "A token is needed.",
    404: "There is no such thing, or it is another token's, or it has expired.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    416: "The file has no such range of bytes.",
    429: "The token was used too often, read too many records, or has too many requests, downloads or "
    "exports; Retry-After says in how many seconds to come back.",
    500: "The server failed; its log says why.",
    503: "Nothing is published, the server has too many requests, or it cannot read its tokens or write an "
    "export.",
}
ALWAYS = (400, 401, 429, 500, 503)
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
WWW_AUTHENTICATE = {"WWW-Authenticate": {"description": "How to send a token.", "schema": TEXT}}


def document(schema: Mapping[str, Any], standard_fields: bool = False) -> Json:
    """The document.

    schema: the SchemaMetadata of what is published. standard_fields: leave out what FOCUS's document does
    not have.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "FOCUS Cost and Usage API of fal_focus",
            "description": DESCRIPTION.format(fields=STANDARD_FIELDS if standard_fields else FIELDS),
            "version": schema["dataGeneratorVersion"],
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "x-focus-version": schema["focusVersion"],
        },
        "servers": [{"url": "/focus/v1"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "security": [{"bearerAuth": []}, {"apiKeyAuth": []}],
        "paths": {
            "/cost-and-usage": {
                "get": listing("listCostAndUsage", "Cost and Usage", "Cost and usage records", COST_AND_USAGE)
            },
            "/cost-and-usage/export": {"post": EXPORT},
            "/cost-and-usage/export/{jobId}": {"get": EXPORT_STATUS},
            "/downloads/{secret}/{fileName}": {"get": DOWNLOAD},
            "/contract-commitments": {
                "get": listing(
                    "listContractCommitments",
                    "Contract Commitments",
                    "Contract commitment records",
                    CONTRACT_COMMITMENTS,
                )
            },
            "/schema": {
                "get": operation(
                    "getSchemaMetadata",
                    "Schema Metadata",
                    "Columns of both datasets",
                    {200: json_answer("SchemaMetadata")},
                )
            },
        },
        "components": {
            "securitySchemes": {
                "bearerAuth": {"type": "http", "scheme": "bearer"},
                "apiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "schemas": {
                "CostAndUsageResponse": list_schema(
                    "CostAndUsageRecord",
                    ["dataCompleteness"],
                    dataLastUpdated=DATE_TIME
                    | {"description": "When the latest load about the asked periods was fetched."},
                    dataCompleteness={
                        "type": "string",
                        "enum": ["Complete", "Incomplete"],
                        "description": "Complete once every asked billing period is closed by its invoice.",
                    },
                ),
                "CostAndUsageRecord": record_schema(COST_AND_USAGE, schema, standard_fields),
                "ContractCommitmentResponse": list_schema("ContractCommitmentRecord", []),
                "ContractCommitmentRecord": record_schema(CONTRACT_COMMITMENTS, schema, standard_fields),
            }
            | SCHEMAS
            | ({} if standard_fields else {"ColumnDefinition": OWN_COLUMN}),
        },
    }


def operation(
    name: str,
    tag: str,
    summary: str,
    answers: Mapping[int, Json],
    errors: Iterable[int] = (),
    **more: object,
) -> Json:
    """An operation; it may always answer the errors in ALWAYS."""
    told = {status: error_answer(status) for status in (*ALWAYS, *errors)}
    responses = {str(status): answer for status, answer in sorted((dict(answers) | told).items())}
    return {"operationId": name, "summary": summary, "tags": [tag], **more, "responses": responses}


def listing(name: str, tag: str, summary: str, dataset: Dataset) -> Json:
    """An operation that lists records."""
    told = {filter_name: FILTERS[filter_name] for filter_name in dataset.filters} | PAGING
    parameters = [
        {"name": parameter, "in": "query", "required": False, "description": description, "schema": kind}
        for parameter, (description, kind) in told.items()
    ]
    answer = json_answer(f"{dataset.name}Response")
    return operation(name, tag, summary, {200: answer}, parameters=parameters)


def json_answer(schema: str, description: str = "What was asked for.") -> Json:
    """An answer that has a schema."""
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}}


def error_answer(status: int) -> Json:
    """An answer that is an Error."""
    headers = {401: WWW_AUTHENTICATE, 429: RETRY_AFTER}.get(status)
    return json_answer("Error", ERRORS[status]) | ({"headers": headers} if headers else {})


def ref(schema: str) -> Json:
    """A reference to a schema."""
    return {"$ref": f"#/components/schemas/{schema}"}


def list_schema(record: str, required: list[str], **more: Json) -> Json:
    """A page of records. more: its fields beside those of all pages, of which some are required."""
    return {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": ref(record)},
            "nextPageToken": TEXT | {"description": "Asks for the next page; absent on the last one."},
            "totalRecords": {"type": "integer", "description": "Records of all pages together."},
            **more,
        },
        "required": ["data", "totalRecords", *required],
    }


def record_schema(dataset: Dataset, schema: Mapping[str, Any], standard_fields: bool) -> Json:
    """A record, with the columns that are published. schema, standard_fields: as of document."""
    columns = [column for column in schema["columns"] if column["dataset"] == dataset.name]
    if standard_fields:
        columns = [column for column in columns if column["columnName"] in dataset.standard_fields]
    return {
        "type": "object",
        "description": "A field that is null is absent.",
        "properties": {
            column["columnName"]: {
                **TYPES[column["dataType"]],
                **REFINED.get(column["columnName"], {}),
                "description": column["description"],
            }
            for column in columns
        },
        "required": [column["columnName"] for column in columns if not column["nullable"]],
    }


def path_parameter(name: str, description: str) -> Json:
    """A part of an address."""
    return {"name": name, "in": "path", "required": True, "description": description, "schema": TEXT}


EXPORT = operation(
    "exportCostAndUsage",
    "Cost and Usage",
    "Begin an export",
    {202: json_answer("ExportJobResponse", "The job, which is written down.")},
    (408, 413, 415),
    requestBody={"required": True, "content": {"application/json": {"schema": ref("ExportRequest")}}},
)
EXPORT_STATUS = operation(
    "getCostAndUsageExportStatus",
    "Cost and Usage",
    "What has become of an export",
    {200: json_answer("ExportJobResponse")},
    (404,),
    parameters=[path_parameter("jobId", "jobId of the answer to the export.")],
)
FILES: Json = {kind: {"schema": {}} for kind in MEDIA_TYPES.values()}
DOWNLOAD = operation(
    "downloadExport",
    "Cost and Usage",
    "The file of an export; downloadUrl leads here",
    {
        200: {"description": "The file.", "content": FILES},
        206: {
            "description": "The bytes that Range asks for.",
            "content": FILES | {"multipart/byteranges": {"schema": {}}},
        },
    },
    (404, 416),
    parameters=[
        path_parameter("secret", "From downloadUrl."),
        path_parameter("fileName", "From downloadUrl."),
    ],
)
SCHEMAS: dict[str, Json] = {
    "ExportRequest": {
        "type": "object",
        "properties": {
            "billingPeriodStart": DATE_TIME | {"description": "Billing periods that start then or later."},
            "billingPeriodEnd": DATE_TIME
            | {"description": "Billing periods that start before then; none do before billingPeriodStart."},
            "format": {"type": "string", "enum": ["csv", "parquet", "json"], "default": "csv"},
            "includeContractCommitments": {
                "type": "boolean",
                "default": False,
                "description": "Whether contract commitments are a second file; the download is a zip then.",
            },
        },
        "required": ["billingPeriodStart", "billingPeriodEnd"],
    },
    "ExportJobResponse": {
        "type": "object",
        "properties": {
            "jobId": TEXT,
            "status": {"type": "string", "enum": ["Pending", "Processing", "Complete", "Failed"]},
            "createdAt": DATE_TIME,
            "completedAt": DATE_TIME,
            "downloadUrl": {
                "type": "string",
                "format": "uri",
                "description": "Once Complete, for 24 hours, and with the same token.",
            },
            "recordCount": {"type": "integer", "description": "Records of cost and usage in the file."},
            "error": TEXT | {"description": "Why it Failed."},
        },
        "required": ["jobId", "status", "createdAt"],
    },
    "SchemaMetadata": {
        "type": "object",
        "properties": {
            "focusVersion": TEXT,
            "dataGeneratorName": TEXT,
            "dataGeneratorVersion": TEXT,
            "columns": {"type": "array", "items": ref("ColumnDefinition")},
            "datasets": {"type": "array", "items": TEXT},
        },
        "required": ["focusVersion", "dataGeneratorName", "dataGeneratorVersion", "columns", "datasets"],
    },
    "ColumnDefinition": {
        "type": "object",
        "properties": {
            "columnName": TEXT,
            "dataType": {"type": "string", "enum": list(TYPES)},
            "requirement": {"type": "string", "enum": ["Must", "Recommended", "Optional"]},
            "nullable": {"type": "boolean"},
            "description": TEXT,
            "category": {"type": "string", "enum": ["Dimension", "Metric"]},
        },
        "required": list(COLUMN_DEFINITION),
    },
    "Error": {
        "type": "object",
        "properties": {"code": TEXT, "message": TEXT, "details": TEXT},
        "required": ["code", "message"],
    },
}

# with what FOCUS's API does not have
OWN_COLUMN: Json = {
    "type": "object",
    "properties": SCHEMAS["ColumnDefinition"]["properties"]
    | {
        "dataset": TEXT | {"description": "Which of datasets has it."},
        "numericPrecision": {"type": "integer", "description": "Digits that a Number can have."},
        "numericScale": {"type": "integer", "description": "How many of these are decimals."},
    },
    "required": [*COLUMN_DEFINITION, "dataset"],
}
# ------------------------------------------------------------------------------------------------- the page

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { border-top: 1px solid #ccc; padding-top: 1rem } code { font-family: ui-monospace, monospace }
table { border-collapse: collapse; margin: 1rem 0 } td, th { text-align: left; vertical-align: top;
padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #eee }
"""
PAGE_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)


def page(described: Json) -> str:
    """The document as HTML, without scripts and from this server alone."""
    info = described["info"]
    parts = [f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>"]
    parts.append('<p>For programs: <a href="openapi.json">openapi.json</a>. Send a token as ')
    parts.append("<code>Authorization: Bearer …</code> or as <code>X-API-Key</code>.</p>")
    base = described["servers"][0]["url"]
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(base + path)}</code></h2>")
            parts.append(f"<p>{escape(told['summary'])}</p>")
            rows = [
                (parameter["name"], kind_of(parameter["schema"]), parameter["description"])
                for parameter in told.get("parameters", [])
            ]
            parts.append(table(("parameter", "", ""), rows) if rows else "")
            answers = [(status, answer["description"]) for status, answer in told["responses"].items()]
            parts.append(table(("answer", ""), answers))
    for name, schema in described["components"]["schemas"].items():
        parts.append(f"<h2>{escape(name)}</h2><p>{escape(schema.get('description', ''))}</p>")
        fields = [
            (field, kind_of(told), told.get("description", ""))
            for field, told in schema["properties"].items()
        ]
        parts.append(table(("field", "", ""), fields))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def kind_of(schema: Json) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "items" in schema:
        return f"array of {kind_of(schema['items'])}"
    if "enum" in schema:
        return " | ".join(schema["enum"])
    return schema.get("format") or schema.get("type", "any JSON")


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as an HTML table."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
