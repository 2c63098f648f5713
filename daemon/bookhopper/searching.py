"""The searchers' step: a WANTED job becomes QUEUED, AMBIGUOUS, MISSING or DUPLICATE."""

from __future__ import annotations

import time

from bookhopper.model import Job, State
from bookhopper.search.resolve import Decision, Resolution, Resolver
from bookhopper.store.base import Move, Store
from bookhopper.ticket import Ticket

_SOON_SECONDS = 3600.0
"""When a want is looked for again that a silent source may have."""

_GOES_TO = {Decision.AMBIGUOUS: State.AMBIGUOUS, Decision.MISSING: State.MISSING}


class Search:
    """Resolves a job's want; called by every searcher at once."""

    def __init__(self, store: Store, resolver: Resolver) -> None:
        self._store = store
        self._resolver = resolver

    def __call__(self, job: Job, ticket: Ticket) -> Move:
        """Decide where the job goes; raises HeldError while a source that may have it cannot be asked."""
        ticket.stage = "search"
        resolution = self._resolver.resolve(job.want, ticket)
        if resolution.decision is not Decision.ACCEPT:
            after = _GOES_TO[resolution.decision]
            soon = None if resolution.complete else time.time() + _SOON_SECONDS
            return Move(
                job.id, job.state, after, resolution.reason, candidates=resolution.near, not_before=soon
            )
        if (double := self._double(job, resolution)) is not None:
            return Move(job.id, job.state, State.DUPLICATE, double, candidates=resolution.chosen)
        return Move(job.id, job.state, State.QUEUED, candidates=resolution.chosen, attempts=0)

    def _double(self, job: Job, resolution: Resolution) -> str | None:
        """Tell which job brought the book that was chosen, unless a second copy is what is wanted."""
        if job.want.force:
            return None
        best = resolution.chosen[0]
        other = self._store.delivered(best.source, best.key, best.format)
        return None if other in {None, job.id} else f"the same book as job {other} brought"
