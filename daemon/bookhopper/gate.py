"""What holds a whole pool while its surroundings are not fit for work."""

from __future__ import annotations

import threading
import time

from bookhopper.errors import HeldError

_LONGEST_SECONDS = 60.0


class Gate:
    """Closed by whoever meets the fault, read by all workers; what it is closed for is news only once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self.reason = ""

    def hold(self, error: HeldError) -> bool:
        """Close for `error.seconds`, a minute at most; True when this is news."""
        with self._lock:
            self._until = time.monotonic() + min(error.seconds, _LONGEST_SECONDS)
            news, self.reason = self.reason != str(error), str(error)
            return news

    def remaining(self) -> float:
        """Seconds for which it stays closed."""
        with self._lock:
            return max(0.0, self._until - time.monotonic())

    def open(self) -> None:
        """Open at once."""
        with self._lock:
            self._until = 0.0

    def passed(self) -> str:
        """Note that a job went through; returns the reason that is over, if there was one."""
        with self._lock:
            over = self.reason if time.monotonic() >= self._until else ""
            if over:
                self.reason = ""
            return over
