"""The slip that a running job carries: how others stop it, and how it shows its progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

from bookhopper.model import Resume


class Reason(StrEnum):
    """Why a running job is to stop."""

    CANCEL = "cancel"
    PAUSE = "pause"
    SHUTDOWN = "shutdown"


class Interrupted(BaseException):
    """Raised inside a step by `Ticket.check`: stop here, keep what can be kept.

    It is no Exception, so that no plugin's `except Exception` swallows it.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Ticket:
    """One running job's interruption and progress; made by a worker, read by the API, written by both.

    Progress lives here and never in the database: `received` and `total` are bytes, `speed` is a moving
    average in bytes per second, `stage` says in a word what is being done, `resume` is where a download could
    go on, `heartbeat` (epoch seconds) the last sign of life.
    """

    _SMOOTHING_SECONDS = 3.0

    def __init__(self, job: int) -> None:
        self.job = job
        self.stage = ""
        self.source = ""
        self.received = 0
        self.total: int | None = None
        self.speed = 0.0
        self.resume: Resume | None = None
        self.heartbeat = time.time()
        self.started = time.monotonic()
        self._marked = (self.started, 0)
        self._event = threading.Event()
        self._reason: Reason | None = None
        self._shielded = False
        self._end: Callable[[], object] | None = None

    def interrupt(self, reason: Reason) -> None:
        """Ask the job to stop; the first reason stays."""
        if self._reason is None:
            self._reason = reason
        self._event.set()
        end = self._end
        if end is not None and not self._shielded:
            with suppress(OSError, ValueError):  # it came to its end by itself
                end()

    def check(self) -> None:
        """Raise `Interrupted` when somebody asked the job to stop and it is not shielded."""
        self.heartbeat = time.time()
        if self._event.is_set() and not self._shielded and self._reason is not None:
            raise Interrupted(self._reason)

    def wait(self, seconds: float) -> None:
        """Sleep, but wake at once, by raising, when the job is to stop."""
        if self._shielded:
            time.sleep(seconds)
        else:
            self._event.wait(seconds)
            self.check()

    @contextmanager
    def ended_by(self, end: Callable[[], object]) -> Iterator[None]:
        """Let an interruption call `end` while the block waits for something that looks at no ticket."""
        self._end = end
        try:
            self.check()
            yield
        finally:
            self._end = None

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Let nothing interrupt the block: from PLACED to DONE a book is on its way."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False

    def progress(self, received: int, total: int | None = None) -> None:
        """Set how far the download is; cheap enough for every chunk."""
        now = time.monotonic()
        then, before = self._marked
        elapsed = now - then
        if received < before:
            self._marked = (now, received)
        elif elapsed >= 0.25:
            weight = min(1.0, elapsed / self._SMOOTHING_SECONDS) if self.speed else 1.0
            self.speed += weight * ((received - before) / elapsed - self.speed)
            self._marked = (now, received)
        self.received = received
        self.total = total

    @property
    def eta(self) -> float | None:
        """Seconds until the download ends, or None while that cannot be said."""
        if self.total is None or self.speed <= 0:
            return None
        return max(0.0, (self.total - self.received) / self.speed)
