"""Every event of a folder and those in it, as the kernel tells it: what a consumer would have seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.fakes import inotify
from tests.fakes.inotify import Inotify

_KINDS = {
    inotify.CREATE: "created",
    inotify.MODIFY: "modified",
    inotify.CLOSE_WRITE: "closed",
    inotify.MOVED_FROM: "moved_from",
    inotify.MOVED_TO: "moved_to",
    inotify.DELETE: "deleted",
    inotify.OVERFLOW: "overflow",
}


class Seen(NamedTuple):
    """An event: what happened (a word of inotify's own), and to which file, by its path in the folder."""

    kind: str
    name: str


@contextmanager
def witness(folder: Path, saw: Callable[[Seen], None]) -> Iterator[None]:
    """Tell `saw` of every event of a folder's files, on one thread, for the block; the last before its end.

    What happens in a new sub-folder before it is watched is not told.
    """
    events = Inotify(folder, sum(_KINDS) & ~inotify.OVERFLOW, recursive=True)

    def watch() -> None:
        for event in events.events():
            for bit, kind in _KINDS.items():
                if event.mask & bit and not event.of_folder:
                    name = "" if bit == inotify.OVERFLOW else str(event.path.relative_to(folder))
                    saw(Seen(kind, name))

    thread = threading.Thread(target=watch, name="witness")
    thread.start()
    try:
        yield
    finally:
        events.stop()
        thread.join()
        events.close()
