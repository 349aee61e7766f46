"""DuckDB and Spark build equal marts from a landing zone: every row, column and type."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.end_to_end.conftest import ROOT, Warehouse, load, run
from tests.end_to_end.landing_zone import (
    event,
    json_object,
    list_page,
    page,
    usage,
    usage_page,
    write_events,
    write_report,
    write_serverless_usage,
    write_snapshot,
)
from tests.end_to_end.test_bill import DAYS, FIRST_DAY, KEY, Bill
from tests.end_to_end.test_product_lines import SWITCHES
from tests.fal_server import FalServer, Team, World

pytest.importorskip("pyspark")
pytestmark = pytest.mark.spark

# columns that differ: names of types, such as varchar and string, and hashes by a function of the engine
OF_THE_ENGINE = {
    "focus.schema_metadata": ("warehouse_type",),
    "finops.daily_cost": ("cost_day_version",),
    "finops.unit_costs": ("cost_day_version",),
}
DATA_ONLY = ("--exclude-resource-type", "test", "unit_test")
WITH_DATA_TESTS = ("--exclude-resource-type", "unit_test")
# dbt build runs a unit test only with its model, and the default selector has none
UNIT_TESTS = ("test", "--select", "test_type:unit")


class Engines:
    """A warehouse of each engine in a folder. Spark runs in this process and starts once.

    working_folder: where dbt runs, to which relative paths refer. target: the output of profiles.yml.
    """

    def __init__(self, folder: Path, working_folder: Path = ROOT) -> None:
        self.folder = folder
        self.working_folder = working_folder
        self.target = "spark"
        self.settings = {
            "FAL_WAREHOUSE": str(folder / "warehouse.duckdb"),
            "FAL_PUBLISH_DIR": str(folder / "published"),
            "FAL_SPARK_WAREHOUSE": str(folder / "spark"),
        }

    def build(self, landing: Path, *arguments: str) -> None:
        """Build a landing zone on both engines at once; both must succeed."""
        with ThreadPoolExecutor() as background:
            on_duckdb = background.submit(self.build_on_duckdb, landing)
            self.build_on_spark(landing, *arguments)
            on_duckdb.result()

    def build_on_duckdb(self, landing: Path) -> None:
        """Build models and seeds in a subprocess."""
        dbt = str(Path(sys.executable).with_name("dbt"))
        command = [dbt, "--no-use-colors", "build", *self.folders("duckdb"), *DATA_ONLY]
        done = run(command, self.working_folder, FAL_LANDING_DIR=landing, **self.settings)
        assert done.code == 0, done.output

    def build_on_spark(self, landing: Path, *arguments: str) -> None:
        """Build on Spark with these arguments."""
        self.run_on_spark(landing, "build", *arguments)

    def run_on_spark(self, landing: Path, command: str, *arguments: str) -> list[Any]:
        """Run a dbt command on Spark, in this process; return the results of its nodes."""
        from dbt.cli.main import dbtRunner  # takes half a second, which other tests do not need

        with pytest.MonkeyPatch.context() as environment:
            for name, value in {**self.settings, "FAL_LANDING_DIR": str(landing)}.items():
                environment.setenv(name, value)
            environment.chdir(self.working_folder)
            settings = ["--target", self.target, *self.folders("spark")]
            done = dbtRunner().invoke(["--no-use-colors", command, *settings, *arguments])
            assert done.success
            return list(done.result.results)

    def folders(self, target: str) -> tuple[str, ...]:
        """Return dbt arguments for the project, and for a separate folder per target."""
        project = ("--project-dir", str(ROOT), "--profiles-dir", str(ROOT))
        return *project, "--target-path", str(self.folder / target), "--log-path", str(self.folder / target)

    def differences(self) -> dict[str, list[object]]:
        """Return, by mart or typed feed, columns of different type and rows of only one engine."""
        found: dict[str, list[object]] = {}
        with duckdb.connect(self.settings["FAL_WAREHOUSE"], read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            tables = connection.execute(
                "select table_schema, table_name from information_schema.tables"
                " where table_type = 'BASE TABLE'"
                " and (table_schema in ('focus', 'focus_1_4', 'finops')"
                " or table_name like 'base_fal__typed_%')"
            ).fetchall()
            assert {("focus", "cost_and_usage"), ("staging", "base_fal__typed_billing_events")} < set(tables)
            for schema, name in tables:
                on_duckdb = f"{schema}.{name}"
                files = f"'{self.folder}/spark/{schema}.db/{name}/**/*.parquet'"
                on_spark = f"read_parquet({files}, hive_partitioning = true)"
                types = [
                    {
                        (column, kind)
                        for column, kind, *_ in connection.execute(f"describe from {relation}").fetchall()
                    }
                    for relation in (on_duckdb, on_spark)
                ]
                differs: list[object] = sorted(types[0] ^ types[1])
                if not differs:
                    left_out = OF_THE_ENGINE.get(on_duckdb, ())
                    columns = ", ".join(
                        f'"{column}"' for column, _ in sorted(types[0]) if column not in left_out
                    )
                    differs = [
                        row
                        for one, other in ((on_duckdb, on_spark), (on_spark, on_duckdb))
                        for row in connection.execute(
                            f"select {columns} from {one} except all select {columns} from {other} limit 3"
                        ).fetchall()
                    ]
                if differs:
                    found[on_duckdb] = differs
        return found


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    """Warehouses shared by the tests in order: every build but the first is incremental."""
    return Engines(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module")
def forty_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the landing zone of the end-to-end tests, with fewer events a day.

    acme also has apps, instances and a catalogue, and the account lab is an organization of two teams.
    """
    folder = tmp_path_factory.mktemp("forty_days")
    world = World(
        seed=11,
        accounts={"acme": KEY, "lab": "key-lab"},
        first_day=FIRST_DAY,
        days=DAYS,
        events_per_day=800,
        oddities=True,
        switches=SWITCHES,
        teams={"lab": [Team("lab", "Lab"), Team("lab-video", "Video")]},
    )
    with FalServer(world) as server:
        Bill(world, server, folder / "landing", Warehouse(folder, ""), Warehouse).load_all()
        load_lines(server.url, folder / "landing")
    return folder / "landing"


