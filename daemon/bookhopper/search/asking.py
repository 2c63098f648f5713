"""Puts questions to several sources at once and waits for each no longer than its deadline."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from bookhopper.errors import BookhopperError, BusyError, HeldError, PermanentError, TransientError
from bookhopper.log_context import carried, working_on
from bookhopper.ticket import Interrupted, Reason, Ticket

Value = TypeVar("Value")

DEADLINE = 20.0
"""For how many seconds an answer is waited for unless the source's section says otherwise."""

_AT_ONCE = 8
"""How many questions one source may have before it; further ones wait for their turn."""

_LATE_IN_A_ROW = 3
"""How many answers may be late, none having come in between, before a source is passed over for a while."""

_PASSED_OVER_SECONDS = 30.0
_LONGEST_PASSED_OVER_SECONDS = 300.0
_AGAIN_SECONDS = 30.0
_LOOK_SECONDS = 0.01
_FAULTS = (HeldError, TransientError, PermanentError)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a source gave no answer."""

    source: str
    error: BookhopperError


@dataclass(frozen=True, slots=True)
class Answers(Generic[Value]):
    """What came in time, in the order of those who were asked, and who gave no answer."""

    values: Sequence[Value]
    faults: Sequence[Fault]


class UnansweredError(TransientError):
    """Nobody gave an answer that can be understood; `sources` are those who were asked."""

    def __init__(self, message: str, sources: tuple[str, ...]) -> None:
        super().__init__(message)
        self.sources = sources


def unanswered(faults: Sequence[Fault]) -> HeldError | TransientError:
    """Say what is to become of a job whose question nobody answered.

    Only sources that are out of reach for every question hold the queue.  An answer that takes too long, or
    whose very address is to be left alone, holds just this job, as does a host that others of ours keep busy;
    one that cannot be understood may be due to the question or to the source, and is an UnansweredError.
    """
    reasons = "; ".join(f"source {fault.source} cannot be asked: {fault.error}" for fault in faults)
    held = [fault.error for fault in faults if isinstance(fault.error, HeldError)]
    if len(held) < len(faults):
        return UnansweredError(reasons, tuple(fault.source for fault in faults))
    seconds = min((error.seconds for error in held), default=_AGAIN_SECONDS)
    whole = all(error.scope != "job" and not isinstance(error, BusyError) for error in held)
    return HeldError(reasons, scope="queue" if whole else "job", seconds=seconds, said=True)


def refuse_busy(faults: Sequence[Fault]) -> None:
    """Raise HeldError where a source was not asked because others of ours keep it busy.

    It is no silence of the source's: the job waits for a moment, and is none the worse for it.
    """
    busy = {fault.source: fault.error for fault in faults if isinstance(fault.error, BusyError)}
    if busy:
        reasons = "; ".join(f"source {source} was not asked: {error}" for source, error in busy.items())
        raise HeldError(reasons, seconds=min(error.seconds for error in busy.values()))


class _Lateness:
    """Has a source passed over that was late several times in a row, so that it delays nobody.

    After a pause one question tries it; while that is late, too, the pause doubles.  Used by any thread.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times = 0
        self._pause = 0.0
        self._until = 0.0
        self._on_trial = False

    def left(self, trial: float) -> float:
        """Tell for how many seconds it is passed over still; 0 lets one in, and the next after `trial` s."""
        with self._lock:
            now = self._clock()
            if self._times < _LATE_IN_A_ROW:
                return 0.0
            if self._until > now:
                return self._until - now
            self._until, self._on_trial = now + trial, True
            return 0.0

    def late(self) -> float:
        """Note an answer that did not come in time; gives the seconds of the pause that it began, or 0."""
        with self._lock:
            self._times += 1
            if self._times != _LATE_IN_A_ROW and not self._on_trial:  # too early, or asked before the pause
                return 0.0
            self._pause = min(max(_PASSED_OVER_SECONDS, 2 * self._pause), _LONGEST_PASSED_OVER_SECONDS)
            self._until, self._on_trial = self._clock() + self._pause, False
            return self._pause

    def answered(self) -> None:
        """Note an answer that came in time."""
        with self._lock:
            self._times, self._pause, self._on_trial = 0, 0.0, False


