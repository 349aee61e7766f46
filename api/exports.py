"""Exports: jobs that run beside the server, and survive its restart.

A job is a folder jobs/<job_id>/ with job.json. Until the job has ended, the folder also has the database of
its publication, so that a later publication or a second run does not change the export. The file is made in
a hidden folder there and then renamed: a file that can be downloaded is complete.
"""

import asyncio
import errno
import logging
import os
import secrets
import shutil
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb
from msgspec.structs import replace

from api.export_files import ExportRequest, ExportWriter, open_publication
from api.export_jobs import JOBS, RECORD, DownloadLink, Job, JobIndex, read_record, write_record
from api.export_limits import FLOOR, QUOTA, QuotaError, check_free_space, check_new_job, check_quota
from api.queries import read_publication_id
from loaders import clock
from loaders.files import list_folders, lock, move_durably, remove_folder, sync_to_disk

DATABASE = "publication.duckdb"
WORK = ".work"
DOWNLOADABLE_FOR = timedelta(hours=24)
REMEMBERED_FOR = timedelta(days=7)
SHARED_UNTIL = timedelta(hours=1)  # before a file expires, an identical request gets its job
CLEAN_EVERY = 600  # seconds
WATCH_EVERY = 0.2  # seconds; an export writes up to some 100 MB a second
JOBS_AT_MOST = 100  # of one owner; beyond this, the oldest jobs without a file are removed
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The server stops; the job runs again after the next start."""


class Exports:
    """The jobs of a folder. A few run at once, and the others wait.

    Turns go round by owner. The jobs of one owner run in the order of creation.
    quota: bytes of one owner's files. floor: bytes of free space to leave.
    All methods but start and stop may be called from any thread.
    """

    def __init__(self, folder: Path, at_once: int = 2, quota: int = QUOTA, floor: int = FLOOR) -> None:
        self._folder = folder / JOBS
        self._quota, self._floor = quota, floor
        self._jobs = JobIndex()
        self._waiting: dict[str, deque[Job]] = {}  # by owner, the next one first
        self._waiting_lock = threading.Lock()
        self._threads = futures.ThreadPoolExecutor(at_once, thread_name_prefix="export")
        self._running: set[futures.Future[None]] = set()
        self._connections: dict[duckdb.DuckDBPyConnection, Job] = {}
        self._refusals: dict[str, Exception] = {}  # running jobs that must end, and why
        self._is_stopping = False

    # ------------------------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Read the jobs of the folder, and run the unfinished ones. Raises OSError."""
        self._lock = await asyncio.to_thread(self._lock_folder)
        await asyncio.to_thread(self._load)
        self._cleaner = asyncio.create_task(self._clean_regularly())
        self._watcher = asyncio.create_task(self._watch_regularly())

    async def stop(self) -> None:
        """Interrupt the running jobs. They and the waiting ones run after the next start."""
        self._cleaner.cancel()
        self._watcher.cancel()
        await asyncio.wait([self._cleaner, self._watcher])
        self._is_stopping = True
        await asyncio.to_thread(self._interrupt)
        self._lock.close()

    def _lock_folder(self) -> ExitStack:
        """Make the folder and lock it against other servers. Raises OSError."""
        if self._folder.is_symlink():
            raise OSError(f"{self._folder} is a symbolic link: remove it, or set FOCUS_API_EXPORT_DIR")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return lock(self._folder, wait=False)
        except BlockingIOError:
            raise OSError(
                "another server uses this folder for exports: set FOCUS_API_EXPORT_DIR to another folder"
            ) from None

    def _load(self) -> None:
        """Read the jobs of the folder. Folders without a valid record are removed."""
        jobs = []
        for folder in list_folders(self._folder):
            if job := read_record(folder):
                jobs.append(job)
            else:
                remove_folder(folder)
        for job in sorted(jobs, key=lambda job: job.created_at):
            self._jobs.put(job)
            if job.completed_at:
                remove_work_files(self._folder / job.job_id)
            else:
                self._submit(job)

    def _interrupt(self) -> None:
        """Interrupt queries until no job runs. A query that begins in the meantime is interrupted as well."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while futures.wait(list(self._running), timeout=0.05).not_done:
            for connection in list(self._connections):
                with suppress(duckdb.Error):  # it was closed in the meantime
                    connection.interrupt()

    # ------------------------------------------------------------------------------------ create and find

    def create(
        self, request: ExportRequest, owner: str, billing_accounts: frozenset[str] | None, database: Path
    ) -> Job:
        """Return a new job, which is on disk, for the publication in a database.

        database: <publication_id>.duckdb; it may be removed afterwards. If the owner already has this export
        of the publication, its job is returned. Raises TooManyExportsError, or OSError if the job cannot be
        written or the disk has too little free space.
        """
        job = Job(
            job_id=secrets.token_urlsafe(16),
            owner=owner,
            billing_accounts=billing_accounts,
            request=request,
            publication_id=database.stem,
            created_at=clock.utc_now(),
        )
        with self._jobs.lock:
            others = self._jobs.list_of_owner(owner)
            for other in others:
                if self._is_same(other, job):
                    return other
            check_free_space(self._folder, self._floor)
            check_new_job(others, self._quota)
            self._jobs.put(job)
        self._remove_oldest(owner)
        folder = self._folder / job.job_id
        try:
            folder.mkdir(mode=0o700)
            link(database, folder / DATABASE)
            write_record(folder, job)
            sync_to_disk(self._folder)
        except OSError:
            self._jobs.remove(job)
            remove_folder(folder)
            raise
        self._submit(job)
        return job

    def find_job(self, job_id: str, owner: str) -> Job | None:
        """Return a job of an owner. None if it does not exist or belongs to another owner."""
        job = self._jobs.get(job_id)
        if job is None or job.owner != owner:
            return None
        return replace(job, download=None) if job.has_expired else job

    def find_file(self, secret: str, owner: str) -> Path | None:
        """Return the file of a download. None if it does not exist, has expired or is another owner's."""
        job = self._jobs.find_by_secret(secret)
        if job is None or job.owner != owner or not job.download or job.has_expired:
            return None
        return self._folder / job.job_id / job.download.file_name

    def _is_same(self, other: Job, job: Job) -> bool:
        """Return whether a job of the owner has or will have the file of a new job."""
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

    # ----------------------------------------------------------------------------------------------- run

    def _submit(self, job: Job) -> None:
        """Queue a job."""
        with self._waiting_lock:
            self._waiting.setdefault(job.owner, deque()).append(job)
        future = self._threads.submit(self._run_next)
        self._running.add(future)
        future.add_done_callback(self._running.discard)

    def _run_next(self) -> None:
        """Run the first job of the owner whose turn it is."""
        with self._waiting_lock:
            owner = next(iter(self._waiting))
            jobs = self._waiting.pop(owner)
            job = jobs.popleft()
            if jobs:
                self._waiting[owner] = jobs  # at the end, behind the other owners
        self._run(job)

    def _run(self, job: Job) -> None:
        """Run a job to its end. If the server stops, the job stays unfinished on disk."""
        try:
            ended = self._export(job)
        except Exception as error:
            error = self._refusals.pop(job.job_id, error)
            if self._is_stopping:
                return
            if not (self._folder / job.job_id).is_dir():  # revoking a token removes the folders of its jobs
                self._jobs.remove(job)
                log.info("export %s has ended: its token is revoked", job.job_id)
                return
            ended = fail_job(job, error)
        self._refusals.pop(job.job_id, None)
        self._end(ended)

    def _export(self, job: Job) -> Job:
        """Make the file of a job. Return the job as complete; it is not recorded yet."""
        self._check(job)
        job = replace(job, status="Processing")
        folder, file_name = self._folder / job.job_id, job.request.file_name
        write_record(folder, job)
        self._jobs.put(job)
        work = folder / WORK
        remove_folder(work)  # files of a run that was killed
        work.mkdir()
        check = partial(self._check, job)
        with self._track(open_publication(folder / DATABASE, work), job) as publication:
            publication_id = read_publication_id(publication)
            count = ExportWriter(publication, job.request, job.billing_accounts, work, check).write()
        size = (work / file_name).stat().st_size
        check_quota(self._jobs.list_of_owner(job.owner), size, self._quota)
        move_durably({work / file_name: folder / file_name})
        now = clock.utc_now()
        return replace(
            job,
            status="Complete",
            publication_id=publication_id,
            completed_at=now,
            download=DownloadLink(secrets.token_urlsafe(32), file_name),
            expires_at=now + DOWNLOADABLE_FOR,
            size=size,
            record_count=count,
        )

    def _end(self, job: Job) -> None:
        """Record how a job ended. A complete job without a record has failed: its file has no link."""
        folder = self._folder / job.job_id
        remove_folder(folder / WORK)
        if job.status == "Complete":
            try:
                write_record(folder, job)
            except OSError as error:
                job = fail_job(job, error)
        if job.status == "Complete" or self._record_failure(job):
            remove_work_files(folder)
        self._jobs.put(job)

    def _record_failure(self, job: Job) -> bool:
        """Record a failed job, and return whether that worked. Otherwise it runs again after a restart."""
        folder = self._folder / job.job_id
        try:
            (folder / job.request.file_name).unlink(missing_ok=True)
            write_record(folder, job)
        except FileNotFoundError:  # revoking a token removes the folders of its jobs
            return False
        except OSError as error:
            log.error("the failure of export %s cannot be recorded: %s", job.job_id, error)
            return False
        return True

    def _check(self, job: Job) -> None:
        """Raise if a job must end: StoppedError, or the reason of its refusal."""
        if self._is_stopping:
            raise StoppedError
        if job.job_id in self._refusals:
            raise self._refusals[job.job_id]

    @contextmanager
    def _track(self, connection: duckdb.DuckDBPyConnection, job: Job) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection that is interrupted when its job must end, and close it afterwards."""
        with connection:
            self._connections[connection] = job
            try:
                self._check(job)
                yield connection
            finally:
                del self._connections[connection]

    # ------------------------------------------------------------------------------------ watch and clean

    async def _watch_regularly(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            await asyncio.to_thread(self._watch)

    def _watch(self) -> None:
        """End the running jobs that fill the disk, or exceed their owner's quota."""
        sizes: Counter[str] = Counter()
        for connection, job in list(self._connections.items()):
            sizes[job.owner] += measure_files(self._folder / job.job_id / WORK)
            try:
                check_free_space(self._folder, self._floor)
                check_quota(self._jobs.list_of_owner(job.owner), sizes[job.owner], self._quota)
            except (OSError, QuotaError) as error:
                self._refusals[job.job_id] = error
                with suppress(duckdb.Error):  # it was closed in the meantime
                    connection.interrupt()

    async def _clean_regularly(self) -> None:
        while True:
            await asyncio.to_thread(self._clean)
            await asyncio.sleep(CLEAN_EVERY)

    def _clean(self) -> None:
        """Remove expired files, jobs that ended long ago, and jobs that are too many."""
        for owner in self._jobs.list_owners():
            self._remove_oldest(owner)
        for job in self._jobs.list_all():
            folder = self._folder / job.job_id
            is_old = job.completed_at and clock.utc_now() >= job.completed_at + REMEMBERED_FOR
            if is_old or (job.completed_at and not folder.exists()):  # revoking a token removes the folder
                self._jobs.remove(job)
                remove_folder(folder)
            elif job.download and job.has_expired:
                try:
                    (folder / job.download.file_name).unlink(missing_ok=True)
                    expired = replace(job, download=None)
                    write_record(folder, expired)
                    self._jobs.put(expired)
                except OSError as error:
                    log.error("the expired file of export %s cannot be removed now: %s", job.job_id, error)

    def _remove_oldest(self, owner: str) -> None:
        """Remove the oldest jobs of an owner that have no file, if the owner has too many jobs."""
        jobs = self._jobs.list_of_owner(owner)
        without_file = [job for job in jobs if job.completed_at and not job.download]
        for job in without_file[: max(len(jobs) - JOBS_AT_MOST, 0)]:
            self._jobs.remove(job)
            remove_folder(self._folder / job.job_id)


