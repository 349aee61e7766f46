"""Which builds publish. What is in a publication, and what readers see: tests/publishing."""

import sys
from pathlib import Path

import duckdb
import pytest

from tests.end_to_end.conftest import Command, run
from tests.end_to_end.landing_zone import event, page, write_events

MARTS = {
    "finops.commitment_burn_down",
    "finops.commitment_summary",
    "finops.invoice_reconciliation",
    "focus.conformance_report",
    "focus.contract_commitment",
    "focus.cost_and_usage",
    "focus.data_generator",
    "focus.recency",
    "focus.schema_metadata",
}
VIEWS = {"api.contract_commitment_records", "api.cost_and_usage_records", "api.schema_columns"}


def dbt(folder: Path, *arguments: str, warehouse: str = "warehouse.duckdb", **settings: object) -> Command:
    """dbt with a landing zone, a warehouse and a publication in one folder."""
    program = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "--log-path", str(folder)]
    default = {
        "FAL_LANDING_DIR": folder / "landing",
        "FAL_WAREHOUSE": folder / warehouse,
        "FAL_PUBLISH_DIR": folder / "published",
    }
    return run([*program, *arguments, "--target-path", str(folder / "target")], **(default | settings))


def contents(folder: Path) -> dict[str, bytes]:
    """All that is published."""
    return {file.name: file.read_bytes() for file in (folder / "published").iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete build of one day that passed; unit tests left out."""
    folder = tmp_path_factory.mktemp("publication")
    write_events(folder / "landing", "acme", "2026-01-05", [page(event())])
    done = dbt(folder, "build", "--exclude-resource-type", "unit_test")
    assert done.code == 0, done.output
    assert f"Published 9 marts to {folder / 'published'}/fal_focus.duckdb" in done.output
    return folder


def test_a_build_in_which_all_passed_publishes_every_mart_as_it_is(built: Path) -> None:
    names = {f"{mart.partition('.')[2]}.parquet" for mart in MARTS}
    assert set(contents(built)) == names | {"fal_focus.duckdb"}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{built / 'warehouse.duckdb'}' as warehouse (read_only)")
        connection.execute(f"attach '{built / 'published' / 'fal_focus.duckdb'}' as published (read_only)")
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'published'"
        ).fetchall()
        assert {name for (name,) in tables} == MARTS | {"focus.publication"}
        for mart in MARTS:
            file = built / "published" / f"{mart.partition('.')[2]}.parquet"
            types = connection.execute(f"describe warehouse.{mart}").fetchall()
            rows = connection.execute(f"from warehouse.{mart} order by all").fetchall()
            for published in (f"published.{mart}", f"'{file}'"):
                columns = connection.execute(f"describe from {published}").fetchall()
                assert [column[:2] for column in columns] == [column[:2] for column in types]
                assert connection.execute(f"from {published} order by all").fetchall() == rows


def test_the_views_of_the_api_are_published_as_they_are_and_need_no_warehouse(built: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{built / 'published' / 'fal_focus.duckdb'}' as pinned (read_only)")
        views = connection.execute(
            "select schema_name || '.' || view_name from duckdb_views()"
            " where database_name = 'pinned' and not internal"
        ).fetchall()
        assert {name for (name,) in views} == VIEWS
        rows = {view: connection.execute(f"from pinned.{view} order by all").fetchall() for view in VIEWS}
        assert len(rows["api.cost_and_usage_records"]) == 1
        connection.execute(f"attach '{built / 'warehouse.duckdb'}' as warehouse (read_only)")
        for view in VIEWS:
            types = connection.execute(f"describe warehouse.{view}").fetchall()
            assert connection.execute(f"describe pinned.{view}").fetchall() == types
            assert connection.execute(f"from warehouse.{view} order by all").fetchall() == rows[view]


@pytest.mark.parametrize(
    "command",
    [
        ["build", "--select", "recency"],
        ["run", "--select", "recency"],
        ["run-operation", "show_bill"],
    ],
)
def test_what_is_no_complete_build_publishes_nothing(built: Path, command: list[str]) -> None:
    before = contents(built)
    done = dbt(built, *command)
    assert done.code == 0, done.output
    assert ("Nothing was published" in done.output) == (command[0] == "build")
    assert contents(built) == before


def test_a_build_with_a_test_that_fails_publishes_nothing(built: Path) -> None:
    before = contents(built)
    # the manifest speaks of more events than there are
    body, rows = page(event(timestamp='"2026-01-06T09:30:00Z"'))
    load = write_events(built / "landing", "acme", "2026-01-06", [(body, rows + 1)])
    done = dbt(built, "build", "--exclude-resource-type", "unit_test", warehouse="failed.duckdb")
    load.rename(built / "taken-away")
    assert done.code == 1
    assert "Nothing was published" in done.output
    assert contents(built) == before
