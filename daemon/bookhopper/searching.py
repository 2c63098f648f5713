"""The searchers' step: a WANTED job becomes QUEUED, AMBIGUOUS, MISSING, OWNED, DUPLICATE, or EXPANDED."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bookhopper.errors import HeldError, TransientError
from bookhopper.model import Candidate, Job, State
from bookhopper.owned import CalibreLibrary
from bookhopper.search.asking import UnansweredError
from bookhopper.search.collections import Books, Collector
from bookhopper.search.normalise import identity
from bookhopper.search.resolve import Decision, Resolution, Resolver
from bookhopper.store.base import Move, Store, Wish
from bookhopper.ticket import Ticket

_SOON_SECONDS = 3600.0
"""When a want is looked for again that a silent source may have, if that does not answer before."""

_COLLECTION_PAUSES = (60.0, 600.0)
"""For how many seconds a collection waits before each further look at it, where a source does not answer.

After the last it is taken as it is: what the others have need not wait for one that is down for the night.
"""

_ANOTHER_SECONDS = 5.0
"""When a collection is looked at again, at the earliest, that found others being looked through."""

_LONGEST_SECONDS = 600.0
_TURNED_AWAY_A_SECOND = 4.0
"""How many collections ask for room in vain, at most: each costs a plain want's turn, and two commits."""

_GOES_TO = {Decision.AMBIGUOUS: State.AMBIGUOUS, Decision.MISSING: State.MISSING}


class Search:
    """Resolves a job's want; called by every searcher at once.

    At most so many `collections` are looked through at once: they take long, and plain wants need searchers.
    """

    def __init__(
        self,
        store: Store,
        resolver: Resolver,
        collector: Collector,
        library: CalibreLibrary | None = None,
        *,
        collections: int = 1,
    ) -> None:
        self._room = _Room(collections)
        self._store = store
        self._resolver = resolver
        self._collector = collector
        self._library = library

    def __call__(self, job: Job, ticket: Ticket) -> Move | None:
        """Decide where the job goes; raises HeldError while a source that may have it cannot be asked.

        Where sources give no answer that can be understood, that is tried once more at once (TransientError),
        and then the job is put aside and looked for again: attempts are for what is the job's own fault.
        """
        ticket.stage = "search"
        ticket.patient = True
        try:
            return self._resolve(job, ticket) if job.want.collection is None else self._expand(job, ticket)
        except TransientError as error:
            if job.attempts == 0:
                raise
            silent = error.sources if isinstance(error, UnansweredError) else ()
            soon = _again(job, incomplete=True)
            return Move(
                job.id, job.state, State.MISSING, str(error), attempts=0, not_before=soon, silent=silent
            )

    def _resolve(self, job: Job, ticket: Ticket) -> Move:
        """Look for a single book."""
        if owned := self._owned(job, ticket):
            return Move(job.id, job.state, State.OWNED, owned)
        resolution = _picked(job) or self._resolver.resolve(job.want, ticket)
        if resolution.decision is not Decision.ACCEPT:
            after = _GOES_TO[resolution.decision]
            return Move(
                job.id,
                job.state,
                after,
                resolution.reason,
                candidates=resolution.near,
                not_before=_again(job, incomplete=bool(resolution.silent)),
                silent=resolution.silent,
            )
        if (double := self._double(job, resolution)) is not None:
            return Move(job.id, job.state, State.DUPLICATE, double, candidates=resolution.chosen)
        # a want may say less of the book, or say it otherwise, than the source does
        if owned := self._owned(job, ticket, resolution.chosen[0]):
            return Move(job.id, job.state, State.OWNED, owned, candidates=resolution.chosen)
        return Move(job.id, job.state, State.QUEUED, candidates=resolution.chosen, attempts=0)

    def _expand(self, job: Job, ticket: Ticket) -> Move | None:
        """Turn a collection into its books; one that had some before stays so where none is found now.

        That is done once, so that it waits for a source that may have more, though not for ever.
        """
        found = self._books(job, ticket)
        if not found.wants and not self._store.books_of([job.id])[job.id]:
            after = State.AMBIGUOUS if found.unclear else State.MISSING
            soon = _again(job, incomplete=bool(found.silent))
            return Move(job.id, job.state, after, found.reason, not_before=soon, silent=found.silent)
        reason = found.reason
        if found.silent:
            if job.looks < len(_COLLECTION_PAUSES):
                soon = time.time() + _COLLECTION_PAUSES[job.looks]
                return Move(job.id, job.state, State.WANTED, reason, looks=job.looks + 1, not_before=soon)
            reason += "; try the collection again once it does"
        # known by what a line would say of it, so that a list that names the book finds the same job
        wishes = [Wish(want, identity(replace(want, pick=None))) for want in found.wants]
        self._store.expand(job.id, wishes, reason)
        return None

    def _books(self, job: Job, ticket: Ticket) -> Books:
        with self._room.taken(job.id):
            return self._collector.books(job.want, ticket)

    def _owned(self, job: Job, ticket: Ticket, chosen: Candidate | None = None) -> str:
        return self._library.owns(job.want, ticket, chosen) if self._library else ""

    def _double(self, job: Job, resolution: Resolution) -> str | None:
        """Tell which job brought the book that was chosen, unless a second copy is what is wanted."""
        if job.want.force:
            return None
        best = resolution.chosen[0]
        other = self._store.delivered(best.source, best.key, best.format)
        return None if other in {None, job.id} else f"the same book as job {other} brought"


class _Room:
    """Lets so many collections in at once; the more of them wait outside, the more rarely each one asks."""

    def __init__(self, size: int) -> None:
        self._free = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._outside: dict[int, float] = {}
        """Who was turned away, and until which moment of the monotonic clock, the last one last."""

    @contextmanager
    def taken(self, job: int) -> Iterator[None]:
        """Hold a place for the block; raises HeldError where there is none."""
        if not self._free.acquire(blocking=False):
            raise HeldError("other collections are being looked through", seconds=self._turn_away(job))
        try:
            with self._lock:
                self._outside.pop(job, None)
            yield
        finally:
            self._free.release()

    def _turn_away(self, job: int) -> float:
        """Note that a collection waits outside, and tell for how many seconds."""
        with self._lock:
            now = time.monotonic()
            self._outside.pop(job, None)
            while self._outside and (first := next(iter(self._outside.items())))[1] < now - _LONGEST_SECONDS:
                del self._outside[first[0]]  # it did not come again: it was cancelled
            pause = (len(self._outside) + 1) / _TURNED_AWAY_A_SECOND
            pause = min(max(_ANOTHER_SECONDS, pause), _LONGEST_SECONDS)
            self._outside[job] = now + pause
            return pause


def _again(job: Job, *, incomplete: bool) -> float | None:
    """Tell when to look again, in seconds since the epoch; None: as for everything that is not there.

    Once it is soon where a source did not answer; after that the source's own answer wakes the job.
    """
    return time.time() + _SOON_SECONDS if incomplete and not job.looks else None


def _picked(job: Job) -> Resolution | None:
    """Take what was picked of a job's own candidates: of some keys nobody else knows what they stand for."""
    pick = job.want.pick
    if pick is None or not job.candidates:
        return None
    chosen = tuple(each for each in job.candidates if (each.source, each.key) == (pick.source, pick.key))
    return Resolution(Decision.ACCEPT, chosen, chosen, "picked by hand") if chosen else None
