"""What follows from how a step ends: the retry policy, holds, interruptions, and the pool's size."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bookhopper import retry, worker
from bookhopper.errors import HeldError, PermanentError, StoreError, TransientError
from bookhopper.model import Job, Resume, State
from bookhopper.retry import look_again_after, pause_after
from bookhopper.store.base import Move, StaleError
from bookhopper.ticket import Reason, Ticket
from bookhopper.worker import Pool, Step
from tests.queues import Queue, candidate, want
from tests.waiting import until

DAY = 86400.0
RESUME = Resume("http://127.0.0.1/1", '"tag"', 100, 0)


class Bench:
    """A queue and a pool of fetchers with a step that the test says."""

    def __init__(self, folder: Path) -> None:
        self.queue = Queue(folder)
        self.store = self.queue.store
        self.pools: list[Pool] = []

    def pool(self, step: Step, *, size: int = 1, attempts: int = 3, state: State = State.QUEUED) -> Pool:
        pool = Pool(self.store, state, step, size=size, attempts=attempts)
        self.pools.append(pool)
        return pool

    def close(self) -> None:
        for pool in self.pools:
            pool.stop()
            assert pool.join(time.monotonic() + 20)
        self.queue.close()

    def queued(self, title: str = "A Tale") -> int:
        return self.queue.queued(want(title), candidate())

    def run(self, step: Step, *, state: State = State.QUEUED, attempts: int = 3) -> Job:
        """Take one new job through the step once; gives it as it then stands."""
        job = self.queued() if state is State.QUEUED else self.queue.add(want())[0]
        running = {State.QUEUED: State.DOWNLOADING, State.WANTED: State.SEARCHING}[state]
        steps: list[Job] = []

        def once(claimed: Job, ticket: Ticket) -> Move | None:
            steps.append(claimed)
            if len(steps) > 1:
                ticket.wait(60)
            return step(claimed, ticket)

        pool = self.pool(once, state=state, attempts=attempts)
        pool.start()
        until(lambda: steps and (len(steps) > 1 or self.queue.job(job).state is not running))
        pool.stop()
        assert pool.join(time.monotonic() + 20)
        return self.queue.job(job)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def raising(error: BaseException) -> Step:
    def step(job: Job, ticket: Ticket) -> Move | None:
        ticket.resume = RESUME
        raise error

    return step


def done(job: Job, ticket: Ticket) -> Move:
    return Move(job.id, job.state, State.DONE)


def stepping(bench: Bench, name: str, *ends: BaseException | None) -> list[int]:
    """Let a call of the store fail as often as there are errors; gives a list that grows with each call."""
    real: Callable[..., Any] = getattr(bench.store, name)
    left = iter(ends)
    calls: list[int] = []

    def call(*args: Any, **named: Any) -> Any:
        calls.append(len(calls))
        if (error := next(left, None)) is not None:
            raise error
        return real(*args, **named)

    setattr(bench.store, name, call)
    return calls


# the figures


def test_pauses_double_with_a_little_jitter() -> None:
    for attempt, seconds in ((1, 1), (2, 2), (3, 4), (4, 8), (10, 512), (13, 3600), (500, 3600)):
        drawn = {pause_after(attempt) for _ in range(20)}
        assert all(seconds <= pause <= 1.25 * seconds for pause in drawn)
        assert len(drawn) > 1


def test_what_is_missing_is_looked_for_after_a_day_then_two() -> None:
    days = [look_again_after(looks) / DAY for looks in (1, 2, 3, 4, 5, 6, 7, 5000)]
    assert days == [1, 2, 4, 8, 16, 30, 30, 30]


# how a step ends


def test_a_move_is_recorded(bench: Bench) -> None:
    assert bench.run(done).state is State.DONE


def test_a_step_may_have_recorded_it_itself(bench: Bench) -> None:
    def step(job: Job, ticket: Ticket) -> None:
        bench.store.move(Move(job.id, job.state, State.PLACED))

    assert bench.run(step).state is State.PLACED


def test_a_passing_fault_costs_an_attempt_and_a_pause(bench: Bench) -> None:
    before = time.time()
    job = bench.run(raising(TransientError("it broke off")))
    assert (job.state, job.attempts, job.error, job.resume) == (State.QUEUED, 1, "it broke off", RESUME)
    assert job.not_before is not None
    assert before + 1 <= job.not_before <= time.time() + 1.25


def test_the_last_attempt_fails_until_tomorrow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "pause_after", lambda _: 0.0)
    seen: list[int] = []

    def step(job: Job, ticket: Ticket) -> None:
        seen.append(job.attempts)
        raise TransientError("it broke off")

    job = bench.queued()
    bench.pool(step).start()
    until(lambda: bench.queue.job(job).state is State.FAILED)
    failed = bench.queue.job(job)
    assert seen == [0, 1, 2]
    assert (failed.error, failed.attempts, failed.looks) == ("it broke off (tried 3 times)", 0, 1)
    assert failed.resume is None
    assert failed.not_before is not None
    assert abs(failed.not_before - time.time() - DAY) < 60


def test_a_single_attempt_is_not_counted_aloud(bench: Bench) -> None:
    job = bench.run(raising(TransientError("it broke off")), attempts=1)
    assert (job.state, job.error) == (State.FAILED, "it broke off")


def test_a_permanent_fault_fails_at_once_and_for_good(bench: Bench) -> None:
    job = bench.run(raising(PermanentError("protected")))
    assert (job.state, job.attempts, job.error) == (State.FAILED, 0, "protected")
    assert (job.not_before, job.looks) == (None, 0)


@pytest.mark.parametrize(
    ("error", "shown"),
    [(ZeroDivisionError("division by zero"), "division by zero"), (KeyError(), "KeyError")],
)
def test_an_unknown_fault_is_a_bug_and_an_attempt(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: Exception, shown: str
) -> None:
    job = bench.run(raising(error))
    assert (job.state, job.attempts, job.error) == (State.QUEUED, 1, shown)
    assert f"job {job.id} met a fault of bookhopper's own; please report it" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("scope", ["job", "host"])
def test_a_held_job_waits_and_costs_nothing(bench: Bench, scope: Any) -> None:
    before = time.time()
    job = bench.run(raising(HeldError("the host is down", scope=scope, seconds=40)))
    assert (job.state, job.attempts, job.error, job.resume) == (State.QUEUED, 0, "the host is down", RESUME)
    assert job.not_before is not None
    assert before + 40 <= job.not_before <= time.time() + 40


def test_a_held_job_waits_a_second_at_least(bench: Bench) -> None:
    before = time.time()
    job = bench.run(raising(HeldError("down", seconds=0)))
    assert job.not_before is not None
    assert job.not_before >= before + 1


@pytest.mark.parametrize(("said", "level"), [(False, "WARNING"), (True, "INFO")])
def test_a_held_queue_claims_nothing_and_says_so_once(
    bench: Bench, caplog: pytest.LogCaptureFixture, said: bool, level: str
) -> None:
    """As a warning, unless whoever met the cause has warned of it."""
    jobs = [bench.queued(f"Tale {number}") for number in range(4)]
    held = HeldError("the disk is full: make room", scope="queue", seconds=0.05, said=said)
    ends: list[BaseException] = [held] * 3
    claimed: list[int] = []

    def step(job: Job, ticket: Ticket) -> Move:
        claimed.append(job.id)
        if ends:
            raise ends.pop()
        return done(job, ticket)

    caplog.set_level("INFO")
    bench.pool(step).start()
    until(lambda: bench.queue.states() == {"done": 4})
    assert claimed == [jobs[0]] * 3 + jobs, "a job that holds the queue keeps its place"
    told = [record for record in caplog.records if record.message.startswith("downloading waits: ")]
    assert [(record.levelname, record.message) for record in told] == [
        (level, "downloading waits: the disk is full: make room")
    ]
    assert caplog.text.count("going on: it is over that the disk is full: make room") == 1
    assert all(bench.queue.job(job).attempts == 0 for job in jobs)


def test_a_held_queue_is_seen(bench: Bench) -> None:
    bench.queued()
    pool = bench.pool(raising(HeldError("the disk is full", scope="queue", seconds=60)))
    assert pool.held == ""
    pool.start()
    until(lambda: pool.held)
    assert pool.held == "the disk is full"
    until(lambda: bench.queue.states() == {"queued": 1})
    (job,) = (bench.queue.job(1),)
    assert (job.not_before, job.error) == (None, "the disk is full")


def test_a_broken_store_holds_the_queue_and_costs_nothing(bench: Bench) -> None:
    job = bench.run(raising(StoreError("the queue's database fails")))
    assert (job.state, job.attempts, job.error) == (State.QUEUED, 0, "the queue's database fails")


@pytest.mark.parametrize(("after", "looks"), [(State.MISSING, 1), (State.AMBIGUOUS, 1)])
def test_what_was_not_found_is_looked_for_again(bench: Bench, after: State, looks: int) -> None:
    job = bench.run(lambda job, _: Move(job.id, job.state, after, "none"), state=State.WANTED)
    assert (job.state, job.looks, job.error) == (after, looks, "none")
    assert job.not_before is not None
    assert abs(job.not_before - time.time() - DAY) < 60


def test_each_look_doubles_the_wait(bench: Bench) -> None:
    (job,) = bench.queue.add(want())
    for looks, days in ((1, 1), (2, 2), (3, 4)):
        pool = bench.pool(lambda job, _: Move(job.id, job.state, State.MISSING), state=State.WANTED)
        pool.start()
        until(lambda: bench.queue.job(job).state is State.MISSING)
        pool.stop()
        assert pool.join(time.monotonic() + 20)
        found = bench.queue.job(job)
        assert found.looks == looks
        assert found.not_before is not None
        assert abs(found.not_before - time.time() - days * DAY) < 60
        assert bench.store.wake_due(time.time() + 100 * DAY) == 1


def test_a_found_job_is_not_looked_for_again(bench: Bench) -> None:
    job = bench.run(lambda job, _: Move(job.id, job.state, State.QUEUED), state=State.WANTED)
    assert (job.state, job.looks, job.not_before) == (State.QUEUED, 0, None)


def test_a_job_that_somebody_changed_is_left_to_them(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def step(job: Job, ticket: Ticket) -> None:
        bench.store.move(Move(job.id, job.state, State.CANCELLED))
        raise StaleError(f"job {job.id} is cancelled")

    caplog.set_level("DEBUG")
    assert bench.run(step).state is State.CANCELLED
    assert "left to whoever changed it" in caplog.text


def test_a_move_that_comes_too_late_is_left(bench: Bench) -> None:
    def step(job: Job, ticket: Ticket) -> Move:
        bench.store.move(Move(job.id, job.state, State.CANCELLED))
        return done(job, ticket)

    assert bench.run(step).state is State.CANCELLED


# interruptions


class Held:
    """A step that waits, able to be interrupted, until it is let go; then it is done."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.taken: list[int] = []

    def __call__(self, job: Job, ticket: Ticket) -> Move:
        self.taken.append(job.id)
        ticket.resume = RESUME
        self.begun.release()
        while not self.go.wait(0.005):
            ticket.check()
        return done(job, ticket)

    def await_begun(self) -> None:
        assert self.begun.acquire(timeout=20)


