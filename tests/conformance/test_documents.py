"""The seeds of FOCUS are consistent, and the documents made from them are current."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conformance.document import DOCUMENTS, document
from tests.conformance.rules import RELATIONS, SCANS, Relation, Rule, read_columns, read_rules, read_seed
from tests.end_to_end.conftest import ROOT

RULES = read_rules()
OLD, NEW = read_rules("1.3"), read_rules("1.4")


def test_every_rule_of_1_3_occurs_once() -> None:
    assert len(OLD) == 933
    assert len({rule.rule_id for rule in OLD}) == 933
    assert sum(rule.rule_type == "Static" for rule in OLD) == 630


def test_every_must_of_1_4_occurs_once() -> None:
    assert len({rule.rule_id for rule in NEW}) == len(NEW)
    assert {rule.keyword for rule in NEW} == {"MUST", "MUST NOT"}
    # a sentence each, and the parts of four JSON schemas
    assert len(NEW) == 1142 + 59


def test_an_id_in_both_versions_is_that_of_the_same_column() -> None:
    entities = {rule.rule_id: (rule.entity_type, rule.column_id) for rule in OLD}
    same = [rule for rule in NEW if rule.rule_id in entities and "Handling" not in rule.rule_id]
    assert [
        rule.rule_id for rule in same if entities[rule.rule_id] != (rule.entity_type, rule.column_id)
    ] == []


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


def test_a_rule_has_a_scan_that_exists() -> None:
    scans = {scan.scan for scan in SCANS.values()} | {"columns"}
    assert {scan for rule in RULES for scan in rule.scans} == scans
    of_1_4 = {"billing_periods", "invoice_details", "scopes"}
    assert {scan for rule in RULES if rule.focus_version == "1.3" for scan in rule.scans} & of_1_4 == set()


def test_only_known_shapes_read_other_rows() -> None:
    """A scan of a month sees the rows of the month alone."""
    macros = ROOT / "macros/conformance"
    code = (macros / "shapes.sql").read_text() + (macros / "element_shapes.sql").read_text()
    other_rows = re.compile(r"scanned\.relation|\bover\b|\bref\(|\bselect\b")
    bodies = re.findall(r"macro focus_shape_(\w+)\(.*?-%\}(.*?)endmacro", code, re.DOTALL)
    reading = {shape for shape, body in bodies if other_rows.search(body)}
    of_seed = {"service_subcategory", "service_pair"}
    charges = (macros / "charges.sql").read_text()
    (shapes,) = re.findall(r"macro focus_shapes_of_several_rows.*?return\((.*?)\)", charges)
    assert reading - of_seed == set(ast.literal_eval(shapes))
    texts = [rule.applies_when + " " + rule.arguments for rule in RULES]
    assert [text for text in texts if re.search(r"\b(over|select|current_\w+|now|var)\b", text, re.I)] == []


def test_composites_are_within_the_depth_that_the_report_supports() -> None:
    report = (ROOT / "models/conformance/conformance_report.sql").read_text()
    depth = int(re.search(r"set depth = (\d+)", report)[1])
    part_of = {(rule.focus_version, rule.rule_id): rule.part_of for rule in RULES}

    def above(version: str, rule_id: str) -> int:
        return 1 + above(version, part_of[version, rule_id]) if part_of[version, rule_id] else 0

    assert max(above(*rule) for rule in part_of) == depth


@pytest.mark.parametrize("relation", RELATIONS.values(), ids=lambda relation: relation.mart)
def test_columns_equal_those_of_the_marts_in_order(relation: Relation) -> None:
    (path,) = (ROOT / "models/marts").glob(f"focus*/{relation.model}.yml")
    (model,) = yaml.safe_load(path.read_text())["models"]
    named = [column["name"] for column in model["columns"] if not column["name"].startswith("x_")]
    seed = sorted(read_columns(relation), key=lambda row: int(row["position"]))
    assert named == [row["column_id"] for row in seed]


@pytest.mark.parametrize("relation", RELATIONS.values(), ids=lambda relation: relation.mart)
def test_every_focus_column_has_rules_and_every_column_rule_has_a_column(relation: Relation) -> None:
    columns = {row["column_id"] for row in read_columns(relation)}
    rules = [rule for rule in read_rules(relation.focus_version) if rule.dataset == relation.dataset]
    rules = [rule for rule in rules if rule.rule_status != "Removed"]
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
