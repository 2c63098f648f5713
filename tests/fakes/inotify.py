"""The kernel's own words about a folder (inotify(7)), in order and without a library that sorts them out.

A library that watches folders pairs, merges and invents events; a witness, and a consumer that is to miss
what the real one misses, need them as they come.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MODIFY = 0x0002
ATTRIB = 0x0004
CLOSE_WRITE = 0x0008
MOVED_FROM = 0x0040
MOVED_TO = 0x0080
CREATE = 0x0100
DELETE = 0x0200
OVERFLOW = 0x4000
IS_FOLDER = 0x4000_0000

CHANGES = MODIFY | ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE
"""Everything that can make a file another than it was."""

_IGNORED = 0x8000
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a path; `cookie` is the same for the two halves of a rename."""

    mask: int
    path: Path
    cookie: int

    @property
    def of_folder(self) -> bool:
        """Whether the path is that of a folder."""
        return bool(self.mask & IS_FOLDER)


class Inotify:
    """Events of a folder; with `recursive` also of those in it, which are watched once they were seen.

    What is put into a new folder before it is watched makes no event, as with `inotifywait -r`.
    """

    def __init__(self, folder: Path, mask: int = CHANGES, *, recursive: bool = False) -> None:
        self._mask = mask
        self._recursive = recursive
        self._folders: dict[int, Path] = {}
        self._queue = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._stop, self._stopper = os.pipe()
        self._watch(folder)

    def watches(self, folder: Path) -> bool:
        """Whether what happens in a folder from now on is told."""
        return folder in tuple(self._folders.values())

    def close(self) -> None:
        """Let go of the kernel's queue; whoever reads `events` must have ended."""
        for handle in (self._queue, self._stop, self._stopper):
            os.close(handle)

    def stop(self) -> None:
        """Let `events` end when what is queued has been given; from any thread."""
        os.write(self._stopper, b"x")

    def events(self) -> Iterator[Event]:
        """Give events as they come, until `stop`."""
        poll = select.poll()
        for handle in (self._queue, self._stop):
            poll.register(handle, select.POLLIN)
        stopped = False
        while not stopped:
            stopped = any(handle == self._stop for handle, _ in poll.poll())
            yield from self.pending()

    def pending(self) -> Sequence[Event]:
        """Give what is queued, without waiting."""
        found: list[Event] = []
        while data := self._read():
            found.extend(self._parse(data))
        return found

    def _read(self) -> bytes:
        try:
            return os.read(self._queue, 1 << 16)
        except BlockingIOError:
            return b""

    def _parse(self, data: bytes) -> Iterator[Event]:
        at = 0
        while at < len(data):
            watch, mask, cookie, length = _HEAD.unpack_from(data, at)
            name = data[at + _HEAD.size : at + _HEAD.size + length].rstrip(b"\0")
            at += _HEAD.size + length
            if mask & OVERFLOW:
                yield Event(mask, Path(), 0)
            elif mask & _IGNORED:
                self._folders.pop(watch, None)
            elif watch in self._folders:
                path = self._folders[watch] / os.fsdecode(name)
                if self._recursive and mask & IS_FOLDER and mask & (CREATE | MOVED_TO):
                    self._watch(path)
                if mask & self._mask:
                    yield Event(mask, path, cookie)

    def _watch(self, folder: Path) -> None:
        mask = self._mask | (CREATE | MOVED_TO if self._recursive else 0)
        try:
            self._folders[_checked(_libc.inotify_add_watch(self._queue, os.fsencode(folder), mask))] = folder
            inner = [path for path in folder.iterdir() if path.is_dir()] if self._recursive else []
        except FileNotFoundError:
            return  # it is gone already
        for each in inner:
            self._watch(each)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
