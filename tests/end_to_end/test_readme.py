"""Run the commands of README.md and docs/api.md, and the queries of docs/queries.md and of use cases.

Also draw the picture.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest
from rich.text import Text

from publishing.database import DATABASE
from tests.api.serving import serving
from tests.end_to_end.conftest import ROOT, Warehouse, run
from tests.end_to_end.first_look import PICTURE, draw, make_run, read_page, run_make
from tests.end_to_end.use_cases import MARTS, REASONS, Reason, UseCase, read_use_cases
from tests.fal_server import FalServer, World
from tests.fal_server.__main__ import build_parser, make_world
from tests.fal_server.switches import LINES

README = (ROOT / "README.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
BLOCK = re.compile(r"```sh\n(.*?)```", flags=re.DOTALL)
QUERIES_PAGE = (ROOT / "docs" / "queries.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", QUERIES_PAGE, flags=re.DOTALL)
USE_CASES = [use_case for version in MARTS for use_case in read_use_cases(version)]
EXPLAINED = {name for reason in REASONS for name in reason.explains}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_returns_rows(sample: Warehouse, query: str) -> None:
    assert sample.rows(query)


def connect_to_publication(sample: Warehouse) -> duckdb.DuckDBPyConnection:
    """Open the published database of the sample."""
    return duckdb.connect(str(sample.path.with_suffix(".published") / DATABASE), read_only=True)


@pytest.mark.parametrize(("version", "count"), [("1.3", 58), ("1.4", 66)])
def test_all_published_use_cases_are_tested(version: str, count: int) -> None:
    names = {use_case.name for use_case in USE_CASES if use_case.version == version}
    assert len(names) == count, "make install installs the package that contains them"
    assert f"| {version} | `{MARTS[version]}` | {count} | {len(names - EXPLAINED)} |" in QUERIES_PAGE


def test_every_explained_use_case_is_published() -> None:
    explained = {name.partition(".")[0] for name in EXPLAINED if name[0].islower()}
    assert explained <= {use_case.name for use_case in USE_CASES}


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda use_case: f"{use_case.version}-{use_case.name}")
def test_a_use_case_has_an_answer_or_a_reason(sample: Warehouse, use_case: UseCase) -> None:
    with connect_to_publication(sample) as connection:
        answer = connection.execute(use_case.sql, use_case.parameters)
        columns = [name for name, *_ in answer.description]
        rows = answer.fetchall()
    assert bool(rows) != (use_case.name in EXPLAINED)
    empty = {
        name
        for name, *values in zip(columns, *rows, strict=True)
        if rows and not any(value is not None for value in values)
    }
    assert {name for name in empty if not {name, f"{use_case.name}.{name}"} & EXPLAINED} == set()


def test_use_cases_of_sub_accounts_corrections_and_budgets_have_answers() -> None:
    names = {
        use_case.name for use_case in USE_CASES if re.search(r"subaccount|correction|budget", use_case.name)
    }
    assert len(names) >= 10
    assert names & EXPLAINED == {"cost_compute_subaccount"}


@pytest.mark.parametrize("month", [date(2026, 9, 1), date(2026, 10, 1)])
def test_a_budget_of_a_sub_account_spends_what_its_use_case_sums(sample: Warehouse, month: date) -> None:
    next_month = date(month.year, month.month + 1, 1)
    spent = "select spent_cost from finops.budget_status where sub_account = 'Video' and period_starts_on = "
    use_cases = [use_case for use_case in USE_CASES if use_case.name == "compare_billed_budget"]
    assert len(use_cases) == len(MARTS)
    for use_case in use_cases:
        sql = use_case.sql.replace("SUM(BilledCost)", "sum(EffectiveCost)")
        with connect_to_publication(sample) as connection:
            ((*_, summed),) = connection.execute(sql, [month, next_month, "fal", "cus_acme-video"]).fetchall()
        assert sample.value(f"{spent} '{month}'") == summed


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.text)
def test_a_reason_holds_for_every_charge(sample: Warehouse, reason: Reason) -> None:
    for version in reason.versions:
        assert sample.rows(f"select x_ChargeId from {MARTS[version]} where {reason.condition}") == []


def test_every_document_with_queries_has_a_test() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert [path.name for path in documents if "```sql" in path.read_text()] == ["queries.md"]


def test_the_picture_shows_what_make_run_prints(tmp_path: Path) -> None:
    output = make_run(tmp_path)
    page = read_page(tmp_path)
    assert PICTURE.read_text() == draw(page), "run python -m tests.end_to_end.first_look"
    plain = Text.from_ansi(page).plain.splitlines()
    # below the table, the clock decides how many days are missing, and how many lines remain
    table = plain[: next(number for number, line in enumerate(plain) if line.startswith("Budgets "))]
    assert "\n".join(table) in output
    assert "\nDays " in output
    assert output.endswith("The whole bill on one page, for a browser: published/report.html\n")
    assert (tmp_path / "project" / "published" / "report.html").exists()
    assert not re.search(r"[A-Z]{3}-\w+-[A-Z]-\d{3}|rule_id|WARN|Traceback", output), output
    bill = run_make("bill", tmp_path)
    for title in (
        "COST BY MONTH AND SOURCE",
        "USAGE BY MONTH, PRODUCT LINE AND TEAM",
        "USAGE BY MONTH AND MODEL, APP OR INSTANCE",
        "COMMITMENTS, AS OF THE LAST KNOWN DAY",
    ):
        assert f"\n{title}\n" in bill


def test_make_run_installs_neither_test_tools_nor_the_api(tmp_path: Path) -> None:
    def commands(target: str) -> str:
        return run(["make", "--dry-run", target, f"VENV={tmp_path}/venv"]).output

    assert "requirements/run.txt" in commands("run")
    assert not re.search(r"requirements/(api|dev|spark)[.]txt", commands("run"))
    assert "requirements/api.txt" in commands("serve")
    assert "requirements/dev.txt" in commands("units")


def test_make_demo_has_every_product_line_and_teams(tmp_path: Path) -> None:
    echo = tmp_path / "bin" / "python"
    echo.parent.mkdir()
    echo.write_text('#!/bin/sh\necho "$@"\n')
    echo.chmod(0o755)
    # make runs the line that starts make again even in a dry run, here with echo in place of Python
    installed = f"{tmp_path}/.installed"
    done = run(["make", "--dry-run", "demo", f"VENV={tmp_path}", f"--old-file={installed}"])
    *_, options = re.findall(r"^-m tests[.]fal_server (.*)", done.output, flags=re.MULTILINE)
    world = make_world(build_parser().parse_args(options.split()))
    assert {line for _, line in world.costs("acme")} == set(LINES)
    teams = [team.username for team in world.members("acme")]
    assert len(teams) == 3
    assert all(world.cost("acme", team=team) for team in teams)


def test_the_commands_for_an_own_account_produce_a_bill(tmp_path: Path) -> None:
    (commands,) = (block for block in BLOCK.findall(README) if "export FAL_KEY" in block)
    world = World(accounts={"default": "k"}, first_day=date(2026, 1, 1), days=3, events_per_day=5)
    with FalServer(world) as server:
        script = (
            commands.replace("FAL_KEY=...", "FAL_KEY=k")
            .replace("FAL_LANDING_DIR=landing", f"FAL_LANDING_DIR={tmp_path / 'landing'}")
            .replace("dbt build", f"dbt build --target-path {tmp_path} --log-path {tmp_path}")
        )
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        warehouse = tmp_path / "warehouse.duckdb"
        built = {"FAL_WAREHOUSE": warehouse, "FAL_PUBLISH_DIR": tmp_path / "published"}
        done = run(["bash", "-euc", script], FAL_API_URL=server.url, PATH=path, **built)
    assert done.code == 0, done.output
    assert Warehouse(warehouse, done.output).exact(
        "select sum(EffectiveCost) from focus.cost_and_usage where x_ChargeSource = 'billing_events'"
        " or (ChargeCategory = 'Usage' and ChargeClass is null)"
    ) == world.total_cost("default")


def test_the_commands_for_the_api_work(sample: Warehouse, tmp_path: Path) -> None:
    (commands,) = (block for block in BLOCK.findall(API) if "token create" in block in block)
    with serving(sample.path.with_suffix(".published"), tmp_path) as served:
        done = run(
            [
                "bash",
                "-euo",
                "pipefail",
                "-c",
                commands.replace("http://127.0.0.1:8000/focus/v1", served.url),
            ],
            FOCUS_API_TOKENS_FILE=served.settings.tokens_file,
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        )
    assert done.code == 0, done.output
    decoder, text, answers = json.JSONDecoder(), done.output, []
    while text:
        answer, end = decoder.raw_decode(text)
        answers.append(answer)
        text = text[end:]
    cost_and_usage, commitments, schema, export = answers
    assert len(cost_and_usage["data"]) == 100
    assert {record["BillingAccountId"] for record in commitments["data"]} == {"fal-acme"}
    assert schema["focusVersion"] == "1.3"
    assert export["status"] in ("Pending", "Processing", "Complete")


def test_a_build_with_other_settings_and_as_of_an_earlier_day_passes_and_costs_the_same(
    sample: Warehouse, tmp_path: Path, dbt: Callable[..., Warehouse]
) -> None:
    variables = "{fal_charge_grain: hour, fal_host_provider_name: A cloud, fal_as_of: 2026-10-06}"
    built = dbt(tmp_path / "warehouse.duckdb", "build", "--vars", variables, FAL_LANDING_DIR=ROOT / "sample")
    usage = "select sum(EffectiveCost) from focus.cost_and_usage where x_ChargeSource <> 'commitment'"
    total = "select sum(EffectiveCost), sum(BilledCost) from focus.cost_and_usage"
    for query in (usage, f"{total} where ChargePeriodStart < '2026-10-06'"):
        assert built.rows(query) == sample.rows(query)
    assert built.rows("select distinct HostProviderName from focus.cost_and_usage") == [("A cloud",)]
    # commitments are evaluated as of that day
    assert built.value("select max(commitment_date) from finops.commitment_burn_down") == date(2026, 10, 5)
    applied = "select count(*) from focus.cost_and_usage where ContractApplied is not null"
    assert built.value(f"{applied} and ChargePeriodStart < '2026-10-06'") > 0
    assert built.value(f"{applied} and ChargePeriodStart >= '2026-10-06'") == 0


def test_each_mart_has_a_query(sample: Warehouse) -> None:
    marts = sample.rows(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_schema in ('focus', 'focus_1_4', 'finops')"
    )
    assert [mart for (mart,) in marts if not any(mart in query for query in QUERIES)] == []
