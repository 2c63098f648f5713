"""Pages of jobs out of a million: ids from indexes that hold them in order, and rows for those alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bookhopper.model import RUNNING_OF, UNSETTLED, State
from bookhopper.store import rows
from bookhopper.store.queries import JobFilter

HEAP = "state IN ('wanted', 'queued')"
"""The condition of the heap's indexes, without which in a query SQLite would not use them."""

LISTED = (
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
    State.EXPANDED,
    State.CANCELLED,
)
"""How lists order the states: what moves, what waits, what asks for a person, what is settled."""

ALWAYS_LISTED = UNSETTLED | {State.MISSING, State.AMBIGUOUS}
"""What stays in lists however long ago it changed: it waits, runs, or asks for a person."""

HISTORY = (State.DONE, State.OWNED, State.DUPLICATE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which waiting jobs are claimed, and the index that holds them so."""

    index: str
    terms: str

    @property
    def first(self) -> str:
        """The query for the job that the next claim takes; its parameter is the state."""
        return (
            f"SELECT {rows.JOB} FROM jobs INDEXED BY {self.index} "
            f"WHERE {HEAP} AND state = ? AND ready = 1 ORDER BY {self.terms} LIMIT 1"
        )


BY_PRIORITY = Order("jobs_heap", "priority, position, id")
BY_ARRIVAL = Order("jobs_arrival", "id")
LATEST = Order("jobs_state", "changed DESC, id DESC")


@dataclass(frozen=True, slots=True)
class Run:
    """Some jobs of one state, as an index holds them."""

    index: str
    clause: str
    parameters: tuple[Any, ...]


def waiting(state: State, order: Order, *, paused: bool | None = None) -> list[Run]:
    """Give the runs of the jobs that wait in a state: those that may be claimed, and those that may not."""
    if paused:
        return [Run("jobs_paused", "state = ? AND paused = 1", (state,))]
    held = " AND paused = 0" if paused is False else ""
    return [
        Run(order.index, f"{HEAP} AND state = ? AND ready = 1", (state,)),
        Run(order.index, f"{HEAP} AND state = ? AND ready = 0{held}", (state,)),
    ]


def claimable(state: State, order: Order, now: float) -> list[Run]:
    """Give the runs of the jobs that may be claimed in a state, those whose pause is over among them."""
    over = "state = ? AND not_before <= ? AND paused = 0"
    return [waiting(state, order)[0], Run("jobs_due", over, (state, now))]


def latest(state: State, since: float | None = None) -> Run:
    """Give the run of the jobs in a state by when they came into it."""
    if since is None:
        return Run("jobs_state", "state = ?", (state,))
    return Run("jobs_state", "state = ? AND changed > ?", (state, since))


def runs(state: State, where: JobFilter, order: Order) -> list[Run]:
    """Give the runs of a state's jobs that pass a filter, requests and collections aside."""
    if state in RUNNING_OF:
        return waiting(state, order, paused=where.paused)
    if where.paused:  # only what waits is ever paused
        return []
    return [latest(state, None if state in ALWAYS_LISTED else where.since)]


def page(merged: Sequence[Run], terms: str, limit: int, offset: int) -> tuple[str, tuple[Any, ...]]:
    """Give the query, and its parameters, for a page of runs that are merged by `terms`."""
    columns = terms.replace(" DESC", "")
    ids = " UNION ALL ".join(
        f"SELECT {columns} FROM jobs INDEXED BY {run.index} WHERE {run.clause}" for run in merged
    )
    parameters = [value for run in merged for value in run.parameters]
    chosen = f"SELECT id FROM ({ids} ORDER BY {terms} LIMIT ? OFFSET ?)"
    return (
        f"SELECT {rows.JOB} FROM jobs WHERE id IN ({chosen}) ORDER BY {terms}",
        (*parameters, limit, offset),
    )


def open_collections() -> str:
    """Give the query for the latest collections that have unsettled books; its parameter is the limit."""
    return (
        f"SELECT {rows.JOB} FROM jobs INDEXED BY {LATEST.index} WHERE state = '{State.EXPANDED}' AND EXISTS ("
        "SELECT 1 FROM books JOIN jobs AS book ON book.id = books.job "
        f"WHERE books.collection = jobs.id AND book.state IN ({_quoted(UNSETTLED)})"
        f") ORDER BY {LATEST.terms} LIMIT ?"
    )


def among(where: JobFilter) -> tuple[str, tuple[Any, ...]]:
    """Give the condition, and its parameters, for the jobs of a request or a collection."""
    clause = "1"
    parameters: list[Any] = []
    if where.request is not None:
        clause += " AND id IN (SELECT job FROM request_jobs WHERE request = ?)"
        parameters.append(where.request)
    if where.parent is not None:
        clause += " AND id IN (SELECT job FROM books WHERE collection = ?)"
        parameters.append(where.parent)
    if where.states:
        clause += f" AND state IN ({_quoted(where.states)})"
    if where.paused is not None:
        clause += " AND paused = ?"
        parameters.append(where.paused)
    if where.since is not None:
        clause += f" AND (state IN ({_quoted(ALWAYS_LISTED)}) OR changed > ?)"
        parameters.append(where.since)
    return clause, tuple(parameters)


def terms_among(order: Order) -> str:
    """Give the terms that sort the jobs of a request or a collection as lists of all jobs are."""
    ranks = " ".join(f"WHEN '{state}' THEN {rank}" for rank, state in enumerate(LISTED))
    waits = [f"CASE WHEN {HEAP} THEN {term} END" for term in order.terms.split(", ")]
    return ", ".join((f"CASE state {ranks} END", *waits, LATEST.terms))


def _quoted(states: Iterable[State]) -> str:
    return ", ".join(f"'{state}'" for state in states)
