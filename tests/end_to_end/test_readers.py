"""Every reader sees the same data in the published sample."""

import csv
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.api.serving import serving
from tests.end_to_end.conftest import ROOT, Warehouse, run
from tests.end_to_end.test_readme import QUERIES

READER = """
import sys, duckdb
folder, zone, query = sys.argv[1:]
parquet = query.replace("focus.cost_and_usage", f"'{folder}/cost_and_usage.parquet'")
with duckdb.connect(f"{folder}/fal_focus.duckdb", read_only=True) as bill:
    rows = bill.execute(query).fetchall()
    assert rows == bill.execute(parquet).fetchall()
    bill.execute(f"set TimeZone = '{zone}'")
    assert rows == bill.execute(query).fetchall() == bill.execute(parquet).fetchall()
print(rows)
"""


def test_months_are_the_same_in_every_time_zone_of_a_reader(sample: Warehouse) -> None:
    query = next(query for query in QUERIES if "as charge_month" in query)
    answers = []
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        command = [sys.executable, "-c", READER, str(sample.path.with_suffix(".published")), zone, query]
        done = run(command, TZ=zone)
        assert done.code == 0, done.output
        answers.append(done.output)
    assert answers == [f"{sample.rows(query)}\n"] * 3
    assert "datetime.datetime(2026, 9, 1, 0, 0)" in answers[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BillingAccountId", "BillingAccountName"),
        ("BillingAccountId", "BillingAccountType"),
        ("x_Account", "BillingAccountId"),
        ("SkuId, ListUnitPrice", "SkuPriceId"),
    ],
)
def test_an_id_has_the_same_name_in_every_feed(sample: Warehouse, key: str, value: str) -> None:
    feeds = "select count(distinct x_ChargeSource) from focus.cost_and_usage where x_Account = 'acme'"
    assert sample.value(feeds) == 4
    query = f"select {key} from focus.cost_and_usage group by all having count(distinct {value}) > 1"
    assert sample.rows(query) == []


def test_a_tag_has_one_spelling_and_duckdb_reads_a_page_of_the_api(sample: Warehouse, tmp_path: Path) -> None:
    keys = "select distinct unnest(json_keys(Tags)) from focus.cost_and_usage order by all"
    assert sample.rows(keys) == [("CostCenter",), ("Team",)]
    file = tmp_path / "page.json"
    with serving(sample.path.with_suffix(".published"), tmp_path) as served, served.client() as api:
        file.write_text(api.get("/cost-and-usage", params={"pageSize": 1000}).text)
    query = f"select count(*), count(charge.Tags.Team) > 0 from (select unnest(data) as charge from '{file}')"
    assert duckdb.execute(query).fetchall() == [(1000, True)]


def test_expired_credits_are_not_a_model_in_the_bill_or_the_readme(
    sample: Warehouse, dbt: Callable[..., Warehouse]
) -> None:
    expired = sample.rows(
        "select ResourceId from focus.cost_and_usage"
        " where x_ChargeSource = 'commitment' and ChargeCategory = 'Usage'"
    )
    assert expired == [("studio-credits-2025-10",)]
    query = next(query for query in QUERIES if "as charge_month" in query)
    assert "studio-credits-2025-10" not in str(sample.rows(query))
    shown = dbt(sample.path, "--quiet", "run-operation", "show_bill", FAL_LANDING_DIR=ROOT / "sample").output
    models = shown.partition("USAGE BY MONTH AND MODEL")[2].partition("COMMITMENTS")[0]
    assert "fal-ai/veo3" in models
    assert "studio-credits-2025-10" not in models


def test_every_published_table_and_column_has_a_comment(sample: Warehouse) -> None:
    with duckdb.connect(str(sample.path.with_suffix(".published") / "fal_focus.duckdb")) as published:
        relations = published.execute(
            "select table_name, comment from duckdb_tables() union all"
            " select view_name, comment from duckdb_views() where not internal"
        ).fetchall()
        columns = published.execute(
            "select table_name || '.' || column_name, comment from duckdb_columns() where not internal"
        ).fetchall()
    assert {"cost_and_usage", "cost_and_usage_records", "publication"} < {name for name, _ in relations}
    assert dict(columns)["cost_and_usage.BilledCost"].startswith("What is on the invoice")
    assert [name for name, comment in relations + columns if not comment] == []


def test_dbt_docs_open_with_this_project_and_its_lineage_is_complete(
    sample: Warehouse, dbt: Callable[..., Warehouse]
) -> None:
    documented = dbt(sample.path, "--write-json", "docs", "generate", FAL_LANDING_DIR=ROOT / "sample")
    manifest = json.loads((documented.target / "manifest.json").read_text())
    assert manifest["docs"]["doc.fal_focus.__overview__"]["block_contents"].startswith("# fal_focus")
    children = manifest["child_map"]
    reached, left = set(), [name for name in children if name.startswith("source.")]
    while left:
        name = left.pop()
        left += [child for child in children[name] if child not in reached]
        reached.add(name)
    assert set(manifest["exposures"]) <= reached
    published = manifest["exposures"]["exposure.fal_focus.published_files"]["depends_on"]["nodes"]
    assert set(published) == {
        name
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["schema"] in ("focus", "focus_1_4", "finops", "api")
    }


