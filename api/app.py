"""The server: what is answered at which address."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TypeVar

import anyio
import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    MalformedRangeHeader,
    RangeNotSatisfiable,
    Response,
)
from starlette.routing import Route

from api import openapi, paging, parameters, queries
from api.access import Gate
from api.answers import JsonInPieces
from api.compression import Compression
from api.edge import Edge
from api.errors import ApiError, invalid_parameter
from api.export_files import MEDIA_TYPES, ExportRequest
from api.exports import Exports, Job, TooManyExportsError
from api.paging import Position
from api.publications import NotPublishedError, Publication, Publications
from api.queries import CONTRACT_COMMITMENTS, COST_AND_USAGE, Dataset
from api.settings import Settings
from api.tokens import Caller, Tokens

BASE = "/focus/v1"
HEALTH = "/health"
OPEN_PATHS = frozenset({HEALTH, f"{BASE}/openapi.json", f"{BASE}/docs"})
PIECE = 1000  # records of a page that are read in one turn, and held until they are sent
DOWNLOADED_WITHIN = 3600.0  # seconds of waiting for the client
GONE = 499  # for the log: the client closed the connection before there was an answer
LARGEST_BODY = 65_536  # bytes
BODY_WITHIN = 20.0  # seconds

T = TypeVar("T")


class Download(FileResponse):
    """A file, or a part of it."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        """The ranges to send; what is no range is ignored, and none is the whole file. ApiError.

        The framework's own answers to the two errors are no Errors.
        """
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []
        except RangeNotSatisfiable:
            raise ApiError(
                416,
                "range_not_satisfiable",
                f"the file has {file_size} bytes",
                headers={"Content-Range": f"bytes */{file_size}"},
            ) from None


@dataclass
class Service:
    """What the server works with, and what it answers with it."""

    publications: Publications
    exports: Exports
    secret: bytes
    gate: Gate
    aside: CapacityLimiter  # for what needs no token: it takes no turn from those that have one
    standard_fields: bool  # to every token; a token may ask for it as well
    url: str  # what addresses of downloads begin with; empty: as the client's Host header has it
    # by whether it has the standard fields alone: a publication, and its OpenAPI document
    described: dict[bool, tuple[str, dict[str, object]]] = field(default_factory=dict)

    # -------------------------------------------------------------------------------------- operations

    async def cost_and_usage(self, request: Request) -> Response:
        """A page of cost and usage."""
        return await self.list_records(request, COST_AND_USAGE)

    async def contract_commitments(self, request: Request) -> Response:
        """A page of contract commitments."""
        return await self.list_records(request, CONTRACT_COMMITMENTS)

    async def schema(self, request: Request) -> Response:
        """The columns of both datasets."""
        parameters.parsed(request.scope["query_string"], {})
        return JsonInPieces(await self.read(request, self.schema_metadata, self.is_standard(request)))

    async def export(self, request: Request) -> Response:
        """Begin an export."""
        parameters.parsed(request.scope["query_string"], {})
        asked = export_request(await body_of(request))
        job = await self.read(request, self.new_job, asked, request.scope["caller"])
        return json_response(self.job_body(job, request), 202)

    async def export_status(self, request: Request) -> Response:
        """What has become of an export."""
        parameters.parsed(request.scope["query_string"], {})
        job = self.exports.job(request.path_params["jobId"], request.scope["caller"].owner)
        if job is None:
            raise ApiError(404, "not_found", "there is no export job of this id, or none of this token")
        return json_response(self.job_body(job, request))

    def job_body(self, job: Job, request: Request) -> bytes:
        """A job as the document has it; what there is not (yet) is absent."""
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

    async def download(self, request: Request) -> Response:
        """The file of an export."""
        parameters.parsed(request.scope["query_string"], {})
        file = self.exports.download(request.path_params["secret"], request.scope["caller"].owner)
        if file is None or file.name != request.path_params["fileName"] or not file.is_file():
            raise ApiError(404, "not_found", "there is no such download, or it has expired")
        request.scope["work"].begin_download()
        request.scope["answer"].within = DOWNLOADED_WITHIN
        return Download(file, filename=file.name, media_type=MEDIA_TYPES[file.suffix])

    async def health(self, request: Request) -> Response:
        """Whether anything can be served."""
        return json_response(await self.read_aside(self.state))

    async def document(self, request: Request) -> Response:
        """What all of this is, for programs."""
        return json_response(msgspec.json.encode(await self.described_to(request)))

    async def docs(self, request: Request) -> Response:
        """What all of this is, for people."""
        page = openapi.page(await self.described_to(request))
        return HTMLResponse(page, headers={"Content-Security-Policy": openapi.PAGE_POLICY})

    async def described_to(self, request: Request) -> dict[str, object]:
        """The OpenAPI document of what this caller gets."""
        return await self.read_aside(self.openapi_document, self.is_standard(request))

    def is_standard(self, request: Request) -> bool:
        """Whether a caller gets the fields of FOCUS's document alone."""
        caller = request.scope["caller"]
        return self.standard_fields or (caller is not None and caller.standard_fields)

    # ------------------------------------------------------------------------------------- what they read

    async def list_records(self, request: Request, dataset: Dataset) -> Response:
        """A page of a dataset."""
        asked = parameters.parsed(request.scope["query_string"], parameters.of_list(dataset.filters))
        caller, size = request.scope["caller"], asked.get("pageSize", parameters.DEFAULT_PAGE_SIZE)
        if request.method == "HEAD":
            size = 0
        read = 0
        taken = self.gate.take_rows(caller, size)
        try:
            read, first, later = await self.read(
                request, self.records, dataset, asked, size, caller, self.is_standard(request)
            )
        finally:
            self.gate.put_back_rows(caller, max(taken - read, 0))
        if request.method == "HEAD":
            return JsonInPieces(b"", [no_more])
        return JsonInPieces(first, [partial(self.read, request, piece) for piece in later])

    async def read(self, request: Request, function: Callable[..., T], *arguments: object) -> T:
        """What a function reads when it is the request's turn. ApiError if nothing is published."""
        try:
            return await request.scope["work"].run(function, *arguments)
        except NotPublishedError as error:
            raise ApiError(503, "not_published", str(error)) from None

    async def read_aside(self, function: Callable[..., T], *arguments: object) -> T:
        """What a function reads for a request that needs no token. ApiError if nothing is published."""
        try:
            return await to_thread.run_sync(function, *arguments, limiter=self.aside)
        except NotPublishedError as error:
            raise ApiError(503, "not_published", str(error)) from None

    def records(
        self,
        dataset: Dataset,
        asked: Mapping[str, object],
        size: int,
        caller: Caller,
        standard_fields: bool,
    ) -> tuple[int, bytes, list[Callable[[], bytes]]]:
        """A page as JSON, from the publication that the walk began in. ApiError, NotPublishedError.

        size: how many records; of 0 the request is checked alone. Returns how many there are, the first
        piece, and functions that make the others.
        """
        filters = {name: value for name, value in asked.items() if name in dataset.filters}
        names, token = asked.get("columns"), asked.get("pageToken")
        query = paging.digest(
            dataset.name, filters, names, caller.sha256, caller.billing_accounts, standard_fields
        )
        selected = queries.selection(dataset, filters, caller.billing_accounts)
        position = None if token is None else paging.unsealed(token, query, self.secret)
        try:
            with self.publications.reading(position and position.publication_id) as (publication, cursor):
                columns = chosen(publication, dataset, names, standard_fields)
                if not size:
                    return 0, b"", []
                if position is None:
                    recency = queries.recency(
                        cursor,
                        filters.get("billingPeriodStart"),
                        filters.get("billingPeriodEnd"),
                        caller.billing_accounts,
                    )
                    position = Position(
                        publication.publication_id,
                        query,
                        last=-1,
                        total=queries.count(cursor, dataset, selected),
                        last_updated=recency.last_updated,
                        is_complete=recency.is_complete,
                    )
                numbers = queries.record_numbers(cursor, dataset, selected, position.last, size + 1)
                page = numbers[:size]
                lasts = [*page[PIECE - 1 : -1 : PIECE], *page[-1:]]  # of the pieces
                rows = ""
                if page:
                    rows = queries.rows(cursor, dataset, selected, columns, position.last, lasts[0])
        except NotPublishedError:
            if position is None:
                raise
            raise ApiError(
                400,
                "stale_page_token",
                "pageToken belongs to a publication that is not kept any more: begin again without it",
            ) from None
        fields = [f'"totalRecords":{position.total}']
        if len(numbers) > size:
            following = msgspec.structs.replace(position, last=page[-1])
            fields.append(f'"nextPageToken":"{paging.sealed(following, self.secret)}"')
        if dataset is COST_AND_USAGE:
            if position.last_updated:
                fields.append(f'"dataLastUpdated":"{position.last_updated}"')
            complete = "Complete" if position.is_complete else "Incomplete"
            fields.append(f'"dataCompleteness":"{complete}"')
        end = f"],{','.join(fields)}}}"

        def piece(after: int, last: int) -> bytes:
            with self.publications.reading_on(publication) as cursor:
                rows = queries.rows(cursor, dataset, selected, columns, after, last)
            return f",{rows}{end if last == lasts[-1] else ''}".encode()

        first = f'{{"data":[{rows}{end if len(lasts) < 2 else ""}'.encode()
        return len(page), first, [partial(piece, *numbers) for numbers in pairwise(lasts)]

    def schema_metadata(self, standard_fields: bool) -> bytes:
        """What /schema answers, as JSON."""
        with self.publications.reading() as (publication, cursor):
            return msgspec.json.encode(queries.schema(cursor, publication.columns, standard_fields))

    def openapi_document(self, standard_fields: bool) -> dict[str, object]:
        """The OpenAPI document of what is published."""
        with self.publications.reading() as (publication, cursor):
            publication_id, document = self.described.get(standard_fields, ("", {}))
            if publication_id != publication.publication_id:
                schema = queries.schema(cursor, publication.columns)
                document = openapi.document(schema, standard_fields)
                self.described[standard_fields] = (publication.publication_id, document)
            return document

    def state(self) -> bytes:
        """That something can be served, and since when."""
        with self.publications.reading() as (publication, _):
            return msgspec.json.encode({"status": "ok", "publishedAt": publication.published_at})

    def new_job(self, asked: ExportRequest, caller: Caller) -> Job:
        """A new export of what is published now. ApiError."""
        with self.publications.reading() as (publication, _):
            try:
                return self.exports.create(asked, caller.owner, caller.billing_accounts, publication.file)
            except TooManyExportsError as error:
                headers = {"Retry-After": str(error.retry_after)}
                raise ApiError(429, "rate_limited", str(error), headers=headers) from None
            except OSError as error:
                raise ApiError(
                    503, "no_room", "the server cannot write an export now", error.strerror
                ) from None


