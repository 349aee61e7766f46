"""python -m api: output and exit codes."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.serving import MARTS, publish_small, serving

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a server whose files are all in a folder."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("FAL_", "FOCUS_"))}
    return others | {
        "FAL_PUBLISH_DIR": str(folder / "published"),
        "FOCUS_API_TOKENS_FILE": str(folder / "tokens.json"),
        "FOCUS_API_EXPORT_DIR": str(folder / "exports"),
    }


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run python -m api with these settings."""
    command = [sys.executable, "-m", "api", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(folder) | settings, text=True, capture_output=True, timeout=120
    )


def test_only_the_token_is_on_standard_output(tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    made = run(tmp_path, "token", "create", "--name", "x", "--billing-account", "acme")
    assert (made.returncode, made.stderr) == (0, "")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", made.stdout)
    again = run(tmp_path, "token", "create", "--name", "x")
    assert (again.returncode, again.stdout) == (1, "")
    assert re.fullmatch(
        r"error: .*tokens\.json has a token called x already: choose another name\n", again.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (["token", "create"], {}, "Missing option '--name'"),
        (["token", "create", "--name", "a b"], {}, "a token cannot be called 'a b'"),
        (["serve", "--port", "70000"], {}, "Invalid value for '--port'"),
        (["serve"], {"FOCUS_API_RATE_LIMIT": "0/minute"}, "FOCUS_API_RATE_LIMIT must look like 600/minute"),
        (["serve"], {"FOCUS_API_RATE_LIMIT": "many"}, "FOCUS_API_RATE_LIMIT must look like 600/minute"),
        (
            ["serve"],
            {"FOCUS_API_ROW_RATE_LIMIT": "1"},
            "FOCUS_API_ROW_RATE_LIMIT must look like 1000000/minute",
        ),
        (["serve"], {"FOCUS_API_EXPORT_QUOTA": "5"}, "FOCUS_API_EXPORT_QUOTA must look like 5GB (or MB)"),
        (["serve"], {"FOCUS_API_URL": "a.b/c"}, "FOCUS_API_URL must look like https://costs.example.com"),
        (["serve"], {"FOCUS_API_FIELDS": "some"}, "FOCUS_API_FIELDS must be all or standard, not 'some'"),
        (["serve"], {"FAL_PUBLISH_DIR": ""}, "FAL_PUBLISH_DIR is empty: unset it to use published"),
    ],
)
def test_misuse_is_a_one_line_error_with_exit_code_2(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], message: str
) -> None:
    refused = run(tmp_path, *arguments, **settings)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_folder_that_cannot_be_written_is_a_one_line_error_with_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = run(tmp_path, "serve", FOCUS_API_EXPORT_DIR=str(tmp_path / "file" / "exports"))
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("accounts", "warnings"),
    [
        (["acme", "studio"], []),
        (["acm"], ["billing account acm has no published records: known ids are acme, studio"]),
        (
            ["acme", "alias", "x"],
            [
                "billing account alias has no published records: acme is the id of alias alias; "
                "known ids are acme, studio",
                "billing account x has no published records: known ids are acme, studio",
            ],
        ),
    ],
)
def test_a_token_for_an_unpublished_account_is_created_with_a_warning(
    tmp_path: Path, accounts: list[str], warnings: list[str]
) -> None:
    recency = MARTS["focus.recency"].replace(
        "billing_account_id as account", "if(billing_account_id = 'acme', 'alias', 'other') as account"
    )
    publish_small(tmp_path / "published", marts=MARTS | {"focus.recency": recency})
    options = [option for account in accounts for option in ("--billing-account", account)]
    made = run(tmp_path, "token", "create", "--name", "x", *options)
    assert made.returncode == 0
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", made.stdout)
    assert made.stderr.splitlines() == [f"warning: {warning}" for warning in warnings]


def test_billing_accounts_that_cannot_be_checked_cause_a_warning(tmp_path: Path) -> None:
    made = run(tmp_path, "token", "create", "--name", "x", "--billing-account", "acme")
    assert (made.returncode, len(made.stdout)) == (0, 44)
    assert re.fullmatch(
        r"warning: .*/published/fal_focus\.duckdb cannot be read, "
        r"so the billing accounts were not checked\n",
        made.stderr,
    )


def test_revoking_a_token_removes_its_exports(tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    with serving(tmp_path / "published", tmp_path) as served, served.limited_to("studio", "studio") as api:
        body = {"billingPeriodStart": "2026-01-01T00:00:00Z", "billingPeriodEnd": "2027-01-01T00:00:00Z"}
        job = api.post("/cost-and-usage/export", json=body).json()
        while job["status"] != "Complete":
            job = api.get(f"/cost-and-usage/export/{job['jobId']}").json()
        file = str(served.settings.tokens_file)
        revoked = run(tmp_path, "token", "revoke", "--name", "studio", FOCUS_API_TOKENS_FILE=file)
        assert (revoked.returncode, revoked.stdout) == (0, "studio is revoked\n")
        assert api.get(job["downloadUrl"]).status_code == 401
        assert list((tmp_path / "exports" / "jobs").iterdir()) == []
    missing = run(tmp_path, "token", "revoke", "--name", "studio")
    assert missing.returncode == 1
    assert missing.stderr.endswith("/tokens.json has no token called studio\n")


def test_a_port_in_use_is_a_one_line_error_that_names_the_option(tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run(tmp_path, "serve", "--port", str(port))
    assert refused.returncode == 1
    assert refused.stderr == (
        f"error: port {port} of 127.0.0.1 is in use: choose another with --port (or --host)\n"
    )


def test_a_missing_publish_folder_is_a_one_line_error_at_the_start(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "api", "serve", "--port", "0"],
        cwd=ROOT,
        env=environment(tmp_path),
        text=True,
        stderr=subprocess.PIPE,
    ) as server:
        try:
            assert server.stderr
            assert server.stderr.readline() == (
                f"FAL_PUBLISH_DIR ({tmp_path / 'published'}) does not exist: "
                "all requests get a 503 until dbt build publishes there\n"
            )
        finally:
            server.kill()


@pytest.mark.parametrize(("mode", "folder"), [("", 0o700), ("group", 0o750)])
def test_new_folders_of_the_api_are_private_and_the_tokens_file_always_is(
    tmp_path: Path, mode: str, folder: int
) -> None:
    tokens = tmp_path / "secrets" / "tokens.json"
    arguments = ("token", "create", "--name", "x")
    made = run(tmp_path, *arguments, FOCUS_API_TOKENS_FILE=str(tokens), FAL_FILE_MODE=mode)
    assert made.returncode == 0, made.stderr
    assert tokens.stat().st_mode & 0o777 == 0o600 and tokens.parent.stat().st_mode & 0o777 == folder


def test_an_unknown_file_mode_is_a_one_line_error_with_exit_code_2(tmp_path: Path) -> None:
    refused = run(tmp_path, "token", "create", "--name", "x", FAL_FILE_MODE="0640")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "error: FAL_FILE_MODE is '0640': set it to private or group\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other builds of DuckDB may have another allocator")
def test_the_allocator_of_duckdb_keeps_no_muzzy_pages(tmp_path: Path) -> None:
    code = """
import os
import api
os.environ["DUCKDB_JE_MALLOC_CONF"] += ",stats_print:true"
import api.app
api.app.duckdb.connect().execute("select 1")
"""
    settings = environment(tmp_path)
    settings.pop("DUCKDB_JE_MALLOC_CONF", None)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=settings, text=True, capture_output=True, timeout=120)
    assert "opt.muzzy_decay_ms: 0 " in done.stderr