def load_lines(url: str, landing: Path) -> None:
    """Load serverless usage and the catalogue of acme, and three days of each feed of lab."""
    acme = {"FAL_API_URL": url, "FAL_LANDING_DIR": landing, "FAL_ACCOUNT": "acme", "FAL_KEY": KEY}
    lab = acme | {"FAL_ACCOUNT": "lab", "FAL_KEY": "key-lab", "FAL_ORGANIZATION": "1"}
    end = FIRST_DAY + timedelta(days=DAYS)
    few_days = ("--start", end - timedelta(days=3), "--end", end)
    load("serverless-usage", "--start", FIRST_DAY, "--end", end, **acme)
    load("billing-events", *few_days, **lab)
    load("serverless-usage", *few_days, **lab)
    load("focus-report", "--source", "estimate", *few_days, **lab)
    for settings in (acme, lab):
        load("catalogue", **settings)


def test_the_sample_passes_its_tests_and_has_the_same_marts(engines: Engines) -> None:
    engines.build(ROOT / "sample", *WITH_DATA_TESTS)
    assert engines.differences() == {}


def test_forty_days_in_place_of_the_sample_have_the_same_marts(engines: Engines, forty_days: Path) -> None:
    engines.build(forty_days, *DATA_ONLY)
    assert engines.differences() == {}
    with duckdb.connect(engines.settings["FAL_WAREHOUSE"], read_only=True) as connection:
        feeds = connection.execute(
            "from staging.stg_fal__landed_files select distinct feed, source"
        ).fetchall()
        charges = connection.execute(
            "from focus.cost_and_usage select distinct x_ProductLine, SubAccountType"
        ).fetchall()
    kinds = ("keys", "models", "pricing", "teams", "balance")
    assert {("serverless_usage", None), *(("catalogue", kind) for kind in kinds)} <= set(feeds)
    assert {("model_apis", "Team"), ("serverless", None), ("compute", None)} <= set(charges)