# ------------------------------------------------------------------------------------ requests and answers


def chosen(
    publication: Publication, dataset: Dataset, names: object, standard_fields: bool
) -> dict[str, str]:
    """The columns to show, with their types, in the order of the view: those of these names, or all."""
    columns = publication.columns[dataset.view]
    if standard_fields:
        columns = {name: kind for name, kind in columns.items() if name in dataset.standard_fields}
    if names is None:
        return columns
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise invalid_parameter(
            f"there is no column {unknown[0]!r}: {BASE}/schema lists those of {dataset.name}"
        )
    return {name: kind for name, kind in columns.items() if name in names}


async def no_more() -> bytes:
    """The end of an answer whose length is not known."""
    return b""


def export_request(body: bytes) -> ExportRequest:
    """What an export shall hold, from JSON. ApiError."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
        for name in ("billingPeriodStart", "billingPeriodEnd"):
            if isinstance(fields.get(name), str):
                fields[name] = parameters.date_time(name, fields[name])
        return msgspec.convert(fields, ExportRequest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise invalid_parameter(
            "the body must be JSON, with billingPeriodStart and billingPeriodEnd (date-times), and perhaps "
            "format (csv, parquet or json), includeContractCommitments and csvFormulaEscape (true or false): "
            f"{error}"
        ) from None


async def body_of(request: Request) -> bytes:
    """The body of a request: JSON, not too much of it, and in time. ApiError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError(
            415, "unsupported_media_type", "the body must be JSON: send Content-Type: application/json"
        )
    body = b""
    try:
        with anyio.fail_after(BODY_WITHIN):
            async for piece in request.stream():
                body += piece
                if len(body) > LARGEST_BODY:
                    raise ApiError(
                        413,
                        "body_too_large",
                        f"a body may have {LARGEST_BODY} bytes",
                        headers={"Connection": "close"},
                    )
    except ClientDisconnect:
        message = "the request ended before its body did"
        raise ApiError(400, "invalid_request", message, headers={"Connection": "close"}) from None
    except TimeoutError:
        message = f"the body did not come within {BODY_WITHIN:.0f} s"
        raise ApiError(408, "request_timeout", message, headers={"Connection": "close"}) from None
    return body


