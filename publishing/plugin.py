"""Publishing as a dbt-duckdb plugin, called by macros/publish.sql."""

from pathlib import Path

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig

from publishing import DATABASE, Description, publish


class Plugin(BasePlugin):
    """Publishes from within a build, which alone can read the warehouse while it lasts."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Keep the build's connection to the warehouse."""
        self.warehouse = conn

    def store(self, target_config: TargetConfig) -> None:
        """Publish config["marts"] and config["views"] into the folder location.path.

        They are config["publication_id"], and config["descriptions"] has their comments. What went wrong, in
        one line, is put into config["failure"].
        """
        assert target_config.location and self.creds
        config, folder = target_config.config, Path(target_config.location.path)
        try:
            if (folder / DATABASE).resolve() == Path(self.creds.path).resolve():
                raise OSError(
                    f"{DATABASE} there is the warehouse itself; set FAL_PUBLISH_DIR to another folder"
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
        except (OSError, duckdb.Error) as error:
            config["failure"] = f"nothing was published to {folder}: {str(error).splitlines()[0]}"
