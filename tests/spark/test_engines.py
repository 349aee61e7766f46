"""DuckDB and Spark make the same marts of the same landing zone: every row, every column, every type."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.end_to_end.conftest import ROOT, Warehouse, run
from tests.end_to_end.landing_zone import event, page, write_events, write_report
from tests.end_to_end.test_bill import DAYS, FIRST_DAY, KEY, Bill
from tests.fal_server.server import FalServer
from tests.fal_server.world import World

pytest.importorskip("pyspark")
pytestmark = pytest.mark.spark

# what the warehouse calls the type of a column: varchar on one engine, string on the other
NAMES_TYPES_OF_THE_ENGINE = {"focus.schema_metadata": "* exclude (warehouse_type)"}
DATA_ONLY = ("--exclude-resource-type", "test", "unit_test")


class Engines:
    """One landing zone, built by either engine into a warehouse of its own below a folder."""

    def __init__(self, folder: Path, landing: Path) -> None:
        self.folder, self.landing = folder, landing

    def build(self, target: str, *arguments: str) -> str:
        """dbt build on an engine, which must succeed: what it printed."""
        dbt = str(Path(sys.executable).with_name("dbt"))
        folders = ("--target-path", str(self.folder / target), "--log-path", str(self.folder / target))
        done = run(
            [dbt, "--no-use-colors", "build", "--target", target, *folders, *arguments],
            FAL_LANDING_DIR=self.landing,
            FAL_WAREHOUSE=self.folder / "warehouse.duckdb",
            FAL_PUBLISH_DIR=self.folder / "published",
            FAL_SPARK_WAREHOUSE=self.folder / "spark",
        )
        assert done.code == 0, done.output
        return done.output

    def differences(self) -> dict[str, list[object]]:
        """By mart, the columns of another type, and the rows that one engine has and the other has not."""
        found: dict[str, list[object]] = {}
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            marts = connection.execute(
                "select table_schema, table_name from information_schema.tables"
                " where table_schema in ('focus', 'finops') order by all"
            ).fetchall()
            assert ("focus", "cost_and_usage") in marts
            for schema, name in marts:
                mart = f"{schema}.{name}"
                columns = NAMES_TYPES_OF_THE_ENGINE.get(mart, "*")
                parquet = f"read_parquet('{self.folder}/spark/{schema}.db/{name}/*.parquet')"
                on_duckdb, on_spark = (f"(select {columns} from {relation})" for relation in (mart, parquet))
                types = [
                    connection.execute(
                        f"select column_name, column_type from (describe from {relation})"
                    ).fetchall()
                    for relation in (on_duckdb, on_spark)
                ]
                differs: list[object] = sorted(set(types[0]) ^ set(types[1]))
                if not differs:
                    differs = [
                        row
                        for one, other in ((on_duckdb, on_spark), (on_spark, on_duckdb))
                        for row in connection.execute(
                            f"from {one} except all from {other} limit 3"
                        ).fetchall()
                    ]
                if differs:
                    found[mart] = differs
        return found


@pytest.fixture(scope="module")
def forty_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """The bill of the end-to-end tests, built on both engines."""
    folder = tmp_path_factory.mktemp("forty_days")
    world = World(
        seed=11, accounts={"acme": KEY}, first_day=FIRST_DAY, days=DAYS, events_per_day=2000, oddities=True
    )
    with FalServer(world) as server:
        Bill(world, server, folder / "landing", Warehouse(folder, ""), Warehouse).load_all()
    engines = Engines(folder, folder / "landing")
    for target in ("duckdb", "spark"):
        engines.build(target, *DATA_ONLY)
    yield engines


def test_the_sample_passes_its_tests_and_has_the_same_marts(tmp_path: Path) -> None:
    engines = Engines(tmp_path, ROOT / "sample")
    engines.build("duckdb", *DATA_ONLY)
    engines.build("spark", "--exclude-resource-type", "unit_test")
    assert engines.differences() == {}


def test_forty_days_have_the_same_marts(forty_days: Engines) -> None:
    assert forty_days.differences() == {}


def test_days_gone_landed_again_emptied_and_unreadable_and_a_ragged_csv_have_the_same_marts(
    forty_days: Engines,
) -> None:
    days = sorted((forty_days.landing / "billing_events" / "account=acme").iterdir())
    gone, again, emptied, unreadable = (day.name.removeprefix("date=") for day in days[-8:-4])
    shutil.rmtree(forty_days.landing / "billing_events" / "account=acme" / f"date={gone}")
    newest = "99991231T000000000000Z-ffffff"
    exact = event("exact", timestamp=f'"{again}T12:00:00Z"', unit_price="0.000123456789012345")
    odd = '{"request_id": 7, "endpoint_id": "x", "timestamp": "yesterday"}'
    write_events(forty_days.landing, "acme", again, [page(exact, exact, odd, "3", "null")], newest)
    write_events(forty_days.landing, "acme", emptied, [page()], newest)
    write_events(forty_days.landing, "acme", unreadable, [(b'{"billing_events": [{"cut', 1)], newest)
    ragged = (
        "\ufeffBilled Cost,charge_category,ChargePeriodStart,ChargePeriodEnd,x_Note,ChargeDescription\r\n"
        f'0.25,usage,{gone}T00:00:00Z,{gone}T01:00Z,"two\r\nlines, ""quoted""",  a day in part \r\n'
        f"1.5,Usage,{gone},2030-01-01\r\n"
        "\r\n"
        f"1,Usage,{gone},2030-01-01,,,,too many\r\n"
    )
    write_report(forty_days.landing, "acme", "estimate", gone, ragged.encode(), 3, newest)
    for target in ("duckdb", "spark"):
        forty_days.build(target, *DATA_ONLY)
    assert forty_days.differences() == {}
