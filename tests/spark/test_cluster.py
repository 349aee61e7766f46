"""A cluster of Spark builds the marts of DuckDB, also if it loses a worker during a build.

The master and the workers are separate processes in separate folders. dbt runs in another folder, to which
the paths in its settings are relative.
"""

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.landing_zone import write_days, write_invoices
from tests.end_to_end.conftest import ROOT
from tests.spark.cluster import Cluster, Process, run_cluster, wait_until
from tests.spark.test_engines import DATA_ONLY, Engines

pytest.importorskip("pyspark")
pytestmark = [pytest.mark.spark, pytest.mark.cluster]

LARGE = Path("large")
FIRST_DAY, DAYS, EVENTS = date(2026, 5, 1), 31, 3_000


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers, which end with the tests."""
    with run_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Engines]:
    """Warehouses that the tests share in order. dbt is the driver, and its executors are on the workers."""
    folder = tmp_path_factory.mktemp("engines")
    shutil.copytree(ROOT / "sample", folder / "sample")
    write_days(folder / LARGE, FIRST_DAY, DAYS, EVENTS)
    write_invoices(folder / LARGE, FIRST_DAY, DAYS, EVENTS, endpoints=40)
    engines = Engines(folder, working_folder=folder)
    engines.settings |= {"FAL_SPARK_WAREHOUSE": "spark", "FAL_SPARK_MASTER": cluster.url}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        yield engines
        end_driver()


def driver() -> Any:  # noqa: ANN401
    """Return the Spark session of dbt in this process."""
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate()


@dataclass(frozen=True)
class Executor:
    """What the driver knows of an executor."""

    id: str
    is_active: bool
    active_tasks: int
    completed_tasks: int


def list_executors() -> list[Executor]:
    """Return the executors of the driver, the lost ones included, without the driver itself."""
    listed = driver().sparkContext._jsc.sc().statusStore().executorList(False)
    found = [listed.apply(number) for number in range(listed.size())]
    return [
        Executor(one.id(), one.isActive(), one.activeTasks(), one.completedTasks())
        for one in found
        if one.id() != "driver"
    ]


def tasks_by_worker(cluster: Cluster) -> list[int]:
    """Return how many tasks each worker has completed, by the folders of its executors."""
    application, executors = driver().sparkContext.applicationId, list_executors()
    return [
        sum(one.completed_tasks for one in executors if one.id in worker.executors(application))
        for worker in cluster.workers
    ]


class Kill(threading.Thread):
    """Kills a worker and its executor when it runs a task, after it has completed some more tasks."""

    def __init__(self, worker: Process, after_tasks: int) -> None:
        super().__init__(daemon=True)
        self.worker, self.after_tasks = worker, after_tasks
        self.at: datetime | None = None

    def run(self) -> None:
        own = self.worker.executors(driver().sparkContext.applicationId)
        done = sum(one.completed_tasks for one in list_executors() if one.id in own)

        def is_busy() -> bool:
            now = [one for one in list_executors() if one.id in own]
            return (
                any(one.active_tasks for one in now)
                and sum(one.completed_tasks for one in now) >= done + self.after_tasks
            )

        wait_until(is_busy, "the worker has a task to lose", 1800)
        self.worker.kill()
        self.at = datetime.now(UTC)


def steps_at(folder: Path, moment: datetime) -> Counter[str]:
    """Count the nodes of the last build that were over, running or not yet begun at a moment."""
    results = json.loads((folder / "spark" / "run_results.json").read_text())["results"]
    found: Counter[str] = Counter()
    for result in results:
        for timing in result["timing"]:
            if timing["name"] == "execute":
                start, end = (datetime.fromisoformat(timing[key]) for key in ("started_at", "completed_at"))
                found["over" if end < moment else "running" if start < moment else "later"] += 1
    return found


def test_a_cluster_builds_the_sample_on_both_workers(engines: Engines, cluster: Cluster) -> None:
    engines.build(Path("sample"), *DATA_ONLY)
    assert engines.differences() == {}
    tasks = tasks_by_worker(cluster)
    print(f"the sample: {tasks}")
    assert min(tasks) > 100
    (application,) = cluster.state()["activeapps"]
    assert application["id"] == driver().sparkContext.applicationId


def test_a_build_that_loses_a_worker_has_the_same_marts(engines: Engines, cluster: Cluster) -> None:
    before = tasks_by_worker(cluster)
    kill = Kill(cluster.workers[1], after_tasks=100)
    kill.start()
    engines.build(LARGE, *DATA_ONLY)
    kill.join()
    assert kill.at
    steps, tasks = steps_at(engines.folder, kill.at), tasks_by_worker(cluster)
    print(f"killed at {kill.at}: {steps}; tasks before {before}, after {tasks}")
    assert steps["over"] and steps["running"] and steps["later"]
    lost = cluster.workers[1].executors(driver().sparkContext.applicationId)
    assert lost and not any(one.is_active for one in list_executors() if one.id in lost)
    assert cluster.state()["aliveworkers"] == 1
    assert engines.differences() == {}


@dataclass(frozen=True)
class Answer:
    """What a reader got, when it asked and when it was answered: rows, or an error."""

    asked: float
    answered: float
    rows: object
    error: str


class Reader(threading.Thread):
    """Queries a mart over and over, with a new connection each time or with one for all.

    The last query begins after `over` is set.
    """

    def __init__(self, port: int, query: str, keeps_connection: bool) -> None:
        super().__init__(daemon=True)
        self.port, self.query, self.keeps_connection = port, query, keeps_connection
        self.over, self.answers = threading.Event(), list[Answer]()

    def run(self) -> None:
        connection, is_last = connect(self.port), False
        while not is_last:
            is_last = self.over.wait(0.02)
            if not self.keeps_connection:
                connection.close()
                connection = connect(self.port)
            asked = time.monotonic()
            rows, error = ask(connection, self.query)
            self.answers.append(Answer(asked, time.monotonic(), rows, error))
        connection.close()


def connect(port: int) -> Any:  # noqa: ANN401
    """Connect to the Thrift server on loopback."""
    from pyhive import hive

    return hive.connect(host="127.0.0.1", port=port, username="reader")


def ask(connection: Any, query: str) -> tuple[object, str]:  # noqa: ANN401
    """Return the rows of a query, or the text of the server's error."""
    from pyhive.exc import OperationalError

    cursor = connection.cursor()
    try:
        cursor.execute(query)
        return cursor.fetchall(), ""
    except OperationalError as error:
        return None, error.args[0].status.errorMessage
    finally:
        cursor.close()


