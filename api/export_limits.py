"""Limits of exports: jobs and files of an owner, and free space on the disk."""

import errno
import os
import shutil
from pathlib import Path

from api.export_jobs import Job
from loaders import clock

UNFINISHED_AT_MOST = 20  # jobs of one owner
FILES_AT_MOST = 50  # of one owner, including the files of unfinished exports
QUOTA = 5 * 10**9  # bytes of one owner's files
FLOOR = 10**9  # bytes of free space that exports leave to builds and loaders


class TooManyExportsError(Exception):
    """An owner has too many exports. retry_after: seconds until one has expired or ended."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaError(Exception):
    """The files of an owner would exceed its quota. One line for the owner."""


def check_free_space(folder: Path, floor: int) -> None:
    """Raise OSError if the disk has less free space than exports leave."""
    if shutil.disk_usage(folder).free < floor:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def check_new_job(jobs: list[Job], quota: int) -> None:
    """Raise TooManyExportsError if an owner with these jobs may not have one more."""
    unfinished = sum(1 for job in jobs if not job.completed_at)
    if unfinished >= UNFINISHED_AT_MOST:
        raise TooManyExportsError(
            f"{UNFINISHED_AT_MOST} exports have not ended yet: try again when one of them has ended", 60
        )
    files = [job for job in jobs if job.download]
    size = sum(job.size for job in files)
    if unfinished + len(files) < FILES_AT_MOST and size < quota:
        return
    expiring = min((job.expires_at for job in files if job.expires_at), default=clock.utc_now())
    raise TooManyExportsError(
        f"this token has {len(files)} exported files of {size} bytes, and may have {FILES_AT_MOST} of "
        f"{quota}: try again when one has expired",
        max(int((expiring - clock.utc_now()).total_seconds()), 60),
    )


def check_quota(jobs: list[Job], size: int, quota: int) -> None:
    """Raise QuotaError if the files of an owner's jobs and a number of further bytes exceed the quota."""
    if sum(job.size for job in jobs if job.download) + size > quota:
        raise QuotaError(
            f"the exports of this token may use {quota} bytes: request a shorter period, or try again "
            "when older exports have expired"
        )
