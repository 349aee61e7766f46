"""Publishing as a dbt-duckdb plugin, called by macros/building/publish.sql; it also opens the warehouse."""

import re
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig

from publishing import DATABASE, Description, charges_by_account, publish, published_charges

CHARGES = "focus.cost_and_usage"


class Plugin(BasePlugin):
    """Publishes from within a build, which alone can read the warehouse while it lasts."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Open the warehouse before dbt does, which prints a traceback if it cannot.

        dbt's own connection joins this one. Raises RuntimeError with one line, which dbt prints alone.
        """
        try:
            self.warehouse = duckdb.connect(creds.path, config=config)
        except (duckdb.Error, OSError) as error:
            raise RuntimeError(warehouse_mistake(Path(creds.path), str(error))) from None

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Keep the build's connection to the warehouse."""
        self.warehouse = conn

    def store(self, target_config: TargetConfig) -> None:
        """Publish config["marts"] and config["views"] into the folder location.path.

        They are config["publication_id"], and config["descriptions"] has their comments. Unless
        config["may_be_empty"], a publication without charges does not replace one that has some. Puts what
        went wrong into config["failure"], and accounts that this publication no longer has into
        config["warning"], each as one line.
        """
        assert target_config.location and self.creds
        config, folder = target_config.config, Path(target_config.location.path)
        try:
            if (folder / DATABASE).resolve() == Path(self.creds.path).resolve():
                raise OSError(
                    f"{DATABASE} there is the warehouse itself; set FAL_PUBLISH_DIR to another folder"
                )
            before = published_charges(self.warehouse, folder)
            after = charges_by_account(self.warehouse, config["marts"][CHARGES])
            if before != {} and not after and not config["may_be_empty"]:
                state = "cannot be read" if before is None else f"has charges ({sum(before.values()):,})"
                raise OSError(
                    f"the landing zone has no loads, and the publication {state}; correct FAL_LANDING_DIR,"
                    " or add --vars 'fal_publish_empty: true' to replace it"
                )
            descriptions = {
                name: Description(described["description"], described["columns"])
                for name, described in config["descriptions"].items()
            }
            publish(
                self.warehouse,
                folder,
                config["marts"],
                config["views"],
                config["publication_id"],
                descriptions,
            )
            lost = [f"{name} ({rows:,})" for name, rows in (before or {}).items() if name not in after]
            if lost:
                config["warning"] = (
                    f"The publication in {folder} had charges of accounts that this one lacks:"
                    f" {', '.join(lost)}. Check that FAL_LANDING_DIR has their loads."
                )
        except (OSError, duckdb.Error) as error:
            config["failure"] = f"nothing was published to {folder}: {str(error).splitlines()[0]}"


def warehouse_mistake(path: Path, error: str) -> str:
    """What is wrong with a warehouse that cannot be opened, and what to do; error: the message of DuckDB."""
    folder = path.absolute().parent
    holder = re.search(r"lock is held in (.*) \(PID ([0-9]+)\)", error)
    if holder:
        program = program_of(int(holder[2])) or Path(holder[1]).name
        return (
            f"the warehouse {path} is open in {program} (PID {holder[2]}), which locks it:"
            " wait until that ends, or close the file there; FAL_WAREHOUSE names another warehouse"
        )
    if not folder.is_dir():
        return (
            f"FAL_WAREHOUSE is {path}, but the folder {folder} does not exist: create it, or correct the name"
        )
    return f"the warehouse {path} cannot be opened: {error.splitlines()[0]}; FAL_WAREHOUSE names another"


def program_of(pid: int) -> str | None:
    """The name of a process, for Python that of the script; None where the system has no /proc.

    Other arguments are left out: they could contain a password.
    """
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return None
    script = arguments[0].rpartition("/")[2].startswith("python") and not arguments[1].startswith("-")
    return Path(arguments[1 if script else 0]).name or None
