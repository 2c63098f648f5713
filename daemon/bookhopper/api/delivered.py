"""The files of delivered books: which line of the ledger tells of them, and where they can be had."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bookhopper.api.books import best_of
from bookhopper.api.view import View
from bookhopper.beneath import inside
from bookhopper.model import Delivery, Job, State


@dataclass(frozen=True, slots=True)
class Files:
    """What can be had at this moment: the jobs with a copy, the files in ingest, and each job's line."""

    copied: frozenset[int]
    in_ingest: frozenset[str]
    lines: Mapping[int, Delivery]

    def in_ingest_of(self, job: Job) -> bool:
        """Whether a job's file lies in ingest."""
        return job.id in self.lines and self.lines[job.id].name in self.in_ingest

    def available(self, job: Job) -> bool:
        """Whether a file of a job's book can be had."""
        line = self.lines.get(job.id)
        return line is not None and (line.job in self.copied or line.name in self.in_ingest)


def files_of(view: View, jobs: Sequence[Job]) -> Files:
    """Look which files of some jobs there are; at most a thousand jobs at once."""
    bringers = {job.id: _bringer(view, job) for job in jobs}
    found = view.store.deliveries(list(set(bringers.values())))
    lines = {job: found[bringer] for job, bringer in bringers.items() if bringer in found}
    folders = {line.name.rpartition("/")[0] for line in lines.values()}
    names = frozenset(name for folder in folders for name in _names_in(view.ingest, folder))
    return Files(view.copies.jobs(), names, lines)


def line_of(view: View, job: Job) -> Delivery | None:
    """Find the line of a job's book: of a duplicate, that of the job that brought it."""
    return view.store.delivery(_bringer(view, job))


def open_file(view: View, line: Delivery) -> BinaryIO | None:
    """Open a delivered book: our own copy, or else the file in ingest; None where there is neither.

    A copy of another size was cut short by a power cut.  In ingest the size says nothing: what consumes it
    writes into books.
    """
    copy = _opened(view.copies.path(line.job))
    if copy is not None:
        if os.fstat(copy.fileno()).st_size == line.size:
            return copy
        copy.close()
    folder, _, name = line.name.rpartition("/")
    with suppress(OSError), inside(view.ingest, folder) as place:
        return _opened(place / name)
    return None


def _bringer(view: View, job: Job) -> int:
    """Tell which job brought a job's book."""
    best = best_of(job) if job.state is State.DUPLICATE else None
    other = view.store.delivered(best.source, best.key, best.format) if best else None
    return job.id if other is None else other


def _opened(path: Path) -> BinaryIO | None:
    """Open what is a file and no link to one."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    return None


def _names_in(ingest: Path, folder: str) -> list[str]:
    """Give the names of the regular files in a folder of ingest; none while it is away."""
    with suppress(OSError), inside(ingest, folder) as place, os.scandir(place) as entries:
        names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        return [f"{folder}/{name}" for name in names] if folder else names
    return []
