"""Large publications, and the server in a separate process, for the benchmarks of the API."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import duckdb

from benchmarks.measure import ROOT
from publishing import publish
from publishing.changes import PUBLICATION, PUBLISHED_MARTS, Definitions
from publishing.database import DATABASE

MONTHS = 24  # that the charges of a large publication are spread over

# a copy has different ids and costs, in earlier months, as a mart of several years has
CHARGES = f"""
    select
        charges.* replace (
            md5(x_ChargeId || copies.n) as x_ChargeId,
            cast(EffectiveCost + copies.n * 0.000000001 as decimal(38, 18)) as EffectiveCost,
            BillingPeriodStart - to_months(cast(copies.n % {MONTHS} as integer)) as BillingPeriodStart,
            BillingPeriodEnd - to_months(cast(copies.n % {MONTHS} as integer)) as BillingPeriodEnd,
            ChargePeriodStart - to_months(cast(copies.n % {MONTHS} as integer)) as ChargePeriodStart,
            ChargePeriodEnd - to_months(cast(copies.n % {MONTHS} as integer)) as ChargePeriodEnd
        )
    from sample.focus.cost_and_usage as charges
    cross join range(cast(? as bigint)) as copies (n)
    order by copies.n % {MONTHS} desc, copies.n
    limit ?
"""


def publish_multiplied(sample: Path, folder: Path, rows: int, publication_id: str) -> None:
    """Publish a copy of the publication in the folder sample, with so many charges made from its own."""
    with (
        tempfile.TemporaryDirectory() as work,
        duckdb.connect(str(Path(work, "warehouse.duckdb"))) as warehouse,
    ):
        warehouse.execute("set TimeZone = 'UTC'")
        # DuckDB writes the functions of views in this syntax
        warehouse.execute("set global lambda_syntax = 'ENABLE_SINGLE_ARROW'")
        warehouse.execute(f"attach '{sample / DATABASE}' as sample (read_only)")
        tables = warehouse.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'sample'"
        ).fetchall()
        marts = {name: f"sample.{name}" for (name,) in tables if name not in (PUBLICATION, PUBLISHED_MARTS)}
        ((charges,),) = warehouse.execute("select count(*) from sample.focus.cost_and_usage").fetchall()
        warehouse.execute(f"create table charges as {CHARGES}", [rows // charges + 1, rows])
        marts["focus.cost_and_usage"] = "charges"
        views = warehouse.execute(
            "select 'api.' || view_name, sql from duckdb_views()"
            " where database_name = 'sample' and schema_name = 'api'"
        ).fetchall()
        bodies = {name: sql.partition(" AS ")[2].rstrip(";\n") for name, sql in views}
        publish(warehouse, folder, Definitions(marts, bodies), publication_id)


@dataclass(frozen=True)
class Server:
    """A running server, and a token for all accounts."""

    port: int
    token: str
    process: "subprocess.Popen[bytes]"

    @property
    def memory(self) -> int:
        """The bytes of memory of its process now (Linux)."""
        (line,) = (
            line
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS:")
        )
        return int(line.split()[1]) * 1024


def read_cpu_seconds(process: "subprocess.Popen[bytes]") -> float:
    """Return the seconds of CPU, user and system, of a running process so far (Linux)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def run_server(published: Path, work: Path) -> Iterator[Server]:
    """Run `python -m api serve` of a folder. work: the folder of its own files and its log."""
    environment = os.environ | {
        "FAL_PUBLISH_DIR": str(published),
        "FOCUS_API_TOKENS_FILE": str(work / "api_tokens.json"),
        "FOCUS_API_EXPORT_DIR": str(work / "exports"),
        "FOCUS_API_RATE_LIMIT": "1000000/second",
        "FOCUS_API_ROW_RATE_LIMIT": "100000000/second",
    }
    api, port = [sys.executable, "-m", "api"], find_free_port()
    made = subprocess.run(
        [*api, "token", "create", "--name", "benchmark"],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    with (
        (work / "server.log").open("ab") as log,
        run_process([*api, "serve", "--port", str(port)], environment, log, port) as process,
    ):
        yield Server(port, made.stdout.strip(), process)


@contextmanager
def run_process(
    command: Sequence[str], environment: Mapping[str, str], log: BinaryIO, port: int
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server at a port of this machine, until the end of the block; return when it accepts."""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process:
        try:
            while not accepts_connections(port):
                if process.poll() is not None:
                    raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: see {log.name}")
                time.sleep(0.05)
            yield process
        finally:
            process.terminate()


def accepts_connections(port: int) -> bool:
    """Return whether a process listens at a port."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def find_free_port() -> int:
    """Return a port of this machine without a listening process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
