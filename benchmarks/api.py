"""The cost of the API's pages: `python -m benchmarks.api [--roapi PROGRAM] [--published FOLDER] ...`.

Measures the times of pages of 1,000 records, of all charges and of one model's, the first and a late one.
Then it measures pages a second by 16 clients. The peers are a bare query in this process, whose rows become
JSON in Python, and, with --roapi, ROAPI, which reads the published Parquet by offset. All take turns, so that
other load affects each of them.

The charges are copies of those of a publication, such as `make serve` makes from the sample. ROAPI needs its
own Python:
python3 -m venv /tmp/roapi && /tmp/roapi/bin/pip install roapi==0.12.7
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from threading import local
from urllib.parse import urlencode

import duckdb
import msgspec

from api.app import BASE
from benchmarks.api_server import (
    Server,
    find_free_port,
    publish_multiplied,
    read_cpu_seconds,
    run_process,
    run_server,
)
from benchmarks.measure import print_ratio
from publishing.database import DATABASE

PAGE = 1000  # records
WALK = 10_000  # records of a page on the way to a late one
CLIENTS = 16
KEPT = 2.0  # seconds that an idle connection is used again
SLOW_REPEATS = 3  # of a peer that sorts all records for each page
FILTER = {"chargeCategory": "Usage", "resourceId": "fal-ai/flux/dev"}
IN_ORDER = "ROAPI, in order"
COLUMNS = {"chargeCategory": "ChargeCategory", "resourceId": "ResourceId"}
ENCODER = msgspec.json.Encoder(decimal_format="number")

# requests one page
Get = Callable[[], object]


@dataclass
class Http:
    """A server. Each thread has its own persistent connection."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    own: local = field(default_factory=local)

    def get(self, path: str) -> bytes:
        """Return the body of a response, whose status must be 200."""
        if not hasattr(self.own, "connection"):
            self.own.connection = HTTPConnection("127.0.0.1", self.port, timeout=300)
        elif time.monotonic() - self.own.used_at > KEPT:
            self.own.connection.close()  # the next request opens it again
        self.own.connection.request("GET", path, headers=self.headers)
        response = self.own.connection.getresponse()
        body: bytes = response.read()
        self.own.used_at = time.monotonic()
        if response.status != 200:
            raise SystemExit(f"{path} was answered with {response.status}: {body[:200]!r}")
        return body


class NextPage(msgspec.Struct):
    """The field of a page that leads to the next one."""

    nextPageToken: str | None = None  # noqa: N815


class Api:
    """The project's API. A page needs its token, which comes from the page before it."""

    def __init__(self, server: Server) -> None:
        self.http = Http(server.port, {"Authorization": f"Bearer {server.token}"})
        self.cpu = partial(read_cpu_seconds, server.process)
        self.tokens: dict[tuple[bool, int], str | None] = {}

    def walk(self, is_filtered: bool, last: int) -> None:
        """Collect the tokens of pages in steps of WALK records, and of the page after `last` records."""
        behind, token = 0, None
        while True:
            self.tokens[is_filtered, behind] = token
            if behind == last:
                return
            size = WALK if behind + WALK <= last else PAGE
            token = msgspec.json.decode(self.get(token, is_filtered, size), type=NextPage).nextPageToken
            assert token, "there are fewer pages"
            behind += size

    def get(self, token: str | None, is_filtered: bool, size: int) -> bytes:
        parameters = {"pageSize": str(size)} | (FILTER if is_filtered else {})
        return self.http.get(
            f"{BASE}/cost-and-usage?{urlencode(parameters | ({'pageToken': token} if token else {}))}"
        )

    def get_page(self, is_filtered: bool, behind: int) -> bytes:
        """Return the page after so many records."""
        return self.get(self.tokens[is_filtered, behind], is_filtered, PAGE)


