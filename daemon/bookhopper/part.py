"""The part file of a download: its bytes, their checksums, and the bounds that hold for all of them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import humanize

from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.ticket import Ticket

CHUNK = 256 * 1024
ALGORITHMS = frozenset(("md5", "sha1", "sha256", "sha512"))
"""The checksums that prove a file's identity, as hashlib names them."""

_FREE_CHECK_EVERY = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file: its size, and the bytes that must stay free on the disk."""

    max_size: int
    keep_free: int


class PartFile:
    """An open part file."""

    def __init__(self, file: IO[bytes], wanted: Mapping[str, str], limits: Limits, ticket: Ticket) -> None:
        self._file = file
        self._limits = limits
        self._ticket = ticket
        self._wanted = {name: digest.lower() for name, digest in wanted.items() if name in ALGORITHMS}
        self._names = {"sha256", *self._wanted}
        self._restart()

    def _restart(self) -> None:
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in self._names}
        self.size = 0
        self._checked_at = 0

    def take_up(self) -> int:
        """Hash what the file holds already; returns its size."""
        self._restart()
        self._file.seek(0)
        while data := self._file.read(CHUNK):
            self._ticket.check()
            self._count(data)
        return self.size

    def empty(self) -> None:
        """Begin from zero."""
        if self._file.seek(0, os.SEEK_END):
            self._file.seek(0)
            self._file.truncate()
        self._restart()

    def write(self, data: bytes) -> None:
        """Append bytes; raises PermanentError beyond the size cap, HeldError when the disk is full."""
        self.refuse_beyond_cap(len(data))
        if self.size - self._checked_at >= _FREE_CHECK_EVERY:
            self.need(0)
        self._file.write(data)
        self._count(data)

    def refuse_beyond_cap(self, more: int) -> None:
        """Raise PermanentError when so many more bytes would be too many for one book."""
        if self.size + more > self._limits.max_size:
            cap = humanize.naturalsize(self._limits.max_size, binary=True)
            raise PermanentError(f"larger than {cap}, which is the limit (download.max_size)")

    def need(self, more: int) -> None:
        """Raise HeldError unless so many more bytes fit and enough stays free."""
        self._checked_at = self.size
        free = shutil.disk_usage(self._file.fileno()).free
        if free - more < self._limits.keep_free:
            raise disk_full(self._limits.keep_free)

    def _count(self, data: bytes) -> None:
        for running in self._hashes.values():
            running.update(data)
        self.size += len(data)

    def finish(self) -> str:
        """Check the source's checksums and return the sha256; raises TransientError when one differs.

        The bytes go to the disk when they are delivered, after the verifier has read them from memory.
        """
        for name, digest in self._wanted.items():
            if self._hashes[name].hexdigest() != digest:
                raise TransientError(f"its {name} is not the one that the catalogue gives")
        self._file.flush()
        return self._hashes["sha256"].hexdigest()


def disk_full(keep_free: int) -> HeldError:
    """Make the error that holds the queue until there is room."""
    kept = humanize.naturalsize(keep_free, binary=True)
    return HeldError(
        f"the disk of the state folder is full ({kept} are kept free by download.keep_free): make room",
        scope="queue",
        seconds=30.0,
    )
