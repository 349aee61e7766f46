"""A standalone cluster of Spark on this machine: a master and two workers, from the installed pyspark."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# a busy machine starts a Java process in half a minute
START = 300


@dataclass(frozen=True)
class Process:
    """A process group and the folder that it runs in."""

    folder: Path
    group: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill a daemon and the processes that it started: a worker and its executors."""
        with suppress(ProcessLookupError):
            os.killpg(self.group.pid, signal.SIGKILL)
        self.group.wait()

    def executors(self, application: str) -> set[str]:
        """Return the ids of the executors that a worker has started for an application."""
        return {folder.name for folder in (self.folder / application).glob("[0-9]*")}


@dataclass
class Cluster:
    """The address of the master, its page, and the workers."""

    url: str
    page: str
    workers: list[Process]
    start_worker: Callable[[], Process]
    start_thrift_server: Callable[[Path], int]

    def state(self) -> dict[str, Any]:
        """Return what the master's page shows: workers and applications."""
        # no proxy is asked for an address of this machine
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.page}/json/", timeout=60) as answer:
            return json.loads(answer.read())

    def wait_for_workers(self, count: int) -> None:
        """Wait until this many workers are alive."""

        def are_alive() -> bool:
            with suppress(OSError):
                return self.state()["aliveworkers"] == count
            return False

        wait_until(are_alive, f"{count} workers are alive")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START) -> None:
    """Wait for a condition, at most some seconds. what: the condition in words."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.25)


def free_port() -> int:
    """Return a port of loopback that no process uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_open(port: int) -> bool:
    """Return whether a process listens at a port of loopback."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def start_java(folder: Path, *command: str, **settings: str) -> Process:
    """Start a class of Spark in a folder, as a process group. Its output goes to the file log there."""
    folder.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAL_")}
    home = Path(find_spec("pyspark").origin).parent
    environment |= {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", **settings}
    with (folder / "log").open("wb") as log:
        group = subprocess.Popen(
            [str(home / "bin" / "spark-class"), *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Process(folder, group)


@contextmanager
def run_cluster(folder: Path) -> Iterator[Cluster]:
    """Run a master and two workers of one core each, each in a folder of its own below this one."""
    deploy = "org.apache.spark.deploy"
    port, page = free_port(), free_port()
    with ExitStack() as running:

        def start(name: str, *command: str, memory: str = "256m") -> Process:
            process = start_java(folder / name, *command, SPARK_DAEMON_MEMORY=memory)
            running.callback(process.kill)
            return process

        def start_worker() -> Process:
            number = len(cluster.workers) + 1
            size = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"worker-{number}"))
            address = ("--host", "127.0.0.1", "--webui-port", "0", cluster.url)
            worker = start(f"worker-{number}", f"{deploy}.worker.Worker", *size, *address)
            cluster.workers.append(worker)
            return worker

        def start_thrift_server(warehouse: Path) -> int:
            port = free_port()
            metastore = f"jdbc:derby:;databaseName={warehouse}/metastore"
            settings = {
                "spark.master": cluster.url,
                "spark.sql.warehouse.dir": str(warehouse),
                # a connection would keep the list of files of a table that another one has replaced
                "spark.sql.filesourceTableRelationCacheSize": "0",
                "spark.hadoop.javax.jdo.option.ConnectionURL": metastore,
                "spark.hadoop.hive.server2.thrift.bind.host": "127.0.0.1",
                "spark.hadoop.hive.server2.thrift.port": str(port),
                "spark.ui.enabled": "false",
            }
            options = [text for pair in settings.items() for text in ("--conf", "=".join(pair))]
            name = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
            submit = (f"{deploy}.SparkSubmit", *options, "--class", name, "spark-internal")
            start("thrift-server", *submit, memory="2g")
            wait_until(lambda: is_open(port), "the Thrift server listens")
            return port

        address = ("--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page))
        start("master", f"{deploy}.master.Master", *address)
        urls = f"spark://127.0.0.1:{port}", f"http://127.0.0.1:{page}"
        cluster = Cluster(*urls, [], start_worker, start_thrift_server)
        start_worker(), start_worker()
        cluster.wait_for_workers(2)
        yield cluster
