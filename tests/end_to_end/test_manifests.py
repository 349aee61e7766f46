"""A build reads only files of a load, and escapes landed text that it prints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.end_to_end.conftest import Warehouse
from tests.end_to_end.landing_zone import event, page, write_events, write_report

Dbt = Callable[..., Warehouse]
OLD, NEW = "20260106T000000000000Z-aaaaaa", "20260107T000000000000Z-bbbbbb"


@pytest.fixture(scope="module")
def dbt(dbt_attempt: Dbt) -> Dbt:
    """Run dbt, which may fail, on the landing zone in a folder."""

    def run_dbt(folder: Path, *arguments: str) -> Warehouse:
        warehouse = folder / "warehouse.duckdb"
        return dbt_attempt(warehouse, "--quiet", *arguments, FAL_LANDING_DIR=folder / "landing")

    return run_dbt


def change(load: Path, **values: Any) -> None:  # noqa: ANN401
    """Replace values of a manifest."""
    file = load / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values) + "\n")


def with_first_file(load: Path, name: str) -> list[dict[str, Any]]:
    """Return the pages of a manifest with another name for the first file."""
    first, *others = json.loads((load / "manifest.json").read_text())["pages"]
    return [first | {"file": name}, *others]


def test_a_manifest_that_names_a_file_elsewhere_ends_the_build(tmp_path: Path, dbt: Dbt) -> None:
    (tmp_path / "secret.txt").write_text("password: hunter2")
    landing = tmp_path / "landing"
    write_events(landing, "acme", "2026-01-05", [page(event("r1"))], OLD)
    load = write_events(landing, "acme", "2026-01-05", [page(event("r1"), event("r2"))], NEW)
    change(load, pages=with_first_file(load, "../../../../../secret.txt"))
    done = dbt(tmp_path, "build")
    assert done.code == 1
    assert (
        f"the manifest {load}/manifest.json does not agree with its folder or with what a loader writes"
        " (file): python -m loaders verify finds it and prints how to load it again"
    ) in done.output
    assert "hunter2" not in done.output
    assert not (tmp_path / "warehouse.published").exists()
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as warehouse:
        tables = {name for _, name, *_ in warehouse.execute("show all tables").fetchall()}
        assert not tables & {"cost_and_usage", "stg_fal__landed_files", "base_fal__typed_billing_events"}


@pytest.mark.parametrize(
    ("values", "misfit"),
    [
        ({"account": "bolt"}, "account"),
        ({"pages": []}, "file"),
        ({"pages": None}, "file"),
        ({"pages": [{"file": "report.csv.gz", "rows": 1, "bytes": 9}] * 2}, "file"),
    ],
)
def test_a_manifest_of_another_load_or_without_files_ends_the_build(
    tmp_path: Path, dbt: Dbt, values: dict[str, Any], misfit: str
) -> None:
    csv = b"BilledCost,ChargeCategory,ChargePeriodStart\n1,Usage,2026-01-05\n"
    load = write_report(tmp_path / "landing", "acme", "invoice", "2026-02", csv, 1, NEW)
    change(load, **values)
    done = dbt(tmp_path, "run", "--select", "+stg_fal__landed_files")
    assert done.code == 1
    assert f"{load}/manifest.json does not agree with its folder or with what a loader writes ({misfit})" in (
        done.output
    )


def test_quarantined_text_is_printed_short_and_without_control_characters(tmp_path: Path, dbt: Dbt) -> None:
    hostile = "\x9b2J\u202etxt.exe\u2028é" + "A" * 5000
    odd = event("r1", output_units=f'"{hostile}"')
    write_events(tmp_path / "landing", "acme", "2026-01-05", [page(odd)], NEW)
    cut = b'{"billing_events": [\x1b[31m\n\x7f' + b"B" * 5000
    write_events(tmp_path / "landing", "acme", "2026-01-06", [(cut, 1)], NEW)
    only = ("--indirect-selection", "cautious", "--exclude-resource-type", "unit_test")
    done = dbt(tmp_path, "build", "--select", "+stg_fal__billing_events_quarantine", *only)
    assert done.code == 0, done.output
    assert "quarantine_reason output_units is not a number" in done.output
    assert r"\x9b2J\u202etxt.exe\u2028é" in done.output and r"\x7fBBB" in done.output
    assert all(line.isprintable() for line in done.output.split("\n"))
    assert "A" * 200 not in done.output and "B" * 200 not in done.output
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as warehouse:
        query = "select raw_event from staging.stg_fal__billing_events_quarantine where landed_date = $day"
        ((raw,),) = warehouse.execute(query, {"day": "2026-01-05"}).fetchall()
    assert hostile in raw, "the quarantine has the whole text, unaltered"
