"""Claim, step, record: the one pool of threads behind searching and fetching.

A step says how a job ended by the `Move` that it returns or the error that it raises; everything that follows
from an error (another attempt, a pause, giving up, looking again in some days) is decided here, by `retry`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from bookhopper import retry
from bookhopper.errors import BookhopperError, HeldError, PermanentError, StoreError
from bookhopper.gate import Gate
from bookhopper.log_context import working_on
from bookhopper.model import Job, State
from bookhopper.store.base import Move, StaleError, Store
from bookhopper.ticket import Interrupted, Reason, Ticket

log = logging.getLogger("bookhopper.worker")

Step = Callable[[Job, Ticket], Move | None]
"""What a worker does with a claimed job; None: the step has recorded the job's fate itself."""

_IDLE_SECONDS = 5.0
_STORE_RETRY_SECONDS = 2.0
_SHORT_OF_MEMORY = "memory is short: give bookhopper more of it, or set fewer download.workers"


class Pool:
    """Threads that claim the jobs waiting in one state and take each through a step."""

    def __init__(self, store: Store, waiting: State, step: Step, *, size: int, attempts: int) -> None:
        self.stage = "search" if waiting is State.WANTED else "download"
        self._store = store
        self._waiting = waiting
        self._step = step
        self.attempts = attempts
        """How often a job is tried before it is given up for a time."""
        self._size = size
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._paused = False
        self._threads: dict[int, threading.Thread] = {}
        self._tickets: dict[int, Ticket] = {}
        self._beats: dict[int, tuple[float, Ticket | None]] = {}
        self._stopping = threading.Event()
        self._gate = Gate()
        self.on_begin: Callable[[], None] = _unheard
        """Called by a worker that is about to begin a step, its ticket being open; must not raise."""

    # what others see

    @property
    def size(self) -> int:
        """How many workers there are to be."""
        return self._size

    @property
    def held(self) -> str:
        """Why no job is claimed at the moment; empty when they are."""
        return self._gate.reason if self._gate.remaining() else ""

    @property
    def paused(self) -> bool:
        """Whether claims are held back until somebody lets them go on."""
        return self._paused

    def tickets(self) -> Mapping[int, Ticket]:
        """Give the tickets of the running jobs, by job."""
        with self._lock:
            return dict(self._tickets)

    def heartbeats(self) -> Mapping[str, float]:
        """Tell when each worker last showed a sign of life, in epoch seconds."""
        with self._lock:
            return {
                f"{self.stage}-{slot}": max(beat, ticket.heartbeat if ticket else 0.0)
                for slot, (beat, ticket) in self._beats.items()
            }

    def alive(self) -> bool:
        """Whether every thread that should run does."""
        with self._lock:
            return all(slot in self._threads and self._threads[slot].is_alive() for slot in range(self._size))

    # what others ask

    def interrupt(self, job: int, reason: Reason) -> Ticket | None:
        """Ask a running job to stop; gives its ticket, or None where no worker has it."""
        ticket = self.tickets().get(job)
        if ticket is not None:
            ticket.interrupt(reason)
        return ticket

    def pause(self) -> None:
        """Claim nothing more; running jobs go back to where they waited, unmarked, and can be taken up."""
        with self._changed:
            self._paused = True
            running = list(self._tickets.values())
            self._changed.notify_all()
        for ticket in running:
            ticket.interrupt(Reason.PAUSE)

    def unpause(self) -> None:
        """Claim again."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    # start and stop

    def start(self) -> None:
        """Start the workers."""
        self.resize(self._size)

    def go_on(self) -> None:
        """Claim again at once what waits for a moment, since what it waited for has come."""
        self._gate.open()
        with self._changed:
            self._changed.notify_all()
        self._store.release(self._waiting)

    def resize(self, size: int) -> None:
        """Change the number of workers; a lowered number lets running jobs finish."""
        with self._lock:
            self._size = size
            for slot in range(size):
                if slot not in self._threads or not self._threads[slot].is_alive():
                    # a daemon: one that hangs in a connection must not keep the process from ending in time
                    thread = threading.Thread(
                        target=self._work, args=(slot,), name=f"{self.stage}-{slot}", daemon=True
                    )
                    self._threads[slot] = thread
                    thread.start()
            self._changed.notify_all()
        self._store.wake()

    def stop(self) -> None:
        """Claim nothing more and cut running jobs short; `join` waits for them."""
        self._stopping.set()
        for ticket in self.tickets().values():
            ticket.interrupt(Reason.SHUTDOWN)
        with self._changed:
            self._changed.notify_all()
        self._store.wake()

    def join(self, deadline: float) -> bool:
        """Wait for the workers until a moment of the monotonic clock; False when some still run."""
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    # a worker's life

    def _work(self, slot: int) -> None:
        while not self._dismissed(slot):
            self._beat(slot)
            if self._kept_back():
                self._sit_out(slot)
                continue
            try:
                job = self._store.claim(self._waiting)
            except (HeldError, StoreError) as error:
                self._hold_all(_as_held(error))
                continue
            if job is not None:
                self._run(slot, job)
            elif (
                not self._stopping.is_set()
            ):  # asked again, for the claim may have eaten the wake-up of `stop`
                self._store.wait(self._waiting, _IDLE_SECONDS)

    def _kept_back(self) -> bool:
        """Whether nothing is to be claimed now: also while more run than a lowered number lets begin."""
        return self._paused or self._gate.remaining() > 0 or len(self._tickets) >= self._size

    def _sit_out(self, slot: int) -> None:
        """Wait while claims are held back, a moment at most."""
        moment = min(self._gate.remaining() or _IDLE_SECONDS, _IDLE_SECONDS)
        with self._changed:
            self._changed.wait_for(
                lambda: not self._kept_back() or self._stopping.is_set() or slot >= self._size, moment
            )

    def _dismissed(self, slot: int) -> bool:
        """Whether a worker is to end; it is forgotten in the same breath, so that `resize` starts another."""
        with self._lock:
            if not self._stopping.is_set() and slot < self._size:
                return False
            self._beats.pop(slot, None)
            if slot >= self._size:
                del self._threads[slot]
            return True

    def _beat(self, slot: int, ticket: Ticket | None = None) -> None:
        with self._lock:
            self._beats[slot] = (time.time(), ticket)

    def _run(self, slot: int, job: Job) -> None:
        ticket = Ticket(job.id, job.priority)
        ticket.resume = job.resume
        self._beat(slot, ticket)
        with self._lock:
            self._tickets[job.id] = ticket
            paused = self._paused
        if self._stopping.is_set():  # it came between the claim and the ticket, as the pause may have
            ticket.interrupt(Reason.SHUTDOWN)
        elif paused:
            ticket.interrupt(Reason.PAUSE)
        try:
            with working_on(request=self._store.request_name(job.request), job=job.id):
                move = self._outcome(job, ticket)
                if move is not None:
                    with working_on(source=ticket.source):
                        self._record(move)
        finally:
            with self._lock:
                if self._tickets.get(job.id) is ticket:  # put back, the job may be another worker's by now
                    del self._tickets[job.id]
                self._changed.notify_all()
            ticket.ended.set()

    def _outcome(self, job: Job, ticket: Ticket) -> Move | None:
        """Take the job through the step and turn what comes out into where it goes."""
        try:
            self._begin(job, ticket)
            move = self._step(job, ticket)
        except Interrupted:
            return self._put_back(job, ticket)
        except (HeldError, StoreError) as error:
            return self._held(job, ticket, _as_held(error))
        except PermanentError as error:
            return Move(job.id, job.state, State.FAILED, str(error))
        except StaleError as error:
            log.debug("%s", error)
            return self._put_back(job, ticket)  # refused in its turn where the job is somebody else's by now
        except Exception as error:  # a bug in one step must not end the pool
            if _is_shortage(error):
                return self._held(job, ticket, HeldError(_SHORT_OF_MEMORY, scope="queue"))
            if not isinstance(error, BookhopperError):
                with working_on(source=ticket.source):
                    log.exception("job %d met a fault of bookhopper's own; please report it", job.id)
            return retry.failed(job, ticket, error, waiting=self._waiting, most=self.attempts)
        if over := self._gate.passed():
            log.info("going on: it is over that %s", over)
        return None if move is None else retry.settled(job, move)

    def _begin(self, job: Job, ticket: Ticket) -> None:
        """Hear, now that the ticket is open, what was asked of the job since it was claimed.

        Whoever asks writes it into the row first and then looks for a ticket, so one of the two is seen.
        """
        row = self._store.job(job.id)
        if row is None or row.state is not job.state:
            raise StaleError(f"job {job.id} is {row.state if row else 'gone'}, no longer {job.state}")
        ticket.priority = row.priority
        if row.asked:
            ticket.interrupt(Reason(row.asked))
        self.on_begin()
        ticket.check()

    def _put_back(self, job: Job, ticket: Ticket) -> Move:
        """Send the job to where it waited, its attempt uncounted; what is asked of it, the store adds."""
        return Move(job.id, job.state, self._waiting, resume=ticket.resume_point)

    def _held(self, job: Job, ticket: Ticket, error: HeldError) -> Move:
        """Put the job back, its attempt uncounted; one that holds the queue waits in its place."""
        if error.scope == "queue":
            self._hold_all(error)
            return Move(job.id, job.state, self._waiting, str(error), resume=ticket.resume_point)
        log.debug("job %d waits: %s", job.id, error)
        until = time.time() + max(1.0, error.seconds)
        return Move(
            job.id, job.state, self._waiting, str(error), not_before=until, resume=ticket.resume_point
        )

    def _hold_all(self, error: HeldError) -> None:
        if self._gate.hold(error):
            log.log(logging.INFO if error.said else logging.WARNING, "%sing waits: %s", self.stage, error)

    def _record(self, move: Move) -> None:
        """Write a move down, however long the store cannot; a shutdown leaves it to the next start."""
        while True:
            try:
                self._store.move(move)
            except (HeldError, StoreError) as error:
                self._hold_all(_as_held(error))
                if self._stopping.wait(_STORE_RETRY_SECONDS):
                    return
            except StaleError as error:
                log.debug("%s: left to whoever changed it", error)
                return
            else:
                return


def _as_held(error: HeldError | StoreError) -> HeldError:
    """Take a broken database for what it is to a job: the surroundings' fault, which holds the queue."""
    return error if isinstance(error, HeldError) else HeldError(str(error), scope="queue")


def _is_shortage(error: Exception) -> bool:
    """Whether memory is short, of which a new thread needs some as well; Python tells that by words only."""
    return isinstance(error, MemoryError) or "can't start new thread" in str(error)


def _unheard() -> None:
    """Stand in where nobody wants to know."""