def after_claim(bench: Bench, do: Callable[[Job], object]) -> None:
    """Let something happen once, between a claim and its ticket."""
    real = bench.store.claim
    left = [do]

    def claim(state: State) -> Job | None:
        claimed = real(state)
        if claimed is not None and left:
            left.pop()(claimed)
        return claimed

    bench.store.claim = claim  # type: ignore[method-assign]


def with_resume(bench: Bench) -> int:
    """Queue a job that has been begun before."""
    job = bench.queued()
    assert bench.store.claim(State.QUEUED) is not None
    bench.store.move(Move(job, State.DOWNLOADING, State.QUEUED, resume=RESUME))
    return job


def standing(bench: Bench, job: int) -> tuple[State, bool, str, Resume | None, int]:
    found = bench.queue.job(job)
    return found.state, found.paused, found.asked, found.resume, found.attempts


@pytest.mark.parametrize("reason", Reason)
def test_an_interrupted_job_goes_back_whatever_the_reason(bench: Bench, reason: Reason) -> None:
    job = bench.queued()
    step = Held()
    pool = bench.pool(step)
    pool.start()
    step.await_begun()
    ticket = pool.tickets()[job]
    if reason is Reason.SHUTDOWN:
        pool.stop()
    else:
        assert pool.interrupt(job, reason) is ticket
    assert ticket.ended.wait(20)
    if reason is not Reason.SHUTDOWN:
        step.await_begun()
        assert bench.queue.job(job).state is State.DOWNLOADING
        pool.stop()
    assert pool.join(time.monotonic() + 20)
    assert standing(bench, job) == (State.QUEUED, False, "", RESUME, 0)


