"""The reading half of the SQLite store."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from heapq import merge
from pathlib import Path

from bookhopper.errors import BookhopperError, DamagedError
from bookhopper.model import RUNNING_OF, UNSETTLED, Delivery, Job, Request, State
from bookhopper.store import listing, rows
from bookhopper.store.connection import ReadConnections
from bookhopper.store.listing import LATEST, Order, Run
from bookhopper.store.queries import JobFilter, Line, Totals
from bookhopper.store.rest import RestingReader

_PAGE = 1000
_NAMES_KEPT = 1000
_OF_JOB = ", ".join(f"job.{name}" for name in rows.JOB.split(", "))
_LINE_WITH_JOB = ", ".join([f'line."{name.strip(chr(34))}"' for name in rows.LINE.split(", ")] + [_OF_JOB])


class Reader(RestingReader):
    """Answers questions about requests, jobs and ledger from the last committed state."""

    def __init__(self, path: Path, order: Order) -> None:
        self.on_damage: Callable[[DamagedError], None] = _unheard
        """Called, from any thread and maybe often, when the database turns out to be damaged."""
        self._read = ReadConnections(path, self.damaged)
        self._order = order
        self._names: dict[int, str] = {}

    def damaged(self, error: DamagedError) -> None:
        """Hear that the database is damaged."""
        self.on_damage(error)

    # jobs

    def job(self, job: int) -> Job | None:
        """Find a job."""
        row = self._read.one(f"SELECT {rows.JOB} FROM jobs WHERE id = ?", (job,))
        return rows.job(row) if row else None

    def job_of(self, identity: bytes) -> Job | None:
        """Find the latest job for a want's identity."""
        row = self._read.one(
            f"SELECT {rows.JOB} FROM jobs WHERE identity = ? ORDER BY id DESC LIMIT 1", (identity,)
        )
        return rows.job(row) if row else None

    def jobs(self, where: JobFilter, *, limit: int, offset: int = 0) -> list[Job]:
        """List jobs state by state: waiting ones in the heap's order, the others latest changed first."""
        if where.request is not None or where.parent is not None:
            clause, parameters = listing.among(where)
            terms = listing.terms_among(self._order)
            found = self._read.all(
                f"SELECT {rows.JOB} FROM jobs WHERE {clause} ORDER BY {terms} LIMIT ? OFFSET ?",
                (*parameters, limit, offset),
            )
            return [rows.job(row) for row in found]
        listed: list[Job] = []
        with self._read.snapshot():
            for state in listing.LISTED:
                if where.states and state not in where.states:
                    continue
                if offset and (size := self._size(state, where)) <= offset:
                    offset -= size
                    continue
                order = self._order if state in RUNNING_OF else LATEST
                runs = listing.runs(state, where, self._order)
                listed += self._page(runs, order, limit - len(listed), offset)
                offset = 0
                if len(listed) >= limit:
                    break
        return listed

    def count(self, where: JobFilter) -> int:
        """Count the jobs that `jobs` would list without a limit."""
        if where.request is not None or where.parent is not None:
            clause, parameters = listing.among(where)
            return self._count(f"jobs WHERE {clause}", *parameters)
        with self._read.snapshot():
            return sum(self._size(state, where) for state in where.states or State)

    def queue(self, *, limit: int, offset: int = 0) -> list[Job]:
        """List the WANTED, SEARCHING and QUEUED jobs as one queue."""
        waiting = [run for state in RUNNING_OF for run in listing.waiting(state, self._order)]
        return self._page([*waiting, listing.latest(State.SEARCHING)], self._order, limit, offset)

    def next_of(self, state: State, limit: int) -> list[Job]:
        """List the jobs that the next claims of `state` would take."""
        return self._page(listing.claimable(state, self._order, time.time()), self._order, limit, 0)

    def history(self, *, limit: int, offset: int = 0) -> list[Job]:
        """List the jobs that are settled, or failed, the latest first."""
        return self._page([listing.latest(state) for state in listing.HISTORY], LATEST, limit, offset)

    def _page(self, runs: list[Run], order: Order, limit: int, offset: int) -> list[Job]:
        if not runs:
            return []
        return [rows.job(row) for row in self._read.all(*listing.page(runs, order.terms, limit, offset))]

    def _size(self, state: State, where: JobFilter) -> int:
        """Count the jobs of a state that pass a filter over all jobs, looking at as few as that takes."""
        paused = 0
        if where.paused is not None and state in RUNNING_OF:
            paused = self._count("jobs INDEXED BY jobs_paused WHERE state = ? AND paused = 1", state)
        if where.paused:
            return paused
        if where.since is not None and state not in listing.ALWAYS_LISTED:
            return self._count("jobs WHERE state = ? AND changed > ?", state, where.since)
        row = self._read.one("SELECT jobs FROM state_counts WHERE state = ?", (state,))
        return int(row[0]) - paused if row else 0

    def _count(self, what: str, *parameters: object) -> int:
        row = self._read.one(f"SELECT count(*) FROM {what}", parameters)
        return int(row[0]) if row else 0

    def counts(self) -> Mapping[State, int]:
        """Count jobs by state."""
        found = dict(self._read.all("SELECT state, jobs FROM state_counts"))
        return {state: found.get(state.value, 0) for state in State}

    def books(self, collection: int) -> Iterator[Job]:
        """List the books of a collection in pages."""
        last = 0
        while page := self._read.all(
            f"SELECT {_OF_JOB}, books.ordinal FROM books JOIN jobs AS job ON job.id = books.job "
            "WHERE collection = ? AND books.ordinal > ? ORDER BY books.ordinal LIMIT ?",
            (collection, last, _PAGE),
        ):
            yield from map(rows.job, page)
            last = page[-1][-1]

    def open_collections(self, limit: int) -> list[Job]:
        """List the collections of which books are on the way still."""
        return [rows.job(row) for row in self._read.all(listing.open_collections(), (limit,))]

    def books_of(self, collections: Collection[int]) -> Mapping[int, Mapping[State, int]]:
        """Count the books of some collections by state."""
        marks = ", ".join("?" * len(collections))
        counted: dict[int, dict[State, int]] = {collection: {} for collection in collections}
        for collection, state, number in self._read.all(
            "SELECT collection, state, count(*) FROM books JOIN jobs ON jobs.id = books.job "
            f"WHERE collection IN ({marks}) GROUP BY collection, state",
            tuple(collections),
        ):
            counted[collection][State(state)] = number
        return counted

    def paused_books_of(self, collections: Collection[int]) -> Mapping[int, int]:
        """Count the books of some collections that are paused."""
        marks = ", ".join("?" * len(collections))
        found = self._read.all(
            "SELECT collection, count(*) FROM books JOIN jobs ON jobs.id = books.job "
            f"WHERE collection IN ({marks}) AND paused = 1 GROUP BY collection",
            tuple(collections),
        )
        return dict.fromkeys(collections, 0) | dict(found)

    def oldest(self) -> float | None:
        """Tell since when the longest waiting job waits."""
        row = self._read.one(
            "SELECT min(since) FROM ("
            "SELECT min(changed) AS since FROM jobs WHERE state = 'wanted' UNION ALL "
            "SELECT min(changed) FROM jobs WHERE state = 'queued')"
        )
        return row[0] if row else None

    def last_delivered(self) -> float | None:
        """Tell when the latest book was delivered."""
        row = self._read.one("SELECT max(done_at) FROM ledger WHERE done_at IS NOT NULL")
        return row[0] if row else None

    # requests

    def request(self, request: int) -> Request | None:
        """Find a request."""
        row = self._read.one(f"SELECT {rows.REQUEST} FROM requests WHERE id = ?", (request,))
        return rows.request(row) if row else None

    def request_name(self, request: int) -> str:
        """Tell a request's name, from memory as a rule: names never change."""
        if (name := self._names.get(request)) is not None:
            return name
        try:
            found = self.request(request)
        except BookhopperError:
            return ""
        if found is None:
            return ""
        self._keep_name(found)
        return found.name

    def _keep_name(self, request: Request) -> None:
        if len(self._names) >= _NAMES_KEPT:
            self._names.clear()
        self._names[request.id] = request.name

    def request_name_of(self, job: int) -> str:
        """Tell the name of the request that made a job."""
        try:
            row = self._read.one("SELECT request FROM jobs WHERE id = ?", (job,))
        except BookhopperError:
            return ""
        return self.request_name(row[0]) if row else ""

    def requests_of(self, job: int) -> list[int]:
        """Find the requests that have a line with this job."""
        return [
            row[0]
            for row in self._read.all("SELECT DISTINCT request FROM request_jobs WHERE job = ?", (job,))
        ]

    def lines(self, request: int) -> Iterator[tuple[Line, Job | None]]:
        """List a request's entries in pages, so that a long list is never in memory whole."""
        return merge(self._lines_with_own_job(request), self._other_lines(request), key=_ordinal)

    def _lines_with_own_job(self, request: int) -> Iterator[tuple[Line, Job | None]]:
        last = 0
        while page := self._read.all(
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
        while page := self._read.all(
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
        found = self._read.all(
            f"SELECT request FROM jobs WHERE state IN ({states}) "
            "UNION SELECT lines.request FROM lines JOIN jobs ON jobs.id = lines.job "
            f"WHERE state IN ({states}) "
            "UNION SELECT whole.request FROM books JOIN jobs ON jobs.id = books.job "
            f"JOIN jobs AS whole ON whole.id = collection WHERE jobs.state IN ({states}) "
            "UNION SELECT lines.request FROM books JOIN jobs ON jobs.id = books.job "
            f"JOIN lines ON lines.job = collection WHERE jobs.state IN ({states})"
        )
        return [row[0] for row in found]

    def requests_changed(self, since: float) -> list[int]:
        """List the requests that were stored, or had a line change its state, at a moment or after it."""
        found = self._read.all(
            "SELECT id FROM requests WHERE created >= ?1 UNION SELECT request_jobs.request FROM request_jobs "
            "JOIN jobs ON jobs.id = request_jobs.job WHERE jobs.changed >= ?1",
            (since,),
        )
        return [row[0] for row in found]

    # the ledger

    def delivered(self, source: str, key: str, format_: str) -> int | None:
        """Tell which job brought this book."""
        row = self._read.one(
            "SELECT job FROM ledger WHERE source = ? AND key = ? AND format = ? LIMIT 1",
            (source, key, format_),
        )
        return row[0] if row else None

    def placed(self) -> list[Delivery]:
        """List the ledger lines that are not DONE."""
        found = self._read.all(f"SELECT {rows.DELIVERY} FROM ledger WHERE done_at IS NULL ORDER BY placed_at")
        return [rows.delivery(row) for row in found]

    def delivery(self, job: int) -> Delivery | None:
        """Find a job's ledger line."""
        row = self._read.one(f"SELECT {rows.DELIVERY} FROM ledger WHERE job = ?", (job,))
        return rows.delivery(row) if row else None

    def delivery_named(self, name: str) -> Delivery | None:
        """Find the ledger's line with this file name."""
        row = self._read.one(f"SELECT {rows.DELIVERY} FROM ledger WHERE name = ?", (name,))
        return rows.delivery(row) if row else None

    def deliveries(self, jobs: Collection[int]) -> Mapping[int, Delivery]:
        """Find the ledger lines of some jobs, by job."""
        known = [job for job in jobs if abs(job) < 2**63]
        marks = ", ".join("?" * len(known))
        found = self._read.all(f"SELECT {rows.DELIVERY} FROM ledger WHERE job IN ({marks})", known)
        return {row[0]: rows.delivery(row) for row in found}

    def names(self, request: int) -> Mapping[int, str]:
        """List the file names of a request's delivered books by job."""
        return dict(
            self._read.all(
                "SELECT job, name FROM ledger WHERE job IN (SELECT job FROM request_jobs WHERE request = ?)",
                (request,),
            )
        )

    def totals(self, since: float = 0.0) -> Totals:
        """Sum up what was delivered and what failed since a moment."""
        if since > 0:
            achieved = self._read.one(
                "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(seconds), 0.0), "
                "coalesce(sum(iif(seconds IS NULL, 0, size)), 0) FROM ledger WHERE done_at > ?",
                (since,),
            )
        else:
            achieved = self._read.one("SELECT books, bytes, seconds, timed_bytes FROM totals")
        failed = self.count(JobFilter(frozenset((State.FAILED,)), since=since or None))
        books, size, seconds, timed = achieved or (0, 0, 0.0, 0)
        return Totals(books, failed, size, seconds, timed)

    # small things that outlive a restart

    def setting(self, key: str) -> str | None:
        """Read a setting."""
        row = self._read.one("SELECT value FROM settings WHERE key = ?", (key,))
        return row[0] if row else None


def _ordinal(entry: tuple[Line, Job | None]) -> int:
    return entry[0].ordinal


def _unheard(error: DamagedError) -> None:
    """Stand in where nobody wants to know: whoever asked is told as well."""
