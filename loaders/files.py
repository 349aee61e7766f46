"""Files and folders that are on disk before anyone relies on them."""

import os
import shutil
from pathlib import Path


def write_durably(file: Path, content: bytes) -> None:
    """Write a new file and wait until it is on disk."""
    with file.open("xb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def make_folder_durably(folder: Path, root: Path) -> None:
    """Make a folder under root, and wait until every folder on the way to it is on disk."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:
        folder = folder.parent
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def remove_folder(folder: Path) -> None:
    """Delete a folder and all in it; what cannot be deleted now is left to the next run."""
    shutil.rmtree(folder, ignore_errors=True)


def folders_in(parent: Path) -> list[Path]:
    """The folders directly below one, by name; none when it is not there."""
    try:
        return sorted(entry for entry in parent.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []
