"""Exports: jobs that are run beside the server, and outlive it.

A job is a folder jobs/<job_id>/ with job.json, which is renamed over the one before, and until it has ended
the database of its publication: it exports the same, whatever is published and however often it is run.
Its file is made in a hidden folder there and renamed: a file that can be downloaded is whole.
"""

import asyncio
import errno
import fcntl
import logging
import os
import secrets
import shutil
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal

import duckdb
import msgspec
from msgspec.structs import replace

from api.export_files import ExportRequest, open_publication, publication_id_of, write_export
from loaders import clock
from loaders.files import list_folders, remove_folder, sync_folder, write_durably

RECORD = "job.json"
JOBS = "jobs"
DATABASE = "publication.duckdb"
WORK = ".work"
DOWNLOADABLE_FOR = timedelta(hours=24)
REMEMBERED_FOR = timedelta(days=7)
CLEAN_EVERY = 600  # seconds
WATCH_EVERY = 0.2  # seconds; exports write some 100 MB in one
UNFINISHED_AT_MOST = 20  # of one owner
FILES_AT_MOST = 50  # of one owner, those that unfinished exports will have included
JOBS_AT_MOST = 100  # of one owner: beyond, the oldest that have no file are forgotten
QUOTA = 5 * 10**9  # bytes of one owner's files
FLOOR = 10**9  # bytes of free space that exports leave to builds and loaders
SHARED_UNTIL = timedelta(hours=1)  # before its file expires, a request for the same export gets this one
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

log = logging.getLogger(__name__)


class TooManyExportsError(Exception):
    """An owner has as many exports as may be. retry_after: seconds until one has expired or ended."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaError(Exception):
    """The files of an owner would take more than its quota; one line for the owner."""


class StoppedError(Exception):
    """The server stops: the job is to be run again."""


class Download(msgspec.Struct, frozen=True):
    """What it takes to download a file, beside its owner's token."""

    secret: str
    file_name: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """An export: what was asked for, by whom, and what became of it.

    billing_accounts: whose rows alone; None for all. completed_at: when it ended, well or not.
    download: None as well once expires_at is over. size: bytes of the file. record_count: rows of cost and
    usage. error: one line.
    """

    job_id: str
    owner: str
    billing_accounts: frozenset[str] | None
    request: ExportRequest
    publication_id: str | None = None
    status: Literal["Pending", "Processing", "Complete", "Failed"] = "Pending"
    created_at: datetime
    completed_at: datetime | None = None
    download: Download | None = None
    expires_at: datetime | None = None
    size: int = 0
    record_count: int | None = None
    error: str | None = None


class Exports:
    """The jobs of a folder, at most so many of them run at once; the others wait.

    Turns go round by owner; the jobs of one owner are run in the order they came. quota: bytes of one owner's
    files. floor: bytes of free space that are left. All but start and stop may be called from any thread.
    """

    def __init__(self, folder: Path, at_once: int = 2, quota: int = QUOTA, floor: int = FLOOR) -> None:
        self._folder = folder / JOBS
        self._quota, self._floor = quota, floor
        self._jobs: dict[str, Job] = {}
        self._by_owner: dict[str, dict[str, Job]] = {}  # in the order they came
        self._by_secret: dict[bytes, str] = {}  # job ids, by the SHA-256 of a download's secret
        self._waiting: dict[str, deque[Job]] = {}  # by owner, the next one first
        self._lock = threading.Lock()  # of these four
        self._threads = futures.ThreadPoolExecutor(at_once, thread_name_prefix="export")
        self._running: set[futures.Future[None]] = set()
        self._connections: dict[duckdb.DuckDBPyConnection, Job] = {}
        self._refused: dict[str, Exception] = {}  # running jobs that must end, and why
        self._is_stopping = False

    async def start(self) -> None:
        """Take up what is in the folder, and run again what had not ended. Raises OSError."""
        self._held = await asyncio.to_thread(self._take_up)
        self._cleaner = asyncio.create_task(self._keep_clean())
        self._watcher = asyncio.create_task(self._keep_watch())

    async def stop(self) -> None:
        """Interrupt what is being run; it and what waits will be run when it is started again."""
        self._cleaner.cancel()
        self._watcher.cancel()
        await asyncio.wait([self._cleaner, self._watcher])
        self._is_stopping = True
        await asyncio.to_thread(self._interrupt)
        os.close(self._held)

    def create(
        self, request: ExportRequest, owner: str, billing_accounts: frozenset[str] | None, database: Path
    ) -> Job:
        """A new job, on disk, for the publication in a database, which may be removed afterwards.

        database: a file that is called <publication_id>.duckdb. If the owner has the same export of the
        publication already, this is returned. Raises OSError when the job cannot be written, or when there
        is too little free space, TooManyExportsError.
        """
        job = Job(
            job_id=secrets.token_urlsafe(16),
            owner=owner,
            billing_accounts=billing_accounts,
            request=request,
            publication_id=database.stem,
            created_at=clock.utc_now(),
        )
        with self._lock:
            others = list(self._by_owner.get(owner, {}).values())
            for other in others:
                if self._is_same(other, job):
                    return other
            self._check_free_space()
            self._check_bounds(others)
            self._index(job)
        self._forget_oldest(owner)
        folder = self._folder / job.job_id
        try:
            folder.mkdir(mode=0o700)
            link(database, folder / DATABASE)
            write_record(folder, job)
            sync_folder(self._folder)
        except OSError:
            self._forget(job)
            remove_folder(folder)
            raise
        self._submit(job)
        return job

    def job(self, job_id: str, owner: str) -> Job | None:
        """What has become of a job; None for another's as for none."""
        job = self._jobs.get(job_id)
        if job is None or job.owner != owner:
            return None
        return replace(job, download=None) if has_expired(job) else job

    def download(self, secret: str, owner: str) -> Path | None:
        """The file of a download; None when it has expired, is another's, or there is none."""
        job = self._jobs.get(self._by_secret.get(digest(secret), ""))
        if job is None or job.owner != owner or not job.download or has_expired(job):
            return None
        return self._folder / job.job_id / job.download.file_name

    def _is_same(self, other: Job, job: Job) -> bool:
        """Whether a job of the owner is, or will be, the export that a new one would make."""
        if (other.request, other.publication_id) != (job.request, job.publication_id):
            return False
        if not other.completed_at:
            return True
        return (
            other.download is not None
            and other.expires_at is not None
            and other.expires_at - job.created_at > SHARED_UNTIL
            and (self._folder / other.job_id / other.download.file_name).is_file()
        )

    def _forget_oldest(self, owner: str) -> None:
        """Remove the oldest jobs of an owner that have no file, as far as they are too many."""
        with self._lock:
            jobs = list(self._by_owner.get(owner, {}).values())
        without_file = [job for job in jobs if job.completed_at and not job.download]
        for job in without_file[: max(len(jobs) - JOBS_AT_MOST, 0)]:
            self._forget(job)
            remove_folder(self._folder / job.job_id)

    def _check_free_space(self) -> None:
        """OSError if there is less free space than exports leave."""
        if shutil.disk_usage(self._folder).free < self._floor:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _check_bounds(self, others: list[Job]) -> None:
        """TooManyExportsError if an owner with these jobs may have no more."""
        unfinished = sum(1 for other in others if not other.completed_at)
        if unfinished >= UNFINISHED_AT_MOST:
            raise TooManyExportsError(
                f"{UNFINISHED_AT_MOST} exports have not ended yet: ask again when one of them has", 60
            )
        files = [other for other in others if other.download]
        size = sum(other.size for other in files)
        if unfinished + len(files) < FILES_AT_MOST and size < self._quota:
            return
        expiring = min((other.expires_at for other in files if other.expires_at), default=clock.utc_now())
        raise TooManyExportsError(
            f"this token has {len(files)} exported files of {size} bytes, and may have {FILES_AT_MOST} of "
            f"{self._quota}: ask again when one has expired",
            max(int((expiring - clock.utc_now()).total_seconds()), 60),
        )

    def _take_up(self) -> int:
        """Hold the folder, and read what is in it; what nobody can know of is removed. OSError."""
        if self._folder.is_symlink():
            raise OSError(f"{self._folder} is a symbolic link: remove it, or set FOCUS_API_EXPORT_DIR")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = hold(self._folder)
        jobs = []
        for folder in list_folders(self._folder):
            if job := read_record(folder):
                jobs.append(job)
            else:
                remove_folder(folder)
        for job in sorted(jobs, key=lambda job: job.created_at):
            self._remember(job)
            if job.completed_at:
                drop_work(self._folder / job.job_id)
            else:
                self._submit(job)
        return held

    def _submit(self, job: Job) -> None:
        with self._lock:
            self._waiting.setdefault(job.owner, deque()).append(job)
        future = self._threads.submit(self._run_next)
        self._running.add(future)
        future.add_done_callback(self._running.discard)

    def _interrupt(self) -> None:
        """Wait until no job is being run; a query that begins now is interrupted, too."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while futures.wait(list(self._running), timeout=0.05).not_done:
            for connection in list(self._connections):
                with suppress(duckdb.Error):  # it was closed just now
                    connection.interrupt()

    def _check(self, job: Job) -> None:
        if self._is_stopping:
            raise StoppedError
        if job.job_id in self._refused:
            raise self._refused[job.job_id]

    def _run_next(self) -> None:
        """Run the first job of the owner whose turn it is."""
        with self._lock:
            owner = next(iter(self._waiting))
            jobs = self._waiting.pop(owner)
            job = jobs.popleft()
            if jobs:
                self._waiting[owner] = jobs  # behind the other owners
        self._run(job)

    def _run(self, job: Job) -> None:
        """Run a job to its end, whatever happens, unless the server stops: then it stays as it is on disk."""
        try:
            ended = self._export(job)
        except StoppedError:
            return
        except Exception as error:
            if isinstance(error, duckdb.InterruptException) and job.job_id not in self._refused:
                return
            ended = failed(job, self._refused.get(job.job_id, error))
        self._refused.pop(job.job_id, None)
        self._end(ended)

    def _export(self, job: Job) -> Job:
        """Make the file of a job: the job as it will be when that is recorded."""
        self._check(job)
        job = replace(job, status="Processing")
        folder, file_name = self._folder / job.job_id, job.request.file_name
        write_record(folder, job)
        self._remember(job)
        work = folder / WORK
        remove_folder(work)  # of a run that was killed
        work.mkdir()
        check = partial(self._check, job)
        with self._interruptible(open_publication(folder / DATABASE, work), job) as publication:
            publication_id = publication_id_of(publication)
            count = write_export(publication, job.request, job.billing_accounts, work, check)
        size = (work / file_name).stat().st_size
        self._check_quota(job, size)
        (work / file_name).replace(folder / file_name)
        sync_folder(folder)
        now = clock.utc_now()
        return replace(
            job,
            status="Complete",
            publication_id=publication_id,
            completed_at=now,
            download=Download(secrets.token_urlsafe(32), file_name),
            expires_at=now + DOWNLOADABLE_FOR,
            size=size,
            record_count=count,
        )

    def _end(self, job: Job) -> None:
        """Record how a job ended. A file whose record cannot be written is of no use: then it has failed.

        If not even that can be recorded, it is known until the server stops; then the job is run again.
        """
        folder = self._folder / job.job_id
        remove_folder(folder / WORK)
        try:
            if job.status == "Failed":
                (folder / job.request.file_name).unlink(missing_ok=True)
            write_record(folder, job)
        except OSError as error:
            if job.status == "Complete":
                self._end(failed(job, error))
                return
            log.exception("that export %s failed cannot be recorded", job.job_id)
        else:
            drop_work(folder)
        self._remember(job)

    @contextmanager
    def _interruptible(
        self, connection: duckdb.DuckDBPyConnection, job: Job
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that is interrupted when the server stops or the job must end; closed at the end."""
        with connection:
            self._connections[connection] = job
            try:
                self._check(job)
                yield connection
            finally:
                del self._connections[connection]

    def _check_quota(self, job: Job, size: int) -> None:
        """QuotaError if an owner's files and so many bytes of a job are more than its quota."""
        with self._lock:
            others = list(self._by_owner.get(job.owner, {}).values())
        if sum(other.size for other in others if other.download) + size > self._quota:
            raise QuotaError(
                f"the exports of this token may take {self._quota} bytes: ask for a shorter period, or again "
                "when older exports have expired"
            )

    async def _keep_watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            await asyncio.to_thread(self._watch)

    def _watch(self) -> None:
        """End the running jobs that fill the disk, or that take more than their owner's quota."""
        sizes: Counter[str] = Counter()
        for connection, job in list(self._connections.items()):
            sizes[job.owner] += size_of_files(self._folder / job.job_id / WORK)
            try:
                self._check_free_space()
                self._check_quota(job, sizes[job.owner])
            except (OSError, QuotaError) as error:
                self._refused[job.job_id] = error
                with suppress(duckdb.Error):  # it was closed just now
                    connection.interrupt()

    async def _keep_clean(self) -> None:
        while True:
            await asyncio.to_thread(self._clean)
            await asyncio.sleep(CLEAN_EVERY)

    def _clean(self) -> None:
        """Remove files that have expired, and jobs that ended long ago or are too many."""
        with self._lock:
            owners = list(self._by_owner)
        for owner in owners:
            self._forget_oldest(owner)
        for job in self._all():
            folder = self._folder / job.job_id
            is_old = job.completed_at and clock.utc_now() >= job.completed_at + REMEMBERED_FOR
            if is_old or (job.completed_at and not folder.exists()):  # its token was revoked
                self._forget(job)
                remove_folder(folder)
            elif job.download and has_expired(job):
                try:
                    (folder / job.download.file_name).unlink(missing_ok=True)
                    expired = replace(job, download=None)
                    write_record(folder, expired)
                    self._remember(expired)
                except OSError:
                    log.exception("export %s cannot be cleaned up now", job.job_id)

    def _all(self) -> list[Job]:
        with self._lock:
            return list(self._jobs.values())

    def _remember(self, job: Job) -> None:
        with self._lock:
            self._index(job)

    def _index(self, job: Job) -> None:
        """Make a job found as it is now; the lock is held."""
        before = self._jobs.get(job.job_id)
        if before and before.download:
            self._by_secret.pop(digest(before.download.secret), None)
        self._jobs[job.job_id] = job
        self._by_owner.setdefault(job.owner, {})[job.job_id] = job
        if job.download:
            self._by_secret[digest(job.download.secret)] = job.job_id

    def _forget(self, job: Job) -> None:
        with self._lock:
            if self._jobs.pop(job.job_id, None) is None:
                return
            if job.download:
                self._by_secret.pop(digest(job.download.secret), None)
            del self._by_owner[job.owner][job.job_id]
            if not self._by_owner[job.owner]:
                del self._by_owner[job.owner]


