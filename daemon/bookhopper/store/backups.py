"""The backups of the queue's database: where they lie, and which is the latest."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = "backups"
_NAME = re.compile(r"queue-(?P<number>\d{1,9})-\d{4}-\d\d-\d\d\.db")


def backups(state: Path) -> list[Path]:
    """List the backups in a state folder, the latest first.

    They are numbered, since a clock that was wrong would put a new one behind the old ones.
    """
    found = [path for path in (state / FOLDER).glob("queue-*.db") if _NAME.fullmatch(path.name)]
    return sorted(found, key=number_of, reverse=True)


def number_of(path: Path) -> int:
    """Give a backup's number."""
    match = _NAME.fullmatch(path.name)
    return int(match["number"]) if match else 0
