"""What the digest contains, from small publications."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from report.digest import Digest, MissingDays, find_heads, read_digest
from report.formats import format_markdown, format_text
from report.page import LINES, make_page
from report.publication import open_publication
from tests.report.publications import Rows, contributors, list_days, publish_rows

TODAY = date(2026, 3, 11)


def digest_of(folder: Path, rows: Rows, *accounts: str, today: date = TODAY) -> Digest:
    """Read the digest of a publication with these rows."""
    with open_publication(publish_rows(folder, rows)) as connection:
        return read_digest(connection, accounts, today)


def usage(day: str, cost: str, **values: object) -> dict[str, object]:
    """Return a row of finops.daily_cost."""
    return {"charge_date": day, "effective_cost": Decimal(cost), **values}


def section(digest: Digest, name: str) -> list[tuple[str, ...]]:
    """Return the cells of a section of the page."""
    return [line.cells for one in make_page(digest).sections if one.name == name for line in one.lines]


def test_costs_are_sums_of_usage_until_the_last_day_that_was_over(tmp_path: Path) -> None:
    digest = digest_of(
        tmp_path,
        {
            "landed_days": [
                *list_days("acme", "2026-02-01", "2026-03-10", settled="2026-03-06"),
                # the open day
                {"charge_date": "2026-03-11", "is_over": False, "is_settled": False},
            ],
            "daily_cost": [
                usage("2026-02-10", "3.000000000000000001"),
                usage("2026-02-11", "500"),
                usage("2026-03-01", "4"),
                usage("2026-03-03", "2.5"),
                usage("2026-03-10", "1.25"),
                usage("2026-03-10", "0.000000000000000001"),
                usage("2026-03-10", "70", charge_category="Purchase"),
                usage("2026-03-11", "0.01"),
            ],
            "cost_forecast": [
                {"charge_month": "2026-02-01", "month_expected_cost": 1},
                {
                    "charge_month": "2026-03-01",
                    "month_expected_cost": "21.5",
                    "month_lower_cost": 19,
                    "month_upper_cost": "1999.99",
                },
                {"charge_month": "2026-04-01", "month_expected_cost": 2},
                {"scope_type": "product_line", "scope": "model_apis", "month_expected_cost": 3},
            ],
        },
    )
    (acme,) = digest.accounts
    assert (acme.last_day, acme.settled_until) == (date(2026, 3, 10), date(2026, 3, 6))
    assert acme.day_cost == Decimal("1.250000000000000001")
    assert acme.week_before_cost == Decimal("2.5")
    assert acme.month_cost == Decimal("7.750000000000000001")
    assert acme.last_month_cost == Decimal("3.000000000000000001")
    assert (acme.expected_cost, acme.lower_cost, acme.upper_cost) == (
        Decimal("21.5"),
        19,
        Decimal("1999.99"),
    )
    assert make_page(digest).rows == [
        ("acme", "03-10", "1.25", "2.50", "7.75", "3.00", "+158.3 %", "Mar 22 (19 to 2,000)")
    ]
    assert digest.missing_days == []
    assert section(digest, "Days") == [("all have landed",)]


def test_a_month_is_not_expected_to_cost_less_than_what_has_landed(tmp_path: Path) -> None:
    # the forecast begins on the 7th, and the 10th costs more than it expects of the whole month
    forecast = {"month_lower_cost": 200, "month_expected_cost": 280, "month_upper_cost": 999}
    digest = digest_of(
        tmp_path,
        {
            "landed_days": list_days("acme", "2026-03-01", "2026-03-10", settled="2026-03-06"),
            "daily_cost": [usage("2026-03-01", "60"), usage("2026-03-10", "500")],
            "cost_forecast": [forecast, {**forecast, "charge_month": "2026-04-01"}],
        },
    )
    (acme,) = digest.accounts
    assert (acme.lower_cost, acme.expected_cost, acme.upper_cost) == (560, 560, 999)


def test_the_last_day_of_march_is_compared_with_the_whole_february(tmp_path: Path) -> None:
    digest = digest_of(
        tmp_path,
        {
            "landed_days": list_days("acme", "2026-01-01", "2026-03-31"),
            "daily_cost": [
                usage(day, "1") for day in ("2026-01-31", "2026-02-01", "2026-02-28", "2026-03-30")
            ],
        },
        today=date(2026, 4, 1),
    )
    assert (digest.accounts[0].month_cost, digest.accounts[0].last_month_cost) == (1, 2)


def test_an_account_with_one_day_has_no_comparison_and_no_forecast(tmp_path: Path) -> None:
    digest = digest_of(
        tmp_path,
        {
            "landed_days": list_days("acme", "2026-03-10", "2026-03-10"),
            "daily_cost": [usage("2026-03-10", "9.999")],
            "cost_forecast": [{"learned_days": 1, "status": "too few days"}],
        },
    )
    assert make_page(digest).rows == [
        ("acme", "03-10", "10.00", "-", "10.00", "-", "-", "1 of 14 days to learn")
    ]


def test_a_day_that_is_not_over_counts_only_if_there_is_no_other(tmp_path: Path) -> None:
    open_day = {"charge_date": "2026-03-11", "is_over": False, "is_settled": False}
    rows = {"landed_days": [open_day], "daily_cost": [usage("2026-03-11", "2")]}
    digest = digest_of(tmp_path, rows)
    assert (digest.accounts[0].last_day, digest.accounts[0].day_cost) == (TODAY, 2)
    assert section(digest, "Anomalies") == [("none, because no day is settled",)]


def test_an_account_with_only_invoices_is_not_stale(tmp_path: Path) -> None:
    days = [row | {"has_load": False} for row in list_days("acme", "2026-01-01", "2026-01-31")]
    digest = digest_of(tmp_path, {"landed_days": days, "daily_cost": [usage("2026-01-31", "5")]})
    assert digest.alerts == []
    assert section(digest, "Days") == [("acme", "only invoices", "until 2026-01-31")]


def test_an_account_without_cost_costs_0(tmp_path: Path) -> None:
    digest = digest_of(tmp_path, {"landed_days": list_days("acme", "2026-02-01", "2026-03-10")})
    assert make_page(digest).rows == [("acme", "03-10", "0.00", "0.00", "0.00", "0.00", "-", "-")]


def test_a_publication_without_accounts_has_a_page(tmp_path: Path) -> None:
    digest = digest_of(tmp_path, {})
    assert digest.alerts == ["stale"]
    assert "nothing has landed yet" in format_text(digest)
    assert "nothing has landed" in format_markdown(digest)


def test_the_total_lacks_what_an_account_lacks(tmp_path: Path) -> None:
    digest = digest_of(
        tmp_path,
        {
            "landed_days": [
                *list_days("acme", "2026-02-01", "2026-03-10"),
                *list_days("studio", "2026-03-08", "2026-03-09"),
            ],
            "daily_cost": [
                usage("2026-03-10", "3"),
                usage("2026-03-09", "4", account="studio"),
                usage("2026-02-01", "5"),
            ],
        },
    )
    assert digest.total
    assert (digest.total.day_cost, digest.total.month_cost, digest.total.last_month_cost) == (7, 7, None)
    assert [row[0] for row in make_page(digest).rows] == ["studio", "acme", "all"]
    assert digest.missing_days == [MissingDays("studio", date(2026, 3, 10), date(2026, 3, 10))]
    only = digest_of(
        tmp_path / "only", {"landed_days": list_days("acme", "2026-02-01", "2026-03-10")}, "acme"
    )
    assert [account.account for account in only.accounts] == ["acme"]


def test_a_gap_and_the_days_since_the_last_one_are_missing(tmp_path: Path) -> None:
    days = list_days("acme", "2026-03-01", "2026-03-08", settled="2026-03-05")
    days[1] |= {"is_known": False, "is_over": False, "is_settled": False, "has_load": False}
    # a feed of the day is missing
    days[3] |= {"is_settled": False}
    digest = digest_of(tmp_path, {"landed_days": days})
    assert [(run.first_day.day, run.last_day.day) for run in digest.missing_days] == [(2, 2), (4, 4), (9, 10)]
    assert digest.alerts == ["stale"]
    assert section(digest, "Days") == [
        ("acme", "4 days missing", "2026-03-09 to 2026-03-10, 2026-03-04, 2026-03-02")
    ]


def test_only_budgets_of_the_current_period_are_shown_the_worst_first(tmp_path: Path) -> None:
    forecast = {"expected_cost": 120, "expected_percent": 120}
    digest = digest_of(
        tmp_path,
        {
            "landed_days": list_days("acme", "2026-02-01", "2026-03-10"),
            "budget_status": [
                {
                    "name": "fine",
                    "spent_cost": "12.5",
                    "spent_percent": "12.5",
                    "expected_cost": 90,
                    "missing_days": 3,
                },
                {"name": "new", "status": "too few days"},
                {
                    "name": "gone",
                    "spent_cost": 101,
                    "spent_percent": 101,
                    "status": "over",
                    "over_on": "2026-03-09",
                },
                {"name": "soon", "status": "expected over", "over_on": "2026-03-28", **forecast},
                {"name": "fine", "is_latest": False, "period_starts_on": "2026-02-01", "status": "over"},
                {
                    "name": "past",
                    "period_ends_on": "2026-02-28",
                    "period_starts_on": "2026-02-01",
                    "status": "over",
                },
                {"name": "other", "account": "studio", "status": "over"},
            ],
        },
    )
    assert section(digest, "Budgets") == [
        ("acme", "gone", "101 of 100 (101 %)", "over since 2026-03-09"),
        ("acme", "soon", "0 of 100 (0 %), 120 expected", "expected over on 2026-03-28"),
        ("acme", "new", "0 of 100 (0 %)", "too few days to forecast"),
        ("acme", "fine", "13 of 100 (13 %), 90 expected, 3 days missing", "on track"),
    ]
    assert digest.alerts == ["budget"]


def test_a_leaked_key_is_one_line_with_its_evidence(tmp_path: Path) -> None:
    leak = contributors(("veo3", "Key 1", 70), ("flux", "Key 1", 30), ("whisper", "Key 2", 1))
    digest = digest_of(
        tmp_path,
        {
            "landed_days": list_days("acme", "2026-02-01", "2026-03-10", settled="2026-03-06"),
            "cost_anomalies": [
                {"contributors": leak, "difference_cost": 101, "actual_cost": 121},
                {"scope_type": "key", "scope": "k1", "scope_name": "Key 1", "contributors": leak},
                {
                    "scope_type": "model",
                    "scope": "flux",
                    "contributors": contributors(("flux", "Key 1", 30)),
                    "difference_cost": 30,
                },
                {
                    "scope_type": "model",
                    "scope": "sora",
                    "scope_name": "Sora",
                    "contributors": contributors(("sora", None, -60)),
                    "expected_cost": 60,
                    "actual_cost": 0,
                    "difference_cost": -60,
                    "severity": "low",
                    "cause": "price",
                },
                {"charge_date": "2026-02-27", "contributors": leak},
            ],
        },
    )
    assert [anomaly.scope for anomaly in find_heads(digest.anomalies)] == ["k1", "sora"]
    assert len(digest.anomalies) == 4
    assert section(digest, "Anomalies") == [
        ("acme", "03-05", "key Key 1", "120.00 not 20.00", "volume", "+70.00 by veo3"),
        ("acme", "03-05", "model Sora", "0.00 not 60.00", "price", "-60.00 by requests without a key"),
    ]
    assert digest.alerts == ["anomaly"]


def test_an_anomaly_of_a_day_that_can_still_cost_more_is_provisional(tmp_path: Path) -> None:
    rows = {
        "landed_days": list_days("acme", "2026-02-01", "2026-03-10", settled="2026-03-08"),
        "cost_anomalies": [{"charge_date": "2026-03-09", "is_settled": False}],
    }
    digest = digest_of(tmp_path, rows)
    assert section(digest, "Anomalies") == [
        ("acme", "03-09", "account", "120.00 not 20.00", "volume (provisional)")
    ]


def test_a_known_event_is_shown_last_and_raises_no_alert(tmp_path: Path) -> None:
    known = {"is_known": True, "known_reason": "Load test", "difference_cost": 900, "actual_cost": 920}
    days = {"landed_days": list_days("acme", "2026-02-01", "2026-03-10")}
    digest = digest_of(tmp_path / "known", days | {"cost_anomalies": [known]})
    assert digest.alerts == []
    assert section(digest, "Anomalies") == [
        ("acme", "03-05", "account", "920.00 not 20.00", "volume", "known: Load test")
    ]
    both = {"cost_anomalies": [known, {"scope_type": "team", "scope": "t", "scope_name": "Video"}]}
    digest = digest_of(tmp_path / "both", days | both)
    assert [cells[2] for cells in section(digest, "Anomalies")] == ["team Video", "account"]


def test_prices_of_one_change_are_one_line_with_their_whole_cost(tmp_path: Path) -> None:
    listed = {"previous_list_unit_price": "0.025", "list_unit_price": "0.03", "change_percent": 20}
    digest = digest_of(
        tmp_path,
        {
            "landed_days": list_days("acme", "2026-02-01", "2026-03-10"),
            "model_prices": [
                listed | {"contracted_unit_price": "0.03", "change_cost": "1.97"},
                listed
                | {"contracted_unit_price": "0.027", "change_cost": "0.8235", "valid_from": "2026-03-01"},
                {
                    "model_name": "Discount",
                    "previous_list_unit_price": 1,
                    "list_unit_price": 1,
                    "previous_contracted_unit_price": 1,
                    "contracted_unit_price": "0.9",
                    "change_percent": -10,
                    "change_cost": -9,
                },
                {"model_name": "Old", "valid_from": "2026-02-08", "change_percent": 5, "change_cost": 99},
                {"model_name": "First price", "list_unit_price": 1},
                {"model_name": "Catalogue", "price_source": "catalogue", "list_unit_price": 1},
            ],
        },
    )
    assert section(digest, "Prices") == [
        ("acme", "03-02", "Discount", "Images", "1 to 0.9 after discount", "-10.0 %", "-9.00 since"),
        ("acme", "03-01", "M", "Images", "0.025 to 0.03", "+20.0 %", "+2.79 since"),
    ]
    assert digest.price_changes[1].change_cost == Decimal("2.7935")


def test_credits_are_in_the_order_in_which_they_run_out(tmp_path: Path) -> None:
    digest = digest_of(
        tmp_path,
        {
            "landed_days": list_days("acme", "2026-02-01", "2026-03-10"),
            "commitment_summary": [
                {"contract_commitment_id": "late", "expires_unused_amount": "12.345678", "unit": "Seconds"},
                {"contract_commitment_id": "soon", "runs_out_on": "2026-03-12", "remaining_amount": "0.55"},
                {
                    "contract_commitment_id": "empty",
                    "status": "used up",
                    "runs_out_on": "2026-03-01",
                    "remaining_amount": 0,
                },
                {"contract_commitment_id": "gone", "status": "used up", "runs_out_on": "2026-01-31"},
                {"contract_commitment_id": "next", "status": "upcoming"},
                {"contract_commitment_id": "ended", "status": "ended", "period_end": "2026-03-05"},
            ],
        },
    )
    assert section(digest, "Credits") == [
        ("acme", "soon", "0.55 of 100", "USD", "runs out on 2026-03-12"),
        ("acme", "late", "50.00 of 100", "Seconds", "12.35 unused on 2026-12-31"),
        ("acme", "empty", "0.00 of 100", "USD", "used up on 2026-03-01"),
        ("acme", "ended", "50.00 of 100", "USD", "ended after 2026-03-04"),
    ]


def make_much(names: list[str]) -> Rows:
    """Return rows of accounts with budgets, anomalies, price changes and credits, more than fit on a page."""
    return {
        "landed_days": [row for name in names for row in list_days(name, "2026-02-01", "2026-03-08")],
        "daily_cost": [usage("2026-03-08", f"{n}.01", account=name) for n, name in enumerate(names)],
        "budget_status": [{"name": f"budget {name}", "account": name} for name in names],
        "cost_anomalies": [
            {
                "scope_type": "model",
                "scope": name,
                "scope_name": name,
                "account": name,
                "charge_date": "2026-03-07",
            }
            for name in names
        ],
        "model_prices": [
            {
                "account": name,
                "model_name": name,
                "unit": name,
                "previous_list_unit_price": 1,
                "list_unit_price": 2,
                "change_percent": 100,
                "change_cost": 1,
            }
            for name in names
        ],
        "commitment_summary": [{"account": name, "contract_commitment_id": name} for name in names],
    }


def test_the_page_has_at_most_25_lines(tmp_path: Path) -> None:
    digest = digest_of(tmp_path, make_much([f"account {n:02}" for n in range(12)]))
    text = format_text(digest)
    assert len(text.splitlines()) == LINES
    assert [row[0] for row in make_page(digest).rows] == ["account 11", "account 10", "10 others", "all"]
    assert make_page(digest).rows[2][2] == "45.10"
    assert text.count(" more") == 5
    assert max(map(len, text.splitlines())) <= 110


def test_hostile_names_neither_break_lines_nor_reach_the_terminal(tmp_path: Path) -> None:
    names = ["\x1b[31mred\x1b]0;title\x07", "a\nb | c", "[bold]x[/bold] <b>&amp;", "\u202eabc", "漢字" * 300]
    digest = digest_of(tmp_path, make_much(names))
    text, markdown = format_text(digest), format_markdown(digest)
    assert all(character.isprintable() or character == "\n" for character in text + markdown)
    assert len(text.splitlines()) == LINES
    assert "[bold]x[/bold]" in text
    assert "a?b \\| c" in markdown
    assert "<b>" not in markdown.replace("\\<b\\>", "")
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {9}
