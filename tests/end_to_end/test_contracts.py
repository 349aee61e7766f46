"""An invalid contract fails the build with the row, the reason and what to do."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, copy_project, run
from tests.end_to_end.dbt_processes import DBT

GOOD = {
    "contract_id": "k",
    "contract_commitment_id": "credits",
    "contract_commitment_type": "Prepaid credits",
    "contract_commitment_category": "Spend",
    "contract_commitment_cost": "100",
    "contract_commitment_period_start": "2026-01-01",
    "contract_commitment_period_end": "2027-01-01",
    "contract_period_start": "2026-01-01",
    "contract_period_end": "2027-01-01",
    "account": "acme",
    "payment": "prepaid",
}
BAD = {
    "nobody": {"account": "nobody"},
    "backwards": {"contract_commitment_period_end": "2025-12-31"},
    "beyond its contract": {"contract_period_end": "2026-06-01"},
    "no dates": {"contract_commitment_period_start": "soon"},
    "free": {"contract_commitment_cost": ""},
    "no quantity": {"contract_commitment_category": "Usage", "payment": "in_arrears"},
    "prepaid seconds": {
        "contract_commitment_category": "Usage",
        "contract_commitment_quantity": "10",
        "contract_commitment_unit": "Seconds",
    },
    "endless": {"contract_commitment_cost": "1000000000000000"},
    "bargain": {"purchase_cost": "90"},
    "in euro": {"billing_currency": "EUR"},
    "paid how": {"payment": "Prepaid"},
    "opened when": {"opening_balance": "50"},
    "opened late": {"opening_balance": "50", "opening_balance_date": "2027-06-01"},
    "overfull": {"opening_balance": "150", "opening_balance_date": "2026-06-01"},
}
SAYS = {
    "nobody": "its account is not in seeds/fal_accounts.csv",
    "backwards": "it ends before it starts",
    "beyond its contract": "it is not within the period of its contract",
    "no dates": "its period is not two dates",
    "free": "it is a Spend commitment without a cost",
    "no quantity": "it is a Usage commitment without a quantity and unit",
    "prepaid seconds": "it is prepaid in units",
    "endless": "it commits to 10^15 or more",
    "bargain": "it was bought at another price than its face",
    "in euro": "its currency is not USD",
    "paid how": "its payment is neither prepaid nor in_arrears",
    "opened when": "it has an opening balance without its date",
    "opened late": "its opening balance is of a day outside its period",
    "overfull": "its opening balance is not between 0 and what was committed",
    "twice": "its contract_commitment_id is used more than once",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose seeds can be replaced."""
    copy = tmp_path_factory.mktemp("contracts") / "project"
    copy_project(copy)
    return copy


def dbt_test(project: Path, contracts: list[dict[str, str]]) -> tuple[int, str]:
    """Run dbt test with these contracts; return its output and exit code."""
    seed = project / "seeds" / "fal_contract_commitments.csv"
    header = (ROOT / "seeds" / "fal_contract_commitments.csv").read_text().splitlines()[0]
    rows = [",".join(row.get(name, "") for name in header.split(",")) for row in contracts]
    seed.write_text("\n".join([header, *rows, ""]))
    # all tests run, even if another one fails
    where = ["--project-dir", str(project), "--profiles-dir", str(project)]
    warehouse = {"FAL_WAREHOUSE": str(project / "w.duckdb"), "FAL_LANDING_DIR": str(project / "none")}
    seeded = run([DBT, "seed", "--select", "fal_contract_commitments", "fal_accounts", *where], **warehouse)
    assert seeded.code == 0, seeded.output
    done = run([DBT, "test", "--select", "contracts_can_be_drawn_down", *where], **warehouse)
    return done.code, done.output


@pytest.mark.parametrize("several", [list(BAD)[n : n + 4] for n in range(0, len(BAD), 4)])
def test_an_invalid_contract_is_reported_with_the_remedy(project: Path, several: list[str]) -> None:
    code, output = dbt_test(
        project, [GOOD | {"contract_commitment_id": name} | BAD[name] for name in several]
    )
    assert code != 0
    for name in several:
        assert f"contract_commitment_id {name} · " in output
        assert SAYS[name] in output


def test_a_repeated_contract_is_found_and_a_valid_one_passes(project: Path) -> None:
    code, output = dbt_test(project, [GOOD | {"contract_commitment_id": "twice"}] * 2)
    assert code != 0
    assert SAYS["twice"] in output
    assert dbt_test(project, [GOOD])[0] == 0
