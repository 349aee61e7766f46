"""An invalid contract fails the build with the row, the reason and what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ONLY_NAMED_TESTS, ROOT, Warehouse, copy_project

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


SEEDS = ("fal_contract_commitments", "fal_accounts")
SELECTED = ("--select", *SEEDS, "contracts_can_be_drawn_down", *ONLY_NAMED_TESTS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose seeds can be replaced."""
    copy = tmp_path_factory.mktemp("contracts") / "project"
    copy_project(copy)
    return copy


@pytest.fixture(scope="module")
def check(project: Path, dbt_attempt: Callable[..., Warehouse]) -> Callable[..., Warehouse]:
    """Load and test these contracts, by id; they may be invalid."""

    def build(*contracts: dict[str, str]) -> Warehouse:
        header = (ROOT / "seeds" / "fal_contract_commitments.csv").read_text().splitlines()[0]
        rows = [",".join(row.get(name, "") for name in header.split(",")) for row in contracts]
        (project / "seeds" / "fal_contract_commitments.csv").write_text("\n".join([header, *rows, ""]))
        return dbt_attempt(project / "w.duckdb", "build", *SELECTED, "--project-dir", str(project))

    return build


@pytest.fixture(scope="module")
def refused(check: Callable[..., Warehouse]) -> Warehouse:
    """Each invalid contract, and one that is repeated."""
    ids = [*BAD, "twice", "twice"]
    return check(*(GOOD | {"contract_commitment_id": name} | BAD.get(name, {}) for name in ids))


@pytest.mark.parametrize("name", SAYS)
def test_an_invalid_contract_is_reported_with_the_remedy(refused: Warehouse, name: str) -> None:
    assert refused.code == 1
    lines = [line for line in refused.output.splitlines() if f"contract_commitment_id {name} · " in line]
    assert [line for line in lines if SAYS[name] in line], refused.output


def test_a_valid_contract_passes(check: Callable[..., Warehouse]) -> None:
    built = check(GOOD)
    assert built.code == 0, built.output
