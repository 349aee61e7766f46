"""python -m report: formats, colours, errors and exit codes."""

import json
import os
import pty
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.report.publications import ROOT, list_days, publish_rows

BREACHED = {"name": "b", "status": "over", "spent_cost": 101, "over_on": "2026-03-09"}


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run python -m report on the publication of a folder."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("FAL_")}
    return subprocess.run(
        [sys.executable, "-m", "report", *arguments],
        cwd=ROOT,
        env=others | {"FAL_PUBLISH_DIR": str(folder)} | settings,
        text=True,
        capture_output=True,
    )


def publish_until_yesterday(folder: Path, **rows: list[dict[str, object]]) -> None:
    """Publish an account whose days have all landed, by the clock."""
    yesterday = date.today() - timedelta(days=1)
    # a test may run over midnight
    days = list_days("acme", str(yesterday - timedelta(days=40)), str(yesterday + timedelta(days=1)))
    cost = {"charge_date": yesterday, "effective_cost": Decimal("12345678901.100000000000000001")}
    publish_rows(folder, {"landed_days": days, "daily_cost": [cost], **rows})


def test_json_has_exact_amounts(tmp_path: Path) -> None:
    publish_until_yesterday(tmp_path)
    done = run(tmp_path, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    digest = json.loads(done.stdout, parse_float=Decimal)
    assert digest["accounts"][0]["month_cost"] in (Decimal("12345678901.100000000000000001"), 0)
    assert digest["publication_id"] == "p"
    assert digest["alerts"] == []


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ((), 0),
        (("budget",), 8),
        (("anomaly",), 4),
        (("stale",), 0),
        (("stale", "budget", "anomaly"), 12),
    ],
)
def test_the_exit_code_adds_the_conditions_that_are_true(
    tmp_path: Path, conditions: tuple[str, ...], code: int
) -> None:
    day = str(date.today() - timedelta(days=2))
    publish_until_yesterday(tmp_path, cost_anomalies=[{"charge_date": day}], budget_status=[BREACHED])
    options = [word for condition in conditions for word in ("--fail-on", condition)]
    done = run(tmp_path, *options)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith("fal.ai until ")


def test_a_publication_of_last_year_is_stale(tmp_path: Path) -> None:
    publish_rows(tmp_path, {"landed_days": list_days("acme", "2025-01-01", "2025-01-31")})
    done = run(tmp_path, "--fail-on", "stale", "--fail-on", "budget")
    assert done.returncode == 16
    assert "days missing  2025-02-01 to " in done.stdout


def test_only_the_conditions_of_the_chosen_account_count(tmp_path: Path) -> None:
    publish_rows(
        tmp_path,
        {
            "landed_days": [
                *list_days("acme", "2026-03-01", "2026-03-10"),
                *list_days("studio", "2026-03-01", "2026-03-10"),
            ],
            "budget_status": [BREACHED],
        },
    )
    assert run(tmp_path, "--fail-on", "budget", "--account", "studio").returncode == 0
    assert run(tmp_path, "--fail-on", "budget", "--account", "studio", "--account", "acme").returncode == 8


def test_an_error_is_one_line(tmp_path: Path) -> None:
    publish_rows(tmp_path / "old", {}, leave_out="landed_days")
    publish_rows(tmp_path / "good", {"landed_days": list_days("acme", "2026-03-01", "2026-03-10")})
    columns = tmp_path / "columns" / "fal_focus.duckdb"
    publish_rows(tmp_path / "columns", {})
    with duckdb.connect(str(columns)) as connection:
        connection.execute("alter table finops.daily_cost drop column effective_cost")
    with duckdb.connect(str(publish_rows(tmp_path / "part", {}))) as connection:
        connection.execute("delete from focus.publication")
    publish_rows(
        tmp_path / "evidence",
        {
            "landed_days": list_days("acme", "2026-03-01", "2026-03-10"),
            "cost_anomalies": [{"contributors": "{"}],
        },
    )
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "fal_focus.duckdb").write_text("no database")
    errors = {
        ("old",): (1, "without finops.landed_days: run dbt build"),
        ("columns",): (1, "another version published"),
        ("text",): (1, "cannot be read"),
        ("part",): (1, "is not a whole publication: run dbt build"),
        ("part", "html"): (1, "is not a whole publication: run dbt build"),
        ("evidence", "html"): (1, "cannot be read"),
        ("none",): (1, "does not exist: publish it with dbt build"),
        ("good", "--account", "x\x1b"): (2, "is not published: known accounts are acme"),
        ("good", "--fail-on", "cost"): (2, "'cost' is not one of"),
        ("good", "extra"): (2, "No such command 'extra'"),
        ("good", "--format", "json", "html"): (2, "html has no options"),
        ("none", "html"): (1, "does not exist: publish it with dbt build"),
        ("old", "html"): (1, "without finops.landed_days: run dbt build"),
    }
    for (folder, *arguments), (code, message) in errors.items():
        done = run(tmp_path / folder, *arguments)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert done.stderr.startswith("error: "), done
        assert message in done.stderr, done
        assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr, done
    empty = run(tmp_path, FAL_PUBLISH_DIR="")
    assert (empty.returncode, empty.stderr.count("\n")) == (1, 1)


def test_html_writes_the_page_beside_the_database_and_prints_its_path(tmp_path: Path) -> None:
    publish_until_yesterday(tmp_path)
    page = tmp_path / "report.html"
    page.write_text("older")
    done = run(tmp_path, "html")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{page}\n", "")
    assert page.read_text().startswith("<!doctype html>")
    assert page.stat().st_mode & 0o777 == 0o400
    assert sorted(file.name for file in tmp_path.iterdir()) == ["fal_focus.duckdb", "report.html"]
    assert run(tmp_path, "html", FAL_FILE_MODE="group").returncode == 0
    assert page.stat().st_mode & 0o777 == 0o440


def read_terminal(folder: Path, **settings: str) -> str:
    """Return what python -m report writes to a terminal."""
    names = ("FAL_", "NO_COLOR", "FORCE_COLOR")
    others = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    ours, theirs = pty.openpty()
    try:
        program = subprocess.Popen(
            [sys.executable, "-m", "report"],
            cwd=ROOT,
            env=others | {"FAL_PUBLISH_DIR": str(folder), "TERM": "xterm-256color"} | settings,
            stdout=theirs,
        )
        os.close(theirs)
        written = b""
        # Linux raises an error at the end of a terminal
        try:
            while piece := os.read(ours, 65_536):
                written += piece
        except OSError:
            pass
        assert program.wait() == 0
    finally:
        os.close(ours)
    return written.decode()


def test_colours_are_for_terminals_without_no_color(tmp_path: Path) -> None:
    publish_until_yesterday(tmp_path, budget_status=[BREACHED])
    assert "\x1b[31m" in read_terminal(tmp_path)
    assert "\x1b[3" not in read_terminal(tmp_path, NO_COLOR="1")
    assert "\x1b" not in run(tmp_path).stdout


def test_a_terminal_without_unicode_gets_escapes(tmp_path: Path) -> None:
    days = list_days("\u6f22", "2026-03-01", "2026-03-10")
    publish_rows(tmp_path, {"landed_days": days})
    done = run(tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u6f22" in done.stdout


def test_a_reader_that_closes_the_pipe_is_no_error(tmp_path: Path) -> None:
    publish_until_yesterday(tmp_path)
    script = f"{sys.executable} -m report | head -c 1"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=os.environ | {"FAL_PUBLISH_DIR": str(tmp_path)},
        text=True,
        capture_output=True,
    )
    assert (done.stdout, done.stderr) == ("f", "")
