"""What every Store keeps to, whatever keeps the queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookhopper.errors import StoreError
from bookhopper.log_context import working_on
from bookhopper.model import BadLine, Pick, Resume, State, Want
from bookhopper.store.base import (
    DuplicateError,
    Entry,
    Move,
    NameTakenError,
    NewRequest,
    StaleError,
    Wish,
)
from bookhopper.store.queries import JobFilter, LineNote
from tests.contract.stores import CANDIDATE, Bench, delivery, want


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


def test_a_request_makes_a_job_for_each_new_want(bench: Bench) -> None:
    bad = BadLine(3, 1, "???", "only punctuation")
    jobs = bench.drop(want("Emma"), want("Persuasion"), bad, want("EMMA"))
    assert jobs[0] == jobs[3] != jobs[1]
    assert jobs[2] == 0
    (request,) = bench.store.unsettled_requests()
    notes = [line.note for line, _ in bench.store.lines(request)]
    assert notes == [LineNote.NEW, LineNote.NEW, LineNote.BAD, LineNote.KNOWN]
    assert bench.store.counts()[State.WANTED] == 2


def test_every_field_of_a_want_comes_back(bench: Bench) -> None:
    full = want(
        "Emma",
        isbn="9780141439587",
        year=1815,
        language="en",
        formats=("epub", "pdf"),
        series="none",
        priority=-1,
        tags=("a", "b"),
        force=True,
        pick=Pick("shelf", "1"),
    )
    (job,) = bench.drop(full)
    found = bench.store.job(job)
    assert found is not None
    assert found.want == full
    assert found.priority == -1


def test_a_list_dropped_again_adds_only_what_is_new(bench: Bench) -> None:
    first = bench.drop(want("Emma"), want("Persuasion"))
    again = bench.drop(want("Emma"), want("Sanditon"), want("Persuasion"))
    assert again[0] == first[0]
    assert again[2] == first[1]
    assert bench.store.counts()[State.WANTED] == 3
    assert len(bench.store.requests_of(first[0])) == 2


def test_force_makes_a_new_job(bench: Bench) -> None:
    (first,) = bench.drop(want("Emma"))
    (second,) = bench.drop(want("Emma", force=True))
    assert first != second


def test_the_same_taking_stored_twice_adds_nothing(bench: Bench) -> None:
    bench.drop(want("Emma"), token="t")
    intake = bench.store.add_request(NewRequest("t", "other.txt", "d", "r"), [])
    assert intake.repeated
    assert intake.new == 1
    assert intake.request.name == "t.txt"


def test_entries_that_break_off_leave_nothing(bench: Bench) -> None:
    def entries() -> Iterator[Entry]:
        yield Wish(want("Emma"), b"1" * 16)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bench.store.add_request(NewRequest("t", "n", "d", "r"), entries())
    assert bench.store.counts()[State.WANTED] == 0
    assert bench.drop(want("Emma"))


def test_the_heap_gives_urgent_jobs_first_then_early_ones(bench: Bench) -> None:
    late, early, urgent = bench.drop(want("A", priority=5), want("B"), want("C", priority=-1))
    claimed = [bench.store.claim(State.WANTED) for _ in range(3)]
    assert [job and job.id for job in claimed] == [urgent, early, late]
    assert bench.store.claim(State.WANTED) is None
    assert [change.after for change in bench.changes] == [State.SEARCHING] * 3


def test_a_job_is_claimed_by_one_of_many(bench: Bench) -> None:
    bench.drop(*(want(f"Book {number}") for number in range(200)))
    claimed: list[int] = []

    def worker() -> None:
        while (job := bench.store.claim(State.WANTED)) is not None:
            claimed.append(job.id)

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 200


def test_a_move_is_recorded_once(bench: Bench) -> None:
    (job,) = bench.drop(want("Emma"))
    bench.store.claim(State.WANTED)
    resume = Resume("http://127.0.0.1/1", '"tag"', 100, 40)
    move = Move(job, State.SEARCHING, State.QUEUED, "because", 2, candidates=(CANDIDATE,), resume=resume)
    after = bench.store.move(move)
    assert after == bench.store.job(job)
    assert (after.candidates, after.resume, after.attempts, after.error) == (
        (CANDIDATE,),
        resume,
        2,
        "because",
    )
    with pytest.raises(StaleError):
        bench.store.move(move)
    assert bench.changes[-1].before is State.SEARCHING
    assert bench.changes[-1].reason == "because"


def test_a_job_is_not_claimed_before_its_time(bench: Bench) -> None:
    (job,) = bench.drop(want("Emma"))
    bench.store.claim(State.WANTED)
    bench.store.move(Move(job, State.SEARCHING, State.WANTED, not_before=time.time() + 0.2))
    assert bench.store.claim(State.WANTED) is None
    deadline = time.monotonic() + 10
    while (claimed := bench.store.claim(State.WANTED)) is None and time.monotonic() < deadline:
        bench.store.wait(State.WANTED, 1.0)
    assert claimed is not None
    assert claimed.not_before is None


def test_a_moment_of_a_clock_that_was_wrong_is_not_waited_for(bench: Bench) -> None:
    (job,) = bench.drop(want("Emma"))
    bench.store.claim(State.WANTED)
    bench.store.move(Move(job, State.SEARCHING, State.MISSING, not_before=time.time() + 60 * 86400))
    assert bench.store.wake_due(time.time()) == 1


def test_a_held_job_is_released(bench: Bench) -> None:
    (job,) = bench.drop(want("Emma"))
    bench.store.claim(State.WANTED)
    bench.store.move(Move(job, State.SEARCHING, State.WANTED, not_before=9e9))
    assert bench.store.claim(State.WANTED) is None
    assert bench.store.release(State.WANTED) == 1
    assert bench.store.wait(State.WANTED, 20.0)
    assert bench.store.claim(State.WANTED) is not None


def test_waiting_ends_when_a_job_comes(bench: Bench) -> None:
    assert bench.store.claim(State.WANTED) is None
    timer = threading.Timer(0.05, lambda: bench.drop(want("Emma")))
    timer.start()
    assert bench.store.wait(State.WANTED, 20.0)
    timer.join()
    assert bench.store.claim(State.WANTED) is not None


def test_waiting_ends_when_woken(bench: Bench) -> None:
    assert bench.store.claim(State.QUEUED) is None
    threading.Timer(0.05, bench.store.wake).start()
    assert bench.store.wait(State.QUEUED, 20.0)


def test_what_was_not_found_comes_back_in_its_time(bench: Bench) -> None:
    missing, later = bench.drop(want("A"), want("B"))
    for job, moment in ((missing, 100.0), (later, 300.0)):
        bench.store.claim(State.WANTED)
        bench.store.move(Move(job, State.SEARCHING, State.MISSING, looks=1, not_before=moment))
    assert bench.store.wake_due(200.0) == 1
    woken, waiting = bench.store.job(missing), bench.store.job(later)
    assert woken is not None
    assert (woken.state, woken.looks, woken.not_before) == (State.WANTED, 1, None)
    assert waiting is not None
    assert waiting.state is State.MISSING


def test_recovery_puts_claimed_jobs_back(bench: Bench) -> None:
    job = bench.downloading()
    resume = Resume("http://127.0.0.1/1", '"tag"', 100, 40)
    bench.store.move(Move(job, State.DOWNLOADING, State.DOWNLOADING, resume=resume))
    (other,) = bench.drop(want("Persuasion"))
    bench.store.claim(State.WANTED)
    store = bench.reopen()
    assert store.recover() == 2
    again, wanted = store.job(job), store.job(other)
    assert again is not None
    assert (again.state, again.attempts, again.resume) == (State.QUEUED, 0, resume)
    assert wanted is not None
    assert wanted.state is State.WANTED


def test_everything_is_there_after_a_restart(bench: Bench) -> None:
    job = bench.downloading()
    bench.store.place(delivery(job))
    bench.store.set_setting("a", "1")
    store = bench.reopen()
    assert [line.job for line in store.placed()] == [job]
    assert store.setting("a") == "1"
    assert store.setting("b") is None
    assert store.counts()[State.PLACED] == 1


def test_a_delivery_goes_from_placed_to_done(bench: Bench) -> None:
    job = bench.downloading()
    assert bench.store.place(delivery(job)).state is State.PLACED
    assert bench.store.delivered("shelf", str(job), "epub") == job
    assert bench.store.complete(job).state is State.DONE
    assert bench.store.placed() == []
    line = bench.store.delivery(job)
    assert line is not None
    assert line.done_at is not None
    assert bench.store.delivery_named(f"{job}.epub") == line
    assert bench.store.delivery_named("another.epub") is None
    (request,) = bench.store.requests_of(job)
    assert bench.store.names(request) == {job: f"{job}.epub"}
    assert bench.store.unsettled_requests() == []
    with pytest.raises(StaleError):
        bench.store.complete(job)


@pytest.mark.parametrize("same", [{"source": "shelf", "key": "1"}, {"sha256": "sha-1"}])
def test_a_book_is_delivered_once(bench: Bench, same: dict[str, str]) -> None:
    first, second = bench.downloading("A"), bench.downloading("B")
    bench.store.place(delivery(first, key="1", sha256="sha-1"))
    with pytest.raises(DuplicateError) as refused:
        bench.store.place(delivery(second, **same))
    assert refused.value.job == first
    found = bench.store.job(second)
    assert found is not None
    assert found.state is State.DOWNLOADING
    assert bench.store.place(delivery(second, **same), force=True).state is State.PLACED


def test_the_same_book_in_another_format_is_another_delivery(bench: Bench) -> None:
    first, second = bench.downloading("A"), bench.downloading("B")
    bench.store.place(delivery(first, key="1"))
    bench.store.place(delivery(second, key="1", format="pdf"))


def test_a_name_is_given_once(bench: Bench) -> None:
    first, second = bench.downloading("A"), bench.downloading("B")
    bench.store.place(delivery(first, name="x.epub"))
    with pytest.raises(NameTakenError):
        bench.store.place(delivery(second, name="x.epub"))
    bench.store.place(delivery(second, name="y.epub"))
    with pytest.raises(NameTakenError):
        bench.store.rename(second, "x.epub")
    bench.store.rename(second, "z.epub")
    line = bench.store.delivery(second)
    assert line is not None
    assert line.name == "z.epub"


def test_a_lost_delivery_is_queued_anew(bench: Bench) -> None:
    job = bench.downloading()
    bench.store.place(delivery(job))
    assert bench.store.abandon(job, "gone").state is State.QUEUED
    assert bench.store.delivery(job) is None
    assert bench.store.claim(State.QUEUED) is not None
    assert bench.store.place(delivery(job)).state is State.PLACED


def test_a_pick_settles_its_job(bench: Bench) -> None:
    (job,) = bench.drop(want("Emma"))
    bench.store.claim(State.WANTED)
    bench.store.move(Move(job, State.SEARCHING, State.AMBIGUOUS, "two", looks=1, not_before=9e9))
    line = Want(pick=Pick("shelf", "7", job), raw=f"pick: {job} shelf:7", line=1)
    assert bench.drop(line) == [job]
    picked = bench.store.job(job)
    assert picked is not None
    assert (picked.state, picked.want.pick, picked.not_before) == (State.WANTED, Pick("shelf", "7"), None)
    assert picked.want.title == "Emma"
    assert bench.changes[-1].after is State.WANTED


def test_a_pick_for_no_job_is_a_bad_line(bench: Bench) -> None:
    job = bench.downloading()
    bench.store.place(delivery(job))
    bench.store.complete(job)
    bench.drop(*(Want(pick=Pick("shelf", "7", number), line=1) for number in (job, 99)), token="picks")
    lines = [line for line, _ in bench.store.lines(2)]
    assert [line.note for line in lines] == [LineNote.BAD] * 2
    assert "done" in lines[0].reason
    assert "no job 99" in lines[1].reason


def test_lists_show_what_moves_first_and_page(bench: Bench) -> None:
    bench.drop(want("A", priority=2), want("B", priority=1), want("C", priority=0))
    claimed = bench.store.claim(State.WANTED)
    assert claimed is not None
    titles = [job.want.title for job in bench.store.jobs(JobFilter(), limit=10)]
    assert titles == ["C", "B", "A"]
    assert [job.want.title for job in bench.store.jobs(JobFilter(), limit=1, offset=1)] == ["B"]
    assert [job.want.title for job in bench.store.jobs(JobFilter(), limit=5, offset=2)] == ["A"]
    waiting = bench.store.jobs(JobFilter(frozenset((State.WANTED,)), request=1), limit=5, offset=1)
    assert [job.want.title for job in waiting] == ["A"]


def test_the_longest_wait_is_told(bench: Bench) -> None:
    assert bench.store.oldest() is None
    bench.drop(want("A"))
    oldest = bench.store.oldest()
    assert oldest is not None
    assert abs(oldest - time.time()) < 60


def test_the_latest_delivery_is_told(bench: Bench) -> None:
    assert bench.store.last_delivered() is None
    job = bench.downloading()
    bench.store.place(delivery(job))
    assert bench.store.last_delivered() is None, "it is on its way"
    bench.store.complete(job)
    delivered = bench.store.last_delivered()
    assert delivered is not None
    assert abs(delivered - time.time()) < 60


def test_long_lists_come_in_order(bench: Bench) -> None:
    bench.drop(*(want(f"Book {number}", line=number) for number in range(2500)))
    numbers = [line.number for line, _ in bench.store.lines(1)]
    assert numbers == list(range(2500))


def test_new_known_and_bad_lines_stand_where_the_file_has_them(bench: Bench) -> None:
    bench.drop(*(want(f"Book {number}", line=number) for number in range(0, 400, 2)))
    bad = BadLine(401, 7, "???", "only punctuation")
    again = (want(f"Book {number}", line=number) for number in range(400))
    bench.drop(bad, *again, want("Book 1", line=402), bad)
    lines = [line for line, _ in bench.store.lines(2)]
    assert [line.ordinal for line in lines] == list(range(1, 404))
    assert [line.number for line in lines] == [401, *range(400), 402, 401]
    assert [line.raw for line in lines[:3]] == ["???", "Book 0 — Jane Austen", "Book 1 — Jane Austen"]
    notes = [LineNote.BAD, *[LineNote.KNOWN, LineNote.NEW] * 200, LineNote.KNOWN, LineNote.BAD]
    assert [line.note for line in lines] == notes
    assert lines[-2].job == lines[2].job
    assert {job.id for job in bench.store.jobs(JobFilter(request=2), limit=500)} == {
        line.job for line in lines if line.job
    }
    assert bench.store.requests_of(lines[2].job or 0) == [2]
    assert sorted(bench.store.requests_of(lines[1].job or 0)) == [1, 2]


def test_a_list_of_known_wants_is_unsettled_until_they_are(bench: Bench) -> None:
    job = bench.downloading()
    assert bench.drop(want("Emma")) == [job]
    assert sorted(bench.store.unsettled_requests()) == [1, 2]
    bench.store.place(delivery(job))
    bench.store.complete(job)
    assert bench.store.unsettled_requests() == []
    assert bench.store.names(1) == bench.store.names(2) == {job: f"{job}.epub"}


def test_requests_are_changed_by_their_taking_and_by_every_line_that_goes_on(bench: Bench) -> None:
    job = bench.downloading()
    before = time.time()
    bench.drop(want("Dune"))
    assert bench.store.requests_changed(before) == [2]
    assert bench.drop(want("Emma")) == [job]
    later = time.time()
    assert bench.store.requests_changed(later) == []
    bench.store.place(delivery(job))
    assert sorted(bench.store.requests_changed(later)) == [1, 3]
    assert sorted(bench.store.requests_changed(0.0)) == [1, 2, 3]


def test_a_closed_store_says_so(bench: Bench) -> None:
    bench.store.close()
    with pytest.raises(StoreError):
        bench.store.claim(State.WANTED)
    with pytest.raises(StoreError):
        bench.store.job(1)
    bench.store.renew()


def test_the_log_gets_the_names_of_requests_and_never_an_error(bench: Bench) -> None:
    first, second = (
        bench.store.add_request(NewRequest(str(number), f"{number}.txt", "d", "r"), []).request.id
        for number in range(2)
    )
    (job,) = bench.drop(want("Emma"))
    store = bench.reopen()
    assert (store.request_name(first), store.request_name(second)) == ("0.txt", "1.txt")
    found = store.job(job)
    assert found is not None
    assert store.request_name_of(job) == store.request_name(found.request) != ""
    assert (store.request_name(42), store.request_name_of(42)) == ("", "")
    store.close()
    assert (store.request_name(second), store.request_name(43), store.request_name_of(job)) == (
        "1.txt",
        "",
        "",
    )


def test_the_source_at_work_is_told_with_a_change(bench: Bench) -> None:
    job = bench.downloading()
    with working_on(source="shelf"):
        bench.store.move(Move(job, State.DOWNLOADING, State.QUEUED, "it broke off"))
    bench.settle()
    assert [change.source for change in bench.changes[-2:]] == ["", "shelf"]


def test_a_gone_job_is_stale(bench: Bench) -> None:
    with pytest.raises(StaleError):
        bench.store.move(Move(42, State.QUEUED, State.DONE))
    assert bench.store.job(42) is None
    assert bench.store.request(42) is None
    assert bench.store.delivery(42) is None


def test_what_was_put_aside_for_a_silent_source_is_woken_for_it_alone(bench: Bench) -> None:
    for title, silent in (("A", ("one",)), ("B", ("one", "two")), ("C", ("two",)), ("D", ())):
        (job,) = bench.drop(want(title))
        bench.store.claim(State.WANTED)
        bench.store.move(Move(job, State.SEARCHING, State.MISSING, not_before=9e12, silent=silent))
    store = bench.reopen()
    assert store.wake_silent("on", time.time(), 9) == 0
    assert store.wake_silent("one", time.time() - 3600, 9) == 0
    assert [store.wake_silent("one", time.time(), 1) for _ in range(3)] == [1, 1, 0]
    first = store.claim(State.WANTED)
    assert first is not None
    assert (first.want.title, first.looks, first.attempts) == ("A", 0, 0)
    store.move(Move(first.id, State.SEARCHING, State.MISSING, not_before=9e12))
    assert store.wake_silent("one", time.time(), 9) == 0
    assert store.wake_silent("two", time.time(), 9) == 1
