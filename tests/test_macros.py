"""Rules for macros that sqlfluff cannot check, because its dbt templater skips macro files."""

import re
from pathlib import Path

import pytest
from sqlfluff.core import FluffConfig
from sqlfluff.core.dialects import dialect_selector

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("macros/**/*.sql"), *ROOT.glob("tests/generic/*.sql")])
CONFIG = FluffConfig.from_path(str(ROOT))
QUERIES = 10
LINES = 250

MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)")
COMMENTED_MACRO = re.compile(
    r"(?P<comment>(?:\{#(?:(?!#\}).)*#\}\s*)*)\{%-?\s*macro\s+(?P<name>\w+)(?P<body>.*?)endmacro", re.S
)
COMMENT = re.compile(r"\{#.*?#\}|--[^\n]*", re.S)
TEXT = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
# called by dbt, or looked up by the shape of a rule
CALLED_BY_NAME = re.compile(r"focus_shape_\w+|focus_value_is_\w+|dbt_spark_\w+")
OVERRIDES = {"generate_schema_name", "should_full_refresh", "get_incremental_parts_sql"}
OPERATIONS = {"export", "show_bill", "show_conformance"}
SPARK_OVERRIDES = {"load_csv_rows", "escape_single_quotes", "partition_cols"}


def keywords() -> set[str]:
    """The keywords of the dialect in .sqlfluff."""
    dialect = dialect_selector(CONFIG.get("dialect"))
    return set(dialect.sets("reserved_keywords")) | set(dialect.sets("unreserved_keywords"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_macros_have_short_lines_short_files_and_lower_case_keywords(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert len(lines) <= LINES
    assert [line for line in lines if len(line) > CONFIG.get("max_line_length")] == []
    code = TEXT.sub("''", COMMENT.sub("", file.read_text()))
    words = re.findall(r"(?<![\w.])[A-Z][A-Z_]+(?!\w)", code)
    assert [word for word in words if word in keywords()] == []


def test_few_macros_run_a_query_and_each_has_a_comment_with_the_reason() -> None:
    sites = [
        (match["name"], "Quer" in match["comment"])
        for file in FILES
        for match in COMMENTED_MACRO.finditer(file.read_text())
        for _ in re.findall(r"\brun_query\(|call statement", COMMENT.sub("", match["body"]))
    ]
    assert len(sites) <= QUERIES
    assert [name for name, has_reason in sites if not has_reason] == []


def test_every_macro_is_used() -> None:
    folders = ("macros", "models", "tests/integrity", "tests/generic")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.sql")]
    code = "\n".join(COMMENT.sub("", file.read_text()) for file in [*files, ROOT / "dbt_project.yml"])
    names = {re.sub("^(duckdb|spark|default)__", "", name) for name in MACRO.findall(code)}
    called = set(re.findall(r"(?<!macro )(?<!__)\b(\w+)\b(?=\(|')", code))
    unused = names - called - OVERRIDES - OPERATIONS - SPARK_OVERRIDES
    assert {name for name in unused if not CALLED_BY_NAME.fullmatch(name)} == set()
