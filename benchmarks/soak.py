"""The API's server under load for long: `python -m benchmarks.soak [--minutes N] [--published FOLDER]`.

A process of its own serves, while a new publication comes every 20 seconds and clients send requests, good
and bad, at random: pages and walks, exports in all formats and their downloads, and what is refused. It fails
if an answer is not one that its request may have, none of them a 5xx, if an export does not complete, or if
the server's memory grows by more than 50 MB after the first fifth of the time: what it holds at the median of
the last fifth is compared with the second one, in runs of five minutes and more. The most is told, too; it is
what large pages and exports happen to need at the same moment.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks import attacks
from benchmarks.api_server import Server, publish_multiplied, serving
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
    """Sends requests at random, and notes how they ended."""

    def __init__(self, server: Server, seed: int, seen: Counter[str]) -> None:
        self.random = random.Random(seed)
        self.seen = seen
        url = f"http://127.0.0.1:{server.port}"
        self.known = httpx.Client(
            base_url=url, timeout=60, headers={"Authorization": f"Bearer {server.token}"}
        )
        self.unknown = httpx.Client(base_url=url, timeout=60, headers={"X-API-Key": "nobody's"})
        self.tokens: list[tuple[dict[str, str], str]] = []

    def ask(self, what: str, response: httpx.Response, *allowed: int) -> httpx.Response:
        """Note an answer, which has to be one of these."""
        self.seen[f"{what} {response.status_code}"] += 1
        if response.status_code not in allowed:
            raise SystemExit(f"{what} was answered with {response.status_code}: {response.text[:300]}")
        return response

    def page(self) -> None:
        """The first page of something."""
        self.remember(parameters := self.random.choice(VALID), self.known.get(LIST, params=parameters))

    def next_page(self) -> None:
        """A page further on, perhaps of a publication that is not kept any more."""
        if self.tokens:
            parameters, token = self.random.choice(self.tokens)
            self.remember(parameters, self.known.get(LIST, params={**parameters, "pageToken": token}))

    def remember(self, parameters: dict[str, str], response: httpx.Response) -> None:
        """Note a page and the token of the next; of those that are stale, some are kept."""
        if self.ask("page", response, 200, 400).status_code == 400:
            assert response.json()["code"] == "stale_page_token"
        elif token := response.json().get("nextPageToken"):
            self.tokens = [*self.tokens[-49:], (parameters, token)]

    def other(self) -> None:
        """What else can be read."""
        paths = (
            "/health",
            "/focus/v1/openapi.json",
            "/focus/v1/docs",
            "/focus/v1/schema",
            COMMITMENTS,
            f"{COMMITMENTS}?billingAccountId=fal-acme&pageSize=1",
        )
        self.ask("other", self.known.get(self.random.choice(paths)), 200)

    def export(self) -> None:
        """An export, from its beginning to its download."""
        asked = {
            "billingPeriodStart": "2024-01-01T00:00:00Z",
            "billingPeriodEnd": "2027-01-01T00:00:00Z",
            "format": self.random.choice(["csv", "parquet", "json"]),
            "includeContractCommitments": self.random.random() < 0.5,
        }
        begun = self.ask("export", self.known.post(EXPORT, json=asked), 202, 429)
        if begun.status_code == 429:
            return
        job = begun.json()
        while job["status"] in ("Pending", "Processing"):
            time.sleep(0.5)
            job = self.ask("export status", self.known.get(f"{EXPORT}/{job['jobId']}"), 200).json()
        if job["status"] != "Complete":
            raise SystemExit(f"an export ended as {job}")
        self.ask("download", self.known.get(job["downloadUrl"]), 200)
        self.ask("download by nobody", self.unknown.get(job["downloadUrl"]), 401)

    def invalid(self) -> None:
        """What is refused."""
        choice = self.random.randrange(5)
        if choice == 0:
            self.ask("bad parameter", self.known.get(LIST, params=self.random.choice(INVALID)), 400)
        elif choice == 1:
            body = self.random.choice(BODIES)
            headers = {"Content-Type": "application/json"}
            self.ask("bad body", self.known.post(EXPORT, content=body, headers=headers), 400)
        elif choice == 2:
            self.ask("nobody", self.unknown.get(LIST), 401)
        elif choice == 3:
            self.ask("no such address", self.known.get(f"{EXPORT}/{self.random.random()}"), 404)
        else:
            self.ask("no such method", self.known.put(LIST, content=b"x" * 100_000), 405)

    def work(self, stopped: threading.Event) -> None:
        """Send requests until it is told to stop."""
        actions: list[Callable[[], None]] = [self.page, self.next_page, self.other, self.export, self.invalid]
        with self.known, self.unknown:
            while not stopped.is_set():
                self.random.choices(actions, [6, 6, 3, 1, 6])[0]()


def publishing(sample: Path, published: Path, stopped: threading.Event) -> int:
    """Publish again and again: how often."""
    number = 1
    while not stopped.wait(PUBLISH_EVERY):
        publish_multiplied(sample, published, ROWS + 100 * number, f"soak-{number}")
        number += 1
    return number


def main() -> int:
    """Print what was answered, and the memory."""
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
    with tempfile.TemporaryDirectory() as name:
        work, seen = Path(name), Counter[str]()
        published = work / "published"
        publish_multiplied(options.published, published, ROWS, "soak-0")
        stopped = threading.Event()
        with serving(published, work) as server, ThreadPoolExecutor(options.clients + 1) as threads:
            began = time.monotonic()
            until = began + options.minutes * 60
            publisher = threads.submit(publishing, options.published, published, stopped)
            clients = [
                threads.submit(Client(server, seed, seen).work, stopped) for seed in range(options.clients)
            ]
            try:
                memory = watch(server, [publisher, *clients], until)
            finally:
                stopped.set()
            for future in clients:
                future.result()
            publications = publisher.result()
        errors = (work / "server.log").read_text().count("Traceback")
    for what, times in sorted(seen.items()):
        print(f"{times:8,}  {what}")
    fifth = options.minutes * 60 / 5
    fifths = [
        [held / 1e6 for at, held in memory if fifth * number <= at - began < fifth * (number + 1)]
        for number in range(5)
    ]
    medians = [median(held) for held in fifths]
    print(f"{sum(seen.values()):,} answers, {publications} publications, {errors} tracebacks in the log")
    print(
        f"memory at the median of each fifth of the time: {', '.join(f'{held:.0f}' for held in medians)} MB"
    )
    print(f"at most: {', '.join(f'{max(held):.0f}' for held in fifths)} MB")
    print_ratio("soak: memory at the end ÷ that after a fifth of the time", medians[4] / medians[1])
    if errors:
        raise SystemExit("the server failed at a request")
    if options.minutes >= WARM_UP and medians[4] - medians[1] > GROWTH:
        raise SystemExit(f"the server grew by more than {GROWTH} MB")
    return 0


def watch(server: Server, futures: Sequence[Future[Any]], until: float) -> list[tuple[float, int]]:
    """The server's memory from second to second, until then or until a client has ended early."""
    memory = []
    while time.monotonic() < until and not any(future.done() for future in futures):
        memory.append((time.monotonic(), server.memory))
        time.sleep(1)
    return memory


if __name__ == "__main__":
    sys.exit(main())
