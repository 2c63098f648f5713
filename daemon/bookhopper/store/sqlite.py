"""The Store in one SQLite file: a writer with group commit, readers beside it.

The file is in WAL mode with `synchronous=FULL`, so what a call has returned from survives a power cut.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from bookhopper.errors import StoreError
from bookhopper.model import RUNNING_OF, Change, Delivery, Job, Pick, State
from bookhopper.store import collections, control, intake, rest, rows, steps
from bookhopper.store.base import Entry, Intake, Move, NewRequest, Publish, Store, UnfitError, Wish
from bookhopper.store.connection import open_migrated
from bookhopper.store.listing import BY_ARRIVAL, BY_PRIORITY, HEAP
from bookhopper.store.reader import Reader
from bookhopper.store.writer import Transaction, Writer

_LONGEST_PAUSE = 2 * 86400.0
"""Beyond what any job waits for between attempts: such a moment was written while the clock was wrong."""

_TAKE = "UPDATE jobs SET state = ?, changed = ? WHERE id = ?"


class SqliteStore(Reader, Store):
    """Requests, jobs and ledger in one database file, for one daemon."""

    def __init__(self, path: Path, publish: Publish, *, by_priority: bool = True) -> None:
        """Open or make the database; raises StoreError when it cannot be used.

        Not `by_priority`, the queue is first in, first out, and nothing can be put before anything else.
        """
        super().__init__(path, BY_PRIORITY if by_priority else BY_ARRIVAL)
        self._connection = open_migrated(path)
        _index_arrival(self._connection, wanted=not by_priority)
        self._publish = publish
        self._events = {state: threading.Event() for state in RUNNING_OF}
        self._due = dict.fromkeys(RUNNING_OF, 0.0)  # when the next pause ends, as far as is known
        self._undone = 0
        self.writer = Writer(self._connection, self._committed, self.damaged)

    def close(self) -> None:
        """Finish what was handed in, then close every connection."""
        self.writer.close()
        self._read.close()
        self._connection.close()

    def _committed(self, change: Change) -> None:
        """Wake who waits for a job in the new state, then tell the others."""
        if (event := self._events.get(change.after)) is not None:
            moment = change.job.not_before
            if moment is not None:
                self._due[change.after] = min(self._due[change.after], moment)
            event.set()
        self._publish(change)

    # intake

    def add_request(self, request: NewRequest, entries: Iterable[Entry]) -> Intake:
        """Store a request and its new jobs in one transaction."""

        def operation(transaction: Transaction) -> Intake:
            stored = intake.add_request(transaction, request, entries)
            self._keep_name(stored.request)  # the number may have been that of one that was removed
            self._events[State.WANTED].set()
            return stored

        return self.writer.call("add_request", operation, guarded=True)

    # the heap

    def claim(self, state: State) -> Job | None:
        """Take the most urgent job that waits in `state`."""
        running = RUNNING_OF[state]
        first = self._order.first

        def operation(transaction: Transaction) -> Job | None:
            self._end_pauses(transaction, state)
            row = transaction.execute(first, (state,)).fetchone()
            if row is None:
                self._events[state].clear()
                return None
            transaction.execute(_TAKE, (running, transaction.now, row[0]))
            job = rows.job(row, state=running, changed=transaction.now)
            transaction.tell(Change(job, state, running, max(0.0, transaction.now - row[-1])))
            return job

        return self.writer.call("claim", operation)

    def _end_pauses(self, transaction: Transaction, state: State) -> None:
        """Put the jobs whose pause is over back into the heap."""
        if self._undone != self.writer.undone:  # what was noted of the pauses may have been undone, too
            self._undone = self.writer.undone
            self._due = dict.fromkeys(self._due, 0.0)
        if self._due[state] <= transaction.now:
            transaction.execute(
                "UPDATE jobs SET not_before = NULL WHERE state = ? AND (not_before <= ? OR not_before > ?)",
                (state, transaction.now, transaction.now + _LONGEST_PAUSE),
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
        return self.writer.call("move", lambda transaction: steps.move(transaction, move))

    def expand(self, job: int, wishes: Sequence[Wish], reason: str) -> int:
        """Turn a collection into the jobs of its books, in one transaction."""

        def operation(transaction: Transaction) -> int:
            new = collections.expand(transaction, job, wishes, reason)
            self._events[State.WANTED].set()
            return new

        return self.writer.call("expand", operation, guarded=True)

    def release(self, state: State) -> int:
        """Let jobs that wait in `state` for a moment be claimed now."""

        def operation(transaction: Transaction) -> int:
            self._events[state].set()
            held = "UPDATE jobs SET not_before = NULL WHERE state = ? AND not_before IS NOT NULL"
            return transaction.execute(held, (state,)).rowcount

        return self.writer.call("release", operation)

    def wake_due(self, now: float) -> int:
        """Look again for what was not found, where its time has come."""
        return self.writer.call("wake_due", lambda transaction: steps.wake_due(transaction, now))

    def wake_silent(self, source: str, before: float, most: int) -> int:
        """Look again for some of what a source may have that was silent."""
        return self.writer.call(
            "wake_silent", lambda transaction: steps.wake_silent(transaction, source, before, most)
        )

    def recover(self) -> int:
        """Send every claimed job back: one daemon owns the file, and its workers died with it."""
        return self.writer.call("recover", steps.recover)

    def renew(self) -> None:
        """Nothing to say: the state folder's lock speaks for this process."""

    # what people ask

    def cancel(self, job: int) -> Job:
        """Cancel a job, or ask its worker to."""
        return self.writer.call("cancel", lambda transaction: collections.cancel(transaction, job))

    def pause(self, job: int) -> Job:
        """Pause a job, or ask its worker to put it back paused."""
        return self.writer.call("pause", lambda transaction: collections.pause(transaction, job))

    def resume(self, job: int) -> Job:
        """Let a paused job go on."""
        return self.writer.call("resume", lambda transaction: collections.resume(transaction, job))

    def retry(self, job: int) -> Job:
        """Look anew for what has no book."""
        return self.writer.call("retry", lambda transaction: collections.retry(transaction, job))

    def pick(self, job: int, pick: Pick) -> Job:
        """Send a job that has no book back to WANTED with the book that was picked for it."""
        return self.writer.call("pick", lambda transaction: control.pick(transaction, job, pick))

    def prioritise(self, priorities: Mapping[int, int]) -> int:
        """Give unsettled jobs their priorities."""
        self._refuse_without_priorities()
        return self.writer.call(
            "prioritise", lambda transaction: collections.prioritise(transaction, priorities)
        )

    def move_before(self, job: int, other: int | None) -> Job:
        """Put a waiting job right before another one."""
        self._refuse_without_priorities()
        return self.writer.call(
            "move_before", lambda transaction: control.move_before(transaction, job, other)
        )

    def _refuse_without_priorities(self) -> None:
        if self._order is BY_ARRIVAL:
            raise UnfitError("the queue is first in, first out: queue.order says so")

    def optimise(self) -> None:
        """Have SQLite look anew at what its tables hold, where that has changed much; takes milliseconds."""

        def operation(transaction: Transaction) -> None:
            transaction.execute("PRAGMA analysis_limit = 400")
            transaction.execute("PRAGMA optimize")

        self.writer.call("optimise", operation)

    # what monitors ask

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
        return self.writer.call(
            "place", lambda transaction: steps.place(transaction, delivery, force=force), guarded=True
        )

    def rename(self, job: int, name: str) -> None:
        """Give a PLACED book another final name."""
        self.writer.call("rename", lambda transaction: steps.rename(transaction, job, name))

    def complete(self, job: int) -> Job:
        """Close a ledger line after the rename: PLACED to DONE."""
        return self.writer.call("complete", lambda transaction: steps.complete(transaction, job))

    def abandon(self, job: int, reason: str) -> Job:
        """Strike a PLACED line whose file is lost, and queue its job anew."""
        return self.writer.call("abandon", lambda transaction: steps.abandon(transaction, job, reason))

    # what is at rest

    def close_report(self, request: int) -> bool:
        """Keep a request's report no longer, if all in it is at rest."""
        return self.writer.call("close_report", lambda transaction: rest.close_report(transaction, request))

    def forget(self, jobs: Sequence[int]) -> int:
        """Forget those of some jobs that are at rest and that no other list names."""
        return self.writer.call("forget", lambda transaction: rest.forget(transaction, jobs))

    def forget_request(self, request: int) -> bool:
        """Forget some lines of a request that has no jobs, at last itself."""
        return self.writer.call("forget", lambda transaction: rest.forget_request(transaction, request))

    # small things that outlive a restart

    def set_setting(self, key: str, value: str) -> None:
        """Keep a small text under a key."""
        self.writer.call(
            "set_setting",
            lambda transaction: transaction.execute(
                "INSERT OR REPLACE INTO settings VALUES (?, ?)", (key, value)
            ),
        )


def _index_arrival(connection: sqlite3.Connection, *, wanted: bool) -> None:
    """Make the index of the jobs that wait in the order of their arrival, or drop it; raises StoreError."""
    make = f"CREATE INDEX IF NOT EXISTS jobs_arrival ON jobs (state, ready, id) WHERE {HEAP}"
    try:
        connection.execute(make if wanted else "DROP INDEX IF EXISTS jobs_arrival")
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the queue's order cannot be changed: {error}") from error
