"""Collections in the store: how one becomes the jobs of its books, and how they are changed as one.

What is asked of a collection is asked of it and of each book that it made a job for, as far as it makes sense
there; books that others had asked for before are theirs to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bookhopper.model import Job, State
from bookhopper.store import control, rest, steps
from bookhopper.store.base import Move, UnfitError, Wish
from bookhopper.store.codec import want_to_json
from bookhopper.store.intake import jobs_of
from bookhopper.store.numbers import last_job
from bookhopper.store.writer import Transaction

_CHUNK = 100

_ADD_JOB = (
    "INSERT INTO jobs "
    "(id, request, parent, owner, identity, want, state, error, paused, priority, position, created, "
    "changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ADD_BOOK = "INSERT OR IGNORE INTO books VALUES (?, ?, ?)"


def expand(transaction: Transaction, number: int, wishes: Sequence[Wish], reason: str) -> int:
    """Turn a collection into the jobs of its books and count the new ones; raises StaleError."""
    row = transaction.execute("SELECT asked FROM jobs WHERE id = ?", (number,)).fetchone()
    paused = row is not None and row[0] == control.PAUSE
    step = Move(number, State.SEARCHING, State.EXPANDED, reason, attempts=0, candidates=())
    collection = steps.move(transaction, step)
    if collection.state is not State.EXPANDED:  # it was cancelled meanwhile
        return 0
    filing = _Filing(transaction, collection, paused=paused)
    for start in range(0, len(wishes), _CHUNK):
        filing.add(wishes[start : start + _CHUNK])
    return filing.new


class _Filing:
    """The state of one expansion: the next free job number and place, and which books have their job."""

    def __init__(self, transaction: Transaction, collection: Job, *, paused: bool) -> None:
        self.new = 0
        self._transaction = transaction
        self._collection = collection
        self._paused = paused
        self._number = last_job(transaction)
        (self._ordinal,) = transaction.execute(
            "SELECT coalesce(max(ordinal), 0) FROM books WHERE collection = ?", (collection.id,)
        ).fetchone()
        self._position = control.end_of(transaction, collection.priority)
        self._own: dict[bytes, int] = dict(
            transaction.execute("SELECT identity, id FROM jobs WHERE parent = ?", (collection.id,))
        )

    def add(self, wishes: Sequence[Wish]) -> None:
        """File some books, each once."""
        transaction, collection = self._transaction, self._collection
        identities = [wish.identity for wish in wishes if not wish.want.force]
        known = jobs_of(transaction, identities) | self._own
        had = rest.past(transaction, identities)
        jobs: list[tuple[Any, ...]] = []
        books: list[tuple[int, int, int]] = []
        for wish in wishes:
            job = known.get(wish.identity)
            if job is None:
                self._number += 1
                job = self._own[wish.identity] = known[wish.identity] = self._number
                said = had.get(wish.identity, "")
                transaction.tally[State.DUPLICATE if said else State.WANTED] += 1
                jobs.append(self._row(job, wish, said))
            self._ordinal += 1
            books.append((collection.id, self._ordinal, job))
        transaction.connection.executemany(_ADD_JOB, jobs)
        transaction.connection.executemany(_ADD_BOOK, books)
        self.new += len(jobs)

    def _row(self, number: int, wish: Wish, had: str) -> tuple[Any, ...]:
        """Give the row of a book's job; `had` tells of one that brought it before, and is forgotten."""
        whole, now = self._collection, self._transaction.now
        begin = (number, whole.request, whole.id, whole.owner, wish.identity, want_to_json(wish.want))
        state, paused = (State.DUPLICATE, False) if had else (State.WANTED, self._paused)
        return (*begin, state, had, paused, whole.priority, self._position, now, now)


def cancel(transaction: Transaction, number: int) -> Job:
    """Cancel a job; a collection with all its books that have not come to their end."""
    job = _as_one(transaction, number, control.cancel)
    return control.cancel_expanded(transaction, number) if job.state is State.EXPANDED else job


def pause(transaction: Transaction, number: int) -> Job:
    """Pause a job, or a collection's books."""
    return _as_one(transaction, number, control.pause)


def resume(transaction: Transaction, number: int) -> Job:
    """Let a paused job, or a collection's books, go on."""
    return _as_one(transaction, number, control.resume)


def retry(transaction: Transaction, number: int) -> Job:
    """Look anew for what has no book; a collection is looked through again as well.

    Its books that were cancelled one by one stay so; those that were cancelled with it do not.
    """
    revived = control.find(transaction, number).state is State.CANCELLED

    def retry_book(transaction: Transaction, book: int) -> Job:
        if book != number and not revived and control.find(transaction, book).state is State.CANCELLED:
            raise UnfitError(f"job {book} was cancelled by itself")
        return control.retry(transaction, book)

    return _as_one(transaction, number, retry_book)


def prioritise(transaction: Transaction, priorities: Mapping[int, int]) -> int:
    """Give jobs, and the books of collections among them, their priorities, and count them all."""
    whole: dict[int, int] = {}
    for number, priority in priorities.items():
        whole |= dict.fromkeys(_own_books(transaction, number), priority)
    return control.prioritise(transaction, {**whole, **priorities})


def _as_one(transaction: Transaction, number: int, act: Callable[[Transaction, int], Job]) -> Job:
    """Do something to a job and to each book that it made a job for, where it fits.

    Raises UnfitError where it fits none of them.
    """
    job = control.find(transaction, number)
    if job.want.collection is None:
        return act(transaction, number)
    refusals = 0
    everything = (number, *_own_books(transaction, number))
    for each in everything:
        try:
            act(transaction, each)
        except UnfitError:
            refusals += 1
    if refusals == len(everything):
        raise UnfitError(f"job {number} is {job.state}: none of its books is in a state for this")
    return control.find(transaction, number)


def _own_books(transaction: Transaction, number: int) -> list[int]:
    """List the books that a collection made jobs for."""
    if abs(number) >= 2**63:
        return []
    found = transaction.execute("SELECT id FROM jobs WHERE parent = ? ORDER BY id", (number,))
    return [row[0] for row in found]
