"""A disk that loses power: an ext4 image, shut down as the file system's own tests do it, without any flush.

What was not synced is gone, journal and all; mounted anew, it is what a machine finds after the cut.  The
mount options are the cruellest that ext4 has: it commits on demand alone, and helps no careless rename.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_SHUTDOWN = 0x8004587D
"""FS_IOC_SHUTDOWN (linux/fs.h), which takes how."""

_WITHOUT_FLUSH = struct.pack("I", 2)
_OPTIONS = "loop,commit=600,noauto_da_alloc,data=writeback"
_BYTES = 128 << 20


class Disk:
    """A mounted image; `path` is where."""

    def __init__(self, folder: Path) -> None:
        self._images = (folder.with_suffix(f".{number}.img") for number in itertools.count())
        self._image = next(self._images)
        self.path = folder
        folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self.mount()

    def mount(self) -> None:
        """Mount it, as at a start of the machine: its journal is replayed."""
        _run("mount", "-o", _OPTIONS, str(self._image), str(self.path))

    def lose_power(self) -> None:
        """Stop it at once: from now on nothing reaches it, and what had not is lost."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, _WITHOUT_FLUSH)
        finally:
            os.close(handle)

    def unmount(self) -> None:
        """Let go of it, as when the machine is off."""
        _run("umount", str(self.path))

    def renew(self) -> None:
        """Mount what has reached it, from a copy: somebody's mount namespace may still hold the dead one."""
        self.unmount()
        old, self._image = self._image, next(self._images)
        _run("cp", "--sparse=always", str(old), str(self._image))
        old.unlink()
        self.mount()


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """Make a disk at a folder that is not there yet, for the block; skips where that is not allowed."""
    try:
        made = Disk(folder)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system image can be mounted here: {getattr(error, 'stderr', '') or error}")
    try:
        yield made
    finally:
        with suppress(subprocess.CalledProcessError):  # it may have been left unmounted
            made.unmount()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
