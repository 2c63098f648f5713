"""The log of what may lie in ingest without being in the ledger, for a start after a crash.

A line names a job and the file names under which its book is about to be placed; a later line of a job
takes the place of an earlier one, and one without names says that nothing of it is left.  It is appended to
and never synced: a crash of the process loses nothing of it, and what a power cut leaves behind is an
`.uploading` file, which consumers ignore.  One file that grows costs far less than a small one made and
deleted for each book.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

_NEAT_BYTES = 256 * 1024


class StagingLog:
    """Append-only, one process at a time; a line is one write, so threads need no lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def note(self, job: int, *staged: str) -> None:
        """Write down under which names a job's book may lie in ingest from now on; raises OSError."""
        if self._file.closed:  # a worker outlasted the grace time, and must place nothing more
            raise OSError(errno.EBADF, "the daemon has stopped")
        self._file.write("\t".join((str(job), *staged)).encode() + b"\n")

    def standing(self) -> Mapping[int, tuple[str, ...]]:
        """Give each job's last names; what is damaged or torn off is left out."""
        found: dict[int, tuple[str, ...]] = {}
        text = self._path.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            job, *names = line.split("\t")
            if job.isdecimal():
                found[int(job)] = tuple(names)
        return found

    def clear(self) -> None:
        """Forget everything; raises OSError."""
        self._file.truncate(0)

    def is_long(self) -> bool:
        """Whether it has grown enough to be worth clearing."""
        return not self._file.closed and os.fstat(self._file.fileno()).st_size > _NEAT_BYTES

    def close(self) -> None:
        """Close the file."""
        self._file.close()
