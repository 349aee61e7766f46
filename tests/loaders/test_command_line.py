"""The command line: its help, one line for each mistake, and no key in any output."""

import os
import pty
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from loaders.clock import utc_now
from tests.fal_server import FalServer, Fault, Request, World
from tests.loaders.conftest import KEY, Loads, Run, day_of, environment, unfinished

ROOT = Path(__file__).parents[2]
EVENTS = ("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
ELSEWHERE = "https://fal.example/v1"
COMMANDS = ("billing-events", "focus-report", "sync", "prune", "verify")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_is_its_manual(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.code == 0 and result.err == ""
    manual = " ".join(result.out.split())
    makes_the_folder = command not in ("prune", "verify")
    parts = ["Examples:", f"python -m loaders {command}", "Exit codes:", "FAL_LANDING_DIR; default: landing"]
    if makes_the_folder:
        parts += ["FAL_KEY", "FAL_API_URL; default: https://api.fal.ai/v1", "FAL_ACCOUNT; default: default"]
    assert [part for part in parts if part not in manual] == []
    assert ("created if it is missing" in manual) == makes_the_folder


def test_without_a_command_the_help_lists_the_commands(run: Run) -> None:
    result = run()
    assert result.code == 0
    assert all(command in result.out for command in COMMANDS)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("billing-events", "--start", "2026-13-01", "--end", "2026-01-02"), "'2026-13-01' is not a day"),
        (("billing-events", "--start", "01/02/2026", "--end", "2026-01-02"), "'01/02/2026' is not a day"),
        (("billing-events", "--start", "20260101", "--end", "2026-01-02"), "'20260101' is not a day"),
        (("billing-events", "--start", "0001-01-01T00:00+09:00", "--end", "2026-01-02"), "is not a day"),
        (("billing-events", "--start", "2026-02-30", "--end", "2026-01-02"), "'2026-02-30' is not a day"),
        (("billing-events", "--start", "2026-01-02", "--end", "2026-01-02"), "is not after --start"),
        (("billing-events", "--start", "2026-01-03", "--end", "2026-01-02"), "is not after --start"),
        (("billing-events", "--start", "2026-01-03"), "--start and --end are needed"),
        (("billing-events",), "--start and --end are needed"),
        (("billing-events", "--start", "2026-01-01T06:00", "--end", "2026-01-02"), "whole UTC days"),
        (("billing-events", "--start", "2026-02-01", "--end", "2026-02-07"), "the last day to land is today"),
        (("billing-events", "--start", "2026-01-03", "--end", "2026-01-01", "--expand", "x"), "is not after"),
        ((*EVENTS, "--page-size", "0"), "--page-size"),
        ((*EVENTS, "--concurrency", "0"), "--concurrency"),
        ((*EVENTS, "--key", "x"), "No such option '--key'"),
        (("focus-report",), "--source"),
        (("focus-report", "--source", "bill"), "'bill' is not one of"),
        (("focus-report", "--source", "invoice", "--billing-month", "2026-2"), "'2026-2' is not a month"),
        (("focus-report", "--source", "invoice", "--billing-month", "2026-13"), "'2026-13' is not a month"),
        (("focus-report", "--source", "invoice", "--billing-month", "20２6-02"), "is not a month"),
        (("sync", "--since", "20２6-02-01"), "is not a day"),
        (
            (
                "focus-report",
                "--source",
                "invoice",
                "--billing-month",
                "2026-02",
                "--charge-month",
                "2026-01",
            ),
            "give one of them",
        ),
        (("focus-report", "--source", "invoice", "--start", "2026-01-01"), "--start does not go with"),
        (
            ("focus-report", "--source", "estimate", "--billing-month", "2026-01"),
            "--billing-month does not go",
        ),
        (("focus-report", "--source", "estimate"), "--start and --end are needed"),
        (("sync", "--since", "yesterday"), "'yesterday' is not a day"),
        (("sync", "--since", "2026-01-01T06:00"), "whole UTC days"),
        (("prune", "--keep", "none"), "--keep"),
        (("verify", "--keep", "1"), "No such option '--keep'"),
        (("snyc",), "snyc"),
    ],
)
def test_misuse_is_a_one_line_error_and_sends_no_request(
    run: Run, server: FalServer, landing: Path, args: tuple[str, ...], message: str
) -> None:
    result = run(*args)
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert line.startswith("error: ") and message in line
    assert result.out == ""
    assert server.requests == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"FAL_KEY": ""}, "FAL_KEY is not set"),
        ({"FAL_KEY": "a b"}, "FAL_KEY contains a space"),
        ({"FAL_KEY": "schlüssel"}, "FAL_KEY contains a space, a line break or a character beyond ASCII"),
        ({"FAL_API_URL": "api.fal.ai"}, "FAL_API_URL must look like"),
        ({"FAL_API_URL": "https://me:secret@api.fal.ai/v1"}, "FAL_API_URL must look like"),
        ({"FAL_API_URL": "http://127.0.0.1:99999999/v1"}, "FAL_API_URL must look like"),
        ({"FAL_ACCOUNT": "../acme"}, "account '../acme' cannot name a folder"),
        ({"FAL_ACCOUNT": ".acme"}, "account '.acme' cannot name a folder"),
        ({"FAL_ACCOUNT": "a/b"}, "account 'a/b' cannot name a folder"),
        ({"FAL_ACCOUNT": "a" * 64}, "cannot name a folder"),
        ({"FAL_ACCOUNT": "acme\n"}, "cannot name a folder"),
        ({"FAL_API_URL": "http://a..b/v1"}, "FAL_API_URL must look like"),
        ({"FAL_API_URL": f"http://{'a' * 64}.example/v1"}, "FAL_API_URL must look like"),
        ({"FAL_API_URL": "http://xn--a/v1"}, "FAL_API_URL must look like"),
        (
            {"FAL_API_URL": ELSEWHERE, "HTTPS_PROXY": "foo://me:secret@x"},
            "the proxy or certificate settings cannot be used",
        ),
        (
            {"FAL_API_URL": ELSEWHERE, "HTTPS_PROXY": "http://me:secret@[::1"},
            "the proxy or certificate settings cannot be used",
        ),
        ({"FAL_API_URL": ELSEWHERE, "ALL_PROXY": "socks5://127.0.0.1:1"}, "http and https proxies only"),
        (
            {"FAL_API_URL": ELSEWHERE, "SSL_CERT_FILE": "/nonexistent"},
            "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        ),
        ({"FAL_API_URL": "http://fal.example/v1"}, "plain http would show the key to the network"),
        ({"FAL_API_URL": "http://0.0.0.0/v1"}, "FAL_API_URL must begin with https"),
        ({"FAL_API_URL": "http://localhost.fal.example/v1"}, "FAL_API_URL must begin with https"),
        ({"FAL_API_URL": "http://2130706433/v1"}, "FAL_API_URL must begin with https"),
        ({"FAL_MAX_PAGES": "0"}, "FAL_MAX_PAGES must be a number from 1 to 99999, not '0'"),
        ({"FAL_MAX_PAGES": "100000"}, "FAL_MAX_PAGES must be a number from 1 to 99999"),
        ({"FAL_MAX_PAGES": "1e3"}, "FAL_MAX_PAGES must be a number from 1 to 99999"),
        ({"FAL_TIMEOUT": "soon"}, "above 0 and at most a day, not 'soon'"),
        ({"FAL_TIMEOUT": "0"}, "FAL_TIMEOUT must be a number of seconds, above 0 and at most a day"),
        ({"FAL_TIMEOUT": "９"}, "FAL_TIMEOUT must be a number of seconds"),
        ({"FAL_TIMEOUT": "99999999999999999999"}, "FAL_TIMEOUT must be a number of seconds"),
        ({"FAL_RETRY_MAX_WAIT": "86400.5"}, "FAL_RETRY_MAX_WAIT must be a number of seconds"),
        ({"FAL_RETRY_MAX_WAIT": "-1"}, "FAL_RETRY_MAX_WAIT must be a number of seconds"),
    ],
)
@pytest.mark.parametrize("command", [EVENTS, ("sync",)], ids=["billing-events", "sync"])
def test_a_setting_that_cannot_be_used_is_a_one_line_error(
    run: Run, server: FalServer, landing: Path, monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...], settings: dict[str, str], message: str,
) -> None:  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    result = run(*command)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("error: ") and message in line
    assert "secret" not in line and "schl" not in line
    assert server.requests == [] and not landing.exists()