@pytest.fixture(scope="module")
def thrift_port(engines: Engines, cluster: Cluster) -> int:
    """The port of a Thrift server on the cluster, with two workers and the warehouse of the tests before."""
    end_driver()
    cluster.start_worker()
    cluster.wait_for_workers(2)
    return cluster.start_thrift_server(engines.folder / "spark")


def end_driver() -> None:
    """End the Java process of the driver, if it runs. Only one process at a time can open the metastore."""
    from pyspark import SparkContext

    if not SparkContext._active_spark_context:
        return
    gateway = driver().sparkContext._gateway
    driver().stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(60)


QUERIES = {
    mart: f"select count(*), sum({cost}), max({time}) from {mart}"
    for mart, cost, time in (
        ("focus.cost_and_usage", "BilledCost", "ChargePeriodEnd"),
        ("finops.daily_cost", "effective_cost", "charge_date"),
    )
}


# a table is absent between its drop and its creation, and a query that began before the drop loses its files
ABSENT = ("TABLE_OR_VIEW_NOT_FOUND", "FAILED_READ_FILE")


def test_a_reader_gets_a_complete_mart_or_an_error(engines: Engines, thrift_port: int) -> None:
    readers = [
        Reader(thrift_port, query, keeps_connection)
        for query in QUERIES.values()
        for keeps_connection in (False, True)
    ]
    before = {query: ask(connect(thrift_port), query) for query in QUERIES.values()}
    changed = engines.folder / "changed"
    shutil.copytree(engines.folder / LARGE, changed)
    write_days(changed, FIRST_DAY + timedelta(days=DAYS), 1, EVENTS)
    engines.target = "thrift"
    engines.settings |= {"FAL_SPARK_THRIFT": f"127.0.0.1:{thrift_port}"}
    for reader in readers:
        reader.start()
    engines.build(changed, *DATA_ONLY)
    for reader in readers:
        reader.over.set()
        reader.join()
    assert engines.differences() == {}
    for reader in readers:
        after = ask(connect(thrift_port), reader.query)
        assert after != before[reader.query]
        assert_complete(reader, before[reader.query][0], after[0])


def assert_complete(reader: Reader, before: object, after: object) -> None:
    """Check that each answer is the mart before the build or after it, or a known error."""
    kinds = [
        {repr(before): "before", repr(after): "after"}.get(
            repr(answer.rows), answer.error or repr(answer.rows)
        )
        for answer in reader.answers
    ]
    known = [next((text for text in ABSENT if text in kind), kind) for kind in kinds]
    print(f"{reader.query}, one connection: {reader.keeps_connection}: {Counter(known)}")
    absent = [answer for answer, kind in zip(reader.answers, known, strict=True) if kind in ABSENT]
    if absent:
        print(f"no table for {absent[-1].answered - absent[0].asked:.1f} s")
    assert {"before", "after"} <= set(known) <= {"before", "after", *ABSENT}
    assert "before" not in known[known.index("after") :]
