"""One hostile token against another one: `python -m benchmarks.soak --attack`, over a minute on loopback.

The victim requests pages of 100 records, first alone, then while the hostile token sends bursts of requests
for 10,000 records and closes their connections at once. Then slow readers request pages of 10,000 records
and read one kilobyte a second, while the memory of the server is measured. It fails if the victim's p99
exceeds 3 times its idle p99, or if the server holds more than 600 MB.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx

from benchmarks.api_server import Server, publish_multiplied, run_server
from benchmarks.measure import ROOT

LIST = "/focus/v1/cost-and-usage"
ROWS = 50_000
PAGE_OF_VICTIM = 100
PAGE_OF_ATTACK = 10_000
MEASURED_FOR = 12.0  # seconds, alone and under attack
BURST = 250  # requests whose connections are closed at once
BURST_EVERY = 4.0  # seconds
SLOW_READERS = 500
SLOW_FOR = 30.0  # seconds: the first pieces of all answers take 10 to 20, and most is held after them
MOST_SLOWDOWN = 3.0
MOST_MEMORY = 600  # MB


def create_token(work: Path, name: str) -> str:
    """Create another token for the server that runs in a folder."""
    command = [sys.executable, "-m", "api", "token", "create", "--name", name]
    environment = {"FOCUS_API_TOKENS_FILE": str(work / "api_tokens.json"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def build_request(token: str) -> bytes:
    """Return a request for a large page."""
    return (
        f"GET {LIST}?pageSize={PAGE_OF_ATTACK} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {token}\r\n\r\n"
    ).encode()


async def send_and_close(port: int, token: str) -> None:
    """Send a request and close its connection without reading the answer."""
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(build_request(token))
        await writer.drain()
        writer.close()


async def send_bursts(server: Server, token: str, until: float) -> None:
    """Send bursts of requests until a time of the monotonic clock."""
    while time.monotonic() < until:
        await asyncio.gather(*(send_and_close(server.port, token) for _ in range(BURST)))
        await asyncio.sleep(BURST_EVERY)


async def read_slowly(port: int, token: str, until: float) -> None:
    """Request a large page and read a kilobyte of it in each second."""
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(build_request(token))
        while time.monotonic() < until and await reader.read(1024):
            await asyncio.sleep(1)
        writer.transport.abort()


async def measure_pages(server: Server, token: str, until: float) -> list[float]:
    """Return the seconds of each page of the victim, until a time of the monotonic clock."""
    took = []
    url, headers = f"http://127.0.0.1:{server.port}", {"X-API-Key": token}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
        while time.monotonic() < until:
            began = time.monotonic()
            answer = await client.get(LIST, params={"pageSize": PAGE_OF_VICTIM})
            took.append(time.monotonic() - began)
            if answer.status_code != 200:
                raise SystemExit(f"the victim got {answer.status_code}: {answer.text[:300]}")
    return took


def find_p99(took: list[float]) -> float:
    """Return the 99th percentile of some times."""
    return sorted(took)[int(len(took) * 0.99)]


async def measure_slowdown(server: Server, hostile: str) -> float:
    """Return the p99 of the victim's pages under attack, divided by the p99 alone."""
    await measure_pages(server, server.token, time.monotonic() + 2)  # warm up
    idle = await measure_pages(server, server.token, time.monotonic() + MEASURED_FOR)
    until = time.monotonic() + MEASURED_FOR
    bursts = asyncio.create_task(send_bursts(server, hostile, until - BURST_EVERY))
    attacked = await measure_pages(server, server.token, until)
    await bursts
    for what, took in (("alone", idle), ("under attack", attacked)):
        print(
            f"{what}: {len(took)} pages, p99 {find_p99(took) * 1000:.0f} ms, most {max(took) * 1000:.0f} ms"
        )
    return find_p99(attacked) / find_p99(idle)


async def measure_memory(server: Server, tokens: list[str]) -> float:
    """Return the peak memory in MB while slow readers with these tokens hold pages."""
    until = time.monotonic() + SLOW_FOR
    readers = [
        asyncio.create_task(read_slowly(server.port, tokens[number % len(tokens)], until))
        for number in range(SLOW_READERS)
    ]
    most = 0
    while time.monotonic() < until:
        most = max(most, server.memory)
        await asyncio.sleep(0.1)
    await asyncio.gather(*readers)
    return most / 1e6


def main(published: Path) -> int:
    """Run both attacks and print their results."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        publish_multiplied(published, work / "published", ROWS, "attacked")
        with run_server(work / "published", work) as server:
            hostile = [create_token(work, f"hostile-{number}") for number in range(20)]
            slowdown = asyncio.run(measure_slowdown(server, hostile[0]))
            print(f"p99 under attack ÷ alone: {slowdown:.2f}")
            memory = asyncio.run(measure_memory(server, hostile))
            print(f"{SLOW_READERS} slow readers of {PAGE_OF_ATTACK:,} records: at most {memory:.0f} MB")
        errors = (work / "server.log").read_text().count("Traceback")
    if slowdown > MOST_SLOWDOWN:
        raise SystemExit(f"another token's p99 rose by more than {MOST_SLOWDOWN:.0f} times")
    if memory > MOST_MEMORY:
        raise SystemExit(f"the server held more than {MOST_MEMORY} MB")
    if errors:
        raise SystemExit("the server failed at a request")
    return 0
