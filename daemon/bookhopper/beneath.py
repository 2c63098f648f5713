"""What lies in the folders of a folder, reached without following a link on the way.

Somebody who may write to a shared folder could put a link in a sub-folder's place, at any moment, and so lead
a program out of it.  So every folder is opened from the one above it, as a folder or not at all, and what is
done in it is done by that handle.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DEEPEST = 32
_AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

NO_FOLDER = frozenset((errno.ENOTDIR, errno.ELOOP))
"""What opening a folder comes to where a file or a link has its name."""


@contextmanager
def inside(root: Path, folder: str) -> Iterator[Path]:
    """Give a path to a folder in `root` (`Kids/Tales`, or nothing for `root`), good for the block.

    It stays that very folder's, whatever becomes of its name.  Raises OSError (NO_FOLDER for a link).
    """
    if not folder:
        yield root
        return
    handle = _opened(root, folder)
    try:
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def above(name: str) -> list[str]:
    """List the folders that a name lies in, the outermost first: `A`, `A/B` for `A/B/c`."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def files(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Give the files in a folder and in those inside it, each with its name from there; raises OSError.

    What is removed meanwhile is passed over.
    """
    yield from _files(os.open(root, _AS_FOLDER), "")


def _files(handle: int, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(handle) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield f"{prefix}{entry.name}", entry
                elif entry.is_dir(follow_symlinks=False) and prefix.count("/") < _DEEPEST:
                    with suppress(OSError):  # it is gone, or none of ours
                        inner = os.open(entry.name, _AS_FOLDER | os.O_NOFOLLOW, dir_fd=handle)
                        yield from _files(inner, f"{prefix}{entry.name}/")
    finally:
        os.close(handle)


def _opened(root: Path, folder: str) -> int:
    """Open a folder from the root down; a name that leads out of it, or nowhere, is not there."""
    parts = folder.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in folder:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)
    handle = os.open(root, _AS_FOLDER)
    for part in parts:
        outer = handle
        try:
            handle = os.open(part, _AS_FOLDER | os.O_NOFOLLOW, dir_fd=outer)
        finally:
            os.close(outer)
    return handle
