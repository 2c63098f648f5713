"""What is done about a damaged database: nothing to the file itself, and a copy of it is kept.

An empty queue in its place would deliver again what was delivered, and forget what was wished for; so a
person decides.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from bookhopper.errors import DamagedError
from bookhopper.store.backups import aside, backups

DAMAGED = ".damaged"


def damaged(path: Path, error: DamagedError) -> DamagedError:
    """Keep a copy of the database at `path`, which nobody has open, and tell a person what can be done."""
    kept = _keep_copy(path)
    copied = f", and a copy of it lies in {kept}" if kept else ""
    made = backups(path.parent)
    own = f" (`bookhopper restore` does so with {made[0].name})" if made else ""
    return DamagedError(
        f"{path}: {error}; nothing was changed in it{copied}: put a backup of yours in its place{own}, or "
        "move it away to begin with an empty queue (what was delivered may then come again)"
    )


def _keep_copy(path: Path) -> Path | None:
    """Copy the file, with what was not yet written back into it; copies of other damage stay as they are."""
    with suppress(OSError):
        for kept in aside(path, DAMAGED):
            if not kept.exists():
                for suffix in ("-wal", ""):  # the file itself last: where that is, the copy is whole
                    with suppress(FileNotFoundError):
                        _copy(Path(f"{path}{suffix}"), Path(f"{kept}{suffix}"))
                return kept
            if _stamp(kept) == _stamp(path):
                return kept
    return None


def _copy(path: Path, kept: Path) -> None:
    """Copy a file with its times, whole and on the disk or not at all."""
    unfinished = kept.with_name(f"{kept.name}.tmp")
    try:
        shutil.copy2(path, unfinished)
        with unfinished.open("rb") as copied:
            os.fsync(copied.fileno())
        unfinished.replace(kept)
    finally:
        unfinished.unlink(missing_ok=True)


def _stamp(path: Path) -> tuple[int, int]:
    """Tell a copy of one damage from that of another."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns
