"""Serverless usage, snapshots, teams, and what an account may not use."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from loaders import catalogue, progress
from loaders.billing_events import BASIC_EXPANSIONS, EXPANSIONS
from loaders.landing import LandingZone, Manifest
from loaders.progress import Reporter
from tests.fal_server import FalServer, Fault, Request, Switches, Team, World
from tests.loaders.conftest import FEEDS, KEY, Feed, Loads, Run, day_of, serve_pages, unfinished

SetClock = Callable[[datetime], None]
NOW = datetime(2026, 2, 5, 12, tzinfo=UTC)
SYNC = ("sync", "--since", "2026-02-01")
WEEK = ("--start", "2026-01-26", "--end", "2026-01-29")
TEAMS = [Team("acme", "Acme"), Team("lab-1", "The lab")]
ENDPOINTS = [f"fal-ai/model-{number:03}" for number in range(120)]


def snapshot_of(kind: str, day: str = "2026-02-05") -> str:
    return f"catalogue/account=acme/source={kind}/date={day}"


def usage_of(day: str) -> str:
    return f"serverless_usage/account=acme/date={day}"


def team_of(team: str, day: str = "*") -> str:
    return f"billing_events/account=acme/team={team}/date={day}"


def asked(server: FalServer, path: str) -> list[Request]:
    """Return the requests for a path, and clear all requests."""
    found = [request for request in server.requests if request.path == f"/v1{path}"]
    server.requests.clear()
    return found


# ---------------------------------------------------------------- every list


def test_a_load_of_each_feed_has_the_bodies_and_rows_that_fal_sent(
    run: Run, server: FalServer, loads: Loads, feed: Feed
) -> None:
    assert run(*feed.command).code == 0
    requests = asked(server, feed.path.removeprefix("/v1"))
    (load,) = loads(feed.partition)
    assert load.bodies == [server.answer(request).body for request in requests]
    assert len(load.bodies) > 2
    manifest = load.manifest
    assert manifest["rows"] == sum(page["rows"] for page in manifest["pages"])
    assert [page["file"] for page in manifest["pages"][:2]] == ["page-00001.json.gz", "page-00002.json.gz"]
    assert run("verify").code == 0


def test_pages_of_serverless_usage_have_all_rows(run: Run, server: FalServer, loads: Loads) -> None:
    serve_pages(server, FEEDS["usage"])
    run(*FEEDS["usage"].command)
    server.page_cap = 10_000
    run(*FEEDS["usage"].command)
    paged, whole = loads(usage_of("2026-01-26"))
    assert (len(paged.bodies), len(whole.bodies)) == (paged.manifest["rows"], 1)
    assert paged.manifest["rows"] == whole.manifest["rows"] > 4
    cost = sum(
        result["cost_total"]
        for body in paged.bodies
        for bucket in json.loads(body, parse_float=Decimal, parse_int=Decimal)["time_series"]
        for result in bucket["results"]
    )
    day = date(2026, 1, 26)
    assert cost == server.world.cost("acme", "serverless", day, day + timedelta(days=1))


def test_serverless_usage_is_requested_by_utc_day(
    run: Run, server: FalServer, loads: Loads, world: World
) -> None:
    world.switches = Switches(serverless=True)
    result = run("serverless-usage", *WEEK)
    assert "landed 3 days with " in result.out and " serverless rows in " in result.out
    (load,) = loads(usage_of("2026-01-27"))
    manifest = load.manifest
    assert manifest["request"] == {
        "start": "2026-01-27T00:00:00Z",
        "end": "2026-01-28T00:00:00Z",
        "timezone": "UTC",
        "timeframe": "day",
        "expand": "time_series",
    }
    assert (manifest["feed"], manifest["source"], manifest["complete"]) == ("serverless_usage", None, True)
    (page,) = load.bodies
    (bucket,) = json.loads(page)["time_series"]
    assert (bucket["bucket"], len(bucket["results"])) == ("2026-01-27T00:00:00Z", manifest["rows"])


def test_moved_rows_of_serverless_usage_are_walked_again(
    run: Run, server: FalServer, loads: Loads, world: World
) -> None:
    serve_pages(server, FEEDS["usage"], 5)
    assert world.oddities.shifted_pages
    assert run(*FEEDS["usage"].command).code == 0
    (load,) = loads(usage_of("2026-01-26"))
    assert (load.manifest["walks"], load.manifest["agreed"]) == (2, True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"has_more":false}', "it has no list of time_series"),
        (b'{"time_series":[{"bucket":"x"}],"has_more":false}', "it has no list of time_series"),
        (b'{"time_series":[],"time_series":[{"results":[]}],"has_more":false}', "it has time_series twice"),
        (b'{"time_series":[],"has_more":true,"next_cursor":null}', "there is no next_cursor"),
        (b'{"time_series":[],"has_more":false', "it is not complete JSON"),
    ],
)
def test_a_page_of_another_shape_does_not_land(
    run: Run, server: FalServer, landing: Path, body: bytes, reason: str
) -> None:
    server.faults.append(Fault.answer(200, body, times=6))
    result = run(*FEEDS["usage"].command)
    assert result.code == 1 and reason in result.err
    assert not list(landing.glob("serverless_usage/**/load=*"))


# ---------------------------------------------------------------- snapshots


def test_snapshots_are_dated_by_the_day_of_the_fetch(run: Run, loads: Loads, world: World) -> None:
    run("billing-events", *WEEK)
    world.teams = {"acme": TEAMS}
    result = run("catalogue")
    assert (result.code, result.errors) == (0, [])
    assert "landed 5 snapshots with " in result.out
    rows = {}
    for kind in ("keys", "models", "pricing", "teams", "balance"):
        (load,) = loads(snapshot_of(kind))
        manifest = load.manifest
        assert (manifest["feed"], manifest["source"], manifest["partition"]) == (
            "catalogue", kind, "2026-02-05",
        )  # fmt: skip
        assert (manifest["complete"], manifest["fetched_at"]) == (False, "2026-02-05T12:00:00.000000Z")
        rows[kind] = manifest["rows"]
    assert rows["keys"] == len(world.keys("acme"))
    assert (rows["teams"], rows["balance"]) == (2, 1)
    assert rows["models"] == rows["pricing"] > 3
    assert run("verify").code == 0


def test_models_and_pricing_are_those_of_the_events(run: Run, loads: Loads, server: FalServer) -> None:
    run("billing-events", *WEEK)
    seen = {event["endpoint_id"] for load in loads(day_of("*")) for event in load.events}
    run("catalogue", "models", "pricing")
    for kind in ("models", "pricing"):
        (load,) = loads(snapshot_of(kind))
        assert load.manifest["request"]["endpoint_id"] == sorted(seen)


def test_models_and_pricing_without_events_are_one_line(
    run: Run, server: FalServer, loads: Loads, landing: Path
) -> None:
    reason = (
        f"no events of acme have landed in {landing}, and only the endpoints of events are requested; "
        "land a day that has usage with sync or billing-events"
    )
    result = run("catalogue", "models", "pricing")
    assert (result.code, result.out, server.requests) == (1, "", [])
    assert result.err == f"error: models and pricing: {reason}\n"
    result = run("catalogue", "keys", "models")
    assert (result.code, result.errors) == (1, [f"error: models: {reason}"])
    result = run("catalogue")
    assert (result.code, result.errors) == (0, [])
    assert f"skipped models and pricing: {reason}\n" in result.err
    assert len(loads(snapshot_of("keys"))) == 2


def test_a_sync_without_events_lands_the_other_snapshots(run: Run, loads: Loads, world: World) -> None:
    world.first_day += timedelta(days=30)
    result = run(*SYNC)
    assert (result.code, result.errors) == (0, [])
    assert result.err.count("skipped models and pricing: no events of acme have landed") == 1
    assert len(loads("catalogue/*/*/*")) == 2


def test_endpoints_of_settled_events_come_from_the_last_snapshot(
    run: Run, loads: Loads, world: World, landing: Path, set_clock: SetClock
) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    run("catalogue", "models")
    (models,) = loads(snapshot_of("models"))
    before = models.manifest["request"]["endpoint_id"]
    (old,) = loads(day_of("2026-01-26"))
    set_clock(NOW + timedelta(days=3))
    (old.folder / "page-00001.json.gz").write_bytes(b"")  # settled, so it is not read again
    (event, *_) = world.day_events("acme", date(2026, 1, 28))
    world.set_day("acme", date(2026, 1, 28), [event.__class__(**{**vars(event), "endpoint_id": "new/one"})])
    run("billing-events", "--start", "2026-01-28", "--end", "2026-01-29")
    assert catalogue.list_endpoints(LandingZone(landing), "acme") == sorted([*before, "new/one"])
    assert catalogue.list_endpoints(LandingZone(landing), "bolt") == []


def test_a_snapshot_of_many_endpoints_is_several_requests_and_resumes(
    run: Run, server: FalServer, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "list_endpoints", lambda *_: ENDPOINTS)
    server.faults.append(
        Fault.server_error(times=6, when=lambda request: ENDPOINTS[60] in str(request.params))
    )
    assert run("catalogue", "models").code == 1
    assert len(asked(server, "/models")) == 1 + 6
    assert run("catalogue", "models").code == 0
    requests = asked(server, "/models")
    assert [request.params["endpoint_id"] for request in requests] == [ENDPOINTS[50:100], ENDPOINTS[100:]]
    (load,) = loads(snapshot_of("models"))
    assert [page["file"] for page in load.manifest["pages"]] == [
        f"page-0000{number}.json.gz" for number in (1, 2, 3)
    ]
    assert load.manifest["request"] == {"endpoint_id": ENDPOINTS}


def test_an_unknown_endpoint_does_not_stop_the_others(
    run: Run, server: FalServer, loads: Loads, world: World
) -> None:
    world.switches = Switches(unknown_endpoints=True)
    run("billing-events", "--start", "2026-01-28", "--end", "2026-01-29")
    run("catalogue", "models")
    (load,) = loads(snapshot_of("models"))
    known = load.manifest["request"]["endpoint_id"]
    (event, *_) = world.day_events("acme", date(2026, 1, 26))
    odd = [event.__class__(**{**vars(event), "endpoint_id": name}) for name in ("acme/b,c", "zzz/ünknown")]
    world.set_day("acme", date(2026, 1, 26), odd)
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    result = run("catalogue", "models", "pricing")
    assert (result.code, result.errors) == (0, [])
    # models have left out the first one since the last snapshot
    assert "models: fal does not know 2 endpoints: acme/b,c, zzz/ünknown" in result.err
    assert (
        "pricing: fal does not know 3 endpoints: acme-inc/private-lora-app, acme/b,c, zzz/ünknown"
        in result.err
    )
    _, load = loads(snapshot_of("models"))
    assert load.manifest["request"]["endpoint_id"] == known
    assert load.manifest["rows"] == len(known)


def test_unknown_endpoints_are_not_requested_again_for_a_week(
    run: Run, server: FalServer, loads: Loads, world: World, set_clock: SetClock
) -> None:
    world.switches = Switches(unknown_endpoints=True)
    unknown = "acme-inc/private-lora-app"
    requests = []
    for day in (0, 1, 6, 7):
        set_clock(NOW + timedelta(days=day))
        # an unsettled day is fetched again, so its endpoints are read again
        run("billing-events", "--start", "2026-01-28", "--end", "2026-01-29")
        server.requests.clear()
        result = run("catalogue", "models")
        assert (result.code, result.errors) == (0, [])
        assert ("fal does not know 1 endpoint" in result.err) == (day in (0, 7))
        requests.append(asked(server, "/models"))
    assert [len(found) for found in requests[1:3]] == [1, 1]
    assert len(requests[0]) > 2 and unknown in requests[3][0].params["endpoint_id"]
    manifests = [load.manifest for load in loads(snapshot_of("models", "*"))]
    assert [manifest["request"]["unknown"] for manifest in manifests] == [
        {unknown: day} for day in ("2026-02-05", "2026-02-05", "2026-02-05", "2026-02-12")
    ]
    assert "unknown" not in requests[1][0].params
    assert run("verify").code == 0


def test_an_endpoint_that_fal_has_come_to_know_lands(
    run: Run, loads: Loads, world: World, set_clock: SetClock
) -> None:
    world.switches = Switches(unknown_endpoints=True)
    run("billing-events", "--start", "2026-01-28", "--end", "2026-01-29")
    run("catalogue", "models")
    # the day has settled, so its pages are not read again
    world.switches = Switches()
    set_clock(NOW + timedelta(days=7))
    run("catalogue", "models")
    first, second = loads(snapshot_of("models", "*"))
    assert list(first.manifest["request"]["unknown"]) == ["acme-inc/private-lora-app"]
    assert "unknown" not in second.manifest["request"]
    assert "acme-inc/private-lora-app" in second.manifest["request"]["endpoint_id"]


def test_a_refusal_of_every_endpoint_ends_early(
    run: Run, server: FalServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "list_endpoints", lambda *_: [f"no/{number}" for number in range(300)])
    world.switches = Switches(unknown_endpoints=True)
    result = run("catalogue", "models")
    assert result.code == 1 and "GET /models: answered 404" in result.err
    assert len(server.requests) < 1 + 2 * 100


# ---------------------------------------------------------------- expansions


def test_events_have_the_key_and_the_person(run: Run, loads: Loads) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    (load,) = loads(day_of("2026-01-26"))
    assert all("api_key_id" in event["auth_method_structured"] for event in load.events)


def test_a_refused_expansion_is_left_out_for_the_rest_of_the_run(
    run: Run, server: FalServer, loads: Loads, world: World
) -> None:
    world.switches = Switches(no_structured_auth=True)
    result = run("billing-events", *WEEK, "--concurrency", 1)
    assert (result.code, result.errors) == (0, [])
    expansions = [request.one("expand") for request in asked(server, "/models/billing-events")]
    assert expansions.count(EXPANSIONS) == 1 and expansions[0] == EXPANSIONS
    landed = loads(day_of("*"))
    assert [load.manifest["request"]["expand"] for load in landed] == [BASIC_EXPANSIONS] * 3
    assert all("auth_method" in event for load in landed for event in load.events)
    assert run("verify").code == 0


@pytest.mark.parametrize("feed", ["events", "team"], indirect=True)
def test_a_load_in_progress_of_an_earlier_version_starts_again(
    run: Run, server: FalServer, loads: Loads, landing: Path, feed: Feed
) -> None:
    server.faults.append(Fault.server_error(times=6, when=lambda request: request.one("cursor") is not None))
    assert run(*feed.command).code == 1
    (record,) = (landing / ".work").glob("account=acme/kept/*/walk.jsonl")
    record.write_text(record.read_text().replace(EXPANSIONS, BASIC_EXPANSIONS))
    server.requests.clear()
    assert run(*feed.command).code == 0
    (first, *_) = asked(server, feed.path.removeprefix("/v1"))
    assert first.one("cursor") is None
    (load,) = loads(feed.partition)
    assert len(load.events) == 60


# ---------------------------------------------------------------- organizations


@pytest.fixture
def organization(world: World) -> World:
    """Acme is an organization of two teams."""
    world.teams = {"acme": TEAMS}
    return world


def test_teams_land_by_team_and_day(run: Run, server: FalServer, loads: Loads, organization: World) -> None:
    result = run("billing-events", *WEEK, "--organization")
    assert result.code == 0
    assert "landed 6 team days with " in result.out
    for team in ("acme", "lab-1"):
        landed = loads(team_of(team))
        assert [load.manifest["source"] for load in landed] == [team] * 3
        assert {event["username"] for load in landed for event in load.events} == {team}
        manifest = landed[0].manifest
        assert manifest["request"] == {
            "start": "2026-01-26T00:00:00Z",
            "end": "2026-01-27T00:00:00Z",
            "limit": 100,
            "expand": EXPANSIONS,
            "team_username": team,
        }
    requests = asked(server, "/organization/billing-events")
    assert {request.one("limit") for request in requests} == {"100"}
    assert run("verify").code == 0


def test_the_setting_has_the_effect_of_the_flag(
    run: Run, loads: Loads, organization: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_ORGANIZATION", "1")
    run("billing-events", *WEEK)
    assert len(loads(team_of("*"))) == 6
    run("focus-report", "--source", "invoice", "--billing-month", "2026-02")
    (load,) = loads("focus_reports/*/*/*")
    assert load.manifest["request"]["path"] == "/organization/focus"
    run("sync", "--since", "2026-02-05")
    assert len(loads(team_of("*", "2026-02-05"))) == 2


@pytest.mark.parametrize("command", [("sync",), ("billing-events", *WEEK)])
def test_a_wrong_value_of_the_setting_is_one_line(
    run: Run, server: FalServer, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FAL_ORGANIZATION", "acme")
    result = run(*command)
    assert (result.code, server.requests) == (2, [])
    option = "'--organization' (env var: 'FAL_ORGANIZATION')"
    assert result.err == f"error: Invalid value for {option}: 'acme' is neither 1 nor 0.\n"


@pytest.mark.parametrize(("value", "teams"), [("1", 2), ("true", 2), ("0", 0), ("", 0), (" ", 0)])
def test_values_of_the_setting(
    run: Run,
    loads: Loads,
    organization: World,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    teams: int,
) -> None:
    monkeypatch.setenv("FAL_ORGANIZATION", value)
    assert run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27").code == 0
    assert len(loads(team_of("*"))) == teams


def test_reports_of_an_organization_record_their_path(
    run: Run, server: FalServer, loads: Loads, organization: World
) -> None:
    run("focus-report", "--source", "invoice", "--billing-month", "2026-02", "--organization")
    run("focus-report", "--source", "estimate", *WEEK, "--organization")
    assert [request.path for request in server.requests] == ["/v1/organization/focus"] * 4
    invoice, *estimates = loads("focus_reports/*/source=invoice/*") + loads(
        "focus_reports/*/source=estimate/*"
    )
    assert invoice.manifest["request"] == {
        "source": "invoice", "billing_month": "2026-02", "path": "/organization/focus",
    }  # fmt: skip
    assert b"lab-1" in invoice.bodies[0] or b"The lab" in invoice.bodies[0]
    for load in (invoice, estimates[1]):
        (load.folder / "report.csv.gz").unlink()
    commands = run("verify").out
    assert "--source invoice --billing-month 2026-02 --organization --account acme" in commands
    assert (
        "--source estimate --start 2026-01-27 --end 2026-01-28 --organization --timeframe day --account acme"
    ) in commands


def test_a_report_without_a_manifest_is_that_of_the_organization_if_teams_have_landed(
    run: Run, loads: Loads, organization: World
) -> None:
    invoice = ("focus-report", "--source", "invoice", "--billing-month", "2026-02")
    run(*invoice, "--organization")
    run("focus-report", "--source", "estimate", *WEEK, "--organization")
    run("billing-events", *WEEK, "--organization")
    (broken,) = loads("focus_reports/*/source=invoice/*")
    (broken.folder / "manifest.json").write_text("{}")
    (gone,) = loads("focus_reports/*/source=estimate/date=2026-01-27")
    (gone.folder / "manifest.json").unlink()
    commands = run("verify").out
    assert "--source invoice --billing-month 2026-02 --organization --account acme" in commands
    assert "--source estimate --start 2026-01-27 --end 2026-01-28 --organization --account acme" in commands


def test_a_sync_of_an_organization_fetches_what_is_missing_of_each_team(
    run: Run, server: FalServer, loads: Loads, organization: World
) -> None:
    result = run(*SYNC, "--organization")
    assert (result.code, result.errors) == (0, [])
    assert result.out.startswith(
        "acme since 2026-02-01: 10 days of 2 teams: 10 missing; invoices: 2026-01, 2026-02; serverless"
    )
    assert len(loads(team_of("*"))) == 10 and loads(day_of("*")) == []
    assert run("sync", "--organization").out.startswith(
        "acme since 2026-02-01: 8 days of 2 teams: 2 open, 6 unsettled; "
    )
    organization.teams = {"acme": [*TEAMS, Team("new", "New")]}
    assert run("sync", "--organization").out.startswith(
        "acme since 2026-02-01: 13 days of 3 teams: 5 missing, 2 open, 6 unsettled; "
    )
    assert {event["endpoint_id"] for load in loads(team_of("*")) for event in load.events} >= set(
        loads(snapshot_of("models"))[-1].manifest["request"]["endpoint_id"]
    )


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_removed_team_is_fetched_until_fal_refuses_it(
    run: Run, server: FalServer, loads: Loads, organization: World, status: int
) -> None:
    run("billing-events", *WEEK, "--organization")
    organization.teams = {"acme": TEAMS[:1]}
    server.requests.clear()
    server.faults.append(
        Fault.error(status, "x", "no such team", times=99, when=lambda r: r.one("team_username") == "lab-1")
    )
    result = run("billing-events", *WEEK, "--organization")
    assert (result.code, result.errors) == (0, [])
    assert result.err.count("skipped team lab-1: GET /organization/billing-events of lab-1 (2026-01-26") == 1
    refused = [request for request in server.requests if request.one("team_username") == "lab-1"]
    assert len(refused) == (2 if status == 400 else 1)
    assert len(loads(team_of("acme"))) == 6


def test_events_of_a_removed_team_stay_if_fal_answers_without_them(
    run: Run, loads: Loads, organization: World
) -> None:
    run("billing-events", *WEEK, "--organization")
    organization.teams = {"acme": TEAMS[:1]}
    result = run("billing-events", *WEEK, "--organization")
    assert (result.code, result.errors) == (0, [])
    assert result.err.count("skipped team lab-1: GET /organization/billing-events of lab-1 (2026-01-26") == 1
    assert "those that have landed stay" in result.err
    kept = loads(team_of("lab-1"))
    assert len(kept) == 3 and all(load.events for load in kept)
    assert len(loads(team_of("acme"))) == 6


def test_an_organization_without_teams_is_a_one_line_error(run: Run, server: FalServer) -> None:
    empty = Fault.answer(200, b'{"teams": [], "next_cursor": null, "has_more": false}', times=99)
    for command in (("billing-events", *WEEK), SYNC):
        server.faults[:] = [empty]
        result = run(*command, "--organization")
        assert result.code == 1
        (line,) = result.err.splitlines()
        assert line.startswith("error: GET /organization/teams: fal lists no team to land events of; run it")


def test_a_team_that_cannot_name_a_folder_is_one_line_and_the_others_land(
    run: Run, landing: Path, loads: Loads, organization: World
) -> None:
    organization.teams = {"acme": [TEAMS[0], Team("../x", "Odd")]}
    result = run("billing-events", *WEEK, "--organization")
    assert result.code == 1
    (line,) = result.errors
    assert line.startswith("error: team '../x' cannot name a folder: ")
    assert len(loads(team_of("acme"))) == 3
    assert {path.name for path in landing.glob("billing_events/*/*")} == {"team=acme"}


def test_an_account_without_teams_is_a_one_line_error(run: Run, server: FalServer) -> None:
    for command in (("billing-events", *WEEK), SYNC):
        result = run(*command, "--organization")
        assert result.code == 1
        (line,) = result.err.splitlines()
        assert line.startswith("error: GET /organization/teams: answered 403")


def test_events_of_an_organization_can_be_printed(run: Run, server: FalServer, organization: World) -> None:
    result = run("billing-events", *WEEK, "--organization", "--expand", "auth_method")
    assert {json.loads(line)["username"] for line in result.out.splitlines()} == {"acme", "lab-1"}


def test_missing_and_broken_days_of_teams_are_one_command(
    run: Run, loads: Loads, landing: Path, organization: World
) -> None:
    run("billing-events", *WEEK, "--organization")
    (load,) = loads(team_of("acme", "2026-01-27"))
    (load.folder / "page-00001.json.gz").unlink()
    (gone,) = loads(team_of("lab-1", "2026-01-27"))
    gone.folder.parent.rename(landing.parent / "gone")
    result = run("verify")
    assert len(result.errors) == 2
    assert "team=lab-1 lacks 2026-01-27, between days that have landed; load it again" in result.err
    (command,) = [line for line in result.out.splitlines() if line.startswith("  ")]
    assert command.strip() == (
        "python -m loaders billing-events --organization --start 2026-01-27 --end 2026-01-28 --account acme"
        f" --landing-dir {landing}"
    )


# ---------------------------------------------------------------- what an account may not use


def test_a_sync_without_rights_succeeds_and_lists_what_is_missing(
    run: Run, server: FalServer, loads: Loads, world: World
) -> None:
    world.not_admin.add("acme")
    world.non_enterprise.add("acme")
    world.refused["/account/billing"] = 401
    result = run(*SYNC)
    assert (result.code, result.errors) == (0, [])
    for feed, path in (("keys", "/keys"), ("balance", "/account/billing")):
        assert result.err.count(f"skipped {feed}: GET {path}: answered 40") == 1
    assert result.err.count("skipped serverless usage: GET /serverless/usage (2026-02-01") == 1
    assert result.err.count("acme has no FOCUS reports") == 1
    assert len([request for request in server.requests if request.path.endswith("/serverless/usage")]) == 1
    assert len(loads(day_of("*"))) == 5
    assert len(loads(snapshot_of("models"))) == len(loads(snapshot_of("pricing"))) == 1
    again = run(*SYNC)
    assert again.err.count("skipped serverless usage") == 1
    assert "snapshots: keys, balance" in again.out


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("path", ["/keys", "/models", "/models/pricing", "/serverless/usage"])
def test_a_refused_feed_does_not_stop_the_others(
    run: Run, loads: Loads, world: World, path: str, status: int
) -> None:
    world.refused[path] = status
    result = run(*SYNC, "--concurrency", 8)
    assert (result.code, result.errors) == (0, [])
    assert result.err.count("skipped ") == 1 and f"GET {path}" in result.err
    assert len(loads("catalogue/*/*/*")) == (4 if path.startswith("/serverless") else 3)
    assert len(loads("serverless_usage/*/*")) == (0 if path.startswith("/serverless") else 5)
    assert len(loads("focus_reports/*/*/*")) == 1


def test_several_refused_days_of_a_feed_are_one_line(run: Run, server: FalServer, loads: Loads) -> None:
    def is_refused(request: Request) -> bool:
        return request.path.endswith("/serverless/usage") and (request.one("start") or "") > "2026-02-02"

    server.faults.append(Fault.error(403, "authorization_error", "no", times=99, when=is_refused))
    result = run(*SYNC)
    assert (result.code, result.errors) == (0, [])
    assert len(loads("serverless_usage/*/*")) == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("skipped serverless usage")]
    assert "(2026-02-02T00:00:00Z to " in line and line.endswith(" (and so are 3 other loads)")


def test_a_wrong_key_still_ends_the_sync_at_the_events(
    run: Run, server: FalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_KEY", "wrong")
    result = run(*SYNC, "--concurrency", 1)
    assert (result.code, len(result.err.splitlines()), len(server.requests)) == (1, 1, 1)


def test_a_feed_that_fails_is_a_failure(run: Run, server: FalServer, loads: Loads) -> None:
    server.faults.append(Fault.server_error(times=6, when=lambda request: request.path.endswith("/keys")))
    result = run(*SYNC)
    assert result.code == 1
    (line,) = result.errors
    assert "GET /keys: answered 500" in line
    assert len(loads("serverless_usage/*/*")) == 5


@pytest.mark.parametrize("command", [("serverless-usage", *WEEK), ("catalogue", "keys")])
def test_a_refusal_of_a_named_feed_is_a_failure(run: Run, world: World, command: tuple[str, ...]) -> None:
    world.not_admin.add("acme")
    result = run(*command)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "answered 403" in line


# ---------------------------------------------------------------- sync, verify, prune


def test_snapshots_are_fetched_once_a_utc_day(
    run: Run, server: FalServer, loads: Loads, organization: World, set_clock: SetClock
) -> None:
    run(*SYNC, "--organization")
    server.requests.clear()
    assert "snapshots: none" in run("sync").out
    assert asked(server, "/keys") == []
    set_clock(NOW + timedelta(hours=12))
    assert "snapshots: keys, models, pricing, teams, balance" in run("sync").out
    assert [load.manifest["partition"] for load in loads(snapshot_of("keys", "*"))] == [
        "2026-02-05", "2026-02-06",
    ]  # fmt: skip


def test_missing_days_of_serverless_usage_are_found(run: Run, loads: Loads, landing: Path) -> None:
    run("serverless-usage", "--start", "2026-01-26", "--end", "2026-01-27")
    run("serverless-usage", "--start", "2026-01-30", "--end", "2026-01-31")
    result = run("verify")
    assert result.errors == [
        f"error: {landing}/serverless_usage/account=acme lacks 2026-01-27 to 2026-01-29, "
        "between days that have landed; load it again"
    ]
    assert (
        "  python -m loaders serverless-usage --start 2026-01-27 --end 2026-01-30 --account acme"
    ) in result.out


def test_a_broken_snapshot_of_today_is_fetched_again_and_an_older_one_removed(
    run: Run, loads: Loads, landing: Path, set_clock: SetClock
) -> None:
    run("catalogue", "keys")
    (load,) = loads(snapshot_of("keys"))
    (load.folder / "page-00001.json.gz").unlink()
    result = run("verify")
    assert result.err.endswith("is missing; load it again\n")
    assert f"  python -m loaders catalogue keys --account acme --landing-dir {landing}\n" in result.out
    set_clock(NOW + timedelta(days=2))
    run("catalogue", "keys")
    result = run("verify")
    assert result.errors == [
        f"error: {load.folder}/page-00001.json.gz is missing; "
        f"a snapshot of a past day cannot be fetched again: remove {load.folder}"
    ]
    assert "python" not in result.out
    load.folder.rename(landing.parent / "gone")
    assert "has no load, and is a snapshot of a past day: remove it" in run("verify").err


@pytest.mark.parametrize(
    "folder",
    [
        "serverless_usage/account=acme/source=x",
        "serverless_usage/account=acme/date=2026-13-01",
        "catalogue/account=acme/source=cats",
        "catalogue/account=acme/date=2026-01-26",
        "catalogue/account=acme/source=keys/billing_month=2026-01",
        "billing_events/account=acme/team=a b",
        "billing_events/account=acme/team=acme/date=2026-01",
        "billing_events/account=acme/team=acme/team=acme",
    ],
)
def test_a_folder_that_no_model_reads_is_found(run: Run, landing: Path, folder: str) -> None:
    (landing / folder).mkdir(parents=True)
    assert run("verify").err == (
        f"error: {landing / folder} is not an account, day or month that a model reads: remove it\n"
    )


def test_prune_removes_superseded_loads_of_each_feed(
    run: Run, server: FalServer, loads: Loads, feed: Feed, set_clock: SetClock
) -> None:
    for _ in range(3):
        assert run(*feed.command).code == 0
    assert len(loads(feed.partition)) == 3
    set_clock(datetime.now(UTC) + timedelta(days=1))  # prune compares the time of files
    assert "removed 2 superseded loads of 1 partition" in run("prune").out
    assert len(loads(feed.partition)) == 1


def test_the_time_left_is_printed_twice_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    reporter = Reporter(None, 100)
    manifest = Manifest(
        feed="billing_events", account="acme", source="lab-1", partition="2026-01-26", load_id="",
        request={}, window_start="", window_end="", fetched_at="", complete=True, rows=5, pages=[],
    )  # fmt: skip
    for _ in range(10):
        now += 10
        reporter.report(manifest)
    lines = [line for line in capsys.readouterr().err.splitlines() if "left" in line]
    assert lines == [
        "3 of 100 loads; about 16 minutes left",
        "6 of 100 loads; about 16 minutes left",
        "9 of 100 loads; about 15 minutes left",
    ]


def test_a_snapshot_lands_byte_for_byte(run: Run, loads: Loads, server: FalServer) -> None:
    run("catalogue", "balance", "keys")
    for kind, path, expand in (("balance", "account/billing", "credits"), ("keys", "keys", "creator_info")):
        (load,) = loads(snapshot_of(kind))
        answer = httpx.get(
            f"{server.url}/{path}", params={"expand": expand}, headers={"Authorization": f"Key {KEY}"}
        )
        assert load.bodies == [answer.content]
    assert not unfinished(load.folder.parents[4])
