"""Calls beyond billing events and reports: keys, models, prices, balance, usage, and organizations.

Each takes the server, the request and the account, and returns the answer or raises an `ApiError`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.fal_server.catalogue import API_UNITS, CATEGORIES, DEPRECATED, LISTED, NEW_PRICES, Meter
from tests.fal_server.events import Event, iso, nano_to_usd, plain
from tests.fal_server.messages import Answer, Request
from tests.fal_server.parameters import (
    ApiError,
    Buckets,
    invalid,
    read_buckets,
    read_choices,
    read_expansions,
    read_ids,
    take_page,
)
from tests.fal_server.reports import split
from tests.fal_server.switches import LINES
from tests.fal_server.usage import Usage, group, sum_of

if TYPE_CHECKING:
    from tests.fal_server.server import FalServer

# the most rows of a page; no document states it for these lists
LIST_CAP = 100
SERIES_CAP = 1000

Rows = Sequence[Mapping[str, Any]]
Series = list[tuple[datetime, Mapping[str, Any] | None]]


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
    wanted = _known_endpoints(fal, request, required=False)
    status = request.one("status")
    if status not in (None, "active", "deprecated"):
        raise invalid("status: must be 'active' or 'deprecated'")
    category, text = request.one("category"), (request.one("q") or "").lower()
    found = [
        model
        for model in (_model(fal, meter) for meter in LISTED)
        if (not wanted or model["endpoint_id"] in wanted)
        and category in (None, model["metadata"]["category"])
        and status in (None, model["metadata"]["status"])
        and text in f"{model['endpoint_id']} {model['metadata']['display_name']}".lower()
    ]
    return _list(fal, request, "models", found)


def pricing(fal: "FalServer", request: Request, account: str) -> Answer:
    """/models/pricing: the prices of endpoints now."""
    wanted = _known_endpoints(fal, request, required=True)
    is_changed = fal.world.switches.price_changes and fal.world.now >= fal.world.changed_at
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


def serverless_usage(fal: "FalServer", request: Request, account: str) -> Answer:
    """/serverless/usage: time of apps by bucket, app, environment, machine, price, discount and surge."""

    def results(usages: list[Usage]) -> list[Mapping[str, Any]]:
        return [_serverless_result(usages) for usages in group(usages)]

    buckets = read_buckets(request, fal.world.now)
    start, end = buckets.span
    usages = [
        usage for usage in fal.world.usage_window(account, start, end) if usage.machine.line == "serverless"
    ]
    series: Series = []
    found = dict(split(usages, buckets.place))
    for place in buckets.all():
        series += [(place[0], result) for result in results(found.get(place, []))] or [(place[0], None)]
    return _series(fal, request, buckets, series)


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


def organization_usage(fal: "FalServer", request: Request, account: str) -> Answer:
    """/organization/usage: usage of all teams and product lines."""
    products = read_choices(request, "product", LINES) or set(LINES)
    buckets = read_buckets(request, fal.world.now)
    start, end = buckets.span
    found: dict[tuple[datetime, datetime], list[Mapping[str, Any]]] = {}
    if "model_apis" in products:
        for team in fal.world.members(account):
            events = reversed(fal.world.window(team.username, start, end))
            for place, of_bucket in split(events, buckets.place):
                found.setdefault(place, []).extend(_team_results(team.username, of_bucket))
    usages = fal.world.usage_window(account, start, end)
    for place, in_bucket in split([each for each in usages if each.machine.line in products], buckets.place):
        found.setdefault(place, []).extend(_line_result(account, same) for same in group(in_bucket))
    series: Series = []
    for place in buckets.all():
        series += [(place[0], result) for result in found.get(place, [])] or [(place[0], None)]
    return _series(fal, request, buckets, series)


def to_json(value: object) -> str:
    """Write JSON with decimals as numbers, digit by digit."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{to_json(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _list(fal: "FalServer", request: Request, name: str, rows: Rows) -> Answer:
    page, cursor = take_page(request, rows, min(fal.page_cap, LIST_CAP))
    return _page(fal, {name: page}, cursor)