def test_nobody_is_interrupted_where_nobody_works(bench: Bench) -> None:
    assert bench.pool(done).interrupt(7, Reason.CANCEL) is None


@pytest.mark.parametrize(
    ("ask", "ends"),
    [
        ("cancel", (State.CANCELLED, False, "", None, 0)),
        ("pause", (State.QUEUED, True, "", RESUME, 0)),
    ],
)
@pytest.mark.parametrize("reason", Reason)
def test_what_is_asked_decides_whoever_interrupted(
    bench: Bench, ask: str, ends: tuple[Any, ...], reason: Reason
) -> None:
    job = bench.queued()
    step = Held()
    pool = bench.pool(step)
    pool.start()
    step.await_begun()
    getattr(bench.store, ask)(job)
    ticket = pool.interrupt(job, reason)
    assert ticket is not None
    assert ticket.ended.wait(20)
    assert standing(bench, job) == ends


@pytest.mark.parametrize(
    ("ask", "ends"),
    [
        ("cancel", (State.CANCELLED, False, "", None, 0)),
        ("pause", (State.QUEUED, True, "", RESUME, 0)),
    ],
)
def test_what_is_asked_between_claim_and_ticket_is_heard(
    bench: Bench, ask: str, ends: tuple[Any, ...]
) -> None:
    job = with_resume(bench)
    pool = bench.pool(done)

    def asked(claimed: Job) -> None:
        getattr(bench.store, ask)(claimed.id)
        assert pool.interrupt(claimed.id, Reason.CANCEL) is None

    after_claim(bench, asked)
    pool.start()
    until(lambda: standing(bench, job) == ends)


