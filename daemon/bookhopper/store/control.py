"""What people ask of single jobs: cancel, pause, resume, retry, pick, and their place in the queue.

Each function works inside a transaction of the writer and raises, before it has written anything,
UnknownJobError where there is no such job and UnfitError where the job is in no state for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bookhopper.model import RUNNING_OF, UNSETTLED, WAITING_OF, Candidate, Change, Job, Pick, State
from bookhopper.store import rows
from bookhopper.store.base import PRIORITY_BOUND, UnfitError, UnknownJobError
from bookhopper.store.listing import HEAP
from bookhopper.store.writer import Transaction

CANCEL = "cancel"
PAUSE = "pause"
"""What `asked` may hold."""

"""The largest number, either way, that is taken for a priority."""

_TOLD_AT_ONCE = 1_000
_STRIDE = 1_024  # so wide that some more jobs fit into a gap before anything is renumbered again

_ASIDE = frozenset((State.MISSING, State.AMBIGUOUS, State.FAILED))
_CANCELLABLE = frozenset(RUNNING_OF) | _ASIDE
_RETRIED = _ASIDE | {State.CANCELLED, State.EXPANDED}
_PICKABLE = _ASIDE | {State.CANCELLED, State.WANTED}
_ORDERED = UNSETTLED - {State.PLACED}
_PRIORITISED = _ORDERED | _ASIDE | {State.EXPANDED}

_ANEW: dict[str, Any] = {
    "state": State.WANTED,
    "attempts": 0,
    "not_before": None,
    "candidates": (),
    "resume": None,
    "error": "",
}
"""What a job has that is looked for as if for the first time."""

_HEAP = f"jobs INDEXED BY jobs_heap WHERE {HEAP}"
_PLACES = (
    f"{_HEAP} AND state = 'wanted' AND ready = 1",
    f"{_HEAP} AND state = 'wanted' AND ready = 0",
    f"{_HEAP} AND state = 'queued' AND ready = 1",
    f"{_HEAP} AND state = 'queued' AND ready = 0",
    "jobs INDEXED BY jobs_state WHERE state = 'searching'",
    "jobs INDEXED BY jobs_state WHERE state = 'downloading'",
)
"""Every job that has a place in the queue or may come back to it; the few that run need no better index."""


def find(transaction: Transaction, number: int) -> Job:
    """Read a job as it stands inside the transaction; raises UnknownJobError."""
    row = None
    if abs(number) < 2**63:  # beyond, SQLite has no integers
        row = transaction.execute(f"SELECT {rows.JOB} FROM jobs WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise UnknownJobError(f"there is no job {number}")
    return rows.job(row)


def cancel(transaction: Transaction, number: int) -> Job:
    """Cancel a job, or ask its worker to."""
    job = find(transaction, number)
    if job.state in WAITING_OF:
        return _write(transaction, job, "to be cancelled", asked=CANCEL)
    if job.state not in _CANCELLABLE:
        raise _unfit(job, "there is nothing to cancel")
    return _cancelled(transaction, job)


def cancel_expanded(transaction: Transaction, number: int) -> Job:
    """Show that a collection was cancelled, after its books."""
    return _cancelled(transaction, find(transaction, number))


def _cancelled(transaction: Transaction, job: Job) -> Job:
    return _write(
        transaction,
        job,
        "cancelled",
        state=State.CANCELLED,
        paused=False,
        not_before=None,
        resume=None,
        error="cancelled",
    )


def pause(transaction: Transaction, number: int) -> Job:
    """Pause a job that waits, or ask its worker to put it back paused."""
    job = find(transaction, number)
    if job.state in RUNNING_OF:
        return _write(transaction, job, "paused", paused=True)
    if job.state not in WAITING_OF:
        raise _unfit(job, "there is nothing to pause")
    if job.asked == CANCEL:
        raise UnfitError(f"job {number} is being cancelled: it cannot be paused")
    return _write(transaction, job, "to be paused", asked=PAUSE)


def resume(transaction: Transaction, number: int) -> Job:
    """Let a paused job go on, or take a pause back that was asked of its worker."""
    job = find(transaction, number)
    if job.state not in _ORDERED:
        raise _unfit(job, "there is nothing to resume")
    asked = "" if job.asked == PAUSE else job.asked
    return _write(transaction, job, "resumed", paused=False, asked=asked)


def retry(transaction: Transaction, number: int) -> Job:
    """Look anew for what has no book; let what waits for a moment go on now."""
    job = find(transaction, number)
    if job.state in RUNNING_OF:
        return _write(transaction, job, "tried again now", not_before=None)
    if job.state not in _RETRIED:
        raise _unfit(job, "there is nothing to try again")
    anew = _ANEW | {"candidates": _picked(job, job.want.pick)}
    return _write(transaction, job, "tried again", **anew, looks=0, paused=False)


def pick(transaction: Transaction, number: int, picked: Pick, *, priority: int | None = None) -> Job:
    """Send a job back to WANTED with the book that was picked for it, at least as urgent as `priority`."""
    job = find(transaction, number)
    if job.state not in _PICKABLE:
        raise _unfit(job, "there is nothing to pick for it")
    if job.want.collection is not None:
        raise UnfitError(f"job {number} asks for a collection: there is no one book to pick for it")
    want = replace(job.want, pick=Pick(picked.source, picked.key))
    urgency = job.priority if priority is None else min(job.priority, priority)
    anew = _ANEW | {"candidates": _picked(job, want.pick)}
    return _write(transaction, job, "a book was picked", **anew, want=want, priority=urgency)


def _picked(job: Job, picked: Pick | None) -> tuple[Candidate, ...]:
    """Give those of a job's candidates that were picked: they say where the book is, as a key may not."""
    if picked is None:
        return ()
    book = picked.source, picked.key
    return tuple(each for each in job.candidates if (each.source, each.key) == book and not each.fault)


