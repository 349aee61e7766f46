"""The server's OpenAPI document, for the columns that are published, and its HTML page.

The data type of a column comes from models/marts/api/schema_columns.sql.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from typing import Any

from api.export_files import MEDIA_TYPES
from api.parameters import CHARGE_CATEGORIES, DEFAULT_PAGE_SIZE, FOCUS_VERSIONS, PAGE_SIZES
from api.queries import COLUMN_DEFINITION, CONTRACT_COMMITMENTS, COST_AND_USAGE, Dataset

Json = dict[str, Any]

DESCRIPTION = (
    "Costs of fal.ai by FOCUS 1.3: the FOCUS Cost and Usage API over the published marts. {fields} "
    "A null field is absent, and so is nextPageToken on the last page. Numbers are exact decimals with a "
    "decimal point; date-times are UTC. A walk through pages stays in the publication that it began in. "
    "Lists also take columns=BilledCost,Tags to return only these fields. This parameter is not declared "
    "below, because such records lack fields that the schema requires. An export also takes "
    "csvFormulaEscape: true puts an apostrophe before texts of a CSV that a spreadsheet would execute as "
    "formulas. It takes focusVersion 1.4 as well, for the datasets of FOCUS 1.4, whose columns "
    "/schema?focusVersion=1.4 lists. Records are those of FOCUS 1.3. "
    "All operations need a token. GET /health, at the root of the server, needs none."
)
FIELDS = "Records have the fields of that API, and all other columns of the marts."
STANDARD_FIELDS = "Records have only the fields of that API."
TAGS = {
    "Contract Commitments": "Contract commitments: their terms and remaining amounts.",
    "Cost and Usage": "Charges, page by page or as a file.",
    "Schema Metadata": "The columns of the datasets.",
}

DATE_TIME = {"type": "string", "format": "date-time"}
TEXT = {"type": "string"}
TYPES: dict[str, Json] = {
    "String": TEXT,
    "Number": {"type": "number"},
    "DateTime": DATE_TIME,
    "JSON": {},  # any type. With a list of types, client generators would leave out the whole record
}
# what the schema of a column has besides its type
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
    "billingPeriodStart": ("Only billing periods that start at this time or later (inclusive).", DATE_TIME),
    "billingPeriodEnd": ("Only billing periods that start before this time (exclusive).", DATE_TIME),
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
        "Records of a page. It may differ from page to page.",
        {
            "type": "integer",
            "minimum": PAGE_SIZES[0],
            "maximum": PAGE_SIZES[-1],
            "default": DEFAULT_PAGE_SIZE,
        },
    ),
    "pageToken": (
        "nextPageToken of the previous page, with the same token and the same parameters except pageSize.",
        TEXT,
    ),
}
ERRORS = {
    400: "A parameter, the body or the page token is invalid: code invalid_parameter, invalid_page_token or "
    "stale_page_token (the publication is no longer kept: begin again without the token).",
    401: "A valid token is needed.",
    404: "The address, job or download does not exist, has expired, or belongs to another token.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    416: "The file does not have this range of bytes.",
    429: "The token has reached a limit: of requests or records in a time, of requests in progress, of "
    "running downloads or of exports. Try again after Retry-After seconds.",
    500: "The server failed; its log has the cause.",
    503: "The server has no publication or too many requests, or cannot read its tokens or write an export.",
}
ALWAYS = (400, 401, 429, 500, 503)
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
WWW_AUTHENTICATE = {"WWW-Authenticate": {"description": "How to send a token.", "schema": TEXT}}


def build_document(schema: Mapping[str, Any], standard_fields: bool = False) -> Json:
    """Return the OpenAPI document.

    schema: the SchemaMetadata of the publication. standard_fields: only the fields of FOCUS's own document.
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
        "paths": PATHS,
        "components": {
            "securitySchemes": {
                "bearerAuth": {"type": "http", "scheme": "bearer"},
                "apiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "schemas": {
                **SCHEMAS,
                "CostAndUsageRecord": build_record_schema(COST_AND_USAGE, schema, standard_fields),
                "ContractCommitmentRecord": build_record_schema(
                    CONTRACT_COMMITMENTS, schema, standard_fields
                ),
                **({} if standard_fields else {"ColumnDefinition": COLUMN_WITH_OWN_FIELDS}),
            },
        },
    }


