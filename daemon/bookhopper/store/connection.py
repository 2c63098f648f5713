"""How the queue's database file is opened: durable, of this version's schema, read by any thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from bookhopper.errors import DamagedError, StoreError
from bookhopper.store.migrate import migrate
from bookhopper.store.writer import explain

BUSY_SECONDS = 10.0
"""How long another program that holds the database is waited for before that is said."""

_READER_CACHE_KIB = 1000
"""A reader's own cache; there are dozens of readers, and the system caches the file for all of them."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection that any thread may use; raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA cache_size = -8000")
    return connection


def open_migrated(path: Path) -> sqlite3.Connection:
    """Open or make the database and bring it up to this version.

    Raises DamagedError, or another StoreError when it cannot be used.
    """
    try:
        connection = connect(path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        fault = explain(error)
        if isinstance(fault, DamagedError):
            raise fault from error
        raise StoreError(
            f"{path}: this database cannot be used: {error}: mend its rights, or make room"
        ) from error
    return connection


class _Own:
    """A thread's connection, which is closed when the thread ends and drops what is local to it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


class ReadConnections:
    """A connection for each thread that asks, none of which can write."""

    def __init__(self, path: Path, on_damage: Callable[[DamagedError], None]) -> None:
        self._path = path
        self._on_damage = on_damage
        self._local = threading.local()
        self._opened: WeakSet[_Own] = WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Close every thread's connection."""
        with self._lock:
            self._closed = True
            for own in self._opened:
                own.connection.close()

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows; raises HeldError or StoreError."""
        try:
            return self._own().execute(sql, parameters).fetchall()
        except OverflowError:  # a number that no row can hold, so there is no row
            return []
        except sqlite3.Error as error:
            fault = explain(error)
            if isinstance(fault, DamagedError):
                self._on_damage(fault)
            raise fault from error

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Run a query and return its first row."""
        found = self.all(sql, parameters)
        return found[0] if found else None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let every query of the block see the same commit."""
        self.all("BEGIN")
        try:
            yield
        finally:
            with suppress(StoreError):  # closed meanwhile, which ends it as well
                self.all("COMMIT")

    def _own(self) -> sqlite3.Connection:
        own: _Own | None = getattr(self._local, "own", None)
        if own is None or self._closed:
            with self._lock:
                if self._closed:
                    raise StoreError("the store is closed")
                own = _Own(connect(self._path))
                own.connection.execute("PRAGMA query_only = ON")
                own.connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
                self._opened.add(own)
            self._local.own = own
        return own.connection
