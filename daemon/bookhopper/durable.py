"""What is to outlive a power cut: folders' entries and small files put on the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

UNSUPPORTED = frozenset((errno.EINVAL, errno.ENOSYS, errno.ENOTSUP))
"""What a filesystem answers that cannot do what it is asked."""


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk; some network filesystems know no such thing (EINVAL)."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, each of which is on the disk when this returns; raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def write_file(path: Path, text: str) -> None:
    """Write a small file that is, after a crash at any moment, the old one or the new one; raises OSError."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
