"""`make bench` compares with the ratios that benchmarks/README.md contains."""

import pytest

from benchmarks.__main__ import FACTOR, HEAD, README, SHORT, Row, compare, read_rows, replace_rows

ROWS = [
    Row("load: CPU of a ÷ that of b", 1.13, 1.2, "7558ff3, 2 × CPU"),
    Row("soak: memory ÷ memory", 0.981, 1.3, "7558ff3, 2 × CPU"),
]


def test_every_row_in_the_readme_belongs_to_a_benchmark() -> None:
    text = README.read_text()
    assert HEAD in text
    assert {row.benchmark for row in read_rows(text)} <= set(SHORT)


def test_rows_are_read_as_they_are_written_and_the_text_around_them_stays() -> None:
    text = f"# Benchmarks\n\n{HEAD}\n## Rest\n\n| a | b |\n"
    written = replace_rows(text, ROWS)
    assert read_rows(written) == ROWS
    assert replace_rows(written, []) == text
    assert replace_rows(written, ROWS) == written


@pytest.mark.parametrize(
    ("value", "good"), [(1.13, True), (1.35, True), (1.37, False), (0.95, True), (0.9, False)]
)
def test_a_ratio_beyond_its_factor_is_marked(
    value: float, good: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(ROWS[:1], {ROWS[0].name: value}, {}) == good
    assert ("OFF" in capsys.readouterr().out) != good


def test_a_ratio_without_a_row_is_marked_and_one_that_is_not_measured_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not compare([], {"load: new": 1.0}, {})
    assert "NOT in the README" in capsys.readouterr().out
    assert compare(ROWS, {ROWS[0].name: 1.13}, {"soak": "needs time"})
    assert "not measured: needs time" in capsys.readouterr().out
    assert FACTOR > 1
