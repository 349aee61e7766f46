"""Run dbt in forks of one process that has imported it, since its imports take 3 s of each command.

A fork is a process of its own: environment, working directory, connections and global state of dbt are those
of one command, and it ends as `dbt` does. `python -m tests.end_to_end.dbt_processes` is the process that is
forked. It ends when its input ends, so at the latest with the process that started it.

Before the first command that needs it, that process parses the project. Forks inherit the encoders and
templates that dbt makes while it parses, which take half of the time of a short command. They read the parsed
project from DBT_PARTIAL_PARSE_FILE_PATH, and parse again the files that differ in a copy of the project.
"""

import atexit
import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp

DBT = str(Path(sys.executable).with_name("dbt"))


@cache
def start_server() -> subprocess.Popen[str]:
    """Start the process that is forked."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=Path(__file__).parents[2],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def stop_server() -> None:
    """Wait until that process has ended, if it was started."""
    if start_server.cache_info().currsize:
        start_server().communicate()
        start_server.cache_clear()


@cache
def make_folder() -> Path:
    """Make the folder of the parsed project and of the warehouse that the commands on it build."""
    folder = Path(mkdtemp(prefix="dbt_"))
    atexit.register(shutil.rmtree, folder)
    return folder


def parsed_settings() -> dict[str, Path]:
    """Return the settings of a command that reads the parsed project. It builds this warehouse.

    dbt parses the whole project again for another path of a warehouse.
    """
    parsed = make_folder() / "partial_parse.msgpack"
    return {"DBT_PARTIAL_PARSE_FILE_PATH": parsed, "FAL_WAREHOUSE": make_folder() / "warehouse.duckdb"}


def run_dbt(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> tuple[str, int]:
    """Run dbt. Return its output on both streams, and its exit code."""
    server = start_server()
    assert server.stdin and server.stdout
    umask = os.umask(0)
    os.umask(umask)
    with NamedTemporaryFile() as output:
        process = {
            "arguments": command,
            "cwd": str(cwd),
            "environment": dict(environment),
            "umask": umask,
            "output": output.name,
        }
        print(json.dumps(process), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        return output.read().decode(), code


def main() -> None:
    """Run the command of each line of stdin in a fork, and print its exit code."""
    from dbt.adapters.duckdb import connections, impl  # noqa: F401
    from dbt.cli.main import cli

    import report.html  # noqa: F401

    atexit.register(gc.unfreeze)
    for line in sys.stdin:
        process = json.loads(line)
        parsed = process["environment"].get("DBT_PARTIAL_PARSE_FILE_PATH")
        if parsed and not Path(parsed).exists():
            parse(Path(parsed), process["environment"]["FAL_WAREHOUSE"])
        # forks do not search the objects of this process for garbage until they end, when DuckDB reports
        # what is left
        gc.freeze()
        child = os.fork()
        if not child:
            prepare(**process)
            cli()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def parse(parsed: Path, warehouse: str) -> None:
    """Parse the project in this process, without a connection and without a thread, as forks need it.

    The static parser has threads of its own (rayon), so that a fork would wait for them without end.
    """
    from dbt.cli.main import dbtRunner

    before = dict(os.environ)
    os.environ["FAL_WAREHOUSE"] = warehouse
    folders = ["--log-path", str(parsed.parent), "--target-path", str(parsed.parent)]
    done = dbtRunner().invoke(["--quiet", "--no-write-json", "--no-static-parser", "parse", *folders])
    os.environ.clear()
    os.environ.update(before)
    if not done.success:
        print(done.exception, file=sys.stderr)


def prepare(arguments: list[str], cwd: str, environment: dict[str, str], umask: int, output: str) -> None:
    """Give this process the arguments, folder, environment, umask and streams of a command."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    os.umask(umask)
    sys.argv = arguments
    for stream, name, mode in ((0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY)):
        opened = os.open(name, mode)
        os.dup2(opened, stream)
        os.close(opened)
    os.dup2(1, 2)


if __name__ == "__main__":
    main()