class Roapi:
    """ROAPI. Pages by offset need an order, which ROAPI does not guarantee without a parameter."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", order: str = "") -> None:
        self.http, self.order = Http(port), order
        self.cpu = partial(read_cpu_seconds, process)

    def get_page(self, is_filtered: bool, behind: int) -> bytes:
        """Return the page after so many records."""
        filters = {
            f"filter[{COLUMNS[name]}]": f"'{value}'"
            for name, value in (FILTER if is_filtered else {}).items()
        }
        parameters = (
            filters
            | {"limit": str(PAGE), "offset": str(behind)}
            | ({"sort": self.order} if self.order else {})
        )
        return self.http.get(f"/api/tables/cost_and_usage?{urlencode(parameters, safe='[]')}")


class Bare:
    """A query in this process, with JSON from Python. Needs the start of each page, see look_up."""

    def __init__(self, database: Path) -> None:
        self.cpu = time.process_time
        self.connection = duckdb.connect(str(database), read_only=True)
        self.connection.execute("set TimeZone = 'UTC'")
        self.positions: dict[tuple[bool, int], int] = {}

    def look_up(self, is_filtered: bool, behind: int) -> None:
        """Look up the start of a page."""
        condition, bound = self.build_condition(is_filtered)
        rows = self.connection.execute(
            f"select rowid from focus.cost_and_usage where {condition} order by rowid limit 1 offset ?",
            [*bound, behind],
        ).fetchall()
        self.positions[is_filtered, behind] = rows[0][0]

    def build_condition(self, is_filtered: bool) -> tuple[str, list[str]]:
        filters = FILTER if is_filtered else {}
        return " and ".join(["true", *(f"{COLUMNS[name]} = ?" for name in filters)]), list(filters.values())

    def get_page(self, is_filtered: bool, behind: int) -> bytes:
        """Return the page after so many records."""
        condition, bound = self.build_condition(is_filtered)
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"select * from focus.cost_and_usage where {condition} and rowid >= ? order by rowid limit ?",
                [*bound, self.positions[is_filtered, behind], PAGE],
            )
            names = [name for name, *_ in cursor.description]
            return ENCODER.encode([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])


Peer = Api | Roapi | Bare
Peers = dict[str, Peer]
# milliseconds by peer, whether there is a filter, and the number of records before the page
Times = dict[tuple[str, bool, int], list[float]]


@contextmanager
def run_roapi(program: str, file: Path, work: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Run ROAPI with a Parquet file in memory, its default; return its port and process."""
    port = find_free_port()
    others = ["-p", f"127.0.0.1:{find_free_port()}", "--addr-flight-sql", f"127.0.0.1:{find_free_port()}"]
    command = [program, "-a", f"127.0.0.1:{port}", *others, "-t", f"cost_and_usage={file}"]
    with (work / "roapi.log").open("wb") as log, run_process(command, os.environ, log, port) as process:
        yield port, process


def measure_time(get: Get) -> float:
    """Return the milliseconds of a page."""
    began = time.perf_counter()
    get()
    return (time.perf_counter() - began) * 1000


def request_pages(client: int, peer: Peer, places: list[int], until: float) -> int:
    """Request random pages until a time of the clock; return how many."""
    draw, pages = random.Random(client), 0
    while time.perf_counter() < until:
        peer.get_page(False, draw.choice(places))
        pages += 1
    return pages


def measure_rate(peer: Peer, places: list[int], seconds: float) -> tuple[float, float]:
    """Return the pages a second for clients without pauses, and the milliseconds of CPU of a page."""
    began, cpu = time.perf_counter(), peer.cpu()
    work = partial(request_pages, peer=peer, places=places, until=began + seconds)
    with ThreadPoolExecutor(CLIENTS) as clients:
        pages = sum(clients.map(work, range(CLIENTS)))
    return pages / (time.perf_counter() - began), (peer.cpu() - cpu) / pages * 1000


