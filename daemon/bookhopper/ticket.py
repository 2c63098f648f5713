"""The slip that a running job carries: how others stop it, and how it shows its progress."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from bookhopper.model import DEFAULT_PRIORITY, Resume

_SAMPLE_SECONDS = 0.25
_SMOOTHING_SECONDS = 3.0
_STALLED_SECONDS = 10.0


class Reason(StrEnum):
    """Why a running job is to stop; it always goes back to where it waited, unless its row asks for more."""

    CANCEL = "cancel"
    PAUSE = "pause"
    PREEMPT = "preempt"
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

    Progress lives here and never in the database: `received` and `total` are bytes, `stage` says in a word
    what is being done, `resume` is where a download could go on, `heartbeat` (epoch seconds) the last sign of
    life; `ended` is set once the worker has recorded what became of the job.  Who is `patient` stays in line
    at a host as long as others are let in, where a download would rather go to another host meanwhile.
    """

    def __init__(self, job: int, priority: int = DEFAULT_PRIORITY, *, patient: bool = False) -> None:
        self.job = job
        self.priority = priority
        self.patient = patient
        self.turn_began = 0.0
        """When it last came to its turn at a host, by the monotonic clock."""
        self.ended = threading.Event()
        self.stage = ""
        self.source = ""
        self.received = 0
        self.total: int | None = None
        self.resume: Resume | None = None
        self.heartbeat = time.time()
        self.started = time.monotonic()
        self._measured: _Measured | None = None
        self._event = threading.Event()
        self._reason: Reason | None = None
        self._shielded = False
        self._ends: dict[object, Callable[[], object]] = {}
        self._in_line: tuple[float, float | None] = 0.0, None

    def interrupt(self, reason: Reason) -> None:
        """Ask the job to stop; the first reason stays."""
        if self._reason is None:
            self._reason = reason
        self._event.set()
        if not self._shielded:
            for end in self._ends.copy().values():
                with suppress(OSError, ValueError, RuntimeError):  # it came to its end by itself
                    end()

    @property
    def reason(self) -> Reason | None:
        """Why the job was asked to stop, if it was."""
        return self._reason

    @property
    def shielded(self) -> bool:
        """Whether nothing interrupts the job now."""
        return self._shielded

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
    def in_line(self) -> Iterator[None]:
        """Wait in the block for our own turn at a host, which is no time that the host took."""
        before, since = self.seconds_in_line, time.monotonic()
        self._in_line = before, since
        try:
            yield
        finally:
            self.turn_began = time.monotonic()
            self._in_line = before + self.turn_began - since, None

    @property
    def waits_in_line(self) -> bool:
        """Whether it waits for its turn at a host now."""
        return self._in_line[1] is not None

    @property
    def seconds_in_line(self) -> float:
        """For how long it has waited for its turns by now."""
        before, since = self._in_line
        return before if since is None else before + time.monotonic() - since

    @contextmanager
    def ended_by(self, end: Callable[[], object]) -> Iterator[None]:
        """Let an interruption call `end` while the block waits for something that looks at no ticket.

        Several threads may wait for one job, as a search does for its sources.
        """
        mine = object()
        self._ends[mine] = end
        try:
            self.check()
            yield
        finally:
            del self._ends[mine]

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Let nothing interrupt the block: from PLACED to DONE a book is on its way."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False

    def progress(self, received: int, total: int | None = None) -> None:
        """Set how far the download is; cheap enough for every chunk.

        What is there at the first call, or when a file begins again, came before and counts as no speed.
        """
        now = time.monotonic()
        last = self._measured
        if last is None or received < last.received:
            self._measured = _Measured(now, received, last.speed if last else 0.0)
        elif now - last.at >= _SAMPLE_SECONDS:
            self._measured = last.after(now, received)
        self.received = received
        self.total = total

    @property
    def speed(self) -> float:
        """A moving average in bytes per second; it falls while nothing arrives, and soon to 0."""
        last = self._measured
        return last.after(time.monotonic(), self.received).speed if last else 0.0

    @property
    def resume_point(self) -> Resume | None:
        """Where a download could go on, and the bytes that have come by now."""
        point = self.resume
        return replace(point, bytes=max(point.bytes, self.received)) if point else None

    @property
    def eta(self) -> float | None:
        """Seconds until the download ends, or None while that cannot be said."""
        speed = self.speed
        if self.total is None or speed <= 0:
            return None
        return max(0.0, (self.total - self.received) / speed)


@dataclass(frozen=True, slots=True)
class _Measured:
    """The average speed as it was at a moment of the monotonic clock, so many bytes having come."""

    at: float
    received: int
    speed: float

    def after(self, now: float, received: int) -> _Measured:
        """Measure again: the longer ago the last measurement, the less it weighs."""
        elapsed = now - self.at
        if elapsed < _SAMPLE_SECONDS:
            return self
        more = max(0, received - self.received)
        if not more and elapsed >= _STALLED_SECONDS:
            return _Measured(now, received, 0.0)
        weight = 1 - math.exp(-elapsed / _SMOOTHING_SECONDS) if self.speed else 1.0
        return _Measured(now, received, self.speed + weight * (more / elapsed - self.speed))
