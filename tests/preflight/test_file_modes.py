"""Modes of the files that dbt writes: warehouse, logs, target, publication, export."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, Command, run
from tests.end_to_end.dbt_processes import DBT

PRIVATE, GROUP = ("private", 0o600, 0o700), ("group", 0o640, 0o750)
COMMAND = [DBT, "--no-use-colors", "--quiet"]
WITH_PROGRESS = [sys.executable, "-m", "dbt_fal_focus"]
MODELS = ("--select", "+stg_fal__landed_files", "--exclude-resource-type", "test", "unit_test")


def dbt(folder: Path, command: list[str], mode: str) -> Command:
    """Run dbt with all its output in a folder."""
    paths = ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    settings = {"FAL_WAREHOUSE": folder / "w.duckdb", "FAL_PUBLISH_DIR": folder / "published"}
    return run([*command, *paths], FAL_FILE_MODE=mode, **settings)


def modes(folder: Path) -> dict[str, int]:
    """Return the modes of all files and folders in a folder."""
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in folder.rglob("*")
        if path.exists()
    }


@pytest.mark.parametrize(("mode", "file", "folder"), [PRIVATE, GROUP], ids=["private", "group"])
@pytest.mark.parametrize(
    "command", [[*COMMAND, "build", *MODELS], [*WITH_PROGRESS, *MODELS]], ids=["dbt", "make run"]
)
def test_files_of_a_build_have_the_mode_of_the_setting(
    tmp_path: Path, command: list[str], mode: str, file: int, folder: int
) -> None:
    done = dbt(tmp_path, command, mode)
    assert done.code == 0, done.output
    found = modes(tmp_path)
    assert {"w.duckdb", "logs/dbt.log", "target/run_results.json", "target/manifest.json"} <= found.keys()
    if command[0] == DBT:
        # dbt creates this folder before the project runs; the log in it is private
        assert found.pop("logs") == 0o755
    assert {name: mode for name, mode in found.items() if mode not in (file, folder)} == {}
    assert {found["w.duckdb"], found["logs/dbt.log"], found["target/manifest.json"]} == {file}
    assert found["target"] == folder


def test_a_log_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "dbt.log").write_text("of an earlier command\n")
    (tmp_path / "logs" / "dbt.log").chmod(0o644)
    assert dbt(tmp_path, [*COMMAND, "ls", "--select", "recency"], "private").code == 0
    assert modes(tmp_path)["logs/dbt.log"] == 0o644


@pytest.mark.parametrize("command", [[*COMMAND, "build"], WITH_PROGRESS], ids=["dbt", "make run"])
def test_an_unknown_file_mode_ends_a_build_with_one_line(tmp_path: Path, command: list[str]) -> None:
    done = dbt(tmp_path, command, "0640")
    assert done.code == 2
    assert done.output.splitlines()[-1].strip() == "FAL_FILE_MODE is '0640': set it to private or group"
    assert not (tmp_path / "w.duckdb").exists()


def test_a_new_export_folder_is_private_and_an_existing_one_keeps_its_mode(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    make = ["make", "-s", "export", "INSTALLED=", f"BIN={tmp_path}"]
    (tmp_path / "dbt").write_text("#!/bin/sh\n")
    (tmp_path / "dbt").chmod(0o755)
    for mode, folder in (("", 0o700), ("group", 0o750)):
        subprocess.run(make, cwd=tmp_path, env=os.environ | {"FAL_FILE_MODE": mode}, check=True)
        assert modes(tmp_path)["export"] == folder
        (tmp_path / "export").rmdir()
    (tmp_path / "export").mkdir()
    subprocess.run(make, cwd=tmp_path, check=True)
    assert modes(tmp_path)["export"] == 0o755
