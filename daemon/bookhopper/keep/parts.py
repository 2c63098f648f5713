"""Part files that nobody goes on with: those that have lain too long, and what is too much of them.

A paused download is somebody's wish to have it go on later, and a running one is being written to; both stay.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bookhopper.keep.calendar import FIRST_MOMENT
from bookhopper.log_context import working_on
from bookhopper.model import RUNNING_OF
from bookhopper.store.base import Store

log = logging.getLogger("bookhopper.keep")

_SUFFIX = ".part"
_ASIDE = ".old"


class _Part(NamedTuple):
    modified: float
    size: int
    path: Path


class PartFiles:
    """The folder of part files, of which those of waiting jobs are cleared; their jobs then begin anew."""

    def __init__(self, folder: Path, store: Store, all_paused: Callable[[], bool]) -> None:
        self._folder = folder
        self._store = store
        self._all_paused = all_paused

    def clear(self, now: float, *, age: float, size: int) -> int:
        """Remove what is older than `age` seconds, then the oldest beyond `size` bytes; 0: no bound.

        Returns how many were removed; raises OSError and BookhopperError.
        """
        for left in self._folder.glob(f"*{_SUFFIX}{_ASIDE}"):  # as a kill leaves them
            if not left.is_dir():
                left.unlink()
        parts = sorted(self._parts())
        excess = sum(part.size for part in parts) - size if size else 0
        removed = 0
        for part in parts:
            too_old = age > 0 and FIRST_MOMENT < part.modified <= now - age
            if (too_old or excess > 0) and self._remove(part.path):
                excess -= part.size
                removed += 1
        return removed

    def _parts(self) -> list[_Part]:
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.removesuffix(_SUFFIX).isdecimal() and entry.name.endswith(_SUFFIX):
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):
                            found.append(_Part(status.st_mtime, status.st_size, self._folder / entry.name))
        return found

    def _remove(self, part: Path) -> bool:
        """Remove a part file unless its job is paused or runs.

        It is put aside before the job is looked at: a worker that takes the job up later finds no file and
        begins a new one, and one that has it open gets it back.
        """
        if not self._may_go(part):
            return False
        aside = part.with_name(f"{part.name}{_ASIDE}")
        try:
            part.rename(aside)
        except FileNotFoundError:
            return False
        if not self._may_go(part):
            with suppress(FileExistsError):
                os.link(aside, part)
            aside.unlink()
            return False
        aside.unlink()
        job = int(part.stem)
        with working_on(request=self._store.request_name_of(job), job=job):
            log.info("job %d: its part file is cleared away: the download begins anew", job)
        return True

    def _may_go(self, part: Path) -> bool:
        if self._all_paused():
            return False
        job = self._store.job(int(part.stem))
        return job is not None and job.state in RUNNING_OF and not job.paused


def remove_stale(folder: Path, pattern: str, until: float) -> int:
    """Remove the plain files of a folder that fit a pattern and have lain there since before a moment.

    They may have been written to long before that.
    """
    removed = 0
    for path in folder.glob(pattern):
        try:
            status = path.lstat()
            since = max(status.st_mtime, status.st_ctime)
            if stat.S_ISREG(status.st_mode) and FIRST_MOMENT < since <= until:
                path.unlink()
                removed += 1
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
    return removed
