"""A client that openapi-python-client generates from our document."""

import importlib
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from publishing.database import DATABASE
from tests.api.serving import Served

pytestmark = pytest.mark.end_to_end

PACKAGE = "generated_focus_client"
SEPTEMBER, OCTOBER, NOVEMBER = (datetime(2026, month, 1, tzinfo=UTC) for month in (9, 10, 11))


@pytest.fixture(scope="module")
def package(sample: Served, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Generate a client. Return the name of its package."""
    work = tmp_path_factory.mktemp("client")
    document, config = work / "openapi.json", work / "config.yml"
    document.write_text(httpx.get(f"{sample.url}/openapi.json").text)
    # post_hooks would run its own ruff, which only formats
    config.write_text(f"package_name_override: {PACKAGE}\npost_hooks: []\n")
    command = [str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--fail-on-warning"]
    command += ["--meta", "none", "--path", str(document), "--config", str(config)]
    done = subprocess.run(
        [*command, "--output-path", str(work / PACKAGE)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    sys.path.insert(0, str(work))
    yield PACKAGE
    sys.path.remove(str(work))


def walk(package: str, operation: str, client: Any, **parameters: object) -> list[Any]:  # noqa: ANN401
    """Return all records, read page by page."""
    call = importlib.import_module(f"{package}.api.{operation}")
    records, token = [], {}
    while True:
        page = call.sync(client=client, page_size=100, **parameters, **token)
        records += page.data
        if not page.next_page_token:
            assert len(records) == page.total_records
            return records
        token = {"page_token": page.next_page_token}


def exact(number: float) -> Decimal:
    """Return a number as it was written: the shortest text of a double has all digits up to 15."""
    return Decimal(repr(number))


def test_a_generated_client_walks_two_months(sample: Served, package: str) -> None:
    client = importlib.import_module(package).AuthenticatedClient(base_url=sample.url, token=sample.token)
    with duckdb.connect(str(sample.settings.publish_dir / DATABASE), read_only=True) as published:
        published.execute("set TimeZone = 'UTC'")
        for start, end in ((SEPTEMBER, OCTOBER), (OCTOBER, NOVEMBER)):
            ((count, billed, effective, quantity),) = published.execute(
                "select count(*), sum(BilledCost), sum(EffectiveCost), sum(PricingQuantity)"
                " from focus.cost_and_usage where BillingPeriodStart >= ? and BillingPeriodStart < ?",
                [start, end],
            ).fetchall()
            records = walk(
                package,
                "cost_and_usage.list_cost_and_usage",
                client,
                billing_period_start=start,
                billing_period_end=end,
            )
            assert len(records) == count > 100
            assert sum(exact(record.billed_cost) for record in records) == billed
            assert sum(exact(record.effective_cost) for record in records) == effective
            quantities = [record.pricing_quantity for record in records if record.pricing_quantity]
            assert sum(exact(number) for number in quantities) == quantity
            assert {record.billing_period_start for record in records} == {start}


def test_a_generated_client_reads_all_other_operations(sample: Served, package: str) -> None:
    models = importlib.import_module(f"{package}.models")
    client = importlib.import_module(package).AuthenticatedClient(base_url=sample.url, token=sample.token)
    commitments = walk(package, "contract_commitments.list_contract_commitments", client)
    assert {record.commitment_discount_id for record in commitments} > {"acme-spend-2026"}
    schema = importlib.import_module(f"{package}.api.schema_metadata.get_schema_metadata").sync(client=client)
    assert schema.datasets == ["CostAndUsage", "ContractCommitment"]
    request = models.ExportRequest(billing_period_start=SEPTEMBER, billing_period_end=OCTOBER)
    export = importlib.import_module(f"{package}.api.cost_and_usage.export_cost_and_usage")
    job = export.sync(client=client, body=request)
    status = importlib.import_module(f"{package}.api.cost_and_usage.get_cost_and_usage_export_status")
    assert status.sync(job.job_id, client=client).job_id == job.job_id
    nobody = importlib.import_module(package).AuthenticatedClient(base_url=sample.url, token="x")
    assert export.sync(client=nobody, body=request).code == "unauthorized"
