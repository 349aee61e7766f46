"""Export jobs: their records on disk and in memory."""

import logging
import threading
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from api.export_files import ExportRequest
from loaders import clock
from loaders.files import list_folders, remove_folder, replace_file

RECORD = "job.json"
JOBS = "jobs"

log = logging.getLogger(__name__)


class DownloadLink(msgspec.Struct, frozen=True):
    """What a client needs to download a file, besides its owner's token."""

    secret: str
    file_name: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """An export: its request, its owner and its state.

    billing_accounts: the only accounts to export; None is every account.
    completed_at: when the job ended, complete or failed.
    download: None before the job is complete, and after expires_at.
    size: bytes of the file. record_count: rows of cost and usage. error: one line.
    """

    job_id: str
    owner: str
    billing_accounts: frozenset[str] | None
    request: ExportRequest
    publication_id: str | None = None
    status: Literal["Pending", "Processing", "Complete", "Failed"] = "Pending"
    created_at: datetime
    completed_at: datetime | None = None
    download: DownloadLink | None = None
    expires_at: datetime | None = None
    size: int = 0
    record_count: int | None = None
    error: str | None = None

    @property
    def has_expired(self) -> bool:
        """Whether the file can no longer be downloaded."""
        return self.expires_at is not None and clock.utc_now() >= self.expires_at


class JobIndex:
    """The jobs of a server by id, owner and download secret. For use by many threads.

    lock: hold it to read and change the index in one step.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._by_owner: dict[str, dict[str, Job]] = {}  # in the order of creation
        self._by_secret: dict[bytes, str] = {}  # job ids by the hash of the secret

    def get(self, job_id: str) -> Job | None:
        """Return the job of an id."""
        return self._jobs.get(job_id)

    def find_by_secret(self, secret: str) -> Job | None:
        """Return the job of a download secret."""
        return self._jobs.get(self._by_secret.get(hash_secret(secret), ""))

    def list_all(self) -> list[Job]:
        """Return all jobs."""
        with self.lock:
            return list(self._jobs.values())

    def list_owners(self) -> list[str]:
        """Return all owners of jobs."""
        with self.lock:
            return list(self._by_owner)

    def list_of_owner(self, owner: str) -> list[Job]:
        """Return the jobs of an owner, in the order of creation."""
        with self.lock:
            return list(self._by_owner.get(owner, {}).values())

    def put(self, job: Job) -> None:
        """Add a job, or replace its earlier state."""
        with self.lock:
            before = self._jobs.get(job.job_id)
            if before and before.download:
                self._by_secret.pop(hash_secret(before.download.secret), None)
            self._jobs[job.job_id] = job
            self._by_owner.setdefault(job.owner, {})[job.job_id] = job
            if job.download:
                self._by_secret[hash_secret(job.download.secret)] = job.job_id

    def remove(self, job: Job) -> None:
        """Remove a job, if it is present."""
        with self.lock:
            if self._jobs.pop(job.job_id, None) is None:
                return
            if job.download:
                self._by_secret.pop(hash_secret(job.download.secret), None)
            del self._by_owner[job.owner][job.job_id]
            if not self._by_owner[job.owner]:
                del self._by_owner[job.owner]


def hash_secret(secret: str) -> bytes:
    """Return the hash that a secret is found by, so that the time of a lookup depends on the hash alone."""
    return sha256(secret.encode(errors="surrogatepass")).digest()


def write_record(folder: Path, job: Job) -> None:
    """Write job.json. A reader finds the old or the new record, never a part. Raises OSError."""
    replace_file(folder / RECORD, msgspec.json.encode(job))


def read_record(folder: Path) -> Job | None:
    """Read the job of a folder. None if the record is missing, or belongs to another version."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=Job)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        log.exception("export %s cannot be read: it is removed", folder.name)
        return None


def remove_exports(folder: Path, owner_prefix: str) -> None:
    """Remove the jobs of some owners from a server's folder. The server may be running."""
    for job_folder in list_folders(folder / JOBS):
        job = read_record(job_folder)
        if job and job.owner.startswith(owner_prefix):
            remove_folder(job_folder)