METRIC_QUERY = """
select
    costs.charge_month,
    costs.account,
    sum(costs.effective_cost),
    sum(costs.billed_cost),
    sum(costs.list_cost),
    sum(costs.contracted_cost),
    sum(costs.list_cost - costs.effective_cost) filter (costs.charge_category = 'Usage')
        / sum(costs.list_cost) filter (costs.charge_category = 'Usage'),
    sum(costs.request_count),
    sum(costs.effective_cost) filter (costs.request_count is not null) / sum(costs.request_count),
    (
        select sum(case when payment = 'prepaid' and status = 'running' then remaining_amount else 0 end)
        from finops.commitment_summary
        where account = costs.account and date_trunc('month', as_of) = costs.charge_month
    )
from finops.daily_cost as costs
group by all
order by all
"""
METRICS = (
    *("effective_cost", "billed_cost", "list_cost", "contracted_cost"),
    *("savings_rate", "requests", "cost_per_request", "credits_remaining"),
)
DIMENSIONS = (
    *("sub_account_id", "sub_account_name", "charge_category", "product_line", "model_id", "model_name"),
    *("model_developer", "modality", "unit", "key_id", "key_name", "login", "team", "cost_center", "project"),
    *("environment", "charge_source", "charge_status", "is_complete"),
)


@pytest.fixture(scope="module")
def mf(sample: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run mf query on the publication.

    Its folder has the settings of the project and the manifest of the sample, because mf reads target/ there.
    """
    program = Path(sys.executable).with_name("mf")
    if not program.exists():
        pytest.skip("mf is not installed: make metrics installs it")
    folder = tmp_path_factory.mktemp("metrics")
    for name in ("dbt_project.yml", "profiles.yml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "target").mkdir()
    (folder / "target" / "semantic_manifest.json").symlink_to(sample.target / "semantic_manifest.json")
    published = sample.path.with_suffix(".published")

    def query(*arguments: str) -> str:
        settings = {"DBT_TARGET": "published", "FAL_PUBLISH_DIR": published, "FAL_WAREHOUSE": sample.path}
        done = run([str(program), "query", "--quiet", *arguments], folder, TMPDIR=folder, **settings)
        assert done.code == 0, done.output
        return done.output

    return query


def test_metrics_are_equal_to_the_marts(mf: Callable[..., str], sample: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    mf("--metrics", ",".join(METRICS), "--group-by", "metric_time__month,account", "--csv", str(file))
    _, *rows = csv.reader(file.read_text().splitlines())
    order = ("metric_time__month", "account", *METRICS)
    header = file.read_text().splitlines()[0].split(",")
    answers = [[row[header.index(name)] for name in order] for row in rows]
    # mf converts the exact sums of its query to doubles
    assert sorted((month[:10], account, *map(to_double, values)) for month, account, *values in answers) == [
        (str(month), account, *map(to_double, values))
        for month, account, *values in sample.rows(METRIC_QUERY)
    ]


def test_the_share_of_each_budget_is_that_of_the_mart(
    mf: Callable[..., str], sample: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "budgets.csv"
    dimensions = "budget_period__name,metric_time__day"
    mf("--metrics", "budget_share,budget_spent,budget_amount", "--group-by", dimensions, "--csv", str(file))
    answers = csv.DictReader(file.read_text().splitlines())
    assert sorted(
        (
            answer["budget_period__name"],
            answer["metric_time__day"][:10],
            *(to_double(answer[metric]) for metric in ("budget_share", "budget_spent", "budget_amount")),
        )
        for answer in answers
    ) == [
        (name, str(day), *map(to_double, values))
        for name, day, *values in sample.rows(
            "select name, period_starts_on, spent_cost / amount_usd, spent_cost, amount_usd"
            " from finops.budget_status order by all"
        )
    ]


def test_the_example_of_the_documentation_prints_what_it_shows(mf: Callable[..., str]) -> None:
    text = (ROOT / "docs" / "bi.md").read_text()
    example = re.search(
        r"```sh\nDBT_TARGET=published mf query (.*?)```\n\n```text\n(.*?)```", text, flags=re.DOTALL
    )
    assert example
    arguments, shown = example.groups()
    printed = mf(*shlex.split(arguments.replace("\\\n", "")))
    assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines(), (
        "copy the output to docs/bi.md"
    )


def to_double(value: object) -> float | None:
    """The value as a double; none if it is empty or null."""
    return None if value in ("", None) else float(str(value))


def test_the_sums_of_a_metric_are_exact_by_every_dimension(mf: Callable[..., str], sample: Warehouse) -> None:
    costs = ("effective_cost", "billed_cost", "list_cost", "contracted_cost")
    names = [f"charge__{name}" for name in DIMENSIONS]
    dimensions = ",".join(["metric_time__day", "account", *names])
    sql = mf("--explain", "--metrics", ",".join([*costs, "requests"]), "--group-by", dimensions)
    columns = ", ".join(["cast(metric_time__day as date)", "account", *names, *costs, "requests"])
    sums = ", ".join([*DIMENSIONS, *(f"sum({name})" for name in (*costs, "request_count"))])
    assert sample.rows(f"select {columns} from ({sql}) order by all") == sample.rows(
        f"select charge_date, account, {sums} from finops.daily_cost group by all order by all"
    )
