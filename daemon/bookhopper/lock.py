"""One daemon for one state folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from bookhopper.errors import BookhopperError
from bookhopper.ownership import give_to_owner_of


class StateLock:
    """An advisory lock that the kernel gives up when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raises BookhopperError when another daemon has it, or none can be had there."""
        path = folder / "lock"
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._handle, 32).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise BookhopperError(
                f"{folder}: another bookhopper (process {holder or 'unknown'}) works in this state folder: "
                "stop it first, or give this one a folder of its own"
            ) from error
        except OSError as error:
            os.close(self._handle)
            raise _unusable(path, error) from error
        with suppress(OSError):  # a full disk, say: who holds it stays untold, but it is held
            give_to_owner_of(folder, self._handle)
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next daemon in."""
        os.close(self._handle)


def _unusable(path: Path, error: OSError) -> BookhopperError:
    return BookhopperError(
        f"{path} cannot be locked: {error.strerror}: give bookhopper's user the right, on a local disk"
    )
