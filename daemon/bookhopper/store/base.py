"""The Store protocol: the persisted heap, the requests and the ledger, whatever keeps them.

Nothing outside `store/` may assume that the queue is SQLite or that this process is the only one at it.
Every call may be made from any thread; one that changes something returns when the change is durable.  When
the store cannot be written for a cause that may pass (disk full, database away) a call raises HeldError and
has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bookhopper.errors import BookhopperError
from bookhopper.model import (
    BadLine,
    Candidate,
    Change,
    Delivery,
    Job,
    LeftOut,
    Pick,
    Request,
    Resume,
    State,
    Want,
)
from bookhopper.store.queries import Queries

Publish = Callable[[Change], None]
"""Called once for each committed change, in the order of the commits; must be quick and never raise."""


OPERATIONS = (
    "abandon",
    "add_request",
    "cancel",
    "claim",
    "close_report",
    "complete",
    "expand",
    "forget",
    "move",
    "move_before",
    "optimise",
    "pause",
    "pick",
    "place",
    "prioritise",
    "recover",
    "release",
    "rename",
    "resume",
    "retry",
    "set_setting",
    "wake_due",
    "wake_silent",
)
"""What metrics call the store's changes."""


PRIORITY_BOUND = 1_000_000
"""Priorities lie between this and its negative."""


class StaleError(BookhopperError):
    """The job is not in the state that the caller believed; somebody else was quicker."""


class UnknownJobError(BookhopperError):
    """There is no such job."""


class UnfitError(BookhopperError):
    """The job is in a state in which this cannot be asked of it."""


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


Entry = Wish | BadLine | LeftOut


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request file as intake took it; `token` is unique to this taking, so that a repeat adds nothing.

    With `only_owner`, its lines may pick books for jobs of that owner alone.
    """

    token: str
    name: str
    digest: str
    report: str
    owner: str = ""
    only_owner: str | None = None


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

    `resume` and `not_before` are always set to what stands here: a job that moves on has neither; so is
    `silent`, the sources that may have what is put aside and did not answer.  Where
    something was asked of the job while it ran, that decides: to be cancelled, it is CANCELLED instead; to be
    paused, it waits paused if it goes back to waiting.  PLACED and what follows are beyond both.
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
    silent: tuple[str, ...] = ()


class Store(Queries, Protocol):
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

    def expand(self, job: int, wishes: Sequence[Wish], reason: str) -> int:
        """Turn a collection into the jobs of its books: SEARCHING to EXPANDED; how many of them are new.

        A book whose identity has a job already counts among the collection's and makes no other job; nor
        does one that this collection has had before.  A new one takes over the request, the owner and the
        priority of the collection.  What was asked of the collection meanwhile decides: cancelled, it gets
        no books; paused, they wait paused.  Raises StaleError when the job is not SEARCHING.
        """
        ...

    def release(self, state: State) -> int:
        """Let jobs that wait in `state` for a moment be claimed now, its cause being gone; how many."""
        ...

    def wake_due(self, now: float) -> int:
        """Send some of the MISSING, AMBIGUOUS and FAILED jobs whose time has come back to WANTED; how many.

        Called again until it is 0, since a long list comes due all at once.
        """
        ...

    def wake_silent(self, source: str, before: float, most: int) -> int:
        """Send jobs that were put aside before a moment, when a source was silent, back to WANTED; how many.

        Those that have waited longest come first, at most so many: called again until it is 0.
        """
        ...

    def recover(self) -> int:
        """Send jobs whose worker is gone back to their waiting state, no attempt counted; how many."""
        ...

    def renew(self) -> None:
        """Say that this process still works on what it claimed."""
        ...

    # what people ask: each raises UnknownJobError, and UnfitError where it makes no sense, changing nothing;
    # what is asked of a collection is asked of the books that it made jobs for as well, in one transaction

    def cancel(self, job: int) -> Job:
        """Cancel a job: at once where it waits or lies aside, through its worker (`asked`) where it runs."""
        ...

    def pause(self, job: int) -> Job:
        """Pause a waiting job, or ask the worker of a running one (`asked`) to put it back paused."""
        ...

    def resume(self, job: int) -> Job:
        """Let a paused job go on, or take back what was asked of its worker."""
        ...

    def retry(self, job: int) -> Job:
        """Look anew for what is MISSING, AMBIGUOUS, FAILED or CANCELLED; end the pause of what waits.

        An EXPANDED collection is looked through anew for books that it did not have before; its books that
        were cancelled stay so, unless it was cancelled itself.
        """
        ...

    def pick(self, job: int, pick: Pick) -> Job:
        """Send a job that has no book back to WANTED with the book that was picked for it."""
        ...

    def prioritise(self, priorities: Mapping[int, int]) -> int:
        """Give unsettled jobs their priorities, all or none durably; returns how many there were to change.

        Jobs that are not there, or settled, are passed over; the books of a collection count as well.
        """
        ...

    def move_before(self, job: int, other: int | None) -> Job:
        """Put a waiting job right before another one, with its priority; None: behind all of its own."""
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
        """Strike a PLACED line whose file is gone, and queue its job anew.

        The reason is said of the job again once it is PLACED and DONE: the book may have come twice.
        """
        ...

    # what is at rest

    def close_report(self, request: int) -> bool:
        """Keep a request's report no longer, if all in it is at rest; tells whether."""
        ...

    def forget(self, jobs: Sequence[int]) -> int:
        """Forget those of a few hundred jobs that are at rest and that no other list names; how many.

        What each of them brought stays in the ledger, and wished for again it is a duplicate.
        """
        ...

    def forget_request(self, request: int) -> bool:
        """Forget some lines of a request that has no jobs, at last itself; whether there is more to do."""
        ...

    # small things that outlive a restart

    def set_setting(self, key: str, value: str) -> None:
        """Keep a small text under a key."""
        ...
