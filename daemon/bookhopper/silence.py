"""Wants that were put aside while a source that may have them was silent: looked for again once it answers.

That must not become a treadmill where a source is silent for some wants only, or comes and goes: what finds
itself put aside again is looked for after one minute, then after twice as long each time up to an hour.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bookhopper.errors import BookhopperError
from bookhopper.log_context import working_on
from bookhopper.store.base import Store
from bookhopper.units import counted
from bookhopper.worker import Pool

log = logging.getLogger("bookhopper")

LOOK_SECONDS = 30.0
"""How often it is seen to."""

_FIRST_SECONDS = 60.0
_LONGEST_SECONDS = 3600.0
_LONGEST_PROBE_SECONDS = 300.0
_AT_ONCE = 500


@dataclass(slots=True)
class _Pause:
    """When the next try may be, and how long the pause before it was; it doubles up to `longest` seconds."""

    longest: float
    until: float = 0.0
    seconds: float = 0.0

    def tried(self, now: float, *, in_vain: bool) -> None:
        """Note a try: one that found something to do makes the next one wait."""
        self.seconds = min(max(_FIRST_SECONDS, 2 * self.seconds), self.longest) if in_vain else 0.0
        self.until = now + self.seconds


class Silence:
    """Ends what a source's silence began; may be told of answers by any thread.

    `available` tells of each source, by its name, whether it answered when it was last asked; whoever keeps
    it calls `answered`.  A source that nobody asks meanwhile is asked for one want now and then.
    """

    def __init__(
        self,
        store: Store,
        searchers: Pool,
        available: Mapping[str, bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._searchers = searchers
        self._available = available
        self._clock = clock
        self._lock = threading.Lock()
        self._wakes = {source: _Pause(_LONGEST_SECONDS) for source in available}
        self._probes = {source: _Pause(_LONGEST_PROBE_SECONDS) for source in available}

    def answered(self, source: str) -> None:
        """Look again for what a source may have, now that it answers again."""
        if self._clock() < self._wakes[source].until:
            return
        try:
            self._searchers.go_on()
            self._wake(source)
        except BookhopperError as error:
            log.debug("what source %s may have waits a little longer: %s", source, error)

    def ready(self, source: str) -> None:
        """Look again for what a source may have, whatever came before: its catalogue is there, or is new."""
        self._wakes[source] = _Pause(_LONGEST_SECONDS)
        self.answered(source)

    def run(self) -> None:
        """Look again for what was put aside just before its source answered; raises HeldError, StoreError."""
        for source, answers in self._available.items():
            if answers:
                self._wake(source)
            else:
                self._probe(source)

    def _wake(self, source: str) -> None:
        with self._lock:
            pause, begun, woken = self._wakes[source], time.time(), 0
            if self._clock() < pause.until:
                return
            while some := self._store.wake_silent(source, begun, _AT_ONCE):
                woken += some
            pause.tried(self._clock(), in_vain=woken > 0)
            self._probes[source] = _Pause(_LONGEST_PROBE_SECONDS)
        if woken:
            with working_on(source=source):
                log.info("source %s: %s that it may have, looked for again", source, counted(woken, "want"))

    def _probe(self, source: str) -> None:
        """See whether a source answers again, by looking for the want that has waited longest for it."""
        with self._lock:
            pause = self._probes[source]
            if self._clock() >= pause.until:
                woken = self._store.wake_silent(source, time.time(), 1)
                pause.tried(self._clock(), in_vain=woken > 0)
