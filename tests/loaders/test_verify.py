"""What verify finds, and the commands that it prints."""

import gzip
import hashlib
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from loaders import clock, verify
from loaders.cli import main
from tests.fal_server import FalServer, Oddities, World
from tests.loaders.conftest import KEY, Loads, Result, Run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DAY = "billing_events/account=acme/date=2026-01-26"
INVOICE = "focus_reports/account=acme/source=invoice/billing_month=2026-02"
ESTIMATE = "focus_reports/account=acme/source=estimate/date=2026-01-26"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days of events on two pages each, an invoice and an estimate."""
    landing = tmp_path_factory.mktemp("made") / "landing"
    world = World(accounts={"acme": KEY}, first_day=date(2026, 1, 25), events_per_day=60, oddities=False)
    settings = {
        "FAL_KEY": KEY,
        "FAL_ACCOUNT": "acme",
        "FAL_LANDING_DIR": str(landing),
        "NO_PROXY": "127.0.0.1",
    }
    with FalServer(world) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in (settings | {"FAL_API_URL": server.url}).items():
            patch.setenv(name, value)
        patch.setattr(clock, "utc_now", lambda: datetime(2026, 2, 5, 12, tzinfo=UTC))
        for arguments in (
            "billing-events --start 2026-01-25 --end 2026-01-30 --page-size 40",
            "focus-report --source invoice --billing-month 2026-02",
            "focus-report --source estimate --start 2026-01-26 --end 2026-01-27"
            " --timeframe hour --no-bound-to-timeframe",
        ):
            assert main(arguments.split()) == 0
    return landing


@pytest.fixture
def zone(made: Path, landing: Path, world: World) -> Path:
    """A copy of the landing zone for one test."""
    world.oddities = Oddities()
    shutil.copytree(made, landing)
    return landing


def load_in(zone: Path, partition: str) -> Path:
    """Return the latest load of a partition."""
    return sorted((zone / partition).glob("load=*"))[-1]


def change(load: Path, **values: object) -> None:
    """Change values of a manifest."""
    file = load / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def change_page(load: Path, **values: object) -> None:
    """Change values of the first page in a manifest."""
    pages = json.loads((load / "manifest.json").read_text())["pages"]
    change(load, pages=[pages[0] | values, *pages[1:]])


def rewrite(load: Path, file: str, body: bytes, rows: int | None = None) -> None:
    """Change a body and its entry in the manifest."""
    (load / file).write_bytes(gzip.compress(body))
    pages = json.loads((load / "manifest.json").read_text())["pages"]
    for page in pages:
        if page["file"] == file:
            page |= {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            page |= {} if rows is None else {"rows": rows}
    change(load, pages=pages, rows=sum(page["rows"] for page in pages))


def commands_of(result: Result) -> list[str]:
    """Return the printed commands."""
    return [line.strip() for line in result.out.splitlines() if line.startswith("  ")]


def test_a_landing_zone_of_the_loaders_has_no_findings(run: Run, zone: Path) -> None:
    result = run("verify")
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        f"loads in {zone} of all accounts, regardless of FAL_ACCOUNT:\nchecked 7 loads: all is well\n"
    )


def test_manifests_of_older_versions_which_lack_walks_have_no_findings(
    run: Run, set_clock: Callable[[datetime], None], tmp_path: Path
) -> None:
    set_clock(datetime(2026, 12, 1, tzinfo=UTC))
    older = Path(shutil.copytree(ROOT / "sample", tmp_path / "older"))
    for file in older.rglob("manifest.json"):
        manifest = json.loads(file.read_text())
        del manifest["walks"]
        file.write_text(json.dumps(manifest))
    assert run("verify", "--landing-dir", ROOT / "sample").out.endswith("loads: all is well\n")
    assert run("verify", "--landing-dir", older).out.endswith("loads: all is well\n")


def test_verify_needs_no_key_and_changes_nothing(
    run: Run, zone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAL_KEY")
    (zone / DAY / "load=20260101T000000000000Z-abcdef").mkdir()
    before = {path: path.stat() for path in zone.rglob("*")}
    assert run("verify").code == 1
    assert {path: path.stat().st_mtime_ns for path in zone.rglob("*")} == {
        path: stat.st_mtime_ns for path, stat in before.items()
    }


def test_a_terminal_shows_a_bar(zone: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "loaders", "verify", "--landing-dir", str(zone)]
    settings = os.environ | {"TERM": "xterm"}
    done = subprocess.run(command, env=settings, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, timeout=120)
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert (done.returncode, done.stdout[-12:]) == (0, b"all is well\n")
    assert "verifying" in shown and "━" in shown and "7/7" in shown


def test_an_empty_landing_zone_is_reported(run: Run, landing: Path) -> None:
    assert run("verify").err == f"error: the landing folder {landing} does not exist; check FAL_LANDING_DIR\n"
    landing.mkdir()
    result = run("verify")
    assert (result.code, result.out.splitlines()[1]) == (0, "checked 0 loads: nothing has landed")


# ---------------------------------------------------------------- loads

PAGE = "page-00001.json.gz"
BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "page missing": (lambda load: (load / PAGE).unlink(), f"{PAGE} is missing"),
    "page cut": (lambda load: os.truncate(load / PAGE, 80), f"{PAGE} is truncated: its gzip ends too early"),
    "page empty": (lambda load: os.truncate(load / PAGE, 0), f"{PAGE} has 0 bytes, not "),
    "page no gzip": (lambda load: (load / PAGE).write_bytes(b"{}"), f"{PAGE} is not valid gzip"),
    "page with more after it": (
        lambda load: (load / PAGE).write_bytes((load / PAGE).read_bytes() + b"more"),
        f"{PAGE} is not valid gzip",
    ),
    "page a folder": (
        lambda load: (load / PAGE).unlink() or (load / PAGE).mkdir(),
        f"{PAGE} is not a regular file",
    ),
    "page a pipe with nobody at its other end": (
        lambda load: (load / PAGE).unlink() or os.mkfifo(load / PAGE),
        f"{PAGE} is not a regular file",
    ),
    "page that holds much more than recorded": (
        lambda load: (load / PAGE).write_bytes(gzip.compress(bytes(64 * 2**20), 9)),
        f"{PAGE} has more than the ",
    ),
    "page of another load": (
        lambda load: (load / PAGE).write_bytes(gzip.compress(b"[]")),
        f"{PAGE} has 2 bytes, not ",
    ),
    "page with a byte changed": (
        lambda load: (load / PAGE).write_bytes(
            gzip.compress(gzip.decompress((load / PAGE).read_bytes()).replace(b"1", b"2", 1))
        ),
        f"{PAGE} has another sha256 than recorded",
    ),
    "page no JSON": (
        lambda load: rewrite(load, PAGE, b"{"),
        f"{PAGE} cannot be read: it is not complete JSON",
    ),
    "page without events": (
        lambda load: rewrite(load, PAGE, b"{}"),
        f"{PAGE} cannot be read: it has no list of billing_events",
    ),
    "rows": (
        lambda load: change_page(load, rows=41) or change(load, rows=61),
        f"{PAGE} has 40 rows, not 41",
    ),
    "file too many": (
        lambda load: (load / "page-00003.json.gz").write_bytes(b""),
        "page-00003.json.gz is not in the manifest",
    ),
    "folder too many": (lambda load: (load / "more").mkdir(), "more is not in the manifest"),
    "file of another name": (
        lambda load: change_page(load, file="../x"),
        "does not name the files of a load: page-0",
    ),
    "no pages": (lambda load: change(load, pages=[], rows=0), "does not name the files of a load: page-0"),
    "manifest no JSON": (
        lambda load: (load / "manifest.json").write_bytes(b"{"),
        "manifest.json is not a manifest",
    ),
    "manifest no UTF-8": (
        lambda load: (load / "manifest.json").write_bytes(
            b'{"\x80": 1, ' + (load / "manifest.json").read_bytes()[1:]
        ),
        "manifest.json is not a manifest",
    ),
    "manifest on many lines": (
        lambda load: (load / "manifest.json").write_text(
            json.dumps(json.loads((load / "manifest.json").read_text()), indent=2)
        ),
        "manifest.json is not on one line, so builds cannot read it",
    ),
    "manifest empty": (
        lambda load: (load / "manifest.json").write_bytes(b""),
        "manifest.json is not a manifest",
    ),
    "manifest without a key": (lambda load: change(load, feed=None), "manifest.json is not a manifest"),
    "other feed": (
        lambda load: change(load, feed="focus_reports"),
        "has feed 'focus_reports' instead of 'bill",
    ),
    "file elsewhere": (
        lambda load: change_page(load, file="../../../../secret.txt"),
        "does not name the files of a load: page-0",
    ),
    "account that is long and odd": (
        lambda load: change(load, account="\x1b[2J" + "A" * 100_000),
        "has account '\\x1b[2JAAAAAAAAAA",
    ),
    "other account": (lambda load: change(load, account="bolt"), "has account 'bolt' instead of 'acme'"),
    "other day": (
        lambda load: change(load, partition="2026-01-27"),
        "has partition '2026-01-27' instead of ",
    ),
    "other source": (lambda load: change(load, source="invoice"), "has source 'invoice' instead of None"),
    "other load": (lambda load: change(load, load_id="x"), "has load_id 'x' instead of '2026"),
    "other rows": (lambda load: change(load, rows=1), "has rows 1 instead of 60"),
    "other window": (
        lambda load: change(load, window_end="2026-01-28T00:00:00Z"),
        "has window_end '2026-01-28T00:00:00Z' instead of",
    ),
    "not complete": (lambda load: change(load, complete=False), "has complete False instead of True"),
    "complete too early": (
        lambda load: change(load, fetched_at="2026-01-26T23:59:59Z"),
        "has complete True instead of False",
    ),
    "fetched in time to come": (
        lambda load: change(load, fetched_at="2026-02-06T00:00:00Z"),
        "which is in the future: a clock was wrong",
    ),
    "no time": (lambda load: change(load, fetched_at="2026-01-26"), "manifest.json is not a manifest"),
    "walks that differ": (
        lambda load: change(load, walks=3, agreed=False),
        "records that rows moved between pages in each of 3 walks",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_load_is_reported_with_the_command_that_repairs_it(
    run: Run, zone: Path, loads: Loads, how: str
) -> None:
    load = load_in(zone, DAY)
    damage, found = BROKEN[how]
    damage(load)
    result = run("verify")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith(f"error: {load}") and found in line
    assert line.endswith("load it again") or line.endswith(f"; remove {load} and load it again")
    assert "checked 7 loads: 1 finding\n" in result.out
    (command,) = commands_of(result)
    assert command == (
        "python -m loaders billing-events --start 2026-01-26 --end 2026-01-27 --account acme"
        f" --landing-dir {zone}"
    )
    assert run(*shlex.split(command)[3:]).code == 0
    assert load_in(zone, DAY) != load
    result = run("verify")
    if how == "walks that differ":  # superseded by now
        assert result.code == 0
        return
    assert (result.code, commands_of(result)) == (1, [])
    (line,) = result.err.splitlines()
    assert found in line and line.endswith(f"; a later load counts: remove {load}")
    load.rename(zone.parent / "removed")
    assert run("verify").code == 0


def test_text_of_a_manifest_is_printed_short_and_without_control_characters(run: Run, zone: Path) -> None:
    (load_in(zone, DAY) / "\x1b]0;title\x07\n\u202e.gz").touch()
    change(load_in(zone, DAY), account="\x9b" + "A" * 100_000, feed="focus_reports")
    result = run("verify")
    assert r"\x1b]0;title\x07\n\u202e.gz is not in the manifest" in result.err
    assert all(line.isprintable() and len(line) < 500 for line in result.err.splitlines())


@pytest.mark.parametrize(
    ("partition", "command"),
    [
        (INVOICE, "focus-report --source invoice --billing-month 2026-02 --account acme"),
        (
            ESTIMATE,
            "focus-report --source estimate --start 2026-01-26 --end 2026-01-27"
            " --timeframe hour --no-bound-to-timeframe --account acme",
        ),
    ],
)
@pytest.mark.parametrize(
    ("body", "found"),
    [(b"BilledCost\n", "cannot be read: it is not a FOCUS CSV"), (None, "has another sha256 than recorded")],
)
def test_a_broken_report_is_found(
    run: Run, zone: Path, partition: str, command: str, body: bytes | None, found: str
) -> None:
    load = load_in(zone, partition)
    if body is None:
        true = gzip.decompress((load / "report.csv.gz").read_bytes())
        (load / "report.csv.gz").write_bytes(gzip.compress(true.replace(b"0", b"1", 1)))
    else:
        rewrite(load, "report.csv.gz", body)
    result = run("verify")
    (line,) = result.err.splitlines()
    assert f"{load}/report.csv.gz {found}" in line
    assert commands_of(result) == [f"python -m loaders {command} --landing-dir {zone}"]
    before = json.loads((load / "manifest.json").read_text())["request"]
    assert run(*shlex.split(commands_of(result)[0])[3:]).code == 0
    assert json.loads((load_in(zone, partition) / "manifest.json").read_text())["request"] == before


def test_consecutive_days_are_one_command(run: Run, zone: Path) -> None:
    for day in ("25", "26", "28", "29"):
        (load_in(zone, f"billing_events/account=acme/date=2026-01-{day}") / PAGE).unlink()
    result = run("verify")
    assert len(result.errors) == 4
    assert [re.findall("--start [^ ]* --end [^ ]*", command) for command in commands_of(result)] == [
        ["--start 2026-01-25 --end 2026-01-27"],
        ["--start 2026-01-28 --end 2026-01-30"],
    ]


def test_a_superseded_broken_load_is_reported_without_a_command_to_load_it(run: Run, zone: Path) -> None:
    old = load_in(zone, DAY)
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    (old / PAGE).unlink()
    result = run("verify")
    assert result.code == 1
    assert result.err == f"error: {old}/{PAGE} is missing; a later load counts: remove {old}\n"
    assert commands_of(result) == []


@pytest.mark.parametrize("step", ["inspect", "read_manifest", "read_page"])
def test_a_load_that_is_pruned_during_verify_is_not_a_finding(
    run: Run, zone: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    old = load_in(zone, DAY)
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    true = getattr(verify, step)

    def with_a_prune(*args: Any) -> Any:  # noqa: ANN401
        if step != "inspect" and old.exists() and args[0] == old:
            old.rename(zone.parent / "pruned")
        done = true(*args)
        if step == "inspect":
            old.rename(zone.parent / "pruned")
        return done

    monkeypatch.setattr(verify, step, with_a_prune)
    assert (run("verify").code, old.exists()) == (0, False)


# ---------------------------------------------------------------- days


def test_missing_days_between_the_first_and_the_last_are_found(run: Run, zone: Path) -> None:
    for day in ("26", "28"):
        (zone / f"billing_events/account=acme/date=2026-01-{day}").rename(zone.parent / day)
    run("billing-events", "--start", "2026-02-02", "--end", "2026-02-03", "--account", "bolt")
    run("billing-events", "--start", "2026-02-04", "--end", "2026-02-06", "--account", "acme")
    result = run("verify")
    assert result.code == 1
    account = f"{zone}/billing_events/account=acme"
    assert result.errors == [
        f"error: {account} lacks 2026-01-26, between days that have landed; load it again",
        f"error: {account} lacks 2026-01-28, between days that have landed; load it again",
        f"error: {account} lacks 2026-01-30 to 2026-02-03, between days that have landed; load it again",
    ]
    for command in commands_of(result):
        assert run(*shlex.split(command)[3:]).code == 0
    assert run("verify").code == 0


def test_missing_days_of_estimates_are_found(run: Run, zone: Path) -> None:
    shutil.rmtree((zone / INVOICE).parent)  # so that January is open
    run("focus-report", "--source", "estimate", "--start", "2026-01-29", "--end", "2026-01-30")
    run("focus-report", "--source", "estimate", "--start", "2026-02-03", "--end", "2026-02-04")
    (zone / "focus_reports/account=acme/source=estimate/date=2026-02-01").mkdir()
    result = run("verify")
    estimates = f"{zone}/focus_reports/account=acme/source=estimate"
    assert result.errors == [
        f"error: {estimates} lacks 2026-01-27 to 2026-01-28, between days that have landed; load it again",
        f"error: {estimates} lacks 2026-01-30 to 2026-01-31, between days that have landed; load it again",
        f"error: {estimates} lacks 2026-02-02, between days that have landed; load it again",
        f"error: {estimates}/date=2026-02-01 has no load; load it again",
    ]
    assert len(commands_of(result)) == 2
    for command in commands_of(result):
        assert run(*shlex.split(command)[3:]).code == 0
    assert run("verify").code == 0


def test_days_of_a_closed_month_need_no_estimate(run: Run, zone: Path) -> None:
    run("focus-report", "--source", "estimate", "--start", "2026-01-29", "--end", "2026-01-30")
    run("focus-report", "--source", "estimate", "--start", "2026-02-02", "--end", "2026-02-03")
    (error,) = run("verify").errors
    assert error.endswith("source=estimate lacks 2026-02-01, between days that have landed; load it again")


def test_a_month_between_two_invoices_is_not_a_gap(run: Run, zone: Path) -> None:
    invoices = (zone / INVOICE).parent
    (old,) = (zone / INVOICE).iterdir()
    earlier = invoices / "billing_month=2025-11" / old.name
    shutil.copytree(old, earlier)
    window = {"window_start": "2025-11-01T00:00:00Z", "window_end": "2025-12-01T00:00:00Z"}
    change(earlier, partition="2025-11", complete=True, **window)
    result = run("verify")
    assert (result.code, result.err) == (0, "")


def test_a_day_fetched_while_open_is_not_a_gap(
    run: Run, zone: Path, set_clock: Callable[[datetime], None]
) -> None:
    set_clock(datetime(2026, 1, 30, 12, tzinfo=UTC))
    run("billing-events", "--start", "2026-01-30", "--end", "2026-01-31")
    set_clock(datetime(2026, 2, 5, 12, tzinfo=UTC))
    assert run("verify").code == 0


def test_loads_of_a_clock_that_was_ahead_are_to_be_removed(
    run: Run, zone: Path, set_clock: Callable[[datetime], None]
) -> None:
    set_clock(datetime(2026, 3, 5, 12, tzinfo=UTC))
    run("billing-events", "--start", "2026-03-01", "--end", "2026-03-02")
    set_clock(datetime(2026, 1, 30, 12, tzinfo=UTC))
    result = run("verify")
    load = load_in(zone, "billing_events/account=acme/date=2026-03-01")
    assert (
        f"error: {load}/manifest.json has fetched_at 2026-03-05T12:00:00.000000Z, "
        f"which is in the future: a clock was wrong; remove {load}"
    ) in result.errors
    assert not any("2026-03" in command for command in commands_of(result))


def test_verify_can_be_limited_to_one_account(run: Run, zone: Path) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27", "--account", "bolt")
    (load_in(zone, DAY) / PAGE).unlink()
    (zone / "notes").mkdir()
    assert len(run("verify").errors) == 2
    assert len(run("verify", "--account", "acme").errors) == 1
    result = run("verify", "--account", "nosuch")
    assert (result.code, result.err) == (
        1,
        f"error: account nosuch has no loads in {zone}; check --account and FAL_LANDING_DIR\n",
    )
    result = run("verify", "--account", "bolt")
    assert (result.code, result.out) == (
        0,
        f"loads in {zone} of account bolt:\nchecked 1 load: all is well\n",
    )


# ---------------------------------------------------------------- folders

UNREAD = (
    "notes",
    "billing_event",
    "billing_events/notes",
    "billing_events/date=2026-01-26",
    "billing_events/account=acme/date=2026-13-45",
    "billing_events/account=acme/date=2026-02-30",
    "billing_events/account=acme/date=2026-1-5",
    "billing_events/account=acme/date=20２6-01-05",
    "billing_events/account=acme/date=1026-01-05",
    "billing_events/account=acme/date=2026-01",
    "billing_events/account=acme/billing_month=2026-01",
    "billing_events/account=acme/source=invoice",
    "billing_events/account=",
    "focus_reports/account=acme/date=2026-01-26",
    "focus_reports/account=acme/source=bill",
    "focus_reports/account=acme/source=invoice/billing_month=2026-13",
    "focus_reports/account=acme/source=invoice/date=2026-01-26",
    "focus_reports/account=acme/source=estimate/billing_month=2026-01",
)


@pytest.mark.parametrize("folder", UNREAD)
def test_a_folder_that_no_model_reads_is_found(run: Run, zone: Path, folder: str) -> None:
    (zone / folder).mkdir(parents=True)
    result = run("verify")
    assert result.code == 1
    assert result.err == (
        f"error: {zone / folder} is not an account, day or month that a model reads: remove it\n"
        if "/" in folder
        else f"error: {zone / folder} is not a feed; check FAL_LANDING_DIR\n"
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("load=notes", "is not named like a load: remove it"),
        ("notes", "is not named like a load: remove it"),
        ("load=20261399T000000000000Z-abcdef", "is not named like a load: remove it"),
        ("load=20260101T000000000000Z-abcdef", "has no manifest.json, so it is not a load: remove it"),
    ],
)
def test_a_folder_that_is_not_a_load_is_found(run: Run, zone: Path, name: str, found: str) -> None:
    (zone / DAY / name).mkdir()
    result = run("verify")
    assert (result.code, result.err) == (1, f"error: {zone / DAY / name} {found}\n")


@pytest.mark.parametrize("day", ["2026-01-25", "2026-01-27"])
def test_a_day_without_a_load_is_loaded_again_also_after_its_invalid_folders_are_removed(
    run: Run, zone: Path, day: str
) -> None:
    partition = f"billing_events/account=acme/date={day}"
    load = load_in(zone, partition)
    (load / "manifest.json").unlink()
    first = run("verify")
    no_load = f"error: {zone / partition} has no load; load it again"
    assert first.errors == [no_load, f"error: {load} has no manifest.json, so it is not a load: remove it"]
    load.rename(zone.parent / "removed")
    second = run("verify")
    assert (second.code, second.errors) == (1, [no_load])
    assert commands_of(first) == commands_of(second) and f"--start {day} --end" in commands_of(first)[0]
    assert run(*shlex.split(commands_of(first)[0])[3:]).code == 0
    assert run("verify").code == 0


def test_a_future_day_without_a_load_is_to_be_removed(run: Run, zone: Path) -> None:
    folder = zone / "billing_events/account=acme/date=2026-02-06"
    folder.mkdir()
    result = run("verify")
    assert (result.code, result.err) == (1, f"error: {folder} has no load, and is in the future: remove it\n")
    assert commands_of(result) == []


def test_other_files_and_hidden_folders_are_ignored(run: Run, zone: Path) -> None:
    for file in ("README.md", "billing_events/notes.txt", "billing_events/account=acme/notes.txt"):
        (zone / file).touch()
    (zone / ".git").mkdir()
    assert run("verify").code == 0


@pytest.mark.parametrize("folder", UNREAD)
def test_a_sync_ignores_a_folder_that_no_model_reads(
    run: Run, zone: Path, server: FalServer, folder: str
) -> None:
    server.requests.clear()
    expected = run("sync").out.splitlines()[0]
    (zone / folder / "load=20260201T000000000000Z-abcdef").mkdir(parents=True)
    (zone / folder / "load=20260201T000000000000Z-abcdef/manifest.json").write_text("{}")
    result = run("sync")
    assert (result.code, result.errors) == (0, [])
    assert result.out.splitlines()[0].split(":")[0] == expected.split(":")[0]
    assert "; invoices: 2026-01, 2026-02; " in result.out.splitlines()[0]
