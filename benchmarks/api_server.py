"""What the benchmarks of the API share: large publications, and the server as a process of its own."""

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
from publishing import DATABASE, publish

MONTHS = 24  # that the charges of a large publication are spread over

# a copy has ids and costs of its own, in the months before; a mart of other years looks no different
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
    """Publish what is in the folder sample into another, with so many charges made of its own."""
    with (
        tempfile.TemporaryDirectory() as work,
        duckdb.connect(str(Path(work, "warehouse.duckdb"))) as warehouse,
    ):
        warehouse.execute("set TimeZone = 'UTC'")
        # as DuckDB spells the functions of a view that it was given
        warehouse.execute("set global lambda_syntax = 'ENABLE_SINGLE_ARROW'")
        warehouse.execute(f"attach '{sample / DATABASE}' as sample (read_only)")
        tables = warehouse.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'sample'"
        ).fetchall()
        marts = {name: f"sample.{name}" for (name,) in tables if name != "focus.publication"}
        ((charges,),) = warehouse.execute("select count(*) from sample.focus.cost_and_usage").fetchall()
        warehouse.execute(f"create table charges as {CHARGES}", [rows // charges + 1, rows])
        marts["focus.cost_and_usage"] = "charges"
        views = warehouse.execute(
            "select 'api.' || view_name, sql from duckdb_views()"
            " where database_name = 'sample' and schema_name = 'api'"
        ).fetchall()
        bodies = {name: sql.partition(" AS ")[2].rstrip(";\n") for name, sql in views}
        publish(warehouse, folder, marts, bodies, publication_id)


@dataclass(frozen=True)
class Server:
    """A running server, and a token that may see everything."""

    port: int
    token: str
    process: "subprocess.Popen[bytes]"

    @property
    def memory(self) -> int:
        """Bytes of memory that it holds now (Linux)."""
        (line,) = (
            line
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS:")
        )
        return int(line.split()[1]) * 1024


def cpu_seconds(process: "subprocess.Popen[bytes]") -> float:
    """Seconds of CPU that a running process has taken, user and system (Linux)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(published: Path, work: Path) -> Iterator[Server]:
    """`python -m api serve` of what is in a folder. work: where its own files and its log are."""
    environment = os.environ | {
        "FAL_PUBLISH_DIR": str(published),
        "FOCUS_API_TOKENS_FILE": str(work / "api_tokens.json"),
        "FOCUS_API_EXPORT_DIR": str(work / "exports"),
        "FOCUS_API_RATE_LIMIT": "1000000/second",
        "FOCUS_API_ROW_RATE_LIMIT": "100000000/second",
    }
    api, port = [sys.executable, "-m", "api"], free_port()
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
        running([*api, "serve", "--port", str(port)], environment, log, port) as process,
    ):
        yield Server(port, made.stdout.strip(), process)


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: BinaryIO, port: int
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that serves at a port of this machine, from when it does until the end of the block."""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process:
        try:
            while not accepts(port):
                if process.poll() is not None:
                    raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: see {log.name}")
                time.sleep(0.05)
            yield process
        finally:
            process.terminate()


def accepts(port: int) -> bool:
    """Whether anybody listens at a port."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port of this machine that nobody listens at now."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])
