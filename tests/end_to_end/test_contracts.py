"""An invalid contract fails the build with the row, the reason and what to do."""

from collections.abc import Callable
from itertools import chain
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
# terms of FOCUS 1.4, which are optional columns
BAD_TERMS = {
    "bonus": {"contract_commitment_benefit_category": "Bonus"},
    "yearly": {"contract_commitment_fulfillment_interval": "Yearly"},
    "in words": {"contract_commitment_duration_type": "a year"},
    "agreed when": {"contract_commitment_created": "in spring"},
    "edited when": {"contract_commitment_last_updated": "yesterday"},
    "percent": {"contract_commitment_discount_percentage": "20"},
    "how much": {"contract_commitment_benefit_category": "Discount"},
    "continuous": {"contract_commitment_model": "Continuous"},
    "in parts": {"contract_commitment_payment_interval": "Monthly"},
    "later": {"contract_commitment_payment_model": "No Upfront"},
    "half": {"contract_commitment_payment_upfront_percentage": "0.5"},
    "which part": {"payment": "in_arrears", "contract_commitment_payment_model": "Partial Upfront"},
    "itself": {"superseded_by": "itself"},
    "by none": {"superseded_by": "another"},
    "overlap": {"superseded_by": "half"},
}
SAYS_OF_TERMS = {
    "bonus": "its contract_commitment_benefit_category is Bonus: choose Discount, Entitlement,",
    "yearly": "its contract_commitment_fulfillment_interval is Yearly: choose Hourly, ",
    "in words": "its contract_commitment_duration_type is no number and unit: write it like 1 Year",
    "agreed when": "its contract_commitment_created is not a date: write it as YYYY-MM-DD",
    "edited when": "its contract_commitment_last_updated is not a date: write it as YYYY-MM-DD",
    "percent": "its contract_commitment_discount_percentage is not from 0 to 1: write 20 % as 0.2",
    "how much": "its benefit is a discount: fill in contract_commitment_discount_percentage",
    "continuous": "its model is Continuous: choose a contract_commitment_fulfillment_interval other than",
    "in parts": "all of it is paid upfront: make contract_commitment_payment_interval One-Time",
    "later": "it is prepaid: make contract_commitment_payment_model All Upfront, or payment in_arrears",
    "half": "all of it is paid upfront: make contract_commitment_payment_upfront_percentage 1 or empty",
    "which part": "a part of it is paid upfront: fill in contract_commitment_payment_upfront_percentage",
    "itself": "it is superseded by itself: enter the contract_commitment_id of another commitment",
    "by none": "its superseded_by is no contract_commitment_id of its account: correct it",
    "overlap": "it ends after the commitment that supersedes it begins: end it on 2026-01-01",
}
GOOD_TERMS = {
    "contract_commitment_id": "next",
    "payment": "in_arrears",
    "contract_commitment_benefit_category": "Discount",
    "contract_commitment_created": "2025-12-24T12:00:00Z",
    "contract_commitment_discount_percentage": "0.2",
    "contract_commitment_duration_type": "6 Months",
    "contract_commitment_fulfillment_interval": "Monthly",
    "contract_commitment_last_updated": "2026-03-05",
    "contract_commitment_model": "Continuous",
    "contract_commitment_offer_category": "Negotiated",
    "contract_commitment_payment_interval": "Quarterly",
    "contract_commitment_payment_model": "Partial Upfront",
    "contract_commitment_payment_upfront_percentage": "0.25",
}


SEEDS = ("fal_contract_commitments", "fal_accounts")
TESTS = ("contracts_can_be_drawn_down", "contracts_follow_focus_1_4")
SELECTED = ("--select", *SEEDS, *TESTS, *ONLY_NAMED_TESTS)


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
        columns = list(dict.fromkeys(chain(header.split(","), *contracts)))
        rows = [",".join(row.get(name, "") for name in columns) for row in contracts]
        lines = "\n".join([",".join(columns), *rows, ""])
        (project / "seeds" / "fal_contract_commitments.csv").write_text(lines)
        return dbt_attempt(project / "w.duckdb", "build", *SELECTED, "--project-dir", str(project))

    return build


@pytest.fixture(scope="module")
def refused(check: Callable[..., Warehouse]) -> Warehouse:
    """Each invalid contract, and one that is repeated."""
    bad = BAD | BAD_TERMS
    ids = [*bad, "twice", "twice"]
    return check(*(GOOD | {"contract_commitment_id": name} | bad.get(name, {}) for name in ids))


@pytest.mark.parametrize("name", SAYS)
def test_an_invalid_contract_is_reported_with_the_remedy(refused: Warehouse, name: str) -> None:
    assert refused.code == 1
    lines = [line for line in refused.output.splitlines() if f"contract_commitment_id {name} · " in line]
    assert [line for line in lines if SAYS[name] in line], refused.output


def test_a_valid_contract_passes(check: Callable[..., Warehouse]) -> None:
    built = check(GOOD)
    assert built.code == 0, built.output


@pytest.mark.parametrize("name", SAYS_OF_TERMS)
def test_each_invalid_term_of_focus_1_4_is_reported_with_the_remedy(refused: Warehouse, name: str) -> None:
    finding = SAYS_OF_TERMS[name]
    assert f"contract_commitment_id {name} · account acme · finding {finding}" in refused.output


def test_valid_terms_of_focus_1_4_and_a_succession_pass(check: Callable[..., Warehouse]) -> None:
    first = GOOD | {"contract_commitment_period_end": "2026-07-01", "superseded_by": "next"}
    succession = GOOD | GOOD_TERMS | {"contract_commitment_period_start": "2026-07-01"}
    built = check(first, succession)
    assert built.code == 0, built.output
