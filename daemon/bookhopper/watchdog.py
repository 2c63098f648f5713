"""Pings the service manager's watchdog as long as everything that has to move does move.

A heartbeat counts by being another one than at the last look, and not by its age: the time may be set.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bookhopper.observe.sdnotify import notify

log = logging.getLogger("bookhopper")


@dataclass(frozen=True, slots=True)
class Beat:
    """A part's last sign of life, whatever counts it, and for how many seconds it may be the last."""

    name: str
    value: float
    patience: float


class Watchdog:
    """Looks at the heartbeats now and then, and pings when all are well."""

    def __init__(
        self, beats: Callable[[], Sequence[Beat]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._beats = beats
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}
        self._said: frozenset[str] = frozenset()

    def look(self) -> bool:
        """Ping, unless a part has shown no sign of life for too long, which is said once; tells whether."""
        now = self._clock()
        beats = self._beats()
        self._seen = {beat.name: self._since(beat, now) for beat in beats}
        silent = frozenset(beat.name for beat in beats if now - self._seen[beat.name][1] > beat.patience)
        for name in sorted(silent - self._said):
            log.error("%s shows no sign of life: the service manager's watchdog hears nothing more", name)
        self._said = silent
        if silent:
            return False
        notify("WATCHDOG=1")
        return True

    def _since(self, beat: Beat, now: float) -> tuple[float, float]:
        """Give a heartbeat, and since when it is that one."""
        seen = self._seen.get(beat.name)
        return seen if seen is not None and seen[0] == beat.value else (beat.value, now)
