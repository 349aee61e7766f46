"""What a build is told when it cannot publish."""

import re
from pathlib import Path

import duckdb
import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.utils import TargetConfig, TargetLocation

from publishing.plugin import Plugin


def failure(warehouse: Path, folder: Path) -> str | None:
    """What the plugin says of publishing a mart from a warehouse into a folder."""
    credentials = DuckDBCredentials(database="memory", schema="main", path=str(warehouse))
    plugin = Plugin("publishing", {}, credentials)
    config = {
        "marts": {"focus.recency": "focus.recency"},
        "views": {"api.recency": "from focus.recency"},
        "descriptions": {"focus.recency": {"description": "How fresh it is", "columns": {"x": "One"}}},
        "publication_id": "first",
    }
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "create schema if not exists focus; create or replace table focus.recency as select 1 as x"
        )
        plugin.configure_connection(connection)
        location = TargetLocation(path=str(folder), format="duckdb")
        plugin.store(TargetConfig(relation=None, column_list=[], config=config, location=location))
    return config.get("failure")


def test_a_publication_that_succeeds_says_nothing(tmp_path: Path) -> None:
    assert failure(tmp_path / "w.duckdb", tmp_path / "published") is None
    assert (tmp_path / "published" / "fal_focus.duckdb").exists()


@pytest.mark.parametrize(
    ("warehouse", "folder", "says"),
    [
        ("w.duckdb", "w.duckdb", "File exists"),
        ("w.duckdb", "w.duckdb/published", "Not a directory"),
        (
            "fal_focus.duckdb",
            ".",
            "fal_focus.duckdb there is the warehouse itself; set FAL_PUBLISH_DIR to another folder",
        ),
    ],
)
def test_a_folder_that_cannot_be_published_to_is_named_in_one_line(
    tmp_path: Path, warehouse: str, folder: str, says: str
) -> None:
    said = failure(tmp_path / warehouse, tmp_path / folder)
    assert said and re.fullmatch(f"nothing was published to {re.escape(str(tmp_path / folder))}: .*", said)
    assert says in said
