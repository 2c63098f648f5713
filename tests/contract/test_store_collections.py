"""What every Store keeps to when a want is a whole collection: its books, and all of them changed as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bookhopper.model import Collection, Job, Pick, State, Want
from bookhopper.search.normalise import identity
from bookhopper.store.base import Move, NewRequest, StaleError, Store, UnfitError, Wish
from bookhopper.store.queries import JobFilter
from tests.contract.stores import CANDIDATE, Bench, delivery, want

WORKS = Want(
    authors=("Jane Austen",),
    line=3,
    raw="works of: Jane Austen",
    collection=Collection("author", "Jane Austen"),
)
TITLES = ("Emma", "Lady Susan", "Persuasion")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


def wish(title: str, **fields: object) -> Wish:
    book = replace(want(title), **fields)  # type: ignore[arg-type]
    return Wish(replace(book, pick=Pick("shelf", title)), identity(book))


def collection(bench: Bench, *titles: str, **fields: object) -> int:
    """Bring a new collection to EXPANDED."""
    job = searching(bench, **fields)
    bench.store.expand(job, [wish(title) for title in titles or TITLES], "so many books")
    return job


def searching(bench: Bench, **fields: object) -> int:
    """Bring a new collection to SEARCHING."""
    (job,) = bench.drop(replace(WORKS, **fields))  # type: ignore[arg-type]
    claimed = bench.store.claim(State.WANTED)
    assert claimed is not None
    assert claimed.id == job
    return job


def books(bench: Bench, job: int) -> list[Job]:
    return list(bench.store.books(job))


def states(bench: Bench, job: int) -> list[str]:
    return [book.state.value for book in books(bench, job)]


def fetched(bench: Bench, job: Job) -> Job:
    """Bring the most urgent book, which is to be this one, to DOWNLOADING."""
    claimed = bench.store.claim(State.WANTED)
    assert claimed is not None
    assert claimed.id == job.id
    bench.store.move(Move(job.id, State.SEARCHING, State.QUEUED, candidates=(CANDIDATE,)))
    claimed = bench.store.claim(State.QUEUED)
    assert claimed is not None
    return claimed


# expansion


def test_a_collection_becomes_the_jobs_of_its_books(bench: Bench) -> None:
    request = bench.store.add_request(
        NewRequest("token", "list.txt", "digest", "report", owner="ann"),
        [Wish(replace(WORKS, priority=-1), identity(WORKS))],
    ).request.id
    job = bench.store.claim(State.WANTED)
    assert job is not None
    bench.changes.clear()
    assert bench.store.expand(job.id, [wish(title, tags=("x",)) for title in TITLES], "3 books") == 3
    bench.settle()
    (change,) = bench.changes
    assert (change.job.id, change.before, change.after) == (job.id, State.SEARCHING, State.EXPANDED)
    assert change.reason == change.job.error == "3 books"
    made = books(bench, job.id)
    assert [book.want.title for book in made] == list(TITLES)
    for book in made:
        assert (book.request, book.parent, book.owner) == (request, job.id, "ann")
        assert (book.state, book.priority, book.paused) == (State.WANTED, -1, False)
        assert book.want.pick == Pick("shelf", book.want.title)
        assert book.want.tags == ("x",)
    assert bench.store.counts()[State.WANTED] == 3
    assert bench.store.counts()[State.EXPANDED] == 1
    claimed = [found.id for _ in TITLES if (found := bench.store.claim(State.WANTED))]
    assert claimed == [book.id for book in made]
    assert bench.store.claim(State.WANTED) is None


def test_an_expansion_wakes_who_waits_for_work(bench: Bench) -> None:
    job = searching(bench)
    assert bench.store.claim(State.WANTED) is None
    assert not bench.store.wait(State.WANTED, 0)
    bench.store.expand(job, [wish("Emma")], "")
    assert bench.store.wait(State.WANTED, 0)


def test_expanding_again_adds_only_what_is_new(bench: Bench) -> None:
    job = collection(bench)
    with pytest.raises(StaleError):
        bench.store.expand(job, [wish("Sanditon")], "")
    bench.store.retry(job)
    while (claimed := bench.store.claim(State.WANTED)) is not None and claimed.id != job:
        bench.store.move(Move(claimed.id, State.SEARCHING, State.QUEUED))
    assert bench.store.expand(job, [wish(title) for title in ("Sanditon", *TITLES)], "") == 1
    assert [book.want.title for book in books(bench, job)] == [*TITLES, "Sanditon"]


def test_books_that_are_forced_are_added_once_as_well(bench: Bench) -> None:
    bench.drop(want("Emma"))
    job = searching_after(bench, force=True)
    assert bench.store.expand(job, [wish("Emma", force=True)], "") == 1
    bench.store.retry(job)
    while (claimed := bench.store.claim(State.WANTED)) is not None and claimed.id != job:
        bench.store.move(Move(claimed.id, State.SEARCHING, State.QUEUED))
    assert bench.store.expand(job, [wish("Emma", force=True)], "") == 0
    assert len(books(bench, job)) == 1


def searching_after(bench: Bench, **fields: object) -> int:
    """Bring a new collection to SEARCHING while other jobs wait."""
    (job,) = bench.drop(replace(WORKS, priority=-5, **fields))  # type: ignore[arg-type]
    claimed = bench.store.claim(State.WANTED)
    assert claimed is not None
    assert claimed.id == job
    return job


def test_books_that_had_a_job_belong_to_the_collection_but_stay_themselves(bench: Bench) -> None:
    (emma,) = bench.drop(want("Emma"))
    job = searching_after(bench)
    assert bench.store.expand(job, [wish(title) for title in TITLES], "") == 2
    first, *others = books(bench, job)
    assert (first.id, first.parent) == (emma, None)
    assert {book.parent for book in others} == {job}
    bench.store.cancel(job)
    assert states(bench, job) == ["wanted", "cancelled", "cancelled"]


def test_books_are_found_by_their_collection_and_by_their_request(bench: Bench) -> None:
    (emma,) = bench.drop(want("Emma"))
    job = searching_after(bench)
    request = bench.job(job).request
    bench.store.expand(job, [wish(title) for title in TITLES], "")
    numbers = {book.id for book in books(bench, job)}
    for where, expected in (
        (JobFilter(parent=job), numbers),
        (JobFilter(request=request), numbers | {job}),
        (JobFilter(frozenset((State.DONE,)), parent=job), set()),
        (JobFilter(parent=emma), set()),
    ):
        assert {found.id for found in bench.store.jobs(where, limit=100)} == expected
        assert bench.store.count(where) == len(expected)
    assert set(bench.store.requests_of(emma)) == {1, request}
    (again,) = bench.drop(replace(WORKS, raw="again"))
    assert again == job
    last = max(bench.store.requests_of(job))
    assert last in bench.store.requests_of(min(numbers - {emma}))
    assert set(bench.store.unsettled_requests()) == {1, request, last}
    assert [line.job for line, _ in bench.store.lines(request)] == [job]


def test_books_are_counted_by_state(bench: Bench) -> None:
    job = collection(bench)
    bench.store.cancel(books(bench, job)[0].id)
    assert bench.store.books_of([job, 99]) == {job: {State.CANCELLED: 1, State.WANTED: 2}, 99: {}}
    assert bench.store.books_of([]) == {}
    assert bench.store.paused_books_of([job, 99]) == {job: 0, 99: 0}
    bench.store.pause(job)
    assert bench.store.paused_books_of([job]) == {job: 2}


def test_open_collections_are_found_behind_any_number_of_finished_ones(bench: Bench) -> None:
    authors = ("Ann", "Bob", "Cid", "Dan")
    opened = [
        collection(bench, f"By {name}", collection=Collection("author", name), priority=-number)
        for number, name in enumerate(authors)
    ]
    for over in opened[1:3]:
        bench.store.cancel(books(bench, over)[0].id)
    assert [job.id for job in bench.store.open_collections(10)] == [opened[3], opened[0]]
    assert [job.id for job in bench.store.open_collections(1)] == [opened[3]]


def test_a_collection_is_not_history_and_its_list_taken_twice_is_the_same(bench: Bench) -> None:
    job = collection(bench)
    assert bench.store.history(limit=9) == []
    token = NewRequest("same", "list.txt", "digest", "report")
    first = bench.store.add_request(token, [Wish(WORKS, identity(WORKS))])
    assert (first.new, first.known) == (0, 1)
    again = bench.store.add_request(token, [Wish(WORKS, identity(WORKS))])
    assert (again.new, again.known, again.repeated) == (0, 1, True)
    assert len(books(bench, job)) == 3


def test_a_thousand_books(bench: Bench) -> None:
    titles = [f"Book {number}" for number in range(1000)]
    job = collection(bench, *titles)
    assert [book.want.title for book in books(bench, job)] == titles
    bench.store.cancel(job)
    assert bench.store.books_of([job]) == {job: {State.CANCELLED: 1000}}
    assert bench.store.counts()[State.CANCELLED] == 1001


def test_a_restart_loses_nothing(bench: Bench) -> None:
    job = searching(bench)
    bench.reopen()
    bench.store.recover()
    assert bench.job(job).state is State.WANTED
    claimed = bench.store.claim(State.WANTED)
    assert claimed is not None
    assert claimed.want.collection == WORKS.collection
    bench.store.expand(job, [wish("Emma")], "1 book")
    bench.reopen()
    assert (bench.job(job).state, states(bench, job)) == (State.EXPANDED, ["wanted"])


# as one


def test_a_collection_is_cancelled_as_one(bench: Bench) -> None:
    job = collection(bench)
    first, second, _ = books(bench, job)
    fetched(bench, first)
    bench.store.place(delivery(first.id))
    running = fetched(bench, second)
    assert bench.store.cancel(job).state is State.CANCELLED
    assert states(bench, job) == ["placed", "downloading", "cancelled"]
    assert bench.job(running.id).asked == "cancel"
    moved = bench.store.move(Move(running.id, State.DOWNLOADING, State.QUEUED))
    assert moved.state is State.CANCELLED
    with pytest.raises(UnfitError):
        bench.store.cancel(job)


def test_what_was_cancelled_as_one_is_tried_again_as_one(bench: Bench) -> None:
    job = collection(bench)
    bench.store.cancel(job)
    assert bench.store.retry(job).state is State.WANTED
    assert states(bench, job) == ["wanted"] * 3
    assert bench.store.counts()[State.CANCELLED] == 0


def test_what_was_cancelled_by_itself_stays_so(bench: Bench) -> None:
    job = collection(bench)
    first, second, _ = books(bench, job)
    bench.store.cancel(first.id)
    claimed = bench.store.claim(State.WANTED)
    assert claimed is not None
    bench.store.move(Move(second.id, State.SEARCHING, State.MISSING, "gone", looks=2, not_before=9e9))
    assert bench.store.retry(job).state is State.WANTED
    assert states(bench, job) == ["cancelled", "wanted", "wanted"]
    assert bench.job(second.id).looks == 0


def test_a_collection_is_paused_and_goes_on_as_one(bench: Bench) -> None:
    job = collection(bench)
    first, *others = books(bench, job)
    fetched(bench, first)
    assert bench.store.pause(job).state is State.EXPANDED
    assert bench.job(first.id).asked == "pause"
    assert all(bench.job(book.id).paused for book in others)
    assert bench.store.claim(State.WANTED) is None
    assert bench.store.move(Move(first.id, State.DOWNLOADING, State.QUEUED)).paused
    bench.store.resume(job)
    assert not any(book.paused for book in books(bench, job))
    assert bench.store.claim(State.QUEUED) is not None


def test_a_collection_gets_its_priority_as_one(bench: Bench) -> None:
    (before,) = bench.drop(want("Ulysses", "James Joyce"))
    job = searching_after(bench)
    bench.store.expand(job, [wish(title) for title in TITLES], "")
    first, second, third = books(bench, job)
    bench.store.cancel(first.id)
    assert bench.store.prioritise({job: 3, third.id: 0}) == 3
    assert [bench.job(book.id).priority for book in (first, second, third)] == [-5, 3, 0]
    assert bench.job(job).priority == 3
    assert [found.id for found in bench.store.queue(limit=9)] == [third.id, before, second.id]


@pytest.mark.parametrize("act", ["cancel", "pause", "resume"])
def test_a_collection_whose_books_are_all_over_cannot_be_changed(bench: Bench, act: str) -> None:
    job = collection(bench, "Emma")
    (book,) = books(bench, job)
    fetched(bench, book)
    bench.store.place(delivery(book.id))
    bench.store.complete(book.id)
    with pytest.raises(UnfitError, match="none of its books is in a state for this"):
        getattr(bench.store, act)(job)
    assert bench.job(job).state is State.EXPANDED


def test_no_book_is_picked_for_a_collection(bench: Bench) -> None:
    (job,) = bench.drop(WORKS)
    with pytest.raises(UnfitError, match="no one book to pick"):
        bench.store.pick(job, Pick("shelf", "1"))


@pytest.mark.parametrize(
    ("ask", "after", "paused"),
    [
        (lambda store, job: store.cancel(job), State.CANCELLED, None),
        (lambda store, job: store.pause(job), State.EXPANDED, True),
    ],
)
def test_what_is_asked_while_a_collection_is_looked_through(
    bench: Bench, ask: Callable[[Store, int], Job], after: State, paused: bool | None
) -> None:
    job = searching(bench)
    ask(bench.store, job)
    made = bench.store.expand(job, [wish("Emma")], "1 book")
    assert made == (paused is not None)
    assert (bench.job(job).state, bench.job(job).asked) == (after, "")
    assert [book.paused for book in books(bench, job)] == ([] if paused is None else [paused])