@pytest.mark.parametrize(("ask", "state"), [("cancel", State.CANCELLED), ("pause", State.DONE)])
def test_what_is_asked_between_the_steps_end_and_its_record(bench: Bench, ask: str, state: State) -> None:
    job = bench.queued()
    real = bench.store.move
    tickets: list[Ticket | None] = []

    def move(move: Move) -> Job:
        if not tickets:
            getattr(bench.store, ask)(job)
            tickets.append(pool.interrupt(job, Reason(ask)))
            assert tickets[0] is not None
            assert not tickets[0].ended.is_set()
        return real(move)

    bench.store.move = move  # type: ignore[method-assign]
    pool = bench.pool(done)
    pool.start()
    until(lambda: tickets and tickets[0] is not None and tickets[0].ended.is_set())
    assert bench.queue.job(job).state is state


def test_a_pause_that_is_taken_back_at_once_leaves_the_job_running(bench: Bench) -> None:
    job = bench.queued()
    step = Held()
    pool = bench.pool(step)
    pool.start()
    step.await_begun()
    bench.store.pause(job)
    bench.store.resume(job)
    pool.interrupt(job, Reason.PAUSE)
    step.await_begun()
    step.go.set()
    until(lambda: bench.queue.job(job).state is State.DONE)


@pytest.mark.parametrize(("ask", "state"), [("cancel", State.CANCELLED), ("pause", State.PLACED)])
def test_what_is_asked_while_nothing_interrupts(bench: Bench, ask: str, state: State) -> None:
    job = bench.queued()
    shielded, go = threading.Event(), threading.Event()

    def step(job: Job, ticket: Ticket) -> None:
        with ticket.shield():
            shielded.set()
            assert go.wait(20)
            ticket.check()
            bench.queue.place(job, candidate())

    pool = bench.pool(step)
    pool.start()
    assert shielded.wait(20)
    getattr(bench.store, ask)(job)
    ticket = pool.interrupt(job, Reason(ask))
    assert ticket is not None
    go.set()
    assert ticket.ended.wait(20)
    assert standing(bench, job)[:3] == (state, False, "")


