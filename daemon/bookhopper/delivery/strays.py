"""What a crash leaves in ingest between the placing of a book and its line in the ledger, and its end.

Each delivery notes beforehand under which names its book may lie there, and which folders are not to be left
empty.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.staging import StagingLog
from bookhopper.errors import HeldError
from bookhopper.store.base import Store

_LOG = "staging.log"
_FOLDER = "/"
"""What the names of folders end with in the log."""


class Strays:
    """The staging log of one ingest folder, which lies in `notes`, and what is done by it at a start."""

    def __init__(self, store: Store, folder: IngestFolder, notes: Path) -> None:
        self._store = store
        self._folder = folder
        self._log = StagingLog(notes / _LOG)
        self._wait = False

    def note(self, job: int, *staged: str, folders: Collection[str] = ()) -> None:
        """Write down what of a job may lie in ingest from now on, instead of before; raises HeldError."""
        try:
            self._log.note(job, *staged, *(folder + _FOLDER for folder in folders))
        except OSError as error:
            raise HeldError(
                f"the state folder cannot be written: {error.strerror}: make room or mend its rights",
                scope="queue",
            ) from error

    def tidy(self) -> None:
        """Shorten the log, since nothing is on its way and all in it has found its end."""
        if not self._wait and self._log.is_long():
            self._log.clear()

    def clear(self) -> int:
        """Remove what a crash left; returns how many jobs had left a file.

        While the folder is away the log stays for the next start.
        """
        noted = self._log.standing()
        try:
            if noted:
                self._folder.ready()
        except HeldError:
            self._wait = True
            return 0
        self._wait = False
        placed = {line.staged for line in self._store.placed()}
        cleared = sum(self._clear(job, names, placed) for job, names in noted.items())
        made = {name for names in noted.values() for name in names if name.endswith(_FOLDER)}
        self._folder.prune(name.removesuffix(_FOLDER) for name in made)
        self._log.clear()
        return cleared

    def _clear(self, job: int, names: Collection[str], placed: Collection[str]) -> bool:
        if self._store.delivery(job) is not None:
            return False  # it reached the ledger, which knows the rest
        strays = [name for name in names if name not in placed and self._lies(name)]
        for staged in strays:
            self._folder.discard(staged)
        return bool(strays)

    def _lies(self, name: str) -> bool:
        with suppress(HeldError, OSError):  # its folder is none any more
            return not name.endswith(_FOLDER) and self._folder.exists(name)
        return False

    def close(self) -> None:
        """Close the log."""
        self._log.close()
