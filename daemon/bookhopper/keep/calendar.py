"""The time by which things grow old: that of the clock, unless it has leapt.

A clock that is set forward by years would have everything go at once that is kept for a time.  So after a
leap nothing grows older until the new time has stood for a week: by then somebody, or NTP, has put it right.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from humanize import naturaldelta

from bookhopper.errors import BookhopperError
from bookhopper.keep_settings import DAY
from bookhopper.schedule import Memory

log = logging.getLogger("bookhopper.keep")

FIRST_MOMENT = 1_577_836_800.0
"""2020: what is said to be older was written while the clock was wrong, and has no age."""

_KEY = "calendar"
_LONGEST_REST = 8 * DAY
"""For how long the machine may have been off without its time being doubted."""

_LEAP = 3600.0
_PROOF = 7 * DAY


@dataclass(slots=True)
class _Known:
    """The trusted time, the one that was last seen, and since when that is tried (0: it is trusted)."""

    trusted: float
    seen: float
    tried: float = 0.0


class Calendar:
    """Tells the trusted time; to be asked at least once a day, from any thread."""

    def __init__(self, memory: Memory, clock: Callable[[], float] = time.time) -> None:
        """Take where the time is kept across restarts; reads nothing yet."""
        self._memory = memory
        self._clock = clock
        self._known: _Known | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        """Give the time by which things are old, in epoch seconds; never later than the clock's.

        Raises BookhopperError where it cannot be read.  Where it cannot be kept it is given as well, since a
        full disk has to be cleared.
        """
        with self._lock:
            wall = self._clock()
            known = self._known = self._known or self._recall(wall)
            if not -_LEAP <= wall - known.seen <= _LONGEST_REST:
                self._leapt(known, wall)
            elif known.tried and wall - known.tried >= _PROOF:
                log.info("the clock has kept its time for a week: things grow older again")
                known.tried = 0.0
            known.seen = wall
            if not known.tried:
                known.trusted = wall
            try:
                self._memory.set_setting(_KEY, json.dumps(asdict(known)))
            except BookhopperError as error:
                log.debug("the time is not kept: %s", error)
            return min(known.trusted, wall)

    def _leapt(self, known: _Known, wall: float) -> None:
        if -_LEAP <= wall - known.trusted <= _LONGEST_REST:  # it was put right
            known.tried = 0.0
            return
        known.tried = wall
        if wall > known.trusted:
            log.warning(
                "the clock is %s ahead of where it was: for a week nothing is cleared away for its age",
                naturaldelta(wall - known.trusted),
            )

    def _recall(self, wall: float) -> _Known:
        try:
            kept = json.loads(self._memory.setting(_KEY) or "{}")
            return _Known(*(float(kept[name]) for name in ("trusted", "seen", "tried")))
        except (ValueError, TypeError, KeyError):
            return _Known(trusted=wall, seen=wall)
