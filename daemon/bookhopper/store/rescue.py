"""What a damaged database still tells of delivered books, for a backup that does not know of them yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bookhopper.store import rows

_LEDGER = f"{rows.DELIVERY}, forced"


def rescue(lost: Path, restored: Path) -> int:
    """Enter the delivered books of a lost database into the ledger of a restored one; how many were missing.

    As the numbers of their jobs may be given anew, theirs are written as negative ones.  Raises sqlite3.Error
    where the restored one cannot be written; what the lost one does not give is left out.
    """
    known = "SELECT 1 FROM ledger WHERE job = ? AND name = ?"
    name = _LEDGER.split(", ").index("name")
    marks = ", ".join("?" * len(_LEDGER.split(", ")))
    entered = 0
    with closing(sqlite3.connect(restored)) as connection, connection:
        for row in _delivered(lost):
            if connection.execute(known, (row[0], row[name])).fetchone() is None:
                found = connection.execute(
                    f"INSERT OR IGNORE INTO ledger ({_LEDGER}) VALUES ({marks})", (-abs(row[0]), *row[1:])
                )
                entered += found.rowcount
    return entered


def _delivered(lost: Path) -> Iterator[tuple[Any, ...]]:
    """Read the ledger from both its ends, since what lies in the middle may be what cannot be read."""
    seen: set[int] = set()
    for order in ("job DESC", "job"):
        try:
            with closing(sqlite3.connect(f"file:{quote(str(lost))}?mode=ro", uri=True)) as connection:
                asked = f"SELECT {_LEDGER} FROM ledger NOT INDEXED WHERE done_at IS NOT NULL ORDER BY {order}"
                for row in connection.execute(asked):
                    if isinstance(row[0], int) and row[0] not in seen:
                        seen.add(row[0])
                        yield row
        except sqlite3.Error:
            continue
