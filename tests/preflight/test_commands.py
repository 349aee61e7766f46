"""A dbt command that cannot succeed ends before it builds, with one line on what to do."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dbt_fal_focus import check_landing_folder
from tests.end_to_end.conftest import ROOT, Command, run
from tests.end_to_end.dbt_processes import DBT
from tests.end_to_end.landing_zone import event, page, write_events, write_report


def dbt(folder: Path, *arguments: str, **settings: object) -> Command:
    """Run dbt with its warehouse and publication in a folder."""
    program = [DBT, "--no-use-colors", "--quiet"]
    default = {"FAL_WAREHOUSE": folder / "w.duckdb", "FAL_PUBLISH_DIR": folder / "published"}
    paths = ["--target-path", str(folder / "target"), "--log-path", str(folder / "log")]
    return run([*program, *arguments, *paths], **(default | settings))


def error(command: Command) -> str:
    """Return the line of an error, after the two lines of dbt."""
    assert command.code == 2, command.output
    announced, kind, line = command.output.splitlines()
    assert (announced.partition("  ")[2], kind) == ("Encountered an error:", "Runtime Error"), command.output
    return line.strip()


@pytest.mark.parametrize("command", ["build", "run"])
def test_a_landing_folder_that_does_not_exist_fails_a_build_by_name(tmp_path: Path, command: str) -> None:
    assert error(dbt(tmp_path, command, FAL_LANDING_DIR="landng")) == (
        "FAL_LANDING_DIR is landng, and that does not exist:"
        " correct it, or create the folder for a first load"
    )
    assert not (tmp_path / "w.duckdb").exists()


def test_a_command_that_reads_no_landing_folder_does_not_need_one(tmp_path: Path) -> None:
    done = dbt(tmp_path, "ls", "--select", "recency", FAL_LANDING_DIR="landng")
    assert done.code == 0, done.output


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("README.md", "FAL_LANDING_DIR is README.md, and that is not a folder"),
        ("it's not there/", "FAL_LANDING_DIR is it's not there/, and that does not exist"),
        ("", "FAL_LANDING_DIR is not set, which means {project}/sample, and that does not exist"),
        ("loads[1]", "FAL_LANDING_DIR is loads[1]: * ? and [ in the name of a folder read as a pattern"),
    ],
)
def test_a_landing_folder_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("a file")
    Path("loads[1]").mkdir()
    with pytest.raises(ValueError) as raised:
        check_landing_folder(name, tmp_path)
    assert str(raised.value).startswith(says.format(project=tmp_path))


@pytest.mark.parametrize(
    "name", ["landing", "landing/", "./landing", "it's a landing zone", "s3a://bucket/landing"]
)
def test_a_landing_folder_can_be_relative_end_with_a_slash_or_be_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("landing", "it's a landing zone"):
        Path(folder).mkdir()
    check_landing_folder(name, tmp_path)


def test_a_warehouse_named_like_a_schema_is_an_error(tmp_path: Path) -> None:
    warehouse = tmp_path / "Focus.duckdb"
    says = f"FAL_WAREHOUSE is {warehouse}, named like the schema focus: choose another file name"
    assert error(dbt(tmp_path, "build", FAL_WAREHOUSE=warehouse)) == says


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that are read before dbt parses the project."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / name, folder)
    for name in ("seeds", "sample"):
        (folder / name).mkdir()
    shutil.copy(ROOT / "seeds" / "seeds.yml", folder / "seeds")
    return folder


@pytest.mark.parametrize("command", ["build", "seed"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            b"account;billing_account_id\nacme;fal-acme\n",
            "row 1: the separator is ';'; save the file with commas",
        ),
        # dbt reads seeds as UTF-8 while it parses, before any hook
        (b"account\n\xe9\n", 'row 2, column account: byte 0xe9 is not UTF-8; save the file as "CSV UTF-8"'),
    ],
)
def test_a_mistake_in_a_seed_ends_a_build_with_file_row_and_column(
    project: Path, tmp_path: Path, command: str, content: bytes, says: str
) -> None:
    (project / "seeds" / "fal_accounts.csv").write_bytes(content)
    where = ("--project-dir", str(project), "--profiles-dir", str(project))
    assert error(dbt(tmp_path, command, *where)) == f"seeds/fal_accounts.csv, {says}"
    assert not (tmp_path / "w.duckdb").exists()


@pytest.mark.parametrize("command", ["debug", "deps"])
def test_other_commands_work_with_a_broken_seed(project: Path, tmp_path: Path, command: str) -> None:
    (project / "seeds" / "fal_accounts.csv").write_bytes(b"\xe9")
    program = [DBT, command, "--project-dir", str(project)]
    done = run(
        [*program, "--profiles-dir", str(project), "--log-path", str(tmp_path)],
        FAL_WAREHOUSE=tmp_path / "w.duckdb",
    )
    assert done.code == 0, done.output


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """A landing zone of two loads of a day and an invoice."""
    folder = tmp_path / "landing"
    for load in ("20260106T000000000000Z-aaaaaa", "20260107T000000000000Z-aaaaaa"):
        write_events(folder, "acme", "2026-01-05", [page(event())], load)
    write_report(folder, "acme", "invoice", "2026-01", b"BilledCost,ChargeCategory,ChargePeriodStart\n", 0)
    return folder


REPLACEMENTS: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "link": lambda file: file.symlink_to("/dev/null"),
    "dangling link": lambda file: file.symlink_to("not there"),
}


@pytest.mark.parametrize("replacement", REPLACEMENTS)
@pytest.mark.parametrize("name", ["date=2026-01-05/*/manifest", "date=2026-01-05/*/page", "*/*/*/report"])
def test_a_landed_file_that_is_not_a_regular_file_is_an_error(
    landing: Path, name: str, replacement: str
) -> None:
    file = max(landing.glob(f"*/account=acme/{name}*"))
    check_landing_folder(str(landing), ROOT)
    file.unlink()
    REPLACEMENTS[replacement](file)
    with pytest.raises(ValueError) as raised:
        check_landing_folder(str(landing), ROOT)
    says = "is not a regular file: `python -m loaders verify` prints how to repair it"
    assert str(raised.value) == f"{file} {says}"


def test_a_build_does_not_wait_for_a_pipe_in_place_of_a_manifest(tmp_path: Path, landing: Path) -> None:
    manifest = max(landing.glob("*/account=acme/date=2026-01-05/*/manifest.json"))
    manifest.unlink()
    os.mkfifo(manifest)
    line = error(dbt(tmp_path, "build", FAL_LANDING_DIR=landing))
    assert line.startswith(f"{manifest} is not a regular file: ")


def test_only_files_that_a_build_opens_are_checked(landing: Path) -> None:
    partition = landing / "billing_events" / "account=acme" / "date=2026-01-05"
    superseded, latest = sorted(partition.iterdir())
    (superseded / "manifest.json").unlink()
    os.mkfifo(superseded / "manifest.json")
    os.mkfifo(latest / "notes")
    (landing / "billing_events" / "account=bolt").symlink_to(partition.parent)
    check_landing_folder(str(landing), ROOT)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("export", "VERSION=1.5"), "error: FOCUS 1.5 is unknown: VERSION is 1.3 or 1.4"),
        (("conformance", "VERSION=1"), "error: FOCUS 1 is unknown: VERSION is 1.3 or 1.4"),
        (("export", "FORMAT=xml"), "error: the format xml is unknown: FORMAT is csv, parquet or json"),
    ],
)
def test_make_refuses_an_unknown_version_or_format_before_it_runs_dbt(
    arguments: tuple[str, ...], line: str
) -> None:
    done = run(["make", "-s", *arguments, "INSTALLED=", "BIN=missing"])
    found, made = done.output.splitlines()
    assert (found, made.startswith("make: *** ")) == (line, True), done.output
