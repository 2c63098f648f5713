"""Every event of one folder, in the order in which the kernel tells it: what a consumer would have seen."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from watchdog.observers.inotify_c import InotifyConstants, inotify_add_watch, inotify_init

_HEAD = struct.Struct("iIII")
_KINDS = {
    InotifyConstants.IN_CREATE: "created",
    InotifyConstants.IN_MODIFY: "modified",
    InotifyConstants.IN_CLOSE_WRITE: "closed",
    InotifyConstants.IN_MOVED_FROM: "moved_from",
    InotifyConstants.IN_MOVED_TO: "moved_to",
    InotifyConstants.IN_DELETE: "deleted",
    InotifyConstants.IN_Q_OVERFLOW: "overflow",
}
_BUFFER_BYTES = 1 << 16


class Seen(NamedTuple):
    """An event: what happened (a word of inotify's own), and to which name."""

    kind: str
    name: str


@contextmanager
def witness(folder: Path, saw: Callable[[Seen], None]) -> Iterator[None]:
    """Tell `saw` of every event in a folder, on one thread, for the block; the last ones before its end."""
    handle = inotify_init()
    stop, stopping = os.pipe()
    try:
        if inotify_add_watch(handle, os.fsencode(folder), sum(_KINDS) & ~InotifyConstants.IN_Q_OVERFLOW) < 0:
            raise OSError(ctypes.get_errno(), f"{folder} cannot be watched")

        def watch() -> None:
            while handle in (ready := select.select([handle, stop], [], [])[0]) or stop not in ready:
                for seen in _parse(os.read(handle, _BUFFER_BYTES)):
                    saw(seen)

        thread = threading.Thread(target=watch, name="witness")
        thread.start()
        try:
            yield
        finally:
            os.close(stopping)
            thread.join()
    finally:
        os.close(handle)
        os.close(stop)


def _parse(data: bytes) -> Iterator[Seen]:
    at = 0
    while at < len(data):
        _, mask, _, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
        at += length
        for bit, kind in _KINDS.items():
            if mask & bit:
                yield Seen(kind, name)
