"""The bound on guessing: ten failures in a row lock a name or an address for half an hour."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from bookhopper.api.sign_in.errors import LockedError

FAILURES = 10
WORDS = "too many wrong sign-ins in a row: wait half an hour, and look who guesses"
LOCKED_SECONDS = 1800.0
_MOST = 20_000  # names that are remembered: those of no user count too, and anybody may make them up


@dataclass(slots=True)
class _Record:
    failures: int = 0
    until: float = 0.0


class Lockout:
    """Counts failures by name; the names of which nothing was heard for longest are forgotten first.

    `words` are what is said to a name that is locked.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, most: int = _MOST, words: str = WORDS
    ) -> None:
        self._clock = clock
        self._most = most
        self._words = words
        self._lock = threading.Lock()
        self._records: OrderedDict[bytes, _Record] = OrderedDict()

    def check(self, name: str) -> None:
        """Refuse a name while it is locked; raises LockedError."""
        with self._lock:
            record = self._records.get(_key(name))
            remaining = record.until - self._clock() if record is not None else 0.0
        if remaining > 0:
            raise LockedError(self._words, remaining)

    def failed(self, name: str) -> bool:
        """Count a failure; the tenth in a row locks the name.  Tells whether it was the tenth."""
        key = _key(name)
        with self._lock:
            record = self._records.setdefault(key, _Record())
            self._records.move_to_end(key)
            record.failures += 1
            locked = record.failures >= FAILURES
            if locked:
                record.failures, record.until = 0, self._clock() + LOCKED_SECONDS
            if len(self._records) > self._most:
                self._forget_one()
        return locked

    def succeeded(self, name: str) -> None:
        """Forget a name's failures; a lock lasts as long as was said."""
        key = _key(name)
        with self._lock:
            record = self._records.get(key)
            if record is not None and record.until <= self._clock():
                del self._records[key]

    def _forget_one(self) -> None:
        """Forget the oldest name that is not locked, or the oldest when all of the oldest are."""
        now = self._clock()
        oldest = [key for key, _ in zip(self._records, range(100), strict=False)]
        del self._records[next((key for key in oldest if self._records[key].until <= now), oldest[0])]


def _key(name: str) -> bytes:
    """Make all names equally long: a header may hold one of many thousand letters."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
