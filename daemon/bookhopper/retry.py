"""When a job is tried again: the only place that knows pauses, and how long a want in vain is left alone."""

from __future__ import annotations

import random
import time
from dataclasses import replace

from bookhopper.model import Job, State
from bookhopper.store.base import Move
from bookhopper.ticket import Ticket

_DAY = 86400.0
_LONGEST_LOOK_DAYS = 30
_LONGEST_PAUSE = 3600.0
_LOOKED_FOR_AGAIN = frozenset((State.MISSING, State.AMBIGUOUS))


def pause_after(attempt: int) -> float:
    """Give the seconds before the next attempt after number `attempt`: 1, 2, 4 … and up to a quarter more."""
    return min(2.0 ** (attempt - 1), _LONGEST_PAUSE) * random.uniform(1.0, 1.25)  # noqa: S311 # nosec B311 # jitter


def look_again_after(looks: int) -> float:
    """Give the seconds until what `looks` looks have not found is looked for again: 1 d, 2 d, 4 d … 30 d."""
    return _DAY * min(2.0 ** min(looks - 1, 10), _LONGEST_LOOK_DAYS)


def failed(job: Job, ticket: Ticket, error: Exception, *, waiting: State, most: int) -> Move:
    """Count an attempt of at most `most`: a pause and another one, or the end until the next look."""
    attempts = job.attempts + 1
    reason = str(error) or type(error).__name__
    if attempts < most:
        until = time.time() + pause_after(attempts)
        return Move(
            job.id,
            job.state,
            waiting,
            reason,
            attempts=attempts,
            not_before=until,
            resume=ticket.resume_point,
        )
    tried = f"{reason} (tried {attempts} times)" if attempts > 1 else reason
    return _looked_for_again(job, Move(job.id, job.state, State.FAILED, tried, attempts=0))


def settled(job: Job, move: Move) -> Move:
    """Have a want that was found nowhere, or too often, looked for again, unless the step said when."""
    if move.after in _LOOKED_FOR_AGAIN and move.not_before is None:
        return _looked_for_again(job, move)
    return move


def _looked_for_again(job: Job, move: Move) -> Move:
    looks = job.looks + 1
    return replace(move, looks=looks, not_before=time.time() + look_again_after(looks))
