"""report.html in a browser: offline, equal to the marts, and usable with a keyboard and a screen reader."""

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from publishing import DATABASE, PAGE
from report.html import write_report
from tests.end_to_end.conftest import Warehouse
from tests.report.publications import Rows, contributors, list_days, publish_rows

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028&lt;b&gt;'\"`"
FORMULA = "=cmd|'/c calc'!A1"
MODEL_COST = """
    select coalesce(sum(effective_cost), 0) from finops.daily_cost
    where charge_category = 'Usage' and model_id = 'fal-ai/veo3'
"""
# of each account, in its month until the last day that was over
MONTH_COST = """
    select {columns}, sum(effective_cost) as cost
    from finops.daily_cost
    inner join (
        select account, max(charge_date) as last_day from finops.landed_days where is_over group by all
    ) using (account)
    where
        charge_category = 'Usage'
        and charge_month = date_trunc('month', last_day)
        and charge_date <= last_day
        and account like '{account}'
    group by all
"""
# the five numbers of some accounts with their comparison, each null where the page has none
NUMBERS = """
    with

    spans as (
        select account, max(charge_date) as last_day
        from finops.landed_days
        where is_over and list_contains($accounts, account)
        group by account
    ),

    usage as (
        select *
        from finops.daily_cost
        inner join spans using (account)
        where charge_category = 'Usage'
    ),

    months as (
        select
            account,
            coalesce(sum(effective_cost), 0) as cost
        from spans
        left join usage using (account)
        where usage.charge_date between date_trunc('month', usage.last_day) and usage.last_day
        group by account
    ),

    forecasts as (
        select distinct
            account,
            greatest(month_expected_cost, cost) as expected_cost,
            greatest(month_lower_cost, cost) as lower_cost,
            greatest(month_upper_cost, cost) as upper_cost
        from finops.cost_forecast
        inner join spans using (account)
        inner join months using (account)
        where
            scope_type = 'account'
            and month_expected_cost is not null
            and charge_month = date_trunc('month', last_day)
    ),

    worst as (
        select *
        from finops.budget_status
        where
            is_latest
            and list_contains($accounts, account)
            and last_known_on between period_starts_on and period_ends_on
        order by list_position(['over', 'expected over', 'at risk'], status) nulls last, expected_percent desc
        limit 1
    ),

    credits as (
        select *
        from finops.commitment_summary
        where payment = 'prepaid' and status = 'running' and list_contains($accounts, account)
    ),

    closed as (
        select
            invoiced_usage_usd,
            case product_line
                when 'model_apis' then event_usage_usd
                when 'serverless' then serverless_usage_usd
                else estimated_usage_usd
            end as usage_usd
        from finops.product_line_reconciliation
        where status = 'closed' and list_contains($accounts, account)
        qualify charge_month = max(charge_month) filter (usage_usd is not null) over ()
    )

    select
        (select sum(cost) from months) as month_cost,
        (
            select sum(effective_cost) from usage
            where
                charge_date between date_trunc('month', last_day) - interval 1 month
                and last_day - interval 1 month
                and (
                    select count(*) = (select sum(day(last_day)) from spans)
                    from finops.landed_days
                    inner join spans using (account)
                    where
                        is_known
                        and landed_days.charge_date between date_trunc('month', last_day) - interval 1 month
                        and last_day - interval 1 month
                )
        ) as last_month_cost,
        (
            select sum(expected_cost) from forecasts having count(*) = (select count(*) from spans)
        ) as expected_cost,
        (
            select min(lower_cost) from forecasts having (select count(*) from spans) = 1
        ) as lower_cost,
        (
            select min(upper_cost) from forecasts having (select count(*) from spans) = 1
        ) as upper_cost,
        (select spent_percent from worst) as spent_percent,
        (select spent_cost from worst) as spent_cost,
        (select amount_usd from worst) as amount_usd,
        (select sum(remaining_amount) from credits) as credits_left,
        (select cast(min(runs_out_on) as varchar) from credits) as runs_out_on,
        (
            select sum(invoiced_usage_usd) - sum(usage_usd) from closed where usage_usd is not null
        ) as difference,
        (select sum(invoiced_usage_usd) from closed where usage_usd is not null) as invoiced,
        (select sum(usage_usd) from closed) as usage
"""


