"""The six states of the ancestor's status, each with its books; what was delivered is told by its files."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bookhopper.api.ancestor import AVAILABLE, CANCELLED, DONE, DOWNLOADING, ERROR, QUEUED, Book, book_of
from bookhopper.api.view import View
from bookhopper.model import Delivery, Job, State
from bookhopper.store.queries import JobFilter

MOST = 1000
"""How many books are shown of each state."""

RUNNING = frozenset((State.DOWNLOADING, State.PLACED))
_FAULTY = (State.FAILED, State.MISSING, State.AMBIGUOUS)
_DELIVERED = (State.DONE, State.OWNED, State.DUPLICATE)


@dataclass(frozen=True, slots=True)
class _Files:
    """What can be had at this moment: the jobs with a copy, the files in ingest, and the ledger's lines."""

    copied: frozenset[int]
    in_ingest: frozenset[str]
    lines: Mapping[int, Delivery]

    def in_ingest_of(self, job: Job) -> bool:
        """Whether a job's file lies in ingest."""
        return job.id in self.lines and self.lines[job.id].name in self.in_ingest

    def available(self, job: Job) -> bool:
        """Whether a file of a job's book can be had."""
        return job.id in self.lines and (job.id in self.copied or self.in_ingest_of(job))


def statuses(view: View) -> dict[str, list[Book]]:
    """Give what waits and runs, and what settled within `status_timeout` and was not cleared since.

    What was cleared and can still be had is shown all the same.  Of each state at most `MOST`, the most
    urgent or the latest first.
    """
    recent = time.time() - view.status_timeout
    cleared = view.control.cleared
    shown = max(recent, cleared)
    tickets = view.tickets()
    delivered = _latest(view, recent, *_DELIVERED)
    files = _files(view, delivered)
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
        ERROR: [book_of(job) for job in _latest(view, shown, *_FAULTY)],
        DONE: books(done),
        CANCELLED: [book_of(job) for job in _latest(view, shown, State.CANCELLED)],
    }


def _latest(view: View, since: float, *states: State) -> list[Job]:
    """List what came to rest in any of these states after a moment, the latest first."""
    found = [
        job
        for state in states
        for job in view.store.jobs(JobFilter(frozenset((state,)), since=since), limit=MOST)
    ]
    return sorted(found, key=lambda job: job.changed, reverse=True)[:MOST]


def _files(view: View, jobs: list[Job]) -> _Files:
    lines = view.store.deliveries([job.id for job in jobs if job.state is State.DONE])
    return _Files(view.copies.jobs(), _names_in(view.ingest), lines)


def _names_in(folder: Path) -> frozenset[str]:
    """Give the names of the regular files in a folder; none while it is away."""
    with suppress(OSError), os.scandir(folder) as entries:
        return frozenset(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    return frozenset()