def test_a_refused_step_is_put_back_where_nothing_is_asked_any_more(bench: Bench) -> None:
    job = bench.queued()
    refused: list[int] = []

    def step(job: Job, ticket: Ticket) -> Move:
        if not refused:
            refused.append(job.id)
            raise StaleError(f"job {job.id} is to be cancelled")
        return done(job, ticket)

    bench.pool(step).start()
    until(lambda: bench.queue.job(job).state is State.DONE)


def test_a_job_that_somebody_took_before_its_ticket_is_not_begun(bench: Bench) -> None:
    job, other = bench.queued(), bench.queued("Another")
    steps: list[int] = []

    def step(job: Job, ticket: Ticket) -> Move:
        steps.append(job.id)
        return done(job, ticket)

    after_claim(
        bench, lambda job: bench.store.move(Move(job.id, job.state, State.FAILED, "somebody was quicker"))
    )
    pool = bench.pool(step)
    pool.start()
    until(lambda: bench.queue.job(other).state is State.DONE)
    assert steps == [other]
    assert bench.queue.job(job).error == "somebody was quicker"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("error", [HeldError("away", scope="queue", seconds=0.01), StoreError("broken")])
def test_a_row_that_cannot_be_read_holds_the_queue(
    bench: Bench, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_as_held", lambda _: AWAY)
    job = with_resume(bench)
    seen: list[Resume | None] = []

    def step(job: Job, ticket: Ticket) -> Move:
        seen.append(ticket.resume)
        return done(job, ticket)

    real = bench.store.job
    stepping(bench, "job", error, error)
    bench.pool(step).start()
    until(lambda: (found := real(job)) is not None and found.state is State.DONE)
    assert seen == [RESUME], "it was put back with its resume point"


def test_a_step_that_fails_altogether_ends_its_ticket(bench: Bench) -> None:
    bench.queued()
    tickets: list[Ticket] = []

    def step(job: Job, ticket: Ticket) -> Move:
        tickets.append(ticket)
        raise ZeroDivisionError

    bench.pool(step, attempts=1).start()
    until(lambda: tickets and tickets[0].ended.is_set())
    assert bench.queue.states() == {"failed": 1}


def test_a_job_put_back_may_be_anothers_before_its_worker_lets_go(bench: Bench) -> None:
    job = bench.queued()
    step = Held()
    real = bench.store.move
    first: list[Ticket] = []

    def move(move: Move) -> Job:
        moved = real(move)
        if move.after is State.QUEUED:
            until(lambda: pool.tickets()[job] is not first[0])
        return moved

    bench.store.move = move  # type: ignore[method-assign]
    pool = bench.pool(step, size=2)
    pool.start()
    step.await_begun()
    first.append(pool.tickets()[job])
    pool.interrupt(job, Reason.PREEMPT)
    assert first[0].ended.wait(20)
    assert pool.tickets()[job] is not first[0]
    step.go.set()
    until(lambda: bench.queue.job(job).state is State.DONE)
    until(lambda: not pool.tickets())
    assert pool.alive()


def test_a_ticket_shows_how_urgent_its_job_is(bench: Bench) -> None:
    job = bench.queued()
    bench.store.prioritise({job: 5})
    after_claim(bench, lambda job: bench.store.prioritise({job.id: job.priority + 2}))
    step = Held()
    pool = bench.pool(step)
    pool.start()
    step.await_begun()
    assert pool.tickets()[job].priority == 7


# a paused pool


def test_a_paused_pool_puts_running_jobs_back_unmarked_and_claims_nothing(bench: Bench) -> None:
    jobs = [bench.queued(f"Tale {number}") for number in range(3)]
    step = Held()
    pool = bench.pool(step, size=2)
    pool.start()
    step.await_begun()
    step.await_begun()
    assert not pool.paused
    pool.pause()
    assert pool.paused
    until(lambda: bench.queue.states() == {"queued": 3} and not pool.tickets())
    assert [standing(bench, job) for job in jobs[:2]] == [(State.QUEUED, False, "", RESUME, 0)] * 2
    bench.queued("Tale 4")
    pool.go_on()
    assert len(step.taken) == 2
    step.go.set()
    pool.unpause()
    until(lambda: bench.queue.states() == {"done": 4})
    assert sorted(step.taken[2:]) == [*jobs, 4]


def test_a_pool_that_is_paused_before_it_starts_claims_nothing(bench: Bench) -> None:
    bench.queued()
    claims = stepping(bench, "claim")
    pool = bench.pool(done)
    pool.pause()
    pool.start()
    until(pool.heartbeats)
    assert (pool.alive(), claims) == (True, [])
    pool.unpause()
    until(lambda: bench.queue.states() == {"done": 1})


def test_a_pool_that_is_paused_between_claim_and_ticket_puts_the_job_back(bench: Bench) -> None:
    job = with_resume(bench)
    steps: list[int] = []

    def step(job: Job, ticket: Ticket) -> Move:
        steps.append(job.id)
        return done(job, ticket)

    pool = bench.pool(step)
    after_claim(bench, lambda _: pool.pause())
    pool.start()
    until(lambda: pool.paused and not pool.tickets() and bench.queue.states() == {"queued": 1})
    assert (standing(bench, job), steps) == ((State.QUEUED, False, "", RESUME, 0), [])
    pool.unpause()
    until(lambda: bench.queue.job(job).state is State.DONE)


def test_a_paused_pool_stops_and_shrinks_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 300.0)
    pool = bench.pool(done, size=3)
    pool.pause()
    pool.start()
    until(lambda: len(pool.heartbeats()) == 3)
    pool.resize(1)
    until(lambda: set(pool.heartbeats()) == {"download-0"})
    pool.stop()
    assert pool.join(time.monotonic() + 20)


