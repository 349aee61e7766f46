"""Locks, and files that are replaced in one step."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from loaders import files
from loaders.files import lock, move_durably, replace_file
from tests.loaders import machine

HOLD = """
import sys, time
from pathlib import Path
from loaders.files import lock
with lock(Path(sys.argv[1]), wait=False):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["folder", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder, or a file that does not exist."""
    path = tmp_path / str(request.param)
    if request.param == "folder":
        path.mkdir()
    return path


def hold(path: Path) -> "subprocess.Popen[str]":
    """Start a process that locks a path and keeps the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "locked\n"
    return process


def test_a_lock_is_refused_while_another_process_holds_it_and_is_free_after_its_end(path: Path) -> None:
    with hold(path) as holder:
        with pytest.raises(BlockingIOError):
            lock(path, wait=False)
        holder.send_signal(signal.SIGKILL)
    lock(path, wait=False).close()


def test_a_lock_waits_until_the_other_process_has_ended(path: Path) -> None:
    with hold(path) as holder:
        threading.Timer(0.2, holder.kill).start()
        with lock(path, wait=True):
            assert holder.wait() == -signal.SIGKILL


def test_a_lock_ends_with_its_block_even_after_an_error(path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError), lock(path, wait=False):
            raise RuntimeError
    lock(path, wait=False).close()


def test_a_refused_lock_leaves_no_file_open(path: Path) -> None:
    with lock(path, wait=False):
        before = len([*Path("/proc/self/fd").iterdir()])
        for _ in range(3):
            with pytest.raises(BlockingIOError):
                lock(path, wait=False)
        assert len([*Path("/proc/self/fd").iterdir()]) == before


@pytest.mark.parametrize(("mode", "expected"), [(0o666, 0o640), (0o600, 0o600)])
def test_a_replaced_file_has_its_mode_reduced_by_the_umask(tmp_path: Path, mode: int, expected: int) -> None:
    old = os.umask(0o027)
    try:
        for content in (b"old", b"new"):
            replace_file(tmp_path / "file", content, mode=mode)
    finally:
        os.umask(old)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_at_any_step_of_a_replacement_keeps_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for at in range(10):
        file.write_bytes(b"old")
        with machine.happening(at, machine.disk_full) as steps:
            try:
                replace_file(file, b"new")
            except OSError:
                assert file.read_bytes() in (b"old", b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        if len(steps) <= at:
            break
    assert steps == ["open", "fsync", "replace", "fsync"]
    assert file.read_bytes() == b"new"


def test_files_are_on_disk_before_the_first_rename_and_their_folder_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, Path]] = []
    monkeypatch.setattr(files, "sync_to_disk", lambda path: steps.append(("sync", path)))
    monkeypatch.setattr(Path, "replace", lambda file, path: steps.append((file.name, path)))
    folder = tmp_path / "folder"
    move_durably({tmp_path / "b": folder / "b", tmp_path / "a": folder / "new"})
    assert steps == [
        ("sync", tmp_path / "b"),
        ("sync", tmp_path / "a"),
        ("b", folder / "b"),
        ("a", folder / "new"),
        ("sync", folder),
    ]


def test_a_replacement_that_is_not_durable_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    with machine.happening(99, machine.die) as steps:
        replace_file(tmp_path / "file", b"new", durable=False)
    assert steps == ["open", "replace"]


def test_a_link_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    replace_file(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink()
    assert ((tmp_path / "target").read_bytes(), (tmp_path / "link").read_bytes()) == (b"old", b"new")