def test_changed_and_unreadable_days_and_a_ragged_csv_have_the_same_marts(
    engines: Engines, forty_days: Path
) -> None:
    days = sorted((forty_days / "billing_events" / "account=acme").iterdir())
    gone, again, emptied, unreadable, known = (day.name.removeprefix("date=") for day in days[-8:-3])
    shutil.rmtree(forty_days / "billing_events" / "account=acme" / f"date={gone}")
    newest = "99991231T000000000000Z-ffffff"
    exact = event("exact", timestamp=f'"{again}T12:00:00Z"', unit_price="0.000123456789012345")
    odd = '{"request_id": 7, "endpoint_id": "x", "timestamp": "yesterday"}'
    write_events(forty_days, "acme", again, [page(exact, exact, odd, "3", "null")], newest)
    write_events(forty_days, "acme", emptied, [page()], newest)
    write_events(forty_days, "acme", unreadable, [(b'{"billing_events": [{"cut', 1)], newest)
    ragged = (
        "\ufeffBilled Cost,charge_category,ChargePeriodStart,ChargePeriodEnd,x_Note,ChargeDescription\r\n"
        f'0.25,usage,{gone}T00:00:00Z,{gone}T01:00Z,"two\r\nlines, ""quoted""",  a day in part \r\n'
        f"1.5,Usage,{gone},2030-01-01\r\n"
        "\r\n"
        f"1,Usage,{gone},2030-01-01,,,,too many\r\n"
    )
    write_report(forty_days, "acme", "estimate", gone, ragged.encode(), 3, newest)

    ran = f"d{again.replace('-', '_')}"
    bad = (usage(quantity='"much"'), usage(cost_total="0.1234567890123456789"), "7")
    apps = usage_page(**{ran: [usage(app="null", unit_price="0.000123456789012345"), *bad]})
    write_serverless_usage(forty_days, "acme", again, [apps], newest)
    write_serverless_usage(forty_days, "acme", emptied, [usage_page()], newest)
    write_serverless_usage(forty_days, "acme", unreadable, [(b'{"time_series": [{"cut', 1)], newest)
    team = json_object(username='"lab-video"', name='"Film \\ud83c\\udfac"', is_org_root="false")
    write_snapshot(forty_days, "lab", "teams", unreadable, [list_page("teams", team, team, "null")], newest)
    write_snapshot(forty_days, "lab", "models", unreadable, [(b'{"models": [', 1)], newest)
    free = json_object(endpoint_id='"x"', unit='"image"', unit_price='"free"')
    write_snapshot(forty_days, "lab", "pricing", unreadable, [list_page("prices", free)], newest)

    # a page that was read before is not opened again: make it unreadable
    (read_before, *_) = (forty_days / "billing_events" / "account=acme" / f"date={known}").rglob("page-*")
    content = read_before.read_bytes()
    read_before.write_bytes(b"no gzip")
    engines.build(forty_days, *DATA_ONLY)
    read_before.write_bytes(content)
    assert engines.differences() == {}


def test_a_full_refresh_makes_the_same_marts(engines: Engines, forty_days: Path) -> None:
    engines.build_on_spark(forty_days, "--full-refresh", *DATA_ONLY)
    assert engines.differences() == {}


def test_the_unit_tests_of_models_pass_on_spark(engines: Engines, forty_days: Path) -> None:
    assert len(engines.run_on_spark(forty_days, *UNIT_TESTS)) > 100


def test_a_hash_depends_on_the_column_of_a_value(engines: Engines) -> None:
    first, second = "{{ hash_of(['a', 'b']) }}, {{ hash_of_row('moved') }}", "('x', null), (null, 'x')"
    query = f"select {first} from (values {second}) as moved (a, b)"
    (result,) = engines.run_on_spark(ROOT / "sample", "show", "--inline", query)
    hashes = [tuple(row) for row in result.agate_table.rows]
    assert len(hashes) == 2
    assert hashes[0][0] != hashes[1][0] and hashes[0][1] != hashes[1][1]