def test_pauses_and_stops_that_meet_leave_no_job_claimed(bench: Bench) -> None:
    bench.queue.add(*(want(f"Tale {number}") for number in range(40)))

    def step(job: Job, ticket: Ticket) -> Move:
        ticket.wait(0.001)
        return done(job, ticket)

    pool = bench.pool(step, size=4, state=State.WANTED)
    pool.start()
    for _ in range(20):
        pool.pause()
        pool.unpause()
    until(lambda: bench.store.counts()[State.DONE] > 4)
    closing = threading.Thread(target=pool.stop)
    closing.start()
    pool.pause()
    closing.join()
    assert pool.join(time.monotonic() + 20)
    assert set(bench.queue.states()) <= {"wanted", "done"}


# a stop


def test_a_job_claimed_while_stopping_is_put_back(bench: Bench) -> None:
    job = bench.queued()
    real = bench.store.claim
    steps: list[int] = []

    def claim(state: State) -> Job | None:
        claimed = real(state)
        pool.stop()
        return claimed

    def step(job: Job, ticket: Ticket) -> Move:
        ticket.check()
        steps.append(job.id)
        return done(job, ticket)

    bench.store.claim = claim  # type: ignore[method-assign]
    pool = bench.pool(step)
    pool.start()
    assert pool.join(time.monotonic() + 20)
    assert bench.queue.job(job).state is State.QUEUED
    assert steps == []


