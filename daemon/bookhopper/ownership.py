"""Whom a file in the state folder belongs to when root makes it: the daemon, which has to go on with it."""

from __future__ import annotations

import os
from pathlib import Path


def give_to_owner_of(folder: Path, handle: int) -> None:
    """Give an open file to whom a folder belongs, where root runs a command for that user; raises OSError."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)
