"""The publication in service, and the ones that are kept for walks."""

import errno
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import duckdb
import pytest

from api import publications
from api.publications import AN_HOUR, KEPT, OPEN_AT_MOST, NotPublishedError, Publications
from loaders import files
from tests.api.serving import publish_small

pytestmark = pytest.mark.slow


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder to publish into. The server checks it on every request."""
    monkeypatch.setattr(publications, "LOOK_EVERY", 0.0)
    return tmp_path / "published"


def count_rows(kept: Publications, publication_id: str | None = None) -> int:
    """Return the number of charges in a publication."""
    with kept.open(publication_id) as (_, cursor):
        ((count,),) = cursor.execute("select count(*) from api.cost_and_usage_records").fetchall()
    return count


def read_newest_id(kept: Publications) -> str:
    """Return the id of the current publication."""
    with kept.open() as (publication, _):
        return publication.publication_id


def list_names(folder: Path) -> set[str]:
    """Return the ids of the kept publications."""
    return {file.stem for file in folder.glob("*.duckdb")}


def test_the_newest_publication_is_served_and_older_ones_stay(published: Path, tmp_path: Path) -> None:
    kept = Publications(published, tmp_path / "kept")
    for count, name in enumerate(["a", "b", "c"]):
        publish_small(published, name, charges=count)
        assert (read_newest_id(kept), count_rows(kept)) == (name, count)
    assert [count_rows(kept, name) for name in "abc"] == [0, 1, 2]
    kept.close()
    assert [count_rows(Publications(published, tmp_path / "kept"), name) for name in "abc"] == [0, 1, 2]


def test_a_publication_is_pinned_by_a_hard_link(published: Path, tmp_path: Path) -> None:
    publish_small(published, "a")
    read_newest_id(Publications(published, tmp_path / "kept"))
    assert (tmp_path / "kept" / "a.duckdb").samefile(published / "fal_focus.duckdb")
    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["a.duckdb"]


def test_a_publication_is_copied_where_hard_links_fail(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refused)
    kept = Publications(published, tmp_path / "kept")
    publish_small(published, "a", charges=3)
    assert count_rows(kept) == 3
    publish_small(published, "b", charges=4)
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_to_disk", synced.append)
    assert (count_rows(kept), count_rows(kept, "a")) == (4, 3)
    assert [path.parent for path in synced] == [tmp_path / "kept", tmp_path]  # the copy, then its folder


class OtherFileSystem:
    """Replaces links by copies, which can be counted and stopped, on a disk with some free space."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.copied: list[Path] = []
        self.free = 10**12
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.copy = shutil.copy2
        monkeypatch.setattr(os, "link", self.link)
        monkeypatch.setattr(shutil, "copy2", self.copy2)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, self.free))

    def link(self, *_: object) -> None:
        """Refuse a link."""
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def copy2(self, source: Path, target: Path) -> None:
        """Copy a file when the test goes on."""
        self.copied.append(source)
        assert self.goes_on.wait(60)
        self.copy(source, target)


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> OtherFileSystem:
    """Let the published folder be on another file system."""
    return OtherFileSystem(monkeypatch)


def test_a_broken_publication_is_not_read_again_until_it_changes(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: OtherFileSystem
) -> None:
    opened = 0
    open_publication = publications.open_publication

    def fail(publication_id: str, file: Path) -> publications.Publication:
        nonlocal opened
        opened += 1
        if publication_id == "broken":
            raise duckdb.IOException("a block is damaged")
        return open_publication(publication_id, file)

    monkeypatch.setattr(publications, "open_publication", fail)
    kept = Publications(published, tmp_path / "kept")
    publish_small(published, "a")
    assert read_newest_id(kept) == "a"
    publish_small(published, "broken")
    assert [read_newest_id(kept) for _ in range(5)] == ["a"] * 5
    assert (len(other.copied), opened) == (2, 2)
    monkeypatch.setattr(publications, "RETRY_EVERY", 0.0)
    kept.retry_at = 0.0
    assert [read_newest_id(kept) for _ in range(5)] == ["a"] * 5
    assert (len(other.copied), opened) == (2, 7)
    publish_small(published, "b")
    assert read_newest_id(kept) == "b"


