"""The plugin: failures and warnings of a build that publishes."""

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.utils import TargetConfig, TargetLocation

from publishing.plugin import Plugin, find_program


def published(
    warehouse: Path,
    folder: Path,
    accounts: str = "'acme'",
    may_be_empty: bool = False,
    names: tuple[str, ...] = ("failure", "warning"),
) -> dict[str, str]:
    """Publish a charge of each account into a folder. Return what the plugin reports under some names."""
    credentials = DuckDBCredentials(database="memory", schema="main", path=str(warehouse))
    plugin = Plugin("publishing", {}, credentials)
    config = {
        "marts": {"focus.cost_and_usage": "focus.cost_and_usage"},
        "views": {"api.records": "from focus.cost_and_usage"},
        "descriptions": {
            "focus.cost_and_usage": {"description": "Charges", "columns": {"x_Account": "Alias"}},
            "api.records": {"description": "Charges", "columns": {"x_Account": "Alias"}},
        },
        "months": {},
        "publication_id": "first",
        "may_be_empty": may_be_empty,
    }
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "create schema if not exists focus; create or replace table focus.cost_and_usage as"
            f" select unnest(cast([{accounts}] as varchar[])) as x_Account"
        )
        plugin.configure_connection(connection)
        location = TargetLocation(path=str(folder), format="duckdb")
        plugin.store(TargetConfig(relation=None, column_list=[], config=config, location=location))
    return {name: config[name] for name in names if name in config}


def test_a_successful_publication_prints_nothing(tmp_path: Path) -> None:
    assert published(tmp_path / "w.duckdb", tmp_path / "published") == {}
    assert (tmp_path / "published" / "fal_focus.duckdb").exists()


@pytest.mark.parametrize(
    ("warehouse", "folder", "text"),
    [
        ("w.duckdb", "w.duckdb", "File exists"),
        ("w.duckdb", "w.duckdb/published", "Not a directory"),
        (
            "fal_focus.duckdb",
            ".",
            "fal_focus.duckdb there is the warehouse itself; set FAL_PUBLISH_DIR to another folder",
        ),
    ],
)
def test_an_unusable_publish_folder_is_a_one_line_error_with_its_name(
    tmp_path: Path, warehouse: str, folder: str, text: str
) -> None:
    message = published(tmp_path / warehouse, tmp_path / folder)["failure"]
    assert re.fullmatch(f"nothing was published to {re.escape(str(tmp_path / folder))}: .*", message)
    assert text in message


def test_a_failure_of_the_page_is_a_line_and_removes_the_older_page(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "report.html").write_text("older")
    # the publication has no marts for the page
    failure = published(tmp_path / "w.duckdb", folder, names=("failure", "page_failure"))
    (reason,) = failure.values()
    assert failure == {"page_failure": reason}
    assert reason.startswith("report.html was not written: ") and "\n" not in reason
    assert (folder / "fal_focus.duckdb").exists()
    assert not (folder / "report.html").exists()


def test_a_publication_without_the_packages_of_the_page_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "report.html", raising=False)
    monkeypatch.delitem(sys.modules, "report.charts", raising=False)
    monkeypatch.setitem(sys.modules, "altair", None)
    failure = published(tmp_path / "w.duckdb", tmp_path / "published", names=("failure", "page_failure"))
    assert failure == {
        "page_failure": "report.html was not written: the package altair is not installed:"
        " pip install 'fal-focus[report]'"
    }
    assert (tmp_path / "published" / "fal_focus.duckdb").exists()


def test_a_build_without_loads_replaces_charges_only_if_allowed(tmp_path: Path) -> None:
    warehouse, folder = tmp_path / "w.duckdb", tmp_path / "published"
    assert published(warehouse, folder, "") == {}, "the first publication may be empty"
    assert published(warehouse, folder, "'acme', 'acme', 'studio'") == {}
    before = (folder / "fal_focus.duckdb").read_bytes()
    assert published(warehouse, folder, "")["failure"] == (
        f"nothing was published to {folder}: the landing zone has no loads, and the publication has"
        " charges (3); correct FAL_LANDING_DIR, or add --vars 'fal_publish_empty: true' to replace it"
    )
    assert (folder / "fal_focus.duckdb").read_bytes() == before
    assert "failure" not in published(warehouse, folder, "", may_be_empty=True)
    assert (folder / "fal_focus.duckdb").read_bytes() != before


def test_an_account_that_is_no_longer_published_causes_a_warning(tmp_path: Path) -> None:
    warehouse, folder = tmp_path / "w.duckdb", tmp_path / "published"
    published(warehouse, folder, "'acme', 'acme', 'studio'")
    assert published(warehouse, folder, "'studio'") == {
        "warning": f"The publication in {folder} had charges of accounts that this one lacks: acme (2)."
        " Check that FAL_LANDING_DIR has their loads."
    }


def test_an_unreadable_publication_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "fal_focus.duckdb").write_text("no database")
    assert published(tmp_path / "w.duckdb", folder) == {}


def test_a_view_in_the_previous_publication_cannot_read_files(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "published"
    secret.write_text("top secret")
    folder.mkdir()
    with duckdb.connect(str(folder / "fal_focus.duckdb")) as before:
        before.execute("create schema focus")
        before.execute(
            f"create view focus.cost_and_usage as select content as x_Account from read_text('{secret}')"
        )
    assert published(tmp_path / "w.duckdb", folder) == {}


def test_an_unreadable_publication_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "fal_focus.duckdb").write_text("no database")
    assert "the publication cannot be read" in published(tmp_path / "w.duckdb", folder, "")["failure"]
    assert (folder / "fal_focus.duckdb").read_text() == "no database"


def open_error(path: Path) -> str:
    """Return the error of opening a warehouse."""
    credentials = DuckDBCredentials(database="memory", schema="main", path=str(path))
    with pytest.raises(RuntimeError) as raised:
        Plugin("publishing", {}, credentials).update_connection_config(credentials, {})
    return str(raised.value)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_warehouse_that_another_program_has_open_is_a_one_line_error_with_its_name(
    tmp_path: Path, read_only: bool
) -> None:
    path, script = tmp_path / "w.duckdb", tmp_path / "dashboard"
    duckdb.connect(str(path)).close()
    script.write_text(
        f"import duckdb; connection = duckdb.connect({str(path)!r}, read_only={read_only})\n"
        "print('open', flush=True)\ninput()\n"
    )
    command = [sys.executable, str(script), "--password=secret"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline()
        message = open_error(path)
        holder.communicate(b"\n")
    program = "dashboard" if Path("/proc/self/cmdline").exists() else "python"
    assert re.fullmatch(
        rf"the warehouse {re.escape(str(path))} is open in {program}.* \(PID {holder.pid}\), which locks it:"
        " wait until that ends, or close the file there; FAL_WAREHOUSE names another warehouse",
        message,
    )


def test_a_process_that_has_ended_has_no_name() -> None:
    assert find_program(2**22 + 1) is None


def test_a_warehouse_that_cannot_be_opened_is_a_one_line_error(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "w.duckdb"
    assert open_error(path) == (
        f"FAL_WAREHOUSE is {path}, but the folder {path.parent} does not exist:"
        " create it, or correct the name"
    )
    file = tmp_path / "notes.txt"
    file.write_text("no database")
    assert re.fullmatch(
        rf"the warehouse {re.escape(str(file))} cannot be opened: .* not a valid DuckDB.*; FAL_WAREHOUSE.*",
        open_error(file),
    )
