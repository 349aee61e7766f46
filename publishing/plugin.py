"""The dbt-duckdb plugin that publishes, called by a macro. It also opens the warehouse."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig

from publishing import Published, count_charges, count_published_charges, publish
from publishing.changes import Definitions, Description
from publishing.database import DATABASE
from publishing.requests import Requests

CHARGES = "focus.cost_and_usage"


class Plugin(BasePlugin):
    """Publishes during a build. Only the build can read the warehouse while it runs."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Open the warehouse before dbt does, which would print a traceback if that fails.

        dbt's own connection shares this one. Raises RuntimeError with one line, which dbt prints.
        """
        try:
            self.warehouse = duckdb.connect(creds.path, config=config)
        except (duckdb.Error, OSError) as error:
            raise RuntimeError(describe_open_error(Path(creds.path), str(error))) from None

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Keep the build's connection to the warehouse."""
        self.warehouse = conn

    def store(self, target_config: TargetConfig) -> None:
        """Publish config["marts"] and config["views"] into the folder location.path.

        The config also has months, publication_id, descriptions, may_be_empty, and requests if they are
        published. Puts a line about the publication into config["message"].
        Unless may_be_empty is true, a publication without charges does not replace one with charges. Puts an
        error into config["failure"], the accounts that this publication no longer has into config["warning"],
        and the reason why it has no page into config["page_failure"], each as one line.
        """
        assert target_config.location and self.creds
        config, folder = target_config.config, Path(target_config.location.path)
        try:
            warning = self.publish(folder, Path(self.creds.path), config)
        except (OSError, duckdb.Error) as error:
            config["failure"] = f"nothing was published to {folder}: {str(error).splitlines()[0]}"
        else:
            if warning:
                config["warning"] = warning

    def publish(self, folder: Path, warehouse: Path, config: dict[str, Any]) -> str | None:
        """Publish, and return a warning if accounts are missing. Raises OSError, duckdb.Error."""
        if (folder / DATABASE).resolve() == warehouse.resolve():
            raise OSError(f"{DATABASE} there is the warehouse itself; set FAL_PUBLISH_DIR to another folder")
        before = count_published_charges(folder)
        after = count_charges(self.warehouse, config["marts"][CHARGES])
        if before != {} and not after and not config["may_be_empty"]:
            state = "cannot be read" if before is None else f"has charges ({sum(before.values()):,})"
            raise OSError(
                f"the landing zone has no loads, and the publication {state}; correct FAL_LANDING_DIR,"
                " or add --vars 'fal_publish_empty: true' to replace it"
            )
        definitions = Definitions(
            config["marts"],
            config["views"],
            {
                name: Description(described["description"], described["columns"])
                for name, described in config["descriptions"].items()
            },
            config["months"],
        )
        requests = Requests(**config["requests"]) if config.get("requests") else None
        missing = [f"{name} ({rows:,})" for name, rows in (before or {}).items() if name not in after]
        published = publish(
            self.warehouse,
            folder,
            definitions,
            config["publication_id"],
            requests,
            make_page_writer(config),
            # removed rows stay in a copied file as bytes
            writes_all=bool(missing),
        )
        config["message"] = describe_publication(folder, published, len(definitions.marts))
        if not missing:
            return None
        return (
            f"The publication in {folder} had charges of accounts that this one lacks:"
            f" {', '.join(missing)}. Check that FAL_LANDING_DIR has their loads."
        )


def make_page_writer(config: dict[str, Any]) -> Callable[[Path, Path], None]:
    """Return a function that writes the page, or puts the reason of a failure into config["page_failure"]."""

    def write_page(database: Path, file: Path) -> None:
        try:
            # the packages of the page are in an extra, and take a second to import
            from report.html import write_report

            write_report(database, file)
        except ModuleNotFoundError as error:
            reason = f"the package {error.name} is not installed: pip install 'fal-focus[report]'"
            config["page_failure"] = f"{file.name} was not written: {reason}"
        except Exception as error:
            file.unlink(missing_ok=True)
            (reason, *_) = str(error).splitlines() or [type(error).__name__]
            config["page_failure"] = f"{file.name} was not written: {reason}"

    return write_page


def describe_publication(folder: Path, published: Published, marts: int) -> str:
    """Return a line that states what was published. marts: their number."""
    if published.is_kept:
        time = published.publication.published_at.replace("T", " ")[:16]
        return f"No mart has changed: {folder}/{DATABASE} stays as published at {time} UTC."
    changed = len(published.changed)
    return (
        f"Published {f'{changed} of {marts}' if changed < marts else marts} marts"
        f" to {folder}/{DATABASE}, and each as Parquet beside it"
        f"{'; the others have not changed' if changed < marts else ''}."
    )


def describe_open_error(path: Path, error: str) -> str:
    """Return why a warehouse cannot be opened, and what to do. error: the message of DuckDB."""
    folder = path.absolute().parent
    holder = re.search(r"lock is held in (.*) \(PID ([0-9]+)\)", error)
    if holder:
        program = find_program(int(holder[2])) or Path(holder[1]).name
        return (
            f"the warehouse {path} is open in {program} (PID {holder[2]}), which locks it:"
            " wait until that ends, or close the file there; FAL_WAREHOUSE names another warehouse"
        )
    if not folder.is_dir():
        return (
            f"FAL_WAREHOUSE is {path}, but the folder {folder} does not exist: create it, or correct the name"
        )
    return f"the warehouse {path} cannot be opened: {error.splitlines()[0]}; FAL_WAREHOUSE names another"


def find_program(pid: int) -> str | None:
    """Return the name of a process, or of the script that Python runs. None on a system without /proc.

    The other arguments are left out: they may contain a password.
    """
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return None
    is_script = arguments[0].rpartition("/")[2].startswith("python") and not arguments[1].startswith("-")
    return Path(arguments[1 if is_script else 0]).name or None
