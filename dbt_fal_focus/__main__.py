"""dbt build with progress: `python -m dbt_fal_focus [options of dbt build]`.

Progress is a bar on a terminal, and one line elsewhere. Below it are errors, warnings of the project's own
macros, and the results of failed tests.
"""

import sys
from contextlib import suppress
from functools import partial

from dbt.cli.main import dbtRunner
from dbt_common.events.base_types import EventMsg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from loaders.files import restrict_new_files


def main(arguments: list[str]) -> int:
    """Build, and return the exit code of `dbt build`."""
    with suppress(ValueError):  # dbt_fal_focus.Preflight reports it
        restrict_new_files()  # before dbt makes the folder of its logs
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    if not console.is_terminal:
        print("Building the marts ...", flush=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading the project", total=None)

        result = dbtRunner(callbacks=[partial(show, bar, task)]).invoke(["--quiet", "build", *arguments])
    if result.success:
        return 0
    return 2 if result.exception else 1


def show(bar: Progress, task: TaskID, event: EventMsg) -> None:
    """Show an event of dbt, which itself prints only errors."""
    match event.info.name:
        case "ConcurrencyLine":
            bar.update(task, total=event.data.node_count)
        case "NodeStart":
            bar.update(task, description=event.data.node_info.node_name[:40])
        case "NodeFinished":
            bar.advance(task)
        case "JinjaLogWarning":
            print(event.info.msg, flush=True)  # type: ignore[attr-defined]  # dbt's protocol lacks it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
