"""report.html without a browser: its size, its policy, and what is cut. In a browser: tests/end_to_end."""

import base64
import hashlib
import json
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from report import bill, charts
from report.html import write_report
from tests.report.publications import Rows, list_days, publish_rows

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
YEAR_OF_MODELS = """
    insert into finops.daily_cost (
        account, charge_date, charge_category, charge_source, product_line, model_id, model_name,
        key_name, team, cost_center, request_count, effective_cost
    )
    select
        'acme', cast(day as date), 'Usage', 'billing_events', 'model_apis',
        'fal-ai/model-' || model || '/text-to-image', 'Model ' || model,
        'key ' || key, 'Team ' || key % 7, 'CC-' || key % 5, 1 + hash(model, day) % 50,
        (1 + hash(model, key, day) % 90_000_000_000)::decimal(38, 18) / 1_000_000_000
    from
        range(200) as models (model),
        range(40) as keys (key),
        range(timestamp '2025-03-11', timestamp '2026-03-11', interval 1 day) as days (day)
    where key < 2 or day >= timestamp '2026-02-01'
"""


def write(folder: Path, rows: Rows) -> str:
    """Return the page of a small publication."""
    write_report(publish_rows(folder, rows), folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def read_data(page: str) -> Any:  # noqa: ANN401
    """Return the rows of a page."""
    (text,) = DATA.findall(page)
    return json.loads(text)


def add_costs(data: Any) -> Decimal:  # noqa: ANN401
    """Return the sum of the costs of all days."""
    return sum((Decimal(cost or 0) for *_, costs in data["series"] for cost in costs.split(" ")), Decimal())


def test_a_year_of_200_models_has_less_than_3_mb(tmp_path: Path) -> None:
    database = publish_rows(tmp_path, {"landed_days": list_days("acme", "2025-03-11", "2026-03-10")})
    with duckdb.connect(str(database)) as connection:
        connection.execute(YEAR_OF_MODELS)
        ((cost,),) = connection.execute("select sum(effective_cost) from finops.daily_cost").fetchall()
    write_report(database, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
    data = read_data((tmp_path / "report.html").read_text())
    assert len(data["series"]) == 200
    assert add_costs(data) == cost


def test_rows_beyond_the_limits_are_summed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("DAY_ROWS", "OWNER_ROWS", "MODEL_ROWS"):
        monkeypatch.setattr(bill, limit, 2)
    costs = [
        {
            "charge_date": date(2026, 3, 1 + day),
            "model_id": f"m{model}",
            "key_name": "k",
            "effective_cost": model,
        }
        for day in range(2)
        for model in range(1, 5)
    ]
    rows = {"landed_days": list_days("acme", "2026-03-01", "2026-03-02"), "daily_cost": costs}
    data = read_data(write(tmp_path, rows))
    names = {index: model["name"] for index, model in enumerate(data["models"])}
    assert {names[model]: costs for _, model, _, costs in data["series"]} == {
        "m4": "4 4",
        "all others": "6 6",
    }
    assert {names[model]: cost for _, model, cost, *_ in data["month"]} == {
        "m4": "8",
        "m3": "6",
        "all others": "6",
    }
    assert {names[row[1]]: row[-3] for row in data["owners"]["rows"]} == {
        "m4": "8",
        "m3": "6",
        "all others": "6",
    }


def test_the_policy_allows_the_scripts_of_the_page_alone(tmp_path: Path) -> None:
    page = write(tmp_path, {"landed_days": list_days("acme", "2026-03-01", "2026-03-02")})
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in SCRIPT.findall(page)
    ]
    assert len(hashes) == 2
    sources = " ".join(f"&#39;sha256-{text}&#39;" for text in hashes)
    assert f"default-src &#39;none&#39;; script-src {sources};" in policy
    assert "unsafe" not in policy and "http" not in policy
    # no file from elsewhere
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", SCRIPT.sub("", page))


def test_names_cannot_end_the_data(tmp_path: Path) -> None:
    name = "</script><!--<script>&\u2028\u2029"
    usage = {"charge_date": date(2026, 3, 1), "model_id": name, "effective_cost": 1}
    rows = {"landed_days": list_days("acme", "2026-03-01", "2026-03-01"), "daily_cost": [usage]}
    page = write(tmp_path, rows)
    (text,) = DATA.findall(page)
    assert not set("<>&\u2028\u2029") & set(text)
    assert read_data(page)["models"][0]["id"] == name


def test_the_bundle_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(charts.vl_convert, "javascript_bundle", lambda snippet: f"bundle {snippet}")
    assert charts.read_vega() == f"bundle {charts.SNIPPET}"
    monkeypatch.delattr(charts.vl_convert, "javascript_bundle")
    assert charts.read_vega() == f"bundle {charts.SNIPPET}"


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(charts.vl_convert, "javascript_bundle", lambda snippet: snippet)
    assert charts.read_vega() == charts.SNIPPET


def test_the_same_publication_has_the_same_page(tmp_path: Path) -> None:
    days = list_days("acme", "2026-02-01", "2026-03-10")
    usage = [
        {
            "charge_date": date(2026, 2, 1) + timedelta(days=day),
            "model_id": f"m{day % 3}",
            "effective_cost": 1,
        }
        for day in range(38)
    ]
    rows = {"landed_days": days, "daily_cost": usage}
    assert write(tmp_path / "one", rows) == write(tmp_path / "two", rows)
