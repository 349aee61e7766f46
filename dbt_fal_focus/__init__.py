"""Checks before dbt parses the project, on every engine: landing zone, warehouse name and seeds. It also
restricts the permissions of the files that dbt writes.

dbt finds this package by its prefix and creates its plugins first. A mistake ends the command with one line;
later it would be a traceback, or no error at all.
"""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dbt.flags import get_flags
from dbt.plugins.manager import dbtPlugin
from dbt_common.invocation import get_invocation_id

from dbt_fal_focus.seeds import check_seeds
from loaders.files import restrict_new_files
from loaders.progress import escape

PROJECT = "fal_focus"
# these do not parse the project, and must work when it is broken
HOUSEKEEPING = ("clean", "debug", "deps")
READS_LANDING = ("build", "retry", "run")
# the prefixes of folders, from the landing folder to its partitions (macros/reading/landing_zone.sql)
PARTITIONS = (
    "billing_events/account=/date=",
    "focus_reports/account=/source=invoice/billing_month=",
    "focus_reports/account=/source=estimate/date=",
)
MANIFEST = "manifest.json"
LOADED_FILE = re.compile(r"manifest\.json|page-.*\.json\.gz|report\.csv\.gz", re.DOTALL)


class Preflight(dbtPlugin):
    """Ends a command of this project that cannot succeed."""

    def initialize(self) -> None:
        """Raise ValueError with one line; dbt prints it without a traceback."""
        flags = get_flags()  # type: ignore[no-untyped-call]  # dbt does not annotate it
        if self.project_name != PROJECT:
            return
        # agate, which reads seeds for dbt, warns about each optional column that a file lacks
        warnings.filterwarnings("ignore", '".*" does not match the name of any column', RuntimeWarning)
        umask = restrict_new_files()
        restrict_new_log(Path(flags.LOG_PATH) / "dbt.log", umask)
        if flags.WHICH in HOUSEKEEPING:
            return
        project = Path(flags.PROJECT_DIR)
        if flags.WHICH in READS_LANDING:
            check_landing_folder(os.environ.get("FAL_LANDING_DIR", ""), project)
        check_warehouse_name(os.environ.get("FAL_WAREHOUSE", ""), project)
        check_switch("FAL_PUBLISH_REQUESTS")
        check_seeds(project / "seeds")


plugins = [Preflight]


def restrict_new_log(log: Path, umask: int) -> None:
    """Apply a umask to the log if this command created it, which dbt does before it creates plugins.

    A new log starts with the id of this invocation. An unreadable log keeps its mode.
    """
    header = rf"\s*=+ [0-9:.]+ \| {get_invocation_id()} ".encode()
    with suppress(OSError), log.open("rb") as opened:
        if re.match(header, opened.read(200)):
            log.chmod(log.stat().st_mode & ~umask)


def check_landing_folder(name: str, project: Path) -> None:
    """Raise ValueError unless the landing folder can be read; an empty name means the sample of the project.

    A URL or another Hadoop path with a scheme, such as dbfs:/mnt/landing, is left to Spark.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", name):
        return
    folder = Path(name) if name else project / "sample"
    setting = f"FAL_LANDING_DIR is {name}" if name else f"FAL_LANDING_DIR is not set, which means {folder}"
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise ValueError(f"{setting}, and that {state}: correct it, or create the folder for a first load")
    if set("*?[") & set(str(folder)):
        raise ValueError(
            f"{setting}: * ? and [ in the name of a folder read as a pattern; choose another name"
        )
    check_landed_files(folder)


def check_landed_files(landing: Path) -> None:
    """Raise ValueError unless the files that a build opens are regular files.

    The engines wait without end for a pipe that has no writer. They would also follow a symbolic link.
    """
    for partitions in PARTITIONS:
        for partition in find_folders(str(landing), partitions.split("/")):
            for load in sorted(find_folders(partition, ["load="]), reverse=True):
                files = [entry for entry in scan(load) if LOADED_FILE.fullmatch(entry.name)]
                for file in files:
                    if not file.is_file(follow_symlinks=False):
                        raise ValueError(
                            f"{escape(file.path)} is not a regular file: "
                            "`python -m loaders verify` prints how to repair it"
                        )
                if MANIFEST in (file.name for file in files):
                    break  # a build reads only the latest load


def find_folders(above: str, prefixes: list[str]) -> Iterator[str]:
    """Yield the folders below a folder, or their links, with one prefix of their names for each level."""
    if not prefixes:
        yield above
        return
    for entry in scan(above):
        if entry.name.startswith(prefixes[0]) and entry.is_dir():
            yield from find_folders(entry.path, prefixes[1:])


def scan(folder: str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder; none if it cannot be read, or if a prune has removed it."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def check_switch(name: str) -> None:
    """Raise ValueError if an environment variable is neither 1 nor 0 nor empty."""
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise ValueError(f"{name} is {value!r}: set it to 1, or unset it")


def check_warehouse_name(warehouse: str, project: Path) -> None:
    """Raise ValueError if a DuckDB file has the name of a schema: DuckDB would confuse the two."""
    schemas = re.findall(r"\+schema: (\w+)", (project / "dbt_project.yml").read_text(encoding="utf-8"))
    name = Path(warehouse).stem.lower()
    if name in schemas:
        raise ValueError(
            f"FAL_WAREHOUSE is {warehouse}, named like the schema {name}: choose another file name"
        )
