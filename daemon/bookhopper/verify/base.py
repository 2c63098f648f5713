"""What every check shares: the verdict, how a check refuses, and how hostile bytes are read."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from bookhopper.errors import shortened

Check = Literal["", "size", "type", "container", "checksum", "structure", "protection"]
"""Which check a file failed, for metrics: how long it is, what it is, whether it is whole, whether its
checksums agree, whether the book inside makes sense, whether it is locked."""

PIECE = 1 << 20
"""Bytes read at once: big enough that the interpreter's share is small, small enough for sixteen threads."""

PDF_HEADER_WITHIN = 1024
"""Readers look for `%PDF-` in so many bytes, since mail gateways and web servers put lines before it."""

IN_MEMORY = 4 << 20
"""Up to so many bytes a file is read whole before it is looked at."""

_LARGEST_READ = 64 << 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found.

    `format` is the lower-case extension that the content says, empty where it says none; `reason` is one
    line for a person and `check` the failed check, both empty when `ok`.  `permanent` tells that another
    download of the same file cannot be better; `protected` that the book is there, but locked.
    """

    ok: bool
    format: str
    reason: str = ""
    permanent: bool = False
    check: Check = ""
    protected: bool = False


class RefusedError(Exception):
    """Raised by a check to end it; `verify` turns it into the verdict."""

    def __init__(self, check: Check, reason: str, *, permanent: bool | None = None) -> None:
        super().__init__(reason)
        self.check: Check = check
        self.reason = reason
        # Bytes lost on the way may arrive next time; what the publisher put into the file stays.
        self.permanent = check not in {"size", "container", "checksum"} if permanent is None else permanent
        self.protected = check == "protection"


class _BoundedFile(io.BufferedReader):
    """A file that refuses to be read in one huge piece, whatever a library takes from its hostile bytes.

    The size of a ZIP's directory is such a number; a PDF reader that rebuilds a lost table reads to the end.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            here = self.tell()
            size = max(0, self.seek(0, io.SEEK_END) - here)
            self.seek(here)
        if size > _LARGEST_READ:
            raise RefusedError(
                "structure", f"its tables are damaged: {size >> 20} MiB would have to be read at once"
            )
        return super().read(size)


def open_book(path: Path) -> BinaryIO:
    """Open a file for checking.

    A small one is read whole: one system call in place of a hundred, each of which would give up the
    interpreter lock and queue for it again.

    Raises OSError: the file cannot be read.
    """
    file = _BoundedFile(io.FileIO(path))
    if size_of(file) > IN_MEMORY:
        return file
    with file:
        return io.BytesIO(file.read())


def size_of(file: BinaryIO) -> int:
    """Tell a file's length in bytes, and leave it at its beginning."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """Give a file's bytes from where it stands, a piece at a time."""
    while piece := file.read(PIECE):
        yield piece


def slice_of(file: BinaryIO, start: int, length: int) -> bytes:
    """Read at most `length` bytes from `start`; fewer where the file ends before."""
    file.seek(start)
    return file.read(length)


@contextmanager
def hostile_offsets(reason: str) -> Iterator[None]:
    """Take a seek to an impossible offset (EINVAL) for the file's fault; any other OSError is the disk's."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise RefusedError("container", reason) from error


def quoted(text: str, limit: int = 60) -> str:
    """Make hostile text fit to stand in a one-line message: printable, short, in double quotes."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return f'"{shortened(line, limit)}"'