def prioritise(transaction: Transaction, priorities: Mapping[int, int]) -> int:
    """Give jobs their priorities and count them; those that are not there, or settled, are passed over.

    A job with a new priority stands where its arrival puts it among its new peers.
    """
    for priority in priorities.values():
        if abs(priority) > PRIORITY_BOUND:
            raise UnfitError(
                f"priority {priority} is out of bounds: it goes from -{PRIORITY_BOUND} to {PRIORITY_BOUND}"
            )
    found = 0
    told = len(transaction.changes) + _TOLD_AT_ONCE
    for number, priority in priorities.items():
        try:
            job = find(transaction, number)
        except UnknownJobError:
            continue
        if job.state not in _PRIORITISED:
            continue
        found += 1
        if job.priority != priority:
            _write(transaction, job, f"priority {priority}", priority=priority, position=0)
            del transaction.changes[told:]
    return found


def move_before(transaction: Transaction, number: int, other: int | None) -> Job:
    """Put a waiting job right before another one, with its priority; None: behind all of its own."""
    job = find(transaction, number)
    if job.state not in RUNNING_OF:
        raise _unfit(job, "only what waits can be moved")
    if other is None:
        last = _last(transaction, job, job.priority, [("TRUE", ())])
        if last is None or last < (job.position, number):
            return job
        return _write(transaction, job, "moved to the end", position=last[0] + _STRIDE)
    goal = find(transaction, other)
    if goal.state not in RUNNING_OF:
        raise _unfit(goal, "only before what waits can a job be moved")
    if goal.id == number:
        return job
    position = _position_before(transaction, job, goal)
    return _write(transaction, job, f"moved before job {other}", priority=goal.priority, position=position)


def _position_before(transaction: Transaction, job: Job, goal: Job) -> int:
    """Find the position that puts a job right before another; where there is no gap, one is made.

    Only what stands before the goal gives way, so that the cost grows with how far down the goal lies.
    """
    last = _last(transaction, job, goal.priority, _before(goal))
    here = (job.position, job.id)
    if job.priority == goal.priority and (last is None or last < here) and here < (goal.position, goal.id):
        return job.position
    if last is None:
        return goal.position - _STRIDE
    gap = goal.position - last[0]
    if gap < 2:
        _make_way(transaction, job, goal)
        gap += _STRIDE
    return goal.position - gap // 2


def _before(goal: Job) -> list[tuple[str, tuple[int, ...]]]:
    """Give the conditions of what stands before a job, each one range of an index."""
    return [("position < ?", (goal.position,)), ("position = ? AND id < ?", (goal.position, goal.id))]


def end_of(transaction: Transaction, priority: int) -> int:
    """Give the position for what joins the jobs of a priority at their end."""
    found = [
        transaction.execute(
            f"SELECT position FROM {place} AND priority = ? ORDER BY position DESC LIMIT 1", (priority,)
        ).fetchone()
        for place in _PLACES
    ]
    return max((row[0] for row in found if row is not None), default=0)


def _last(
    transaction: Transaction, moved: Job, priority: int, ranges: list[tuple[str, tuple[int, ...]]]
) -> tuple[int, int] | None:
    """Find the last (position, id) in some ranges of a priority, that of the moved job aside."""
    found = [
        transaction.execute(
            f"SELECT position, id FROM {place} AND priority = ? AND {range_} AND id != ? "
            "ORDER BY position DESC, id DESC LIMIT 1",
            (priority, *bounds, moved.id),
        ).fetchone()
        for place in _PLACES
        for range_, bounds in ranges
    ]
    return max((row for row in found if row is not None), default=None)


def _make_way(transaction: Transaction, moved: Job, goal: Job) -> None:
    """Shift all that stands before a job further up, in the order that it has."""
    told: list[tuple[int]] = []
    for place in _PLACES:
        for range_, bounds in _before(goal):
            ids = f"SELECT id FROM {place} AND priority = ? AND {range_} AND id != ?"
            parameters = (goal.priority, *bounds, moved.id)
            told += transaction.execute(f"{ids} LIMIT {_TOLD_AT_ONCE}", parameters)
            transaction.execute(
                f"UPDATE jobs SET position = position - {_STRIDE} WHERE id IN ({ids})", parameters
            )
    for (number,) in told[:_TOLD_AT_ONCE]:
        job = find(transaction, number)
        transaction.tell(Change(job, job.state, job.state, 0.0))


def _write(transaction: Transaction, before: Job, reason: str, **fields: Any) -> Job:
    """Write what is new in these fields, and tell of it; nothing is told where nothing is new."""
    after = replace(before, **fields)
    if after == before:
        return before
    if after.state is not before.state:
        fields["changed"] = transaction.now
        after = replace(after, changed=transaction.now)
    assignments = ", ".join(f"{name} = ?" for name in fields)
    values = [rows.written(name, value) for name, value in fields.items()]
    transaction.execute(f"UPDATE jobs SET {assignments} WHERE id = ?", (*values, before.id))
    seconds = max(0.0, after.changed - before.changed)
    transaction.tell(Change(after, before.state, after.state, seconds, reason))
    return after


def _unfit(job: Job, why: str) -> UnfitError:
    return UnfitError(f"job {job.id} is {job.state}: {why}")
