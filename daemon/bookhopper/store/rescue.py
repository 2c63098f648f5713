"""What a damaged database still tells of delivered books, for a backup that does not know of them yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bookhopper.model import State
from bookhopper.store import rows
from bookhopper.store.numbers import LAST_JOB, LAST_NUMBER

_COLUMNS = (*rows.DELIVERY.split(", "), "forced")
_LEDGER = ", ".join(_COLUMNS)
_SAME = "job = :job AND source = :source AND key = :key AND format = :format"
_UNKNOWN_JOBS = 1_000_000
"""So many more than a backup's jobs an old database has surely not had that cannot be asked."""


def rescue(lost: Path, restored: Path) -> int:
    """Enter the delivered books of a lost database into the ledger of a restored one; how many were missing.

    What the lost one does not give is left out; the numbers of its jobs are not given anew, since reports and
    the lines to pick by still name them.  Raises sqlite3.Error where the restored one cannot be written.
    """
    with closing(sqlite3.connect(restored)) as connection, connection:
        connection.row_factory = sqlite3.Row
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM jobs").fetchone()
        entered = sum(_enter(connection, line, last) for line in _delivered(lost))
        _keep_numbers(connection, lost)
    return entered


def _enter(connection: sqlite3.Connection, line: dict[str, Any], last: int) -> int:
    """Enter a delivered book, or close its line, which had still to get its name; tells whether.

    A job up to the `last` may bring a book of its own yet, so that the number is made a negative one.
    """
    known = connection.execute(f"SELECT done_at FROM ledger WHERE {_SAME}", line).fetchone()
    if known is None:
        line = {**line, "job": line["job"] if line["job"] > last else -abs(line["job"])}
        marks = ", ".join(f":{column}" for column in _COLUMNS)
        return connection.execute(f"INSERT OR IGNORE INTO ledger ({_LEDGER}) VALUES ({marks})", line).rowcount
    if known["done_at"] is not None:
        return 0
    connection.execute("UPDATE OR IGNORE ledger SET name = :name, done_at = :done_at WHERE job = :job", line)
    done = f"UPDATE jobs SET state = '{State.DONE}', error = '' WHERE id = :job AND state = '{State.PLACED}'"
    if connection.execute(done, line).rowcount:
        connection.executemany(
            "INSERT INTO state_counts VALUES (?1, ?2) ON CONFLICT (state) DO UPDATE SET jobs = jobs + ?2",
            [(State.PLACED, -1), (State.DONE, 1)],
        )
    return 1


def _delivered(lost: Path) -> Iterator[dict[str, Any]]:
    """Read the ledger from both its ends, since what lies in the middle may be what cannot be read."""
    seen: set[int] = set()
    for order in ("job DESC", "job"):
        asked = f"SELECT {_LEDGER} FROM ledger NOT INDEXED WHERE done_at IS NOT NULL ORDER BY {order}"
        with suppress(sqlite3.Error), closing(_opened(lost)) as connection:
            for row in connection.execute(asked):
                if isinstance(row[0], int) and row[0] not in seen:
                    seen.add(row[0])
                    yield dict(zip(_COLUMNS, row, strict=True))


def _keep_numbers(connection: sqlite3.Connection, lost: Path) -> None:
    """Note the last number that the lost database gave to a job, or one that is surely beyond it."""
    (last,) = connection.execute(LAST_NUMBER).fetchone()
    try:
        with closing(_opened(lost)) as other:
            (given,) = other.execute(LAST_NUMBER).fetchone()
    except sqlite3.Error:
        given = last + _UNKNOWN_JOBS
    connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (LAST_JOB, str(max(last, given))))


def _opened(lost: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(lost))}?mode=ro", uri=True)
