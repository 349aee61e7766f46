"""The API's server under long load: `python -m benchmarks.soak [--minutes N] [--published FOLDER]`.

The server is a separate process, with a new publication every 20 seconds. Clients send random valid and
invalid requests: pages, exports in all formats with their downloads, and requests that must be refused. The
benchmark fails on a status that a request must not have, such as any 5xx, and on an incomplete export. In
runs of five minutes and more, it also fails if the server's memory grows by more than 50 MB: the median of
the last fifth of the time is compared with that of the second. The printed maximum depends on the largest
pages and exports that are served at the same moment.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks import attacks
from benchmarks.api_server import Server, publish_multiplied, run_server
from benchmarks.measure import print_ratio

LIST = "/focus/v1/cost-and-usage"
COMMITMENTS = "/focus/v1/contract-commitments"
EXPORT = f"{LIST}/export"
ROWS = 20_000
PUBLISH_EVERY = 20.0  # seconds
GROWTH = 50  # MB
WARM_UP = 5.0  # minutes; growth in a shorter run is reported as a ratio and not judged
VALID: tuple[dict[str, str], ...] = (
    {},
    {"pageSize": "1"},
    {"pageSize": "10000"},
    {"chargeCategory": "Usage", "resourceId": "fal-ai/flux/dev"},
    {"billingPeriodStart": "2026-01-01T00:00:00Z", "billingPeriodEnd": "2026-03-01T01:00:00+01:00"},
    {"region": "none", "providerName": "fal", "billingCurrency": "USD"},
    {"columns": "BilledCost,Tags,x_ChargeId", "pageSize": "5000"},
)
INVALID = (
    {"pageSize": "0"},
    {"pageSize": "10001"},
    {"pageToken": "x"},
    {"billingPeriodStart": "yesterday"},
    {"chargeCategory": "Gift"},
    {"columns": "nothing"},
    {"serviceName": "' or 1=1 --", "unknown": "\x00"},
)
BODIES = (b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"billingPeriodStart": 1}', b"[" * 60_000)


class Client:
    """Sends random requests, and counts the answers."""

    def __init__(self, server: Server, seed: int, seen: Counter[str]) -> None:
        self.random = random.Random(seed)
        self.seen = seen
        url = f"http://127.0.0.1:{server.port}"
        self.known = httpx.Client(
            base_url=url, timeout=60, headers={"Authorization": f"Bearer {server.token}"}
        )
        self.unknown = httpx.Client(base_url=url, timeout=60, headers={"X-API-Key": "unknown"})
        self.tokens: list[tuple[dict[str, str], str]] = []

    def check(self, what: str, response: httpx.Response, *allowed: int) -> httpx.Response:
        """Count an answer, whose status must be one of these."""
        self.seen[f"{what} {response.status_code}"] += 1
        if response.status_code not in allowed:
            raise SystemExit(f"{what} was answered with {response.status_code}: {response.text[:300]}")
        return response

    def get_page(self) -> None:
        """Request a first page."""
        self.remember(parameters := self.random.choice(VALID), self.known.get(LIST, params=parameters))

    def get_next_page(self) -> None:
        """Request a later page, maybe of a publication that no longer exists."""
        if self.tokens:
            parameters, token = self.random.choice(self.tokens)
            self.remember(parameters, self.known.get(LIST, params={**parameters, "pageToken": token}))

    def remember(self, parameters: dict[str, str], response: httpx.Response) -> None:
        """Check a page and keep the token of the next, for the last 50 pages."""
        if self.check("page", response, 200, 400).status_code == 400:
            assert response.json()["code"] == "stale_page_token"
        elif token := response.json().get("nextPageToken"):
            self.tokens = [*self.tokens[-49:], (parameters, token)]

    def get_other(self) -> None:
        """Request another resource."""
        paths = (
            "/health",
            "/focus/v1/openapi.json",
            "/focus/v1/docs",
            "/focus/v1/schema",
            COMMITMENTS,
            f"{COMMITMENTS}?billingAccountId=fal-acme&pageSize=1",
        )
        self.check("other", self.known.get(self.random.choice(paths)), 200)

    def export(self) -> None:
        """Create an export, wait for it and download it."""
        request = {
            "billingPeriodStart": "2024-01-01T00:00:00Z",
            "billingPeriodEnd": "2027-01-01T00:00:00Z",
            "format": self.random.choice(["csv", "parquet", "json"]),
            "includeContractCommitments": self.random.random() < 0.5,
        }
        created = self.check("export", self.known.post(EXPORT, json=request), 202, 429)
        if created.status_code == 429:
            return
        job = created.json()
        while job["status"] in ("Pending", "Processing"):
            time.sleep(0.5)
            job = self.check("export status", self.known.get(f"{EXPORT}/{job['jobId']}"), 200).json()
        if job["status"] != "Complete":
            raise SystemExit(f"an export ended as {job}")
        self.check("download", self.known.get(job["downloadUrl"]), 200)
        self.check("download without token", self.unknown.get(job["downloadUrl"]), 401)

    def send_invalid(self) -> None:
        """Send a request that must be refused."""
        choice = self.random.randrange(5)
        if choice == 0:
            self.check("bad parameter", self.known.get(LIST, params=self.random.choice(INVALID)), 400)
        elif choice == 1:
            body = self.random.choice(BODIES)
            headers = {"Content-Type": "application/json"}
            self.check("bad body", self.known.post(EXPORT, content=body, headers=headers), 400)
        elif choice == 2:
            self.check("unknown token", self.unknown.get(LIST), 401)
        elif choice == 3:
            self.check("no such address", self.known.get(f"{EXPORT}/{self.random.random()}"), 404)
        else:
            self.check("no such method", self.known.put(LIST, content=b"x" * 50_000), 405)

    def work(self, stopped: threading.Event) -> None:
        """Send requests until the event is set."""
        actions = (self.get_page, self.get_next_page, self.get_other, self.export, self.send_invalid)
        with self.known, self.unknown:
            while not stopped.is_set():
                self.random.choices(actions, [6, 6, 3, 1, 6])[0]()


def publish_repeatedly(sample: Path, published: Path, stopped: threading.Event) -> int:
    """Publish every PUBLISH_EVERY seconds until the event is set; return how often."""
    number = 1
    while not stopped.wait(PUBLISH_EVERY):
        publish_multiplied(sample, published, ROWS + 100 * number, f"soak-{number}")
        number += 1
    return number


@dataclass(frozen=True)
class Run:
    """The results of a run. memory: bytes of the server with the seconds since the start."""

    answers: Counter[str]
    publications: int
    errors: int
    memory: list[tuple[float, int]]

    def split_memory(self, seconds: float) -> list[list[float]]:
        """Return the MB of the server in each fifth of the run."""
        fifth = seconds / 5
        return [
            [held / 1e6 for at, held in self.memory if fifth * number <= at < fifth * (number + 1)]
            for number in range(5)
        ]


def run(sample: Path, clients: int, seconds: float) -> Run:
    """Serve, publish and send requests for some seconds."""
    with tempfile.TemporaryDirectory() as name:
        work, answers = Path(name), Counter[str]()
        published = work / "published"
        publish_multiplied(sample, published, ROWS, "soak-0")
        stopped = threading.Event()
        with run_server(published, work) as server, ThreadPoolExecutor(clients + 1) as threads:
            publisher = threads.submit(publish_repeatedly, sample, published, stopped)
            senders = [threads.submit(Client(server, seed, answers).work, stopped) for seed in range(clients)]
            try:
                memory = watch(server, [publisher, *senders], seconds)
            finally:
                stopped.set()
            for future in senders:
                future.result()
            publications = publisher.result()
        errors = (work / "server.log").read_text().count("Traceback")
    return Run(answers, publications, errors, memory)


def watch(server: Server, futures: Sequence[Future[Any]], seconds: float) -> list[tuple[float, int]]:
    """Return the server's memory in each second, until the time is over or a future has ended."""
    memory, began = list[tuple[float, int]](), time.monotonic()
    while (at := time.monotonic() - began) < seconds and not any(future.done() for future in futures):
        memory.append((at, server.memory))
        time.sleep(1)
    return memory


