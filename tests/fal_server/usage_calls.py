"""Calls for usage in buckets: of endpoints, of apps, and of an organization.

Each takes the server, the request and the account, and returns the answer or raises an `ApiError`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.fal_server.catalogue import API_UNITS, METER_OF
from tests.fal_server.events import Event, nano_to_usd
from tests.fal_server.messages import Answer, Request, page_answer
from tests.fal_server.parameters import (
    Buckets,
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

# the most results of a page; no document states it
SERIES_CAP = 1000

Result = dict[str, Any]
Found = dict[tuple[datetime, datetime], list[Result]]


def models_usage(fal: "FalServer", request: Request, account: str) -> Answer:
    """/models/usage: usage of endpoints by price and discount, and by label and key if expanded."""
    expand = read_expansions(request, {"time_series", "summary", "auth_method", "auth_method_structured"})
    wanted = read_ids(request, "endpoint_id")
    buckets = read_buckets(request, fal.world.now)
    listed = fal.world.window(account, *buckets.span)
    events = [event for event in reversed(listed) if not wanted or event.endpoint_id in wanted]
    found = {place: _endpoint_results(same, expand) for place, same in split(events, buckets.place)}
    summary = {"summary": _endpoint_results(events, expand)} if "summary" in expand else {}
    return _series(fal, request, buckets, found, expand, summary)


def serverless_usage(fal: "FalServer", request: Request, account: str) -> Answer:
    """/serverless/usage: time of apps by environment, machine, price, discount and surge."""
    expand = read_expansions(request, {"time_series"})
    buckets = read_buckets(request, fal.world.now)
    found = {
        place: [_app_result(same) for same in group(usages)]
        for place, usages in split(_usages(fal, account, buckets, {"serverless"}), buckets.place)
    }
    return _series(fal, request, buckets, found, expand)


def organization_usage(fal: "FalServer", request: Request, account: str) -> Answer:
    """/organization/usage: usage of all teams and product lines."""
    expand = read_expansions(request, {"time_series"})
    products = read_choices(request, "product", LINES) or set(LINES)
    buckets = read_buckets(request, fal.world.now)
    found: Found = {}
    for team in fal.world.members(account) if "model_apis" in products else ():
        events = reversed(fal.world.window(team.username, *buckets.span))
        for place, same in split(events, buckets.place):
            found.setdefault(place, []).extend(_team_results(team.username, same))
    for place, usages in split(_usages(fal, account, buckets, products), buckets.place):
        found.setdefault(place, []).extend(_line_result(account, same) for same in group(usages))
    return _series(fal, request, buckets, found, expand)


def _usages(fal: "FalServer", account: str, buckets: Buckets, lines: set[str]) -> list[Usage]:
    usages = fal.world.usage_window(account, *buckets.span)
    return [usage for usage in usages if usage.machine.line in lines]


def _series(
    fal: "FalServer",
    request: Request,
    buckets: Buckets,
    found: Found,
    expand: set[str],
    more: Mapping[str, Any] | None = None,
) -> Answer:
    """Page through the results of all buckets. A bucket that a page cuts in two is on both pages."""
    rows: list[tuple[datetime, Result | None]] = []
    for place in buckets.all():
        rows += [(place[0], result) for result in found.get(place, [])] or [(place[0], None)]
    page, cursor = take_page(request, rows, min(fal.page_cap, SERIES_CAP), fal.world.shift)
    if "time_series" not in expand:
        return page_answer(more or {}, None, news=fal.world.oddities.new_fields)
    listed: dict[datetime, list[Result]] = {}
    for start, result in page:
        listed.setdefault(start, []).extend([result] if result else [])
    series = [{"bucket": buckets.label(start), "results": results} for start, results in listed.items()]
    return page_answer({**(more or {}), "time_series": series}, cursor, news=fal.world.oddities.new_fields)


def _endpoint_results(events: Iterable[Event], expand: set[str]) -> list[Result]:
    results: list[Result] = []
    for key, same in _by_price(events, expand):
        subtotal, cost = sum_of(event.subtotal for event in same), _cost(same)
        result: dict[str, Any] = {**_metered(key[0], key[1], same), "percent_discount": Decimal(key[2] or 0)}
        result |= {"cost_subtotal": subtotal, "cost_discount": sum_of([subtotal, -cost]), "cost_total": cost}
        if "auth_method" in expand:
            result["auth_method"] = same[0].auth_method
        if "auth_method_structured" in expand:
            result["auth_method_structured"] = same[0].auth_structured
        results.append(result | {"currency": "USD"})
    return results


def _team_results(username: str, events: Iterable[Event]) -> list[Result]:
    return [
        {"username": username, "product": "model_apis", **_metered(key[0], key[1], same)}
        | {"cost": _cost(same), "currency": "USD"}
        for key, same in _by_price(events, set())
    ]


def _by_price(events: Iterable[Event], expand: set[str]) -> list[tuple[tuple[Any, ...], list[Event]]]:
    """Group events by endpoint, price and discount, and by label and key if expanded."""
    groups: dict[tuple[Any, ...], list[Event]] = {}
    for event in events:
        is_priced = event.unit_price is not None and event.output_units is not None
        price = event.unit_price if is_priced else None
        caller = (event.auth_method, event.api_key_id) if len(expand - {"time_series", "summary"}) else ()
        groups.setdefault((event.endpoint_id, price, event.percent_discount, *caller), []).append(event)
    return sorted(groups.items(), key=lambda item: str(item[0]))


def _metered(endpoint_id: str, price: str | None, events: Sequence[Event]) -> dict[str, Any]:
    """Return endpoint, unit, quantity and price. Events without price or units are priced in USD."""
    if price is None:
        unit, quantity = "usd", sum_of(event.subtotal for event in events)
    else:
        meter = METER_OF.get(endpoint_id)
        unit = API_UNITS.get(meter.unit, "unit") if meter else "unit"
        quantity = sum_of(Decimal(event.output_units or 0) for event in events)
    return {"endpoint_id": endpoint_id, "unit": unit, "quantity": quantity, "unit_price": Decimal(price or 1)}


def _cost(events: Sequence[Event]) -> Decimal:
    return nano_to_usd(sum(event.cost_nano_usd for event in events))


def _app_result(usages: Sequence[Usage]) -> Result:
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


def _line_result(username: str, usages: Sequence[Usage]) -> Result:
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


USAGE_CALLS: dict[str, Callable[["FalServer", Request, str], Answer]] = {
    "/models/usage": models_usage,
    "/serverless/usage": serverless_usage,
    "/organization/usage": organization_usage,
}
