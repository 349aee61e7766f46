"""A build can be killed at any moment, and the next one completes it."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT
from tests.end_to_end.test_incremental import BUILD, EVENTS, Dbt, change, differences, rebuilt

pytestmark = pytest.mark.long

BY_HOUR = ("--vars", "fal_charge_grain: hour")


def test_the_next_build_completes_a_killed_build(tmp_path: Path, dbt: Dbt) -> None:
    """Kill builds at random moments, some inside a transaction: begun in the log, but not ended.

    Charges are by hour. Builds of changes by day are compared with a reference in random landing zones.
    """
    chance = random.Random(1)
    landing, path = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    for number in range(12):
        change(chance, landing, f"0{number}")
    built = dbt(path, "run", "--select", EVENTS, *BY_HOUR, FAL_LANDING_DIR=landing)
    kill = in_transaction = 0
    # on a busy machine, a transaction can end before the kill that is meant for it
    while kill < 4 or not in_transaction:
        for number in range(3):
            change(chance, landing, f"{kill + 1}{number}")
        begun = chance.choice(("base_fal__typed_billing_events", "int_billing_event_usage__priced"))
        # kill half of them once a transaction is open, although it may end before the kill
        in_transaction += killed(path, landing, begun, 0 if kill % 2 else chance.random())
        # the warehouse can still be read
        built.value("select count(*) from intermediate.int_billing_event_usage__priced")
        kill += 1
        assert kill < 20
    built = dbt(path, *BUILD, *BY_HOUR, FAL_LANDING_DIR=landing)
    assert built.value("select count(*) from focus.cost_and_usage") > 0
    assert differences(built, rebuilt(dbt, built, landing, *BY_HOUR)) == []


def killed(warehouse: Path, landing: Path, begun: str, moment: float) -> bool:
    """Kill -9 a run some seconds after it begins a model. Return whether a transaction was open."""
    log = warehouse.parent / "log"
    shutil.rmtree(log, ignore_errors=True)
    dbt = str(Path(sys.executable).with_name("dbt"))
    folders = ("--log-path", str(log), "--target-path", str(warehouse.parent / "target"))
    environment = os.environ | {"FAL_WAREHOUSE": str(warehouse), "FAL_LANDING_DIR": str(landing)}
    command = [dbt, "--quiet", "--no-write-json", "--log-level-file", "debug"]
    command += ["run", "--select", EVENTS, *BY_HOUR, *folders]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as build:
        said = ""
        while build.poll() is None and f"{begun}: BEGIN" not in said:
            time.sleep(0.01)
            said = (log / "dbt.log").read_text() if (log / "dbt.log").exists() else ""
        time.sleep(moment)
        build.kill()
    said = (log / "dbt.log").read_text()
    return said.rfind("BEGIN") > max(said.rfind("COMMIT"), said.rfind("ROLLBACK"))