def report(done: Run, seconds: float) -> int:
    """Print the answers, the memory and the ratio. Raises SystemExit on errors and growth."""
    for what, times in sorted(done.answers.items()):
        print(f"{times:8,}  {what}")
    fifths = done.split_memory(seconds)
    medians = [median(held) for held in fifths]
    print(
        f"{done.answers.total():,} answers, {done.publications} publications,"
        f" {done.errors} tracebacks in the log"
    )
    print(f"memory, median of each fifth of the time: {', '.join(f'{held:.0f}' for held in medians)} MB")
    print(f"at most: {', '.join(f'{max(held):.0f}' for held in fifths)} MB")
    print_ratio("soak: memory at the end ÷ that after a fifth of the time", medians[4] / medians[1])
    if done.errors:
        raise SystemExit("the server failed at a request")
    if seconds >= WARM_UP * 60 and medians[4] - medians[1] > GROWTH:
        raise SystemExit(f"the server grew by more than {GROWTH} MB")
    return 0


def main() -> int:
    """Run the load or the attack."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--published", type=Path, metavar="FOLDER", default=Path("published"))
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--attack", action="store_true", help="one hostile token against another, a minute")
    options = parser.parse_args()
    if options.attack:
        return attacks.main(options.published)
    seconds = options.minutes * 60
    return report(run(options.published, options.clients, seconds), seconds)


if __name__ == "__main__":
    sys.exit(main())
