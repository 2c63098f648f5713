"""Claim, step, record: the one pool of threads behind searching and fetching, and the only retry policy.

A step says how a job ended by the `Move` that it returns or the error that it raises; everything that follows
from an error (another attempt, a pause, giving up, looking again in some days) is decided here.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from bookhopper.errors import BookhopperError, HeldError, PermanentError, StoreError
from bookhopper.model import Job, State
from bookhopper.store.base import Move, StaleError, Store
from bookhopper.ticket import Interrupted, Reason, Ticket

log = logging.getLogger("bookhopper.worker")

Step = Callable[[Job, Ticket], Move | None]
"""What a worker does with a claimed job; None: the step has recorded the job's fate itself."""

_IDLE_SECONDS = 5.0
_LONGEST_GATE = 60.0
_LOOKED_FOR_AGAIN = frozenset((State.MISSING, State.AMBIGUOUS))
_STORE_RETRY_SECONDS = 2.0
_DAY = 86400.0
_LONGEST_LOOK_DAYS = 30
_LONGEST_PAUSE = 3600.0


def pause_after(attempt: int) -> float:
    """Give the seconds before the next attempt after number `attempt`: 1, 2, 4 … and up to a quarter more."""
    return min(2.0 ** (attempt - 1), _LONGEST_PAUSE) * random.uniform(1.0, 1.25)  # noqa: S311 - only jitter


def look_again_after(looks: int) -> float:
    """Give the seconds until what `looks` looks have not found is looked for again: 1 d, 2 d, 4 d … 30 d."""
    return _DAY * min(2.0 ** min(looks - 1, 10), _LONGEST_LOOK_DAYS)


class _Gate:
    """Holds a whole pool while its surroundings are not fit, and says so once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self.reason = ""

    def hold(self, error: HeldError) -> bool:
        """Close for `error.seconds`, a minute at most; True when this is news."""
        with self._lock:
            self._until = time.monotonic() + min(error.seconds, _LONGEST_GATE)
            news, self.reason = self.reason != str(error), str(error)
            return news

    def remaining(self) -> float:
        """Seconds for which it stays closed."""
        with self._lock:
            return max(0.0, self._until - time.monotonic())

    def open(self) -> None:
        """Open at once."""
        with self._lock:
            self._until = 0.0

    def passed(self) -> str:
        """Note that a job went through; returns the reason that is over, if there was one."""
        with self._lock:
            over = self.reason if time.monotonic() >= self._until else ""
            if over:
                self.reason = ""
            return over


class Pool:
    """Threads that claim the jobs waiting in one state and take each through a step."""

    def __init__(self, store: Store, waiting: State, step: Step, *, size: int, attempts: int) -> None:
        self.stage = "search" if waiting is State.WANTED else "download"
        self._store = store
        self._waiting = waiting
        self._step = step
        self._attempts = attempts
        self._size = size
        self._lock = threading.Lock()
        self._threads: dict[int, threading.Thread] = {}
        self._tickets: dict[int, Ticket] = {}
        self._beats: dict[int, tuple[float, Ticket | None]] = {}
        self._stopping = threading.Event()
        self._gate = _Gate()

    # what others see

    @property
    def size(self) -> int:
        """How many workers there are to be."""
        return self._size

    @property
    def held(self) -> str:
        """Why no job is claimed at the moment; empty when they are."""
        return self._gate.reason if self._gate.remaining() else ""

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

    # start and stop

    def start(self) -> None:
        """Start the workers."""
        self.resize(self._size)

    def go_on(self) -> None:
        """Claim again at once what waits for a moment, since what it waited for has come."""
        self._gate.open()
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
        self._store.wake()

    def stop(self) -> None:
        """Claim nothing more and cut running jobs short; `join` waits for them."""
        self._stopping.set()
        for ticket in self.tickets().values():
            ticket.interrupt(Reason.SHUTDOWN)
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
            if remaining := self._gate.remaining():
                self._stopping.wait(min(remaining, _IDLE_SECONDS))
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
        ticket = Ticket(job.id)
        self._beat(slot, ticket)
        with self._lock:
            self._tickets[job.id] = ticket
        if self._stopping.is_set():  # it came between the claim and the ticket
            ticket.interrupt(Reason.SHUTDOWN)
        try:
            move = self._outcome(job, ticket)
            if move is not None:
                self._record(move)
        finally:
            with self._lock:
                del self._tickets[job.id]

    def _outcome(self, job: Job, ticket: Ticket) -> Move | None:
        """Take the job through the step and turn what comes out into where it goes."""
        try:
            move = self._step(job, ticket)
        except Interrupted as interruption:
            return self._interrupted(job, ticket, interruption.reason)
        except (HeldError, StoreError) as error:
            return self._held(job, ticket, _as_held(error))
        except PermanentError as error:
            return Move(job.id, job.state, State.FAILED, str(error))
        except StaleError as error:
            log.info("%s: left to whoever changed it", error)
            return None
        except Exception as error:  # a bug in one step must not end the pool
            if not isinstance(error, BookhopperError):
                log.exception("job %d met a fault of bookhopper's own; please report it", job.id)
            return self._failed(job, ticket, error)
        if over := self._gate.passed():
            log.info("going on: it is over that %s", over)
        if move is not None and move.after in _LOOKED_FOR_AGAIN and move.not_before is None:
            return _looked_for_again(job, move)
        return move

    def _interrupted(self, job: Job, ticket: Ticket, reason: Reason) -> Move:
        if reason is Reason.CANCEL:
            return Move(job.id, job.state, State.CANCELLED, "cancelled")
        paused = True if reason is Reason.PAUSE else None
        return Move(job.id, job.state, self._waiting, resume=ticket.resume, paused=paused)

    def _held(self, job: Job, ticket: Ticket, error: HeldError) -> Move:
        """Put the job back, its attempt uncounted; one that holds the queue waits in its place."""
        if error.scope == "queue":
            self._hold_all(error)
            return Move(job.id, job.state, self._waiting, str(error), resume=ticket.resume)
        log.debug("job %d waits: %s", job.id, error)
        until = time.time() + max(1.0, error.seconds)
        return Move(job.id, job.state, self._waiting, str(error), not_before=until, resume=ticket.resume)

    def _failed(self, job: Job, ticket: Ticket, error: Exception) -> Move:
        """Count an attempt: a pause and another one, or the end until it is looked for again."""
        attempts = job.attempts + 1
        reason = str(error) or type(error).__name__
        if attempts < self._attempts:
            until = time.time() + pause_after(attempts)
            return Move(
                job.id,
                job.state,
                self._waiting,
                reason,
                attempts=attempts,
                not_before=until,
                resume=ticket.resume,
            )
        tried = f"{reason} (tried {attempts} times)" if attempts > 1 else reason
        return _looked_for_again(job, Move(job.id, job.state, State.FAILED, tried, attempts=0))

    def _hold_all(self, error: HeldError) -> None:
        if self._gate.hold(error):
            log.warning("%sing waits: %s", self.stage, error)

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
                log.info("%s: left to whoever changed it", error)
                return
            else:
                return


def _as_held(error: HeldError | StoreError) -> HeldError:
    """Take a broken database for what it is to a job: the surroundings' fault, which holds the queue."""
    return error if isinstance(error, HeldError) else HeldError(str(error), scope="queue")


def _looked_for_again(job: Job, move: Move) -> Move:
    looks = job.looks + 1
    return replace(move, looks=looks, not_before=time.time() + look_again_after(looks))
