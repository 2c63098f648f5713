"""inotify through watchdog, with what it keeps to itself: whether it still hears of the folder.

watchdog notices neither that its reading thread has died, nor that the kernel let go of the watch (an
unmounted folder), nor does it say to a handler that events were lost (inotify(7), IN_Q_OVERFLOW).
"""

from __future__ import annotations

from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyEvent, InotifyFD


class InotifyObserver(BaseObserver):
    """Observes one folder, not those in it; raises OSError (EMFILE) where there is no instance left."""

    def __init__(self) -> None:
        self._reader = _Reader()
        self._reader.start()
        super().__init__(InotifyEmitter, inotify_fd=self._reader)

    @property
    def fault(self) -> str:
        """Say why it hears no more, or not of everything; empty while all is well."""
        if self._reader.fault:
            return self._reader.fault
        return "" if self._reader.is_alive() else "its reader has died"

    def on_thread_stop(self) -> None:
        """End the reader as well."""
        super().on_thread_stop()
        self._reader.stop()
        self._reader.join()


class _Reader(InotifyFD):
    """Reads the kernel's queue."""

    def __init__(self) -> None:
        super().__init__()
        self.fault = ""

    def handle_event(self, event: InotifyEvent) -> None:
        """Pass an event on, and remember one that tells of others that will not come."""
        if event.is_queue_overflow:
            self.fault = "more happened at once than the kernel keeps in mind (fs.inotify.max_queued_events)"
        elif event.is_ignored:
            self.fault = "the folder was deleted or unmounted"
        super().handle_event(event)