def build_operation(
    name: str,
    tag: str,
    summary: str,
    answers: Mapping[int, Json],
    errors: Iterable[int] = (),
    **more: object,
) -> Json:
    """Return an operation. Every operation has the errors in ALWAYS."""
    all_answers = dict(answers) | {status: build_error(status) for status in (*ALWAYS, *errors)}
    responses = {str(status): answer for status, answer in sorted(all_answers.items())}
    return {"operationId": name, "summary": summary, "tags": [tag], **more, "responses": responses}


def build_list_operation(name: str, tag: str, summary: str, dataset: Dataset) -> Json:
    """Return an operation that lists records."""
    known = {filter_name: FILTERS[filter_name] for filter_name in dataset.filters} | PAGING
    parameters = [
        build_query_parameter(parameter, description, kind)
        for parameter, (description, kind) in known.items()
    ]
    answer = build_answer(f"{dataset.name}Response")
    return build_operation(name, tag, summary, {200: answer}, parameters=parameters)


def build_query_parameter(name: str, description: str, kind: Json) -> Json:
    """Return an optional parameter of the query."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": kind}


def build_answer(schema: str, description: str = "The result.") -> Json:
    """Return a response with a schema."""
    return {"description": description, "content": {"application/json": {"schema": refer_to(schema)}}}


def build_error(status: int) -> Json:
    """Return a response that is an Error."""
    headers = {401: WWW_AUTHENTICATE, 429: RETRY_AFTER}.get(status)
    return build_answer("Error", ERRORS[status]) | ({"headers": headers} if headers else {})


def refer_to(schema: str) -> Json:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{schema}"}


def build_list_schema(record: str, required: list[str], **more: Json) -> Json:
    """Return the schema of a page of records.

    more: the schemas of further fields. required: the names of those that are always present.
    """
    return {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": refer_to(record)},
            "nextPageToken": TEXT
            | {"description": "The pageToken of the next page; absent on the last page."},
            "totalRecords": {"type": "integer", "description": "Records of all pages."},
            **more,
        },
        "required": ["data", "totalRecords", *required],
    }


def build_record_schema(dataset: Dataset, schema: Mapping[str, Any], standard_fields: bool) -> Json:
    """Return the schema of a record, with the published columns. Parameters: see build_document."""
    columns = [column for column in schema["columns"] if column["dataset"] == dataset.name]
    if standard_fields:
        columns = [column for column in columns if column["columnName"] in dataset.standard_fields]
    return {
        "type": "object",
        "description": "A null field is absent.",
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


def build_path_parameter(name: str, description: str) -> Json:
    """Return a parameter that is part of the path."""
    return {"name": name, "in": "path", "required": True, "description": description, "schema": TEXT}


EXPORT = build_operation(
    "exportCostAndUsage",
    "Cost and Usage",
    "Begin an export",
    {202: build_answer("ExportJobResponse", "The job, which is stored.")},
    (408, 413, 415),
    requestBody={"required": True, "content": {"application/json": {"schema": refer_to("ExportRequest")}}},
)
EXPORT_STATUS = build_operation(
    "getCostAndUsageExportStatus",
    "Cost and Usage",
    "Status of an export",
    {200: build_answer("ExportJobResponse")},
    (404,),
    parameters=[build_path_parameter("jobId", "jobId from the response to the export request.")],
)
FILES: Json = {kind: {"schema": {}} for kind in MEDIA_TYPES.values()}
DOWNLOAD = build_operation(
    "downloadExport",
    "Cost and Usage",
    "File of an export, at its downloadUrl",
    {
        200: {"description": "The file.", "content": FILES},
        206: {
            "description": "The bytes of the Range header.",
            "content": FILES | {"multipart/byteranges": {"schema": {}}},
        },
    },
    (404, 416),
    parameters=[
        build_path_parameter("secret", "From downloadUrl."),
        build_path_parameter("fileName", "From downloadUrl."),
    ],
)
PATHS: dict[str, Json] = {
    "/cost-and-usage": {
        "get": build_list_operation(
            "listCostAndUsage", "Cost and Usage", "Cost and usage records", COST_AND_USAGE
        )
    },
    "/cost-and-usage/export": {"post": EXPORT},
    "/cost-and-usage/export/{jobId}": {"get": EXPORT_STATUS},
    "/downloads/{secret}/{fileName}": {"get": DOWNLOAD},
    "/contract-commitments": {
        "get": build_list_operation(
            "listContractCommitments",
            "Contract Commitments",
            "Contract commitment records",
            CONTRACT_COMMITMENTS,
        )
    },
    "/schema": {
        "get": build_operation(
            "getSchemaMetadata",
            "Schema Metadata",
            "Columns of the records, or of the exports of FOCUS 1.4",
            {200: build_answer("SchemaMetadata")},
            parameters=[
                build_query_parameter(
                    "focusVersion",
                    "1.3: the columns of the records. 1.4: the columns of the exports of FOCUS 1.4.",
                    {"type": "string", "enum": list(FOCUS_VERSIONS), "default": FOCUS_VERSIONS[0]},
                )
            ],
        )
    },
}
SCHEMAS: dict[str, Json] = {
    "CostAndUsageResponse": build_list_schema(
        "CostAndUsageRecord",
        ["dataCompleteness"],
        dataLastUpdated=DATE_TIME
        | {"description": "When the latest load of the requested periods was fetched."},
        dataCompleteness={
            "type": "string",
            "enum": ["Complete", "Incomplete"],
            "description": "Complete once an invoice has closed every requested billing period.",
        },
    ),
    "ContractCommitmentResponse": build_list_schema("ContractCommitmentRecord", []),
    "ExportRequest": {
        "type": "object",
        "properties": {
            "billingPeriodStart": DATE_TIME
            | {"description": "Billing periods that start at this time or later."},
            "billingPeriodEnd": DATE_TIME
            | {
                "description": "Billing periods that start before this time. An earlier time than "
                "billingPeriodStart selects none."
            },
            "format": {"type": "string", "enum": ["csv", "parquet", "json"], "default": "csv"},
            "includeContractCommitments": {
                "type": "boolean",
                "default": False,
                "description": "Add contract commitments as a second file, and in FOCUS 1.4 billing periods "
                "and invoice lines as further ones; the download is then a zip.",
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
                "description": "Present once Complete, for 24 hours. It needs the same token.",
            },
            "recordCount": {"type": "integer", "description": "Records of cost and usage in the file."},
            "error": TEXT | {"description": "Why the export Failed."},
        },
        "required": ["jobId", "status", "createdAt"],
    },
    "SchemaMetadata": {
        "type": "object",
        "properties": {
            "focusVersion": TEXT,
            "dataGeneratorName": TEXT,
            "dataGeneratorVersion": TEXT,
            "columns": {"type": "array", "items": refer_to("ColumnDefinition")},
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

# ColumnDefinition with fields that FOCUS's own document lacks
COLUMN_WITH_OWN_FIELDS: Json = {
    "type": "object",
    "properties": SCHEMAS["ColumnDefinition"]["properties"]
    | {
        "dataset": TEXT | {"description": "The dataset of the column."},
        "numericPrecision": {"type": "integer", "description": "Digits that a Number can have."},
        "numericScale": {"type": "integer", "description": "Digits after the decimal point."},
    },
    "required": [*COLUMN_DEFINITION, "dataset"],
}

# ------------------------------------------------------------------------------------------- the HTML page

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


def render_page(document: Json) -> str:
    """Return the document as HTML, without scripts and without content of other servers."""
    info = document["info"]
    parts = [f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>"]
    parts.append('<p>For programs: <a href="openapi.json">openapi.json</a>. Send a token as ')
    parts.append("<code>Authorization: Bearer …</code> or as <code>X-API-Key</code>.</p>")
    base = document["servers"][0]["url"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(base + path)}</code></h2>")
            parts.append(f"<p>{escape(operation['summary'])}</p>")
            rows = [
                (parameter["name"], describe_type(parameter["schema"]), parameter["description"])
                for parameter in operation.get("parameters", [])
            ]
            parts.append(render_table(("parameter", "", ""), rows) if rows else "")
            answers = [(status, answer["description"]) for status, answer in operation["responses"].items()]
            parts.append(render_table(("response", ""), answers))
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"<h2>{escape(name)}</h2><p>{escape(schema.get('description', ''))}</p>")
        fields = [
            (field, describe_type(of_field), of_field.get("description", ""))
            for field, of_field in schema["properties"].items()
        ]
        parts.append(render_table(("field", "", ""), fields))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def describe_type(schema: Json) -> str:
    """Return the type of a schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "items" in schema:
        return f"array of {describe_type(schema['items'])}"
    if "enum" in schema:
        return " | ".join(schema["enum"])
    return str(schema.get("format") or schema.get("type", "any JSON"))


def render_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows as an HTML table."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
