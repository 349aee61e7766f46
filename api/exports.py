"""Exports: jobs that are run beside the server, and outlive it.

A job is a folder jobs/<job_id>/ with job.json, which is renamed over the one before, and until it has ended
the database of its publication: it exports the same, whatever is published and however often it is run.
Its file is made in a hidden folder there and renamed: a file that can be downloaded is whole.
"""

import asyncio
import errno
import fcntl
import hmac
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import duckdb
import msgspec
from msgspec.structs import replace

from api.export_files import ExportRequest, open_publication, publication_id_of, write_export
from loaders import clock
from loaders.files import folders_in, remove_folder, sync_folder, write_durably

RECORD = "job.json"
DATABASE = "publication.duckdb"
WORK = ".work"
DOWNLOADABLE_FOR = timedelta(hours=24)
REMEMBERED_FOR = timedelta(days=7)
CLEAN_EVERY = 600  # seconds
UNFINISHED_AT_MOST = 20  # of one owner
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

log = logging.getLogger(__name__)


class TooManyExportsError(Exception):
    """An owner has as many unfinished exports as may be."""


class StoppedError(Exception):
    """The server stops: the job is to be run again."""


class Download(msgspec.Struct, frozen=True):
    """What it takes to download a file, beside its owner's token."""

    secret: str
    file_name: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """An export: what was asked for, by whom, and what became of it.

    billing_accounts: whose rows alone; None for all. completed_at: when it ended, well or not.
    download: None as well once expires_at is over. record_count: rows of cost and usage. error: one line.
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
    record_count: int | None = None
    error: str | None = None


class Exports:
    """The jobs of a folder, at most so many of them run at once; the others wait in the order they came.

    All but start and stop may be called from any thread.
    """

    def __init__(self, folder: Path, at_once: int = 2) -> None:
        self._folder = folder / "jobs"
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()  # of _jobs
        self._threads = futures.ThreadPoolExecutor(at_once, thread_name_prefix="export")
        self._running: set[futures.Future[None]] = set()
        self._connections: set[duckdb.DuckDBPyConnection] = set()
        self._is_stopping = False

    async def start(self) -> None:
        """Take up what is in the folder, and run again what had not ended. Raises OSError."""
        self._held = await asyncio.to_thread(self._take_up)
        self._cleaner = asyncio.create_task(self._keep_clean())

    async def stop(self) -> None:
        """Interrupt what is being run; it and what waits will be run when it is started again."""
        self._cleaner.cancel()
        await asyncio.wait([self._cleaner])
        self._is_stopping = True
        await asyncio.to_thread(self._interrupt)
        os.close(self._held)

    def create(
        self, request: ExportRequest, owner: str, billing_accounts: frozenset[str] | None, database: Path
    ) -> Job:
        """A new job, on disk, for the publication in a database, which may be removed afterwards.

        Raises OSError when it cannot be written, TooManyExportsError.
        """
        job = Job(
            job_id=secrets.token_urlsafe(16),
            owner=owner,
            billing_accounts=billing_accounts,
            request=request,
            created_at=clock.utc_now(),
        )
        with self._lock:
            unfinished = [
                other for other in self._jobs.values() if other.owner == owner and not other.completed_at
            ]
            if len(unfinished) >= UNFINISHED_AT_MOST:
                raise TooManyExportsError(
                    f"{UNFINISHED_AT_MOST} exports have not ended yet: ask again when one of them has"
                )
            self._jobs[job.job_id] = job
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
        for job in self._all():
            if job.owner == owner and job.download and is_same(job.download.secret, secret):
                return None if has_expired(job) else self._folder / job.job_id / job.download.file_name
        return None

    def _take_up(self) -> int:
        """Hold the folder, and read what is in it; what nobody can know of is removed. OSError."""
        if self._folder.is_symlink():
            raise OSError(f"{self._folder} is a symbolic link: remove it, or set FOCUS_API_EXPORT_DIR")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = hold(self._folder)
        for folder in folders_in(self._folder):
            if job := read_record(folder):
                self._remember(job)
            else:
                remove_folder(folder)
        for job in sorted(self._all(), key=lambda job: job.created_at):
            if job.completed_at:
                drop_work(self._folder / job.job_id)
            else:
                self._submit(job)
        self._clean()
        return held

    def _submit(self, job: Job) -> None:
        future = self._threads.submit(self._run, job)
        self._running.add(future)
        future.add_done_callback(self._running.discard)

    def _interrupt(self) -> None:
        """Wait until no job is being run; a query that begins now is interrupted, too."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while futures.wait(list(self._running), timeout=0.05).not_done:
            for connection in list(self._connections):
                with suppress(duckdb.Error):  # it was closed just now
                    connection.interrupt()

    def _check(self) -> None:
        if self._is_stopping:
            raise StoppedError

    def _run(self, job: Job) -> None:
        """Run a job to its end, whatever happens, unless the server stops: then it stays as it is on disk."""
        try:
            ended = self._export(job)
        except (StoppedError, duckdb.InterruptException):
            return
        except Exception as error:
            ended = failed(job, error)
        self._end(ended)

    def _export(self, job: Job) -> Job:
        """Make the file of a job: the job as it will be when that is recorded."""
        self._check()
        job = replace(job, status="Processing")
        folder, file_name = self._folder / job.job_id, job.request.file_name
        write_record(folder, job)
        self._remember(job)
        work = folder / WORK
        remove_folder(work)  # of a run that was killed
        work.mkdir()
        with self._interruptible(open_publication(folder / DATABASE, work)) as publication:
            publication_id = publication_id_of(publication)
            count = write_export(publication, job.request, job.billing_accounts, work, self._check)
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
    def _interruptible(self, connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that is interrupted when the server stops, and closed at the end."""
        with connection:
            self._connections.add(connection)
            try:
                self._check()
                yield connection
            finally:
                self._connections.discard(connection)

    async def _keep_clean(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_EVERY)
            await asyncio.to_thread(self._clean)

    def _clean(self) -> None:
        """Remove files that have expired, and jobs that ended long ago."""
        for job in self._all():
            folder = self._folder / job.job_id
            if job.completed_at and clock.utc_now() >= job.completed_at + REMEMBERED_FOR:
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
            self._jobs[job.job_id] = job

    def _forget(self, job: Job) -> None:
        with self._lock:
            del self._jobs[job.job_id]


def has_expired(job: Job) -> bool:
    """Whether the file of a job can no longer be downloaded."""
    return job.expires_at is not None and clock.utc_now() >= job.expires_at


def is_same(secret: str, said: str) -> bool:
    """Whether somebody knows a secret, in a time that does not tell how much of it."""
    return hmac.compare_digest(secret.encode(), said.encode(errors="surrogatepass"))


def failed(job: Job, error: Exception) -> Job:
    """A job that ended with an error, which goes to the log."""
    log.error("export %s failed", job.job_id, exc_info=error)
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
