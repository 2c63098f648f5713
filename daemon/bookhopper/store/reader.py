"""The reading half of the SQLite store: a connection for each thread, none of which can write."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge
from typing import Any

from bookhopper.errors import StoreError
from bookhopper.model import UNSETTLED, Delivery, Job, Request, State
from bookhopper.store import rows
from bookhopper.store.base import JobFilter, Line
from bookhopper.store.writer import explain

_PAGE = 1000
_WAITING = frozenset((State.WANTED, State.QUEUED))
_LINE_WITH_JOB = ", ".join(
    [f'line."{name.strip(chr(34))}"' for name in rows.LINE.split(", ")]
    + [f"job.{name}" for name in rows.JOB.split(", ")]
)


class Reader:
    """Answers questions about requests, jobs and ledger from the last committed state."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._opened: dict[threading.Thread, sqlite3.Connection] = {}
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Close every thread's connection."""
        with self._lock:
            self._closed = True
            for connection in self._opened.values():
                connection.close()
            self._opened.clear()

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        try:
            return self._own().execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise explain(error) from error

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Run a query and return its first row."""
        found = self.all(sql, parameters)
        return found[0] if found else None

    def _own(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._closed:
            with self._lock:
                if self._closed:
                    raise StoreError("the store is closed")
                self._close_those_of_the_dead()
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._opened[threading.current_thread()] = connection
            self._local.connection = connection
        return connection

    def _close_those_of_the_dead(self) -> None:
        """Let go of what ended threads had opened: the HTTP server's come and go."""
        for thread in [thread for thread in self._opened if not thread.is_alive()]:
            self._opened.pop(thread).close()

    def job(self, job: int) -> Job | None:
        """Find a job."""
        row = self.one(f"SELECT {rows.JOB} FROM jobs WHERE id = ?", (job,))
        return rows.job(row) if row else None

    def jobs(self, where: JobFilter, limit: int, offset: int) -> list[Job]:
        """List jobs state by state: waiting ones in the heap's order, the others latest changed first."""
        states = [state for state in _LISTED if not where.states or state in where.states]
        counts = self.counts() if where.request is None else None
        found: list[Job] = []
        for state in states:
            if counts is not None and offset >= counts[state]:
                offset -= counts[state]
                continue
            order = "priority, position, id" if state in _WAITING else "changed DESC, id DESC"
            clause = "state = ?"
            parameters: list[Any] = [state]
            if where.request is not None:
                clause += " AND id IN (SELECT job FROM request_jobs WHERE request = ?)"
                parameters.append(where.request)
            page = self.all(
                f"SELECT {rows.JOB} FROM jobs WHERE {clause} ORDER BY {order} LIMIT ? OFFSET ?",
                (*parameters, limit - len(found), offset),
            )
            found += [rows.job(row) for row in page]
            if len(found) >= limit:
                break
            offset = 0 if page else max(0, offset - self._count(clause, parameters))
        return found

    def _count(self, clause: str, parameters: Sequence[Any]) -> int:
        row = self.one(f"SELECT count(*) FROM jobs WHERE {clause}", parameters)
        return int(row[0]) if row else 0

    def counts(self) -> Mapping[State, int]:
        """Count jobs by state."""
        found = dict(self.all("SELECT state, jobs FROM state_counts"))
        return {state: found.get(state.value, 0) for state in State}

    def oldest(self) -> float | None:
        """Tell since when the longest waiting job waits."""
        row = self.one(
            "SELECT min(since) FROM ("
            "SELECT min(changed) AS since FROM jobs WHERE state = 'wanted' UNION ALL "
            "SELECT min(changed) FROM jobs WHERE state = 'queued')"
        )
        return row[0] if row else None

    def request(self, request: int) -> Request | None:
        """Find a request."""
        row = self.one(f"SELECT {rows.REQUEST} FROM requests WHERE id = ?", (request,))
        return rows.request(row) if row else None

    def requests_of(self, job: int) -> list[int]:
        """Find the requests that have a line with this job."""
        return [row[0] for row in self.all("SELECT DISTINCT request FROM request_jobs WHERE job = ?", (job,))]

    def lines(self, request: int) -> Iterator[tuple[Line, Job | None]]:
        """List a request's entries in pages, so that a long list is never in memory whole."""
        return merge(self._lines_with_own_job(request), self._other_lines(request), key=_ordinal)

    def _lines_with_own_job(self, request: int) -> Iterator[tuple[Line, Job | None]]:
        last = 0
        while page := self.all(
            f"SELECT {rows.JOB}, ordinal FROM jobs "
            "WHERE request = ? AND ordinal > ? ORDER BY ordinal LIMIT ?",
            (request, last, _PAGE),
        ):
            for row in page:
                job, last = rows.job(row), row[-1]
                yield rows.line_of(job, last), job

    def _other_lines(self, request: int) -> Iterator[tuple[Line, Job | None]]:
        last = 0
        width = len(rows.LINE.split(", "))
        while page := self.all(
            f"SELECT {_LINE_WITH_JOB} FROM lines AS line LEFT JOIN jobs AS job ON job.id = line.job "
            "WHERE line.request = ? AND line.ordinal > ? ORDER BY line.ordinal LIMIT ?",
            (request, last, _PAGE),
        ):
            for row in page:
                yield rows.line(row[:width]), None if row[width] is None else rows.job(row[width:])
            last = page[-1][0]

    def unsettled_requests(self) -> list[int]:
        """List the requests that have a line without a book or a reason yet."""
        states = ", ".join(f"'{state.value}'" for state in UNSETTLED)
        found = self.all(
            f"SELECT request FROM jobs WHERE state IN ({states}) "
            "UNION SELECT lines.request FROM lines JOIN jobs ON jobs.id = lines.job "
            f"WHERE state IN ({states})"
        )
        return [row[0] for row in found]

    def delivered(self, source: str, key: str, format_: str) -> int | None:
        """Tell which job brought this book."""
        row = self.one(
            "SELECT job FROM ledger WHERE source = ? AND key = ? AND format = ? LIMIT 1",
            (source, key, format_),
        )
        return row[0] if row else None

    def placed(self) -> list[Delivery]:
        """List the ledger lines that are not DONE."""
        found = self.all(f"SELECT {rows.DELIVERY} FROM ledger WHERE done_at IS NULL ORDER BY placed_at")
        return [rows.delivery(row) for row in found]

    def delivery(self, job: int) -> Delivery | None:
        """Find a job's ledger line."""
        row = self.one(f"SELECT {rows.DELIVERY} FROM ledger WHERE job = ?", (job,))
        return rows.delivery(row) if row else None

    def names(self, request: int) -> Mapping[int, str]:
        """List the file names of a request's delivered books by job."""
        return dict(
            self.all(
                "SELECT job, name FROM ledger WHERE job IN (SELECT job FROM request_jobs WHERE request = ?)",
                (request,),
            )
        )

    def setting(self, key: str) -> str | None:
        """Read a setting."""
        row = self.one("SELECT value FROM settings WHERE key = ?", (key,))
        return row[0] if row else None


def _ordinal(entry: tuple[Line, Job | None]) -> int:
    return entry[0].ordinal


_LISTED = (
    State.PLACED,
    State.DOWNLOADING,
    State.SEARCHING,
    State.QUEUED,
    State.WANTED,
    State.AMBIGUOUS,
    State.MISSING,
    State.FAILED,
    State.DONE,
    State.DUPLICATE,
    State.OWNED,
    State.CANCELLED,
)
"""How lists order the states: what moves, what waits, what asks for a person, what is settled."""
