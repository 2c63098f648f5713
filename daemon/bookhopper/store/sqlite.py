"""The Store in one SQLite file: a writer with group commit, readers beside it.

The file is in WAL mode with `synchronous=FULL`, so what a call has returned from survives a power cut.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bookhopper.model import RUNNING_OF, WAITING_OF, Change, Delivery, Job, Request, State
from bookhopper.store import intake, rows
from bookhopper.store.base import (
    DuplicateError,
    Entry,
    Intake,
    JobFilter,
    Line,
    Move,
    NameTakenError,
    NewRequest,
    Publish,
    StaleError,
)
from bookhopper.store.codec import candidates_to_json, resume_from_json, resume_to_json
from bookhopper.store.connection import connect, open_migrated
from bookhopper.store.reader import Reader
from bookhopper.store.writer import Transaction, Writer

_MOST_URGENT = (
    # the first condition is the heap index's own, without which SQLite would not use it
    f"SELECT {rows.JOB} FROM jobs INDEXED BY jobs_heap WHERE state IN ('wanted', 'queued') AND state = ? "
    "AND paused = 0 AND not_before IS NULL ORDER BY priority, position, id LIMIT 1"
)
_WOKEN_AT_ONCE = 500
_TAKE = "UPDATE jobs SET state = ?, changed = ? WHERE id = ?"


class SqliteStore:
    """Requests, jobs and ledger in one database file, for one daemon."""

    def __init__(self, path: Path, publish: Publish) -> None:
        """Open or make the database; raises StoreError when it cannot be used."""
        connection = open_migrated(path)
        self._events = {state: threading.Event() for state in RUNNING_OF}
        self._due = dict.fromkeys(RUNNING_OF, 0.0)  # when the next pause ends, as far as is known
        self._undone = 0
        self._reader = Reader(partial(connect, path))
        self._connection = connection
        self.writer = Writer(connection, publish)

    def close(self) -> None:
        """Finish what was handed in, then close every connection."""
        self.writer.close()
        self._reader.close()
        self._connection.close()

    # intake

    def add_request(self, request: NewRequest, entries: Iterable[Entry]) -> Intake:
        """Store a request and its new jobs in one transaction."""

        def operation(transaction: Transaction) -> Intake:
            stored = intake.add_request(transaction, request, entries)
            self._events[State.WANTED].set()
            return stored

        return self.writer.call("add_request", operation, guarded=True)

    # the heap

    def claim(self, state: State) -> Job | None:
        """Take the most urgent job that waits in `state`."""
        running = RUNNING_OF[state]

        def operation(transaction: Transaction) -> Job | None:
            self._end_pauses(transaction, state)
            row = transaction.execute(_MOST_URGENT, (state,)).fetchone()
            if row is None:
                self._events[state].clear()
                return None
            transaction.execute(_TAKE, (running, transaction.now, row[0]))
            return self._told(transaction, row, state, row[-1], state=running, changed=transaction.now)

        return self.writer.call("claim", operation)

    def _end_pauses(self, transaction: Transaction, state: State) -> None:
        """Put the jobs whose pause is over back into the heap."""
        if self._undone != self.writer.undone:  # what was noted of the pauses may have been undone, too
            self._undone = self.writer.undone
            self._due = dict.fromkeys(self._due, 0.0)
        if self._due[state] <= transaction.now:
            transaction.execute(
                "UPDATE jobs SET not_before = NULL WHERE state = ? AND not_before <= ?",
                (state, transaction.now),
            )
            (due,) = transaction.execute(
                "SELECT min(not_before) FROM jobs WHERE state = ? AND not_before IS NOT NULL", (state,)
            ).fetchone()
            self._due[state] = math.inf if due is None else due

    def wait(self, state: State, seconds: float) -> bool:
        """Wait until a job may be waiting in `state`; a pause that ends counts as well."""
        pause = self._due[state] - time.time()
        return self._events[state].wait(max(0.0, min(seconds, pause))) or pause < seconds

    def wake(self) -> None:
        """Let every `wait` return now."""
        for event in self._events.values():
            event.set()

    def move(self, move: Move) -> Job:
        """Record a step of one job."""
        return self.writer.call("move", lambda transaction: self._move(transaction, move))

    def _move(self, transaction: Transaction, move: Move) -> Job:
        since = self._since(transaction, move.job, move.before)
        columns: dict[str, Any] = {
            "state": move.after,
            "not_before": move.not_before,
            "resume": resume_to_json(move.resume),
            "error": move.reason,
        }
        if move.after not in {move.before, WAITING_OF.get(move.before)}:
            columns["changed"] = transaction.now
        for name in ("attempts", "looks", "paused"):
            if (value := getattr(move, name)) is not None:
                columns[name] = value
        if move.candidates is not None:
            columns["candidates"] = candidates_to_json(move.candidates)
        if move.not_before is not None and move.after in self._due:
            self._due[move.after] = min(self._due[move.after], move.not_before)
        assignments = ", ".join(f"{name} = ?" for name in columns)
        if WAITING_OF.get(move.before) is move.after:  # put back: it has been waiting all the time
            assignments += ", changed = created"
        (row,) = transaction.execute(
            f"UPDATE jobs SET {assignments} WHERE id = ? RETURNING {rows.JOB}", (*columns.values(), move.job)
        ).fetchall()
        return self._told(transaction, row, move.before, since, reason=move.reason)

    def _since(self, transaction: Transaction, job: int, state: State) -> float:
        """Tell since when a job has been in a state; raises StaleError when it is not in it."""
        row = transaction.execute("SELECT state, changed FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise StaleError(f"job {job} is gone")
        if row[0] != state:
            raise StaleError(f"job {job} is {row[0]}, no longer {state}")
        return float(row[1])

    def _told(
        self,
        transaction: Transaction,
        row: tuple[Any, ...],
        before: State,
        since: float,
        *,
        reason: str = "",
        **changed: Any,
    ) -> Job:
        """Tell of a change that was written, count it, and wake who waits for a job in the new state."""
        after = rows.job(row, **changed)
        seconds = max(0.0, after.changed - since)
        transaction.changes.append(Change(after, before, after.state, seconds, reason))
        transaction.tally[before] -= 1
        transaction.tally[after.state] += 1
        if after.state in self._events:
            self._events[after.state].set()
        return after

    def release(self, state: State) -> int:
        """Let jobs that wait in `state` for a moment be claimed now."""

        def operation(transaction: Transaction) -> int:
            self._events[state].set()
            held = "UPDATE jobs SET not_before = NULL WHERE state = ? AND not_before IS NOT NULL"
            return transaction.execute(held, (state,)).rowcount

        return self.writer.call("release", operation)

    def wake_due(self, now: float) -> int:
        """Look again for what was not found, where its time has come."""

        def operation(transaction: Transaction) -> int:
            due = transaction.execute(
                "SELECT id, state FROM jobs WHERE state IN ('missing', 'ambiguous', 'failed') "
                "AND not_before <= ? LIMIT ?",
                (now, _WOKEN_AT_ONCE),
            ).fetchall()
            for job, state in due:
                self._move(transaction, Move(job, State(state), State.WANTED, candidates=()))
            return len(due)

        return self.writer.call("wake_due", operation)

    def recover(self) -> int:
        """Send every claimed job back: one daemon owns the file, and its workers died with it."""

        def operation(transaction: Transaction) -> int:
            claimed = transaction.execute(
                "SELECT id, state, resume FROM jobs WHERE state IN (?, ?)", (*WAITING_OF,)
            )
            found = claimed.fetchall()
            for job, state, resume in found:
                running = State(state)
                point = resume_from_json(resume)
                self._move(transaction, Move(job, running, WAITING_OF[running], resume=point))
            return len(found)

        return self.writer.call("recover", operation)

    def renew(self) -> None:
        """Nothing to say: the state folder's lock speaks for this process."""

    @property
    def alive(self) -> bool:
        """Whether changes are taken."""
        return self.writer.alive

    def failures(self) -> Mapping[str, int]:
        """Count the changes that could not be made, by operation."""
        return self.writer.failures.copy()

    def observe(self, told: Callable[[str, float], None]) -> None:
        """Tell of each change how long it took."""
        self.writer.observe = told

    # the ledger

    def place(self, delivery: Delivery, *, force: bool = False) -> Job:
        """Enter a placed book into the ledger: DOWNLOADING to PLACED."""

        def operation(transaction: Transaction) -> Job:
            self._since(transaction, delivery.job, State.DOWNLOADING)
            if not force:
                self._refuse_double(transaction, delivery)
            self._refuse_name(transaction, delivery.name)
            columns = [*rows.DELIVERY.split(", "), "forced"]
            values = [getattr(delivery, name) for name in columns[:-1]]
            transaction.execute(
                f"INSERT INTO ledger ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                (*values, force),
            )
            return self._move(transaction, Move(delivery.job, State.DOWNLOADING, State.PLACED))

        return self.writer.call("place", operation, guarded=True)

    def _refuse_double(self, transaction: Transaction, delivery: Delivery) -> None:
        row = transaction.execute(
            "SELECT job, name FROM ledger "
            "WHERE (source = ? AND key = ? AND format = ?) OR sha256 = ? LIMIT 1",
            (delivery.source, delivery.key, delivery.format, delivery.sha256),
        ).fetchone()
        if row:
            raise DuplicateError(f"the same book as job {row[0]} brought ({row[1]})", job=row[0])

    def _refuse_name(self, transaction: Transaction, name: str) -> None:
        if transaction.execute("SELECT 1 FROM ledger WHERE name = ?", (name,)).fetchone():
            raise NameTakenError(f"the ledger has another book named {name}")

    def rename(self, job: int, name: str) -> None:
        """Give a PLACED book another final name."""

        def operation(transaction: Transaction) -> None:
            self._refuse_name(transaction, name)
            transaction.execute("UPDATE ledger SET name = ? WHERE job = ? AND done_at IS NULL", (name, job))

        self.writer.call("rename", operation)

    def complete(self, job: int) -> Job:
        """Close a ledger line after the rename: PLACED to DONE."""

        def operation(transaction: Transaction) -> Job:
            done = self._move(transaction, Move(job, State.PLACED, State.DONE))
            transaction.execute("UPDATE ledger SET done_at = ? WHERE job = ?", (transaction.now, job))
            return done

        return self.writer.call("complete", operation)

    def abandon(self, job: int, reason: str) -> Job:
        """Strike a PLACED line whose file is lost, and queue its job anew."""

        def operation(transaction: Transaction) -> Job:
            queued = self._move(transaction, Move(job, State.PLACED, State.QUEUED, reason))
            transaction.execute("DELETE FROM ledger WHERE job = ? AND done_at IS NULL", (job,))
            return queued

        return self.writer.call("abandon", operation)

    def delivered(self, source: str, key: str, format_: str) -> int | None:
        """Tell which job brought this book."""
        return self._reader.delivered(source, key, format_)

    def placed(self) -> Sequence[Delivery]:
        """List the ledger lines that are not DONE."""
        return self._reader.placed()

    def delivery(self, job: int) -> Delivery | None:
        """Find a job's ledger line."""
        return self._reader.delivery(job)

    def names(self, request: int) -> Mapping[int, str]:
        """List the file names of a request's delivered books by job."""
        return self._reader.names(request)

    # reading

    def job(self, job: int) -> Job | None:
        """Find a job."""
        return self._reader.job(job)

    def jobs(self, where: JobFilter, *, limit: int, offset: int = 0) -> Sequence[Job]:
        """List jobs."""
        return self._reader.jobs(where, limit, offset)

    def counts(self) -> Mapping[State, int]:
        """Count jobs by state."""
        return self._reader.counts()

    def oldest(self) -> float | None:
        """Tell since when the longest waiting job waits."""
        return self._reader.oldest()

    def request(self, request: int) -> Request | None:
        """Find a request."""
        return self._reader.request(request)

    def requests_of(self, job: int) -> Sequence[int]:
        """Find the requests that have a line with this job."""
        return self._reader.requests_of(job)

    def lines(self, request: int) -> Iterator[tuple[Line, Job | None]]:
        """List a request's entries with their jobs."""
        return self._reader.lines(request)

    def unsettled_requests(self) -> Sequence[int]:
        """List the requests that have a line without a book or a reason yet."""
        return self._reader.unsettled_requests()

    def setting(self, key: str) -> str | None:
        """Read a setting."""
        return self._reader.setting(key)

    def set_setting(self, key: str, value: str) -> None:
        """Keep a small text under a key."""
        self.writer.call(
            "set_setting",
            lambda transaction: transaction.execute(
                "INSERT OR REPLACE INTO settings VALUES (?, ?)", (key, value)
            ),
        )