def test_a_stop_is_not_missed_by_a_worker_that_just_found_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 300.0)
    real = bench.store.claim

    def claim(state: State) -> Job | None:
        pool.stop()
        return real(state)

    bench.store.claim = claim  # type: ignore[method-assign]
    pool = bench.pool(done)
    pool.start()
    assert pool.join(time.monotonic() + 20)


def test_an_idle_pool_stops_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 300.0)
    claims = stepping(bench, "claim")
    pool = bench.pool(done, size=3)
    pool.start()
    until(lambda: len(claims) >= 3)
    pool.stop()
    assert pool.join(time.monotonic() + 20)


def test_a_worker_that_does_not_end_is_told(bench: Bench) -> None:
    bench.queued()
    begun, go = threading.Event(), threading.Event()

    def step(job: Job, ticket: Ticket) -> Move:
        begun.set()
        go.wait(60)
        return done(job, ticket)

    pool = bench.pool(step)
    pool.start()
    assert begun.wait(20)
    pool.stop()
    assert not pool.join(time.monotonic())
    go.set()
    assert pool.join(time.monotonic() + 20)


# a store that is away

AWAY = HeldError("the queue cannot be written", scope="queue", seconds=0.01)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_STORE_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("error", [AWAY, StoreError("the queue's database fails")])
def test_a_move_is_written_once_the_store_is_back(
    bench: Bench, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    job = bench.queued()
    calls = stepping(bench, "move", *[error] * 4)
    bench.pool(done).start()
    until(lambda: bench.queue.job(job).state is State.DONE)
    assert len(calls) == 5
    assert caplog.text.count(str(error)) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("error", [AWAY, StoreError("the queue's database fails")])
def test_claims_go_on_once_the_store_is_back(bench: Bench, error: Exception, monkeypatch: Any) -> None:
    monkeypatch.setattr(worker, "_as_held", lambda _: AWAY)
    job = bench.queued()
    stepping(bench, "claim", *[error] * 4)
    pool = bench.pool(done)
    pool.start()
    until(lambda: bench.queue.job(job).state is State.DONE)
    assert pool.alive()


def test_a_shutdown_leaves_what_cannot_be_written_to_the_next_start(bench: Bench) -> None:
    job = bench.queued()
    calls = stepping(bench, "move", *[AWAY] * 10**4)
    pool = bench.pool(done)
    pool.start()
    until(lambda: calls)
    pool.stop()
    assert pool.join(time.monotonic() + 20)
    assert bench.queue.job(job).state is State.DOWNLOADING
    assert bench.store.recover() == 1
    assert bench.queue.job(job).state is State.QUEUED


# the pool's size, and what is seen of it


def test_many_workers_take_each_job_once(bench: Bench) -> None:
    bench.queue.add(*(want(f"Tale {number}") for number in range(60)))
    taken: list[int] = []

    def step(job: Job, ticket: Ticket) -> Move:
        taken.append(job.id)
        return done(job, ticket)

    bench.pool(step, size=8, state=State.WANTED).start()
    until(lambda: bench.queue.states() == {"done": 60})
    assert len(set(taken)) == len(taken) == 60


def test_a_lowered_number_lets_nothing_begin_until_few_enough_run(bench: Bench) -> None:
    jobs = bench.queue.add(*(want(f"Tale {number}") for number in range(5)))
    go = {job: threading.Event() for job in jobs}
    begun: list[int] = []

    def step(job: Job, ticket: Ticket) -> Move:
        begun.append(job.id)
        while not go[job.id].wait(0.005):
            ticket.check()
        return done(job, ticket)

    pool = bench.pool(step, size=3, state=State.WANTED)
    pool.start()
    until(lambda: len(begun) == 3)
    pool.resize(1)
    for left, job in ((2, begun[0]), (1, begun[1])):
        go[job].set()
        until(lambda left=left: len(pool.tickets()) == left)  # type: ignore[misc]
    pool.resize(1)  # whoever could claim was woken
    assert len(begun) == 3
    go[begun[2]].set()
    until(lambda: len(begun) == 4)
    for event in go.values():
        event.set()
    until(lambda: len(begun) == 5)


def test_the_pool_is_resized_while_it_runs(bench: Bench) -> None:
    bench.queue.add(*(want(f"Tale {number}") for number in range(9)))
    go = threading.Semaphore(0)

    def step(job: Job, ticket: Ticket) -> Move:
        while not go.acquire(timeout=0.005):
            ticket.check()
        return done(job, ticket)

    pool = bench.pool(step, size=2, state=State.WANTED)
    assert not pool.alive()
    pool.start()
    until(lambda: len(pool.tickets()) == 2)
    pool.resize(4)
    until(lambda: len(pool.tickets()) == 4)
    assert (pool.size, pool.alive(), len(pool.heartbeats())) == (4, True, 4)
    pool.resize(1)
    assert len(pool.tickets()) == 4, "running jobs finish"
    go.release(4)
    until(lambda: bench.store.counts()[State.DONE] == 4 and len(pool.tickets()) == 1)
    until(lambda: set(pool.heartbeats()) == {"search-0"})
    assert (pool.size, pool.alive()) == (1, True)
    pool.resize(3)
    until(lambda: len(pool.tickets()) == 3)
    go.release(5)
    until(lambda: bench.queue.states() == {"done": 9})


def test_a_worker_that_is_wanted_back_while_it_works_stays(bench: Bench) -> None:
    bench.queue.add(want("One"), want("Two"))
    go = threading.Semaphore(0)

    def step(job: Job, ticket: Ticket) -> Move:
        go.acquire(timeout=20)
        return done(job, ticket)

    pool = bench.pool(step, size=2, state=State.WANTED)
    pool.start()
    until(lambda: len(pool.tickets()) == 2)
    pool.resize(1)
    pool.resize(2)
    go.release(2)
    until(lambda: bench.queue.states() == {"done": 2})
    assert pool.alive()
    bench.queue.add(want("Three"), want("Four"))
    until(lambda: len(pool.tickets()) == 2)
    go.release(2)


def test_what_a_worker_does_is_seen(bench: Bench) -> None:
    job = bench.queued()
    go = threading.Event()

    def step(job: Job, ticket: Ticket) -> Move:
        go.wait(20)
        return done(job, ticket)

    pool = bench.pool(step)
    assert (pool.stage, pool.tickets(), pool.heartbeats()) == ("download", {}, {})
    pool.start()
    until(pool.tickets)
    ticket = pool.tickets()[job]
    assert ticket.job == job
    ticket.heartbeat += 1000
    assert pool.heartbeats() == {"download-0": ticket.heartbeat}
    go.set()
    until(lambda: not pool.tickets())


def test_urgent_jobs_come_first(bench: Bench) -> None:
    ordered: list[int] = []
    first, second = bench.queue.add(want("One"), want("Two"))
    bench.store.writer.call(
        "test", lambda t: t.execute("UPDATE jobs SET priority = -1 WHERE id = ?", (second,))
    )

    def step(job: Job, ticket: Ticket) -> Move:
        ordered.append(job.id)
        return done(job, ticket)

    bench.pool(step, state=State.WANTED).start()
    until(lambda: bench.queue.states() == {"done": 2})
    assert ordered == [second, first]
