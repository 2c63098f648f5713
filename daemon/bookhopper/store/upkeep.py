"""The queue's database file looked after: checked, kept small, and copied, while the daemon works with it.

Each does its work on a connection of its own, beside the writer's, and none waits long for others or has them
wait long.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from humanize import naturalsize

from bookhopper.errors import BookhopperError, DamagedError
from bookhopper.store.connection import connect
from bookhopper.store.writer import explain
from bookhopper.ticket import Interrupted, Reason

log = logging.getLogger("bookhopper.store")

_SMALL_LOG = 1 << 20
_WORTH_SHRINKING = 64 << 20
_MOST_SHRUNK = 512 << 20
"""A larger database is not rewritten, since changes would have to wait for long."""


class Upkeep:
    """What is done to a database file; `on_damage` hears of one that turns out to be damaged."""

    def __init__(self, path: Path, on_damage: Callable[[DamagedError], None]) -> None:
        self.path = path
        self._on_damage = on_damage
        self._lock = threading.Lock()
        self._running: set[sqlite3.Connection] = set()
        self._stopped = False

    def stop(self) -> None:
        """Break off what runs; it raises Interrupted then, as does what begins later."""
        with self._lock:
            self._stopped = True
            for connection in self._running:
                connection.interrupt()

    def check(self) -> None:
        """Look through the whole file; raises DamagedError where it is not in order."""
        with self._connection() as connection:
            fault = _fault(connection)
        if fault:
            damage = DamagedError(f"the queue's database is damaged ({fault})")
            self._on_damage(damage)
            raise damage

    def trim(self) -> int:
        """Write the journal back and empty it, unless somebody works with it; how many bytes that freed."""
        journal = Path(f"{self.path}-wal")
        before = _size(journal)
        if before <= _SMALL_LOG:
            return 0
        with self._connection() as connection:
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # writers wait for the rest only
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return max(0, before - _size(journal))  # somebody may have written to it meanwhile

    def shrink(self, keep_free: int) -> int:
        """Rewrite the file where most of it is free pages and the rest is small; how many bytes that freed.

        Changes wait meanwhile, so it is for a moment in which there is nothing to do.
        """
        with self._connection() as connection:
            size, pages, free = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_size", "page_count", "freelist_count")
            )
            used = size * (pages - free)
            room = shutil.disk_usage(self.path.parent).free - keep_free
            worth_it = size * free >= max(_WORTH_SHRINKING, used)
            if not worth_it or used > _MOST_SHRUNK or room < 2 * used:
                return 0
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return int(size * (pages - connection.execute("PRAGMA page_count").fetchone()[0]))

    def copy(self, target: Path, keep_free: int) -> None:
        """Make a checked copy of the last committed state, on the disk when this returns.

        Raises BookhopperError, and leaves nothing, where it cannot be made.
        """
        target.unlink(missing_ok=True)  # what a kill has left there takes the room
        size = _size(self.path) + _size(Path(f"{self.path}-wal"))
        if shutil.disk_usage(target.parent).free - size < keep_free:
            raise BookhopperError(
                f"{target.parent}: no backup is made: the {naturalsize(size)} of the database do not fit, as "
                f"{naturalsize(keep_free)} stay free: make room there"
            )
        try:
            with self._connection() as connection:
                connection.execute("VACUUM INTO ?", (str(target),))
            self._check_copy(target)
            with target.open("rb") as copied:
                os.fsync(copied.fileno())
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def _check_copy(self, target: Path) -> None:
        """Look through a copy; raises BookhopperError, since damage to it is none to the database."""
        try:
            with self._connection(target) as connection:
                fault = _fault(connection)
        except DamagedError as error:
            fault = str(error.__cause__)
        if fault:
            raise BookhopperError(
                f"{target.parent}: no backup is made: it does not read as it was written ({fault}): see "
                "whether the disk fails"
            )

    @contextmanager
    def _connection(self, path: Path | None = None) -> Iterator[sqlite3.Connection]:
        """Open a connection, whose errors are explained; raises BookhopperError, and Interrupted.

        It is to the database unless `path` names a copy, whose damage is nobody else's.
        """
        try:
            connection = connect(path or self.path)
        except sqlite3.Error as error:
            raise explain(error) from error
        try:
            with self._lock:
                if self._stopped:
                    raise Interrupted(Reason.SHUTDOWN)
                self._running.add(connection)
            yield connection
        except sqlite3.Error as error:
            if self._stopped:
                raise Interrupted(Reason.SHUTDOWN) from error
            fault = explain(error)
            if isinstance(fault, DamagedError) and path is None:
                self._on_damage(fault)
            raise fault from error
        finally:
            with self._lock:
                self._running.discard(connection)
            connection.close()


def _fault(connection: sqlite3.Connection) -> str:
    """Look through a database; gives what is wrong with it, if anything is."""
    connection.execute("PRAGMA query_only = ON")
    found = " ".join(row[0] for row in connection.execute("PRAGMA quick_check(1)"))
    return "" if found == "ok" else " ".join(found.split())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
