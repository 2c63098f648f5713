"""What a worker's steps write: a job from one state to the next, and the ledger's lines on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from bookhopper.model import RUNNING_OF, WAITING_OF, Change, Delivery, Job, State
from bookhopper.store import rows
from bookhopper.store.base import DuplicateError, Move, NameTakenError, StaleError
from bookhopper.store.codec import candidates_to_json, resume_from_json, resume_to_json
from bookhopper.store.control import CANCEL, PAUSE
from bookhopper.store.writer import Transaction

_FURTHEST_SECONDS = 40 * 86400.0
_WOKEN_AT_ONCE = 500
_LEDGER = (*rows.DELIVERY.split(", "), "forced")
_ENTER = f"INSERT INTO ledger ({', '.join(_LEDGER)}) VALUES ({', '.join('?' * len(_LEDGER))})"


class _Standing(NamedTuple):
    """Since when a job has been in its state, what was asked of it there, and how long it has downloaded.

    `doubt` is why an earlier delivery of it was abandoned.
    """

    since: float
    asked: str
    spent: float
    doubt: str


def move(transaction: Transaction, step: Move) -> Job:
    """Record a step of one job, or what was asked of the job instead; raises StaleError."""
    return _move(transaction, step, _standing(transaction, step.job, step.before))


def _move(transaction: Transaction, step: Move, standing: _Standing) -> Job:
    stays = step.after is step.before
    if standing.asked == CANCEL and not stays:
        step = replace(step, after=State.CANCELLED, reason="cancelled", not_before=None, resume=None)
    columns: dict[str, Any] = {
        "state": step.after,
        "not_before": step.not_before,
        "resume": resume_to_json(step.resume),
        "error": step.reason,
        "silent": "".join(f" {source} " for source in step.silent),
    }
    if not stays and standing.asked:
        columns["asked"] = ""
        if standing.asked == PAUSE and step.after in RUNNING_OF:
            columns["paused"] = True
    put_back = WAITING_OF.get(step.before) is step.after
    if not stays and not put_back:
        columns["changed"] = transaction.now
    if put_back and step.before is State.DOWNLOADING:
        columns["spent"] = standing.spent + max(0.0, transaction.now - standing.since)
    elif step.before is State.SEARCHING and standing.spent:
        columns["spent"] = 0.0  # it begins anew
    for name in ("attempts", "looks"):
        if (value := getattr(step, name)) is not None:
            columns[name] = value
    if step.candidates is not None:
        columns["candidates"] = candidates_to_json(step.candidates)
    assignments = ", ".join(f"{name} = ?" for name in columns)
    if put_back:  # it has been waiting all the time
        assignments += ", changed = created"
    (row,) = transaction.execute(
        f"UPDATE jobs SET {assignments} WHERE id = ? RETURNING {rows.JOB}", (*columns.values(), step.job)
    ).fetchall()
    job = rows.job(row)
    seconds = max(0.0, job.changed - standing.since)
    transaction.tell(Change(job, step.before, step.after, seconds, step.reason))
    return job


def _standing(transaction: Transaction, job: int, state: State) -> _Standing:
    """Look at a job that should be in a state; raises StaleError when it is not."""
    row = transaction.execute(
        "SELECT state, changed, asked, spent, doubt FROM jobs WHERE id = ?", (job,)
    ).fetchone()
    if row is None:
        raise StaleError(f"job {job} is gone")
    if row[0] != state:
        raise StaleError(f"job {job} is {row[0]}, no longer {state}")
    return _Standing(*row[1:])


def wake_due(transaction: Transaction, now: float) -> int:
    """Look again for some of what was not found, where its time has come.

    What is further away than anything is ever put off was written while the clock was wrong.
    """
    due = transaction.execute(
        "SELECT id, state FROM jobs WHERE state IN ('missing', 'ambiguous', 'failed') "
        "AND (not_before <= ? OR not_before > ?) LIMIT ?",
        (now, now + _FURTHEST_SECONDS, _WOKEN_AT_ONCE),
    ).fetchall()
    for job, state in due:
        move(transaction, Move(job, State(state), State.WANTED, candidates=()))
    return len(due)


def wake_silent(transaction: Transaction, source: str, before: float, most: int) -> int:
    """Look again for some of what was put aside before a moment, when a source was silent."""
    waiting = transaction.execute(
        "SELECT id, state FROM jobs INDEXED BY jobs_silent WHERE silent <> '' AND instr(silent, ?) "
        "AND changed <= ? AND state IN ('missing', 'ambiguous') ORDER BY changed LIMIT ?",
        (f" {source} ", before, most),
    ).fetchall()
    for job, state in waiting:
        move(transaction, Move(job, State(state), State.WANTED, candidates=()))
    return len(waiting)


def recover(transaction: Transaction) -> int:
    """Send every claimed job back, or to where it was asked to go."""
    claimed = transaction.execute(
        "SELECT id, state, resume FROM jobs WHERE state IN (?, ?)", (*WAITING_OF,)
    ).fetchall()
    for job, state, resume in claimed:
        running = State(state)
        move(transaction, Move(job, running, WAITING_OF[running], resume=resume_from_json(resume)))
    return len(claimed)


# the ledger


def place(transaction: Transaction, delivery: Delivery, *, force: bool) -> Job:
    """Enter a placed book; raises NameTakenError, DuplicateError (not with `force`) or StaleError."""
    standing = _standing(transaction, delivery.job, State.DOWNLOADING)
    if standing.asked == CANCEL:
        raise StaleError(f"job {delivery.job} is being cancelled")
    if not force:
        _refuse_double(transaction, delivery)
    _refuse_name(transaction, delivery.name)
    seconds = standing.spent + max(0.0, transaction.now - standing.since)
    line = replace(delivery, seconds=seconds)
    transaction.execute(_ENTER, (*(getattr(line, name) for name in _LEDGER[:-1]), force))
    return _move(transaction, Move(delivery.job, State.DOWNLOADING, State.PLACED, standing.doubt), standing)


def _refuse_double(transaction: Transaction, delivery: Delivery) -> None:
    """Raise DuplicateError where the ledger has the book, its bytes, or the bytes that it was made of."""
    both = (delivery.sha256, delivery.fetched or delivery.sha256)
    row = transaction.execute(
        "SELECT job, name FROM ledger WHERE (source = ? AND key = ? AND format = ?) "
        "OR sha256 IN (?, ?) OR (fetched <> '' AND fetched IN (?, ?)) LIMIT 1",
        (delivery.source, delivery.key, delivery.format, *both, *both),
    ).fetchone()
    if row:
        raise DuplicateError(f"the same book as job {row[0]} brought ({row[1]})", job=row[0])


def _refuse_name(transaction: Transaction, name: str) -> None:
    """Raise NameTakenError where a line of the ledger has a name."""
    if transaction.execute("SELECT 1 FROM ledger WHERE name = ?", (name,)).fetchone():
        raise NameTakenError(f"the ledger has another book named {name}")


def rename(transaction: Transaction, job: int, name: str) -> None:
    """Give a PLACED book another final name; raises NameTakenError."""
    _refuse_name(transaction, name)
    transaction.execute("UPDATE ledger SET name = ? WHERE job = ? AND done_at IS NULL", (name, job))


def complete(transaction: Transaction, job: int) -> Job:
    """Close a ledger line, and add it to the totals; what was said of the PLACED job stays said."""
    standing = _standing(transaction, job, State.PLACED)
    (said,) = transaction.execute("SELECT error FROM jobs WHERE id = ?", (job,)).fetchone()
    done = _move(transaction, Move(job, State.PLACED, State.DONE, said), standing)
    transaction.execute("UPDATE ledger SET done_at = ? WHERE job = ?", (transaction.now, job))
    transaction.execute(
        "UPDATE totals SET books = books + 1, bytes = bytes + line.size, "
        "seconds = totals.seconds + coalesce(line.seconds, 0), "
        "timed_bytes = timed_bytes + iif(line.seconds IS NULL, 0, line.size) "
        "FROM (SELECT size, seconds FROM ledger WHERE job = ?) AS line",
        (job,),
    )
    return done


def abandon(transaction: Transaction, job: int, reason: str) -> Job:
    """Strike a PLACED line whose file is gone, and queue its job anew; the reason is said again later."""
    queued = move(transaction, Move(job, State.PLACED, State.QUEUED, reason))
    transaction.execute("UPDATE jobs SET doubt = ? WHERE id = ?", (reason, job))
    transaction.execute("DELETE FROM ledger WHERE job = ? AND done_at IS NULL", (job,))
    return queued
