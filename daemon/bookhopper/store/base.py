"""The Store protocol: the persisted heap, the requests and the ledger, whatever keeps them.

Nothing outside `store/` may assume that the queue is SQLite or that this process is the only one at it.
Every call may be made from any thread; one that changes something returns when the change is durable.  When
the store cannot be written for a cause that may pass (disk full, database away) a call raises HeldError and
has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bookhopper.errors import BookhopperError
from bookhopper.model import BadLine, Candidate, Change, Delivery, Job, Request, Resume, State, Want

Publish = Callable[[Change], None]
"""Called once for each committed change, in the order of the commits; must be quick and never raise."""


OPERATIONS = (
    "abandon",
    "add_request",
    "claim",
    "complete",
    "move",
    "place",
    "recover",
    "release",
    "rename",
    "set_setting",
    "wake_due",
)
"""What metrics call the store's changes."""


class StaleError(BookhopperError):
    """The job is not in the state that the caller believed; somebody else was quicker."""


class NameTakenError(BookhopperError):
    """Another line of the ledger has that file name."""


class DuplicateError(BookhopperError):
    """The ledger holds this book already; `job` is the one that brought it."""

    def __init__(self, message: str, *, job: int) -> None:
        super().__init__(message)
        self.job = job


@dataclass(frozen=True, slots=True)
class Wish:
    """A want with its identity: equal identities are the same wish, and get one job unless forced."""

    want: Want
    identity: bytes


Entry = Wish | BadLine


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request file as intake took it; `token` is unique to this taking, so that a repeat adds nothing."""

    token: str
    name: str
    digest: str
    report: str
    owner: str = ""


class LineNote(StrEnum):
    """What intake made of a line; what became of its job is the job's own state."""

    NEW = "new"
    KNOWN = "known"
    PICKED = "picked"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a request: `ordinal` counts from 1; `reason` is set for a bad line."""

    ordinal: int
    number: int
    column: int
    raw: str
    note: LineNote
    job: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of a request's entries; `repeated` when this token had been stored before."""

    request: Request
    new: int
    known: int
    bad: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A step of one job from `before` to `after`; None leaves a field as it is, where None is no value.

    `resume` and `not_before` are always set to what stands here: a job that moves on has neither.
    """

    job: int
    before: State
    after: State
    reason: str = ""
    attempts: int | None = None
    looks: int | None = None
    not_before: float | None = None
    candidates: tuple[Candidate, ...] | None = None
    resume: Resume | None = None
    paused: bool | None = None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list: all states when `states` is empty, all requests when `request` is None."""

    states: frozenset[State] = frozenset()
    request: int | None = None


class Store(Protocol):
    """Requests, jobs and ledger, kept so that no crash loses or doubles anything."""

    def close(self) -> None:
        """Finish what was begun and let go; later calls raise StoreError."""
        ...

    # intake

    def add_request(self, request: NewRequest, entries: Iterable[Entry]) -> Intake:
        """Store a request and a job for each wish that is new, in one transaction.

        An entry that picks a book for a job (`want.pick.job`) sends that job back to WANTED with the pick.
        An exception that `entries` raises undoes it all and comes back to the caller.
        """
        ...

    # the heap

    def claim(self, state: State) -> Job | None:
        """Take the most urgent job that waits in `state` (WANTED, QUEUED) into its running state."""
        ...

    def wait(self, state: State, seconds: float) -> bool:
        """Wait until a job may be waiting in `state`, or `wake` was called; False when the time ran out."""
        ...

    def wake(self) -> None:
        """Let every `wait` return now."""
        ...

    def move(self, move: Move) -> Job:
        """Record a step; raises StaleError when the job is not in `move.before`."""
        ...

    def release(self, state: State) -> int:
        """Let jobs that wait in `state` for a moment be claimed now, its cause being gone; how many."""
        ...

    def wake_due(self, now: float) -> int:
        """Send some of the MISSING, AMBIGUOUS and FAILED jobs whose time has come back to WANTED; how many.

        Called again until it is 0, since a long list comes due all at once.
        """
        ...

    def recover(self) -> int:
        """Send jobs whose worker is gone back to their waiting state, no attempt counted; how many."""
        ...

    def renew(self) -> None:
        """Say that this process still works on what it claimed."""
        ...

    # what monitors ask

    @property
    def alive(self) -> bool:
        """Whether changes are taken."""
        ...

    def failures(self) -> Mapping[str, int]:
        """Count the changes that could not be made, by operation."""
        ...

    def observe(self, told: Callable[[str, float], None]) -> None:
        """Tell of each change its operation and the seconds that its caller waited."""
        ...

    # the ledger

    def delivered(self, source: str, key: str, format_: str) -> int | None:
        """Tell which job brought (or is bringing) this book, if any."""
        ...

    def place(self, delivery: Delivery, *, force: bool = False) -> Job:
        """Enter a placed book into the ledger: DOWNLOADING to PLACED.

        Raises NameTakenError, DuplicateError (not with `force`) or StaleError, and then changed nothing.
        """
        ...

    def rename(self, job: int, name: str) -> None:
        """Give a PLACED book another final name; raises NameTakenError."""
        ...

    def complete(self, job: int) -> Job:
        """Close a ledger line after the rename: PLACED to DONE."""
        ...

    def abandon(self, job: int, reason: str) -> Job:
        """Strike a PLACED line whose file is known to be lost, and queue its job anew."""
        ...

    def placed(self) -> Sequence[Delivery]:
        """List the ledger lines that are PLACED and not DONE, oldest first."""
        ...

    def delivery(self, job: int) -> Delivery | None:
        """Find a job's ledger line."""
        ...

    def names(self, request: int) -> Mapping[int, str]:
        """List the file names of a request's delivered books by job."""
        ...

    # reading

    def job(self, job: int) -> Job | None:
        """Find a job."""
        ...

    def jobs(self, where: JobFilter, *, limit: int, offset: int = 0) -> Sequence[Job]:
        """List jobs, those that wait in the heap's order first, then the latest changed."""
        ...

    def counts(self) -> Mapping[State, int]:
        """Count jobs by state; every state has an entry."""
        ...

    def oldest(self) -> float | None:
        """Tell since when (epoch seconds) the longest waiting WANTED or QUEUED job waits."""
        ...

    def request(self, request: int) -> Request | None:
        """Find a request."""
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

    # small things that outlive a restart

    def setting(self, key: str) -> str | None:
        """Read a setting that was left with `set_setting`."""
        ...

    def set_setting(self, key: str, value: str) -> None:
        """Keep a small text under a key."""
        ...
