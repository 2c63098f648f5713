"""How the queue's database file is opened: durable, and of this version's schema."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bookhopper.errors import StoreError
from bookhopper.store.migrate import migrate


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection that any thread may use; raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA cache_size = -8000")
    return connection


def open_migrated(path: Path) -> sqlite3.Connection:
    """Open or make the database and bring it up to this version; raises StoreError when it cannot be used."""
    try:
        connection = connect(path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: this database cannot be used: {error}: restore a copy of it, or set the file aside "
            "to start with an empty queue"
        ) from error
    return connection
