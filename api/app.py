"""The server: what is answered at which address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import parameters, paging, queries
from api.access import Gate
from api.edge import Edge
from api.errors import ApiError, invalid_parameter
from api.paging import Position
from api.parameters import Parser
from api.publications import NotPublishedError, Publication, Publications
from api.queries import CONTRACT_COMMITMENTS, COST_AND_USAGE, Dataset
from api.settings import Settings
from api.tokens import Caller, Tokens

BASE = "/focus/v1"
HEALTH = "/health"
OPEN_PATHS = frozenset({HEALTH, f"{BASE}/openapi.json", f"{BASE}/docs"})
AT_ONCE = 4  # requests that read a publication; the others wait
PAGING: dict[str, Parser] = {
    "pageSize": parameters.page_size,
    "pageToken": parameters.text,
    "columns": parameters.names,
}
PARSERS: dict[str, Parser] = {
    "billingPeriodStart": parameters.date_time,
    "billingPeriodEnd": parameters.date_time,
    "chargeCategory": parameters.charge_category,
}


@dataclass
class Service:
    """What the server works with."""

    publications: Publications
    secret: bytes
    limiter: CapacityLimiter

    async def list_records(self, request: Request, dataset: Dataset) -> Response:
        """A page of a dataset."""
        parsers = {name: PARSERS.get(name, parameters.text) for name in dataset.filters} | PAGING
        asked = parameters.parameters(request.scope["query_string"], parsers)
        return await self.read(self.records, dataset, asked, request.scope["caller"])

    async def read(self, answer: Callable[..., bytes], *arguments: object) -> Response:
        """What a function reads from a publication, in a thread: at most so many at once."""
        try:
            body = await to_thread.run_sync(answer, *arguments, limiter=self.limiter)
        except NotPublishedError as error:
            raise ApiError(503, "not_published", str(error)) from None
        return Response(body, media_type="application/json")

    def records(self, dataset: Dataset, asked: Mapping[str, object], caller: Caller) -> bytes:
        """A page as JSON, from the publication that the walk began in. ApiError, NotPublishedError."""
        filters = {name: value for name, value in asked.items() if name in dataset.filters}
        names, token = asked.get("columns"), asked.get("pageToken")
        query = paging.digest(dataset.name, filters, names, caller.sha256, caller.billing_accounts)
        selected = queries.selection(dataset, filters, caller.billing_accounts)
        position = paging.unsealed(token, query, self.secret) if token else None
        try:
            with self.publications.reading(position and position.publication_id) as (publication, cursor):
                columns = chosen(publication, dataset, names)
                if position is None:
                    recency = queries.recency(
                        cursor,
                        filters.get("billingPeriodStart"),
                        filters.get("billingPeriodEnd"),
                        caller.billing_accounts,
                    )
                    total = queries.count(cursor, dataset, selected)
                    position = Position(
                        publication.publication_id,
                        query,
                        -1,
                        total,
                        recency.last_updated,
                        recency.is_complete,
                    )
                size = asked.get("pageSize", parameters.DEFAULT_PAGE_SIZE)
                page = queries.page(cursor, dataset, selected, columns, position.last, size)
        except NotPublishedError:
            if position is None:
                raise
            raise ApiError(
                400,
                "stale_page_token",
                "pageToken belongs to a publication that is not kept any more: begin again without it",
            ) from None
        fields = [f'"data":[{",".join(page.rows)}]', f'"totalRecords":{position.total}']
        if page.last is not None:
            following = msgspec.structs.replace(position, last=page.last)
            fields.append(f'"nextPageToken":"{paging.sealed(following, self.secret)}"')
        if dataset is COST_AND_USAGE:
            if position.last_updated:
                fields.append(f'"dataLastUpdated":"{position.last_updated}"')
            complete = "Complete" if position.is_complete else "Incomplete"
            fields.append(f'"dataCompleteness":"{complete}"')
        return f"{{{','.join(fields)}}}".encode()


def chosen(publication: Publication, dataset: Dataset, names: object) -> dict[str, str]:
    """The columns to show, with their types, in the order of the view: those of these names, or all."""
    columns = {
        name: kind
        for name, kind in publication.columns.get(dataset.view, {}).items()
        if name != queries.RECORD_NUMBER
    }
    if names is None:
        return columns
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise invalid_parameter(
            f"there is no column {unknown[0]!r}: {BASE}/schema lists those of {dataset.name}"
        )
    return {name: kind for name, kind in columns.items() if name in names}


async def answered_error(request: Request, error: Exception) -> Response:
    """An error as its answer; those of the framework, too."""
    if isinstance(error, ApiError):
        return error.response()
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} is not possible here: use {allowed}"
        return ApiError(405, "method_not_allowed", message, headers={"Allow": allowed}).response()
    return ApiError(404, "not_found").response()


def application(settings: Settings) -> Edge:
    """The server as an ASGI application. OSError if its own folder cannot be written."""
    publications = Publications(settings.publish_dir, settings.export_dir / "publications")
    secret = paging.kept_secret(settings.export_dir / ".secret")
    service = Service(publications, secret, CapacityLimiter(AT_ONCE))

    async def cost_and_usage(request: Request) -> Response:
        return await service.list_records(request, COST_AND_USAGE)

    async def contract_commitments(request: Request) -> Response:
        return await service.list_records(request, CONTRACT_COMMITMENTS)

    app = Starlette(
        routes=[
            Route(f"{BASE}/cost-and-usage", cost_and_usage),
            Route(f"{BASE}/contract-commitments", contract_commitments),
        ],
        exception_handlers={ApiError: answered_error, HTTPException: answered_error},
    )
    app.router.redirect_slashes = False
    tokens = Tokens(settings.tokens_file, settings.tokens_json)
    return Edge(app, Gate(tokens, settings.rate_limit), OPEN_PATHS)
