"""watchdog, kept alive: which observer a folder needs, and whether it still observes that folder."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from bookhopper.intake.folder import RequestFolder
from bookhopper.intake.inotify import InotifyObserver
from bookhopper.mounts import mount_of

Polling = Literal["auto", "always", "never"]

_log = logging.getLogger("bookhopper.intake")
# It calls a thread that ends in the middle of a read an error; what matters of it is said here.
logging.getLogger("watchdog.observers").setLevel(logging.CRITICAL)

_JOIN_SECONDS = 5.0
_NEWS: list[type[FileSystemEvent]] = [
    *(FileCreatedEvent, FileModifiedEvent, FileClosedEvent, FileMovedEvent, FileDeletedEvent),
    *(DirCreatedEvent, DirMovedEvent, DirDeletedEvent),
    FileAttribEvent,  # a file that could not be read may be readable now
]
"""All but that something was opened or read, of which our own work makes more than everybody else's."""
_EXHAUSTED = {
    errno.ENOSPC: "the limit of inotify watches is reached (raise fs.inotify.max_user_watches)",
    errno.EMFILE: "the limit of inotify instances is reached (raise fs.inotify.max_user_instances)",
    errno.ENFILE: "the system's limit of open files is reached",
}


class FolderObserver:
    """Tells of every name in the folder that something happens to; used by one thread."""

    def __init__(
        self, folder: RequestFolder, noticed: Callable[[str], None], polling: Polling, interval: float
    ) -> None:
        self._folder = folder
        self._handler = _Handler(str(folder.path), noticed)
        self._setting = polling
        self._interval = interval
        self._observer: BaseObserver | None = None
        self._identity: tuple[int, int] | None = None
        self._complaint = ""
        self.polling = False
        self.breaks = 0

    def ensure(self) -> bool:
        """See to it that the folder as it is now is observed; returns whether observing began anew.

        After that everything in the folder may be news.  Faults and recoveries are said once.
        """
        identity = self._folder.identity()
        if identity is None:
            self._complain(f"the requests folder {self._folder.path} is gone: create it, or mount it again")
            self.stop()
            return False
        if self._observer is not None:
            fault = self._fault(self._observer)
            if identity == self._identity and not fault:
                return False
            self.breaks += 1
            reason = fault or "another folder lies there now"
            self._complain(f"watching {self._folder.path} broke off: {reason}; watching it anew")
            self.stop()
        return self._start(identity)

    @property
    def alive(self) -> bool:
        """Whether the folder is observed."""
        return self._observer is not None and not self._fault(self._observer)

    def stop(self) -> None:
        """Stop observing."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            with suppress(RuntimeError):  # it had not come to run
                observer.join(_JOIN_SECONDS)

    def _fault(self, observer: BaseObserver) -> str:
        if isinstance(observer, InotifyObserver) and observer.fault:
            return observer.fault
        lives = observer.is_alive() and all(emitter.is_alive() for emitter in observer.emitters)
        return "" if lives else "its thread has ended"

    def _start(self, identity: tuple[int, int]) -> bool:
        self.polling = self._wants_polling()
        try:
            self._observer = self._begin()
        except OSError as fault:
            if self.polling or fault.errno not in _EXHAUSTED:
                self._complain(f"the requests folder {self._folder.path} cannot be watched: {fault.strerror}")
                return False
            _log.warning("%s; looking every %g s instead", _EXHAUSTED[fault.errno], self._interval)
            self.polling = True
            try:
                self._observer = self._begin()
            except OSError as second:
                self._complain(f"the requests folder {self._folder.path} cannot be polled: {second.strerror}")
                return False
        self._identity = identity
        if self._complaint:
            self._complaint = ""
            _log.info("watching %s again", self._folder.path)
        return True

    def _begin(self) -> BaseObserver:
        if not os.access(self._folder.path, os.R_OK | os.X_OK):  # which inotify passes over in silence
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        observer = PollingObserver(timeout=self._interval) if self.polling else InotifyObserver()
        # the folder may be a link: what it leads to is watched, for a watch on the link hears nothing
        observer.schedule(self._handler, str(self._folder.path), event_filter=_NEWS, follow_symlink=True)
        try:
            observer.start()
        except OSError:
            observer.stop()
            raise
        return observer

    def _wants_polling(self) -> bool:
        if self._setting != "auto":
            return self._setting == "always"
        return mount_of(self._folder.path).is_network

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            _log.warning("%s", complaint)


class _Handler(FileSystemEventHandler):
    """Passes on names and nothing else, so that watchdog's thread is never held up."""

    def __init__(self, folder: str, noticed: Callable[[str], None]) -> None:
        self._folder = folder
        self._noticed = noticed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass on the names of an event."""
        for path in (event.src_path, event.dest_path):
            parent, name = os.path.split(os.fsdecode(path))
            if name and parent == self._folder:
                self._noticed(name)
