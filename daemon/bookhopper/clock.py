"""The clock on the wall against the one that nobody can set."""

from __future__ import annotations

import time

_NEWS_SECONDS = 5.0


class Clock:
    """Notices that the time of day was set, as at the start of a machine that does not keep it."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def moved(self) -> float:
        """Give the seconds by which the time was set since the last call; a few, as of NTP, count as none."""
        offset = time.time() - time.monotonic()
        moved = offset - self._offset
        self._offset = offset
        return moved if abs(moved) >= _NEWS_SECONDS else 0.0
