"""The key appears in no output and goes only to fal; files are written only to the landing folder."""

import logging
import os
import pty
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from loaders import settings
from loaders.api import FalApi
from tests.fal_server import FalServer, Fault, World
from tests.loaders.conftest import KEY, Loads, Run, day_of, environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EVENTS = ("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
REPORT = ("focus-report", "--source", "invoice", "--billing-month", "2026-02")


# ---------------------------------------------------------------- where the key comes from


@pytest.fixture
def key_file(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private file with the key, in place of FAL_KEY."""
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(f"{KEY}\n")
    monkeypatch.delenv("FAL_KEY")
    monkeypatch.setenv("FAL_KEY_FILE", str(file))
    return file


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_the_key_can_come_from_a_private_file(run: Run, key_file: Path, mode: int, loads: Loads) -> None:
    key_file.chmod(mode)
    assert run(*EVENTS).code == 0
    assert len(loads(day_of("*"))) == 1


def test_a_link_to_a_private_key_file_is_accepted(
    run: Run, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(key_file)
    monkeypatch.setenv("FAL_KEY_FILE", str(tmp_path / "link"))
    assert run(*EVENTS).code == 0


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o777])
def test_a_key_file_that_others_can_open_is_refused(
    run: Run, server: FalServer, key_file: Path, mode: int
) -> None:
    key_file.chmod(mode)
    result = run(*EVENTS)
    (line,) = result.err.splitlines()
    what = f"is open to others (mode {mode:04o}): chmod 600 it"
    assert (result.code, line) == (1, f"error: FAL_KEY_FILE {str(key_file)!r} {what}")
    assert server.requests == []


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (KEY.encode() * 200, "has more than 4096 bytes: it is not a key"),
        (b"one\ntwo\n", "contains a space, a line break or a character beyond ASCII"),
        (KEY.encode("utf-16"), "contains a space, a line break or a character beyond ASCII"),
        (b"\xff\xfe", "contains a space, a line break or a character beyond ASCII"),
    ],
)
def test_a_key_file_without_a_key_is_refused(
    run: Run, server: FalServer, key_file: Path, content: bytes, what: str
) -> None:
    key_file.write_bytes(content)
    result = run(*EVENTS)
    (line,) = result.err.splitlines()
    assert result.code == 1 and line.startswith(f"error: FAL_KEY_FILE {str(key_file)!r} {what}")
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nowhere", "cannot be read: No such file or directory"),
        ("folder", "cannot be read: Is a directory"),
        ("pipe", "is not a regular file"),
        ("x" * 300, "cannot be read: File name too long"),
    ],
)
def test_an_invalid_key_file_is_refused_without_a_wait(
    run: Run, server: FalServer, key_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    (key_file.parent / "folder").mkdir()
    os.mkfifo(key_file.parent / "pipe", 0o600)
    monkeypatch.setenv("FAL_KEY_FILE", str(key_file.parent / name))
    result = run(*EVENTS)
    (line,) = result.err.splitlines()
    assert result.code == 1 and line.endswith(f"{name}' {what}")
    assert server.requests == []


def test_a_key_and_a_key_file_together_are_refused(
    run: Run, server: FalServer, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_KEY", "another")
    result = run(*EVENTS)
    assert result.err == ("error: FAL_KEY and FAL_KEY_FILE are both set, maybe for two accounts: unset one\n")
    monkeypatch.setenv("FAL_KEY", "")
    assert run(*EVENTS).code == 0


# ---------------------------------------------------------------- where the key goes


def test_plain_http_works_only_to_this_machine_and_bypasses_any_proxy(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FalServer(world) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert run(*EVENTS).code == 0
        assert proxy.requests == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An unknown certificate authority."""
    return trustme.CA()


@pytest.fixture
def secure(world: World, authority: trustme.CA, request: pytest.FixtureRequest) -> Iterator[FalServer]:
    """The world over https, with a certificate of the authority for a name and a period."""
    name, years = getattr(request, "param", ("127.0.0.1", (2020, 2099)))
    since, until = (datetime(year, 1, 1, tzinfo=UTC) for year in years)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_before=since, not_after=until).configure_cert(context)
    with FalServer(world, tls=context) as server:
        yield server


@pytest.mark.parametrize(
    ("secure", "trusts", "why"),
    [
        (("127.0.0.1", (2020, 2099)), False, "unable to get local issuer certificate"),
        (("127.0.0.1", (2020, 2021)), True, "certificate has expired"),
        (("127.0.0.1", (2098, 2099)), True, "certificate is not yet valid"),
        (("fal.example", (2020, 2099)), True, "certificate is not valid for '127.0.0.1'"),
    ],
    indirect=["secure"],
    ids=["of an unknown authority", "expired", "of the future", "of another host"],
)
def test_an_untrusted_certificate_is_reported_once_and_the_key_is_not_sent(
    run: Run, secure: FalServer, authority: trustme.CA, landing: Path, loads: Loads,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trusts: bool, why: str,
) -> None:  # fmt: skip
    assert run(*EVENTS).code == 0
    if trusts:
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    result = run("sync", "--api-url", secure.url)
    assert result.code == 1
    (line,) = result.err.splitlines()
    host = secure.url.split("/")[2]
    assert f"the certificate of {host} cannot be trusted: " in line and why in line
    assert "check FAL_API_URL and the clock of this machine" in line and "SSL_CERT_FILE" in line
    assert secure.requests == []
    assert len(loads(day_of("*"))) == 1


def test_a_custom_certificate_authority_can_be_set(
    run: Run, secure: FalServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    assert run(*EVENTS, "--api-url", secure.url).code == 0
    assert len(secure.requests) == 1


def test_no_environment_variable_switches_verification_off(secure: FalServer, landing: Path) -> None:
    usual = {
        "PYTHONHTTPSVERIFY": "0",
        "CURL_CA_BUNDLE": "",
        "REQUESTS_CA_BUNDLE": "",
        "SSL_CERT_FILE": "",
        "SSL_CERT_DIR": "",
        "SSL_VERIFY": "0",
        "HTTPX_VERIFY": "0",
        "NODE_TLS_REJECT_UNAUTHORIZED": "0",
        "GIT_SSL_NO_VERIFY": "1",
        "NO_PROXY": "*",
    }
    done = process(secure, landing, *EVENTS, **usual)
    assert done.returncode == 1
    assert "cannot be trusted" in done.stderr and len(done.stderr.splitlines()) == 1
    assert secure.requests == []


# ---------------------------------------------------------------- where the key is never seen


def process(
    server: FalServer, landing: Path, *args: str, start: tuple[str, ...] = ("-m", "loaders"), **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a separate process."""
    return subprocess.run(
        [sys.executable, *start, *args],
        env=environment(server, landing) | more, cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


BROKEN = """
import logging, sys
from unittest.mock import patch
logging.basicConfig(level=0)
with patch(sys.argv.pop(1), side_effect=RuntimeError("a bug")):
    from loaders.__main__ import run
    sys.exit(run())
"""


@pytest.mark.parametrize("mode", [(), ("-X", "dev")], ids=["plain", "dev"])
@pytest.mark.parametrize(
    "broken",
    [
        "loaders.focus_reports.parse_report",
        "loaders.landing.LandingZone.open_account",
        "httpcore.ConnectionPool.handle_request",
        "httpx.Client.__init__",
    ],
)
def test_the_traceback_and_the_log_of_a_bug_do_not_show_the_key(
    server: FalServer, landing: Path, broken: str, mode: tuple[str, ...]
) -> None:
    done = process(server, landing, broken, *REPORT, start=(*mode, "-c", BROKEN))
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("RuntimeError: a bug") and "Traceback" in done.stderr
    assert ("DEBUG:httpcore" in done.stderr) == ("parse_report" in broken)
    assert KEY[:12] not in done.stdout + done.stderr and "Authorization" not in done.stderr


def test_settings_connections_and_the_debug_log_do_not_show_the_key(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    api_settings = settings.read_api_settings("http://127.0.0.1:1/v1")
    assert api_settings.key == KEY
    with FalApi(api_settings) as api:
        shown = [repr(api_settings), str(api_settings), repr(api), repr(api._idle), repr(vars(api._idle[0]))]
    assert all(KEY[:12] not in text for text in shown)
    caplog.set_level(logging.DEBUG)
    assert run(*EVENTS).code == 0
    assert caplog.records != [] and KEY[:12] not in caplog.text


def test_the_list_of_processes_and_the_bar_do_not_show_the_key(
    server: FalServer, landing: Path, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(KEY)
    server.faults.append(Fault.rate_limited("1"))
    ours, theirs = pty.openpty()
    variables = environment(server, landing) | {"FAL_KEY": "", "FAL_KEY_FILE": str(file), "TERM": "xterm"}
    running = subprocess.Popen(
        [sys.executable, "-m", "loaders", *EVENTS],
        env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, text=True,
    )  # fmt: skip
    while not server.requests and running.poll() is None:
        time.sleep(0.01)
    listed = subprocess.run(
        ["ps", "eww", "-o", "args", "-p", str(running.pid)], capture_output=True, text=True, check=True
    ).stdout
    out, _ = running.communicate(timeout=120)
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert running.returncode == 0
    assert "-m loaders billing-events" in listed and "FAL_KEY_FILE" in listed and "━" in shown
    assert all(KEY[:12] not in text for text in (listed, shown, out))


# ---------------------------------------------------------------- what is written, and where


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o000])
@pytest.mark.parametrize(
    ("mode", "file", "folder"),
    [(None, 0o600, 0o700), ("", 0o600, 0o700), ("private", 0o600, 0o700), ("group", 0o640, 0o750)],
)
def test_landed_files_are_private_or_for_the_group_with_any_umask(
    run: Run, server: FalServer, landing: Path, monkeypatch: pytest.MonkeyPatch,
    umask: int, mode: str | None, file: int, folder: int,
) -> None:  # fmt: skip
    if mode is not None:
        monkeypatch.setenv("FAL_FILE_MODE", mode)
    os.umask(umask)
    server.faults.append(Fault.server_error(when=lambda request: request.one("cursor") is not None, times=9))
    page_size = ("--page-size", 40)
    assert run(*EVENTS, *page_size).code == 1, "unfinished work stays"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in landing.rglob("*")}
    assert {"walk.jsonl", "page-00001.json.gz", "lock"} <= {path.name for path in modes}
    server.faults.clear()
    assert run("sync", "--since", "2026-01-25").code == 0
    assert run("prune").code == 0
    for path in (landing, *landing.rglob("*")):
        modes[path] = stat.S_IMODE(path.stat().st_mode)
    assert {mode for path, mode in modes.items() if path.suffix or path.name == "lock"} == {file}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {folder}


def test_a_folder_that_exists_keeps_its_mode(run: Run, landing: Path) -> None:
    landing.mkdir()
    landing.chmod(0o775)
    assert run(*EVENTS).code == 0
    assert stat.S_IMODE(landing.stat().st_mode) == 0o775
    assert stat.S_IMODE((landing / "billing_events").stat().st_mode) == 0o700


def test_an_unknown_file_mode_is_a_one_line_error(
    run: Run, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_FILE_MODE", "0640")
    result = run(*EVENTS)
    assert (result.code, result.err) == (
        1,
        "error: FAL_FILE_MODE is '0640': set it to private or group\n",
    )
    assert not landing.exists()


@pytest.mark.parametrize(
    "account",
    [
        "", ".", "..", "../acme", "acme/..", "/etc", "a/b", "a\\b", "~", "%2e%2e", "..%2f..", "a%2fb",
        "a∕b", "a／b", "．．", "․․", "a\0b", "a\nb", "a b", "a\u202eb", "-rf", "a*", "account=b",
        "a" * 64, "a" * 5000, "$HOME", "\ud800",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [EVENTS, REPORT, ("sync",), ("prune",)], ids=lambda args: args[0])
def test_an_account_that_could_leave_the_landing_folder_is_refused(
    run: Run, server: FalServer, tmp_path: Path, command: tuple[str, ...], account: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = run(*command, f"--account={account}")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("error: account ") and "cannot name a folder" in line
    assert server.requests == [] and sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "value",
    ["../2026-02", "2026-02/..", "/etc", "%2e%2e", "2026-02\0", "2026-02\n", "2026∕02", "２026-02", ""],
)
@pytest.mark.parametrize(
    "options",
    [
        ("focus-report", "--source", "invoice", "--billing-month"),
        ("focus-report", "--source", "invoice", "--charge-month"),
        ("focus-report", "--source", "estimate", "--end", "2026-02-03", "--start"),
        ("billing-events", "--end", "2026-02-03", "--start"),
        ("sync", "--since"),
    ],
    ids=" ".join,
)
def test_a_day_or_month_that_could_leave_the_landing_folder_is_misuse(
    run: Run, server: FalServer, landing: Path, options: tuple[str, ...], value: str
) -> None:
    result = run(*options, value)
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert line.startswith("error: ")
    assert server.requests == [] and not landing.exists()
