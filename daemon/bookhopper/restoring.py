"""Putting a backup in the place of the queue's database, while no daemon works with it.

The journal of the old database must not lie beside the new one: SQLite would write it into that.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from bookhopper.durable import sync_folder
from bookhopper.errors import BookhopperError, DamagedError, StoreError
from bookhopper.lock import StateLock
from bookhopper.ownership import give_to_owner_of
from bookhopper.store.backups import REPLACED, aside, backups
from bookhopper.store.connection import connect, open_migrated
from bookhopper.store.rescue import rescue
from bookhopper.store.upkeep import Upkeep


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


def restore(database: Path, backup: Path, stale: Sequence[Path] = ()) -> Restored:
    """Put a backup in the place of the database, and remove what is `stale` then.

    Raises BookhopperError, having changed nothing, where the daemon runs, the backup is no good or there is
    no room.
    """
    lock = StateLock(database.parent)
    try:
        return _restore(database, backup, stale)
    finally:
        lock.release()


def _restore(database: Path, backup: Path, stale: Sequence[Path]) -> Restored:
    prepared = database.with_name(f"{database.name}.restoring")
    _clear(prepared)  # a journal that a kill has left would be written into another backup
    try:
        _copy(backup, prepared)
        _make_usable(prepared, backup)
        rescued = rescue(database, prepared)
        with prepared.open("rb") as file:
            give_to_owner_of(database.parent, file.fileno())
            os.fsync(file.fileno())
        for path in stale:
            path.unlink(missing_ok=True)
        replaced = _set_aside(database)
        prepared.replace(database)
        sync_folder(database.parent)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BookhopperError(
            f"{backup} cannot be restored: {reason}: make room, or mend its rights"
        ) from error
    finally:
        _clear(prepared)
    return Restored(replaced, rescued)


def _copy(backup: Path, prepared: Path) -> None:
    """Copy a database, with what is not yet written back into it, as a kill may have left it."""
    shutil.copyfile(backup, prepared)
    with suppress(FileNotFoundError):
        shutil.copyfile(f"{backup}-wal", f"{prepared}-wal")


def _clear(prepared: Path) -> None:
    for left in prepared.parent.glob(f"{prepared.name}*"):
        left.unlink()


def _make_usable(prepared: Path, backup: Path) -> None:
    """See whether a copy of a backup is whole, and bring it up to this version."""
    try:
        Upkeep(prepared, lambda _: None).check()
        if not _is_queue(prepared):
            raise BookhopperError(f"{backup} holds no queue of bookhopper's: name one of its backups")
        connection = open_migrated(prepared)
    except DamagedError as error:
        raise BookhopperError(f"{backup} is damaged, too, or no backup: name an older one") from error
    except StoreError as error:  # such as that of a newer version, which tells what to do
        raise BookhopperError(str(error).replace(str(prepared), str(backup))) from error
    connection.close()


def _is_queue(database: Path) -> bool:
    """Tell a queue from another program's database, and from an empty file, which SQLite takes for one."""
    with closing(connect(database)) as connection:
        found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('jobs', 'ledger')")
        return bool(found.fetchone()[0] == 2)


def _set_aside(database: Path) -> Path | None:
    """Give the old database another name, with its journal; it keeps its own as well until it is replaced.

    A journal alone, as somebody leaves it who moves the database away, has to go as well.
    """
    with suppress(FileNotFoundError):
        Path(f"{database}-shm").unlink()
    replaced = next(path for path in aside(database, REPLACED) if not _is_taken(path))
    was_there = database.exists()
    if was_there:
        try:
            replaced.hardlink_to(database)
        except OSError:  # a filesystem without links
            database.rename(replaced)
    with suppress(FileNotFoundError):
        Path(f"{database}-wal").rename(f"{replaced}-wal")
    sync_folder(database.parent)
    return replaced if was_there else None


def _is_taken(path: Path) -> bool:
    return path.exists() or Path(f"{path}-wal").exists()
