"""What is done about a damaged database: nothing to the file itself, and a copy of it is kept.

An empty queue in its place would deliver again what was delivered, and forget what was wished for; so a
person decides.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from bookhopper.errors import DamagedError

_SUFFIX = ".damaged"


def damaged(path: Path, error: DamagedError) -> DamagedError:
    """Keep a copy of the database at `path`, which nobody has open, and tell a person what can be done."""
    kept = _keep_copy(path)
    copied = f", and a copy of it lies in {kept}" if kept else ""
    return DamagedError(
        f"{path}: {error}; nothing was changed in it{copied}: put a backup of yours in its place, or move it "
        "away to begin with an empty queue (what was delivered may then come again)"
    )


def _keep_copy(path: Path) -> Path | None:
    """Copy the file, with what was not yet written back into it; an earlier copy stays as it is."""
    kept = path.with_name(path.name + _SUFFIX)
    with suppress(OSError):
        if not kept.exists():
            for suffix in ("-wal", ""):
                with suppress(FileNotFoundError):
                    shutil.copy2(f"{path}{suffix}", f"{kept}{suffix}")
        return kept
    return None
