"""The landing zone: loads appear complete, the latest one wins, and work folders are cleaned up."""

import gzip
import os
import random
import re
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from loaders import clock
from loaders.body import PIECE
from loaders.errors import BrokenFileError, LandingError, LockedError
from loaders.files import remove_folder
from loaders.landing import (
    LandingZone,
    Partition,
    Superseded,
    has_short_numbers,
    is_one_line,
    list_loads,
    make_load_id,
)
from loaders.work import PageFile, read_page
from tests.fal_server import World
from tests.loaders.conftest import Landed, Loads, Run, day_of, tree, unfinished

NOW = datetime(2026, 2, 5, 12, tzinfo=UTC)
DAY = Partition("billing_events", "acme", "2026-01-26")


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock to noon."""
    monkeypatch.setattr(clock, "utc_now", lambda: NOW)


def land(
    folder: Path, body: bytes = b"{}", partition: Partition = DAY, gzipped: bytes | None = None
) -> Landed:
    """Land a load of one page."""
    with LandingZone(folder).open_account(partition.account) as zone, zone.start_load(partition, {}) as load:
        load.add_page("page-00001.json.gz", body, 0, gzipped)
        manifest = load.publish()
    return Landed(folder / partition.folder / f"load={manifest.load_id}")


def test_partitions_have_the_paths_that_the_models_read(landing: Path) -> None:
    folders = [
        Partition("billing_events", "a", "2026-01-26").folder,
        Partition("focus_reports", "a", "2026-01-26", "estimate").folder,
        Partition("focus_reports", "a", "2026-02", "invoice").folder,
    ]
    assert [str(folder) for folder in folders] == [
        "billing_events/account=a/date=2026-01-26",
        "focus_reports/account=a/source=estimate/date=2026-01-26",
        "focus_reports/account=a/source=invoice/billing_month=2026-02",
    ]


def test_the_load_id_is_the_time_of_the_fetch_and_a_random_part(landing: Path) -> None:
    load = land(landing)
    stamp, _, random = load.manifest["load_id"].partition("-")
    assert stamp == "20260205T120000000000Z"
    assert len(random) == 6 and int(random, 16) >= 0


def test_load_ids_sort_in_the_order_of_landing_even_when_the_clock_goes_back(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = [NOW, NOW, NOW - timedelta(days=400), NOW + timedelta(seconds=1), NOW]
    landed = []
    for moment in moments:
        monkeypatch.setattr(clock, "utc_now", lambda moment=moment: moment)
        landed.append(land(landing).folder.name)
    assert landed == sorted(landed)
    stamps = [name[5:27] for name in landed]
    assert stamps == [
        "20260205T120000000000Z",
        "20260205T120000000001Z",
        "20260205T120000000002Z",
        "20260205T120001000000Z",
        "20260205T120001000001Z",
    ]
    assert [load.name for load in list_loads(landing / DAY.folder)] == landed


def test_a_load_id_is_after_that_of_a_folder_without_a_manifest(landing: Path) -> None:
    (landing / DAY.folder / "load=20990101T000000000000Z-abcdef").mkdir(parents=True)
    assert make_load_id(landing / DAY.folder, NOW).startswith("20990101T000000000001Z-")


def test_a_folder_without_a_manifest_is_not_a_load(landing: Path) -> None:
    load = land(landing)
    (landing / DAY.folder / "load=20990101T000000000000Z-abcdef").mkdir()
    (landing / DAY.folder / "load=notes").mkdir()
    assert list_loads(landing / DAY.folder) == [load.folder]


def test_a_load_is_invisible_until_it_is_complete(landing: Path) -> None:
    with LandingZone(landing).open_account("acme") as zone, zone.start_load(DAY, {}) as load:
        load.add_page("page-00001.json.gz", b"{}", 0)
        assert tree(landing) == set()
        load.publish()
    assert len(list_loads(landing / DAY.folder)) == 1


@pytest.mark.parametrize("step", ["rename", "manifest"])
def test_a_crash_just_before_the_rename_leaves_no_partial_load(
    landing: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    first = land(landing)

    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        if step == "rename":
            patch.setattr(Path, "rename", crash)
        else:
            patch.setattr("loaders.landing.sync_to_disk", crash)
        with pytest.raises(Crash):
            land(landing, b'{"new": 1}')
    assert list_loads(landing / DAY.folder) == [first.folder]
    second = land(landing, b'{"new": 1}')
    assert list_loads(landing / DAY.folder) == [first.folder, second.folder]
    assert unfinished(landing) == set()


def test_a_folder_that_becomes_unwritable_is_a_one_line_error_and_works_again_later(landing: Path) -> None:
    zone = LandingZone(landing)
    with pytest.raises(LandingError, match="cannot use the landing folder"), zone.open_account("acme"):
        hidden = (landing / ".work").rename(landing / "elsewhere")
        (landing / ".work").touch()  # a file in place of the folder stops root as well
        zone.start_load(DAY, {})
    (landing / ".work").unlink()
    hidden.rename(landing / ".work")
    land(landing)
    assert unfinished(landing) == set()


def test_work_of_a_dead_process_is_removed_by_the_next_run(landing: Path) -> None:
    child = os.fork()
    if child == 0:  # dies without cleaning up, as with kill -9
        run = LandingZone(landing).open_account("acme")
        run.__enter__().start_load(DAY, {}).add_page("page-00001.json.gz", b"{}", 0)
        os._exit(9)
    os.waitpid(child, 0)
    assert len(list((landing / ".work").glob("account=acme/run-*/*/page-00001.json.gz"))) == 1
    land(landing, partition=Partition("billing_events", "acme", "2026-01-27"))
    assert unfinished(landing) == set()


def test_a_run_that_lost_its_lock_cannot_add_pages_or_publish(landing: Path) -> None:
    zone = LandingZone(landing)
    with zone.open_account("acme"):
        load = zone.start_load(DAY, {})
        load.add_page("page-00001.json.gz", b"{}", 0)
        load.record_page()
    with LandingZone(landing).open_account("acme"):
        for step in (load.publish, load.record_page, lambda: load.add_page("page-00002.json.gz", b"{}", 0)):
            with pytest.raises(LandingError):
                step()
    assert list_loads(landing / DAY.folder) == []
    assert len(unfinished(landing)) == 4  # kept, the load, its record and its one page


# ---------------------------------------------------------------- one loader an account


def test_a_second_loader_of_an_account_gets_the_process_that_holds_it(run: Run, landing: Path) -> None:
    with LandingZone(landing).open_account("acme"):
        result = run("sync")
        assert (result.code, result.out) == (1, "")
        assert result.err == (
            f"error: account acme is being landed by process {os.getpid()} since 2026-02-05T12:00:00Z: "
            "wait until that has ended, or stop it, then run this again\n"
        )
    assert run("sync", "--since", "2026-02-01").code == 0


def test_loaders_of_two_accounts_run_beside_each_other(landing: Path) -> None:
    with LandingZone(landing).open_account("acme") as zone, zone.start_load(DAY, {}) as load:
        load.add_page("page-00001.json.gz", b'{"slow": 1}', 0)
        land(landing, partition=Partition("billing_events", "bolt", "2026-01-26"))
        load.publish()
    assert [Landed(folder).bodies for folder in list_loads(landing / DAY.folder)] == [[b'{"slow": 1}']]


@pytest.mark.parametrize("content", [b"", b"\xff\n", b"process 1 since then", b"x" * 9999])
def test_a_lock_file_without_content_still_blocks(landing: Path, content: bytes) -> None:
    with LandingZone(landing).open_account("acme"):
        (landing / ".work/account=acme/lock").write_bytes(content)
        with (
            pytest.raises(LockedError, match="is being landed by another process: wait"),
            LandingZone(landing).open_account("acme"),
        ):
            pass


def test_a_lock_file_without_a_holder_does_not_block(landing: Path) -> None:
    land(landing)
    (landing / ".work/account=acme/lock").write_text("process 1 since 2020-01-01T00:00:00Z")
    land(landing)
    assert len(list_loads(landing / DAY.folder)) == 2


def test_prune_and_verify_need_no_lock(run: Run, landing: Path) -> None:
    land(landing)
    with LandingZone(landing).open_account("acme"):
        assert run("prune").code == 0
        assert "it has no list of billing_events; load it again" in run("verify").err


# ---------------------------------------------------------------- files


def test_every_folder_above_a_load_is_on_disk(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    for module in ("files", "landing"):
        monkeypatch.setattr(f"loaders.{module}.sync_to_disk", synced.append)
    load = land(landing)
    days = load.folder.parents[0]
    assert {days, *days.parents} & set(synced) == {landing, *(landing / path for path in (
        "billing_events", "billing_events/account=acme", DAY.folder,
    ))}  # fmt: skip


def test_a_run_syncs_each_folder_once(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    land(landing)
    synced: list[Path] = []
    monkeypatch.setattr("loaders.files.sync_to_disk", synced.append)
    with LandingZone(landing).open_account("acme") as zone:
        for day in ("2026-01-26", "2026-01-27", "2026-01-26"):
            with zone.start_load(Partition("billing_events", "acme", day), {}) as load:
                load.publish()
    account = landing / "billing_events/account=acme"
    assert synced == [landing, account.parent, account, account]  # the last one is for the 27th


def test_compressed_files_are_the_same_for_the_same_body(landing: Path) -> None:
    files = [(land(landing).folder / "page-00001.json.gz").read_bytes() for _ in range(2)]
    assert files[0] == files[1]
    assert files[0][4:8] == bytes(4)  # the gzip header has no time


def test_received_gzip_lands_unchanged(landing: Path) -> None:
    came = gzip.compress(b"{}", 1, mtime=7)
    load = land(landing, gzipped=came)
    assert (load.folder / "page-00001.json.gz").read_bytes() == came


def test_received_gzip_with_a_header_that_duckdb_refuses_is_compressed_again(
    landing: Path, tmp_path: Path
) -> None:
    came = gzip.compress(b"{}", mtime=0)
    commented = came[:3] + b"\x10" + came[4:10] + b"a comment\0" + came[10:]
    assert gzip.decompress(commented) == b"{}"
    (tmp_path / "commented.json.gz").write_bytes(commented)
    with pytest.raises(duckdb.IOException, match="Unsupported GZIP"):
        read_lines(tmp_path / "commented.json.gz")
    assert read_lines(land(landing, gzipped=commented).folder / "page-00001.json.gz") == [("{}",)]


def read_lines(file: Path) -> list[tuple[str]]:
    """Read the lines of a file as the models do."""
    return duckdb.sql(
        f"select line from read_csv('{file}', columns={{'line': 'varchar'}}, header=false)"
    ).fetchall()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":"b"}', True),
        (b'{"a":\n"b"}', False),
        (b'{"a":\r"b"}', False),
        (b'{"a":"b"}\n', False),
        (rb'{"a":"line\nbreak \"quoted\" \\ \u00e9 \ue000"}', True),
        (rb'{"a":"\ud83d\ude00"}', False),
        (rb'{"a":"\uDFFF"}', False),
        (b"", True),
    ],
)
def test_a_page_is_one_line_without_line_breaks_and_surrogates(body: bytes, expected: bool) -> None:
    assert (
        is_one_line(body) == is_one_line(b" " * PIECE + body) == is_one_line(body + b" " * PIECE) == expected
    )


@pytest.mark.parametrize("number", [b"1234567890123456", b"1.23456789012345", b"0.00000000000001"])
def test_a_long_number_is_found_at_any_position(number: bytes) -> None:
    for before in (*range(20), *range(PIECE - 40, PIECE + 40), *range(2 * PIECE - 40, 2 * PIECE + 40)):
        assert not has_short_numbers(b" " * before + number)
        assert not has_short_numbers(b" " * before + number + b" " * PIECE)
        assert has_short_numbers(b" " * before + number[:-1] + b"e" + number[:-1])


def test_the_fast_checks_of_a_page_agree_with_regular_expressions() -> None:
    draw = random.Random(1)
    for _ in range(300):
        size = draw.randrange(3 * PIECE)
        body = bytearray(draw.choice((b"1 ", b"12345678901234 ", b"a")) * size)[:size]
        for _ in range(draw.randrange(4)):
            start = draw.randrange(size + 1)
            body[start : start + 16] = draw.choice(
                (b"1" * 16, b"\n", b"\r", b"\\", rb"\ud800", rb"\u00e9", b" 1.2345678 ")
            )
        assert is_one_line(bytes(body)) == (not re.search(rb"[\r\n]|\\u[dD][89a-fA-F]", body))
        assert has_short_numbers(bytes(body)) == (not re.search(rb"[0-9.]{16}", body))


def test_a_folder_that_cannot_be_made_is_a_one_line_error(run: Run, landing: Path) -> None:
    landing.write_text("in the way")
    result = run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith(f"error: cannot use the landing folder {landing}: ")
    assert "check FAL_LANDING_DIR" in line


def test_a_full_disk_is_a_one_line_error_and_publishes_nothing(
    run: Run, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("loaders.files.os.fsync", full)
    result = run("billing-events", "--start", "2026-01-26", "--end", "2026-01-29")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "No space left on device" in line
    assert tree(landing) == set()


def test_a_broken_manifest_is_a_one_line_error(run: Run, loads: Loads) -> None:
    run("billing-events", "--start", "2026-02-01", "--end", "2026-02-02")
    (load,) = loads(day_of("2026-02-01"))
    (load.folder / "manifest.json").write_text("{")
    result = run("sync", "--since", "2026-02-01")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "manifest.json is not a manifest: remove that load's folder and land it again" in line


def test_a_page_that_is_longer_than_recorded_is_decoded_only_in_part(tmp_path: Path) -> None:
    content = gzip.compress(bytes(64 * 2**20), 9)
    (tmp_path / "page-00001.json.gz").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(BrokenFileError, match="has more than the 100 bytes recorded"):
        read_page(tmp_path, PageFile("page-00001.json.gz", 0, 100, ""))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20


# ---------------------------------------------------------------- prune


def land_long_ago(folder: Path, count: int, partition: Partition = DAY) -> list[Path]:
    """Land several loads of a partition, one on each day before now."""
    loads = [land(folder, b"{}", partition).folder for _ in range(count)]
    for age, load in enumerate(reversed(loads), start=1):
        set_age(load, timedelta(days=age))
    return loads


def set_age(load: Path, ago: timedelta) -> None:
    """Set the publication time of a load."""
    then = (NOW - ago).timestamp()
    os.utime(load / "manifest.json", (then, then))


def test_prune_removes_superseded_loads_and_keeps_the_latest(run: Run, landing: Path) -> None:
    other = Partition("focus_reports", "bolt", "2026-02-01", "estimate")
    latest = [land_long_ago(landing, 3, partition)[-1] for partition in (DAY, other)]
    result = run("prune")
    assert (result.code, result.out) == (
        0,
        f"loads in {landing} of all accounts, regardless of FAL_ACCOUNT:\n"
        "removed 4 superseded loads of 2 partitions, kept 1 of each and the first of an invoice, "
        "left 0 that were superseded within the last 6 hours\n",
    )
    assert list_loads(landing / DAY.folder) == [latest[0]]
    assert list_loads(landing / other.folder) == [latest[1]]
    assert Landed(latest[0]).bodies == [b"{}"]
    assert unfinished(landing) == set()
    assert (
        "removed 0 superseded loads of 0 partitions, kept 1 of each and the first of an invoice, "
        in run("prune").out
    )


def test_prune_keeps_the_first_load_of_an_invoice(run: Run, landing: Path) -> None:
    invoice = Partition("focus_reports", "bolt", "2026-02", "invoice")
    first, _, *latest = land_long_ago(landing, 4, invoice)
    assert "removed 1 superseded load of 1 partition, kept 2" in run("prune", "--keep", 2).out
    assert list_loads(landing / invoice.folder) == [first, *latest]
    assert "removed 1 superseded load of 1 partition, kept 1" in run("prune").out
    assert "removed 0 superseded loads" in run("prune").out
    assert list_loads(landing / invoice.folder) == [first, latest[-1]]


@pytest.mark.parametrize(
    ("ago", "removed"),
    [
        (timedelta(hours=6), True),
        (timedelta(hours=5, minutes=59), False),
        (timedelta(0), False),
        (-timedelta(days=400), False),  # by a clock that was ahead
    ],
)
def test_prune_keeps_loads_that_a_build_may_be_reading(
    run: Run, landing: Path, ago: timedelta, removed: bool
) -> None:
    old, new = land_long_ago(landing, 2)
    set_age(new, ago)
    assert f"left {int(not removed)} that were superseded within the last 6 hours" in run("prune").out
    assert list_loads(landing / DAY.folder) == ([new] if removed else [old, new])


def test_prune_keeps_loads_that_were_the_latest_when_a_build_began(
    run: Run, landing: Path, world: World, set_clock: Callable[[datetime], None]
) -> None:
    day = ("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    run(*day)
    (listed,) = list_loads(landing / DAY.folder)  # as a build does when it starts
    for load in (listed, *(list_loads(landing / DAY.folder)[-1] for _ in range(3) if run(*day).code == 0)):
        set_age(load, timedelta(0))
        assert run("prune").code == 0
        assert Landed(listed).events
    set_clock(NOW + timedelta(hours=6))
    assert "removed 3 superseded loads of 1 partition" in run("prune").out


def test_prune_keeps_the_work_of_a_running_loader(run: Run, landing: Path) -> None:
    land_long_ago(landing, 3)
    with LandingZone(landing).open_account("acme") as zone, zone.start_load(DAY, {}) as load:
        load.add_page("page-00001.json.gz", b'{"slow": 1}', 0)
        assert "removed 2 superseded loads" in run("prune").out
        load.publish()
    assert [Landed(folder).bodies for folder in list_loads(landing / DAY.folder)] == [
        [b"{}"],
        [b'{"slow": 1}'],
    ]


def test_a_prune_deletes_the_leftovers_of_a_killed_one(run: Run, landing: Path) -> None:
    old, _ = land_long_ago(landing, 2)
    (landing / ".work/pruned").mkdir()
    old.rename(landing / ".work/pruned/0123")
    assert "removed 0 superseded loads" in run("prune").out
    assert unfinished(landing) == set()


def test_two_prunes_side_by_side_both_succeed(
    run: Run, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = land_long_ago(landing, 4)
    superseded = LandingZone._list_superseded

    def overtaken(zone: LandingZone, keep: int, account: str | None) -> Iterator[Superseded]:
        listed = list(superseded(zone, keep, account))
        for old in listed[:2]:
            remove_folder(old.load)
        return iter(listed)

    monkeypatch.setattr(LandingZone, "_list_superseded", overtaken)
    result = run("prune")
    assert result.code == 0, result.err
    assert "removed 1 superseded load of 1 partition" in result.out
    assert list_loads(landing / DAY.folder) == landed[3:]


def test_prune_keeps_as_many_loads_as_requested(run: Run, landing: Path) -> None:
    landed = land_long_ago(landing, 4)
    run("prune", "--keep", 3)
    assert list_loads(landing / DAY.folder) == landed[1:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda load: (load / "manifest.json").write_text("{"),
        lambda load: (load / "manifest.json").write_text(f'{{"fetched_at": "{NOW.isoformat()}"}}'),
        lambda load: (load / "page-00001.json.gz").unlink(),
    ],
    ids=["manifest no JSON", "manifest without pages", "page missing"],
)
def test_prune_keeps_the_last_valid_load(run: Run, landing: Path, damage: Callable[[Path], object]) -> None:
    landed = land_long_ago(landing, 5)
    for load in landed[3:]:
        damage(load)
        set_age(load, timedelta(days=1))
    result = run("prune")
    assert result.code == 0
    assert result.out.endswith(
        "removed 2 superseded loads of 1 partition, kept 1 of each and the first of an invoice, "
        "left 0 that were superseded within the last 6 hours, "
        "and 2 whose later loads are broken; see verify\n"
    )
    assert list_loads(landing / DAY.folder) == landed[2:]
    assert "removed 0" in run("prune", "--keep", 2).out
    last = land(landing).folder
    set_age(last, timedelta(days=1))
    assert "removed 3 superseded loads of 1 partition" in run("prune").out
    assert list_loads(landing / DAY.folder) == [last]


def test_prune_removes_nothing_where_all_loads_are_broken(run: Run, landing: Path) -> None:
    landed = land_long_ago(landing, 3)
    for load in landed:
        (load / "page-00001.json.gz").unlink()
    assert "removed 0" in run("prune").out
    assert list_loads(landing / DAY.folder) == landed


def test_prune_can_be_limited_to_one_account(run: Run, landing: Path) -> None:
    for account in ("acme", "bolt"):
        land_long_ago(landing, 2, Partition("billing_events", account, "2026-01-26"))
    assert f"loads in {landing} of account bolt:\n" in run("prune", "--account", "bolt").out
    assert len(list_loads(landing / "billing_events/account=acme/date=2026-01-26")) == 2
    assert len(list_loads(landing / "billing_events/account=bolt/date=2026-01-26")) == 1


def test_prune_ignores_everything_but_loads(run: Run, landing: Path) -> None:
    land_long_ago(landing, 2)
    strange = landing / DAY.folder / "load=20200101T000000000000Z-abcdef"
    strange.mkdir()
    run("prune")
    assert strange.is_dir()
    assert len(list_loads(landing / DAY.folder)) == 1


def test_prune_refuses_to_keep_no_load(run: Run, landing: Path) -> None:
    land(landing)
    result = run("prune", "--keep", 0)
    assert result.code == 2 and len(result.errors) == 1
    assert len(list_loads(landing / DAY.folder)) == 1


def test_prune_needs_no_key(run: Run, landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    land(landing)
    monkeypatch.delenv("FAL_KEY")
    assert run("prune").code == 0


def test_prune_of_a_folder_with_an_impossible_name_is_a_one_line_error(run: Run, landing: Path) -> None:
    result = run("prune", "--landing-dir", "x" * 300)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "landing folder xxx" in line and "check FAL_LANDING_DIR" in line


def test_prune_without_a_landing_folder_is_a_one_line_error(run: Run, landing: Path) -> None:
    result = run("prune")
    assert result.code == 1
    assert result.err == f"error: the landing folder {landing} does not exist; check FAL_LANDING_DIR\n"
    assert not landing.exists()
