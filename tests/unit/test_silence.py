"""Wants that a silent source may have: looked for again when it answers, and not again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bookhopper.errors import HeldError
from bookhopper.model import Candidate, State
from bookhopper.search.collections import Collector
from bookhopper.search.resolve import Resolver
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.folder import FolderSource
from bookhopper.searching import Search
from bookhopper.silence import Silence
from bookhopper.store.base import Move
from bookhopper.ticket import Ticket
from bookhopper.worker import Pool
from tests.queues import Queue, candidate, want
from tests.waiting import until


class Library(FolderSource):
    """A source that has every book while it is not away."""

    away = True

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
        if self.away:
            raise HeldError("it is being indexed", scope="host")
        title = query.readings[0].title
        return [candidate(title, title)]


class Bench:
    """A searching pool and what looks after silent sources, by a clock that only the test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.queue = Queue(folder)
        self.library = Library("library", folder)
        self.resolver = Resolver(
            [self.library, FolderSource("shelf", folder)],
            accept=0.85,
            margin=0.05,
            languages=(),
            formats=("epub",),
        )
        search = Search(self.queue.store, self.resolver, Collector((), languages=(), formats=()))
        self.pool = Pool(self.queue.store, State.WANTED, search, size=1, attempts=5)
        self.available = {"library": False, "shelf": True}
        self.silence = Silence(self.queue.store, self.pool, self.available, lambda: self.now)

    def put_aside(self, titles: Sequence[str]) -> list[int]:
        """Have wants, without titles the one that is there, put aside because the library was silent."""
        jobs = self.queue.add(*map(want, titles)) if titles else []
        for _ in jobs or [0]:
            job = self.queue.store.claim(State.WANTED)
            assert job is not None
            soon = time.time() + 3600
            self.queue.store.move(
                Move(job.id, job.state, State.MISSING, not_before=soon, silent=("library",))
            )
        return jobs

    def wanted(self) -> int:
        self.queue.settle()
        return self.queue.store.counts()[State.WANTED]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.pool.stop()
    assert bench.pool.join(time.monotonic() + 20)
    bench.resolver.close()
    bench.queue.close()


def test_what_a_silent_source_may_have_is_found_when_it_answers(bench: Bench) -> None:
    jobs = bench.queue.add(want("Emma"), want("Walden"))
    bench.pool.start()
    until(lambda: all(bench.queue.job(job).state is State.MISSING for job in jobs))
    assert bench.queue.job(jobs[0]).error.endswith("not asked, for it did not answer: library")
    bench.library.away = False
    bench.silence.answered("library")
    until(lambda: all(bench.queue.job(job).state is State.QUEUED for job in jobs))


def test_a_source_that_nobody_asks_is_asked_for_one_want_at_a_time(bench: Bench) -> None:
    bench.put_aside(["A", "B", "C"])
    woken = []
    for _ in range(20):
        before = bench.wanted()
        bench.silence.run()
        woken.append(bench.wanted() - before)
        bench.now += 30
    assert [number for number, some in enumerate(woken) if some] == [0, 2, 6]


def test_however_many_there_are_all_are_woken_after_a_restart(bench: Bench) -> None:
    bench.put_aside([f"Book {number}" for number in range(1201)])
    bench.queue.reopen()
    silence = Silence(bench.queue.store, bench.pool, {"library": True}, lambda: bench.now)
    silence.run()
    assert bench.wanted() == 1201


def test_what_is_put_aside_again_and_again_is_looked_for_less_often(bench: Bench) -> None:
    bench.available["library"] = True
    bench.put_aside(["Poison"])
    woken = []
    for minute in range(70):
        bench.silence.answered("library")
        bench.silence.run()
        if bench.wanted():
            woken.append(minute)
            bench.put_aside([])
        bench.now += 60
    assert woken == [0, 1, 3, 7, 15, 31, 63]


def test_a_catalogue_that_is_there_at_last_waits_for_nothing(bench: Bench) -> None:
    bench.put_aside(["A"])
    bench.silence.ready("library")
    assert bench.wanted() == 1
    bench.put_aside(["B"])  # and A, once more, is what was claimed
    bench.silence.answered("library")
    assert bench.wanted() == 1
    bench.silence.ready("library")
    assert bench.wanted() == 2