def compare(peers: Peers, options: argparse.Namespace) -> None:
    """Measure all peers in turns, and print the results."""
    api, bare = peers["api"], peers["bare query"]
    assert isinstance(api, Api) and isinstance(bare, Bare)
    late = {False: options.rows - PAGE, True: options.rows // 10 - PAGE}
    for is_filtered, behind in late.items():
        api.walk(is_filtered, behind)
    for place in api.tokens:
        bare.look_up(*place)
    print(f"load average {os.getloadavg()[0]:.1f}; {options.repeats} times each", flush=True)
    report_times(measure_times(peers, late, options.repeats), late)
    places = [behind for is_filtered, behind in api.tokens if not is_filtered]
    report_rates({name: peer for name, peer in peers.items() if name != IN_ORDER}, places, options.seconds)
    print(f"load average {os.getloadavg()[0]:.1f}")


def measure_times(peers: Peers, late: dict[bool, int], repeats: int) -> Times:
    """Return the milliseconds of the first and the late pages."""
    times: Times = {}
    for repeat in range(repeats):
        if repeat == SLOW_REPEATS:
            peers = {name: peer for name, peer in peers.items() if name != IN_ORDER}
        for name, peer in peers.items():
            for is_filtered in late:
                for behind in (0, late[is_filtered]):
                    took = measure_time(partial(peer.get_page, is_filtered, behind))
                    times.setdefault((name, is_filtered, behind), []).append(took)
    return times


def report_times(times: Times, late: dict[bool, int]) -> None:
    """Print the times of pages, and the ratios of late pages."""
    for (name, is_filtered, behind), took in times.items():
        what = f"{'filtered ' if is_filtered else ''}page {behind // PAGE + 1:,}"
        p50, p99 = median(took), quantiles(took, n=100, method="inclusive")[98]
        print(f"{name:16} {what:20} p50 {p50:7.1f} ms, p99 {p99:7.1f} ms, {p99 / p50:4.1f} x")
    for is_filtered, behind in late.items():
        first, last = (median(times["api", is_filtered, place]) for place in (0, behind))
        print_ratio(
            f"api: time of a late page{' with a filter' if is_filtered else ''} ÷ page 1", last / first
        )


def report_rates(peers: Peers, places: list[int], seconds: float) -> None:
    """Measure and print the pages a second of each peer, and the ratio of CPU."""
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    for _ in range(3):
        for name, peer in peers.items():
            rates[name].append(measure_rate(peer, places, seconds))
    medians = {name: [median(values) for values in zip(*found, strict=True)] for name, found in rates.items()}
    for name, (pages, cpu) in medians.items():
        print(
            f"{name:16} {pages:6.1f} pages a second with {CLIENTS} clients, {cpu:6.1f} ms of CPU a page;"
            f" the api has {medians['api'][0] / pages:.2f} x its rate"
        )
    cpu_ratio = medians["api"][1] / medians["bare query"][1]
    print_ratio("api: CPU of a page with 16 clients ÷ that of the bare query", cpu_ratio)


def main() -> int:
    """Print the times, the rates and the ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.api",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--roapi", metavar="PROGRAM", help="bin/roapi of its Python; omitted by default")
    parser.add_argument("--published", type=Path, metavar="FOLDER", default=Path("published"))
    parser.add_argument("--rows", type=int, default=1_000_000, help="a multiple of 10,000")
    parser.add_argument("--repeats", type=int, default=200, help="requests of each page")
    parser.add_argument("--seconds", type=float, default=20, help="of 16 clients for each peer, three times")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        work = Path(name)
        published = work / "published"
        publish_multiplied(options.published, published, options.rows, "benchmark")
        api = Api(stack.enter_context(run_server(published, work)))
        peers: Peers = {"api": api, "bare query": Bare(published / DATABASE)}
        if options.roapi:
            parquet = published / "cost_and_usage.parquet"
            served = stack.enter_context(run_roapi(options.roapi, parquet, work))
            peers |= {"ROAPI": Roapi(*served), IN_ORDER: Roapi(*served, "x_ChargeId")}
        compare(peers, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