def json_response(body: bytes, status: int = 200) -> Response:
    """JSON, as an answer."""
    return Response(body, status, media_type="application/json")


async def answered_error(request: Request, error: Exception) -> Response:
    """An error as its answer; those of the framework, too."""
    if isinstance(error, ApiError):
        return error.response()
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (error.headers or {})["Allow"]
        message = f"{request.method} is not possible here: use {allowed}"
        return ApiError(405, "method_not_allowed", message, headers={"Allow": allowed}).response()
    if isinstance(error, ClientDisconnect):
        return Response(status_code=GONE)
    if isinstance(error, HTTPException):
        return ApiError(404, "not_found").response()
    return ApiError(500, "internal_error").response()  # the edge logs it


def application(settings: Settings) -> Edge:
    """The server as an ASGI application. OSError if its own folder cannot be written."""
    settings.export_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    tokens = Tokens(settings.tokens_file, settings.tokens_json)
    gate = Gate(tokens, settings.rate_limit, settings.row_rate_limit)
    service = Service(
        Publications(settings.publish_dir, settings.export_dir / "publications"),
        Exports(settings.export_dir, quota=settings.export_quota, floor=settings.export_floor),
        paging.kept_secret(settings.export_dir / ".secret"),
        gate,
        CapacityLimiter(1),
        settings.standard_fields,
        settings.url,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.exports.start()
        try:
            yield
        finally:
            await service.exports.stop()
            service.publications.close()

    app = Starlette(
        routes=[
            Route(HEALTH, service.health),
            Route(f"{BASE}/openapi.json", service.document),
            Route(f"{BASE}/docs", service.docs),
            Route(f"{BASE}/cost-and-usage", service.cost_and_usage),
            Route(f"{BASE}/cost-and-usage/export", service.export, methods=["POST"]),
            Route(f"{BASE}/cost-and-usage/export/{{jobId}}", service.export_status),
            Route(f"{BASE}/downloads/{{secret}}/{{fileName}}", service.download, name="download"),
            Route(f"{BASE}/contract-commitments", service.contract_commitments),
            Route(f"{BASE}/schema", service.schema),
        ],
        middleware=[Middleware(Compression)],
        exception_handlers=dict.fromkeys(
            (ApiError, ClientDisconnect, HTTPException, Exception), answered_error
        ),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return Edge(app, gate, OPEN_PATHS)
