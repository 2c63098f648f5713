"""The queue in people's hands: what is asked of single jobs, of all of them, and who makes room for whom."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bookhopper import control as module
from bookhopper.control import Control
from bookhopper.errors import HeldError
from bookhopper.model import Change, Job, Pick, Resume, State
from bookhopper.observe.events import Events
from bookhopper.store.base import Move, UnfitError, UnknownJobError
from bookhopper.store.queries import JobFilter
from bookhopper.store.sqlite import SqliteStore
from bookhopper.ticket import Reason, Ticket
from bookhopper.worker import Pool
from tests.queues import FILE, Queue, candidate, want
from tests.waiting import until

RESUME = Resume("http://127.0.0.1/1", '"tag"', 100, 0)


class Works:
    """What searchers and fetchers do: each job's work lasts until it is let go, or is interrupted."""

    def __init__(self) -> None:
        self.released: set[int] = set()
        self.everything = False
        self.shielded: set[int] = set()
        self.begun_at: dict[int, list[Resume | None]] = {}

    def search(self, job: Job, ticket: Ticket) -> Move:
        self._wait(job, ticket)
        return Move(job.id, job.state, State.QUEUED, candidates=(candidate(str(job.id)),))

    def fetch(self, job: Job, ticket: Ticket) -> Move:
        self.begun_at.setdefault(job.id, []).append(ticket.resume)
        ticket.resume = RESUME
        if job.id in self.shielded:
            with ticket.shield():
                self._wait(job, ticket)
        self._wait(job, ticket)
        return Move(job.id, job.state, State.DONE)

    def _wait(self, job: Job, ticket: Ticket) -> None:
        while not (self.everything or job.id in self.released):
            ticket.wait(0.002)
        ticket.check()

    def go(self, *jobs: int) -> None:
        """Let these jobs end when they run; without any, all."""
        self.released.update(jobs)
        self.everything = self.everything or not jobs


