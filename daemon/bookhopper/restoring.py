"""Putting a backup in the place of the queue's database, while no daemon works with it.

The journal of the old database must not lie beside the new one: SQLite would write it into that.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bookhopper.durable import sync_folder
from bookhopper.errors import BookhopperError, DamagedError
from bookhopper.lock import StateLock
from bookhopper.store.backups import backups
from bookhopper.store.connection import open_migrated
from bookhopper.store.rescue import rescue
from bookhopper.store.upkeep import Upkeep

REPLACED = ".replaced"


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it: where the old database lies now, and how many delivered books were known from it."""

    replaced: Path | None
    rescued: int


def latest(state: Path) -> Path:
    """Give the latest backup; raises BookhopperError where there is none."""
    if not (kept := backups(state)):
        raise BookhopperError(f"{state} holds no backup: name the file of one")
    return kept[0]


def restore(database: Path, backup: Path) -> Restored:
    """Put a backup in the place of the database.

    Raises BookhopperError, having changed nothing, where the daemon runs, the backup is no good or there is
    no room.
    """
    lock = StateLock(database.parent)
    try:
        return _restore(database, backup)
    finally:
        lock.release()


def _restore(database: Path, backup: Path) -> Restored:
    prepared = database.with_name(f"{database.name}.restoring")
    try:
        shutil.copyfile(backup, prepared)
        _make_usable(prepared, backup)
        rescued = rescue(database, prepared) if database.exists() else 0
        with prepared.open("rb") as file:
            os.fsync(file.fileno())
        replaced = _set_aside(database)
        prepared.replace(database)
        sync_folder(database.parent)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BookhopperError(
            f"{backup} cannot be restored: {reason}: make room, or mend its rights"
        ) from error
    finally:
        for left in prepared.parent.glob(f"{prepared.name}*"):
            left.unlink()
    return Restored(replaced, rescued)


def _make_usable(prepared: Path, backup: Path) -> None:
    """See whether a copy of a backup is whole, and bring it up to this version."""
    try:
        Upkeep(prepared, lambda _: None).check()
        connection = open_migrated(prepared)
    except DamagedError as error:
        raise BookhopperError(f"{backup} is damaged, too, or no backup: name an older one") from error
    connection.close()


def _set_aside(database: Path) -> Path | None:
    """Give the old database another name, with its journal; it keeps its own as well until it is replaced."""
    with suppress(FileNotFoundError):
        Path(f"{database}-shm").unlink()
    if not database.exists():
        return None
    for number in count(1):
        replaced = database.with_name(f"{database.name}{REPLACED}{f'-{number}' if number > 1 else ''}")
        if replaced.exists():
            continue
        try:
            replaced.hardlink_to(database)
        except OSError:  # a filesystem without links
            database.rename(replaced)
        with suppress(FileNotFoundError):
            Path(f"{database}-wal").rename(f"{replaced}-wal")
        sync_folder(database.parent)
        return replaced
    return None
