"""How people change the queue: what is asked is written down first, then running jobs hear of it.

A mark in the store outlives everything: whether its worker stops at once, later, or dies, the job ends where
it was asked to.  The interruption only makes that soon.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from bookhopper.errors import HeldError, StoreError
from bookhopper.log_context import working_on
from bookhopper.model import RUNNING_OF, Change, Job, Pick, State
from bookhopper.store.base import Store, UnfitError
from bookhopper.ticket import Reason, Ticket
from bookhopper.worker import Pool

log = logging.getLogger("bookhopper.control")

FEWEST_WORKERS, MOST_WORKERS = 1, 32

_PAUSED, _CLEARED_AT = "queue_paused", "cleared_at"
_PATIENCE_SECONDS = 2.0
_LOOKED_AT = 20


class Control:
    """The one way by which people change the queue; every call may be made from any thread.

    Those that name a job raise UnknownJobError, and UnfitError where it makes no sense, changing nothing.
    """

    def __init__(self, store: Store, searchers: Pool, fetchers: Pool, *, preempt: bool) -> None:
        """Take up what was left: a queue that was paused stays so.

        With `preempt`, a running download goes back for a more urgent one when no worker is free; without,
        the more urgent one takes the next free worker.
        """
        self._store = store
        self._pools = (searchers, fetchers)
        self._fetchers = fetchers
        self._preempt = preempt
        self._switching = threading.Lock()
        self._making_room = threading.Lock()
        if preempt:
            fetchers.on_begin = self.make_room
        if store.setting(_PAUSED):
            fetchers.pause()

    # one job, or a collection with its books

    def cancel(self, job: int) -> Job:
        """Cancel a job; what it had fetched is dropped."""
        return self._stopped(self._store.cancel(job), Reason.CANCEL)

    def pause(self, job: int) -> Job:
        """Pause a job; a running one goes back to where it waited and keeps its part file."""
        return self._stopped(self._store.pause(job), Reason.PAUSE)

    def resume(self, job: int) -> Job:
        """Let a paused job go on from where it was."""
        return self._store.resume(job)

    def retry(self, job: int) -> Job:
        """Look anew for what failed, was missed or was cancelled; what waits for a moment goes on now.

        A collection is looked through again for books that it did not have.
        """
        return self._store.retry(job)

    def pick(self, job: int, pick: Pick) -> Job:
        """Settle what a job is to fetch."""
        return self._store.pick(job, pick)

    def _stopped(self, marked: Job, reason: Reason) -> Job:
        """Let a running job hear of its mark, and give it as it stands when its worker has let go of it.

        A worker that takes longer than a moment is not waited for: the job then still says what is asked.
        The running books of a collection hear of their marks.
        """
        if not marked.asked and marked.want.collection is None:
            return marked
        deadline = time.monotonic() + _PATIENCE_SECONDS
        # in both pools, for a searcher may still hold the ticket of a job that a fetcher has taken up
        tickets = [ticket for pool in self._pools for ticket in self._tickets_of(marked, pool)]
        for ticket in tickets:
            ticket.interrupt(reason)
        for ticket in tickets:
            ticket.ended.wait(max(0.0, deadline - time.monotonic()))
        return self._store.job(marked.id) or marked

    def _tickets_of(self, marked: Job, pool: Pool) -> list[Ticket]:
        """Give the tickets of a marked job, and of the marked books that it made jobs for."""
        tickets = pool.tickets()
        running = [marked.id] if marked.asked else []
        if marked.want.collection is not None:
            rows = (self._store.job(number) for number in tickets)
            running += (row.id for row in rows if row and row.parent == marked.id and row.asked)
        return [tickets[number] for number in running if number in tickets]

    # the order

    def prioritise(self, priorities: Mapping[int, int]) -> int:
        """Give jobs their priorities, all or none; returns how many there were to change."""
        changed = self._store.prioritise(priorities)
        for pool in self._pools:
            for job, ticket in pool.tickets().items():
                if (row := self._store.job(job)) is not None:  # a collection's books have another one as well
                    ticket.priority = row.priority
        return changed

    def move_before(self, job: int, other: int | None) -> Job:
        """Put a waiting job right before another one, with its priority; None: behind all of its own."""
        return self._store.move_before(job, other)

    # the whole queue

    @property
    def paused(self) -> bool:
        """Whether downloads are held back."""
        return self._fetchers.paused

    def pause_queue(self) -> None:
        """Hold downloads back until `resume_queue`, across restarts; searching goes on.

        Running downloads go back to the queue and keep their part files.
        """
        with self._switching:
            self._store.set_setting(_PAUSED, "1")
            if not self._fetchers.paused:
                log.info("downloads are paused")
            self._fetchers.pause()

    def resume_queue(self) -> None:
        """Let downloads go on."""
        with self._switching:
            self._store.set_setting(_PAUSED, "")
            if self._fetchers.paused:
                log.info("downloads go on")
            self._fetchers.unpause()

    def resize(self, workers: int) -> None:
        """Change the number of downloads at once; a lowered number lets running ones finish."""
        if not FEWEST_WORKERS <= workers <= MOST_WORKERS:
            raise UnfitError(f"workers: {workers} is not from {FEWEST_WORKERS} to {MOST_WORKERS}")
        self._fetchers.resize(workers)

    @property
    def cleared(self) -> float:
        """The moment (epoch seconds) of the last `clear`; what settled before it is not listed any more."""
        return float(self._store.setting(_CLEARED_AT) or 0.0)

    def clear(self) -> None:
        """Hide what is settled by now from the lists; history and reports keep it."""
        self._store.set_setting(_CLEARED_AT, repr(time.time()))

    # more urgent jobs

    def changed(self, change: Change) -> None:
        """Listen to the store's changes: a job that can be claimed now may be one to make room for."""
        if not self._preempt or change.after not in {State.QUEUED, RUNNING_OF[State.QUEUED]}:
            return
        tickets = self._fetchers.tickets()
        if change.after is State.QUEUED:
            # asked first, since a list of thousands of plain wants passes here and makes room for none
            urgent = any(change.job.priority < ticket.priority for ticket in tickets.values())
            if urgent and not change.job.paused:
                self.make_room()
        elif change.before is change.after and (ticket := tickets.get(change.job.id)) is not None:
            ticket.priority = change.job.priority
            self.make_room()

    def make_room(self) -> None:
        """With `preempt`, put as many downloads back as more urgent ones wait without a worker.

        To be called now and then as well: a pause between two attempts ends without a change.
        """
        if not self._preempt:
            return
        try:
            with self._making_room:
                while (overtaken := self._overtaken()) is not None:
                    ticket, job = overtaken
                    with working_on(request=self._store.request_name_of(ticket.job), job=ticket.job):
                        log.info("job %d makes room for job %d, which is more urgent", ticket.job, job.id)
                    ticket.interrupt(Reason.PREEMPT)
        except (HeldError, StoreError) as error:
            log.debug("no room is made: %s", error)

    def _overtaken(self) -> tuple[Ticket, Job] | None:
        """Find the least urgent download that is to go back next, and the job that it goes back for.

        A worker that is free, or told to stop, takes what waits in its order; only who waits behind those
        needs room.  Tickets are read before what waits, so that no job is seen in both places.
        """
        fetchers = self._fetchers
        running = [ticket for ticket in fetchers.tickets().values() if ticket.reason is None]
        movable = [ticket for ticket in running if not ticket.shielded]
        free = fetchers.size - len(running)
        if not movable or free < 0 or fetchers.paused or fetchers.held:
            return None
        waiting = self._store.next_of(State.QUEUED, free + _LOOKED_AT)[free:]
        # one that was put back with a fault takes the next free worker, or it would push aside in vain again
        urgent = next((job for job in waiting if not job.error), None)
        least = max(movable, key=lambda ticket: (ticket.priority, ticket.started))
        if urgent is None or urgent.priority >= least.priority:
            return None
        return least, urgent
