"""The server: the operation at each address."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, TypeVarTuple

import anyio
import duckdb
import msgspec
from anyio import CapacityLimiter, to_thread
from cryptography.fernet import Fernet
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from api import openapi, queries
from api.access import Gate
from api.answers import JsonInPieces
from api.edge import Edge
from api.errors import LARGEST_BODY, ApiError, body_too_large
from api.export_files import MEDIA_TYPES, ExportRequest, parse_export_request
from api.export_jobs import Job
from api.export_limits import TooManyExportsError
from api.exports import Exports
from api.overrides import Compression, Download, LoopErrors
from api.paging import load_key
from api.parameters import check_no_parameters, parse_list_parameters, parse_schema_version
from api.publications import NotPublishedError, Publications
from api.queries import CONTRACT_COMMITMENTS, COST_AND_USAGE, Dataset
from api.records import RecordRequest, read_page
from api.settings import Settings
from api.tokens import Caller, Tokens
from api.turns import RETRY_AFTER

BASE = "/focus/v1"
HEALTH = "/health"
OPEN_PATHS = frozenset({HEALTH, f"{BASE}/openapi.json", f"{BASE}/docs"})
DOWNLOADED_WITHIN = 3600.0  # seconds of waiting for the client
CLIENT_CLOSED_REQUEST = 499  # for the log: the client closed the connection before the response
BODY_WITHIN = 20.0  # seconds

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass
class Service:
    """The operations of the server, and the parts that they use."""

    publications: Publications
    exports: Exports
    key: Fernet  # of page tokens
    gate: Gate
    open_requests: CapacityLimiter  # threads of requests that need no token: they use no turns of tokens
    standard_fields: bool  # for every token; a token can have it as well
    url: str  # the start of download addresses; empty: the client's Host header
    # by standard_fields: a publication id, and its OpenAPI document
    documents: dict[bool, tuple[str, openapi.Json]] = field(default_factory=dict)

    # -------------------------------------------------------------------------------------- operations

    async def list_cost_and_usage(self, request: Request) -> Response:
        """Return a page of cost and usage."""
        return await self.list_records(request, COST_AND_USAGE)

    async def list_contract_commitments(self, request: Request) -> Response:
        """Return a page of contract commitments."""
        return await self.list_records(request, CONTRACT_COMMITMENTS)

    async def list_records(self, request: Request, dataset: Dataset) -> Response:
        """Return a page of a dataset. Its rows count against the limit of the token."""
        parameters = parse_list_parameters(request.scope["query_string"], dataset.filters)
        caller: Caller = request.scope["caller"]
        size = 0 if request.method == "HEAD" else parameters.page_size
        asked = RecordRequest(dataset, parameters, size, caller, self.has_standard_fields(request))
        read = 0
        taken = self.gate.take_rows(caller, size)
        try:
            page = await self.read(request, read_page, self.publications, asked, self.key)
            read = page.count
        finally:
            self.gate.put_back_rows(caller, max(taken - read, 0))
        if request.method == "HEAD":
            return JsonInPieces(b"", [return_nothing])
        return JsonInPieces(page.first, [partial(self.read, request, piece) for piece in page.later])

    async def get_schema(self, request: Request) -> Response:
        """Return the columns of the records, or those of the exports of FOCUS 1.4."""
        focus_version = parse_schema_version(request.scope["query_string"])
        standard_fields = self.has_standard_fields(request)
        return JsonInPieces(await self.read(request, self.read_schema, focus_version, standard_fields))

    async def create_export(self, request: Request) -> Response:
        """Begin an export."""
        check_no_parameters(request.scope["query_string"])
        asked = parse_export_request(await read_body(request))
        job = await self.read(request, self.create_job, asked, request.scope["caller"])
        return build_json_response(self.encode_job(job, request), 202)

    async def get_export_status(self, request: Request) -> Response:
        """Return the state of an export."""
        check_no_parameters(request.scope["query_string"])
        job = self.exports.find_job(request.path_params["jobId"], request.scope["caller"].owner)
        if job is None:
            raise ApiError(404, "not_found", "this export job does not exist, or belongs to another token")
        return build_json_response(self.encode_job(job, request))

    async def download(self, request: Request) -> Response:
        """Return the file of an export."""
        check_no_parameters(request.scope["query_string"])
        file = self.exports.find_file(request.path_params["secret"], request.scope["caller"].owner)
        if file is None or file.name != request.path_params["fileName"] or not file.is_file():
            raise ApiError(404, "not_found", "this download does not exist, or has expired")
        request.scope["work"].begin_download()
        request.scope["answer"].within = DOWNLOADED_WITHIN
        return Download(file, filename=file.name, media_type=MEDIA_TYPES[file.suffix])

    async def get_health(self, request: Request) -> Response:
        """Return whether a publication can be served."""
        return build_json_response(await self.read_open(self.read_health))

    async def get_document(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        return build_json_response(msgspec.json.encode(await self.describe(request)))

    async def get_docs(self, request: Request) -> Response:
        """Return the OpenAPI document as a page."""
        page = openapi.render_page(await self.describe(request))
        return HTMLResponse(page, headers={"Content-Security-Policy": openapi.PAGE_POLICY})

    async def describe(self, request: Request) -> openapi.Json:
        """Return the OpenAPI document for the fields that this caller gets."""
        return await self.read_open(self.read_document, self.has_standard_fields(request))

    def has_standard_fields(self, request: Request) -> bool:
        """Return whether a caller gets only the fields of FOCUS's document."""
        caller: Caller | None = request.scope["caller"]
        return self.standard_fields or (caller is not None and caller.standard_fields)

    def encode_job(self, job: Job, request: Request) -> bytes:
        """Return a job as JSON by the document. Fields without a value are absent."""
        download = None
        if job.download:
            base = self.url or str(request.base_url).rstrip("/")
            path = {"secret": job.download.secret, "fileName": job.download.file_name}
            download = base + request.app.url_path_for("download", **path)
        fields = {
            "jobId": job.job_id,
            "status": job.status,
            "createdAt": job.created_at,
            "completedAt": job.completed_at,
            "downloadUrl": download,
            "recordCount": job.record_count,
            "error": job.error,
        }
        return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})

    # --------------------------------------------------------------------------- reads, each in a thread

    async def read(self, request: Request, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Call a function when it is the request's turn. Raises ApiError if nothing can be read now."""
        with answer_read_errors():
            result: T = await request.scope["work"].run(function, *arguments)
        return result

    async def read_open(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Call a function for a request that needs no token. Raises ApiError if nothing can be read now."""
        with answer_read_errors():
            return await to_thread.run_sync(function, *arguments, limiter=self.open_requests)

    def read_schema(self, focus_version: str, standard_fields: bool) -> bytes:
        """Return the response of /schema as JSON."""
        with self.publications.open() as (publication, cursor):
            check_focus_version(cursor, focus_version)
            if focus_version == "1.4":
                return msgspec.json.encode(queries.read_schema_1_4(cursor, standard_fields))
            return msgspec.json.encode(queries.read_schema(cursor, publication.columns, standard_fields))

    def read_document(self, standard_fields: bool) -> openapi.Json:
        """Return the OpenAPI document of the current publication."""
        with self.publications.open() as (publication, cursor):
            publication_id, document = self.documents.get(standard_fields, ("", {}))
            if publication_id != publication.publication_id:
                schema = queries.read_schema(cursor, publication.columns)
                document = openapi.build_document(schema, standard_fields)
                self.documents[standard_fields] = (publication.publication_id, document)
            return document

    def read_health(self) -> bytes:
        """Return the response of /health as JSON."""
        with self.publications.open() as (publication, _):
            return msgspec.json.encode({"status": "ok", "publishedAt": publication.published_at})

    def create_job(self, asked: ExportRequest, caller: Caller) -> Job:
        """Create an export of the current publication. Raises ApiError."""
        with self.publications.open() as (publication, cursor):
            check_focus_version(cursor, asked.focus_version)
            try:
                return self.exports.create(asked, caller.owner, caller.billing_accounts, publication.file)
            except TooManyExportsError as error:
                headers = {"Retry-After": str(error.retry_after)}
                raise ApiError(429, "rate_limited", str(error), headers=headers) from None
            except OSError as error:
                message = "the server cannot write an export now"
                raise ApiError(503, "no_room", message, error.strerror) from None


@contextmanager
def answer_read_errors() -> Iterator[None]:
    """Turn errors of reading a publication into an ApiError."""
    try:
        yield
    except NotPublishedError as error:
        raise ApiError(503, "not_published", str(error)) from None
    except duckdb.OutOfMemoryException:  # all requests share the memory
        message = "the server has too little memory for this request now: try again, or with fewer columns"
        raise ApiError(503, "busy", message, headers=RETRY_AFTER) from None


def check_focus_version(cursor: duckdb.DuckDBPyConnection, focus_version: str) -> None:
    """Raise NotPublishedError if a publication lacks the datasets of a FOCUS version."""
    if not queries.has_focus_version(cursor, focus_version):
        raise NotPublishedError(f"the publication has no datasets of FOCUS {focus_version}: run dbt build")


async def return_nothing() -> bytes:
    """Return an empty piece: the end of a response without Content-Length."""
    return b""


async def read_body(request: Request) -> bytes:
    """Read a JSON body, within the bounds of size and time. Raises ApiError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError(
            415, "unsupported_media_type", "the body must be JSON: send Content-Type: application/json"
        )
    body = b""
    close = {"Connection": "close"}
    try:
        with anyio.fail_after(BODY_WITHIN):
            async for piece in request.stream():
                body += piece
                if len(body) > LARGEST_BODY:
                    raise body_too_large()
    except ClientDisconnect:
        message = "the request ended before its body did"
        raise ApiError(400, "invalid_request", message, headers=close) from None
    except TimeoutError:
        message = f"the body did not arrive within {BODY_WITHIN:.0f} s"
        raise ApiError(408, "request_timeout", message, headers=close) from None
    return body


def build_json_response(body: bytes, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(body, status, media_type="application/json")


async def build_error_response(request: Request, error: Exception) -> Response:
    """Return the response of an exception, also of Starlette's own."""
    if isinstance(error, ApiError):
        return error.build_response()
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (error.headers or {})["Allow"]
        message = f"{request.method} is not allowed here: use {allowed}"
        return ApiError(405, "method_not_allowed", message, headers={"Allow": allowed}).build_response()
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    if isinstance(error, HTTPException):
        return ApiError(404, "not_found").build_response()
    return ApiError(500, "internal_error").build_response()  # the edge logs it


def create_application(settings: Settings) -> Edge:
    """Return the server as an ASGI application. Raises OSError if its own folder cannot be written."""
    settings.export_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    tokens = Tokens(settings.tokens_file, settings.tokens_json)
    gate = Gate(tokens, settings.rate_limit, settings.row_rate_limit)
    service = Service(
        Publications(settings.publish_dir, settings.export_dir / "publications", settings.export_floor),
        Exports(settings.export_dir, quota=settings.export_quota, floor=settings.export_floor),
        load_key(settings.export_dir / ".secret"),
        gate,
        CapacityLimiter(1),
        settings.standard_fields,
        settings.url,
    )
    app = Starlette(
        routes=build_routes(service),
        middleware=[Middleware(Compression)],
        exception_handlers=dict.fromkeys(
            (ApiError, ClientDisconnect, HTTPException, Exception), build_error_response
        ),
        lifespan=partial(run_service, service),
    )
    app.router.redirect_slashes = False
    return Edge(app, gate, OPEN_PATHS)


def build_routes(service: Service) -> list[Route]:
    """Return the addresses of all operations."""
    return [
        Route(HEALTH, service.get_health),
        Route(f"{BASE}/openapi.json", service.get_document),
        Route(f"{BASE}/docs", service.get_docs),
        Route(f"{BASE}/cost-and-usage", service.list_cost_and_usage),
        Route(f"{BASE}/cost-and-usage/export", service.create_export, methods=["POST"]),
        Route(f"{BASE}/cost-and-usage/export/{{jobId}}", service.get_export_status),
        Route(f"{BASE}/downloads/{{secret}}/{{fileName}}", service.download, name="download"),
        Route(f"{BASE}/contract-commitments", service.list_contract_commitments),
        Route(f"{BASE}/schema", service.get_schema),
    ]


@asynccontextmanager
async def run_service(service: Service, _: Starlette) -> AsyncIterator[None]:
    """Run exports while the server runs."""
    asyncio.get_running_loop().set_exception_handler(LoopErrors())
    await service.exports.start()
    try:
        yield
    finally:
        await service.exports.stop()
        service.publications.close()
