"""An export of the API equals the output of `make export` for the same rows."""

import asyncio
import csv
import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from api.export_files import ExportRequest
from api.exports import Exports
from publishing import publish
from publishing.changes import Definitions
from publishing.database import DATABASE
from tests.api.test_exports import FORMULAS, PLAIN
from tests.end_to_end.conftest import Warehouse

MARTS = ("cost_and_usage", "contract_commitment")
FILES = {
    "1.3": MARTS,
    "1.4": ("cost_and_usage_1_4", "contract_commitment_1_4", "billing_period_1_4", "invoice_detail_1_4"),
}
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
FORMATS: list[Any] = ["csv", "parquet", "json"]


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory, sample: Warehouse, dbt: Callable[..., Warehouse]) -> Path:
    """A folder with the published sample, and the exports of dbt in each version and format."""
    folder = tmp_path_factory.mktemp("exports")
    path = Path(shutil.copy(sample.path, folder / "warehouse.duckdb"))
    shutil.copy(sample.path.with_suffix(".published") / DATABASE, folder)
    (folder / "dbt").mkdir()
    for version in FILES:
        for file_format in FORMATS:
            said = json.dumps({"format": file_format, "folder": str(folder / "dbt"), "version": version})
            dbt(path, "run-operation", "export", "--args", said)
    return folder


def export(folder: Path, request: ExportRequest, billing_accounts: frozenset[str] | None = None) -> Path:
    """Export into a new folder and return it."""

    async def file() -> Path:
        exports = Exports(folder / "api")
        await exports.start()
        job = exports.create(request, "platform", billing_accounts, folder / DATABASE)
        while job.completed_at is None:
            await asyncio.sleep(0.01)
            job = exports.find_job(job.job_id, "platform") or job
        await exports.stop()
        assert job.download, job.error
        download = exports.find_file(job.download.secret, "platform")
        assert download
        return download

    done = asyncio.run(file())
    if request.include_contract_commitments:
        with zipfile.ZipFile(done) as archive:
            archive.extractall(done.parent)
    return done.parent


@pytest.mark.parametrize("version", FILES)
@pytest.mark.parametrize("file_format", FORMATS)
def test_an_export_of_everything_equals_the_export_of_dbt(
    marts: Path,
    version: Any,  # noqa: ANN401
    file_format: Any,  # noqa: ANN401
) -> None:
    request = ExportRequest(*EVER, file_format, include_contract_commitments=True, focus_version=version)
    exported = export(marts, request)
    with zipfile.ZipFile(exported / "focus_export.zip") as archive:
        assert archive.namelist() == [f"{name}.{file_format}" for name in FILES[version]]
    for name in FILES[version]:
        files = [folder / f"{name}.{file_format}" for folder in (exported, marts / "dbt")]
        if file_format == "parquet":
            with duckdb.connect() as connection:
                types = [connection.execute(f"describe from '{file}'").fetchall() for file in files]
                rows = [connection.execute(f"from '{file}'").fetchall() for file in files]
            assert types[0] == types[1]
            assert rows[0] == rows[1] != []
        else:
            assert files[0].read_bytes() == files[1].read_bytes() != b""


def test_a_limited_export_equals_those_rows_of_the_export_of_dbt(marts: Path) -> None:
    start, end = "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"
    exports = [json.loads(line, parse_float=Decimal) for line in (marts / "dbt/cost_and_usage.json").open()]
    accounts = {row["BillingAccountId"] for row in exports}
    assert len(accounts) == 2
    for account in accounts:
        wanted = [
            row
            for row in exports
            if row["BillingAccountId"] == account and start <= row["BillingPeriodStart"] < end
        ]
        period = (datetime.fromisoformat(start), datetime.fromisoformat(end))
        done = export(marts, ExportRequest(*period, "json"), frozenset({account}))
        rows = [json.loads(line, parse_float=Decimal) for line in (done / "cost_and_usage.json").open()]
        assert rows == wanted != []
        assert len(rows) < len(exports) / 2
        shutil.rmtree(done)


@pytest.mark.parametrize("account", ["fal-acme", "fal-studio"])
def test_a_limited_export_of_focus_1_4_has_the_rows_of_its_account(marts: Path, account: str) -> None:
    request = ExportRequest(*EVER, "json", include_contract_commitments=True, focus_version="1.4")
    done = export(marts, request, frozenset({account}))
    counts = {}
    for name in FILES["1.4"]:
        rows, all_rows = (
            [json.loads(line, parse_float=Decimal) for line in (folder / f"{name}.json").open()]
            for folder in (done, marts / "dbt")
        )
        column = "x_BillingAccountId" if name == "contract_commitment_1_4" else "BillingAccountId"
        assert rows == [row for row in all_rows if row.get(column) == account]
        counts[name] = len(rows)
    assert counts["cost_and_usage_1_4"] > 0 < counts["contract_commitment_1_4"]
    # a billing period is about all accounts
    assert counts["billing_period_1_4"] == 0
    shutil.rmtree(done)


def test_dbt_escapes_formulas_on_request(tmp_path: Path, dbt: Callable[..., Warehouse]) -> None:
    texts = [*FORMULAS, *PLAIN]
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
        warehouse.execute("create schema focus")
        for mart in MARTS:
            warehouse.execute(f"create table focus.{mart} (Name varchar, Cost decimal(38, 18))")
            warehouse.executemany(f"insert into focus.{mart} values (?, -1)", [[text] for text in texts])
            for name in ("BillingAccountId", "x_BillingAccountId"):
                warehouse.execute(f"alter table focus.{mart} add column {name} varchar")
            for name in ("BillingPeriod", "ContractCommitmentPeriod"):
                for end, year in (("Start", 2026), ("End", 2027)):
                    column = f"{name}{end} timestamp default timestamp '{year}-01-01'"
                    warehouse.execute(f"alter table focus.{mart} add column {column}")
        publish(warehouse, tmp_path, Definitions({f"focus.{mart}": f"focus.{mart}" for mart in MARTS}), "1")
    for escape in (False, True):
        said = json.dumps({"format": "csv", "folder": str(tmp_path), "csv_formula_escape": escape})
        dbt(tmp_path / "warehouse.duckdb", "run-operation", "export", "--args", said)
        for mart in MARTS:
            with (tmp_path / f"{mart}.csv").open(newline="") as lines:
                rows = list(csv.DictReader(lines))
            escaped = {f"'{text}" for text in FORMULAS} | set(PLAIN)
            assert {row["Name"] for row in rows} == (escaped if escape else set(texts))
            assert {row["Cost"] for row in rows} == {"-1.0"}
    request = ExportRequest(*EVER, include_contract_commitments=True, csv_formula_escape=True)
    exported = export(tmp_path, request)
    for mart in MARTS:
        assert (exported / f"{mart}.csv").read_bytes() == (tmp_path / f"{mart}.csv").read_bytes()
