"""Functions stay short enough to do one thing."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "benchmarks", "dbt_fal_focus", "loaders", "publishing", "report")
MOST_LINES = 40


def test_no_function_has_more_than_40_lines() -> None:
    too_long = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MOST_LINES
    ]
    assert too_long == []
