"""The backups of the queue's database, and other copies beside it: where they lie, which is the latest."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

FOLDER = "backups"
LOST, REPLACED = ".lost", ".replaced"
_NAME = re.compile(r"queue-(?P<number>\d{1,9})-\d{4}-\d\d-\d\d\.db")


def backups(state: Path) -> list[Path]:
    """List the backups in a state folder, the latest first.

    They are numbered, since a clock that was wrong would put a new one behind the old ones.
    """
    found = [path for path in (state / FOLDER).glob("queue-*.db") if _NAME.fullmatch(path.name)]
    return sorted(found, key=number_of, reverse=True)


def keep_latest(database: Path) -> Path | None:
    """Keep the latest backup of a lost queue under a name of its own, where there is one; gives that.

    The backups of the queue that begins in its place would soon be all that there are.
    """
    if not (made := backups(database.parent)):
        return None
    kept = next(path for path in aside(database, LOST) if not path.exists())
    with suppress(OSError):  # no room: for some days it is still among the others
        try:
            os.link(made[0], kept)
        except OSError:  # a filesystem without links
            shutil.copyfile(made[0], kept)
        return kept
    kept.unlink(missing_ok=True)
    return made[0]


def aside(database: Path, suffix: str) -> Iterator[Path]:
    """Give the names, in order, under which a database is put aside; whether one is free is not looked at."""
    yield database.with_name(f"{database.name}{suffix}")
    for number in count(2):
        yield database.with_name(f"{database.name}{suffix}-{number}")


def number_of(path: Path) -> int:
    """Give a backup's number."""
    match = _NAME.fullmatch(path.name)
    return int(match["number"]) if match else 0
