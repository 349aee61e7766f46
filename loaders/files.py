"""Files and folders: permissions of new ones, locks, and writes that survive a crash."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

# the umask for each value of FAL_FILE_MODE
UMASKS = {"private": 0o077, "group": 0o027}


def restrict_new_files() -> int:
    """Set the umask by FAL_FILE_MODE, and return it.

    The values are private, the default (files 0600, folders 0700), and group (0640 and 0750). Existing files
    and folders keep their modes. Raises ValueError for another value.
    """
    mode = os.environ.get("FAL_FILE_MODE", "").strip() or "private"
    if mode not in UMASKS:
        raise ValueError(f"FAL_FILE_MODE is {mode!r}: set it to private or group")
    os.umask(UMASKS[mode])
    return UMASKS[mode]


def lock(path: Path, *, wait: bool) -> ExitStack:
    """Lock a folder, or a file, which is created if it is missing, against other processes.

    The lock ends when the returned stack is closed or the process dies. If another process has the lock,
    waits for it or raises BlockingIOError.
    """
    # NFS locks a file only if it is open for writing; a folder cannot be opened for writing
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    held = ExitStack()
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        held.close()
        raise
    return held


def write_durably(file: Path, content: bytes) -> None:
    """Write a new file, and wait until it is on disk. Raises FileExistsError."""
    with file.open("xb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def replace_file(file: Path, content: bytes, *, mode: int = 0o666, durable: bool = True) -> None:
    """Create or replace a file in one step: a reader finds the old content or the new.

    mode: the permissions, which the umask reduces. durable: wait until the file is on disk.
    """
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        new.touch(mode, exist_ok=False)
        new.write_bytes(content)
        if durable:
            move_durably({new: file})
        else:
            new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def move_durably(moves: Mapping[Path, Path]) -> None:
    """Rename complete files to new paths, in this order, and wait until that is on disk.

    The content of all files is on disk before the first rename. After a crash, each path therefore has its
    old file or the whole new one.
    """
    for file in moves:
        sync_to_disk(file)
    for file, path in moves.items():
        file.replace(path)
    for folder in {path.parent for path in moves.values()}:
        sync_to_disk(folder)


def make_folder_durably(folder: Path, root: Path, on_disk: set[Path]) -> None:
    """Make a folder under root, and wait until it and its parents are on disk.

    on_disk: the folders that are known to be on disk; this function adds to them. An existing folder may not
    have reached the disk yet, since the process that made it may not have waited.
    """
    folder.mkdir(parents=True, exist_ok=True)
    branch = [folder, *folder.parents]
    for made in reversed(branch[: branch.index(root)]):  # parents first
        if made not in on_disk:
            sync_to_disk(made.parent)
            on_disk.add(made)


def sync_to_disk(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Delete a folder with its content, as far as possible; the next run deletes the rest.

    Symbolic links in the folder are deleted, their targets are not. A link in place of the folder stays.
    """
    shutil.rmtree(folder, ignore_errors=True)


def list_folders(parent: Path) -> list[Path]:
    """Return the folders directly below one, by name, without symbolic links; [] if it does not exist."""
    try:
        return sorted(entry for entry in parent.iterdir() if entry.is_dir() and not entry.is_symlink())
    except FileNotFoundError:
        return []


def is_below(folder: Path, root: Path) -> bool:
    """Return whether no symbolic link leads from root to a folder below it. The root may be a link."""
    return folder.resolve() == root.resolve() / folder.relative_to(root)