@dataclass
class Opened:
    """A page, what it requested beside its own file, and what it reported."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def find_browser() -> str | None:
    """Return the path of a chromium, if one is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    program = find_browser()
    if not program:
        pytest.skip("report.html is not tested: install chromium, such as with apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Open a file and wait until its charts are drawn. No page may request anything or report an error."""
    opened = []

    def open_file(file: Path, width: int = 1280, scheme: str = "light") -> Opened:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        page.set_default_timeout(120_000)
        one = Opened(page)
        opened.append(one)
        page.on("request", lambda request: one.requests.append(request.url))
        page.on("console", lambda message: one.errors.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: one.errors.append(str(error)))
        page.on("dialog", lambda dialog: one.errors.append(dialog.message))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        return one

    yield open_file
    for one in opened:
        page = one.page
        assert one.errors == []
        assert [url for url in one.requests if url != page.url and not url.startswith("blob:")] == []
        page.close()


@pytest.fixture(scope="module")
def published(sample: Warehouse) -> Path:
    """The page that the build of the sample published."""
    return sample.path.with_suffix(".published") / PAGE


def read_number(page: Page, account: str, number: str) -> Decimal:
    """Return a number of the head: its exact value, whose cents are shown."""
    selector = f'.numbers[data-scope="{account}"] [data-number="{number}"] .value data'
    element = page.locator(selector)
    exact = Decimal(element.get_attribute("value") or "")
    unit = Decimal("0.1") if number == "budget" else Decimal("0.01")
    assert Decimal(element.inner_text().replace(",", "")) == exact.quantize(unit, ROUND_HALF_UP)
    return exact


def read_numbers(page: Page, account: str) -> tuple[Decimal | str | None, ...]:
    """Return the five numbers with their comparison, in the order of NUMBERS. None: the page has none."""

    def find(number: str) -> Decimal | None:
        has_amount = page.locator(f'.numbers[data-scope="{account}"] [data-number="{number}"] .value data')
        return read_number(page, account, number) if has_amount.count() else None

    def fact(number: str, label: str) -> Decimal | str | None:
        card = f'.numbers[data-scope="{account}"] [data-number="{number}"]'
        facts = page.locator(f"{card} .facts div", has=page.get_by_text(label, exact=True)).locator("dd")
        if not facts.count():
            return None
        amount = facts.locator("data")
        return Decimal(amount.get_attribute("value") or "") if amount.count() else facts.inner_text()

    return (
        *(find("month"), fact("month", "Same days last month")),
        *(find("forecast"), fact("forecast", "80 %: at least"), fact("forecast", "at most")),
        *(find("budget"), fact("budget", "Spent"), fact("budget", "Amount")),
        *(find("credits"), fact("credits", "Runs out on")),
        *(find("invoice"), fact("invoice", "Invoice"), fact("invoice", "Usage")),
    )


def read_sum(page: Page) -> Decimal:
    """Return the exact cost of the days and models that are shown."""
    return Decimal(page.locator("#sum data").get_attribute("value") or "")


def read_rows(page: Page, table: str) -> dict[str, Decimal]:
    """Return the exact cost by name of a table, with rows that are folded."""
    script = """table => [...document.querySelectorAll(`#${table} tbody tr:not(.total):not(.rest)`)]
        .map(row => [row.cells[0].textContent, row.querySelector("data").value])"""
    return {name: Decimal(value) for name, value in page.evaluate(script, table)}


def download(page: Page, table: str) -> list[dict[str, str]]:
    """Return the rows of the CSV file of a table."""
    with page.expect_download() as started:
        page.locator(f'[data-csv="{table}"]').click()
    text = Path(started.value.path()).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("account", ["acme", "studio"])
def test_the_numbers_of_the_head_are_those_of_the_marts(
    open_page: Callable[..., Opened], published: Path, sample: Warehouse, account: str
) -> None:
    page = open_page(published).page
    page.select_option("#account", account)
    cost = sample.exact(f"select sum(cost) from ({MONTH_COST.format(columns='account', account=account)})")
    assert read_number(page, account, "month") == cost
    assert read_number(page, account, "budget") == sample.exact(
        f"select max(spent_percent) from finops.budget_status where is_latest and account = '{account}'"
    )
    if account == "studio":
        assert read_number(page, account, "credits") == sample.exact(
            """select sum(remaining_amount) from finops.commitment_summary
            where payment = 'prepaid' and status = 'running' and account = 'studio'"""
        )
    else:
        assert read_number(page, account, "forecast") == sample.exact(
            """select distinct month_expected_cost from finops.cost_forecast
            where scope_type = 'account' and account = 'acme' and charge_month = '2026-10-01'"""
        )
        assert read_number(page, account, "invoice") == sample.exact(
            """select sum(invoiced_usage_usd - coalesce(event_usage_usd, serverless_usage_usd))
            from finops.product_line_reconciliation
            where status = 'closed' and product_line in ('model_apis', 'serverless')"""
        )


def test_the_numbers_of_all_accounts_are_their_sums(
    open_page: Callable[..., Opened], published: Path, sample: Warehouse
) -> None:
    page = open_page(published).page
    cost = sample.exact(f"select sum(cost) from ({MONTH_COST.format(columns='account', account='%')})")
    assert read_number(page, "", "month") == cost
    assert page.locator('.numbers[data-scope="acme"]').is_hidden()
    page.select_option("#account", "acme")
    assert page.locator('.numbers[data-scope=""]').is_hidden()
    assert page.locator('tr[data-account="studio"] >> visible=true').count() == 0
    assert page.locator('tr[data-account="acme"] >> visible=true').count() > 5


def compare_numbers(page: Page, database: Path, names: list[str]) -> list[tuple[object, ...]]:
    """Compare the numbers of all accounts, and of each, with their query. Return the rows of the query."""
    rows = []
    with duckdb.connect(str(database), read_only=True) as connection:
        for account in ("", *names):
            accounts = [account] if account else names
            (row,) = connection.execute(NUMBERS, {"accounts": accounts}).fetchall()
            page.select_option("#account", account)
            assert read_numbers(page, account) == row, account
            rows.append(row)
    return rows


def test_each_number_of_the_sample_is_its_query_for_all_accounts_and_for_each(
    open_page: Callable[..., Opened], published: Path
) -> None:
    page = open_page(published).page
    rows = compare_numbers(page, published.with_name(DATABASE), ["acme", "studio"])
    # an account at least has a value for each part of a number
    assert all(set(values) != {None} for values in zip(*rows, strict=True))


def test_each_number_of_two_accounts_is_their_sum(open_page: Callable[..., Opened], tmp_path: Path) -> None:
    database = publish_rows(tmp_path, two_accounts())
    write_report(database, tmp_path / PAGE)
    page = open_page(tmp_path / PAGE).page
    total, acme, studio = compare_numbers(page, database, ["acme", "studio"])
    assert None not in acme and None not in studio
    # months, forecast, credits and invoice add up; the interval has no sum, and a budget is the worst one
    for place in (0, 1, 2, 8, 10, 11, 12):
        assert total[place] == acme[place] + studio[place]  # type: ignore[operator]
    assert total[3:5] == (None, None)
    assert total[5:8] == studio[5:8]
    assert total[9] == "2026-03-12"


def two_accounts() -> Rows:
    """Return the rows of two accounts that have each of the five numbers."""
    days = [date(2026, 2, 1) + timedelta(days=day) for day in range(38)]
    cent = Decimal("0.004999999999999999")
    months = [
        {"account": account, "charge_month": "2026-02-01", "status": "closed", "invoiced_total_usd": 1}
        for account in ("acme", "studio")
    ]
    return {
        "landed_days": [
            *list_days("acme", "2026-01-01", "2026-03-10"),
            *list_days("studio", "2026-01-01", "2026-03-10"),
        ],
        "daily_cost": [
            {"account": account, "charge_date": day, "model_id": "m", "effective_cost": cost + cent * day.day}
            for account, cost in (("acme", Decimal("10")), ("studio", Decimal("-0.3")))
            for day in days
        ],
        "cost_forecast": [
            {
                "account": account,
                "scope": account,
                "charge_date": day,
                **dict.fromkeys(("expected_cost", "lower_cost", "upper_cost"), 1),
                "month_expected_cost": expected,
                "month_lower_cost": expected / 2,
                "month_upper_cost": expected * 2,
            }
            for account, expected in (("acme", Decimal("310.005")), ("studio", Decimal("-6.015")))
            for day in ("2026-03-11", "2026-03-12")
        ],
        "budget_status": [
            {"name": "calm", "spent_cost": Decimal("99.995"), "spent_percent": Decimal("99.99")},
            {
                "account": "studio",
                "name": "worst",
                "status": "over",
                "spent_cost": Decimal("100.005"),
                "spent_percent": Decimal("100.01"),
            },
        ],
        "commitment_summary": [
            {"contract_commitment_id": "a", "remaining_amount": cent, "runs_out_on": "2026-03-20"},
            {"contract_commitment_id": "b", "account": "studio", "runs_out_on": "2026-03-12"},
            {"contract_commitment_id": "c", "status": "ended", "period_end": "2026-03-01"},
            {"contract_commitment_id": "d", "payment": "in_arrears"},
        ],
        "invoice_reconciliation": months,
        "product_line_reconciliation": [
            months[0] | {"product_line": "model_apis", "invoiced_usage_usd": 7, "event_usage_usd": 7 + cent},
            months[0] | {"product_line": "compute", "invoiced_usage_usd": 9},
            months[1] | {"product_line": "serverless", "invoiced_usage_usd": 2, "serverless_usage_usd": 1},
        ],
    }


def test_accounts_in_different_months_have_no_common_month(
    open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    forecast = {"month_expected_cost": 31, "month_lower_cost": 20, "month_upper_cost": 40}
    rows = {
        "landed_days": [
            *list_days("acme", "2026-02-01", "2026-03-01"),
            *list_days("studio", "2026-01-01", "2026-02-28"),
        ],
        "daily_cost": [
            {"charge_date": "2026-03-01", "effective_cost": 5},
            {"account": "studio", "charge_date": "2026-02-03", "effective_cost": 100},
        ],
        "cost_forecast": [
            forecast | {"charge_month": "2026-03-01"},
            forecast | {"account": "studio", "charge_month": "2026-02-01"},
        ],
    }
    page = open_page(write_page(tmp_path, rows)).page
    month, forecasts = (page.locator(f'[data-number="{name}"]').first for name in ("month", "forecast"))
    assert month.inner_text().splitlines()[0] == "Month to date"
    facts = dict(
        zip(month.locator("dt").all_inner_texts(), month.locator("dd").all_inner_texts(), strict=True)
    )
    assert (facts["March 2026"], facts["February 2026"]) == ("5.00", "100.00")
    assert forecasts.locator(".value").inner_text() == "of several months"
    assert forecasts.locator("dt").all_inner_texts() == ["acme, March", "studio, February"]


def test_the_head_and_the_notices_are_those_of_the_chosen_account(
    open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    rows = {
        "landed_days": [
            *list_days("acme", "2026-03-01", "2026-03-09"),
            *list_days("studio", "2026-03-01", "2026-03-10"),
        ],
        "invoice_reconciliation": [
            {"charge_month": f"2026-0{month}-01", "account": "acme"} for month in range(1, 6)
        ],
    }
    page = open_page(write_page(tmp_path, rows)).page
    head, calm = page.locator("header p"), page.get_by_text("Nothing needs attention.")
    months = "acme until 2026-03-09, not final: May 2026, Apr 2026, Mar 2026 and 2 earlier."
    rest = "Effective cost of usage in USD, UTC days."
    assert head.inner_text() == f"{months} studio until 2026-03-10. {rest}"
    assert not calm.is_visible()
    page.select_option("#account", "studio")
    assert head.inner_text() == f"studio until 2026-03-10. {rest}"
    assert calm.is_visible() and page.locator("#notices li >> visible=true").count() == 0
    page.select_option("#account", "acme")
    assert not calm.is_visible()


def test_a_closed_month_without_an_invoice_row_for_its_usage_differs(
    open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    month = {"charge_month": "2026-02-01", "status": "closed"}
    rows = {
        "landed_days": list_days("acme", "2026-02-01", "2026-03-10"),
        "invoice_reconciliation": [month],
        "product_line_reconciliation": [month | {"product_line": "model_apis", "event_usage_usd": 12}],
    }
    page = open_page(write_page(tmp_path, rows)).page
    assert read_number(page, "", "invoice") == -12
    (row,) = download(page, "months-table")
    assert row["Difference"] == "-12"
    assert "differs from the usage by -12.00 USD" in page.locator("#notices").inner_text()


def test_a_change_from_a_refund_has_no_percentage(open_page: Callable[..., Opened], tmp_path: Path) -> None:
    costs = {"refunded": (-5, 5), "grown": (1, 1500), "same": (2, 2), "shrunk": (30_000, 29_999)}
    rows = {
        "landed_days": list_days("acme", "2026-02-01", "2026-03-10"),
        "daily_cost": [
            {"charge_date": day, "model_id": model, "effective_cost": cost}
            for model, amounts in costs.items()
            for day, cost in zip(("2026-02-05", "2026-03-05"), amounts, strict=True)
        ],
    }
    page = open_page(write_page(tmp_path, rows)).page
    changes = {row["Model"]: row["Change"] for row in download(page, "models-table")}
    assert changes == {"refunded": "", "grown": "×1,500.0", "same": "0.0 %", "shrunk": "0.0 %"}


def test_a_date_beyond_the_other_one_moves_it(open_page: Callable[..., Opened], tmp_path: Path) -> None:
    rows = {
        "landed_days": list_days("acme", "2026-03-01", "2026-03-10"),
        "daily_cost": [{"charge_date": f"2026-03-{day:02}", "effective_cost": day} for day in range(1, 11)],
    }
    page = open_page(write_page(tmp_path, rows)).page
    page.fill("#last", "2026-03-04")
    page.fill("#first", "2026-03-06")
    expect(page.locator("#last")).to_have_value("2026-03-06")
    assert read_sum(page) == 6
    page.fill("#first", "")
    expect(page.locator("#first")).to_have_value("2026-03-06")


def test_filters_change_the_sum_of_the_chart_and_its_table(
    open_page: Callable[..., Opened], published: Path, sample: Warehouse
) -> None:
    page = open_page(published).page
    usage = "select sum(effective_cost) from finops.daily_cost where charge_category = 'Usage'"
    # the open day of the snapshot is no day of the chart
    over = """charge_date <= (
        select max(charge_date) from finops.landed_days
        where is_over and landed_days.account = daily_cost.account
    )"""
    assert read_sum(page) == sample.exact(f"{usage} and {over}")
    page.select_option("#account", "acme")
    assert read_sum(page) == sample.exact(f"{usage} and account = 'acme' and {over}")
    page.locator("#models-table button", has_text="Veo 3").first.click()
    assert read_sum(page) == sample.exact(MODEL_COST + f" and account = 'acme' and {over}")
    page.fill("#first", "2026-10-01")
    page.fill("#last", "2026-10-05")
    days = "charge_date between '2026-10-01' and '2026-10-05'"
    cost = sample.exact(f"{MODEL_COST} and account = 'acme' and {days}")
    expect(page.locator("#sum data")).to_have_attribute("value", f"{cost:f}".rstrip("0").rstrip("."))
    page.locator("summary", has_text="Table of the chart").first.click()
    rows = [row for row in download(page, "cost-table") if "forecast" not in row["Day"]]
    assert sum(Decimal(row["All"]) for row in rows) == cost
    page.locator("#reset").click()
    assert read_sum(page) == sample.exact(f"{usage} and account = 'acme' and {over}")


def test_tables_of_models_and_owners_have_the_costs_of_the_marts(
    open_page: Callable[..., Opened], published: Path, sample: Warehouse
) -> None:
    page = open_page(published).page
    month = MONTH_COST.format(columns="{}", account="%")
    models = sample.rows(month.format("model_id, max_by(model_name, charge_date)"))
    assert sorted(read_rows(page, "models-table").values()) == sorted(cost for *_, cost in models)
    for column in ("team", "cost_center"):
        page.select_option("#owner", column)
        owners = {name or "untagged": cost for name, cost in sample.rows(month.format(column))}
        shown = {name: cost for name, cost in read_rows(page, "owners-table").items() if cost}
        assert shown == owners
    untagged = f"{100 * owners['untagged'] / sum(owners.values()):.1f} %"
    assert page.locator("#untagged").inner_text() == f"untagged: {untagged} of cost"
    exact = {row["Model"]: Decimal(row["Month to date"]) for row in download(page, "models-table")}
    assert exact == read_rows(page, "models-table")


def test_a_drag_on_the_overview_selects_days(open_page: Callable[..., Opened], published: Path) -> None:
    page = open_page(published).page
    page.locator("#overview").scroll_into_view_if_needed()
    before, box = read_sum(page), page.locator("#overview").bounding_box()
    assert box
    page.mouse.move(box["x"] + 300, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 420, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(page.locator("#sum data")).not_to_have_attribute("value", f"{before:f}")
    assert 0 < read_sum(page) < before


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_no_violation(
    open_page: Callable[..., Opened], published: Path, width: int, scheme: str
) -> None:
    page = open_page(published, width, scheme).page
    page.locator("summary", has_text="Table of anomalies").click()
    violations = Axe().run(page).response["violations"]
    found = [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in violations]
    assert found == []
    # the page itself never scrolls to the side
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_and_operates_each_control(
    open_page: Callable[..., Opened], published: Path
) -> None:
    page = open_page(published).page
    controls = "a[href], select, input, button, summary, [tabindex='0']"
    page.evaluate(
        """controls => document.querySelectorAll(controls).forEach((element, index) => {
            if (element.checkVisibility()) element.dataset.control = index;
        })""",
        controls,
    )
    wanted = set(
        page.evaluate("[...document.querySelectorAll('[data-control]')].map(e => e.dataset.control)")
    )
    reached = set()
    for _ in range(4 * len(wanted)):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.control"))
        if wanted <= reached:
            break
    assert wanted <= reached
    page.locator("#account").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator('.numbers[data-scope="acme"]').is_visible()
    page.locator("#models-table button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#model").input_value() != ""


def write_page(folder: Path, rows: Rows) -> Path:
    """Write the page of a small publication."""
    file = folder / PAGE
    write_report(publish_rows(folder, rows), file)
    return file


def test_names_are_text(open_page: Callable[..., Opened], tmp_path: Path) -> None:
    account, days = HOSTILE, [date(2026, 3, 1) + timedelta(days=day) for day in range(10)]
    usage = {
        "account": account,
        **dict.fromkeys(("model_id", "model_name", "key_id", "key_name", "team", "project"), HOSTILE),
        "effective_cost": 1,
        "request_count": 3,
    }
    file = write_page(
        tmp_path,
        {
            "landed_days": list_days(account, "2026-03-01", "2026-03-10"),
            "daily_cost": [
                *(usage | {"charge_date": day} for day in days),
                {"account": account, "charge_date": days[0], "model_id": "__proto__", "key_name": FORMULA},
            ],
            "budget_status": [{"account": account, "name": HOSTILE, "status": "over"}],
            "commitment_summary": [{"account": account, "contract_commitment_id": HOSTILE}],
            "commitment_burn_down": [
                {"account": account, "contract_commitment_id": HOSTILE, "commitment_date": day}
                for day in days
            ],
            "cost_anomalies": [
                {
                    "account": account,
                    "scope_name": HOSTILE,
                    "contributors": contributors((HOSTILE, HOSTILE, 1)),
                }
            ],
            "model_prices": [
                {
                    "account": account,
                    "model_name": HOSTILE,
                    "unit": HOSTILE,
                    "previous_list_unit_price": 1,
                    "list_unit_price": 2,
                    "change_percent": 100,
                    "change_cost": 5,
                }
            ],
        },
    )
    page = open_page(file).page
    assert page.locator("script").count() == 4 and page.locator("img").count() == 0
    shown = page.evaluate("document.body.innerText")
    for table in ("models-table", "budgets-table", "prices-table", "commitments-table", "owners-table"):
        assert HOSTILE in page.locator(f"#{table}").text_content(), table  # type: ignore[operator]
    assert "<script>alert(1)</script>" in shown
    page.select_option("#owner", "key")
    names = {row["Key or login"] for row in download(page, "owners-table")}
    assert names == {HOSTILE, f"'{FORMULA}"}


def test_names_neither_widen_the_page_nor_turn_its_text(
    open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    turned, long = "\u202eturned", "W" * 300
    rows = {
        "landed_days": list_days("acme", "2026-02-01", "2026-03-10"),
        "daily_cost": [
            {"charge_date": "2026-03-05", "model_id": name, "effective_cost": 1} for name in (turned, long)
        ],
        "cost_anomalies": [
            {"scope_type": "model", "scope": name, "scope_name": name} for name in (turned, long)
        ],
        "budget_status": [{"name": name, "status": "over"} for name in (turned, long)],
    }
    page = open_page(write_page(tmp_path, rows), width=390).page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for element in ("#notices", "#legend", ".evidence"):
        assert "\u202e" not in page.locator(element).inner_text()
    assert page.locator("#models-table button").first.get_attribute("title") in (turned, long)


def test_the_page_of_one_day_of_events(open_page: Callable[..., Opened], tmp_path: Path) -> None:
    cost = {"charge_date": "2026-03-10", "model_id": "m", "effective_cost": Decimal("0.000000001")}
    rows = {"landed_days": list_days("acme", "2026-03-10", "2026-03-10"), "daily_cost": [cost]}
    page = open_page(write_page(tmp_path, rows)).page
    assert read_number(page, "", "month") == read_sum(page) == Decimal("0.000000001")
    assert page.locator('[data-number="forecast"] .value').inner_text() == "too few days"
    assert page.locator("#cost svg").is_visible()


def test_the_page_of_invoices_alone(open_page: Callable[..., Opened], tmp_path: Path) -> None:
    days = [row | {"has_load": False} for row in list_days("acme", "2026-02-01", "2026-02-28")]
    usage = {"charge_source": "invoice", "model_id": "m", "effective_cost": 2}
    month = {
        "charge_month": "2026-02-01",
        "status": "closed",
        "invoiced_usage_usd": 56,
        "invoiced_total_usd": 56,
    }
    rows = {
        "landed_days": days,
        "daily_cost": [usage | {"charge_date": row["charge_date"]} for row in days],
        "invoice_reconciliation": [month],
        "product_line_reconciliation": [month | {"product_line": "model_apis"}],
    }
    page = open_page(write_page(tmp_path, rows)).page
    assert read_number(page, "", "month") == 56
    assert page.locator('[data-number="invoice"] .value').inner_text() == "no own usage"
    assert "invoices only" in page.locator("header").inner_text()
    assert "56.00" in page.locator("#months-table").inner_text()


def test_provisional_anomalies_are_marked(open_page: Callable[..., Opened], tmp_path: Path) -> None:
    rows = {
        "landed_days": list_days("acme", "2026-02-01", "2026-03-10", settled="2026-03-08"),
        "daily_cost": [{"charge_date": "2026-03-09", "model_id": "m", "effective_cost": 120}],
        "cost_anomalies": [{}, {"charge_date": "2026-03-09", "is_settled": False, "difference_cost": 90}],
    }
    page = open_page(write_page(tmp_path, rows)).page
    mark = "Provisional: late usage can still add to the day."
    for sentences in ("#notices li", ".evidence li"):
        settled, provisional = page.locator(sentences).all_inner_texts()
        assert mark not in settled and provisional.endswith(mark)
    page.locator("summary", has_text="Table of anomalies").click()
    rows_by_day = {row["Day"]: row["State"] for row in download(page, "anomalies-table")}
    assert rows_by_day == {"2026-03-05": "settled", "2026-03-09": "provisional"}


@pytest.mark.parametrize("days", [[], list_days("acme", "2026-03-01", "2026-03-10")])
def test_the_page_without_cost(
    open_page: Callable[..., Opened], tmp_path: Path, days: list[dict[str, object]]
) -> None:
    page = open_page(write_page(tmp_path, {"landed_days": days})).page
    assert page.locator("#cost").count() == 0
    expected = "There is no usage in the landed days." if days else "Nothing has landed yet."
    assert expected in page.inner_text("body")
