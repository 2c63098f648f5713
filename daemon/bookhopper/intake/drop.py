"""Putting a list into the requests folder as the watcher likes it best: whole, by one rename."""

from __future__ import annotations

import os
from pathlib import Path


def drop(folder: Path, name: str, text: str) -> None:
    """Write a file so that it appears in the folder whole: under a name that is not taken, then renamed."""
    temporary = folder / f".{name}.tmp"
    with temporary.open("x", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / name)
