"""Seeds as spreadsheets save them. tests/preflight tests mistakes in seeds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ONLY_NAMED_TESTS, Warehouse, copy_project

SEEDS = ("fal_accounts", "fal_allocation", "fal_budgets", "fal_contract_commitments", "fal_endpoints")


def test_a_byte_order_mark_and_carriage_returns_do_not_change_a_seed(
    tmp_path: Path, dbt: Callable[..., Warehouse]
) -> None:
    copy_project(tmp_path / "project")
    where = ("seed", "--select", *SEEDS, "--project-dir", str(tmp_path / "project"))
    plain = dbt(tmp_path / "plain.duckdb", *where)
    for seed in SEEDS:
        file = tmp_path / "project" / "seeds" / f"{seed}.csv"
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    spreadsheet = dbt(tmp_path / "spreadsheet.duckdb", *where)
    for seed in SEEDS:
        query = f"from seeds.{seed} order by all"
        assert plain.rows(query)
        assert spreadsheet.rows(query) == plain.rows(query)
        assert spreadsheet.rows(f"describe seeds.{seed}") == plain.rows(f"describe seeds.{seed}")


def test_a_file_without_the_optional_columns_replaces_one_with_them(
    tmp_path: Path, dbt: Callable[..., Warehouse]
) -> None:
    copy_project(tmp_path / "project")
    where = ("seed", "--select", "fal_allocation", "--project-dir", str(tmp_path / "project"))
    built = dbt(tmp_path / "w.duckdb", *where)
    columns = "select column_name, data_type from information_schema.columns order by all"
    before = built.rows(columns)
    assert ("valid_from", "DATE") in before
    (tmp_path / "project" / "seeds" / "fal_allocation.csv").write_text(
        "account,auth_method,tag_key,tag_value\nacme,Key 1,Team,Imaging\n"
    )
    rebuilt = dbt(tmp_path / "w.duckdb", *where)
    assert rebuilt.rows(columns) == before
    added = "select * exclude (account, auth_method, tag_key, tag_value) from seeds.fal_allocation"
    assert rebuilt.rows(added) == [(None,) * 6]
    assert "RuntimeWarning" not in rebuilt.output


def test_a_line_of_the_allocation_that_applies_on_no_day_fails(
    tmp_path: Path, dbt: Callable[..., Warehouse]
) -> None:
    copy_project(tmp_path / "project")
    (tmp_path / "project" / "seeds" / "fal_allocation.csv").write_text(
        "account,auth_method,tag_key,tag_value,valid_from,valid_to\n"
        "acme,Key 1,Team,Imaging,2026-01-06,2026-01-05\n"
        "acme,Key 2,Team,Video,2026-01-05,2026-01-06\n"
    )
    where = ("--project-dir", str(tmp_path / "project"))
    selected = ("--select", "fal_allocation", "allocation_periods_have_days", *ONLY_NAMED_TESTS)
    with pytest.raises(AssertionError, match="FAIL 1 allocation_periods_have_days"):
        dbt(tmp_path / "w.duckdb", "build", *selected, *where)
