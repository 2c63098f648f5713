"""Numbered migrations: each runs once, whole, and a database newer than the program is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path

from bookhopper.errors import StoreError


def migrations() -> list[tuple[int, str]]:
    """List the numbered SQL files of this version, oldest first."""
    folder = resources.files("bookhopper.store").joinpath("migrations")
    found = [
        (int(entry.name.split("_", 1)[0]), entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database at `path` up to this version, a copy of an older one being kept beside it.

    Raises StoreError when the database comes from a newer version.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    wanted = [(number, sql) for number, sql in migrations() if number > version]
    newest = max(number for number, _ in migrations())
    if version > newest:
        raise StoreError(
            f"{path}: the database has schema {version}, this bookhopper knows {newest}: "
            f"start a newer bookhopper, or set the file aside"
        )
    if wanted and version:
        _keep_copy(connection, path.with_name(f"{path.name}.schema-{version}"))
    for number, sql in wanted:
        connection.executescript(f"BEGIN EXCLUSIVE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")


def _keep_copy(connection: sqlite3.Connection, path: Path) -> None:
    """Copy the database as it is; raises StoreError, and leaves no half of a copy, where that fails."""
    try:
        with closing(sqlite3.connect(path)) as copy:
            connection.backup(copy)
    except sqlite3.Error as error:
        with suppress(OSError):
            path.unlink()
        raise StoreError(
            f"{path}: a copy of the database cannot be kept before it is brought up to date: {error}: "
            "make room there; nothing was changed"
        ) from error
