"""One thread owns the only writing connection and commits what has gathered in one go.

Callers from any thread hand in an operation and wait until it is durable.  Operations run in the order they
came; those that gathered while the last commit was on its way to the disk share the next one (group commit),
which is what makes `synchronous=FULL` affordable and "database is locked" impossible.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from bookhopper import log_context
from bookhopper.errors import DamagedError, HeldError, StoreError
from bookhopper.model import Change, State

T = TypeVar("T")

log = logging.getLogger("bookhopper.store")

_GROUP_LIMIT = 512
_PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk gives an error",
    sqlite3.SQLITE_BUSY: "another program holds the database",
    sqlite3.SQLITE_LOCKED: "another program holds the database",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_READONLY: "the database is read-only: let bookhopper's user write to its file and folder",
    sqlite3.SQLITE_NOMEM: "memory is short",
}

_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


class Transaction:
    """What an operation works with: the connection, and the changes to tell of once they are durable.

    `tally` holds how many jobs each state gained or lost; it goes into the table of counts once a commit.
    `source` is the one at work where the operation of the moment was called.
    """

    __slots__ = ("changes", "connection", "now", "source", "tally")

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self.connection = connection
        self.now = now
        self.source = ""
        self.changes: list[Change] = []
        self.tally: Counter[State] = Counter()

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self.connection.execute(sql, parameters)

    def tell(self, change: Change) -> None:
        """Tell of a change of a job that was there before, and count it."""
        self.changes.append(replace(change, source=self.source) if self.source else change)
        if change.before is not None and change.before is not change.after:
            self.tally[change.before] -= 1
            self.tally[change.after] += 1

    def savepoint(self) -> Callable[[], None]:
        """Begin something that may have to be undone; returns what undoes it."""
        self.execute("SAVEPOINT operation")
        told, tally = len(self.changes), self.tally.copy()

        def undo() -> None:
            self.execute("ROLLBACK TO operation")
            del self.changes[told:]
            self.tally = tally

        return undo

    def commit(self) -> None:
        """Write the tally and make everything durable."""
        self.connection.executemany(
            "INSERT INTO state_counts VALUES (?1, ?2) ON CONFLICT (state) DO UPDATE SET jobs = jobs + ?2",
            [(state, number) for state, number in self.tally.items() if number],
        )
        self.execute("COMMIT")


Operation = Callable[[Transaction], T]


class _Call(Generic[T]):
    """An operation on its way, and a lock that is free once the answer stands."""

    __slots__ = ("answered", "error", "guarded", "name", "operation", "result", "source")

    def __init__(self, name: str, operation: Operation[T], *, guarded: bool) -> None:
        self.name = name
        self.guarded = guarded
        self.operation = operation
        self.source = log_context.current().source
        self.answered = threading.Lock()
        self.answered.acquire()
        self.result: T | None = None
        self.error: BaseException | None = None


class Writer:
    """Runs operations one after another on a thread of its own."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        publish: Callable[[Change], None],
        on_damage: Callable[[DamagedError], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._on_damage = on_damage
        self._publish = publish
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()
        self.failures: Counter[str] = Counter()
        self.undone = 0
        self.observe: Callable[[str, float], None] | None = None
        self.heartbeat = time.time()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def call(self, name: str, operation: Operation[T], *, guarded: bool = False) -> T:
        """Run an operation and return its result when it is durable; what it raises is raised here.

        `name` is what metrics call it: `observe` is told the name and the seconds that the caller waited.
        An operation that may raise after it has written has to be `guarded`, which costs a savepoint.

        Raises HeldError for a cause that may pass, StoreError for one that does not.
        """
        call = _Call(name, operation, guarded=guarded)
        begun = time.perf_counter()
        with self._closing:
            if self._closed:
                raise StoreError("the store is closed")
            self._calls.put(call)
        call.answered.acquire()
        if self.observe is not None:
            self.observe(name, time.perf_counter() - begun)
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[return-value]  # T may itself be None

    def close(self) -> None:
        """Run what was handed in before, then end the thread."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            group: list[_Call[Any]] = []
            call = self._calls.get()
            while call is not None:
                group.append(call)
                if len(group) == _GROUP_LIMIT:
                    break
                try:
                    call = self._calls.get_nowait()
                except Empty:
                    break
            open_ = call is not None
            if group:
                self._commit(group)

    def _commit(self, group: list[_Call[Any]]) -> None:
        self.heartbeat = time.time()
        transaction = Transaction(self._connection, self.heartbeat)
        try:
            transaction.execute("BEGIN IMMEDIATE")
            for call in group:
                self._perform(call, transaction)
            transaction.commit()
        except sqlite3.Error as error:
            self._undo(group, explain(error))
        except BaseException:
            log.exception("the store met a fault of bookhopper's own; please report it")
            self._undo(group, StoreError("the store met a fault of its own; the log says more"))
        else:
            for change in transaction.changes:
                self._publish(change)
        finally:
            for call in group:
                call.answered.release()

    def _perform(self, call: _Call[Any], transaction: Transaction) -> None:
        """Run one operation so that its failure undoes only itself."""
        written = self._connection.total_changes
        transaction.source = call.source
        undo = transaction.savepoint() if call.guarded else None
        try:
            call.result = call.operation(transaction)
        except sqlite3.OperationalError:
            raise  # the surroundings' fault: it concerns the whole group
        except BaseException as error:
            if type(error) is sqlite3.DatabaseError:  # a damaged file; its subclasses mean other things
                raise
            if not call.guarded and self._connection.total_changes != written:
                raise sqlite3.ProgrammingError(f"{call.name} broke off half-way: {error}") from error
            call.error = error
            if undo is not None:
                undo()
        if undo is not None:
            transaction.execute("RELEASE operation")

    def _undo(self, group: list[_Call[Any]], error: HeldError | StoreError) -> None:
        """Take everything back, and tell every caller why."""
        self.undone += 1
        if isinstance(error, DamagedError):
            self._on_damage(error)
        self.failures.update(call.name for call in group)
        for call in group:
            call.result, call.error = None, error
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # then SQLite has rolled back by itself, or will when it is opened
                self._connection.rollback()


def explain(error: sqlite3.Error) -> HeldError | StoreError:
    """Turn a database error into what a worker can act on: hold when it may pass, else stop."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    cause = _PASSING.get(code)
    if cause is not None:
        return HeldError(f"the queue cannot be written: {cause} ({error})", scope="queue", seconds=5.0)
    if code in _DAMAGED:
        return DamagedError(f"the queue's database is damaged ({error})")
    return StoreError(f"the queue's database fails: {error}: stop bookhopper and restore a copy of it")
