"""End-to-end tests run loaders and dbt as commands and query the marts with SQL, as users do."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from loaders.files import lock
from tests.end_to_end.dbt_processes import DBT, parsed_settings, run_dbt

ROOT = Path(__file__).parents[2]
NO_TESTS = ("--exclude-resource-type", "test", "unit_test")
# with --select, which drops the default selector: only the selected data tests, and no unit tests
ONLY_NAMED_TESTS = ("--indirect-selection", "empty", "--exclude-resource-type", "unit_test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder as end_to_end."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.end_to_end)


@dataclass(frozen=True)
class Command:
    """Exit code of a command, and its output on both streams."""

    output: str
    code: int


@dataclass(frozen=True)
class Warehouse:
    """A built warehouse, and the output and exit code of dbt."""

    path: Path
    output: str
    target: Path = Path("target")
    code: int = 0

    def compiled(self, model: str) -> str:
        """The SQL of the last run of a model."""
        (file,) = (self.target / "compiled").rglob(f"{model}.sql")
        return file.read_text()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query and return its rows, with times in UTC."""
        with duckdb.connect(str(self.path), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(query).fetchall()

    def value(self, query: str) -> Any:  # noqa: ANN401
        """Run a query and return its single value."""
        ((value,),) = self.rows(query)
        return value

    def exact(self, query: str) -> Decimal:
        """Run a query and return its single amount; an empty sum is 0."""
        return self.value(query) or Decimal(0)


def copy_project(folder: Path, checkout: Path = ROOT) -> None:
    """Copy the files of a fresh clone from a checkout, to run or edit the project there."""
    ignored = shutil.ignore_patterns(
        ".venv", ".git", "target", "logs", "landing", "published", "export", "*.duckdb", "__pycache__"
    )
    shutil.copytree(checkout, folder, ignore=ignored)


def run(command: list[str], cwd: Path = ROOT, **settings: object) -> Command:
    """Run a command in the project or another folder, with these settings and no other FAL_ variables.

    A make that runs the tests leaves no options to a make that a test runs.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FAL_") and name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    environment |= {name: str(value) for name, value in settings.items()} | {"NO_PROXY": "127.0.0.1"}
    if command[0] == DBT:
        return Command(*run_dbt(command, cwd, environment))
    done = subprocess.run(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return Command(done.stdout, done.returncode)


def load(*arguments: object, **settings: object) -> Command:
    """Run python -m loaders, which must succeed."""
    command = run([sys.executable, "-m", "loaders", *map(str, arguments)], **settings)
    assert command.code == 0, command.output
    return command


def move_warehouse(source: Path, target: Path) -> None:
    """Move a warehouse, if there is one, with the log that a killed build leaves beside it."""
    for suffix in ("", ".wal"):
        file = source.with_name(source.name + suffix)
        if file.exists():
            file.rename(target.with_name(target.name + suffix))


@pytest.fixture(scope="session")
def dbt_attempt(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Warehouse]:
    """Run dbt on a warehouse and publish beside it. Warnings and failures are allowed."""

    @cache
    def target_of(*project: str) -> Path:
        """Return the folder of artifacts of a project and variables."""
        return tmp_path_factory.mktemp("dbt")

    def attempt(warehouse: Path, *arguments: str, **settings: object) -> Warehouse:
        options = dict(pairwise(arguments))
        variables = options.get("--vars", "")
        target, places = target_of(options.get("--project-dir", ""), variables), parsed_settings()
        built = places["FAL_WAREHOUSE"]
        if variables:  # dbt parses the whole project again for other variables
            del places["DBT_PARTIAL_PARSE_FILE_PATH"]
        places["FAL_PUBLISH_DIR"] = warehouse.with_suffix(".published")
        folders = ["--log-path", str(target), "--target-path", str(target)]
        move_warehouse(warehouse, built)
        done = run([DBT, "--no-use-colors", "--no-write-json", *arguments, *folders], **(places | settings))
        move_warehouse(built, warehouse)
        return Warehouse(warehouse, done.output, target, done.code)

    return attempt


@pytest.fixture(scope="session")
def dbt(dbt_attempt: Callable[..., Warehouse]) -> Callable[..., Warehouse]:
    """Run dbt on a warehouse and publish beside it. Warnings are allowed, failures are not."""

    def succeed(warehouse: Path, *arguments: str, **settings: object) -> Warehouse:
        built = dbt_attempt(warehouse, *arguments, **settings)
        assert built.code == 0, built.output
        return built

    return succeed


@pytest.fixture(scope="session")
def dbt_build(dbt: Callable[..., Warehouse]) -> Callable[[Path], Warehouse]:
    """Build a landing zone, with all tests, into a warehouse beside it."""

    def build(landing: Path) -> Warehouse:
        return dbt(landing.parent / "warehouse.duckdb", "build", FAL_LANDING_DIR=landing)

    return build


@pytest.fixture(scope="session")
def dbt_run(dbt: Callable[..., Warehouse]) -> Callable[[Path, list[str]], Warehouse]:
    """Run selected models in a warehouse that has their inputs."""

    def run_models(warehouse: Path, models: list[str]) -> Warehouse:
        return dbt(warehouse, "run", "--select", *models, FAL_LANDING_DIR=warehouse.parent)

    return run_models


def build_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the committed sample once for all workers.

    Return the folder with warehouse.duckdb and published, which tests only read.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "built_sample"
    folder.mkdir(exist_ok=True)
    with lock(folder, wait=True):
        if not (folder / "passed").exists():
            folders = ["--log-path", str(folder), "--target-path", str(folder / "target")]
            places = {"FAL_WAREHOUSE": folder / "warehouse.duckdb", "FAL_PUBLISH_DIR": folder / "published"}
            done = run([DBT, "--no-use-colors", "build", *folders], **places)
            assert done.code == 0, done.output
            (folder / "passed").touch()
    return folder


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A copy of the warehouse and the publication of the committed sample."""
    built, folder = build_sample(tmp_path_factory), tmp_path_factory.mktemp("sample")
    warehouse = Path(shutil.copy(built / "warehouse.duckdb", folder))
    shutil.copytree(built / "published", warehouse.with_suffix(".published"))
    return Warehouse(warehouse, "", built / "target")