def test_the_current_publication_is_served_while_the_next_is_copied(
    published: Path, tmp_path: Path, other: OtherFileSystem
) -> None:
    kept = Publications(published, tmp_path / "kept")
    publish_small(published, "a")
    assert read_newest_id(kept) == "a"
    publish_small(published, "b")
    other.goes_on.clear()
    copies = threading.Thread(target=read_newest_id, args=[kept])
    copies.start()
    while len(other.copied) < 2:
        time.sleep(0.01)
    assert read_newest_id(kept) == "a"
    assert count_rows(kept, "a") > 0
    other.goes_on.set()
    copies.join()
    assert read_newest_id(kept) == "b"


def test_a_request_that_begins_after_a_publish_waits_for_the_thread_that_pins(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, linking, goes_on = os.link, threading.Event(), threading.Event()
    links = 0

    def link_slowly(source: Path, target: Path) -> None:
        nonlocal links
        links += 1
        linking.set()
        assert goes_on.wait(60)
        link(source, target)

    kept = Publications(published, tmp_path / "kept")
    publish_small(published, "a")
    assert read_newest_id(kept) == "a"
    publish_small(published, "b")
    monkeypatch.setattr(os, "link", link_slowly)
    with ThreadPoolExecutor(8) as threads:
        requests = [threads.submit(read_newest_id, kept)]
        assert linking.wait(60)
        requests += [threads.submit(read_newest_id, kept) for _ in range(7)]
        assert wait(requests, timeout=0.2).done == set()
        goes_on.set()
        assert [request.result() for request in requests] == ["b"] * 8
    assert links == 1


def test_requests_that_wait_for_a_pin_do_not_wait_for_its_copy(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: OtherFileSystem
) -> None:
    linking, refused = threading.Event(), threading.Event()

    def refuse_slowly(*_: object) -> None:
        linking.set()
        assert refused.wait(60)
        other.link()

    kept = Publications(published, tmp_path / "kept")
    publish_small(published, "a")
    assert read_newest_id(kept) == "a"
    publish_small(published, "b")
    monkeypatch.setattr(os, "link", refuse_slowly)
    other.goes_on.clear()
    with ThreadPoolExecutor(2) as threads:
        copies = threads.submit(read_newest_id, kept)
        assert linking.wait(60)
        waits = threads.submit(read_newest_id, kept)
        assert wait([waits], timeout=0.2).done == set()
        refused.set()
        assert waits.result() == "a"
        other.goes_on.set()
        assert copies.result() == "b"


def test_a_publication_is_copied_only_if_the_disk_has_room(
    published: Path, tmp_path: Path, other: OtherFileSystem, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Publications(published, tmp_path / "kept", floor=1000)
    publish_small(published, "a")
    assert read_newest_id(kept) == "a"
    publish_small(published, "b")
    other.free = (published / "fal_focus.duckdb").stat().st_size + 999
    assert [read_newest_id(kept) for _ in range(3)] == ["a"] * 3
    assert len(other.copied) == 1
    assert caplog.text.count("has no room for a copy") == 1
    other.free += 1
    assert read_newest_id(kept) == "b"
    # a restart needs no room to find that b is pinned
    other.free = 0
    assert read_newest_id(Publications(published, tmp_path / "kept")) == "b"


def test_a_restart_serves_the_newest_pinned_publication_if_the_published_one_is_broken(
    published: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Publications(published, tmp_path / "kept")
    for name in "bac":
        publish_small(published, name)
        read_newest_id(kept)
    kept.close()
    (tmp_path / "kept" / "c.duckdb").unlink()
    (tmp_path / "kept" / "c.duckdb").write_bytes(b"no database")
    os.utime(tmp_path / "kept" / "b.duckdb", (1, 1))
    (published / "fal_focus.duckdb").unlink()
    (published / "fal_focus.duckdb").write_bytes(b"no database")
    restarted = Publications(published, tmp_path / "kept")
    assert read_newest_id(restarted) == "a"
    assert "publication a is served instead" in caplog.text
    publish_small(published, "d")
    assert read_newest_id(restarted) == "d"


def test_the_last_publications_and_those_of_the_last_hour_are_kept(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    kept = Publications(published, folder)
    for number in range(KEPT + 4):
        publish_small(published, f"p{number}", charges=0)
        read_newest_id(kept)
    assert len(list_names(folder)) == KEPT + 4
    long_ago = time.time() - 2 * AN_HOUR
    for number in range(KEPT + 4):  # all but the newest were replaced two hours ago, or shortly after
        os.utime(folder / f"p{number}.duckdb", (long_ago + number, long_ago + number))
    publish_small(published, "newest", charges=0)
    assert read_newest_id(kept) == "newest"
    # p7 was replaced just now, the others long ago: the newest four of them are kept
    assert list_names(folder) == {"newest", *(f"p{number}" for number in range(4, KEPT + 4))}
    with pytest.raises(NotPublishedError):
        count_rows(kept, "p3")


def test_kept_publications_are_limited(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "KEPT_AT_MOST", KEPT + 2)
    kept = Publications(published, tmp_path / "kept")
    for number in range(KEPT + 5):
        publish_small(published, f"p{number}", charges=0)
        read_newest_id(kept)
    assert len(list_names(tmp_path / "kept")) == KEPT + 3


def test_a_query_completes_although_its_publication_is_dropped(published: Path, tmp_path: Path) -> None:
    kept = Publications(published, tmp_path / "kept")
    publish_small(published, "a", charges=5)
    with kept.open() as (_, cursor):
        for name in "bcdefg":
            publish_small(published, name)
            read_newest_id(kept)
        assert "a" not in kept.opened
        assert cursor.execute("select count(*) from focus.cost_and_usage").fetchall() == [(5,)]
    assert count_rows(kept, "a") == 5
    assert len(kept.opened) == OPEN_AT_MOST


def test_the_error_without_a_publication_has_the_remedy(published: Path, tmp_path: Path) -> None:
    kept = Publications(published, tmp_path / "kept")
    with pytest.raises(NotPublishedError, match=r"there is no fal_focus\.duckdb yet: dbt build publishes it"):
        read_newest_id(kept)
    publish_small(published, "a")
    assert read_newest_id(kept) == "a"


@pytest.mark.parametrize("name", ["../a", "-a", ".a", "a/b", "a" * 200])
def test_a_name_cannot_lead_out_of_the_folder(
    published: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Publications(published, tmp_path / "kept")
    publish_small(published, name)
    with pytest.raises(NotPublishedError, match="cannot be served"):
        read_newest_id(kept)
    assert "its publication_id cannot be a file name" in caplog.text
    with pytest.raises(NotPublishedError, match="no longer kept"):
        count_rows(kept, name)


def test_a_file_that_is_not_a_publication_is_not_served(published: Path, tmp_path: Path) -> None:
    kept = Publications(published, tmp_path / "kept")
    published.mkdir()
    (published / "fal_focus.duckdb").write_bytes(b"no database")
    with pytest.raises(NotPublishedError, match="cannot be served; the server's log has the cause"):
        read_newest_id(kept)
    (published / "fal_focus.duckdb").unlink()
    with duckdb.connect(str(published / "fal_focus.duckdb")) as old:
        old.execute("create schema focus")
        old.execute("create table focus.publication as select 'old' as publication_id, now() as published_at")
    with pytest.raises(
        NotPublishedError, match="an older version published it, without the views of the API"
    ):
        read_newest_id(kept)
    publish_small(published, "a")
    assert read_newest_id(kept) == "a"


def test_a_broken_publication_leaves_the_current_one_served(
    published: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Publications(published, tmp_path / "kept")
    publish_small(published, "a")
    assert read_newest_id(kept) == "a"
    (published / "fal_focus.duckdb").unlink()
    assert read_newest_id(kept) == "a"
    (published / "fal_focus.duckdb").write_bytes(b"no database")
    assert read_newest_id(kept) == read_newest_id(kept) == "a"
    assert caplog.text.count("cannot be served") == 2
    publish_small(published, "b")
    assert read_newest_id(kept) == "b"


def test_a_query_can_neither_write_nor_read_files(published: Path, tmp_path: Path) -> None:
    kept = Publications(published, tmp_path / "kept")
    publish_small(published, "a")
    file = tmp_path / "file.csv"
    file.write_text("a\n1\n")
    with kept.open() as (_, cursor):
        for query in (
            f"from read_csv('{file}')",
            f"copy (select 1) to '{tmp_path}/other.csv'",
            f"attach '{tmp_path}/other.duckdb'",
            "set enable_external_access = true",
            "create table focus.mine (a int)",
        ):
            with pytest.raises(duckdb.Error):
                cursor.execute(query)
