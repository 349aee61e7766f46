"""Owners, teams, names and fal's balance, from landed files to the marts."""

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ONLY_NAMED_TESTS, Warehouse, copy_project
from tests.end_to_end.landing_zone import (
    event,
    json_object,
    list_page,
    page,
    write_events,
    write_report,
    write_snapshot,
)

FIRST_DAY, SECOND_DAY = "2026-01-05", "2026-01-06"
ALLOCATION = """account,auth_method,tag_key,tag_value,key_alias,login_username,team,valid_from,valid_to
acme,,Team,Imaging,Key 1,,,,
acme,,Team,People,,*@acme.example,,,
acme,,Team,Video,,,Vid*,2026-01-06,
"""
SELECTED = (
    *("--select", "+cost_and_usage", "+commitment_summary", "+conformance_report"),
    *("+warn_usage_has_an_owner", "+warn_credit_agrees_with_fal", *ONLY_NAMED_TESTS),
)
CREDIT = {
    "contract_id": "credits",
    "contract_commitment_id": "credit",
    "contract_commitment_category": "Spend",
    "contract_commitment_cost": "10",
    "contract_commitment_period_start": FIRST_DAY,
    "contract_commitment_period_end": "2027-01-05",
    "contract_period_start": FIRST_DAY,
    "contract_period_end": "2027-01-05",
    "contract_commitment_type": "Prepaid credits",
    "contract_commitment_description": "Credits of 10 USD",
    "account": "acme",
    "payment": "prepaid",
}


def call(request: str, day: str, **caller: str | None) -> str:
    """Write an event of 1 USD on a day. caller: fields of auth_method_structured."""
    label = caller.pop("detail", None)
    return event(
        request,
        endpoint_id='"fal-ai/new"',
        timestamp=json.dumps(f"{day}T12:00:00Z"),
        unit_price="1",
        output_units="1",
        percent_discount="0",
        cost_estimate_nano_usd="1000000000",
        auth_method=json.dumps(label),
        auth_method_structured=json.dumps({"detail": label or "", **caller}),
    )


def write_landing(landing: Path) -> None:
    """Land two days of an account and of a team, an estimate of the day before, and snapshots."""
    for day, label in ((FIRST_DAY, "Key 1"), (SECOND_DAY, "prod")):
        calls = (
            call(f"key {day}", day, detail=label, api_key_id="k1"),
            call(f"login {day}", day, login_username="ada@acme.example"),
            call(f"other {day}", day, detail="Key 9", api_key_id="k9"),
        )
        write_events(landing, "acme", day, [page(*calls)])
        write_events(landing, "acme", day, [page(call(f"team {day}", day))], team="acme-video")
        model = {"display_name": json.dumps(f"Name of {day}"), "category": '"x"', "status": '"active"'}
        models = json_object(endpoint_id='"fal-ai/new"', metadata=json_object(**model))
        write_snapshot(landing, "acme", "models", day, [list_page("models", models)])
    price = json_object(endpoint_id='"fal-ai/new"', unit='"image"', unit_price="1", currency='"USD"')
    write_snapshot(landing, "acme", "pricing", SECOND_DAY, [list_page("prices", price)])
    team = json_object(username='"acme-video"', name='"Video"', is_org_root="false")
    write_snapshot(landing, "acme", "teams", SECOND_DAY, [list_page("teams", team)])
    balance = b'{"username": "acme", "credits": {"current_balance": 7.5, "currency": "USD"}}'
    write_snapshot(landing, "acme", "balance", SECOND_DAY, [(balance, 1)])
    report = (
        "BilledCost,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,SubAccountId,SubAccountName\n"
        "2,Usage,2026-01-04T00:00:00Z,2026-01-05T00:00:00Z,cus-1,Video\n"
    )
    write_report(landing, "acme", "estimate", "2026-01-04", report.encode(), 1)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, dbt: Callable[..., Warehouse]) -> Warehouse:
    """The landing zone, built with an allocation that has some of the optional columns."""
    folder = tmp_path_factory.mktemp("owners")
    write_landing(folder / "landing")
    copy_project(folder / "project")
    seeds = folder / "project" / "seeds"
    (seeds / "fal_allocation.csv").write_text(ALLOCATION)
    commitments = seeds / "fal_contract_commitments.csv"
    header = commitments.read_text().splitlines()[0]
    commitments.write_text(f"{header}\n{','.join(CREDIT.get(name, '') for name in header.split(','))}\n")
    arguments = ("build", *SELECTED, "--project-dir", str(folder / "project"))
    return dbt(folder / "warehouse.duckdb", *arguments, FAL_LANDING_DIR=folder / "landing")


