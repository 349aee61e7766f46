"""The models of the project: in which order folders and models feed each other."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from loaders.sync import SETTLED_AFTER
from tests.end_to_end.conftest import ROOT

LONGEST_WAY = 16
# in the order in which a charge travels
FOLDERS = (
    "staging/fal",
    "intermediate/accounts",
    "intermediate/events",
    "intermediate/charges",
    "intermediate/precedence",
    "intermediate/commitments",
    "marts/focus",
    "marts/focus_1_4",
    "marts/metadata",
    "intermediate/costs",
    "intermediate/forecasts",
    "intermediate/budgets",
    "marts/finops",
    "marts/finops/anomalies",
    "marts/finops/prices",
    "marts/api",
    "conformance",
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The parsed project."""
    target = tmp_path_factory.mktemp("parsed")
    folders = ("--project-dir", str(ROOT), "--profiles-dir", str(ROOT), "--log-path", str(target))
    assert dbtRunner().invoke(["--quiet", "parse", "--target-path", str(target), *folders]).success
    return json.loads((target / "manifest.json").read_text())


@pytest.fixture(scope="module")
def parents(manifest: dict[str, Any]) -> dict[str, list[str]]:
    """The models that each model reads, by path: models/intermediate/events/int_....sql."""
    nodes = manifest["nodes"]
    models = {id: node for id, node in nodes.items() if node["resource_type"] == "model"}
    return {
        model["original_file_path"]: [
            models[id]["original_file_path"] for id in model["depends_on"]["nodes"] if id in models
        ]
        for model in models.values()
    }


def folder_of(path: str) -> str:
    """The folder of a model, below models/."""
    return Path(path).parent.relative_to("models").as_posix()


def test_folders_of_models_have_no_cycle(parents: dict[str, list[str]]) -> None:
    assert {folder_of(model) for model in parents} == set(FOLDERS)
    backwards = [
        f"{parent} feeds {model}"
        for model, read in parents.items()
        for parent in read
        if FOLDERS.index(folder_of(parent)) > FOLDERS.index(folder_of(model))
    ]
    assert not backwards


def test_the_way_to_cost_and_usage_has_at_most_16_models(parents: dict[str, list[str]]) -> None:
    @cache
    def longest_way(model: str) -> tuple[str, ...]:
        """The models from a staging model to this one, both included; none if no staging model feeds it."""
        ways = [way for parent in parents[model] if (way := longest_way(parent))]
        if not ways and not Path(model).stem.startswith("stg_fal__"):
            return ()
        return (*max(ways, key=len, default=()), model)

    way = longest_way("models/marts/focus/cost_and_usage.sql")
    assert len(way) <= LONGEST_WAY, "\n".join(way)


def test_a_day_settles_in_the_models_when_sync_fetches_it_no_more() -> None:
    model = ROOT / "models" / "intermediate" / "precedence" / "int_charge_days__settled.sql"
    (days,) = re.findall(r"set settled_after_days = (\d+)", model.read_text())
    assert int(days) == SETTLED_AFTER.days


def test_cost_and_usage_of_1_4_is_made_of_that_of_1_3_alone(manifest: dict[str, Any]) -> None:
    """conformance_months has hashes of the rows of 1.3 only."""
    mart = manifest["nodes"]["model.fal_focus.focus_1_4__cost_and_usage"]
    assert mart["depends_on"]["nodes"] == ["model.fal_focus.cost_and_usage"]
    files = [ROOT / "macros/bill/focus_1_4.sql", *(ROOT / "macros/conformance").glob("*.sql")]
    for sql in (mart["raw_code"], *(file.read_text() for file in files)):
        assert not re.search(r"\b(env_)?var\(", sql)


def test_exposures_name_each_published_mart_and_each_metric(manifest: dict[str, Any]) -> None:
    exposures = {
        exposure["name"]: exposure["depends_on"]["nodes"] for exposure in manifest["exposures"].values()
    }
    published = {
        id
        for id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["schema"] in ("focus", "focus_1_4", "finops", "api")
    }
    assert set(exposures["published_files"]) == published
    assert set(exposures["metric_queries"]) == set(manifest["metrics"])
