"""Test bill_reference on bills that can be checked by hand."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.end_to_end.bill_reference import bill_of, midnight
from tests.end_to_end.bill_rows import DAY, ESTIMATE, INVOICE, Account, Bill, Commitment, Load, Record

JANUARY = date(2026, 1, 1)


def credits(id: str, amount: str, **terms: object) -> Commitment:
    """Prepaid credits in January for all endpoints."""
    period = {"start": midnight(JANUARY), "end": midnight(date(2026, 2, 1))}
    return Commitment(id, "Spend", "prepaid", Decimal(amount), **(period | terms))


def usage(day: date, cost: str, resource: str = "fal-ai/flux/dev", **fields: object) -> Record:
    """A row of an estimate or an invoice."""
    name = f"{day} {resource} {cost}"
    amounts = {"billed": Decimal(cost), "effective": Decimal(cost)}
    return Record(
        name, "Usage", None, midnight(day), midnight(day + DAY), resource=resource, **(amounts | fields)
    )


def bill(commitments: list[Commitment], days: list[Record], invoice: tuple[Record, ...] = ()) -> Bill:
    """Compute a bill from estimates and an invoice of March, which does not close their months."""
    loads = [Load(ESTIMATE, f"{row.start:%Y-%m-%d}", "1", (row,)) for row in days]
    loads += [Load(INVOICE, "2026-03", "1", invoice)] if invoice else []
    return bill_of(Account("acme", loads, commitments), {}, {}, "day")


def purchase(cost: str, charge_class: str | None = None) -> Record:
    """A Purchase row of INV-1."""
    start, end = midnight(JANUARY), midnight(date(2026, 2, 1))
    name = f"purchase {cost}"
    return Record(name, "Purchase", charge_class, start, end, Decimal(cost), Decimal(0), invoice_id="INV-1")


@pytest.mark.parametrize(
    ("rows", "paid"),
    [([purchase("50")], 150), ([purchase("100"), purchase("-10", "Correction")], 140), ([], 150)],
)
def test_each_purchase_is_paid_once(rows: list[Record], paid: int) -> None:
    both = [credits("a", "100", invoice_id="INV-1"), credits("b", "50", invoice_id="INV-1")]
    lines = bill(both, [usage(JANUARY, "0")], tuple(rows)).lines
    assert sum(line.billed for line in lines if line.category == "Purchase") == paid


@pytest.mark.parametrize(
    ("effective", "billed", "drawn"), [("10", "-5", 10), ("10", "4", 6), ("10", "12", 0)]
)
def test_an_invoice_row_draws_its_unbilled_cost(effective: str, billed: str, drawn: int) -> None:
    row = usage(JANUARY, effective, billed=Decimal(billed))
    burn_down = bill([credits("a", "100")], [], (row,)).burn_down
    assert burn_down[-1].applied_so_far == drawn


def test_a_forecast_is_exact() -> None:
    # 0.03 a day: the remaining 0.33 lasts 11 days
    first = bill([credits("a", "0.36")], [usage(JANUARY, "0.03")]).burn_down[0]
    assert first.runs_out_on == date(2026, 1, 12)


def test_a_give_back_starts_a_new_run() -> None:
    costs = ["10", "-4", "0", "0", "0", "9"]
    days = [usage(JANUARY + timedelta(days=n), cost) for n, cost in enumerate(costs)]
    assert [row.runs_out_on for row in bill([credits("a", "10")], days).burn_down][-1] == date(2026, 1, 6)


@pytest.mark.parametrize(("everything", "flux"), [("a", "b"), ("b", "a")])
def test_usage_that_fewer_credits_cover_is_paid_first(everything: str, flux: str) -> None:
    both = [
        credits(everything, "10"),
        credits(flux, "10", end=midnight(date(2026, 3, 1)), pattern="fal-ai/flux/*"),
    ]
    rows = (usage(JANUARY, "10"), usage(JANUARY, "10", "fal-ai/kling"))
    account = Account("acme", [Load(ESTIMATE, "2026-01-01", "1", rows)], both)
    lines = bill_of(account, {}, {}, "day").lines
    assert [line.billed for line in lines if line.source == ESTIMATE] == [0, 0]
