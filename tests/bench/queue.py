"""How fast the persisted heap is: claims and finishes a second, and whether a long queue slows a claim.

The peer is huey's SQLite queue with as many threads: it stores, takes and removes tasks durably, too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from huey import SqliteHuey

from bookhopper.model import Change, State, Want
from bookhopper.store.base import Entry, Move, NewRequest, Wish
from bookhopper.store.sqlite import SqliteStore

ROUNDS = 5
THREADS = 16
JOBS = 8_000
SHORT, LONG = 1_000, 1_000_000
CLAIMS = 500


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


if __name__ == "__main__":
    sys.exit(run(Path()))
