"""The seeds of FOCUS are consistent, and the documents made from them are current."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conformance.document import DOCUMENTS, document
from tests.conformance.rules import Rule, read_columns, read_rules, read_seed
from tests.end_to_end.conftest import ROOT

RULES = read_rules()
MARTS = {"CostAndUsage": "cost_and_usage", "ContractCommitment": "contract_commitment"}


def test_every_rule_occurs_once() -> None:
    assert len(RULES) == 933
    assert len({rule.rule_id for rule in RULES}) == 933
    assert sum(rule.rule_type == "Static" for rule in RULES) == 630


def test_every_active_static_must_is_checked() -> None:
    unchecked = [
        rule.rule_id
        for rule in RULES
        if rule.rule_type == "Static"
        and rule.rule_status != "Removed"
        and rule.shape != "all_of"
        and rule.keyword != "MAY"
        and not rule.scan
    ]
    assert unchecked == []


def test_a_rule_has_a_check_or_a_reason_for_its_absence() -> None:
    def is_told(rule: Rule) -> bool:
        return (
            rule.text.endswith(".")
            and (rule.answer == "checked") == bool(rule.scan)
            and (rule.answer not in ("met", "not met", "does not arise", "provider") or bool(rule.why))
            and (rule.rule_status == "Removed") == (rule.answer == "inactive")
        )

    assert [rule.rule_id for rule in RULES if not is_told(rule)] == []


def test_composites_are_within_the_depth_that_the_report_supports() -> None:
    report = (ROOT / "models/conformance/conformance_report.sql").read_text()
    depth = int(re.search(r"set depth = (\d+)", report)[1])
    part_of = {rule.rule_id: rule.part_of for rule in RULES}

    def above(rule_id: str) -> int:
        return 1 + above(part_of[rule_id]) if part_of[rule_id] else 0

    assert max(map(above, part_of)) == depth


@pytest.mark.parametrize(
    ("focus_version", "dataset", "mart"),
    [
        *(("1.3", dataset, f"focus/{mart}") for dataset, mart in MARTS.items()),
        ("1.4", "CostAndUsage", "focus_1_4/focus_1_4__cost_and_usage"),
        ("1.4", "ContractCommitment", "focus_1_4/focus_1_4__contract_commitment"),
        ("1.4", "BillingPeriod", "focus_1_4/focus_1_4__billing_period"),
        ("1.4", "InvoiceDetail", "focus_1_4/focus_1_4__invoice_detail"),
    ],
)
def test_columns_equal_those_of_the_marts_in_order(focus_version: str, dataset: str, mart: str) -> None:
    (model,) = yaml.safe_load((ROOT / f"models/marts/{mart}.yml").read_text())["models"]
    named = [column["name"] for column in model["columns"] if not column["name"].startswith("x_")]
    seed = [row for row in read_columns(focus_version) if row["dataset"] == dataset]
    assert named == [row["column_id"] for row in sorted(seed, key=lambda row: int(row["position"]))]


def test_every_focus_column_has_rules_and_every_column_rule_has_a_column() -> None:
    for dataset in MARTS:
        columns = {row["column_id"] for row in read_columns() if row["dataset"] == dataset}
        rules = [rule for rule in RULES if rule.dataset == dataset and rule.rule_status != "Removed"]
        assert {rule.column_id for rule in rules if rule.column_id} == columns
        assert all(rule.column_id for rule in rules if rule.entity_type in ("column", "object"))


def test_a_display_name_is_the_column_id_with_spaces() -> None:
    for row in read_seed("focus_columns"):
        assert row["display_name"].replace(" ", "").lower() == row["column_id"].lower()


def test_the_version_equals_the_package_version() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
    assert project["vars"]["fal_focus_version"] == project["version"] == package["version"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_tables_of_the_documents_equal_the_seed(path: Path) -> None:
    assert path.read_text() == document(path), "run python -m tests.conformance.document"
