"""Checks before dbt parses the project, on every engine: landing folder, warehouse name and seeds. It also
restricts the permissions of the files that dbt writes.

dbt finds this package by its prefix and creates its plugins first. A mistake ends the command with one line;
later it would be a traceback, or no error at all.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from dbt.flags import get_flags
from dbt.plugins.manager import dbtPlugin
from dbt_common.invocation import get_invocation_id

from dbt_fal_focus.seeds import check_seeds
from loaders.files import restrict_new_files

PROJECT = "fal_focus"
# these do not parse the project, and must work when it is broken
HOUSEKEEPING = ("clean", "debug", "deps")
READS_LANDING = ("build", "retry", "run")


class Preflight(dbtPlugin):
    """Ends a command of this project that cannot succeed."""

    def initialize(self) -> None:
        """Raise ValueError with one line; dbt prints it without a traceback."""
        flags = get_flags()  # type: ignore[no-untyped-call]  # dbt does not annotate it
        if self.project_name != PROJECT:
            return
        umask = restrict_new_files()
        restrict_new_log(Path(flags.LOG_PATH) / "dbt.log", umask)
        if flags.WHICH in HOUSEKEEPING:
            return
        project = Path(flags.PROJECT_DIR)
        if flags.WHICH in READS_LANDING:
            check_landing_folder(os.environ.get("FAL_LANDING_DIR", ""), project)
        check_warehouse_name(os.environ.get("FAL_WAREHOUSE", ""), project)
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


def check_warehouse_name(warehouse: str, project: Path) -> None:
    """Raise ValueError if a DuckDB file has the name of a schema: DuckDB would confuse the two."""
    schemas = re.findall(r"\+schema: (\w+)", (project / "dbt_project.yml").read_text(encoding="utf-8"))
    name = Path(warehouse).stem.lower()
    if name in schemas:
        raise ValueError(
            f"FAL_WAREHOUSE is {warehouse}, named like the schema {name}: choose another file name"
        )
