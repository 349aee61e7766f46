"""What the API's pages cost: `python -m benchmarks.api [--roapi PROGRAM] [--published FOLDER] ...`.

Of a publication whose charges are multiplied to so many: the times of pages of 1,000 records, of all charges
and of one model's, the first and a late one; then pages a second by 16 clients. Beside them the same pages by
a bare query in this process whose rows become JSON in Python and, with --roapi, by ROAPI, from the published
Parquet by offset. They are asked in turns, so that what else the machine does meets all of them.

What is multiplied is a publication of a build, such as `make serve` makes of the sample. ROAPI needs a Python
of its own, made by
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
from benchmarks.api_server import Server, cpu_seconds, free_port, publish_multiplied, running, serving
from benchmarks.measure import print_ratio
from publishing import DATABASE

PAGE = 1000  # records
WALK = 10_000  # records of a page on the way to a late one
CLIENTS = 16
KEPT = 2.0  # seconds that a connection is used again
SLOW_REPEATS = 3  # of what sorts all for each page
FILTER = {"chargeCategory": "Usage", "resourceId": "fal-ai/flux/dev"}
IN_ORDER = "ROAPI, in order"
COLUMNS = {"chargeCategory": "ChargeCategory", "resourceId": "ResourceId"}
ENCODER = msgspec.json.Encoder(decimal_format="number")

# asks for one page
Ask = Callable[[], object]


@dataclass
class Http:
    """A server, asked by each thread over a connection of its own that is kept."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    mine: local = field(default_factory=local)

    def get(self, path: str) -> bytes:
        """The body of an answer, which has to be 200."""
        if not hasattr(self.mine, "connection"):
            self.mine.connection = HTTPConnection("127.0.0.1", self.port, timeout=300)
        elif time.monotonic() - self.mine.asked_at > KEPT:
            self.mine.connection.close()  # it is opened again
        self.mine.connection.request("GET", path, headers=self.headers)
        response = self.mine.connection.getresponse()
        body: bytes = response.read()
        self.mine.asked_at = time.monotonic()
        if response.status != 200:
            raise SystemExit(f"{path} was answered with {response.status}: {body[:200]!r}")
        return body


class Walk(msgspec.Struct):
    """What of a page says where the next one is."""

    nextPageToken: str | None = None  # noqa: N815


class Api:
    """Ours. A page is asked for by its token, for which the pages before it were walked through."""

    def __init__(self, server: Server) -> None:
        self.http = Http(server.port, {"Authorization": f"Bearer {server.token}"})
        self.cpu = partial(cpu_seconds, server.process)
        self.tokens: dict[tuple[bool, int], str | None] = {}

    def walk(self, is_filtered: bool, last: int) -> None:
        """Learn the tokens of pages behind so many records, in steps of WALK, and of the last one."""
        behind, token = 0, None
        while True:
            self.tokens[is_filtered, behind] = token
            if behind == last:
                return
            size = WALK if behind + WALK <= last else PAGE
            token = msgspec.json.decode(self.get(token, is_filtered, size), type=Walk).nextPageToken
            assert token, "there are fewer pages"
            behind += size

    def get(self, token: str | None, is_filtered: bool, size: int) -> bytes:
        parameters = {"pageSize": str(size)} | (FILTER if is_filtered else {})
        return self.http.get(
            f"{BASE}/cost-and-usage?{urlencode(parameters | ({'pageToken': token} if token else {}))}"
        )

    def page(self, is_filtered: bool, behind: int) -> bytes:
        """A page behind so many records."""
        return self.get(self.tokens[is_filtered, behind], is_filtered, PAGE)


class Roapi:
    """ROAPI. Without an order it promises none, which is what a page by offset needs."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", order: str = "") -> None:
        self.http, self.order = Http(port), order
        self.cpu = partial(cpu_seconds, process)

    def page(self, is_filtered: bool, behind: int) -> bytes:
        """A page behind so many records."""
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
    """The mart's rows by a query in this process, made into JSON here; it knows where a page begins."""

    def __init__(self, database: Path) -> None:
        self.cpu = time.process_time
        self.connection = duckdb.connect(str(database), read_only=True)
        self.connection.execute("set TimeZone = 'UTC'")
        self.positions: dict[tuple[bool, int], int] = {}

    def learn(self, is_filtered: bool, behind: int) -> None:
        """Look up where a page begins."""
        condition, bound = self.condition(is_filtered)
        rows = self.connection.execute(
            f"select rowid from focus.cost_and_usage where {condition} order by rowid limit 1 offset ?",
            [*bound, behind],
        ).fetchall()
        self.positions[is_filtered, behind] = rows[0][0]

    def condition(self, is_filtered: bool) -> tuple[str, list[str]]:
        asked = FILTER if is_filtered else {}
        return " and ".join(["true", *(f"{COLUMNS[name]} = ?" for name in asked)]), list(asked.values())

    def page(self, is_filtered: bool, behind: int) -> bytes:
        """A page behind so many records."""
        condition, bound = self.condition(is_filtered)
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"select * from focus.cost_and_usage where {condition} and rowid >= ? order by rowid limit ?",
                [*bound, self.positions[is_filtered, behind], PAGE],
            )
            names = [name for name, *_ in cursor.description]
            return ENCODER.encode([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])


