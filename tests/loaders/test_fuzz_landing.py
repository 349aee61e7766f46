"""Any bytes in the landing folder give a clean error or a correct result."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loaders import clock
from loaders.billing_events import EVENTS, locate_day
from loaders.body import Body
from loaders.cli import main
from loaders.errors import LandingError
from loaders.landing import LandingZone
from loaders.sync import make_plan
from loaders.walk import walk
from tests.loaders.conftest import Landed, unfinished

pytestmark = pytest.mark.slow

NOW = datetime(2026, 2, 5, 12, tzinfo=UTC)
DAY = date(2026, 1, 26)
REQUEST = {"limit": 3}

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
VALUES = st.recursive(
    SCALARS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=9), values, max_size=3),
    max_leaves=6,
)


def page(number: int) -> bytes:
    """Return one of five pages of three events each."""
    events = [{"request_id": f"{number}-{event}"} for event in range(3)]
    more = {"has_more": number < 4, "next_cursor": str(number + 1) if number < 4 else None}
    return json.dumps({"billing_events": events, **more}).encode()


class Pages:
    """An API with these pages, which fails at one of them."""

    max_pages = 100

    def __init__(self, broken: int | None = None) -> None:
        self.broken = broken

    def get(self, path: str, params: dict[str, str], accept: Callable[[Body], object]) -> object:
        number = int(params.get("cursor", 0))
        if number == self.broken:
            raise LandingError("that is all")
        return accept(Body(page(number)))


def land(folder: Path, api: Pages, day: date = DAY) -> Landed:
    """Land a day of these pages."""
    with LandingZone(folder).open_account("acme") as zone:
        partition = locate_day("acme", day)
        with zone.start_load(partition, REQUEST) as load:
            manifest = load.publish(agreed=walk(api, EVENTS, load))
    return Landed(folder / partition.folder / f"load={manifest.load_id}")


@pytest.fixture(scope="module", autouse=True)
def noon() -> Iterator[None]:
    """Set the clock to noon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "utc_now", lambda: NOW)
        yield


@pytest.fixture(scope="module")
def landed(noon: None, tmp_path_factory: pytest.TempPathFactory) -> Landed:
    """A day that has landed."""
    return land(tmp_path_factory.mktemp("landed") / "landing", Pages())


