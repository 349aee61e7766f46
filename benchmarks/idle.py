"""The cost of a build when nothing is new: `python -m benchmarks.idle [--turns N]`.

Builds the sample, and an empty dbt project of the same nodes: tables and views of one row, tests of one
condition and seeds of one row, with the same dependencies. Both are built again in turns. The least cost
counts.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.builds import print_cost
from benchmarks.measure import ROOT, Cost, measure_command, pick_best, print_ratio

SETTINGS = {
    "dbt_project.yml": "name: empty\nprofile: empty\n"
    "flags: {log_level_file: info, send_anonymous_usage_stats: false}\n",
    "profiles.yml": "empty: {outputs: {default: {type: duckdb, path: FOLDER/empty.duckdb, threads: 2}}}\n",
}


def build(what: str, project: Path, folder: Path) -> Cost:
    """Build a project into a folder. Print and return the cost."""
    options = ("--project-dir", str(project), "--profiles-dir", str(project))
    program = str(Path(sys.executable).with_name("dbt"))
    cost, _ = measure_command(
        [program, "--quiet", "build", *options, "--log-path", str(folder), "--target-path", str(folder)],
        FAL_LANDING_DIR=str(ROOT / "sample"),
        FAL_WAREHOUSE=str(folder / "warehouse.duckdb"),
        FAL_PUBLISH_DIR=str(folder / "published"),
    )
    print_cost(what, cost)
    return cost


def write_empty_project(project: Path, built: Path) -> int:
    """Write an empty project with the nodes of a build. Return how many nodes it has.

    built: the target folder of the build. Names are numbers, because those of some tests are not unique.
    """
    nodes = json.loads((built / "manifest.json").read_text())["nodes"]
    results = json.loads((built / "run_results.json").read_text())["results"]
    names = {id: f"node_{n}" for n, id in enumerate(result["unique_id"] for result in results) if id in nodes}
    for folder in ("models", "tests", "seeds"):
        (project / folder).mkdir(parents=True)
    for id, name in names.items():
        node = nodes[id]
        parents = [names[parent] for parent in node["depends_on"].get("nodes", []) if parent in names]
        reads = "".join(f"-- depends_on: {{{{ ref('{parent}') }}}}\n" for parent in parents)
        if node["resource_type"] == "seed":
            (project / "seeds" / f"{name}.csv").write_text("one\n1\n")
        elif node["resource_type"] == "test":
            (project / "tests" / f"{name}.sql").write_text(f"{reads}select 1 as one where false\n")
        else:
            kind = "view" if node["config"]["materialized"] == "view" else "table"
            config = f"{{{{ config(materialized='{kind}') }}}}\n"
            (project / "models" / f"{name}.sql").write_text(f"{config}{reads}select 1 as one\n")
    for file, text in SETTINGS.items():
        (project / file).write_text(text.replace("FOLDER", str(project.parent)))
    return len(names)


def main() -> int:
    """Print the costs and the ratio."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.idle",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--turns", type=int, default=3, help="builds of each project (default: 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sample, empty = Path(name) / "sample", Path(name) / "empty"
        build("first build of the sample", ROOT, sample)
        nodes = write_empty_project(empty / "project", sample)
        build(f"first build of {nodes} empty nodes", empty / "project", empty)
        idle, nothing = [], []
        for _ in range(options.turns):
            idle.append(build("a build of the sample when nothing is new", ROOT, sample))
            nothing.append(build(f"another build of {nodes} empty nodes", empty / "project", empty))
    ratio = pick_best(idle).cpu / pick_best(nothing).cpu
    print_ratio("idle: a build when nothing is new ÷ that of as many empty nodes", ratio)
    return 0


if __name__ == "__main__":
    sys.exit(main())
