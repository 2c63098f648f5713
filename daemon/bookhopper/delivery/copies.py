"""Our own copies of delivered books, since what consumes the ingest folder eats what it finds there.

A copy shares its blocks with the book where the filesystem can (a reflink), and never the file itself:
consumers edit in place.  Without one nothing is lost, so no fault here stops a delivery.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger("bookhopper.copies")

_FICLONE = 0x40049409
"""The ioctl that lets two files share blocks (ioctl_ficlone(2))."""

_TEMPORARY_SUFFIX = ".tmp"
_ABANDONED_SECONDS = 3600.0
_NOT_KEPT = "books are delivered without a copy being kept"


class Copies:
    """Copies in a folder, each for `keep` seconds (0: none); `keep_free` bytes of the disk are left alone.

    All of them take at most `most` bytes (0: no bound).  Since a copy is a convenience, the oldest make room
    for new ones and for what is downloaded: `keep_free` has to be more than downloads leave free.
    """

    def __init__(self, folder: Path, keep: float, keep_free: int) -> None:
        self._folder = folder
        self._keep = keep
        self.keep_free = keep_free
        self.most = 0
        self._said: set[tuple[str, str]] = set()

    def keep(self, job: int, path: Path) -> None:
        """Keep a copy of a job's book; where there is no room or right for one, this is said once."""
        if self._keep <= 0:
            return
        try:
            self._make(job, path)
        except OSError as error:
            self._say(_NOT_KEPT, error.strerror or str(error))

    def discard(self, job: int) -> None:
        """Remove what was kept for a job, since its book was not delivered after all."""
        try:
            self.path(job).unlink(missing_ok=True)
        except OSError as error:
            self._say("a copy stays whose book was not delivered", error.strerror or str(error))

    def path(self, job: int) -> Path:
        """Give the place of a job's copy, where there is one; `clear` may remove it at any moment."""
        return self._folder / str(job)

    def jobs(self) -> frozenset[int]:
        """Give the jobs of which there is a copy."""
        with suppress(OSError), self._entries() as entries:
            return frozenset(number for entry in entries if (number := _job_of(entry.name)) is not None)
        return frozenset()

    def clear(self, now: float | None = None) -> int:
        """Remove the copies that were kept long enough, or whose room is needed; how many.

        What a crash left half-made goes as well.  `now` is the moment that ages are counted from, in epoch
        seconds; the clock's, where it is None.
        """
        now = time.time() if now is None else now
        cleared = 0
        try:
            cleared += self._make_room_for(0)
            with self._entries() as entries:
                for entry in entries:
                    if _is_over(entry, now - self._keep, now - _ABANDONED_SECONDS):
                        (self._folder / entry.name).unlink(missing_ok=True)
                        cleared += 1
        except FileNotFoundError:  # nothing was ever kept
            pass
        except OSError as error:
            self._say("old copies stay", error.strerror or str(error))
        return cleared

    @contextmanager
    def _entries(self) -> Iterator[Iterator[os.DirEntry[str]]]:
        with os.scandir(self._folder) as entries:
            yield entries

    def _make(self, job: int, path: Path) -> None:
        self._folder.mkdir(exist_ok=True)
        size = path.stat().st_size
        self.path(job).unlink(missing_ok=True)  # of a queue before this one, maybe
        if self.most and size > self.most:
            return
        self._make_room_for(size)
        if not self._has_room_for(size):
            self._say(_NOT_KEPT, "the disk is nearly full")
            return
        temporary = self._folder / f"{job}{_TEMPORARY_SUFFIX}"
        try:
            copy_file(path, temporary)
            temporary.rename(self.path(job))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _has_room_for(self, size: int) -> bool:
        return shutil.disk_usage(self._folder).free - size >= self.keep_free

    def _make_room_for(self, size: int) -> int:
        """Remove the oldest copies until there is room, or none is left; how many."""
        if not self.most and self._has_room_for(size):
            return 0
        kept = sorted((*self._since_and_size(job), job) for job in self.jobs())
        excess = sum(each[1] for each in kept) + size - self.most if self.most else 0
        removed = 0
        for _, bytes_, job in kept:
            if excess <= 0 and self._has_room_for(size):
                break
            self.path(job).unlink(missing_ok=True)
            excess -= bytes_
            removed += 1
        return removed

    def _since_and_size(self, job: int) -> tuple[float, int]:
        with suppress(OSError):
            status = self.path(job).stat()
            return status.st_mtime, status.st_size
        return 0.0, 0

    def _say(self, what: str, cause: str) -> None:
        """Say once what a cause keeps from happening."""
        if (what, cause) not in self._said:
            self._said.add((what, cause))
            log.warning("%s: %s: %s", self._folder, what, cause)


def copy_file(path: Path, target: Path) -> None:
    """Make a file of the same content that shares at most blocks with the first; raises OSError."""
    with path.open("rb") as source, target.open("wb") as goal:
        try:
            fcntl.ioctl(goal.fileno(), _FICLONE, source.fileno())
        except OSError:  # another filesystem, or one that cannot
            shutil.copyfileobj(source, goal, 1 << 20)


def _job_of(name: str) -> int | None:
    return int(name) if name.isascii() and name.isdigit() else None


def _is_over(entry: os.DirEntry[str], kept_until: float, abandoned: float) -> bool:
    """Whether a file is ours and to go: a copy that is old enough, or one that was never finished."""
    half_made = entry.name.endswith(_TEMPORARY_SUFFIX)
    if _job_of(entry.name.removesuffix(_TEMPORARY_SUFFIX)) is None:
        return False
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_mtime <= (abandoned if half_made else kept_until)