@pytest.fixture(scope="module")
def stopped(noon: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landing folder with a day that stopped after three of its five pages."""
    landing = tmp_path_factory.mktemp("stopped") / "landing"
    with suppress(LandingError):
        land(landing, Pages(broken=3))
    return landing


@st.composite
def damage(draw: st.DrawFn, original: bytes) -> bytes:
    """Return bytes with a few removed, changed or inserted."""
    text = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 9))] = draw(st.binary(max_size=9))
    return bytes(text)


@st.composite
def alter(draw: st.DrawFn, original: dict[str, Any]) -> dict[str, Any]:
    """Return a document with a changed or missing value, maybe a nested one."""
    document = json.loads(json.dumps(original))
    place = document
    if isinstance(document.get("pages"), list) and draw(st.booleans()):
        place = draw(st.sampled_from(document["pages"]))
        if "page" in place and draw(st.booleans()):
            place = place["page"]
    name = draw(st.sampled_from(sorted(place)))
    if draw(st.booleans()):
        place[name] = draw(VALUES | st.sampled_from(list(place.values())))
    else:
        del place[name]
    return document


def run_command(*arguments: object) -> tuple[int, str]:
    """Run a command; return its exit code and its standard error."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as err:
        code = main([str(argument) for argument in arguments])
    return code, err.getvalue()


def is_true(landed: Landed, manifest: bytes) -> bool:
    """Return whether a manifest is correct."""
    recorded, expected = json.loads(manifest), landed.manifest
    for page in (*recorded["pages"], *expected["pages"]):
        # false is always correct, and only costs a reader time
        page["one_line"] = page["short_numbers"] = True
    fetched_at = datetime.fromisoformat(recorded["fetched_at"])
    excluded = {"request", "fetched_at", "walks", "agreed"}
    facts = {name: value for name, value in expected.items() if name not in excluded}
    return (
        all((recorded[name], type(recorded[name])) == (true, type(true)) for name, true in facts.items())
        and datetime(2026, 1, 27, tzinfo=UTC) <= fetched_at <= NOW
        and recorded.get("agreed") is not False
    )


@given(st.data())
def test_any_bytes_as_a_manifest_are_reported_or_valid(landed: Landed, data: st.DataObject) -> None:
    original = landed.manifest
    manifest = data.draw(
        st.binary()
        | damage((json.dumps(original) + "\n").encode())
        | alter(original).map(lambda document: json.dumps(document).encode())
        | st.integers(1, 5000).map(lambda depth: b"[" * depth + b"]" * depth)
    )
    with tempfile.TemporaryDirectory() as folder:
        landing = Path(folder) / "landing"
        load = landing / landed.folder.relative_to(landed.folder.parents[3])
        shutil.copytree(landed.folder, load)
        (load / "manifest.json").write_bytes(manifest)
        check(landing, landed, manifest)


def check(landing: Path, landed: Landed, manifest: bytes) -> None:
    """Check that sync makes a plan or fails with one line, prune keeps the load, and verify finds errors."""
    try:
        plan = make_plan(LandingZone(landing), "acme", DAY, NOW)
    except LandingError as error:
        assert str(error).endswith(
            "manifest.json is not a manifest: remove that load's folder and land it again"
        )
        assert manifest != (landed.folder / "manifest.json").read_bytes()
    else:
        recorded = json.loads(manifest)
        was_open = recorded["complete"] is False or datetime.fromisoformat(recorded["fetched_at"]) > NOW
        assert (plan.events.get(locate_day("acme", DAY)) == "open") == was_open
    assert run_command("prune", "--landing-dir", landing) == (0, "")
    code, err = run_command("verify", "--landing-dir", landing)
    assert all(line.startswith(f"error: {landing}/billing_events/account=acme/") for line in err.splitlines())
    assert code == bool(err)
    assert err or is_true(landed, manifest)
    assert not err or manifest != (landed.folder / "manifest.json").read_bytes()
    # the day can land again
    assert land(landing, Pages()).bodies == landed.bodies


@given(st.data())
def test_any_bytes_as_a_walk_record_land_the_same_day(
    landed: Landed, stopped: Path, data: st.DataObject
) -> None:
    (record,) = stopped.glob(".work/account=acme/kept/*/walk.jsonl")
    walk_, *pages = [json.loads(line) for line in record.read_text().splitlines()]
    content = data.draw(
        st.binary()
        | damage(record.read_bytes())
        | alter({"walk": walk_, "pages": pages}).map(
            lambda document: b"".join(
                json.dumps(line).encode() + b"\n"
                for line in (document.get("walk"), *as_list(document.get("pages")))
            )
        )
        | alter(walk_).map(
            lambda document: b"".join(json.dumps(line).encode() + b"\n" for line in (document, *pages))
        )
        | st.permutations([*pages, *pages]).map(
            lambda lines: b"".join(json.dumps(line).encode() + b"\n" for line in (walk_, *lines))
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        landing = Path(folder) / "landing"
        shutil.copytree(stopped, landing)
        (landing / record.relative_to(stopped)).write_bytes(content)
        load = land(landing, Pages())
        assert load.bodies == landed.bodies
        assert load.manifest["pages"] == landed.manifest["pages"]
        assert load.manifest["rows"] == 15
        assert load.manifest["complete"] is True
        assert unfinished(landing) == set()
        assert run_command("verify", "--landing-dir", landing)[0] == 0


def as_list(value: object) -> list[object]:
    """Return a list, of one value unless it is a list."""
    return value if isinstance(value, list) else [value]


NAMES = st.sampled_from(
    [
        "billing_events",
        "focus_reports",
        "account=acme",
        "account=",
        "source=invoice",
        "source=estimate",
        "...",
    ]
) | st.builds(
    "{}={}".format,
    st.sampled_from(["date", "billing_month", "load", "account", "source", "x"]),
    st.dates().map(str)
    | st.from_regex(r"\d{4}-\d\d(-\d\d)?", fullmatch=True)
    | st.from_regex(r"[0-9]{8}T[0-9]{12}Z-[0-9a-f]{6}", fullmatch=True)
    | st.text(st.characters(codec="utf-8", exclude_characters="/\0\n\r"), max_size=9),
)


LAST = "load=99991231T235959999999Z-abcdef"  # the last possible time


@given(st.lists(st.tuples(NAMES, NAMES, NAMES, NAMES), max_size=5), st.booleans())
@example([("billing_events", "account=acme", f"date={DAY}", LAST)], False)
@example([("billing_events", "account=acme", f"date={DAY}", LAST)], True)
def test_folders_of_any_names_do_not_break_a_command(
    landed: Landed, names: list[tuple[str, ...]], has_manifests: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Path(folder) / "landing"
        shutil.copytree(landed.folder, landing / landed.folder.relative_to(landed.folder.parents[3]))
        for path in names:
            (landing / Path(*path)).mkdir(parents=True, exist_ok=True)
            if has_manifests:
                (landing / Path(*path) / "manifest.json").write_bytes(b"{}")
        assert run_command("prune", "--landing-dir", landing) == (0, "")
        code, err = run_command("verify", "--landing-dir", landing)
        assert code == bool(err)
        with suppress(LandingError):  # of a folder that is not a load
            make_plan(LandingZone(landing), "acme", DAY, NOW)
        last = landing / locate_day("acme", DAY).folder / LAST
        if last.exists():
            with pytest.raises(LandingError, match=f"no load can come after {last}: remove it"):
                land(landing, Pages())
            shutil.rmtree(last)
        again = land(landing, Pages())
        assert again.bodies == landed.bodies
        assert again.folder.name > landed.folder.name
