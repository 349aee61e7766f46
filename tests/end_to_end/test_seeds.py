"""Seeds as spreadsheets save them. tests/preflight tests mistakes in seeds."""

from collections.abc import Callable
from pathlib import Path

from tests.end_to_end.conftest import Warehouse, copy_project

SEEDS = ("fal_accounts", "fal_allocation", "fal_contract_commitments", "fal_endpoints")


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
