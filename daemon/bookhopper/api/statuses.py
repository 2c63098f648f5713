"""The six states of the ancestor's status, each with its books; what was delivered is told by its files."""

from __future__ import annotations

import time
from collections.abc import Iterable

from bookhopper.api.ancestor import AVAILABLE, CANCELLED, DONE, DOWNLOADING, ERROR, QUEUED, Book, book_of
from bookhopper.api.delivered import files_of
from bookhopper.api.states import ASIDE, COMPLETED, RUNNING
from bookhopper.api.view import View
from bookhopper.model import Job, State
from bookhopper.store.queries import JobFilter

MOST = 1000
"""How many books are shown of each state."""


def statuses(view: View) -> dict[str, list[Book]]:
    """Give what waits and runs, and what settled within `status_timeout` and was not cleared since.

    What was cleared and can still be had is shown all the same.  Of each state at most `MOST`, the most
    urgent or the latest first.
    """
    recent = time.time() - view.status_timeout
    cleared = view.control.cleared
    shown = max(recent, cleared)
    tickets = view.tickets()
    delivered = _latest(view, recent, COMPLETED | {State.EXPANDED})
    files = files_of(view, delivered)
    running = view.store.jobs(JobFilter(RUNNING), limit=MOST)
    available = [job for job in delivered if files.available(job)]
    done = [job for job in delivered if not files.available(job) and job.changed > shown]

    def books(jobs: list[Job]) -> list[Book]:
        return [
            book_of(job, None, files.lines.get(job.id), in_ingest=files.in_ingest_of(job)) for job in jobs
        ]

    return {
        QUEUED: [book_of(job) for job in view.store.queue(limit=MOST)],
        DOWNLOADING: [book_of(job, tickets.get(job.id)) for job in running],
        AVAILABLE: books(available),
        ERROR: [book_of(job) for job in _latest(view, shown, ASIDE)],
        DONE: books(done),
        CANCELLED: [book_of(job) for job in _latest(view, shown, [State.CANCELLED])],
    }


def _latest(view: View, since: float, states: Iterable[State]) -> list[Job]:
    """List what came to rest in any of these states after a moment, the latest first."""
    found = [
        job
        for state in states
        for job in view.store.jobs(JobFilter(frozenset((state,)), since=since), limit=MOST)
        if job.changed > since  # which lists do not ask of what is missing or ambiguous
    ]
    return sorted(found, key=lambda job: job.changed, reverse=True)[:MOST]
