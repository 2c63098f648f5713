"""What came of settled books, once it is old or too much: forgotten list by list, a few jobs at a time."""

from __future__ import annotations

import logging
import time

from bookhopper.keep.calendar import FIRST_MOMENT
from bookhopper.model import State
from bookhopper.store.base import Store
from bookhopper.ticket import Ticket

log = logging.getLogger("bookhopper.keep")

_AT_ONCE = 50
"""So few that a claim that waits behind them waits for some milliseconds only."""

_SHARE = 3
"""Nothing is forgotten for so many times the time that it took, so that the queue has the store to itself."""

_SETTLED = frozenset(
    (State.DONE, State.OWNED, State.DUPLICATE, State.CANCELLED, State.EXPANDED, State.FAILED)
)


class History:
    """Forgets the jobs of lists at rest; `ticket` breaks that off, and the next run goes on with it."""

    def __init__(self, store: Store, ticket: Ticket) -> None:
        self._store = store
        self._ticket = ticket

    def clear(self, now: float, *, age: float, number: int) -> int:
        """Forget lists that have been at rest for `age` seconds, then the oldest beyond `number` jobs.

        0 is no bound.  Returns how many jobs were forgotten; raises BookhopperError, and Interrupted.
        """
        counts = self._store.counts()
        excess = sum(counts[state] for state in _SETTLED) - number if number else 0
        until = now - age if age > 0 else 0.0
        if not until and excess <= 0:
            return 0
        forgotten = 0
        for each in self._store.at_rest():
            self._ticket.check()
            if FIRST_MOMENT < each.since <= until or excess > forgotten:
                forgotten += self._forget(each.request, reported=bool(each.report))
        return forgotten

    def _forget(self, request: int, *, reported: bool) -> int:
        """Forget a list, but for the jobs that another list names as well; how many jobs."""
        if reported and not self._store.close_report(request):
            return 0  # something in it has come to life
        jobs = self._store.own_jobs(request)
        forgotten = 0
        for start in range(0, len(jobs), _AT_ONCE):
            begun = time.monotonic()
            forgotten += self._store.forget(jobs[start : start + _AT_ONCE])
            self._ticket.wait(_SHARE * (time.monotonic() - begun))
        if forgotten == len(jobs):
            while self._store.forget_request(request):
                self._ticket.check()
        return forgotten