def remove_exports(folder: Path, owners: str) -> None:
    """Remove the jobs in a server's folder whose owners begin with a text, even while the server runs."""
    for job_folder in list_folders(folder / JOBS):
        job = read_record(job_folder)
        if job and job.owner.startswith(owners):
            remove_folder(job_folder)


def size_of_files(folder: Path) -> int:
    """Bytes of the files in a folder, without those in folders below."""
    size = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # it was renamed just now
                size += entry.stat().st_size if entry.is_file() else 0
    return size


def has_expired(job: Job) -> bool:
    """Whether the file of a job can no longer be downloaded."""
    return job.expires_at is not None and clock.utc_now() >= job.expires_at


def digest(secret: str) -> bytes:
    """What a secret is looked up by: the time of a look-up depends on the digest alone."""
    return sha256(secret.encode(errors="surrogatepass")).digest()


def failed(job: Job, error: Exception) -> Job:
    """A job that ended with an error, which goes to the log."""
    log.error("export %s failed", job.job_id, exc_info=None if isinstance(error, QuotaError) else error)
    return replace(
        job,
        status="Failed",
        completed_at=clock.utc_now(),
        download=None,
        expires_at=None,
        record_count=None,
        error=told(error),
    )


def told(error: Exception) -> str:
    """What the owner of a job is told of an error: one line, with no path in it."""
    if isinstance(error, QuotaError):
        return str(error)
    if is_full_disk(error):
        return "the server has no room for this export: ask for a shorter period, or again later"
    if isinstance(error, duckdb.OutOfMemoryException):
        return "this export takes more memory than one may: ask for a shorter period"
    return "the export could not be made, as the server's log says: ask again later"


