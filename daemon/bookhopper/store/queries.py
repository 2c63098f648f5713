"""The reading half of the Store protocol: what may be asked of requests, jobs and ledger.

Every answer is of the last committed state; every call may be made from any thread and raises HeldError or
StoreError when the store cannot be read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bookhopper.model import Delivery, Job, Request, State


class LineNote(StrEnum):
    """What intake made of a line; what became of its job is the job's own state."""

    NEW = "new"
    KNOWN = "known"
    PICKED = "picked"
    BAD = "bad"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a request: `ordinal` counts from 1; `reason` is set where it is bad or left out."""

    ordinal: int
    number: int
    column: int
    raw: str
    note: LineNote
    job: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list: all states when `states` is empty, all requests when `request` is None.

    With `parent`, the books of that collection are listed, those among them that had a job already as well.
    `paused` picks out the jobs that are (or are not) paused; with `since` (epoch seconds), those that are
    settled or failed are listed only where they changed after that moment.
    """

    states: frozenset[State] = frozenset()
    request: int | None = None
    paused: bool | None = None
    since: float | None = None
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What was achieved: books delivered, jobs that failed, bytes delivered, seconds their downloads took.

    `timed_bytes` are the bytes that took these seconds: of some books it is not known how long they took.
    """

    completed: int
    failed: int
    bytes: int
    seconds: float
    timed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class AtRest:
    """A request in which nothing happens any more, its report's name, and since when (epoch seconds)."""

    request: int
    report: str
    since: float


class Queries(Protocol):
    """What may be asked of a store."""

    # jobs

    def job(self, job: int) -> Job | None:
        """Find a job."""
        ...

    def job_of(self, identity: bytes) -> Job | None:
        """Find the latest job for a want's identity."""
        ...

    def jobs(self, where: JobFilter, *, limit: int, offset: int = 0) -> Sequence[Job]:
        """List jobs, those that wait in the heap's order first, then the latest changed."""
        ...

    def count(self, where: JobFilter) -> int:
        """Count the jobs that `jobs` would list without a limit."""
        ...

    def queue(self, *, limit: int, offset: int = 0) -> Sequence[Job]:
        """List the WANTED, SEARCHING and QUEUED jobs as one queue, the most urgent first."""
        ...

    def next_of(self, state: State, limit: int) -> Sequence[Job]:
        """List the jobs that the next claims of `state` would take, in that order."""
        ...

    def history(self, *, limit: int, offset: int = 0) -> Sequence[Job]:
        """List the jobs that are DONE, OWNED, DUPLICATE, FAILED or CANCELLED, the latest first."""
        ...

    def counts(self) -> Mapping[State, int]:
        """Count jobs by state; every state has an entry."""
        ...

    def books(self, collection: int) -> Iterable[Job]:
        """List the books of a collection in its order, also those that had a job before it."""
        ...

    def open_collections(self, limit: int) -> Sequence[Job]:
        """List the collections of which books are on the way still, the latest first."""
        ...

    def books_of(self, collections: Collection[int]) -> Mapping[int, Mapping[State, int]]:
        """Count the books of some collections by state; at most a thousand collections at once."""
        ...

    def paused_books_of(self, collections: Collection[int]) -> Mapping[int, int]:
        """Count the books of some collections that are paused; at most a thousand collections at once."""
        ...

    def oldest(self) -> float | None:
        """Tell since when (epoch seconds) the longest waiting WANTED or QUEUED job waits."""
        ...

    def last_delivered(self) -> float | None:
        """Tell when the latest book was delivered, in epoch seconds; None before the first one."""
        ...

    # requests

    def request(self, request: int) -> Request | None:
        """Find a request."""
        ...

    def request_name(self, request: int) -> str:
        """Tell a request's name, for the log: never raises, and empty where it cannot be read."""
        ...

    def request_name_of(self, job: int) -> str:
        """Tell the name of the request that made a job, as `request_name` does."""
        ...

    def requests_of(self, job: int) -> Sequence[int]:
        """Find the requests that have a line with this job."""
        ...

    def lines(self, request: int) -> Iterable[tuple[Line, Job | None]]:
        """List a request's entries in the file's order, each with its job as it stands."""
        ...

    def unsettled_requests(self) -> Sequence[int]:
        """List the requests that have a line without a book or a reason yet."""
        ...

    def at_rest(self) -> Iterable[AtRest]:
        """List the requests in which nothing is looked for or waits for a person, the oldest first."""
        ...

    def reports(self) -> Set[str]:
        """List the names of the reports that are kept up to date."""
        ...

    def open_digests(self) -> Set[str]:
        """List the digests of the lists that are not at rest."""
        ...

    def own_jobs(self, request: int) -> Sequence[int]:
        """List the jobs that a request made, the latest first."""
        ...

    def requests_changed(self, since: float) -> Sequence[int]:
        """List the requests that were stored, or had a line change its state, at a moment or after it."""
        ...

    def knows(self, identity: bytes) -> bool:
        """Tell whether a want's identity has a job, or had one."""
        ...

    # the ledger

    def delivered(self, source: str, key: str, format_: str) -> int | None:
        """Tell which job brought (or is bringing) this book, if any."""
        ...

    def placed(self) -> Sequence[Delivery]:
        """List the ledger lines that are PLACED and not DONE, oldest first."""
        ...

    def delivery(self, job: int) -> Delivery | None:
        """Find a job's ledger line."""
        ...

    def delivery_named(self, name: str) -> Delivery | None:
        """Find the ledger's line with this file name."""
        ...

    def deliveries(self, jobs: Collection[int]) -> Mapping[int, Delivery]:
        """Find the ledger lines of some jobs, by job; at most a thousand at once."""
        ...

    def names(self, request: int) -> Mapping[int, str]:
        """List the file names of a request's delivered books by job."""
        ...

    def totals(self, since: float = 0.0) -> Totals:
        """Sum up what was delivered and what failed since a moment (epoch seconds; 0: ever)."""
        ...

    # small things that outlive a restart

    def setting(self, key: str) -> str | None:
        """Read a setting that was left with `set_setting`."""
        ...
