"""Copies of the queue's database: made now and then, checked, the latest few of them kept."""

from __future__ import annotations

import time
from pathlib import Path

from bookhopper.durable import make_folder, sync_folder
from bookhopper.store.backups import FOLDER, backups, number_of
from bookhopper.store.upkeep import Upkeep

_UNFINISHED = ".queue.db.new"


class Backups:
    """The backups in a state folder."""

    def __init__(self, state: Path, upkeep: Upkeep) -> None:
        self._state = state
        self._upkeep = upkeep

    def make(self, *, number: int, keep_free: int) -> Path:
        """Make one, and then remove all but the latest `number` (at least 1).

        Raises BookhopperError, OSError and Interrupted; the older ones are all there then.
        """
        folder = self._state / FOLDER
        make_folder(folder)
        latest = next(map(number_of, backups(self._state)), 0)
        date = time.strftime("%Y-%m-%d", time.gmtime())
        path = folder / f"queue-{latest + 1:04d}-{date}.db"
        unfinished = folder / _UNFINISHED
        self._upkeep.copy(unfinished, keep_free)
        unfinished.rename(path)
        sync_folder(folder)
        for old in backups(self._state)[number:]:
            old.unlink(missing_ok=True)
        return path
