"""Loaders never delete, move or write the target of a symbolic link in the landing zone."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from loaders.files import is_below
from loaders.landing import list_loads
from tests.loaders.conftest import Loads, Run, day_of, unfinished
from tests.loaders.test_landing import DAY, land_long_ago, set_age

EVENTS = ("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
LOAD = "billing_events,account=acme,date=2026-01-26"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder outside the landing zone."""
    folder = tmp_path / "outside"
    (folder / "ledgers").mkdir(parents=True)
    (folder / "ledgers" / "2025.txt").write_text("not to be lost")
    (folder / "walk.jsonl").write_text("not to be lost")
    return folder


def contents(folder: Path) -> dict[str, str | None]:
    """Return the files of a folder with their text, and its folders."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("name", ["run-0123", "kept", f"kept/{LOAD}", f"kept/{LOAD}/sub", "kept/file"])
def test_the_target_of_a_link_in_the_work_folder_stays(
    run: Run, landing: Path, loads: Loads, outside: Path, name: str
) -> None:
    before = contents(outside)
    link = landing / ".work" / "account=acme" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    assert run(*EVENTS).code == 0
    assert contents(outside) == before
    assert len(loads(day_of("2026-01-26"))) == 1
    assert unfinished(landing) == set()


def test_a_record_that_is_a_link_is_neither_read_nor_written(
    run: Run, landing: Path, outside: Path, loads: Loads
) -> None:
    load = landing / ".work" / "account=acme" / "kept" / LOAD
    load.mkdir(parents=True)
    (load / "walk.jsonl.new").symlink_to(outside / "walk.jsonl")
    (load / "walk.jsonl").symlink_to(outside / "walk.jsonl")
    before = contents(outside)
    assert run(*EVENTS).code == 0
    assert contents(outside) == before and len(loads(day_of("2026-01-26"))) == 1


@pytest.mark.parametrize("name", [".work", ".work/account=acme", ".work/account=acme/lock"])
def test_a_link_in_place_of_the_work_folder_is_a_one_line_error(
    run: Run, landing: Path, outside: Path, name: str
) -> None:
    before = contents(outside)
    (landing / name).parent.mkdir(parents=True)
    (landing / name).symlink_to(outside / "walk.jsonl" if name.endswith("lock") else outside)
    result = run(*EVENTS)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith(f"error: {landing / '.work'}") and "is a symbolic link" in line
    assert contents(outside) == before


@pytest.mark.parametrize("name", [".work", ".work/pruned"])
def test_prune_deletes_nothing_behind_a_link_in_place_of_its_work_folder(
    run: Run, landing: Path, outside: Path, name: str
) -> None:
    landing.mkdir()
    before = contents(outside)
    (landing / name).parent.mkdir(exist_ok=True)
    (landing / name).symlink_to(outside)
    result = run("prune")
    (line,) = result.err.splitlines()
    assert result.code == 1 and "is a symbolic link" in line
    assert contents(outside) == before


@pytest.mark.parametrize("depth", ["billing_events", "billing_events/account=acme", str(DAY.folder)])
def test_prune_removes_no_load_behind_a_link(run: Run, landing: Path, tmp_path: Path, depth: str) -> None:
    old, new = land_long_ago(landing, 2)
    shutil.move(landing / depth, tmp_path / "elsewhere")
    (landing / depth).symlink_to(tmp_path / "elsewhere")
    assert "removed 0 superseded loads" in run("prune").out
    assert list_loads(landing / DAY.folder) == [old, new]


def test_prune_leaves_a_link_that_is_named_like_a_load(run: Run, landing: Path, outside: Path) -> None:
    old, new = land_long_ago(landing, 2)
    shutil.move(old, outside / "load")
    old.symlink_to(outside / "load")
    before = sorted(outside.rglob("*"))
    assert "removed 0 superseded loads" in run("prune").out
    assert sorted(outside.rglob("*")) == before and old.is_symlink() and new.exists()


def test_the_landing_folder_itself_can_be_a_link(
    run: Run, landing: Path, tmp_path: Path, loads: Loads
) -> None:
    (tmp_path / "disk").mkdir()
    landing.symlink_to(tmp_path / "disk")
    assert run(*EVENTS).code == 0
    assert run(*EVENTS).code == 0
    set_age(loads(day_of("2026-01-26"))[-1].folder, timedelta(days=300))
    assert "removed 1 superseded load" in run("prune").out


@pytest.mark.parametrize(
    "name", ["billing_events/account=bolt", str(DAY.folder / "load=20260127T000000000000Z-abcdef"), "page"]
)
def test_verify_finds_links_that_models_follow(run: Run, landing: Path, outside: Path, name: str) -> None:
    assert run(*EVENTS).code == 0
    (load,) = list_loads(landing / DAY.folder)
    link = load / "page-00002.json.gz" if name == "page" else landing / name
    link.symlink_to(outside / "walk.jsonl" if name == "page" else outside)
    result = run("verify")
    assert result.code == 1
    assert f"error: {link} is a symbolic link, which only models follow: remove it" in result.errors


def test_a_folder_is_below_another_unless_a_link_leads_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert is_below(tmp_path / "a" / "b", tmp_path)
    assert is_below(tmp_path / "link" / "b", tmp_path / "link")
    assert is_below(tmp_path / "a" / "not there yet", tmp_path)
    assert not is_below(tmp_path / "link" / "b", tmp_path)
