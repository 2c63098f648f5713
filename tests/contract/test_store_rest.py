"""What every Store keeps to about lists at rest: what may be forgotten, what stays, what is still known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bookhopper.model import BadLine, State
from bookhopper.search.normalise import identity
from bookhopper.store.base import DuplicateError, Move
from bookhopper.store.queries import JobFilter
from tests.contract.stores import CANDIDATE, Bench, delivery, want
from tests.contract.test_store_collections import collection, states

SETTLED = (State.DONE, State.OWNED, State.DUPLICATE, State.CANCELLED, State.FAILED)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


def end(bench: Bench, job: int, state: State, not_before: float | None = None) -> None:
    """Bring the job that is searched or downloaded now to a state."""
    if state is State.DONE:
        bench.store.place(delivery(job))
        bench.store.complete(job)
    else:
        bench.store.move(Move(job, State.DOWNLOADING, state, "so it is", not_before=not_before))


def ended(bench: Bench, state: State, title: str = "Emma", not_before: float | None = None) -> int:
    """Make a list of one want, which ends in a state."""
    job = bench.downloading(title)
    end(bench, job, state, not_before)
    return job


def resting(bench: Bench) -> list[int]:
    return [each.request for each in bench.store.at_rest()]


def forget(bench: Bench, request: int) -> int:
    """Forget a list as far as it can be; how many jobs."""
    assert bench.store.close_report(request)
    forgotten = bench.store.forget(bench.store.own_jobs(request))
    while bench.store.forget_request(request):
        pass
    return forgotten


@pytest.mark.parametrize("state", SETTLED)
def test_what_is_settled_is_at_rest_and_can_be_forgotten(bench: Bench, state: State) -> None:
    job = ended(bench, state)
    last = ended(bench, State.OWNED, "Persuasion")
    (first, _) = bench.store.at_rest()
    assert (first.request, first.since) == (1, bench.job(job).changed)
    assert first.report in bench.store.reports()
    assert forget(bench, 1) == 1
    assert bench.store.job(job) is None
    assert bench.store.request(1) is None
    assert bench.store.counts()[state] == (1 if state is State.OWNED else 0)
    assert [each.id for each in bench.store.history(limit=9)] == [last]
    assert bench.store.count(JobFilter()) == 1


@pytest.mark.parametrize(
    ("state", "not_before"),
    [
        (State.MISSING, 1e10),
        (State.AMBIGUOUS, None),
        (State.FAILED, 1e10),
        (State.QUEUED, 1e10),
    ],
)
def test_what_is_looked_for_or_asks_for_a_person_is_not(
    bench: Bench, state: State, not_before: float | None
) -> None:
    job = ended(bench, state, not_before=not_before)
    ended(bench, State.DONE, "Persuasion")
    assert resting(bench) == [2]
    assert not bench.store.close_report(1)
    assert bench.store.forget([job]) == 0
    assert bench.job(job).state is state
    assert len(bench.store.reports()) == 2


def test_a_list_rests_as_a_whole(bench: Bench) -> None:
    done, waiting = bench.drop(want("Emma"), want("Persuasion"))
    bench.store.claim(State.WANTED)
    bench.store.move(Move(done, State.SEARCHING, State.OWNED))
    assert resting(bench) == []
    bench.store.cancel(waiting)
    assert resting(bench) == [1]


def test_a_list_without_wants_rests(bench: Bench) -> None:
    bench.drop(BadLine(1, 1, "???", "nonsense"))
    ended(bench, State.DONE)
    assert resting(bench) == [1, 2]
    assert forget(bench, 1) == 0
    assert bench.store.request(1) is None


def test_a_job_that_another_list_names_stays(bench: Bench) -> None:
    job = ended(bench, State.DONE)
    assert bench.drop(want("Emma"), want("Persuasion"))[0] == job
    assert forget(bench, 1) == 0
    assert bench.job(job).state is State.DONE
    lines = {line.raw: line.job for line, _ in bench.store.lines(2)}
    assert lines["Emma — Jane Austen"] == job
    assert bench.store.request(1) is not None


def test_no_number_is_given_twice(bench: Bench) -> None:
    first, last = ended(bench, State.DONE), ended(bench, State.DONE, "Persuasion")
    assert (forget(bench, 1), forget(bench, 2)) == (1, 0)
    assert bench.store.job(last) is not None
    (new,) = bench.drop(want("Sanditon"))
    assert (first, last, new) == (1, 2, 3)
    assert resting(bench) == [2]
    assert forget(bench, 2) == 1


@pytest.mark.parametrize(
    ("state", "said"),
    [(State.DONE, "delivered before, as 1.epub (job 1)"), (State.DUPLICATE, "it came before (job 1)")],
)
def test_what_had_its_book_is_a_duplicate_when_it_is_wished_for_again(
    bench: Bench, state: State, said: str
) -> None:
    ended(bench, state)
    ended(bench, State.OWNED, "Persuasion")
    forget(bench, 1)
    known = identity(want("Emma"))
    assert bench.store.job_of(known) is None
    assert bench.store.knows(known)
    bench.reopen()
    again, new = bench.drop(want("Emma"), want("Sanditon"))
    assert (bench.job(again).state, bench.job(again).error) == (State.DUPLICATE, said)
    assert bench.job(new).state is State.WANTED
    counts = bench.store.counts()
    assert (counts[State.DUPLICATE], counts[State.WANTED]) == (1, 1)
    claimed = bench.store.claim(State.WANTED)
    assert claimed is not None
    assert claimed.id == new
    (forced,) = bench.drop(want("Emma", force=True))
    assert bench.job(forced).state is State.WANTED


@pytest.mark.parametrize("state", [State.OWNED, State.CANCELLED, State.FAILED])
def test_what_had_none_is_looked_for_again_for_a_person_who_asks(bench: Bench, state: State) -> None:
    """A list that is polled asks all the time, and is not to bring back what somebody has cancelled."""
    ended(bench, state)
    ended(bench, State.OWNED, "Persuasion")
    assert not bench.store.knows(identity(want("Sanditon")))
    forget(bench, 1)
    assert bench.store.knows(identity(want("Emma")))
    (again,) = bench.drop(want("Emma"))
    assert bench.job(again).state is State.WANTED


@pytest.mark.parametrize("states", [(State.DONE, State.CANCELLED), (State.CANCELLED, State.DONE)])
def test_one_of_several_jobs_that_brought_the_book_is_remembered(
    bench: Bench, states: tuple[State, State]
) -> None:
    for state in states:
        bench.drop(want("Emma", force=True))
        claimed = bench.store.claim(State.WANTED)
        assert claimed is not None
        bench.store.move(Move(claimed.id, State.SEARCHING, State.QUEUED, candidates=(CANDIDATE,)))
        assert bench.store.claim(State.QUEUED) is not None
        end(bench, claimed.id, state)
    ended(bench, State.OWNED, "Persuasion")
    assert (forget(bench, 1), forget(bench, 2)) == (1, 1)
    (again,) = bench.drop(want("Emma"))
    assert bench.job(again).state is State.DUPLICATE


def test_the_ledger_forgets_nothing(bench: Bench) -> None:
    job = ended(bench, State.DONE)
    totals = bench.store.totals()
    ended(bench, State.OWNED, "Persuasion")
    forget(bench, 1)
    line = delivery(job)
    assert bench.store.delivered(line.source, line.key, line.format) == job
    assert bench.store.delivery_named(line.name) is not None
    assert bench.store.totals() == totals
    other = bench.downloading("Sanditon")
    for same in ({"key": line.key, "sha256": "other"}, {"key": "other", "sha256": line.sha256}):
        with pytest.raises(DuplicateError, match="the same book as job 1 brought"):
            bench.store.place(delivery(other, **same))


# collections


def settle_books(bench: Bench) -> None:
    while (claimed := bench.store.claim(State.WANTED)) is not None:
        bench.store.move(Move(claimed.id, State.SEARCHING, State.OWNED))


def test_a_collection_stays_while_one_of_its_books_does(bench: Bench) -> None:
    whole = collection(bench)
    assert resting(bench) == []
    settle_books(bench)
    assert resting(bench) == [1]
    ended(bench, State.OWNED, "Sense and Sensibility")
    assert bench.store.close_report(1)
    books = bench.store.own_jobs(1)
    assert bench.store.forget([whole]) == 0
    assert bench.store.forget(books[:2]) == 2
    assert states(bench, whole) == ["owned"]
    assert bench.store.forget([whole]) == 0
    assert bench.store.forget(books) == 2
    assert bench.store.job(whole) is None
    assert not bench.store.forget_request(1)
    assert bench.store.request(1) is None


def test_a_book_that_another_collection_has_stays(bench: Bench) -> None:
    job = ended(bench, State.DONE, "Persuasion")
    whole = collection(bench)
    assert forget(bench, 1) == 0
    assert bench.job(job).state is State.DONE
    assert states(bench, whole).count("done") == 1


def test_a_book_of_a_collection_that_had_come_before_is_a_duplicate(bench: Bench) -> None:
    ended(bench, State.DONE, "Persuasion")
    ended(bench, State.OWNED, "Sanditon")
    forget(bench, 1)
    whole = collection(bench)
    assert states(bench, whole) == ["wanted", "wanted", "duplicate"]
    counts = bench.store.counts()
    assert (counts[State.WANTED], counts[State.DUPLICATE]) == (2, 1)