def test_each_charge_has_the_owner_of_its_caller_on_its_day(warehouse: Warehouse) -> None:
    owners = warehouse.rows(
        "select coalesce(x_AuthMethod, x_LoginUsername, SubAccountName), ChargePeriodStart::date, Tags"
        " from focus.cost_and_usage where x_ChargeSource = 'billing_events' order by all"
    )
    assert owners == [
        ("Key 1", date(2026, 1, 5), '{"Team":"Imaging"}'),
        ("Key 9", date(2026, 1, 5), None),
        ("Key 9", date(2026, 1, 6), None),
        ("Video", date(2026, 1, 5), None),
        ("Video", date(2026, 1, 6), '{"Team":"Video"}'),
        ("ada@acme.example", date(2026, 1, 5), '{"Team":"People"}'),
        ("ada@acme.example", date(2026, 1, 6), '{"Team":"People"}'),
        ("prod", date(2026, 1, 6), '{"Team":"Imaging"}'),
    ]


def test_usage_without_an_owner_is_a_warning_with_its_amount(warehouse: Warehouse) -> None:
    _, _, warning = warehouse.output.partition("warn warn_usage_has_an_owner: 1 row\n")
    first_line = warning.splitlines()[0].strip()
    assert first_line.startswith("account acme · untagged_usd 3 · of_which_usd_by_one_caller 2 · ")
    assert first_line.endswith(" · auth_method Key 9 · api_key_id k9")


def test_a_team_is_the_sub_account_that_reports_name(warehouse: Warehouse) -> None:
    teams = warehouse.rows(
        "select x_ChargeSource, SubAccountId, SubAccountName, SubAccountType, sum(EffectiveCost)"
        " from focus.cost_and_usage where SubAccountId is not null group by all order by all"
    )
    assert teams == [
        ("billing_events", "cus-1", "Video", "Team", Decimal(2)),
        ("estimate", "cus-1", "Video", "Team", Decimal(2)),
    ]


def test_names_and_units_are_those_of_the_catalogue_on_the_day(warehouse: Warehouse) -> None:
    names = warehouse.rows(
        "select distinct ChargePeriodStart::date, ResourceName, PricingUnit"
        " from focus.cost_and_usage where x_ChargeSource = 'billing_events' order by all"
    )
    assert names == [
        (date(2026, 1, 5), "Name of 2026-01-05", "Images"),
        (date(2026, 1, 6), "Name of 2026-01-06", "Images"),
    ]


def test_a_credit_that_differs_from_the_balance_of_fal_is_a_warning(warehouse: Warehouse) -> None:
    # 10 USD of credit, of which 8 USD are used; at the start of the second day 6 USD are left
    summary = "select remaining_amount, fal_balance, fal_balance_on, balance_difference"
    assert warehouse.rows(f"{summary} from finops.commitment_summary") == [
        (Decimal(2), Decimal("7.5"), date(2026, 1, 6), Decimal("5.5"))
    ]
    _, _, warning = warehouse.output.partition("warn warn_credit_agrees_with_fal: 1 row\n")
    assert warning.splitlines()[0].strip() == (
        "account acme · balance_date 2026-01-06 · fal_balance 7.5"
        " · credit_at_start_of_day 6 · credit_at_end_of_day 2"
    )


def test_no_rule_of_focus_is_broken(warehouse: Warehouse) -> None:
    assert warehouse.value("select sum(violations) from focus.conformance_report") == 0
