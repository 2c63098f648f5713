"""How fast the persisted heap is: claims and finishes a second, and what a long queue costs.

The peer is huey's SQLite queue with as many threads: it stores, takes and removes tasks durably, too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from huey import SqliteHuey

from bookhopper.model import Change, State, Want
from bookhopper.store.base import Entry, Move, NewRequest, Wish
from bookhopper.store.queries import JobFilter
from bookhopper.store.sqlite import SqliteStore
from bookhopper.store.writer import Transaction

ROUNDS = 5
THREADS = 16
JOBS = 8_000
SHORT, LONG = 1_000, 1_000_000
CLAIMS = 500
PAGE = 50


def run(data: Path) -> int | None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = [], []
        for number in range(ROUNDS):  # in turn, so that both meet the same noise
            ours.append(_bookhopper(Path(folder) / f"ours-{number}.db"))
            theirs.append(_huey(Path(folder) / f"theirs-{number}.db"))
        mine, peer = statistics.median(ours), statistics.median(theirs)
        print(f"claim and finish, durable, {THREADS} threads: {mine:,.0f} jobs/s")
        print(f"huey, SQLite, {THREADS} threads:              {peer:,.0f} jobs/s")
        print(f"ratio {mine / peer:.1f} (budget: at least 2; and 5,000 jobs/s)")
        short, long = _latency(Path(folder) / "short.db", SHORT), _latency(Path(folder) / "long.db", LONG)
        print(f"a claim with {SHORT:,} queued: {short * 1e6:,.0f} µs; with {LONG:,}: {long * 1e6:,.0f} µs")
        print(f"ratio {long / short:.2f} (budget: at most 1.5)")
        _compare_lists(
            _list_times(Path(folder) / "few.db", SHORT), _list_times(Path(folder) / "many.db", LONG)
        )
    return None


def _silent(change: Change) -> None:
    """Nobody listens."""


def filled(path: Path, jobs: int) -> SqliteStore:
    store = SqliteStore(path, _silent)
    store.add_request(NewRequest("bench", "bench.txt", "", "bench.report.txt"), _wishes(jobs))
    return store


def _wishes(number: int) -> Iterator[Entry]:
    for line in range(number):
        want = Want(title=f"Title {line}", authors=("An Author",), line=line, raw=f"Title {line} — An Author")
        yield Wish(want, line.to_bytes(16, "big"))


def _together(work: Callable[[], None]) -> float:
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def _bookhopper(path: Path) -> float:
    store = filled(path, JOBS)

    def work() -> None:
        while (job := store.claim(State.WANTED)) is not None:
            store.move(Move(job.id, State.SEARCHING, State.MISSING))

    seconds = _together(work)
    store.close()
    return JOBS / seconds


def _huey(path: Path) -> float:
    """Take as many tasks from huey's own queue and put their results away, which is its claim and finish."""
    huey = SqliteHuey("bench", filename=str(path), fsync=True, journal_mode="wal")
    jobs = JOBS // 4  # it is slower; a rate needs no more
    for number in range(jobs):
        huey.storage.enqueue(f"task {number}".encode())

    def work() -> None:
        while (task := huey.storage.dequeue()) is not None:
            huey.storage.put_data(task, b"done")

    seconds = _together(work)
    huey.storage.close()
    return jobs / seconds


def _latency(path: Path, jobs: int) -> float:
    """Give the median seconds of one claim, one thread asking."""
    store = filled(path, jobs)
    seconds = []
    for _ in range(CLAIMS):
        begun = time.perf_counter()
        store.claim(State.WANTED)
        seconds.append(time.perf_counter() - begun)
    store.close()
    return statistics.median(seconds)


def _compare_lists(few: Mapping[str, float], many: Mapping[str, float]) -> None:
    """Print the seconds of each list beside those of a short queue."""
    for name, seconds in many.items():
        print(
            f"{name:<42} {few[name] * 1e3:8.2f} ms with {SHORT:,}; {seconds * 1e3:8.2f} ms with {LONG:,}; "
            f"ratio {seconds / few[name]:,.1f}"
        )


def _list_times(path: Path, jobs: int) -> Mapping[str, float]:
    """Give the median seconds of pages and counts, with a third each of the jobs wanted, queued and done."""
    store = filled(path, jobs)
    store.writer.call("spread", _spread)
    wanted, done = JobFilter(frozenset((State.WANTED,))), JobFilter(frozenset((State.DONE,)))
    waiting = jobs * 2 // 3
    every = waiting + jobs // 3
    drawn = [job.id for job in store.queue(limit=ROUNDS, offset=waiting - ROUNDS)]
    asked: dict[str, Callable[[], object]] = {
        "queue, first page": lambda: store.queue(limit=PAGE),
        "queue, last page": lambda: store.queue(limit=PAGE, offset=waiting - PAGE),
        "the next to be claimed": lambda: store.next_of(State.QUEUED, PAGE),
        "history, first page": lambda: store.history(limit=PAGE),
        "history, last page": lambda: store.history(limit=PAGE, offset=jobs // 3 - PAGE),
        "all jobs, first page": lambda: store.jobs(JobFilter(), limit=PAGE),
        "all jobs, last page": lambda: store.jobs(JobFilter(), limit=PAGE, offset=every - PAGE),
        "wanted jobs, last page": lambda: store.jobs(wanted, limit=PAGE, offset=jobs // 3 - PAGE),
        "done jobs, last page": lambda: store.jobs(done, limit=PAGE, offset=jobs // 3 - PAGE),
        "paused jobs, last page": lambda: store.jobs(
            JobFilter(paused=True), limit=PAGE, offset=store.count(JobFilter(paused=True)) - PAGE
        ),
        "jobs of one request, first page": lambda: store.jobs(JobFilter(request=1), limit=PAGE),
        "count of all": lambda: store.count(JobFilter()),
        "count of those settled since a moment": lambda: store.count(replace(done, since=1.0)),
        "figures of all time": store.totals,
        "a drag from the end to the first page": lambda: _drag(store, drawn.pop(), PAGE),
    }
    times = {name: statistics.median(_seconds(ask) for _ in range(ROUNDS)) for name, ask in asked.items()}
    store.close()
    return times


def _spread(transaction: Transaction) -> None:
    for state, rest in ((State.QUEUED, 1), (State.DONE, 2)):
        moved = transaction.execute("UPDATE jobs SET state = ? WHERE id % 3 = ?", (state, rest)).rowcount
        transaction.tally.update({State.WANTED: -moved, state: moved})
    transaction.execute("UPDATE jobs SET paused = 1 WHERE state = 'wanted' AND id % 10 = 0")


def _drag(store: SqliteStore, job: int, place: int) -> None:
    """Put a job before the one that stands at a place of the queue."""
    (goal,) = store.queue(limit=1, offset=place)
    store.move_before(job, goal.id)


def _seconds(ask: Callable[[], object]) -> float:
    begun = time.perf_counter()
    ask()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(run(Path()))
