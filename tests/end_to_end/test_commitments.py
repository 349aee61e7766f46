"""Properties of the drawdown, on random charges and commitments."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.end_to_end.commitment_worlds import (
    DAYS,
    FIRST_DAY,
    ZERO,
    Charge,
    Commitment,
    Drawdown,
    expected,
    random_account,
    write_warehouse,
)
from tests.end_to_end.conftest import Warehouse

ACCOUNTS = 150
MODELS = [
    "int_commitments__terms",
    "int_commitments__scopes",
    "int_accounts__as_of",
    "int_usage__ordered",
    "int_usage__prepaid",
    "int_usage__in_arrears",
    "int_usage__commitments_applied",
    "int_commitments__by_day",
    "int_commitments__purchases",
    "int_charges__from_commitments",
]


@dataclass(frozen=True)
class Worlds:
    """Many independent accounts, and the warehouse built from them."""

    charges: dict[str, Charge]
    commitments: dict[str, Commitment]
    expected: Drawdown
    applied: dict[tuple[str, str], Decimal]
    warehouse: Warehouse


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, dbt_run: Callable[..., Warehouse]) -> Worlds:
    """150 accounts in one run of the models."""
    drawn = [random_account(f"world {number}", f"a{number:03}") for number in range(ACCOUNTS)]
    charges = [charge for some, _ in drawn for charge in some]
    commitments = [commitment for _, some in drawn for commitment in some]
    path = tmp_path_factory.mktemp("worlds") / "warehouse.duckdb"
    write_warehouse(path, charges, commitments)
    warehouse = dbt_run(path, MODELS)
    rules: dict[tuple[str, str], Decimal] = {}
    for some_charges, some_commitments in drawn:
        rules |= expected(some_charges, some_commitments).applied
    return Worlds(
        {charge.id: charge for charge in charges},
        {commitment.id: commitment for commitment in commitments},
        Drawdown(rules),
        applied_in(warehouse),
        warehouse,
    )


def applied_in(warehouse: Warehouse) -> dict[tuple[str, str], Decimal]:
    """Amounts that the models applied, in the unit of each commitment."""
    return {
        (charge, commitment): amount
        for charge, commitment, amount in warehouse.rows(
            "select charge_id, contract_commitment_id, applied_quantity"
            " from intermediate.int_usage__commitments_applied"
        )
    }


def test_applied_amounts_follow_the_rules_charge_by_charge(worlds: Worlds) -> None:
    assert worlds.applied == worlds.expected.applied
    assert len(worlds.applied) > 5 * ACCOUNTS


def test_nothing_is_applied_beyond_an_amount_outside_a_period_or_a_scope(worlds: Worlds) -> None:
    totals = dict.fromkeys(worlds.commitments, ZERO)
    for (charge_id, commitment_id), amount in worlds.applied.items():
        charge, commitment = worlds.charges[charge_id], worlds.commitments[commitment_id]
        assert commitment.covers(charge)
        assert commitment.start <= charge.day < commitment.end
        totals[commitment_id] += amount
    assert all(ZERO <= total <= worlds.commitments[id].drawable for id, total in totals.items())
    assert any(total == worlds.commitments[id].drawable for id, total in totals.items())


def test_prepaid_parts_of_a_charge_never_exceed_it(worlds: Worlds) -> None:
    paid = dict.fromkeys(worlds.charges, ZERO)
    for (charge_id, commitment_id), amount in worlds.applied.items():
        if worlds.commitments[commitment_id].payment == "prepaid":
            paid[charge_id] += amount
    for charge_id, amount in paid.items():
        cost = worlds.charges[charge_id].prepayable
        assert min(cost, ZERO) <= amount <= max(cost, ZERO)
    assert sum(amount < 0 for amount in paid.values()) > 50, "no correction gave anything back"


def test_the_paid_amount_equals_the_applied_and_the_expired_amounts(worlds: Worlds) -> None:
    expired = dict(
        worlds.warehouse.rows(
            "select ResourceId, EffectiveCost from intermediate.int_charges__from_commitments"
            " where ChargeCategory = 'Usage'"
        )
    )
    ended = [
        commitment
        for commitment in worlds.commitments.values()
        if commitment.payment == "prepaid" and (commitment.end - FIRST_DAY).days <= DAYS
    ]
    assert len(ended) > 50
    for commitment in ended:
        applied = worlds.expected.of(commitment.id)
        assert applied + expired.get(commitment.id, ZERO) == commitment.drawable
    assert set(expired) <= {commitment.id for commitment in ended}


def test_the_order_of_rows_changes_nothing(
    worlds: Worlds, tmp_path: Path, dbt_run: Callable[..., Warehouse]
) -> None:
    draw = random.Random(1)
    charges, commitments = list(worlds.charges.values()), list(worlds.commitments.values())
    draw.shuffle(charges)
    draw.shuffle(commitments)
    write_warehouse(tmp_path / "warehouse.duckdb", charges, commitments)
    again = dbt_run(tmp_path / "warehouse.duckdb", MODELS)
    assert applied_in(again) == worlds.applied
