"""Ad hoc pulls go to standard output, never to the landing zone."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.fal_server import FalServer, World
from tests.fal_server.events import Event
from tests.loaders.conftest import Run

DAY = ("--start", "2026-01-26", "--end", "2026-01-27")


def test_a_filtered_pull_prints_one_event_a_line_and_lands_nothing(
    run: Run, world: World, landing: Path
) -> None:
    result = run("billing-events", *DAY, "--endpoint-id", "fal-ai/flux/dev", "--endpoint-id", "fal-ai/veo3")
    assert result.code == 0
    wanted = [
        event
        for event in world.window(
            "acme", datetime(2026, 1, 26, tzinfo=UTC), datetime(2026, 1, 27, tzinfo=UTC)
        )
        if event.endpoint_id in ("fal-ai/flux/dev", "fal-ai/veo3")
    ]
    assert len(wanted) > 5
    assert result.out.splitlines() == [event.json(label=True) for event in wanted]
    assert "nothing is landed" in result.err
    assert not landing.exists()


def test_single_requests_can_be_pulled(run: Run, world: World) -> None:
    wanted = world.day_events("acme", world.first_day)[0].request_id
    result = run("billing-events", "--start", "2026-01-25", "--end", "2026-01-26", "--request-id", wanted)
    assert {json.loads(line)["request_id"] for line in result.out.splitlines()} == {wanted}


def test_a_request_with_expansions_is_ad_hoc(run: Run, landing: Path) -> None:
    result = run("billing-events", *DAY, "--expand", "auth_method", "--expand", "auth_method_structured")
    event = json.loads(result.out.splitlines()[0])
    assert {"auth_method", "auth_method_structured"} <= set(event)
    assert len(result.out.splitlines()) == 60
    assert not landing.exists()


def test_all_pages_of_an_ad_hoc_pull_are_followed(run: Run, server: FalServer, world: World) -> None:
    result = run("billing-events", *DAY, "--expand", "auth_method", "--page-size", 20)
    events = world.day_events("acme", date(2026, 1, 26))
    printed = list(dict.fromkeys(result.out.splitlines()))  # rows that shift between pages are repeated
    assert printed == [event.json(label=True) for event in reversed(events)]
    assert len([request for request in server.requests if "cursor" in request.params]) == 3


def test_numbers_are_printed_unchanged(run: Run, world: World) -> None:
    at = datetime(2026, 1, 26, 12, tzinfo=UTC)
    event = Event("r-1", "x/y", at, 10**20, "12345678901234567890", "3.33e-05", "0.12345678901234567")
    world.set_day("acme", at.date(), [event])
    result = run("billing-events", *DAY, "--endpoint-id", "x/y")
    assert result.out == event.json(label=True) + "\n"
    assert '"unit_price":3.33e-05,"percent_discount":0.12345678901234567,' in result.out


def test_a_pull_without_a_window_sends_no_dates(run: Run, server: FalServer) -> None:
    result = run("billing-events", "--endpoint-id", "fal-ai/flux/dev")
    assert result.code == 0 and result.out
    assert not {"start", "end"} & set(server.requests[-1].params)


def test_times_of_day_are_allowed_ad_hoc(run: Run) -> None:
    result = run(
        "billing-events", "--start", "2026-01-26T06:00", "--end", "2026-01-26T19:00+01:00",
        "--expand", "auth_method",
    )  # fmt: skip
    times = [json.loads(line)["timestamp"] for line in result.out.splitlines()]
    assert times and min(times) >= "2026-01-26T06" and max(times) < "2026-01-26T18:00:00.000Z"


def test_a_window_of_more_than_90_days_is_requested_in_pieces(
    run: Run, world: World, server: FalServer
) -> None:
    result = run("billing-events", "--start", "2025-06-01", "--end", "2026-02-05", "--expand", "auth_method")
    assert result.code == 0
    starts = [request.one("start") or "" for request in server.requests]
    assert [start[:10] for start in starts] == ["2025-11-07", "2025-08-09", "2025-06-01"]
    lines = result.out.splitlines()
    assert len(lines) == len(world.events("acme", until=datetime(2026, 2, 5).date()))
    times = [json.loads(line)["timestamp"][:19] for line in lines]
    assert times == sorted(times, reverse=True)


def test_more_than_fifty_ids_are_a_one_line_error(run: Run, server: FalServer) -> None:
    ids = [part for number in range(51) for part in ("--request-id", f"r-{number}")]
    result = run("billing-events", *DAY, *ids)
    assert result.code == 2
    assert result.err == "error: --request-id can be given 50 times, not 51.\n"
    assert server.requests == []


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (("--timezone", "Asia/Kolkata"), {"timezone": ["Asia/Kolkata"]}),
        (("--timeframe", "week"), {"timeframe": ["week"]}),
        (("--timeframe", "month"), {"timeframe": ["month"]}),
        (("--adhoc", "--no-bound-to-timeframe"), {"bound_to_timeframe": ["false"]}),
        (("--adhoc", "--bound-to-timeframe"), {"bound_to_timeframe": ["true"]}),
        (("--adhoc", "--timezone", "UTC"), {"timezone": ["UTC"]}),
        (("--adhoc", "--timeframe", "hour"), {"timeframe": ["hour"]}),
    ],
)
def test_an_ad_hoc_report_sends_every_parameter(
    run: Run, server: FalServer, landing: Path, options: tuple[str, ...], sent: dict[str, list[str]]
) -> None:
    result = run("focus-report", "--source", "estimate", *DAY, *options)
    assert result.code == 0, result.err
    (request,) = server.requests
    assert request.params == {"source": ["estimate"], "start": ["2026-01-26"], "end": ["2026-01-27"]} | sent
    assert result.out == server.answer(request).body.decode()
    assert result.out.startswith("BilledCost,")
    assert "nothing is landed" in result.err
    assert not landing.exists()


def test_an_ad_hoc_invoice_is_requested_by_its_charge_month(
    run: Run, server: FalServer, world: World, landing: Path
) -> None:
    world.csv_style = type(world.csv_style)(bom=True, crlf=True)
    result = run("focus-report", "--source", "invoice", "--charge-month", "2026-01", "--adhoc")
    assert server.requests[-1].params == {"source": ["invoice"], "charge_month": ["2026-01"]}
    assert result.out.encode() == world.invoice_csv("acme", "2026-02")
    assert not landing.exists()
