"""The searchers' step: from a decision to where the job goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bookhopper.model import Candidate, Job, State, Want
from bookhopper.search.collections import Collector
from bookhopper.search.resolve import Decision, Resolution
from bookhopper.searching import Search
from bookhopper.store.base import Move
from bookhopper.ticket import Ticket
from tests.queues import Queue, candidate, want

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


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    queue = Queue(tmp_path)
    yield queue
    queue.close()


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
