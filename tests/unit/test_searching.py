"""The searchers' step: from a decision to where the job goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bookhopper.errors import HeldError, TransientError
from bookhopper.model import Candidate, Collection, Job, Pick, State, Want
from bookhopper.search.collections import Books, Collector
from bookhopper.search.resolve import Decision, Resolution, Resolver
from bookhopper.search.sources.base import Health, Query
from bookhopper.searching import Search
from bookhopper.store.base import Move
from bookhopper.ticket import Ticket
from bookhopper.worker import Pool
from tests.queues import Queue, candidate, want
from tests.waiting import until

NOTHING = Collector((), languages=(), formats=())
BEST, NEXT = candidate("1"), candidate("2")


class Decided:
    """A resolver whose answer is known."""

    def __init__(self, resolution: Resolution) -> None:
        self.resolution = resolution
        self.asked: list[Want] = []

    def resolve(self, want: Want, _: Ticket) -> Resolution:
        self.asked.append(want)
        return self.resolution


def step(queue: Queue, resolution: Resolution, wish: Want | None = None) -> tuple[Job, Move]:
    """Claim a new want and take the step with it."""
    queue.add(wish or want("Another"))
    job = queue.store.claim(State.WANTED)
    assert job is not None
    ticket = Ticket(job.id)
    resolver = Decided(resolution)
    move = Search(queue.store, resolver, NOTHING)(job, ticket)  # type: ignore[arg-type]
    assert move is not None
    assert resolver.asked == [job.want]
    assert ticket.stage == "search"
    return job, move


def accepted(*chosen: Candidate) -> Resolution:
    return Resolution(Decision.ACCEPT, chosen, chosen, "")


def test_an_accepted_book_is_queued_with_its_candidates(queue: Queue) -> None:
    job, move = step(queue, accepted(BEST, NEXT))
    assert move == Move(job.id, State.SEARCHING, State.QUEUED, candidates=(BEST, NEXT), attempts=0)
    assert queue.store.move(move).state is State.QUEUED


@pytest.mark.parametrize(
    ("decision", "state"), [(Decision.AMBIGUOUS, State.AMBIGUOUS), (Decision.MISSING, State.MISSING)]
)
def test_what_is_not_accepted_keeps_its_nearest_and_the_reason(
    queue: Queue, decision: Decision, state: State
) -> None:
    job, move = step(queue, Resolution(decision, (), (BEST,), "two that close"))
    assert move == Move(job.id, State.SEARCHING, state, "two that close", candidates=(BEST,))


@pytest.mark.parametrize(("force", "state"), [(False, State.DUPLICATE), (True, State.QUEUED)])
def test_a_book_that_was_delivered_already(queue: Queue, force: bool, state: State) -> None:
    first = queue.downloading(want("First"), BEST)
    queue.place(first, BEST)
    job, move = step(queue, accepted(BEST), want("Again", force=force))
    assert (move.job, move.after) == (job.id, state)
    assert move.reason == ("" if force else f"the same book as job {first.id} brought")
    assert move.candidates == (BEST,)


class Poisoned:
    """A source that has every book, and cannot answer for one of them."""

    name = kind = "shelf"

    def __init__(self, fault: Exception | None) -> None:
        self.fault = fault

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        title = query.readings[0].title
        if title == "Poison":
            if self.fault is None:
                ticket.wait(60)
            raise self.fault or AssertionError("it was not interrupted")
        return [candidate(title, title)]

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
        return ()

    def check(self, ticket: Ticket) -> Health:  # noqa: ARG002
        return Health(ok=True)

    def refresh(self, ticket: Ticket) -> bool:  # noqa: ARG002
        return False

    def close(self) -> None:
        pass


@pytest.mark.parametrize("fault", [TransientError("no JSON"), None], ids=["odd", "slow"])
def test_a_want_that_the_only_source_cannot_answer_keeps_no_other_from_being_searched(
    queue: Queue, fault: Exception | None
) -> None:
    resolver = Resolver(
        [Poisoned(fault)], accept=0.85, margin=0.05, languages=(), formats=("epub",), deadlines={"shelf": 1.0}
    )
    titles = ("Poison", "Emma", "Walden", "Dracula")
    poisoned, *others = queue.add(*(want(title) for title in titles))
    pool = Pool(queue.store, State.WANTED, Search(queue.store, resolver, NOTHING), size=1, attempts=5)
    pool.start()
    try:
        until(lambda: all(queue.job(job).state is State.QUEUED for job in others))
        assert pool.held == ""
        put_aside = State.WANTED if fault is None else State.MISSING
        until(lambda: queue.job(poisoned).error != "" and queue.job(poisoned).state is put_aside)
    finally:
        pool.stop()
        assert pool.join(time.monotonic() + 20)
        resolver.close()


def test_a_source_that_is_broken_for_every_want_uses_up_no_attempts(queue: Queue) -> None:
    class Broken(Poisoned):
        def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
            raise TransientError("no JSON")

    resolver = Resolver([Broken(None)], accept=0.85, margin=0.05, languages=(), formats=("epub",))
    search = Search(queue.store, resolver, NOTHING)
    (number,) = queue.add(want("Emma"))
    for _ in range(3):
        job = queue.store.claim(State.WANTED)
        assert job is not None
        with pytest.raises(TransientError):  # a moment's fault is over a second later
            search(job, Ticket(number))
        move = search(replace(job, attempts=1), Ticket(number))
        assert move is not None
        assert (move.after, move.attempts, move.looks) == (State.MISSING, 0, None)
        assert move.not_before is not None
        assert abs(move.not_before - time.time() - 3600) < 60
        later = search(replace(job, attempts=1, looks=1), Ticket(number))
        assert later is not None
        assert later.not_before is None, "not every hour for ever"
        assert queue.store.move(move).error == "source shelf cannot be asked: no JSON"
        queue.store.retry(number)
    resolver.close()


class Found:
    """A collector whose answer is known."""

    def __init__(self, books: Books) -> None:
        self.books_found = books

    def books(self, _: Want, __: Ticket) -> Books:
        return self.books_found


def test_a_collection_waits_for_a_silent_source_but_not_for_ever(queue: Queue) -> None:
    wish = Want(collection=Collection("author", "Ann Author"), raw="works of: Ann Author")
    (number,) = queue.add(wish)
    search = Search(
        queue.store,
        Decided(accepted(BEST)),  # type: ignore[arg-type]
        Found(Books((want("One"),), "1 book; it did not answer: home", silent=("home",))),  # type: ignore[arg-type]
    )
    for looks, pause in ((1, 60), (2, 600)):
        job = queue.store.claim(State.WANTED)
        assert job is not None
        move = search(job, Ticket(number))
        assert move is not None
        assert move.not_before is not None
        assert abs(move.not_before - time.time() - pause) < 30
        queue.store.move(replace(move, not_before=time.time()))
        waiting = queue.job(number)
        assert (waiting.state, waiting.looks) == (State.WANTED, looks)
        assert waiting.error == "1 book; it did not answer: home"
        assert queue.states() == {"wanted": 1}
    job = queue.store.claim(State.WANTED)
    assert job is not None
    assert search(job, Ticket(number)) is None
    said = "1 book; it did not answer: home; try the collection again once it does"
    assert queue.job(number).error == said
    assert queue.states() == {"expanded": 1, "wanted": 1}


def test_a_collection_that_every_source_answered_for_is_expanded_at_once(queue: Queue) -> None:
    queue.add(Want(collection=Collection("author", "Ann Author"), raw="works of: Ann Author"))
    job = queue.store.claim(State.WANTED)
    assert job is not None
    found = Found(Books((want("One"),), "1 book"))
    assert Search(queue.store, Decided(accepted(BEST)), found)(job, Ticket(job.id)) is None  # type: ignore[arg-type]
    assert queue.states() == {"expanded": 1, "wanted": 1}


def test_collections_leave_a_searcher_for_plain_wants(queue: Queue) -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Slow:
        def books(self, _: Want, __: Ticket) -> Books:
            begun.set()
            assert may_end.wait(60)
            return Books((want("One"),), "1 book")

    collections = queue.add(
        *(Want(collection=Collection("author", name), raw=f"works of: {name}") for name in ("Ann A", "Bob B"))
    )
    search = Search(queue.store, Decided(accepted(BEST)), Slow())  # type: ignore[arg-type]
    pool = Pool(queue.store, State.WANTED, search, size=2, attempts=5)
    pool.start()
    try:
        assert begun.wait(60)
        (plain,) = queue.add(want("Emma"))
        until(lambda: queue.job(plain).state is State.QUEUED)
        states = [queue.job(collection).state for collection in collections]
        assert sorted(states) == [State.SEARCHING, State.WANTED]
    finally:
        may_end.set()
        pool.stop()
        assert pool.join(time.monotonic() + 20)


def test_the_more_collections_wait_the_more_rarely_each_asks_for_room(queue: Queue) -> None:
    """However many there are, they take no more than a few turns a second from the plain wants."""
    names = [f"Author {number}" for number in range(101)]
    queue.add(*(Want(collection=Collection("author", name), raw=f"works of: {name}") for name in names))
    first, *others = [job for _ in names if (job := queue.store.claim(State.WANTED)) is not None]
    pauses: list[list[float]] = []

    class Occupied:
        """The first collection is looked through while all others ask, three times over."""

        def books(self, _: Want, __: Ticket) -> Books:
            if not pauses:
                pauses.extend([turned_away(job) for job in others] for _ in range(3))
            return Books((want("One"),), "1 book")

    def turned_away(job: Job) -> float:
        with pytest.raises(HeldError, match="other collections") as held:
            search(job, Ticket(job.id))
        return held.value.seconds

    search = Search(queue.store, Decided(accepted(BEST)), Occupied())  # type: ignore[arg-type]
    assert search(first, Ticket(first.id)) is None
    assert pauses[0] == [max(5.0, 0.25 * number) for number in range(1, 101)]
    assert pauses[1] == pauses[2] == [25.0] * 100
    for job in others[:90]:
        assert search(job, Ticket(job.id)) is None
    pauses.clear()
    others = others[90:]
    assert search(others.pop(), Ticket(first.id)) is None
    assert pauses[2] == [5.0] * 9


def test_a_pick_of_what_the_report_offers_needs_no_source_to_know_its_key(queue: Queue) -> None:
    other, opaque = candidate("7", "Tales"), candidate("~4ff9200310214841", "Tales of a Sea")
    (number,) = queue.add(want("Tales"))
    job = queue.store.claim(State.WANTED)
    assert job is not None
    queue.store.move(Move(number, State.SEARCHING, State.AMBIGUOUS, candidates=(other, opaque)))
    queue.reopen()
    queue.store.pick(number, Pick(opaque.source, opaque.key))
    job = queue.store.claim(State.WANTED)
    assert job is not None
    nobody = Resolver([], accept=0.85, margin=0.05, languages=(), formats=("epub",))
    move = Search(queue.store, nobody, NOTHING)(job, Ticket(number))
    assert move == Move(number, State.SEARCHING, State.QUEUED, candidates=(opaque,), attempts=0)


def test_a_pick_of_another_book_is_looked_up(queue: Queue) -> None:
    (number,) = queue.add(want("Tales"))
    job = queue.store.claim(State.WANTED)
    assert job is not None
    given_up = replace(BEST, fault="no good")
    queue.store.move(Move(number, State.SEARCHING, State.AMBIGUOUS, candidates=(given_up, NEXT)))
    for pick in (Pick("shelf", "elsewhere"), Pick(BEST.source, BEST.key)):
        assert queue.store.pick(number, pick).candidates == ()