def is_full_disk(error: Exception) -> bool:
    """Whether there is no room for a file; DuckDB has that in its text alone."""
    if isinstance(error, OSError):
        return error.errno in FULL_DISK
    return isinstance(error, duckdb.IOException) and any(os.strerror(n) in str(error) for n in FULL_DISK)


def link(database: Path, name: Path) -> None:
    """Keep a database under another name, by a copy where there are no hard links. Raises OSError."""
    try:
        name.hardlink_to(database)
    except OSError:
        shutil.copyfile(database, name)
        sync_folder(name)


def drop_work(folder: Path) -> None:
    """Remove what a job needed while it was run; what cannot be removed now is left to the next start."""
    remove_folder(folder / WORK)
    with suppress(OSError):
        (folder / DATABASE).unlink()


def hold(folder: Path) -> int:
    """Hold a folder until what it returns is closed. OSError when another server does."""
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        raise OSError(
            "another server makes exports there: set FOCUS_API_EXPORT_DIR to another folder"
        ) from None
    return number


def write_record(folder: Path, job: Job) -> None:
    """Write job.json, so that whenever it is read it is the old or the new one. Raises OSError."""
    new = folder / f".{RECORD}"
    new.unlink(missing_ok=True)
    write_durably(new, msgspec.json.encode(job))
    new.replace(folder / RECORD)
    sync_folder(folder)


def read_record(folder: Path) -> Job | None:
    """The job of a folder; None when it was being made or removed, or is not one of this version's."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=Job)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        log.exception("export %s is not one that can be read: it is removed", folder.name)
        return None
