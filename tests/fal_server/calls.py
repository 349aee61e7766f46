"""Calls for keys, models, prices, teams and the balance.

Each takes the server, the request and the account, and returns the answer or raises an `ApiError`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.fal_server.catalogue import API_UNITS, CATEGORIES, DEPRECATED, LISTED, NEW_PRICES, Meter
from tests.fal_server.events import iso
from tests.fal_server.messages import Answer, Request, page_answer, to_json
from tests.fal_server.parameters import ApiError, invalid, read_expansions, read_ids, take_page

if TYPE_CHECKING:
    from tests.fal_server.server import FalServer

# the most rows of a page; no document states it for these lists
LIST_CAP = 100

Rows = Sequence[Mapping[str, Any]]


def keys(fal: "FalServer", request: Request, account: str) -> Answer:
    """/keys: the keys of the account."""
    expand = read_expansions(request, {"creator_info"})
    found = []
    for key in fal.world.keys(account):
        row = {
            "key_id": key.key_id,
            "alias": key.alias,
            "scope": key.scope,
            "created_at": iso(key.created_at),
        }
        if expand:
            row |= {"creator_nickname": key.creator, "creator_email": f"{key.creator}@example.com"}
        found.append(row)
    return _list(fal, request, "keys", found)


def models(fal: "FalServer", request: Request, account: str) -> Answer:
    """/models: endpoints by id, or those that match a text, a category and a status."""
    wanted = _known_endpoints(fal, request, account, required=False)
    status = request.one("status")
    if status not in (None, "active", "deprecated"):
        raise invalid("status: must be 'active' or 'deprecated'")
    category, text = request.one("category"), (request.one("q") or "").lower()
    found = [
        model
        for model in (_model(fal, account, meter) for meter in LISTED)
        if (not wanted or model["endpoint_id"] in wanted)
        and category in (None, model["metadata"]["category"])
        and status in (None, model["metadata"]["status"])
        and text in f"{model['endpoint_id']} {model['metadata']['display_name']}".lower()
    ]
    return _list(fal, request, "models", found)


def pricing(fal: "FalServer", request: Request, account: str) -> Answer:
    """/models/pricing: the prices of endpoints now."""
    wanted = _known_endpoints(fal, request, account, required=True)
    is_changed = fal.world.switches_of(account).price_changes and fal.world.has_changed
    new_prices = NEW_PRICES if is_changed else {}
    found = [
        {
            "endpoint_id": meter.endpoint_id,
            "unit_price": Decimal(new_prices.get(meter.endpoint_id, meter.unit_price)),
            "unit": API_UNITS[meter.unit],
            "currency": "USD",
        }
        for meter in LISTED
        if meter.endpoint_id in wanted
    ]
    return _list(fal, request, "prices", found)


def billing(fal: "FalServer", request: Request, account: str) -> Answer:
    """/account/billing: the credits that remain."""
    answer: dict[str, Any] = {"username": account}
    if read_expansions(request, {"credits"}):
        answer["credits"] = {"current_balance": fal.world.balance(account), "currency": "USD"}
    return Answer(200, to_json(answer).encode())


def teams(fal: "FalServer", request: Request, account: str) -> Answer:
    """/organization/teams: the teams of the organization."""
    found = [
        {
            "username": team.username,
            "name": team.name,
            "is_org_root": team.username == account,
            "created_at": iso(datetime(2025, 6, 1 + number, 9, tzinfo=UTC)),
        }
        for number, team in enumerate(fal.world.members(account))
    ]
    return _list(fal, request, "teams", found)


def _list(fal: "FalServer", request: Request, name: str, rows: Rows) -> Answer:
    page, cursor = take_page(request, rows, min(fal.page_cap, LIST_CAP))
    return page_answer({name: page}, cursor, news=fal.world.oddities.new_fields)


def _known_endpoints(fal: "FalServer", request: Request, account: str, *, required: bool) -> set[str]:
    wanted = read_ids(request, "endpoint_id", required=required)
    unknown = sorted(wanted - {meter.endpoint_id for meter in LISTED})
    if unknown and fal.world.switches_of(account).unknown_endpoints:
        raise ApiError(404, "not_found", f"Endpoint not found: {unknown[0]}")
    return wanted


def _model(fal: "FalServer", account: str, meter: Meter) -> dict[str, Any]:
    world, added = fal.world, datetime(2025, 3, 1, tzinfo=UTC)
    may_change = world.switches_of(account).deprecated_model and meter.endpoint_id == DEPRECATED
    is_deprecated = may_change and world.has_changed
    metadata: dict[str, Any] = {
        "display_name": meter.name,
        "category": CATEGORIES[meter.endpoint_id],
        "description": f'{meter.name} by "{meter.developer}"',
        "status": "deprecated" if is_deprecated else "active",
        "tags": [CATEGORIES[meter.endpoint_id].rsplit("-", 1)[-1]],
        "updated_at": iso(world.changed_at if is_deprecated else added + timedelta(days=30)),
        "date": iso(added),
    }
    if meter.endpoint_id.startswith("fal-ai/flux"):
        metadata |= {
            "license_type": "commercial",
            "group": {"key": "flux-1", "label": "FLUX.1"},
            "kind": "inference",
        }
    return {"endpoint_id": meter.endpoint_id, "metadata": metadata}


LIST_CALLS: dict[str, Callable[["FalServer", Request, str], Answer]] = {
    "/keys": keys,
    "/models": models,
    "/models/pricing": pricing,
    "/account/billing": billing,
    "/organization/teams": teams,
}
