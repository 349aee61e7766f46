"""focus-data-toolkit checks the exports of FOCUS 1.4: each dataset of the sample alone, and all together."""

import csv
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from focus_data_toolkit.model.capabilities import KNOWN_CONDITIONS
from focus_data_toolkit.validate.bundle import validate_dataset_bundle

from tests.end_to_end.conftest import Warehouse, run

TOOLKIT = str(Path(sys.executable).with_name("focus-toolkit"))
DATASETS = {
    "cost-and-usage": "Cost and Usage",
    "contract-commitment": "Contract Commitment",
    "billing-period": "Billing Period",
    "invoice-detail": "Invoice Detail",
}
BUNDLE = "validate-bundle"
VIOLATION = re.compile(r"^  \[[A-Z_]+:(\w+)\] (\S+?)(?: row \d+)?: ", flags=re.MULTILINE)
LISTED_AT_MOST = 50  # violations that focus-toolkit validate prints
# a column of a file, a value that FOCUS refuses, and the rule that the toolkit then reports
DEFECTS = [
    ("cost-and-usage", "BilledCost", "1,5", "bad_numeric_format"),
    ("contract-commitment", "ContractCommitmentLifecycleStatus", "Gone", "not_in_allowed_values"),
    ("billing-period", "BillingPeriodStatus", "", "null_not_allowed"),
    ("invoice-detail", "InvoiceDetailLastUpdated", "2026-10-14", "bad_datetime"),
]


@dataclass(frozen=True)
class Finding:
    """A finding of the toolkit. check: a dataset, or BUNDLE for all of them. column: "-" without one."""

    check: str
    rule: str
    column: str


# each finding on the sample, with the sentence of FOCUS that proves a false alarm, or the row of the provider
# that causes it
KNOWN = {
    Finding(BUNDLE, "FDT-BUNDLE-002", "-"): (
        "No violation: the command compares no sums, because it expects an Invoice Detail that it derived "
        "itself. test_the_lines_of_invoices_add_up_without_tolerance compares them."
    ),
}


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, sample: Warehouse, dbt: Callable[..., Warehouse]
) -> Path:
    """A folder with the four datasets of the sample as CSV."""
    folder = tmp_path_factory.mktemp("exported")
    path = Path(shutil.copy(sample.path, tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb"))
    said = json.dumps({"format": "csv", "folder": str(folder), "version": "1.4"})
    dbt(path, "run-operation", "export", "--args", said)
    return folder


def find_file(folder: Path, dataset: str) -> Path:
    """Return the file of a dataset."""
    return folder / f"{dataset.replace('-', '_')}_1_4.csv"


def read_rows(file: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def validate(file: Path, dataset: str) -> set[Finding]:
    """Run focus-toolkit validate with all conditions that it can check. Return its findings."""
    conditions = [part for name in sorted(KNOWN_CONDITIONS) for part in ("--supports", name)]
    done = run([TOOLKIT, "validate", "--dataset", dataset, *conditions, str(file)])
    found = VIOLATION.findall(done.output)
    assert (done.code, f"{len(found)} violation(s)" in done.output) == ((1, True) if found else (0, False)), (
        done.output
    )
    assert len(found) < LISTED_AT_MOST, "more violations than the command prints"
    return {Finding(dataset, rule, column) for rule, column in found}


def validate_bundle(folder: Path) -> set[Finding]:
    """Run focus-toolkit validate-bundle on the four files of a folder. Return its findings."""
    files = [part for name in DATASETS for part in (f"--{name}", str(find_file(folder, name)))]
    done = run([TOOLKIT, "validate-bundle", "--format", "json", *files])
    report = json.loads(done.output)
    assert done.code == (0 if report["ok"] else 1)
    return {Finding(BUNDLE, found["rule_id"], found.get("column", "-")) for found in report["diagnostics"]}


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_dataset_has_no_findings_but_the_known_ones(exported: Path, dataset: str) -> None:
    known = {finding for finding in KNOWN if finding.check == dataset}
    assert validate(find_file(exported, dataset), dataset) == known


def test_the_bundle_has_no_findings_but_the_known_ones(exported: Path) -> None:
    assert validate_bundle(exported) == {finding for finding in KNOWN if finding.check == BUNDLE}


def test_the_lines_of_invoices_add_up_without_tolerance(exported: Path) -> None:
    bundle = {name: read_rows(find_file(exported, dataset)) for dataset, name in DATASETS.items()}
    report = validate_dataset_bundle(bundle, invoice_detail_authoritative=True, rounding_tolerance=Decimal(0))
    assert "reconcile_invoice_detail" in report.checks_run
    assert report.diagnostics == []


@pytest.mark.parametrize(("dataset", "column", "value", "rule"), DEFECTS)
def test_a_defect_is_found(
    exported: Path, tmp_path: Path, dataset: str, column: str, value: str, rule: str
) -> None:
    rows = read_rows(find_file(exported, dataset))[:1]
    file = tmp_path / "defect.csv"
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerow(rows[0] | {column: value})
    assert Finding(dataset, rule, column) in validate(file, dataset)


def test_a_reference_to_a_missing_line_is_found(exported: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "broken"))
    file = find_file(folder, "invoice-detail")
    header, line, *_ = file.read_text().splitlines()
    file.write_text(f"{header}\n{line}\n")
    assert Finding(BUNDLE, "FDT-CROSS-014", "InvoiceDetailId") in validate_bundle(folder)
