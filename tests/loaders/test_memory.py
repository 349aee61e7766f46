"""The memory of a load does not grow with the window."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fal_server import FalServer
from tests.fal_server.server import Answer, Request
from tests.loaders.conftest import KEY

PEAK = 120 * 2**20  # bytes
PAGES_PER_DAY = 4
EVENTS = 10_000
# a process counts the memory of its parent, so a small process runs between pytest and the loader
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.slow
def test_a_load_of_full_pages_stays_under_120_mb(server: FalServer, landing: Path) -> None:
    listed = [events(page) for page in range(PAGES_PER_DAY)]

    def answer(request: Request) -> Answer:
        page = int(request.one("cursor") or 0)
        rest = (
            '"has_more":false' if page + 1 == PAGES_PER_DAY else f'"has_more":true,"next_cursor":"{page + 1}"'
        )
        return Answer(200, f'{{"billing_events":[{listed[page]}],{rest}}}'.encode())

    server.answer = answer
    loader = [
        sys.executable,
        "-m",
        "loaders",
        "billing-events",
        "--start",
        "2026-01-01",
        "--end",
        "2026-01-07",
    ]
    result = subprocess.run(
        [sys.executable, "-c", MEASURED, *loader],
        env={**os.environ, "FAL_KEY": KEY, "FAL_API_URL": server.url, "FAL_LANDING_DIR": str(landing)},
        capture_output=True,
        text=True,
        check=True,
    )
    summary, peak = result.stdout.splitlines()
    assert summary == f"landed 6 days with 240,000 events in {landing}"
    assert int(peak) < PEAK


def events(page: int) -> str:
    """Return events of about 350 bytes as members of a JSON list. The labels are not ASCII."""
    return ",".join(
        f'{{"request_id":"{page:08}-0000-4000-8000-{number:012}","endpoint_id":"fal-ai/flux/dev",'
        f'"timestamp":"2026-01-01T00:00:00.{number % 1000:03}Z","output_units":2,"unit_price":0.025,'
        f'"percent_discount":10,"cost_estimate_nano_usd":{45_000_000 + number},"cost_subtotal":0.05,'
        f'"cost_discount":0.005,"cost_total":0.045,"auth_method":"鍵 🚀 ключ מפתח"}}'
        for number in range(EVENTS)
    )