@contextmanager
def roapi_serving(program: str, file: Path, work: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """The port of ROAPI, which has a Parquet file in memory as it does by default, and its process."""
    port = free_port()
    others = ["-p", f"127.0.0.1:{free_port()}", "--addr-flight-sql", f"127.0.0.1:{free_port()}"]
    command = [program, "-a", f"127.0.0.1:{port}", *others, "-t", f"cost_and_usage={file}"]
    with (work / "roapi.log").open("wb") as log, running(command, os.environ, log, port) as process:
        yield port, process


def timed(ask: Ask) -> float:
    """Milliseconds until a page is there."""
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1000


def rate(peer: Api | Roapi | Bare, places: list[int], seconds: float) -> tuple[float, float]:
    """What so many clients get who ask without a pause, each for any page: pages a second, and the
    milliseconds of CPU that a page takes of the peer's process."""
    end = time.perf_counter() + seconds

    def ask(client: int) -> int:
        chosen, pages = random.Random(client), 0
        while time.perf_counter() < end:
            peer.page(False, chosen.choice(places))
            pages += 1
        return pages

    began, cpu = time.perf_counter(), peer.cpu()
    with ThreadPoolExecutor(CLIENTS) as clients:
        pages = sum(clients.map(ask, range(CLIENTS)))
    return pages / (time.perf_counter() - began), (peer.cpu() - cpu) / pages * 1000


def main() -> int:
    """Print the times, the rates and the ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.api",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--roapi", metavar="PROGRAM", help="bin/roapi of its Python; without, it is left out")
    parser.add_argument("--published", type=Path, metavar="FOLDER", default=Path("published"))
    parser.add_argument("--rows", type=int, default=1_000_000, help="a multiple of 10,000")
    parser.add_argument("--repeats", type=int, default=200, help="times that each page is asked for")
    parser.add_argument(
        "--seconds", type=float, default=20, help="that 16 clients ask each peer, three times"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        work = Path(name)
        published = work / "published"
        publish_multiplied(options.published, published, options.rows, "benchmark")
        api = Api(stack.enter_context(serving(published, work)))
        peers: dict[str, Api | Roapi | Bare] = {"api": api, "bare query": Bare(published / DATABASE)}
        if options.roapi:
            parquet = published / "cost_and_usage.parquet"
            served = stack.enter_context(roapi_serving(options.roapi, parquet, work))
            peers |= {"ROAPI": Roapi(*served), IN_ORDER: Roapi(*served, "x_ChargeId")}
        compare(peers, options)
    return 0


def compare(peers: dict[str, Api | Roapi | Bare], options: argparse.Namespace) -> None:
    """Ask all of them in turns."""
    api, bare = peers["api"], peers["bare query"]
    assert isinstance(api, Api) and isinstance(bare, Bare)
    late = {False: options.rows - PAGE, True: options.rows // 10 - PAGE}
    for is_filtered, behind in late.items():
        api.walk(is_filtered, behind)
    for place in api.tokens:
        bare.learn(*place)
    times: dict[tuple[str, bool, int], list[float]] = {}
    print(f"load average {os.getloadavg()[0]:.1f}; {options.repeats} times each", flush=True)
    for repeat in range(options.repeats):
        if repeat == SLOW_REPEATS:
            peers = {name: peer for name, peer in peers.items() if name != IN_ORDER}
        for name, peer in peers.items():
            for is_filtered in late:
                for behind in (0, late[is_filtered]):
                    seconds = timed(partial(peer.page, is_filtered, behind))
                    times.setdefault((name, is_filtered, behind), []).append(seconds)
    for (name, is_filtered, behind), took in times.items():
        what = f"{'filtered ' if is_filtered else ''}page {behind // PAGE + 1:,}"
        p50, p99 = median(took), quantiles(took, n=100, method="inclusive")[98]
        print(f"{name:16} {what:20} p50 {p50:7.1f} ms, p99 {p99:7.1f} ms, {p99 / p50:4.1f} x")
    for is_filtered, behind in late.items():
        first, last = (median(times["api", is_filtered, place]) for place in (0, behind))
        print_ratio(
            f"api: time of a late page{' with a filter' if is_filtered else ''} ÷ page 1", last / first
        )
    places = [behind for is_filtered, behind in api.tokens if not is_filtered]
    peers = {name: peer for name, peer in peers.items() if name != IN_ORDER}
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    for _ in range(3):
        for name, peer in peers.items():
            seen[name].append(rate(peer, places, options.seconds))
    medians = {name: [median(values) for values in zip(*rates, strict=True)] for name, rates in seen.items()}
    for name, (pages, cpu) in medians.items():
        print(
            f"{name:16} {pages:6.1f} pages a second with {CLIENTS} clients, {cpu:6.1f} ms of CPU a page;"
            f" the api has {medians['api'][0] / pages:.2f} x its rate"
        )
    cpu_ratio = medians["api"][1] / medians["bare query"][1]
    print_ratio("api: CPU of a page with 16 clients ÷ that of the bare query", cpu_ratio)
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main())
