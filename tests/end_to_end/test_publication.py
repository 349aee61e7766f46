"""Which builds publish. tests/publishing tests the content of a publication and its readers."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from publishing.database import name_parquet_file
from tests.end_to_end.conftest import Warehouse
from tests.end_to_end.dbt_processes import parsed_settings
from tests.end_to_end.landing_zone import event, page, write_events
from tests.end_to_end.test_landing_zones import CONTRACT_COMMITMENT, COST_AND_USAGE, focus_type

Dbt = Callable[..., Warehouse]

MARTS = {
    "finops.budget_status",
    "finops.budget_thresholds",
    "finops.commitment_burn_down",
    "finops.commitment_summary",
    "finops.cost_anomalies",
    "finops.cost_forecast",
    "finops.daily_cost",
    "finops.days",
    "finops.invoice_reconciliation",
    "finops.landed_days",
    "finops.model_prices",
    "finops.models",
    "finops.product_line_reconciliation",
    "focus.conformance_report",
    "focus.contract_commitment",
    "focus.cost_and_usage",
    "focus.data_generator",
    "focus.recency",
    "focus.schema_metadata",
    "focus_1_4.billing_period",
    "focus_1_4.contract_commitment",
    "focus_1_4.invoice_detail",
}
VIEWS = {
    "api.contract_commitment_records",
    "api.cost_and_usage_records",
    "api.schema_columns",
    "api.schema_columns_1_4",
    "finops.unit_costs",
    "focus_1_4.cost_and_usage",
}


def contents(folder: Path) -> dict[str, bytes]:
    """Content of all published files."""
    return {file.name: file.read_bytes() for file in (folder / "published").iterdir()}


@pytest.fixture(scope="module")
def dbt(dbt_attempt: Dbt) -> Dbt:
    """Run dbt, which may fail, with a landing zone, a warehouse and a publication in one folder."""

    def run_dbt(
        folder: Path, *arguments: str, warehouse: str = "warehouse.duckdb", **settings: object
    ) -> Warehouse:
        places = {"FAL_LANDING_DIR": folder / "landing", "FAL_PUBLISH_DIR": folder / "published"}
        return dbt_attempt(folder / warehouse, *arguments, **(places | settings))

    return run_dbt


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, dbt: Dbt) -> Path:
    """The folder of a complete and passed build of one day, without unit tests."""
    folder = tmp_path_factory.mktemp("publication")
    write_events(folder / "landing", "acme", "2026-01-05", [page(event())])
    done = dbt(folder, "build", "--exclude-resource-type", "unit_test")
    assert done.code == 0, done.output
    assert f"Published {len(MARTS)} marts to {folder / 'published'}/fal_focus.duckdb" in done.output
    return folder


def test_a_passed_build_publishes_every_mart_unchanged(built: Path) -> None:
    names = {name_parquet_file(mart) for mart in MARTS}
    assert set(contents(built)) == names | {"fal_focus.duckdb", "report.html"}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{built / 'warehouse.duckdb'}' as warehouse (read_only)")
        connection.execute(f"attach '{built / 'published' / 'fal_focus.duckdb'}' as published (read_only)")
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'published'"
        ).fetchall()
        assert {name for (name,) in tables} == MARTS | {"focus.publication", "focus.published_marts"}
        for mart in MARTS:
            file = built / "published" / name_parquet_file(mart)
            types = connection.execute(f"describe warehouse.{mart}").fetchall()
            rows = connection.execute(f"from warehouse.{mart} order by all").fetchall()
            for published in (f"published.{mart}", f"'{file}'"):
                columns = connection.execute(f"describe from {published}").fetchall()
                assert [column[:2] for column in columns] == [column[:2] for column in types]
                assert connection.execute(f"from {published} order by all").fetchall() == rows


def test_the_views_of_the_api_are_published_and_need_no_warehouse(built: Path) -> None:
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
def test_an_incomplete_build_does_not_publish(built: Path, dbt: Dbt, command: list[str]) -> None:
    before = contents(built)
    done = dbt(built, *command)
    assert done.code == 0, done.output
    assert ("Nothing was published" in done.output) == (command[0] == "build")
    assert contents(built) == before


def test_a_build_with_a_failed_test_does_not_publish(built: Path, dbt: Dbt) -> None:
    before = contents(built)
    # the manifest counts more events than the page has
    body, rows = page(event(timestamp='"2026-01-06T09:30:00Z"'))
    load = write_events(built / "landing", "acme", "2026-01-06", [(body, rows + 1)])
    done = dbt(built, "build", "--exclude-resource-type", "unit_test", warehouse="failed.duckdb")
    load.rename(built / "taken-away")
    assert done.code == 1
    assert "Nothing was published" in done.output
    assert contents(built) == before


def test_an_empty_landing_zone_builds_empty_typed_marts_and_replaces_charges_only_if_allowed(
    built: Path, tmp_path: Path, dbt: Dbt
) -> None:
    shutil.copytree(built / "published", tmp_path / "published")
    landing = tmp_path / "landing"
    landing.mkdir()
    before = contents(tmp_path)
    build = ("build", "--exclude-resource-type", "unit_test")
    done = dbt(tmp_path, *build)
    assert done.code == 1
    # the error is that of the publication
    assert "WARN=0 ERROR=1 SKIP=0" in done.output
    assert f"The landing zone {landing} has no loads: check FAL_LANDING_DIR" in done.output
    assert (
        f"nothing was published to {tmp_path / 'published'}: the landing zone has no loads,"
        " and the publication has charges (1); correct FAL_LANDING_DIR,"
        " or add --vars 'fal_publish_empty: true' to replace it"
    ) in done.output
    assert contents(tmp_path) == before
    assert_empty_and_typed(done)
    done = dbt(tmp_path, *build, "--vars", "fal_publish_empty: true")
    assert done.code == 0, done.output
    assert "WARN=0 ERROR=0 SKIP=0" in done.output
    assert "had charges of accounts that this one lacks: acme (1)." in done.output
    with duckdb.connect(str(tmp_path / "published" / "fal_focus.duckdb"), read_only=True) as published:
        assert published.execute("select count(*) from focus.cost_and_usage").fetchall() == [(0,)]


def assert_empty_and_typed(warehouse: Warehouse) -> None:
    """Check the columns and types of the FOCUS datasets, the empty marts, and the schemas."""
    for mart, columns in (("cost_and_usage", COST_AND_USAGE), ("contract_commitment", CONTRACT_COMMITMENT)):
        described = warehouse.rows(f"select column_name, column_type from (describe focus.{mart})")
        assert [tuple(row) for row in described[: len(columns)]] == [(c, focus_type(c)) for c in columns]
        assert all(column.startswith("x_") for column, _ in described[len(columns) :])
        assert warehouse.value(f"select count(*) from focus.{mart}") == 0
    assert warehouse.value("select count(*) from finops.invoice_reconciliation") == 0
    schemas = warehouse.rows("select distinct table_schema from information_schema.tables order by all")
    made = ["api", "conformance", "finops", "focus", "focus_1_4", "intermediate", "seeds", "staging"]
    assert [schema for (schema,) in schemas] == made


def test_a_build_names_the_program_that_has_the_warehouse_open(built: Path, dbt: Dbt) -> None:
    before = contents(built)
    path = str(built / "warehouse.duckdb")
    # dbt builds there
    moved = parsed_settings()["FAL_WAREHOUSE"]
    hold = f"import duckdb; held = duckdb.connect({path!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout and holder.stdout.readline()
        done = dbt(built, "--log-level", "warn", "build")
        holder.communicate(b"\n")
    assert done.code == 2
    announced, kind, line = done.output.splitlines()
    assert (announced.partition("  ")[2], kind) == ("Encountered an error:", "Database Error")
    assert line.startswith(f"  the warehouse {moved} is open in python")
    assert f"(PID {holder.pid}), which locks it: wait until that ends, or close the file there" in line
    assert contents(built) == before


def test_requests_are_published_by_day_and_a_build_writes_only_days_that_changed(
    built: Path, tmp_path: Path, dbt: Dbt
) -> None:
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    build = ("build", "--exclude-resource-type", "unit_test")
    inodes: list[dict[str, int]] = []
    for load_id in ("1", "2"):
        late = event(timestamp='"2026-01-06T09:30:00Z"', request_id=f"r{load_id}")
        write_events(tmp_path / "landing", "acme", "2026-01-06", [page(late)], load_id=load_id)
        done = dbt(tmp_path, *build, FAL_PUBLISH_REQUESTS="1")
        assert done.code == 0, done.output
        files = sorted((tmp_path / "published" / "requests").rglob("*.parquet"))
        inodes.append({file.parent.name: file.stat().st_ino for file in files})
    days = ["charge_date=2026-01-05", "charge_date=2026-01-06"]
    assert list(inodes[0]) == list(inodes[1]) == days
    assert [inodes[0][day] == inodes[1][day] for day in days] == [True, False]
    requests = f"select request_id from '{tmp_path}/published/requests/**/*.parquet' order by charge_date"
    assert duckdb.execute(requests).fetchall() == [("r1",), ("r2",)]


def test_another_value_of_a_switch_ends_the_build_with_one_line(built: Path, dbt: Dbt) -> None:
    done = dbt(built, "build", FAL_PUBLISH_REQUESTS="yes")
    assert done.code == 2
    assert "FAL_PUBLISH_REQUESTS is 'yes': set it to 1, or unset it" in done.output