class Bench(Queue):
    """A real queue with both pools and the control over them, its changes told as in the daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changes = []
        self.works = Works()
        self.pools: list[Pool] = []
        self.reopen()

    def reopen(self) -> None:
        self.events = Events()
        self.store = SqliteStore(self.folder / FILE, self.events.publish)

    def open(self, *, workers: int = 1, preempt: bool = False, searchers: int = 0) -> None:
        self.searchers = Pool(self.store, State.WANTED, self.works.search, size=searchers, attempts=3)
        self.fetchers = Pool(self.store, State.QUEUED, self.works.fetch, size=workers, attempts=3)
        self.pools = [self.searchers, self.fetchers]
        self.control = Control(self.store, self.searchers, self.fetchers, preempt=preempt)
        self.events.start(self.changes.append, self.control.changed)
        for pool in self.pools:
            pool.start()

    def close(self) -> None:
        for pool in self.pools:
            pool.stop()
        for pool in self.pools:
            assert pool.join(time.monotonic() + 20)
        self.events.stop()
        self.store.close()

    def coming(self, priority: int = 1) -> int:
        """Let a new job of a priority become QUEUED."""
        return self.queued(replace(want(f"Tale {random.getrandbits(64)}"), priority=priority))

    def in_state(self, state: State) -> set[int]:
        return {job.id for job in self.store.jobs(JobFilter(frozenset((state,))), limit=500)}

    def await_running(self, *jobs: int) -> None:
        """Wait until exactly these download."""
        until(
            lambda: (
                set(self.fetchers.tickets()) == self.in_state(State.DOWNLOADING) == set(jobs)
                and set(jobs) <= self.works.begun_at.keys()
            ),
            lambda: f"downloads of {jobs}, not {self.in_state(State.DOWNLOADING)}",
        )

    def listened(self) -> None:
        """Wait until every change so far has been listened to."""
        self.settle()
        last = Change(Job(0, 0, want(), State.WANTED), State.WANTED, State.WANTED, 0.0)
        self.events.publish(last)
        until(lambda: any(change is last for change in self.changes))

    def standing(self, job: int) -> tuple[State, bool, str, Resume | None, int]:
        found = self.job(job)
        return found.state, found.paused, found.asked, found.resume, found.attempts


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


# one job


def test_a_waiting_job_is_cancelled_paused_and_resumed_at_once(bench: Bench) -> None:
    bench.open(workers=0)
    job = bench.coming()
    assert bench.control.pause(job).paused
    assert not bench.control.resume(job).paused
    assert bench.control.cancel(job).state is State.CANCELLED
    assert bench.control.retry(job).state is State.WANTED


def test_a_running_download_is_cancelled(bench: Bench) -> None:
    bench.open()
    job = bench.coming()
    bench.await_running(job)
    assert bench.control.cancel(job).state is State.CANCELLED
    assert bench.standing(job) == (State.CANCELLED, False, "", None, 0)
    bench.await_running()


def test_a_running_download_is_paused_and_goes_on_where_it_was(bench: Bench) -> None:
    bench.open()
    job = bench.coming()
    bench.await_running(job)
    paused = bench.control.pause(job)
    assert (paused.state, paused.paused, paused.asked) == (State.QUEUED, True, "")
    other = bench.coming()
    bench.await_running(other)
    bench.works.go(other)
    until(lambda: bench.job(other).state is State.DONE)
    assert bench.standing(job) == (State.QUEUED, True, "", RESUME, 0)
    assert not bench.control.resume(job).paused
    bench.await_running(job)
    assert bench.works.begun_at[job] == [None, RESUME]


def test_a_search_is_paused_and_cancelled(bench: Bench) -> None:
    bench.open(searchers=1, workers=0)
    (job,) = bench.add(want())
    until(lambda: job in bench.searchers.tickets())
    paused = bench.control.pause(job)
    assert (paused.state, paused.paused) == (State.WANTED, True)
    bench.control.resume(job)
    until(lambda: job in bench.searchers.tickets() and bench.job(job).state is State.SEARCHING)
    assert bench.control.cancel(job).state is State.CANCELLED


def test_what_cannot_be_asked(bench: Bench) -> None:
    bench.open(workers=0)
    calls: list[Callable[[int], object]] = [
        bench.control.cancel,
        bench.control.pause,
        bench.control.resume,
        bench.control.retry,
        lambda job: bench.control.pick(job, Pick("shelf", "1")),
        lambda job: bench.control.move_before(job, None),
    ]
    done = bench.downloading(want())
    bench.store.move(Move(done.id, done.state, State.DONE))
    for call in calls:
        with pytest.raises(UnknownJobError):
            call(999)
        with pytest.raises(UnfitError):
            call(done.id)
    assert bench.control.prioritise({999: 1, done.id: 1}) == 0


def test_a_worker_that_takes_long_is_not_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)
    job = bench.coming()
    bench.works.shielded.add(job)
    bench.open()
    bench.await_running(job)
    asked = bench.control.cancel(job)
    assert (asked.state, asked.asked) == (State.DOWNLOADING, "cancel")
    bench.works.go(job)
    until(lambda: bench.job(job).state is State.CANCELLED)


def test_a_job_that_was_cancelled_is_tried_again_at_once(bench: Bench) -> None:
    job = bench.coming()
    bench.open(searchers=1)
    for _ in range(5):
        until(lambda: any(job in pool.tickets() for pool in bench.pools))
        assert bench.control.cancel(job).state is State.CANCELLED
        assert bench.control.retry(job).state is State.WANTED
    bench.works.go()
    until(lambda: bench.job(job).state is State.DONE)


def test_a_job_whose_searcher_has_not_let_go_yet_is_cancelled_at_its_fetcher(bench: Bench) -> None:
    bench.open(workers=0, searchers=1)
    real = bench.store.move
    let_go = threading.Event()

    def move(move: Move) -> Job:
        moved = real(move)
        if move.before is State.SEARCHING:
            assert let_go.wait(20)
        return moved

    bench.store.move = move  # type: ignore[method-assign]
    (job,) = bench.add(want())
    bench.works.go(job)
    until(lambda: bench.job(job).state is State.QUEUED)
    bench.works.released.clear()
    bench.control.resize(1)
    bench.await_running(job)
    cancelling = threading.Thread(target=bench.control.cancel, args=(job,))
    cancelling.start()
    until(lambda: bench.job(job).state is State.CANCELLED)
    let_go.set()
    cancelling.join()


def test_a_cancellation_that_meets_a_shutdown(bench: Bench) -> None:
    bench.open(workers=3)
    jobs = [bench.coming() for _ in range(3)]
    bench.await_running(*jobs)
    cancelling = [threading.Thread(target=bench.control.cancel, args=(job,)) for job in jobs]
    for number, thread in enumerate(cancelling):
        thread.start()
        if number == 1:
            bench.fetchers.stop()
    for thread in cancelling:
        thread.join()
    assert bench.fetchers.join(time.monotonic() + 20)
    assert bench.store.recover() == 0, "none is left claimed"
    assert bench.in_state(State.DOWNLOADING) == set()
    assert jobs[0] in bench.in_state(State.CANCELLED)


def test_whatever_is_asked_in_whatever_order_no_job_hangs(bench: Bench) -> None:
    bench.open(workers=3, searchers=2, preempt=True)
    jobs = [bench.add(want(f"Tale {number}"))[0] for number in range(12)]
    control, dice = bench.control, random.Random(7)

    def ask(calls: list[tuple[Callable[..., object], tuple[object, ...]]]) -> None:
        for call, arguments in calls:
            with suppress(UnfitError):
                call(*arguments)

    def draw() -> tuple[Callable[..., object], tuple[object, ...]]:
        job = dice.choice(jobs)
        of_one = dice.choice([control.cancel, control.pause, control.resume, control.retry, control.resume])
        calls: list[tuple[Callable[..., object], tuple[object, ...]]] = [
            *[(of_one, (job,))] * 3,
            (control.prioritise, ({job: dice.randrange(4)},)),
            (bench.works.go, (job,)),
            (control.pause_queue, ()),
            (control.resume_queue, ()),
            (control.resize, (dice.randrange(1, 5),)),
        ]
        return dice.choice(calls)

    askers = [threading.Thread(target=ask, args=([draw() for _ in range(60)],)) for _ in range(6)]
    for thread in askers:
        thread.start()
    for thread in askers:
        thread.join()
    bench.works.go()
    control.resume_queue()
    for job in jobs:
        with suppress(UnfitError):
            control.resume(job)
    until(lambda: set(bench.states()) <= {"done", "cancelled"}, lambda: str(bench.states()))
    until(lambda: not bench.fetchers.tickets() and not bench.searchers.tickets())
    assert all(bench.job(job).asked == "" for job in jobs)
    assert (bench.fetchers.alive(), bench.searchers.alive()) == (True, True)


# the order


def test_priorities_are_those_of_running_jobs_as_well(bench: Bench) -> None:
    bench.open()
    running, waiting = bench.coming(), bench.coming()
    bench.await_running(running)
    assert bench.control.prioritise({running: 4, waiting: 2}) == 2
    assert bench.fetchers.tickets()[running].priority == 4
    assert [bench.job(job).priority for job in (running, waiting)] == [4, 2]


def test_a_more_urgent_job_takes_the_next_free_worker(bench: Bench) -> None:
    bench.open()
    first, second, urgent = bench.coming(), bench.coming(), bench.coming(0)
    bench.await_running(first)
    bench.works.go(first)
    bench.await_running(urgent)
    last = bench.coming()
    bench.control.move_before(last, second)
    bench.works.go(urgent)
    bench.await_running(last)


# the whole queue


def test_a_paused_queue_stays_so_across_a_restart_while_searching_goes_on(bench: Bench) -> None:
    jobs = [bench.coming(), bench.coming()]
    bench.open(workers=2, searchers=1)
    bench.await_running(*jobs)
    assert not bench.control.paused
    bench.control.pause_queue()
    bench.control.pause_queue()
    assert bench.control.paused
    bench.await_running()
    assert [bench.standing(job) for job in jobs] == [(State.QUEUED, False, "", RESUME, 0)] * 2
    bench.works.go()
    (more,) = bench.add(want("More"))
    until(lambda: bench.job(more).state is State.QUEUED)
    bench.close()

    bench.reopen()
    bench.open(workers=2, searchers=1)
    assert bench.control.paused
    until(bench.fetchers.heartbeats)
    assert bench.in_state(State.QUEUED) == {*jobs, more}
    bench.control.resume_queue()
    until(lambda: bench.states() == {"done": 3})
    assert bench.works.begun_at[jobs[0]] == [None, RESUME]
    assert not bench.control.paused


def test_a_pause_that_cannot_be_written_down_is_none(bench: Bench) -> None:
    bench.open()
    job = bench.coming()
    bench.await_running(job)

    def away(key: str, value: str) -> None:
        raise HeldError("the queue cannot be written")

    bench.store.set_setting = away  # type: ignore[method-assign]
    with pytest.raises(HeldError):
        bench.control.pause_queue()
    assert not bench.control.paused
    bench.await_running(job)


def test_the_number_of_workers(bench: Bench) -> None:
    bench.open()
    jobs = [bench.coming() for _ in range(3)]
    bench.control.resize(2)
    bench.await_running(*jobs[:2])
    for unfit in (0, 33, -1):
        with pytest.raises(UnfitError, match=f"workers: {unfit} is not from 1 to 32"):
            bench.control.resize(unfit)
    bench.control.resize(1)
    bench.await_running(*jobs[:2])
    assert bench.fetchers.size == 1


def test_what_is_cleared_stays_so(bench: Bench) -> None:
    bench.open()
    assert bench.control.cleared == 0
    before = time.time()
    bench.control.clear()
    cleared = bench.control.cleared
    assert before <= cleared <= time.time()
    bench.close()
    bench.reopen()
    bench.open()
    assert bench.control.cleared == cleared


# making room


@pytest.fixture
def rooms(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """Count how often a download had to make room."""
    caplog.set_level("INFO")
    return lambda: caplog.text.count("makes room for")


Rooms = Callable[[], int]


def test_a_download_makes_room_and_goes_on_where_it_was(bench: Bench, rooms: Rooms) -> None:
    bench.open(preempt=True)
    slow = bench.coming()
    bench.await_running(slow)
    urgent = bench.coming(0)
    bench.await_running(urgent)
    assert bench.standing(slow) == (State.QUEUED, False, "", RESUME, 0)
    bench.works.go(urgent)
    bench.await_running(slow)
    assert bench.works.begun_at[slow] == [None, RESUME]
    bench.works.go(slow)
    until(lambda: bench.states() == {"done": 2})
    assert rooms() == 1


def test_nothing_makes_room_unless_told_to(bench: Bench, rooms: Rooms) -> None:
    bench.open(preempt=False)
    slow = bench.coming()
    bench.await_running(slow)
    bench.coming(0)
    bench.listened()
    bench.control.make_room()
    bench.await_running(slow)
    assert rooms() == 0


def test_the_least_urgent_make_room_as_many_as_needed(bench: Bench, rooms: Rooms) -> None:
    bench.open(workers=3, preempt=True)
    running = [bench.coming(priority) for priority in (1, 5, 3)]
    bench.await_running(*running)
    urgent = [bench.coming(0), bench.coming(0)]
    bench.await_running(running[0], *urgent)
    bench.listened()
    assert rooms() == 2
    third = bench.coming(2)
    bench.listened()
    bench.await_running(running[0], *urgent)
    bench.works.go(*urgent)
    bench.await_running(running[0], third, running[2])
    bench.works.go()
    until(lambda: bench.states() == {"done": 6})
    assert rooms() == 2


def test_many_at_once_interrupt_no_more_than_there_are(bench: Bench, rooms: Rooms) -> None:
    bench.open(workers=4, preempt=True)
    running = [bench.coming() for _ in range(4)]
    bench.await_running(*running)
    urgent = [bench.coming(2) for _ in range(10)]
    bench.control.prioritise(dict.fromkeys(urgent, 0))
    until(lambda: len(bench.fetchers.tickets().keys() & set(urgent)) == 4)
    bench.works.go(*urgent)
    bench.await_running(*running)
    assert rooms() == 4
    assert all(bench.job(job).attempts == 0 for job in running)


def test_equals_do_not_push_each_other_out(bench: Bench, rooms: Rooms) -> None:
    bench.open(workers=2, preempt=True)
    running = [bench.coming(0), bench.coming(0)]
    bench.await_running(*running)
    for _ in range(5):
        bench.coming(0)
    bench.listened()
    bench.await_running(*running)
    assert rooms() == 0


def test_a_free_worker_needs_no_room(bench: Bench, rooms: Rooms) -> None:
    bench.open(workers=3, preempt=True)
    running = [bench.coming(5), bench.coming(5)]
    bench.await_running(*running)
    urgent = bench.coming(0)
    bench.await_running(*running, urgent)
    bench.listened()
    assert rooms() == 0


def test_a_book_on_its_way_into_ingest_makes_no_room(bench: Bench, rooms: Rooms) -> None:
    bench.open(workers=2, preempt=True)
    delivering = bench.coming(9)
    bench.works.shielded.add(delivering)
    bench.await_running(delivering)
    until(lambda: bench.fetchers.tickets()[delivering].shielded)
    slow = bench.coming(5)
    bench.await_running(delivering, slow)
    urgent = bench.coming(0)
    bench.await_running(delivering, urgent)
    assert rooms() == 1
    bench.works.go()


def test_a_job_that_becomes_urgent_or_is_resumed_gets_room(bench: Bench, rooms: Rooms) -> None:
    bench.open(preempt=True)
    slow, waiting, paused = bench.coming(3), bench.coming(4), bench.coming(5)
    bench.await_running(slow)
    bench.control.pause(paused)
    bench.control.prioritise({waiting: 2, paused: 1})
    bench.await_running(waiting)
    bench.listened()
    assert rooms() == 1, "a paused job needs no room"
    bench.control.resume(paused)
    bench.await_running(paused)
    assert rooms() == 2


def test_a_download_that_becomes_less_urgent_makes_room(bench: Bench) -> None:
    bench.open(preempt=True)
    running, waiting = bench.coming(1), bench.coming(2)
    bench.await_running(running)
    bench.control.prioritise({running: 3})
    bench.await_running(waiting)


def test_a_job_claimed_just_before_a_more_urgent_one_came_makes_room(bench: Bench) -> None:
    slow = bench.coming(1)
    real = bench.store.claim
    urgent: list[int] = []

    def claim(state: State) -> Job | None:
        claimed = real(state)
        if claimed is not None and not urgent:
            urgent.append(0)
            bench.store.claim = real  # type: ignore[method-assign]
            urgent[0] = bench.coming(0)
            bench.listened()
        return claimed

    bench.open(workers=0, preempt=True)
    bench.store.claim = claim  # type: ignore[method-assign]
    bench.control.resize(1)
    until(lambda: urgent and urgent[0] in bench.fetchers.tickets())
    assert bench.standing(slow) == (State.QUEUED, False, "", None, 0)


def test_a_job_whose_pause_is_over_gets_room_at_the_next_look(bench: Bench, rooms: Rooms) -> None:
    urgent = bench.coming(0)
    assert bench.store.claim(State.QUEUED) is not None
    later = time.time() + 1000
    bench.store.move(Move(urgent, State.DOWNLOADING, State.QUEUED, not_before=later))
    slow = bench.coming()
    bench.open(preempt=True)
    bench.await_running(slow)
    bench.control.make_room()
    assert rooms() == 0
    bench.store.release(State.QUEUED)
    bench.control.make_room()
    bench.await_running(urgent)
    assert rooms() == 1


def test_what_was_put_back_with_a_fault_pushes_nothing_aside_again(bench: Bench, rooms: Rooms) -> None:
    urgent = bench.coming(0)
    assert bench.store.claim(State.QUEUED) is not None
    later = time.time() + 1000
    bench.store.move(Move(urgent, State.DOWNLOADING, State.QUEUED, "its host is down", not_before=later))
    slow = bench.coming()
    bench.open(preempt=True)
    bench.await_running(slow)
    bench.store.release(State.QUEUED)
    bench.control.make_room()
    assert (rooms(), bench.fetchers.tickets()[slow].reason) == (0, None)
    fresh = bench.coming(0)  # one behind it that has no fault gets room all the same
    bench.listened()
    bench.await_running(urgent)
    assert rooms() == 1
    assert bench.store.job(fresh) is not None


def test_no_room_is_made_in_a_queue_that_is_paused_or_held(bench: Bench, rooms: Rooms) -> None:
    bench.open(preempt=True)
    slow = bench.coming()
    bench.works.shielded.add(slow)
    bench.await_running(slow)
    bench.fetchers._gate.hold(HeldError("the disk is full", scope="queue", seconds=60))
    bench.works.shielded.clear()
    bench.coming(0)
    bench.listened()
    assert bench.fetchers.tickets()[slow].reason is None
    bench.control.pause_queue()
    bench.coming(0)
    bench.listened()
    assert bench.fetchers.tickets()[slow].reason is Reason.PAUSE
    assert rooms() == 0
    bench.works.go()


def test_a_store_that_cannot_be_read_makes_no_room(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.open(preempt=True)
    slow = bench.coming()
    bench.await_running(slow)

    def away(state: State, limit: int) -> list[Job]:
        raise HeldError("the queue cannot be read")

    bench.store.next_of = away  # type: ignore[method-assign]
    bench.coming(0)
    bench.listened()
    assert "a listener failed" not in caplog.text
    bench.await_running(slow)