def test_the_scheme_of_the_url_can_be_in_capitals(
    run: Run, server: FalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_API_URL", server.url.replace("http", "HTTP"))
    assert run(*EVENTS).code == 0


def test_flags_override_the_environment(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_LANDING_DIR", str(tmp_path / "not-here"))
    run(*EVENTS, "--landing-dir", tmp_path / "here", "--account", "bolt")
    assert (tmp_path / "here/billing_events/account=bolt").is_dir()
    assert not (tmp_path / "not-here").exists()


def test_spaces_around_the_key_are_ignored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_KEY", f" {KEY}\n")
    assert run(*EVENTS).code == 0


def test_the_key_is_in_no_output_and_no_file(run: Run, server: FalServer, landing: Path) -> None:
    results = [
        run("sync", "--since", "2026-01-25"),
        run("prune"),
        run("verify"),
        run(*EVENTS, "--endpoint-id", "fal-ai/veo3"),
        run("focus-report", "--source", "estimate", *EVENTS[1:], "--adhoc"),
    ]
    for fault in (
        Fault.error(400, "validation_error", f"Key {KEY} is not allowed to do this", times=2),
        Fault.error(401, "authorization_error", f"no such key: {KEY}"),
        *(Fault.error(400, "validation_error", "x" * cut + KEY, times=2) for cut in (270, 290, 590)),
        Fault.error(500, "server_error", f"crashed on {KEY}", times=6),
        Fault.bad_gateway(times=6),
        Fault.answer(302, b"", {"Location": f"http://elsewhere.example/?key={KEY}"}),
    ):
        server.faults.append(fault)
        results.append(run(*EVENTS))
        assert results[-1].code == 1
    assert "no such key: [key]" in "".join(result.err for result in results)
    assert all(KEY[:12] not in result.out + result.err for result in results)
    files = [path for path in landing.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert all(KEY.encode() not in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    "quoted",
    [
        'id-123:"se/cret"\\',
        "id-123%3A%22se/cret%22%5C",
        "id-123%3A%22se%2Fcret%22%5C",
        "id-123%3a%22se%2fcret%22%5c",
        'id-123:\\"se/cret\\"\\\\',
        "id-123",
        '"se/cret"\\',
    ],
)
def test_every_quoted_form_or_part_of_the_key_is_redacted(
    run: Run, server: FalServer, monkeypatch: pytest.MonkeyPatch, quoted: str
) -> None:
    monkeypatch.setenv("FAL_KEY", 'id-123:"se/cret"\\')
    server.faults.append(Fault.error(400, "validation_error", f"Not <{quoted}>", times=2))
    assert "(validation_error: Not <[key]>)" in run(*EVENTS).err


# ---------------------------------------------------------------- as a process of its own


def test_the_module_prints_plain_lines_without_a_terminal(
    server: FalServer, landing: Path, loads: Loads
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loaders", *EVENTS],
        env=environment(server, landing), cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == "landed billing_events acme 2026-01-26: 60 events, 1 page\n"
    assert done.stdout == f"landed 1 day with 60 events in {landing}\n"
    assert len(loads(day_of("*"))) == 1


def test_ctrl_c_ends_at_once_with_one_line_and_no_partial_load(
    server: FalServer, landing: Path, loads: Loads
) -> None:
    server.faults.append(
        Fault.stall(300, times=100, when=lambda request: "2026-01-28" in str(request.one("start")))
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "loaders", "billing-events", "--start", "2026-01-26", "--end", "2026-01-30"],
        env=environment(server, landing), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore it
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(loads(day_of("*"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = process.communicate(timeout=120)
    assert time.monotonic() - began < 60
    assert process.returncode == 130
    assert err.splitlines()[-1] == "error: interrupted; what has landed stays, run it again to go on"
    assert "Traceback" not in err
    assert sorted(load.manifest["partition"] for load in loads(day_of("*"))) == [
        "2026-01-26", "2026-01-27", "2026-01-29",
    ]  # fmt: skip


def test_a_refused_key_ends_the_run_although_another_day_waits(server: FalServer, landing: Path) -> None:
    def first_day(request: Request) -> bool:
        return request.one("start") == "2026-01-26T00:00:00Z"

    server.faults += [Fault.stall(300, when=first_day), Fault.rate_limited("1"), Fault.unauthorized()]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "loaders", "billing-events", "--start", "2026-01-26", "--end", "2026-01-28"],
        env=environment(server, landing), cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert time.monotonic() - began < 60
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "answered 401" in line and "check FAL_KEY" in line
    assert unfinished(landing) == set()


def test_ctrl_c_while_the_libraries_load_is_a_one_line_error(
    server: FalServer, landing: Path, tmp_path: Path
) -> None:
    (tmp_path / "httpx.py").write_text("raise KeyboardInterrupt")
    done = subprocess.run(
        [sys.executable, "-m", "loaders", *EVENTS],
        env=environment(server, landing) | {"PYTHONPATH": str(tmp_path)},
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


@pytest.mark.parametrize(
    "command",
    [
        "billing-events --start 2026-01-25 --end 2026-02-05 --expand auth_method --page-size 10",
        "focus-report --source invoice --billing-month 2026-02 --adhoc",
    ],
)
def test_a_reader_that_closes_the_pipe_is_not_an_error(
    server: FalServer, landing: Path, world: World, command: str
) -> None:
    world.csv_style = replace(world.csv_style, extra={"x_Long": "x" * 10_000})  # exceeds the buffer of a pipe
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m loaders {command} | head -1; exit ${{PIPESTATUS[0]}}"],
        env=environment(server, landing), cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert len(server.requests) < 66


def test_a_closed_standard_output_does_not_stop_the_landing(
    server: FalServer, landing: Path, loads: Loads
) -> None:
    reader, closed = os.pipe()
    os.close(reader)
    with open(closed, "w") as out:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "loaders", "sync", "--since", str(utc_now().date() - timedelta(days=1))],
            env=environment(server, landing), cwd=ROOT, stdout=out, stderr=subprocess.PIPE,
            text=True, timeout=120,
        )  # fmt: skip
    assert done.returncode == 0
    assert len(loads(day_of("*"))) == 2


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("sync", "--help"),
        ("sync", "--since", "2026-01-25"),
        EVENTS,
        (*EVENTS, "--expand", "auth_method"),
        ("focus-report", "--source", "invoice", "--billing-month", "2026-02", "--adhoc"),
        ("prune",),
        ("verify",),
    ],
)
def test_a_standard_output_on_a_full_disk_is_a_one_line_error(
    server: FalServer, landing: Path, command: tuple[str, ...]
) -> None:
    landing.mkdir()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "loaders", *command],
            env=environment(server, landing), cwd=ROOT, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=120,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == ("error: cannot write to standard output: No space left on device")
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert command[:1] != ("sync",) or server.requests == []


def test_a_broken_standard_error_does_not_stop_the_landing(
    server: FalServer, landing: Path, loads: Loads
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "loaders", *EVENTS],
            env=environment(server, landing), cwd=ROOT, stdout=subprocess.PIPE, stderr=full,
            text=True, timeout=120,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"landed 1 day with 60 events in {landing}\n")
    assert len(loads(day_of("*"))) == 1


def test_a_terminal_shows_a_bar_and_a_log_plain_lines_even_with_forced_colour(
    server: FalServer, landing: Path
) -> None:
    command = [sys.executable, "-m", "loaders", *EVENTS]
    settings = environment(server, landing) | {"FORCE_COLOR": "1", "TERM": "xterm"}
    logged = subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert logged.stderr == "landed billing_events acme 2026-01-26: 60 events, 1 page\n"
    ours, theirs = pty.openpty()
    subprocess.run(command, env=settings, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, timeout=120)
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert "\x1b[" in shown and "━" in shown and "1/1" in shown
    assert "landed billing_events" not in shown


def test_libraries_for_a_terminal_load_only_on_a_terminal() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "loaders", "sync", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"loaders.cli", "httpx"} <= loaded
    assert not {"rich", "pygments"} & loaded


def test_the_local_server_passes_its_settings_to_a_command(landing: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.fal_server", "--days", "3", "--events-per-day", "20",
            "--first-day", "2026-01-26", "--fault", "server_error:2", "--expanded-page-cap", "9",
            "--", sys.executable, "-m", "loaders", *EVENTS,
        ],
        env=os.environ | {"FAL_LANDING_DIR": str(landing), "FAL_RETRY_MAX_WAIT": "0.01"}, cwd=ROOT,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    # twenty events on three pages of nine rows; each page repeats three rows
    assert (done.returncode, done.stdout) == (0, f"landed 1 day with 26 events in {landing}\n")


def test_two_worlds_of_the_same_seed_are_the_same() -> None:
    one, two = (World(seed=3, days=3, events_per_day=50) for _ in range(2))
    assert one.events("acme") == two.events("acme")
    assert World(seed=4, days=3, events_per_day=50).events("acme") != one.events("acme")