class Line:
    """The way to one source: it has threads of its own, so that when it hangs it holds up no other.

    `deadline` is for how many seconds its answer is waited for, our own turns at its hosts not counted; with
    `pages`, which bounds the whole in seconds, for each page of an answer that has many.
    """

    def __init__(
        self,
        name: str,
        deadline: float = DEADLINE,
        *,
        pages: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.deadline = deadline
        self.pages = pages
        self._lateness = _Lateness(clock)
        self._pool = ThreadPoolExecutor(_AT_ONCE, f"ask-{name}")
        self._running: set[Ticket] = set()
        self._broken: set[type[Exception]] = set()

    @property
    def hangs(self) -> bool:
        """Whether every thread is still busy with a question that was given up."""
        running = tuple(self._running)
        return len(running) >= _AT_ONCE and all(slip.reason for slip in running)

    def refusal(self) -> HeldError | None:
        """Say why it is not to be asked now, if it is not."""
        if self.hangs:
            return HeldError("it still hangs in earlier questions", scope="host")
        if (seconds := self._lateness.left(self.deadline)) > 0:
            reason = f"its answers took too long: it is asked again in {seconds:.0f} s"
            return HeldError(reason, scope="host", seconds=seconds)
        return None

    def answered(self) -> None:
        """Note an answer that came in time, be it that it is none."""
        self._lateness.answered()

    def late(self) -> None:
        """Note an answer that did not come in time."""
        if seconds := self._lateness.late():
            with working_on(source=self.name):
                _LOG.info("source %s takes too long: it is left out for %.0f s", self.name, seconds)

    def broke_down(self, error: Exception) -> None:
        """Say that the source met a fault of its own code, each kind of fault once: many wants ask alike."""
        known = type(error) in self._broken
        self._broken.add(type(error))
        _LOG.log(logging.DEBUG if known else logging.ERROR, "source %s broke down", self.name, exc_info=error)

    def put(self, question: Callable[[], None], slip: Ticket) -> Future[None]:
        """Have a question asked, which `slip` interrupts."""
        return self._pool.submit(carried(self._run), question, slip)

    def _run(self, question: Callable[[], None], slip: Ticket) -> None:
        self._running.add(slip)
        try:
            with working_on(source=self.name):
                question()
        finally:
            self._running.discard(slip)

    def close(self) -> None:
        """End what runs, without waiting for it."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for slip in tuple(self._running):
            slip.interrupt(Reason.SHUTDOWN)


class _Question(Generic[Value]):
    """One source's share of a round; it tells `ended` when it has an answer or a fault."""

    def __init__(
        self,
        line: Line,
        call: Callable[[Ticket], Value],
        slip: Ticket,
        ended: SimpleQueue[_Question[Value] | None],
    ) -> None:
        self.line = line
        self.values: list[Value] = []
        self.fault: BookhopperError | None
        self._begun = time.monotonic()
        self._call = call
        self._slip = slip
        self._ended = ended
        self.fault = line.refusal()
        self._future = line.put(self._ask, slip) if self.fault is None else None
        if self._future is None:
            ended.put(self)

    def _ask(self) -> None:
        try:
            self._slip.check()
            self.values.append(self._call(self._slip))
        except _FAULTS as error:
            self.fault = error
        except Interrupted:
            self.fault = HeldError("it was interrupted")
        except Exception as error:  # noqa: BLE001 - a broken source must not spoil what the others answer
            self.line.broke_down(error)
            self.fault = TransientError(f"it broke down ({type(error).__name__}: {error})")
        self._ended.put(self)

    def left(self) -> float:
        """Tell for how many more seconds its answer is waited for."""
        line, slip, now = self.line, self._slip, time.monotonic()
        spent = now - self._begun - slip.seconds_in_line
        if line.pages is None:
            return line.deadline - spent
        page = 0.0 if slip.waits_in_line else now - max(self._begun, slip.turn_began)
        return min(line.deadline - page, line.pages - spent)

    def hear(self) -> None:
        """Take note that it ended in time; that it was held says nothing of how the source answers."""
        if not isinstance(self.fault, HeldError):
            self.line.answered()

    def give_up(self, reason: Reason) -> None:
        """Interrupt it, as CANCEL where it took too long; what it still says is not heard."""
        if reason is Reason.CANCEL:
            self.line.late()
        self._slip.interrupt(reason)
        if self._future is not None:
            self._future.cancel()


def ask_all(calls: Mapping[Line, Callable[[Ticket], Value]], ticket: Ticket) -> Answers[Value]:
    """Ask all at once; who does not answer by its deadline is interrupted, and not waited for.

    An interruption of `ticket` ends the round with what has come by then: the caller looks at its ticket.
    """
    ended: SimpleQueue[_Question[Value] | None] = SimpleQueue()
    questions = [
        _Question(line, call, Ticket(ticket.job, ticket.priority, patient=True), ended)
        for line, call in calls.items()
    ]
    waiting = set(questions)
    with suppress(Interrupted), ticket.ended_by(lambda: ended.put(None)):
        _hear(waiting, ended)
    for question in waiting:
        question.give_up(Reason.PREEMPT)  # which is no fault of the source's
    heard = [question for question in questions if question not in waiting]
    late = HeldError("it took too long")
    faults = {question.line: question.fault for question in heard} | {
        question.line: late for question in waiting
    }
    return Answers(
        tuple(value for question in heard for value in question.values),
        tuple(Fault(line.name, fault) for line in calls if (fault := faults[line]) is not None),
    )


def _hear(waiting: set[_Question[Value]], ended: SimpleQueue[_Question[Value] | None]) -> None:
    """Take those that answer in time out of `waiting`; None among them ends it."""
    open_still = set(waiting)
    while open_still:
        try:
            question = ended.get(timeout=max(_LOOK_SECONDS, min(each.left() for each in open_still)))
        except Empty:
            for late in [each for each in open_still if each.left() <= 0]:
                late.give_up(Reason.CANCEL)
                open_still.discard(late)
            continue
        if question is None:
            return
        if question in open_still:
            question.hear()
            open_still.discard(question)
            waiting.discard(question)
