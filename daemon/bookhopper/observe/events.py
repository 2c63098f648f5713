"""From the store's committed changes to whoever wants to know: log, metrics, reports, live page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from bookhopper.model import Change

log = logging.getLogger("bookhopper.events")

Listener = Callable[[Change], None]


class Events:
    """Hands each change, in order, to every listener on a thread of its own.

    `publish` may be called from the start; nothing is handed on, and nothing lost, before `start`.
    """

    def __init__(self) -> None:
        self._changes: SimpleQueue[Change | None] = SimpleQueue()
        self._listeners: list[Listener] = []
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def publish(self, change: Change) -> None:
        """Take a change; quick, and never raises."""
        self._changes.put(change)

    def start(self, *listeners: Listener) -> None:
        """Begin to hand on."""
        self._listeners = list(listeners)
        self._thread.start()

    def stop(self) -> None:
        """Hand on what has come, then end."""
        self._changes.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (change := self._changes.get()) is not None:
            for listener in self._listeners:
                try:
                    listener(change)
                except Exception:
                    log.exception("a listener failed over job %d", change.job.id)
