"""Readers of a publication, each a process: `python -m tests.publishing.readers KIND FOLDER PROGRESS`.

KIND is reconnecting (a connection for each read), connected (one connection for all reads) or parquet.
A reader reads until its stdin ends, and adds a byte to the file PROGRESS after each read. It prints the
states that differed from the one before, as a JSON list. Any error ends it.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[2]
KINDS = ("reconnecting", "connected", "parquet")
# seconds between two reads of a reader: eight readers leave time on two cores to the publisher
PAUSE = 0.05

# by mart: a digest of all its rows
State = dict[str, str]


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """Open the published database as a reader does."""
    return duckdb.connect(str(folder / "fal_focus.duckdb"), read_only=True)


def digest(connection: duckdb.DuckDBPyConnection, relation: str) -> str:
    """Return the number of rows of a relation, and the sum of their hashes over all columns."""
    query = f"select count(*) || ' ' || coalesce(sum(hash(t)), 0) from {relation} as t"
    ((value,),) = connection.execute(query).fetchall()
    return value


def database_state(connection: duckdb.DuckDBPyConnection) -> State:
    """Read a table at a time, as a dashboard does."""
    tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
    return {name: digest(connection, name) for (name,) in sorted(tables)}


def parquet_state(folder: Path) -> State:
    """Read a file at a time. Each is opened once: a path that is opened twice may have two contents."""
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.parquet"))}


def read(kind: str, folder: Path, progress: Path) -> list[State]:
    """Read in a loop until stdin ends."""
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    seen: list[State] = []
    connection = connect(folder) if kind == "connected" else None
    with progress.open("ab", buffering=0) as reads:
        while not stop.is_set():
            if kind == "parquet":
                state = parquet_state(folder)
            elif connection:
                state = database_state(connection)
            else:
                with connect(folder) as new_connection:
                    state = database_state(new_connection)
            if seen[-1:] != [state]:
                seen.append(state)
            reads.write(b".")
            time.sleep(PAUSE)
    return seen


@dataclass
class Readers:
    """Running readers, and after their end the states that each of them saw, by kind."""

    progress: dict[Path, subprocess.Popen[str]]
    seen: dict[str, list[list[State]]] = field(default_factory=dict)

    @property
    def reads(self) -> int:
        """The number of reads of all readers so far."""
        return sum(file.stat().st_size for file in self.progress)

    def wait(self) -> None:
        """Wait until each reader has begun and ended a read from now on."""
        # the first read that ends may have begun before
        enough = {file: (file.stat().st_size if file.exists() else 0) + 2 for file in self.progress}
        for file, process in self.progress.items():
            while not file.exists() or file.stat().st_size < enough[file]:
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.01)


@contextmanager
def reading(folder: Path, work: Path, kinds: Sequence[str]) -> Iterator[Readers]:
    """Run readers during the block, after each has read once. A reader that fails is an error."""
    readers = Readers({})
    for number, kind in enumerate(kinds):
        progress = work / f"reads-{number}"
        readers.progress[progress] = subprocess.Popen(
            [sys.executable, "-m", "tests.publishing.readers", kind, str(folder), str(progress)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        readers.wait()
        yield readers
        for kind, process in zip(kinds, readers.progress.values(), strict=True):
            out, err = process.communicate()
            assert process.returncode == 0, err
            readers.seen.setdefault(kind, []).append(json.loads(out))
    finally:
        for process in readers.progress.values():
            process.kill()
            process.wait()


def check(readers: Readers, databases: Sequence[State], files: Sequence[State]) -> None:
    """Check that each reader saw the publications in their order, and no other state.

    databases, files: the states of each publication, read between publications.
    """
    for seen in readers.seen.get("reconnecting", []):
        assert seen == list(databases), "a state that was never published, or one that was missed"
    for seen in readers.seen.get("connected", []):
        assert seen == [databases[0]], "a connection did not keep what it had opened"
    for seen in readers.seen.get("parquet", []):
        for file in files[0]:
            assert changes(seen, file) == changes(files, file), f"{file} was not as published"


def changes(states: Sequence[State], name: str) -> list[str]:
    """Return the values that one name takes, in order."""
    values = [state[name] for state in states]
    return [value for n, value in enumerate(values) if n == 0 or value != values[n - 1]]


if __name__ == "__main__":
    kind, folder, progress = sys.argv[1:]
    print(json.dumps(read(kind, Path(folder), Path(progress))))