def _page(fal: "FalServer", content: Mapping[str, Any], cursor: str | None) -> Answer:
    news = {"request_cost": {"units": 1}} if fal.world.oddities.new_fields else {}
    page = {"next_cursor": cursor, "has_more": cursor is not None, **news, **content}
    return Answer(200, to_json(page).encode())


def _series(fal: "FalServer", request: Request, buckets: Buckets, series: Series) -> Answer:
    """Page through results; a bucket that continues on the next page is on both."""
    expand = read_expansions(request, {"time_series"})
    page, cursor = take_page(request, series, min(fal.page_cap, SERIES_CAP), fal.world.shift)
    if not expand:
        return _page(fal, {}, None)
    found: dict[datetime, list[Mapping[str, Any]]] = {}
    for start, result in page:
        found.setdefault(start, []).extend([result] if result else [])
    listed = [{"bucket": buckets.label(start), "results": results} for start, results in found.items()]
    return _page(fal, {"time_series": listed}, cursor)


def _known_endpoints(fal: "FalServer", request: Request, *, required: bool) -> set[str]:
    wanted = read_ids(request, "endpoint_id", required=required)
    unknown = sorted(wanted - {meter.endpoint_id for meter in LISTED})
    if unknown and fal.world.switches.unknown_endpoints:
        raise ApiError(404, "not_found", f"Endpoint not found: {unknown[0]}")
    return wanted


def _model(fal: "FalServer", meter: Meter) -> dict[str, Any]:
    world, added = fal.world, datetime(2025, 3, 1, tzinfo=UTC)
    is_deprecated = (
        world.switches.deprecated_model and meter.endpoint_id == DEPRECATED and world.now >= world.changed_at
    )
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


def _serverless_result(usages: Sequence[Usage]) -> dict[str, Any]:
    """Make the result of usage with one key."""
    first, machine = usages[0], usages[0].machine
    subtotal, cost = sum_of(usage.subtotal for usage in usages), sum_of(usage.cost for usage in usages)
    return {
        "app": machine.app,
        "environment": machine.environment,
        "machine_type": machine.machine_type,
        "unit": first.unit,
        "quantity": sum_of(usage.quantity for usage in usages),
        "unit_price": first.unit_price,
        "percent_discount": machine.percent_discount,
        "cost_subtotal": subtotal,
        "cost_discount": sum_of([subtotal, -cost]),
        "cost_total": cost,
        "currency": "USD",
        "is_surge": first.is_surge,
    }


def _line_result(username: str, usages: Sequence[Usage]) -> dict[str, Any]:
    first, machine = usages[0], usages[0].machine
    endpoint_id = machine.app or machine.machine_type
    if machine.line == "compute":
        endpoint_id = f"{machine.machine_type} ({machine.app})"
    return {
        "username": username,
        "product": machine.line,
        "endpoint_id": endpoint_id,
        "unit": first.unit,
        "quantity": sum_of(usage.quantity for usage in usages),
        "unit_price": first.unit_price,
        "cost": sum_of(usage.cost for usage in usages),
        "currency": "USD",
    }


def _team_results(username: str, events: Iterable[Event]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str | None], list[Event]] = {}
    for event in events:
        is_priced = event.unit_price is not None and event.output_units is not None
        groups.setdefault((event.endpoint_id, event.unit_price if is_priced else None), []).append(event)
    units = {meter.endpoint_id: API_UNITS.get(meter.unit, "unit") for meter in LISTED}
    return [
        {
            "username": username,
            "product": "model_apis",
            "endpoint_id": endpoint_id,
            "unit": units.get(endpoint_id, "unit") if price else "usd",
            "quantity": sum_of(Decimal(each.output_units or 0) if price else each.subtotal for each in same),
            "unit_price": Decimal(price or 1),
            "cost": nano_to_usd(sum(event.cost_nano_usd for event in same)),
            "currency": "USD",
        }
        for (endpoint_id, price), same in sorted(groups.items(), key=str)
    ]


Call = Callable[["FalServer", Request, str], Answer]

CALLS: dict[str, Call] = {
    "/keys": keys,
    "/models": models,
    "/models/pricing": pricing,
    "/account/billing": billing,
    "/serverless/usage": serverless_usage,
    "/organization/teams": teams,
    "/organization/usage": organization_usage,
}
ADMIN_CALLS = {"/keys", "/serverless/usage"}