def measure_files(folder: Path) -> int:
    """Return the bytes of the files in a folder, without its subfolders."""
    size = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # it was renamed in the meantime
                size += entry.stat().st_size if entry.is_file() else 0
    return size


def fail_job(job: Job, error: Exception) -> Job:
    """Return a job that ended with an error, and log the error: one line, and the traceback of a bug."""
    is_bug = not isinstance(error, (QuotaError, OSError, duckdb.Error))
    cause = (str(error).splitlines() or [type(error).__name__])[0]
    log.error("export %s failed: %s", job.job_id, cause, exc_info=error if is_bug else None)
    return replace(
        job,
        status="Failed",
        completed_at=clock.utc_now(),
        download=None,
        expires_at=None,
        record_count=None,
        error=describe_error(error),
    )


def describe_error(error: Exception) -> str:
    """Describe an error to the owner of a job: one line, without paths."""
    if isinstance(error, QuotaError):
        return str(error)
    if is_full_disk(error):
        return "the server has no room for this export: request a shorter period, or try again later"
    if isinstance(error, duckdb.OutOfMemoryException):
        return "this export needs more memory than one may use: request a shorter period"
    return "the export failed; the server's log has the cause: try again later"


def is_full_disk(error: Exception) -> bool:
    """Return whether the disk is full. DuckDB has the reason only in the text of its error."""
    if isinstance(error, OSError):
        return error.errno in FULL_DISK
    return isinstance(error, duckdb.IOException) and any(os.strerror(n) in str(error) for n in FULL_DISK)


def link(database: Path, name: Path) -> None:
    """Keep a database under another name, as a copy if the file system has no hard links. Raises OSError."""
    try:
        name.hardlink_to(database)
    except OSError:
        shutil.copyfile(database, name)
        sync_to_disk(name)


def remove_work_files(folder: Path) -> None:
    """Remove the files that only a running job needs. After an error, the next start removes the rest."""
    remove_folder(folder / WORK)
    with suppress(OSError):
        (folder / DATABASE).unlink(missing_ok=True)
        for record in folder.glob(f".{RECORD}.*"):  # of a server that was killed while it wrote one
            record.unlink()
