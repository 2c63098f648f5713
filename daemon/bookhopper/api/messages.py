"""What the live page is told, as JSON: the whole picture once, then what changes in it."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bookhopper.api.news import Noted
from bookhopper.api.routes.history import history, with_deliveries
from bookhopper.api.routes.queue_status import queue_status
from bookhopper.api.routes.statistics import statistics
from bookhopper.api.states import ASIDE, RUNNING, WAITING
from bookhopper.api.view import View, downloads, progress
from bookhopper.model import Job, State
from bookhopper.store.queries import JobFilter
from bookhopper.ticket import Ticket

_MOST_LISTED = 200
_MOST_HISTORY = 50
_MOST_COLLECTIONS = 50
_LOOK_SECONDS = 2.0  # after which figures that no change tells of are looked at again

Tickets = Mapping[int, Ticket]


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to say: to those who are up to date, and to those who are not; None: nothing."""

    change: str | None = None
    snapshot: str | None = None


@dataclass(slots=True)
class _Listed:
    """What is left of a list that the last snapshot showed, and whether it showed only its beginning."""

    states: frozenset[State]
    jobs: set[int] = field(default_factory=set)
    cut: bool = False

    def show(self, jobs: Iterable[Job]) -> None:
        self.jobs = {job.id for job in jobs}
        self.cut = len(self.jobs) >= _MOST_LISTED

    def note(self, job: Job) -> None:
        if job.state not in self.states:
            self.jobs.discard(job.id)

    @property
    def thin(self) -> bool:
        """Whether so much has left the list that its reader has to be shown what comes up behind."""
        return self.cut and len(self.jobs) < _MOST_LISTED // 2


class Messages:
    """Makes one message at a time out of what was noted and what the store and the tickets say now.

    It remembers what was told last, so that only what differs is told again.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._queue = _Listed(WAITING)
        self._aside = _Listed(ASIDE)
        self._status: dict[str, Any] = {}
        self._statistics: dict[str, Any] = {}
        self._known = (0, 0.0)  # how many jobs there were, and when lists were cleared, as told last
        self._progress: dict[int, dict[str, Any]] = {}
        self._look_due = 0.0

    def make(self, noted: Noted, fresh: bool) -> Told:  # noqa: FBT001 - anyio hands arguments on by place
        """Make what is to be told now; `fresh`: there is somebody who was not told anything yet.

        Raises HeldError or StoreError when the store cannot be read.
        """
        tickets = self._view.tickets()
        change = self._figures(noted, fresh=fresh)
        moved = self._moved(tickets)
        for job in noted.jobs.values():
            self._queue.note(job)
            self._aside.note(job)
        anew = noted.many or self._lists_changed() or self._queue.thin or self._aside.thin
        snapshot = self._snapshot(tickets) if fresh or anew else None
        if anew:
            return Told(snapshot, snapshot)
        if noted.jobs:
            changed = {**self._collections_of(noted.jobs.values()), **noted.jobs}
            change["downloads"] = self._downloads(changed.values(), tickets)
        if told := [{"id": job, **how} for job, how in moved.items() if job not in noted.jobs]:
            change["progress"] = told
        return Told(_json({"type": "change", **change}) if change else None, snapshot)

    def _figures(self, noted: Noted, *, fresh: bool) -> dict[str, Any]:
        """Look at the figures where they may have changed; gives those that did."""
        differing = {}
        look = noted.renewed or time.monotonic() >= self._look_due
        if look or fresh or noted.jobs or noted.many:
            status = queue_status(self._view)
            # jobs come with the counts that hold them: a page that has counted them itself is put right
            if status != self._status or noted.jobs:
                differing["status"] = self._status = status
        if look or fresh:
            self._look_due = time.monotonic() + _LOOK_SECONDS
            achieved = statistics(self._view)
            if achieved != self._statistics:
                differing["statistics"] = self._statistics = achieved
        return differing

    def _moved(self, tickets: Tickets) -> dict[int, dict[str, Any]]:
        """Give how far each job is that is no longer where it was last told to be."""
        last, self._progress = self._progress, {job: progress(ticket) for job, ticket in tickets.items()}
        return {job: how for job, how in self._progress.items() if how["stage"] and how != last.get(job)}

    def _downloads(self, jobs: Collection[Job], tickets: Tickets) -> list[dict[str, Any]]:
        """Show jobs; one that is done with its delivery."""
        done = [job for job in jobs if job.state is State.DONE]
        others = downloads(self._view, [job for job in jobs if job.state is not State.DONE], tickets)
        return others + with_deliveries(self._view, done)

    def _collections_of(self, jobs: Collection[Job]) -> dict[int, Job]:
        """Read the collections of books that changed: how far these are has changed with them."""
        parents = {job.parent for job in jobs if job.parent is not None}
        found = map(self._view.store.job, parents)
        return {job.id: job for job in found if job is not None}

    def _lists_changed(self) -> bool:
        """Tell whether there are jobs that no change told of, or lists were cleared."""
        return self._known != (self._status["total"], self._view.control.cleared)

    def _snapshot(self, tickets: Tickets) -> str:
        store, cleared = self._view.store, self._view.control.cleared
        queue = store.queue(limit=_MOST_LISTED)
        aside = store.jobs(JobFilter(ASIDE, since=cleared), limit=_MOST_LISTED)
        self._queue.show(queue)
        self._aside.show(aside)
        self._known = (self._status["total"], cleared)
        lists = {
            "running": store.jobs(JobFilter(RUNNING), limit=_MOST_LISTED),
            "collections": store.open_collections(_MOST_COLLECTIONS),
            "queue": queue,
            "aside": aside,
        }
        return _json(
            {
                "type": "snapshot",
                "status": self._status,
                "statistics": self._statistics,
                **{name: downloads(self._view, jobs, tickets) for name, jobs in lists.items()},
                "history": history(self._view, _MOST_HISTORY),
            }
        )


def _json(message: Mapping[str, Any]) -> str:
    # in ASCII, so that a title of broken characters cannot break the message
    return json.dumps(message, allow_nan=False, separators=(",", ":"))
