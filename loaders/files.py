"""Files and folders: who may read new ones, and that they are on disk before anyone relies on them."""

import os
import shutil
from pathlib import Path

# what FAL_FILE_MODE means: the rights that new files and folders do not have
UMASKS = {"private": 0o077, "group": 0o027}


def restrict_new_files() -> int:
    """Let only the user of this process read its new files and folders, or also the group; returns the umask.

    FAL_FILE_MODE is private, the default (0600 and 0700), or group (0640 and 0750). Files and folders that
    exist keep their modes. ValueError for another value.
    """
    mode = os.environ.get("FAL_FILE_MODE", "").strip() or "private"
    if mode not in UMASKS:
        raise ValueError(f"FAL_FILE_MODE is {mode!r}: set it to private or group")
    os.umask(UMASKS[mode])
    return UMASKS[mode]


def write_durably(file: Path, content: bytes) -> None:
    """Write a new file and wait until it is on disk."""
    with file.open("xb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def make_folder_durably(folder: Path, root: Path, on_disk: set[Path]) -> None:
    """Make a folder under root, and wait until it and every folder on the way to it is on disk.

    on_disk: those that are known to be; it grows. That a folder is there does not tell: whoever made it may
    not have waited yet, or may have died before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    way = [folder, *folder.parents]
    for made in reversed(way[: way.index(root)]):  # downwards: what is known to be there has a way to it
        if made not in on_disk:
            sync_folder(made.parent)
            on_disk.add(made)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def remove_folder(folder: Path) -> None:
    """Delete a folder and all in it; what cannot be deleted now is left to the next run.

    Symbolic links in the folder are deleted, their targets are not. A link in place of the folder stays.
    """
    shutil.rmtree(folder, ignore_errors=True)


def folders_in(parent: Path) -> list[Path]:
    """The folders directly below one, by name, without symbolic links; none when it is not there."""
    try:
        return sorted(entry for entry in parent.iterdir() if entry.is_dir() and not entry.is_symlink())
    except FileNotFoundError:
        return []


def is_below(folder: Path, root: Path) -> bool:
    """Whether no symbolic link leads from root to a folder below it. The root itself may be a link."""
    return folder.resolve() == root.resolve() / folder.relative_to(root)
