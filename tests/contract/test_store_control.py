"""What every Store keeps to when people ask something of its jobs, and how it lists a long queue."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bookhopper.model import Job, Pick, Resume, State, Want
from bookhopper.search.normalise import identity
from bookhopper.store.base import Move, NewRequest, StaleError, Store, UnfitError, UnknownJobError, Wish
from bookhopper.store.queries import JobFilter, LineNote, Totals
from tests.contract.stores import CANDIDATE, Bench, delivery, want

BEYOND = 2**70
RESUME = Resume("http://127.0.0.1/1", '"tag"', 100, 40)
WAITING = (State.WANTED, State.QUEUED)
RUNNING = (State.SEARCHING, State.DOWNLOADING)
ASIDE = (State.MISSING, State.AMBIGUOUS, State.FAILED)
SETTLED = (State.PLACED, State.DONE, State.OWNED, State.DUPLICATE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


def brought(bench: Bench, state: State, title: str = "Emma") -> int:
    """Bring a new job to a state, on a way that jobs go."""
    (job,) = bench.drop(want(title))
    store = bench.store
    if state is State.WANTED:
        return job
    if state is State.CANCELLED:
        return store.cancel(job).id
    store.claim(State.WANTED)
    if state in {State.MISSING, State.AMBIGUOUS, State.FAILED, State.OWNED}:
        store.move(
            Move(job, State.SEARCHING, state, "why", attempts=2, looks=3, not_before=9e9)
            if state in ASIDE
            else Move(job, State.SEARCHING, state)
        )
    elif state is State.EXPANDED:
        store.expand(job, [], "no books")
    elif state is not State.SEARCHING:
        store.move(Move(job, State.SEARCHING, State.QUEUED, candidates=(CANDIDATE,), resume=RESUME))
        if state is not State.QUEUED:
            store.claim(State.QUEUED)
        if state is State.DUPLICATE:
            store.move(Move(job, State.DOWNLOADING, State.DUPLICATE))
        elif state in {State.PLACED, State.DONE}:
            store.place(delivery(job))
            if state is State.DONE:
                store.complete(job)
    assert bench.job(job).state is state
    return job


def full(bench: Bench) -> dict[State, int]:
    """Bring a job to every state; the waiting ones come last, since claims on the way would take them."""
    states = [*(state for state in State if state not in WAITING), State.QUEUED, State.WANTED]
    return {state: brought(bench, state, f"Book {state}") for state in states}


def held(bench: Bench, title: str = "Emma") -> int:
    """Bring a new job to QUEUED, where it waits for a moment."""
    job = brought(bench, State.DOWNLOADING, title)
    bench.store.move(Move(job, State.DOWNLOADING, State.QUEUED, "busy", not_before=9e9))
    return job


def told(bench: Bench, act: Callable[[], object]) -> list[tuple[int, State | None, State, str]]:
    """Give the changes that something makes, as they are told."""
    bench.settle()
    bench.changes.clear()
    act()
    bench.settle()
    return [(change.job.id, change.before, change.after, change.reason) for change in bench.changes]


def order(store: Store) -> list[int]:
    return [job.id for job in store.queue(limit=100)]


# cancel


@pytest.mark.parametrize("state", [*WAITING, *ASIDE])
def test_what_waits_or_lies_aside_is_cancelled_at_once(bench: Bench, state: State) -> None:
    job = brought(bench, state)
    changes = told(bench, lambda: bench.store.cancel(job))
    assert changes == [(job, state, State.CANCELLED, "cancelled")]
    found = bench.job(job)
    assert (found.state, found.paused, found.not_before, found.resume) == (State.CANCELLED, False, None, None)
    assert bench.store.counts()[State.CANCELLED] == 1
    assert bench.store.counts()[state] == 0
    assert bench.store.claim(State.WANTED) is None
    assert bench.store.wake_due(9e12) == 0


def test_a_paused_job_that_is_cancelled_is_not_paused(bench: Bench) -> None:
    job = brought(bench, State.QUEUED)
    bench.store.pause(job)
    assert not bench.store.cancel(job).paused
    assert bench.store.count(JobFilter(paused=True)) == 0


@pytest.mark.parametrize("state", RUNNING)
def test_a_running_job_is_asked_to_be_cancelled(bench: Bench, state: State) -> None:
    job = brought(bench, state)
    changes = told(bench, lambda: bench.store.cancel(job))
    assert changes == [(job, state, state, "to be cancelled")]
    assert (bench.job(job).state, bench.job(job).asked) == (state, "cancel")
    assert told(bench, lambda: bench.store.cancel(job)) == []


def test_being_cancelled_overrides_being_paused(bench: Bench) -> None:
    job = brought(bench, State.DOWNLOADING)
    bench.store.pause(job)
    assert bench.store.cancel(job).asked == "cancel"
    with pytest.raises(UnfitError, match=f"job {job} is being cancelled: it cannot be paused"):
        bench.store.pause(job)
    assert bench.store.resume(job).asked == "cancel"


@pytest.mark.parametrize("after", [State.QUEUED, State.FAILED, State.DUPLICATE, State.CANCELLED])
def test_a_step_of_a_job_to_be_cancelled_cancels_it(bench: Bench, after: State) -> None:
    job = brought(bench, State.DOWNLOADING)
    bench.store.cancel(job)
    step = Move(job, State.DOWNLOADING, after, "other", attempts=1, not_before=9e9, resume=RESUME)
    moved = bench.store.move(step)
    assert moved == bench.job(job)
    assert (moved.state, moved.asked, moved.error) == (State.CANCELLED, "", "cancelled")
    assert (moved.not_before, moved.resume) == (None, None)
    bench.settle()
    assert (bench.changes[-1].after, bench.changes[-1].reason) == (State.CANCELLED, "cancelled")
    assert bench.store.counts()[State.CANCELLED] == 1


def test_a_search_that_found_something_is_cancelled_too(bench: Bench) -> None:
    job = brought(bench, State.SEARCHING)
    bench.store.cancel(job)
    moved = bench.store.move(Move(job, State.SEARCHING, State.QUEUED, candidates=(CANDIDATE,)))
    assert moved.state is State.CANCELLED


def test_a_note_on_the_way_keeps_what_was_asked(bench: Bench) -> None:
    job = brought(bench, State.DOWNLOADING)
    bench.store.cancel(job)
    noted = bench.store.move(Move(job, State.DOWNLOADING, State.DOWNLOADING, resume=RESUME))
    assert (noted.state, noted.asked, noted.resume) == (State.DOWNLOADING, "cancel", RESUME)


def test_a_book_of_a_job_to_be_cancelled_is_not_placed(bench: Bench) -> None:
    job = brought(bench, State.DOWNLOADING)
    bench.store.cancel(job)
    with pytest.raises(StaleError, match="is being cancelled"):
        bench.store.place(delivery(job))
    assert bench.store.delivery(job) is None
    assert bench.job(job).state is State.DOWNLOADING


# pause and resume


@pytest.mark.parametrize("state", WAITING)
def test_a_paused_job_is_claimed_once_it_is_resumed(bench: Bench, state: State) -> None:
    job = brought(bench, state)
    assert told(bench, lambda: bench.store.pause(job)) == [(job, state, state, "paused")]
    assert bench.job(job).paused
    assert told(bench, lambda: bench.store.pause(job)) == []
    assert bench.store.claim(state) is None
    assert told(bench, lambda: bench.store.resume(job)) == [(job, state, state, "resumed")]
    assert bench.store.wait(state, 20.0)
    claimed = bench.store.claim(state)
    assert claimed is not None
    assert claimed.id == job


def test_a_resumed_job_still_waits_for_its_moment(bench: Bench) -> None:
    job = held(bench)
    bench.store.pause(job)
    bench.store.resume(job)
    assert bench.store.claim(State.QUEUED) is None
    assert bench.store.release(State.QUEUED) == 1
    assert bench.store.claim(State.QUEUED) is not None


def test_a_paused_job_whose_moment_comes_stays_paused(bench: Bench) -> None:
    job = held(bench)
    bench.store.pause(job)
    bench.store.release(State.QUEUED)
    assert bench.store.claim(State.QUEUED) is None
    bench.store.resume(job)
    assert bench.store.claim(State.QUEUED) is not None


@pytest.mark.parametrize(
    ("state", "back"), [(State.SEARCHING, State.WANTED), (State.DOWNLOADING, State.QUEUED)]
)
def test_a_running_job_that_is_to_be_paused_waits_paused(bench: Bench, state: State, back: State) -> None:
    job = brought(bench, state)
    assert told(bench, lambda: bench.store.pause(job)) == [(job, state, state, "to be paused")]
    assert bench.job(job).asked == "pause"
    moved = bench.store.move(Move(job, state, back, resume=RESUME))
    assert (moved.state, moved.paused, moved.asked, moved.resume) == (back, True, "", RESUME)
    assert moved == bench.job(job)
    assert bench.store.claim(back) is None


def test_what_has_been_found_meanwhile_waits_paused(bench: Bench) -> None:
    job = brought(bench, State.SEARCHING)
    bench.store.pause(job)
    moved = bench.store.move(Move(job, State.SEARCHING, State.QUEUED, candidates=(CANDIDATE,)))
    assert (moved.state, moved.paused) == (State.QUEUED, True)


def test_a_job_that_fails_meanwhile_is_not_paused(bench: Bench) -> None:
    job = brought(bench, State.DOWNLOADING)
    bench.store.pause(job)
    moved = bench.store.move(Move(job, State.DOWNLOADING, State.FAILED, "broken"))
    assert (moved.state, moved.paused, moved.asked, moved.error) == (State.FAILED, False, "", "broken")


def test_a_pause_that_was_asked_can_be_taken_back(bench: Bench) -> None:
    job = brought(bench, State.DOWNLOADING)
    bench.store.pause(job)
    assert bench.store.resume(job).asked == ""
    assert not bench.store.move(Move(job, State.DOWNLOADING, State.QUEUED)).paused


def test_a_book_that_comes_before_the_pause_is_placed(bench: Bench) -> None:
    job = brought(bench, State.DOWNLOADING)
    bench.store.pause(job)
    placed = bench.store.place(delivery(job))
    assert (placed.state, placed.paused, placed.asked) == (State.PLACED, False, "")
    assert bench.store.abandon(job, "gone").paused is False


@pytest.mark.parametrize("state", [*WAITING, *RUNNING])
def test_nothing_is_told_where_there_is_nothing_to_resume_or_retry(bench: Bench, state: State) -> None:
    job = brought(bench, state)
    assert told(bench, lambda: bench.store.resume(job)) == []
    if state in WAITING:
        assert told(bench, lambda: bench.store.retry(job)) == []


# retry and pick


@pytest.mark.parametrize("state", [*ASIDE, State.CANCELLED])
def test_a_job_without_a_book_is_looked_for_anew(bench: Bench, state: State) -> None:
    job = brought(bench, state)
    assert told(bench, lambda: bench.store.retry(job)) == [(job, state, State.WANTED, "tried again")]
    found = bench.job(job)
    assert (found.attempts, found.looks, found.candidates, found.error) == (0, 0, (), "")
    assert (found.not_before, found.paused, found.resume) == (None, False, None)
    assert bench.store.wait(State.WANTED, 20.0)
    assert bench.store.claim(State.WANTED) is not None


def test_what_was_picked_by_hand_stays_picked(bench: Bench) -> None:
    job = brought(bench, State.AMBIGUOUS)
    bench.store.pick(job, Pick("shelf", "7"))
    bench.store.cancel(job)
    assert bench.store.retry(job).want.pick == Pick("shelf", "7")


def test_a_job_that_waits_for_its_moment_is_tried_now(bench: Bench) -> None:
    job = held(bench)
    bench.store.pause(job)
    changes = told(bench, lambda: bench.store.retry(job))
    assert changes == [(job, State.QUEUED, State.QUEUED, "tried again now")]
    assert (bench.job(job).not_before, bench.job(job).paused) == (None, True)


@pytest.mark.parametrize("state", [*ASIDE, State.CANCELLED, State.WANTED])
def test_a_picked_job_goes_back_to_be_fetched(bench: Bench, state: State) -> None:
    job = brought(bench, state)
    picked = bench.store.pick(job, Pick("shelf", "7", job))
    assert picked == bench.job(job)
    assert (picked.state, picked.want.pick, picked.want.title) == (State.WANTED, Pick("shelf", "7"), "Emma")
    assert (picked.attempts, picked.candidates, picked.not_before, picked.error) == (0, (), None, "")
    bench.settle()
    assert bench.changes[-1].reason == "a book was picked"


# what makes no sense


UNFIT: list[tuple[Callable[[Store, int], object], tuple[State, ...], str]] = [
    (lambda store, job: store.cancel(job), (*SETTLED, State.CANCELLED), "there is nothing to cancel"),
    (lambda store, job: store.pause(job), (*SETTLED, *ASIDE, State.CANCELLED), "there is nothing to pause"),
    (lambda store, job: store.resume(job), (*SETTLED, *ASIDE, State.CANCELLED), "there is nothing to resume"),
    (lambda store, job: store.retry(job), (*RUNNING, *SETTLED), "there is nothing to try again"),
    (
        lambda store, job: store.pick(job, Pick("shelf", "1")),
        (State.QUEUED, *RUNNING, *SETTLED),
        "there is nothing to pick for it",
    ),
    (
        lambda store, job: store.move_before(job, None),
        (*RUNNING, *ASIDE, *SETTLED, State.CANCELLED),
        "only what waits can be moved",
    ),
]


@pytest.mark.parametrize(
    ("act", "state", "why"), [(act, state, why) for act, states, why in UNFIT for state in states]
)
def test_what_makes_no_sense_is_refused(
    bench: Bench, act: Callable[[Store, int], object], state: State, why: str
) -> None:
    job = brought(bench, state)
    before = bench.job(job)
    with pytest.raises(UnfitError) as refused:
        act(bench.store, job)
    assert str(refused.value) == f"job {job} is {state}: {why}"
    assert bench.job(job) == before


@pytest.mark.parametrize("act", [act for act, _, _ in UNFIT])
@pytest.mark.parametrize("number", [42, 0, -1, BEYOND, -BEYOND, 2**63])
def test_a_job_that_is_not_there_is_unknown(
    bench: Bench, act: Callable[[Store, int], object], number: int
) -> None:
    with pytest.raises(UnknownJobError, match=f"there is no job {number}"):
        act(bench.store, number)


@pytest.mark.parametrize("number", [42, BEYOND, -BEYOND, 2**63])
def test_questions_about_what_is_not_there_have_an_answer(bench: Bench, number: int) -> None:
    store = bench.store
    bench.drop(want("Emma"))
    assert (store.job(number), store.request(number), store.delivery(number)) == (None, None, None)
    assert list(store.requests_of(number)) == []
    assert list(store.lines(number)) == []
    assert store.deliveries([number]) == {}
    assert store.names(number) == {}
    assert list(store.jobs(JobFilter(request=number), limit=10)) == []
    assert store.count(JobFilter(request=number)) == 0
    assert store.prioritise({number: 3}) == 0
    assert bench.store.job_of(b"nothing like it") is None


# the order of the queue


def test_priorities_are_given(bench: Bench) -> None:
    a, b, c = bench.drop(want("A"), want("B"), want("C"))
    changes = told(bench, lambda: bench.store.prioritise({c: 0, b: -1, a: 1}))
    assert changes == [
        (c, State.WANTED, State.WANTED, "priority 0"),
        (b, State.WANTED, State.WANTED, "priority -1"),
    ]
    assert order(bench.store) == [b, c, a]
    assert [job.id for job in bench.store.next_of(State.WANTED, 10)] == [b, c, a]
    claimed = bench.store.claim(State.WANTED)
    assert claimed is not None
    assert claimed.id == b


def test_priorities_of_what_is_settled_are_passed_over(bench: Bench) -> None:
    jobs = full(bench)
    assert bench.store.prioritise({**dict.fromkeys(jobs.values(), 7), 4242: 7, BEYOND: 7}) == 8
    changed = {state for state, job in jobs.items() if bench.job(job).priority == 7}
    assert changed == {*WAITING, *RUNNING, *ASIDE, State.EXPANDED}


@pytest.mark.parametrize("priority", [1_000_001, -1_000_001, BEYOND])
def test_priorities_have_a_bound(bench: Bench, priority: int) -> None:
    a, b = bench.drop(want("A"), want("B"))
    with pytest.raises(UnfitError, match=f"priority {priority} is out of bounds: it goes from -1000000 to"):
        bench.store.prioritise({a: 0, b: priority})
    assert bench.job(a).priority == 1
    assert bench.store.prioritise({a: 1_000_000, b: -1_000_000}) == 2


def test_a_long_list_of_priorities_tells_of_some(bench: Bench) -> None:
    jobs = bench.drop(*(want(f"Book {number}") for number in range(1200)))
    changes = told(bench, lambda: bench.store.prioritise(dict.fromkeys(jobs, 0)))
    assert len(changes) == 1000
    assert {bench.job(job).priority for job in (jobs[0], jobs[-1])} == {0}


def test_a_job_is_moved_before_another(bench: Bench) -> None:
    a, b, c, d = bench.drop(want("A"), want("B"), want("C"), want("D", priority=5))
    bench.store.move_before(c, a)
    assert order(bench.store) == [c, a, b, d]
    moved = bench.store.move_before(d, b)
    assert moved == bench.job(d)
    assert moved.priority == 1
    assert order(bench.store) == [c, a, d, b]
    bench.store.move_before(c, None)
    assert order(bench.store) == [a, d, b, c]
    bench.store.move_before(a, d)
    bench.store.move_before(a, a)
    bench.store.move_before(c, None)
    assert order(bench.store) == [a, d, b, c]
    claimed = [bench.store.claim(State.WANTED) for _ in range(4)]
    assert [job and job.id for job in claimed] == [a, d, b, c]


def test_where_nothing_moves_nothing_is_told(bench: Bench) -> None:
    a, b = bench.drop(want("A"), want("B"))
    assert told(bench, lambda: bench.store.move_before(a, b)) == []
    assert told(bench, lambda: bench.store.move_before(b, None)) == []
    assert told(bench, lambda: bench.store.move_before(b, b)) == []
    changes = told(bench, lambda: bench.store.move_before(b, a))
    assert changes == [(b, State.WANTED, State.WANTED, f"moved before job {a}")]


def test_only_what_stands_before_gives_way(bench: Bench) -> None:
    a, b, c, d, e = bench.drop(*(want(title) for title in "ABCDE"))
    changes = told(bench, lambda: bench.store.move_before(e, c))
    assert order(bench.store) == [a, b, e, c, d]
    assert sorted(job for job, *_ in changes) == [a, b, e]


def test_a_job_can_only_be_moved_before_what_waits(bench: Bench) -> None:
    done = brought(bench, State.DONE, "A")
    (job,) = bench.drop(want("B"))
    with pytest.raises(UnfitError, match=f"job {done} is done: only before what waits can a job be moved"):
        bench.store.move_before(job, done)
    with pytest.raises(UnknownJobError):
        bench.store.move_before(job, BEYOND)


def test_moves_of_every_kind_end_where_they_should(bench: Bench) -> None:
    chance = random.Random(7)
    jobs = bench.drop(*(want(f"Book {number}", priority=number % 3) for number in range(30)))
    for job in chance.sample(jobs, 10):
        claimed = bench.store.claim(State.WANTED)
        assert claimed is not None
        bench.store.move(Move(claimed.id, State.SEARCHING, State.QUEUED))
        bench.store.pause(job)
    for _ in range(300):
        expected = order(bench.store)
        job, goal = chance.sample(expected, 2)
        expected.remove(job)
        expected.insert(expected.index(goal), job)
        bench.store.move_before(job, goal)
        assert order(bench.store) == expected


def test_jobs_that_run_keep_their_place_while_others_are_moved(bench: Bench) -> None:
    a, b, c, d = bench.drop(*(want(title) for title in "ABCD"))
    bench.store.claim(State.WANTED)
    bench.store.move_before(d, c)
    bench.store.move(Move(a, State.SEARCHING, State.WANTED))
    assert order(bench.store) == [a, b, d, c]


# first in, first out


def test_a_queue_without_priorities_is_first_in_first_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path, by_priority=False)
    a, b, c = bench.drop(want("A", priority=5), want("B"), want("C", priority=-1))
    store = bench.store
    assert order(store) == [job.id for job in store.next_of(State.WANTED, 9)] == [a, b, c]
    assert [job.id for job in store.jobs(JobFilter(), limit=9)] == [a, b, c]
    assert [job.id for job in store.jobs(JobFilter(request=1), limit=9)] == [a, b, c]
    for act in (lambda: store.prioritise({a: 1}), lambda: store.move_before(c, a)):
        with pytest.raises(UnfitError, match=r"the queue is first in, first out: queue\.order says so"):
            act()
    claimed = store.claim(State.WANTED)
    assert claimed is not None
    assert claimed.id == a
    store = bench.reopen()
    assert order(store) == [c, b, a], "and by priority again when the setting goes"
    store.recover()
    assert order(bench.reopen(by_priority=False)) == [a, b, c]
    bench.store.close()


# restarts


def test_what_was_asked_is_done_after_a_restart(bench: Bench) -> None:
    to_cancel, to_pause = brought(bench, State.DOWNLOADING, "A"), brought(bench, State.SEARCHING, "B")
    paused = brought(bench, State.WANTED, "C")
    bench.store.cancel(to_cancel)
    bench.store.pause(to_pause)
    bench.store.pause(paused)
    store = bench.reopen()
    assert (bench.job(to_cancel).asked, bench.job(to_pause).asked) == ("cancel", "pause")
    assert store.recover() == 2
    assert (bench.job(to_cancel).state, bench.job(to_cancel).asked) == (State.CANCELLED, "")
    assert (bench.job(to_pause).state, bench.job(to_pause).paused) == (State.WANTED, True)
    assert bench.job(paused).paused
    assert store.claim(State.WANTED) is None


# lists


def test_the_queue_is_one_order(bench: Bench) -> None:
    queued, searching = brought(bench, State.QUEUED, "A"), brought(bench, State.SEARCHING, "B")
    brought(bench, State.MISSING, "C")
    late, urgent, paused = bench.drop(want("D", priority=2), want("E", priority=0), want("F"))
    bench.store.pause(paused)
    expected = [urgent, queued, searching, paused, late]
    assert order(bench.store) == expected
    assert [job.id for job in bench.store.queue(limit=2, offset=1)] == expected[1:3]
    assert bench.store.queue(limit=2, offset=5) == []


def test_the_next_of_a_state_are_those_that_can_be_claimed(bench: Bench) -> None:
    jobs = bench.drop(*(want(title) for title in "ABCD"))
    bench.store.pause(jobs[1])
    assert [job.id for job in bench.store.next_of(State.WANTED, 2)] == [jobs[0], jobs[2]]
    bench.store.claim(State.WANTED)
    bench.store.move(Move(jobs[0], State.SEARCHING, State.WANTED, not_before=time.time() - 1))
    assert [job.id for job in bench.store.next_of(State.WANTED, 1)] == [jobs[0]], "its pause is over"
    assert bench.store.next_of(State.QUEUED, 5) == []


def test_history_is_what_is_over_the_latest_first(bench: Bench) -> None:
    jobs = full(bench)
    history = bench.store.history(limit=20)
    over = {State.DONE, State.OWNED, State.DUPLICATE, State.FAILED, State.CANCELLED}
    assert {job.state for job in history} == over
    assert [job.changed for job in history] == sorted((job.changed for job in history), reverse=True)
    assert list(bench.store.history(limit=2, offset=1)) == list(history[1:3])
    assert jobs[State.DONE] in {job.id for job in history}


@pytest.mark.parametrize("request_", [None, 1])
@pytest.mark.parametrize("paused", [None, True, False])
@pytest.mark.parametrize("states", [(), WAITING, (State.WANTED, State.DONE)])
@pytest.mark.parametrize("since", [None, 0.0, 9e12])
def test_filters_pick_out_and_count_the_same(
    bench: Bench, request_: int | None, paused: bool | None, states: tuple[State, ...], since: float | None
) -> None:
    held(bench, "Held")
    bench.store.pause(full(bench)[State.WANTED])
    where = JobFilter(frozenset(states), request_, paused, since)
    every = bench.store.jobs(JobFilter(), limit=100)

    def passes(job: Job) -> bool:
        unsettled = {*WAITING, *RUNNING, State.PLACED, State.MISSING, State.AMBIGUOUS}
        return (
            (not states or job.state in states)
            and (request_ is None or job.request == request_)
            and (paused is None or job.paused is paused)
            and (since is None or job.state in unsettled or job.changed > since)
        )

    expected = [job for job in every if passes(job)]
    assert list(bench.store.jobs(where, limit=100)) == expected
    assert bench.store.count(where) == len(expected)
    pages = [job for offset in range(0, 20, 3) for job in bench.store.jobs(where, limit=3, offset=offset)]
    assert pages == expected


def test_the_latest_job_of_an_identity_is_found(bench: Bench) -> None:
    book = want("Emma")
    bench.drop(book)
    (second,) = bench.drop(replace(book, force=True))
    bench.drop(want("Persuasion"))
    found = bench.store.job_of(identity(book))
    assert found is not None
    assert found.id == second


# figures


def test_deliveries_are_found_together(bench: Bench) -> None:
    placed, done = brought(bench, State.PLACED, "A"), brought(bench, State.DONE, "B")
    found = bench.store.deliveries([placed, done, 99])
    assert found == {placed: bench.store.delivery(placed), done: bench.store.delivery(done)}
    assert bench.store.deliveries([]) == {}


def test_new_jobs_come_after_what_was_moved_to_the_end(bench: Bench) -> None:
    a, b = bench.drop(want("A"), want("B"))
    bench.store.move_before(a, None)
    (c,) = bench.drop(want("C"))
    (urgent,) = bench.drop(replace(want("D"), priority=0))
    assert [job.id for job in bench.store.queue(limit=9)] == [urgent, b, a, c]


def test_a_list_may_pick_for_its_own_owner_only(bench: Bench) -> None:
    entries = [Wish(want("A"), identity(want("A")))]
    bench.store.add_request(NewRequest("t1", "l", "d", "r", owner="ann"), entries)
    pick = Want(raw="!! pick: 1 shelf:1", priority=-1, pick=Pick("shelf", "1", job=1))
    for owner, note in (("kid", LineNote.BAD), ("ann", LineNote.PICKED), (None, LineNote.PICKED)):
        request = NewRequest(f"t-{owner}", "l", "d", "r", owner=owner or "", only_owner=owner)
        intake = bench.store.add_request(request, [Wish(pick, identity(pick))])
        ((line, job),) = bench.store.lines(intake.request.id)
        assert line.note is note
        if owner == "kid":
            assert (line.reason, job) == ("job 1 was queued by somebody else", None)
            assert bench.store.next_of(State.WANTED, 1)[0].want.pick is None


def test_the_seconds_before_a_pause_count_as_well(bench: Bench) -> None:
    begun = time.time()
    job = bench.downloading()
    bench.claimed_earlier(job, 100.0)
    bench.store.pause(job)
    bench.store.move(Move(job, State.DOWNLOADING, State.QUEUED, resume=RESUME))
    bench.store.resume(job)
    assert bench.store.claim(State.QUEUED) is not None
    bench.claimed_earlier(job, 10.0)
    bench.store.place(delivery(job))
    line = bench.store.delivery(job)
    assert line is not None
    assert line.seconds is not None
    assert 110 <= line.seconds <= 110 + time.time() - begun


def test_what_was_achieved_is_summed_up(bench: Bench) -> None:
    assert bench.store.totals() == Totals(0, 0, 0, 0.0)
    start = time.time()
    for title in "AB":
        brought(bench, State.DONE, title)
    brought(bench, State.PLACED, "C")
    brought(bench, State.FAILED, "D")
    for since in (0.0, start - 1):
        totals = bench.store.totals(since)
        assert (totals.completed, totals.failed, totals.bytes) == (2, 1, 20)
        assert 0 <= totals.seconds <= time.time() - start
        assert totals.timed_bytes == 20
    assert bench.store.totals(time.time() + 60) == Totals(0, 0, 0, 0.0)
    assert bench.reopen().totals().completed == 2


def test_a_delivery_tells_how_long_the_download_took(bench: Bench) -> None:
    before = time.time()
    job = brought(bench, State.PLACED)
    line = bench.store.delivery(job)
    assert line is not None
    assert line.seconds is not None
    assert 0 <= line.seconds <= time.time() - before


# many at once


def test_many_hands_at_once_leave_the_counts_true(bench: Bench) -> None:
    jobs = bench.drop(*(want(f"Book {number}") for number in range(60)))
    store = bench.store
    faults: list[BaseException] = []

    def meddle(seed: int) -> None:
        chance = random.Random(seed)
        acts: list[Callable[[int], object]] = [
            store.pause,
            store.resume,
            store.cancel,
            store.retry,
            lambda job: store.prioritise({job: chance.randint(-3, 3)}),
            lambda job: store.move_before(job, chance.choice(jobs)),
        ]
        for _ in range(60):
            try:
                chance.choice(acts)(chance.choice(jobs))
            except UnfitError:
                pass
            except BaseException as fault:  # noqa: BLE001 - it is what the test looks at
                faults.append(fault)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(60):
            job = store.claim(chance.choice(WAITING))
            if job is None:
                continue
            after = {
                State.SEARCHING: (State.QUEUED, State.WANTED, State.MISSING),
                State.DOWNLOADING: (State.QUEUED, State.FAILED, State.DUPLICATE),
            }[job.state]
            try:
                store.move(Move(job.id, job.state, chance.choice(after)))
            except BaseException as fault:  # noqa: BLE001 - it is what the test looks at
                faults.append(fault)

    threads = [threading.Thread(target=act, args=(seed,)) for seed in range(6) for act in (meddle, work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    found = [bench.job(number) for number in jobs]
    real = Counter(job.state for job in found)
    assert {state: number for state, number in store.counts().items() if number} == dict(real)
    assert not any(job.asked for job in found), "every worker has recorded what became of its job"
    assert not any(job.paused for job in found if job.state not in WAITING)
    assert store.count(JobFilter(paused=True)) == sum(job.paused for job in found)
