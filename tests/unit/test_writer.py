"""Group commit on a real database: order, what undoes what, and a disk that is full."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bookhopper.errors import DamagedError, HeldError, StoreError
from bookhopper.model import Change, State, Want
from bookhopper.store.base import Move, StaleError
from bookhopper.store.sqlite import SqliteStore
from bookhopper.store.writer import Transaction, Writer, explain
from tests.queues import Queue, candidate, want


class Bench:
    """A writer on a small database of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "test.db"
        self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.connection.execute("CREATE TABLE t (n INTEGER UNIQUE, pad BLOB)")
        self.connection.execute("CREATE TABLE state_counts (state TEXT PRIMARY KEY, jobs INTEGER)")
        self.changes: list[Change] = []
        self.writer = Writer(self.connection, self.changes.append)

    def add(self, *numbers: int, guarded: bool = False, error: BaseException | None = None) -> None:
        def operation(transaction: Transaction) -> None:
            for number in numbers:
                transaction.execute("INSERT INTO t (n) VALUES (?)", (number,))
            if error is not None:
                raise error

        self.writer.call("add", operation, guarded=guarded)

    def numbers(self) -> list[int]:
        """Read what is durable, as another process would."""
        with sqlite3.connect(self.path) as other:
            found = [row[0] for row in other.execute("SELECT n FROM t ORDER BY rowid")]
        other.close()
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.writer.close()
    bench.connection.close()


class Held:
    """Keeps the writer busy for the block, so that the calls of other threads gather into one group."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.begun, self.go = threading.Event(), threading.Event()

    def __enter__(self) -> Held:
        def operation(_: Transaction) -> None:
            self.begun.set()
            self.go.wait(20)

        self.thread = threading.Thread(target=self.writer.call, args=("hold", operation))
        self.thread.start()
        assert self.begun.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.thread.join()


def gathered(bench: Bench, *calls: tuple[tuple[int, ...], bool, BaseException | None]) -> list[object]:
    """Let calls share one commit, in this order; gives what each caller got to see."""
    answers: list[object] = [None] * len(calls)
    threads = []

    def call(place: int, numbers: tuple[int, ...], guarded: bool, error: BaseException | None) -> None:
        try:
            bench.add(*numbers, guarded=guarded, error=error)
        except Exception as raised:  # noqa: BLE001 - it is what the test looks at
            answers[place] = raised

    with Held(bench.writer):
        for place, (numbers, guarded, error) in enumerate(calls):
            before = bench.writer._calls.qsize()
            thread = threading.Thread(target=call, args=(place, numbers, guarded, error))
            thread.start()
            threads.append(thread)
            while bench.writer._calls.qsize() == before:
                time.sleep(0)
    for thread in threads:
        thread.join()
    return answers


def test_a_call_returns_what_is_durable(bench: Bench) -> None:
    bench.add(1)
    assert bench.numbers() == [1]
    assert bench.writer.call("two", lambda _: 2) == 2
    assert bench.writer.alive


def test_calls_share_a_commit_in_their_order(bench: Bench) -> None:
    statements: list[str] = []
    bench.connection.set_trace_callback(statements.append)
    assert gathered(bench, ((3,), False, None), ((1,), False, None), ((2,), False, None)) == [None] * 3
    assert bench.numbers() == [3, 1, 2]
    assert statements.count("COMMIT") == 2, "one for the call that held, one for the three"


def test_a_guarded_call_that_raises_undoes_only_itself(bench: Bench) -> None:
    error = ZeroDivisionError()
    answers = gathered(bench, ((1,), False, None), ((2, 3), True, error), ((4,), False, None))
    assert answers == [None, error, None]
    assert bench.numbers() == [1, 4]
    assert not bench.writer.failures


def test_an_unguarded_call_may_raise_before_it_writes(bench: Bench) -> None:
    error = StaleError("gone")
    assert gathered(bench, ((1,), False, None), ((), False, error)) == [None, error]
    assert bench.numbers() == [1]


def test_an_unguarded_call_that_breaks_off_half_way_undoes_the_group(bench: Bench) -> None:
    answers = gathered(bench, ((1,), False, None), ((2,), False, ZeroDivisionError()))
    assert [type(answer) for answer in answers] == [StoreError, StoreError]
    assert "add broke off half-way" in str(answers[0])
    assert bench.numbers() == []
    assert bench.writer.failures == {"add": 2}


def test_a_broken_rule_is_the_caller_s_own(bench: Bench) -> None:
    bench.add(1)
    answers = gathered(bench, ((1,), True, None), ((2,), False, None))
    assert isinstance(answers[0], sqlite3.IntegrityError)
    assert answers[1] is None
    assert bench.numbers() == [1, 2]


def test_a_full_disk_undoes_the_group_and_may_pass(bench: Bench) -> None:
    (pages,) = bench.connection.execute("PRAGMA page_count").fetchone()
    bench.connection.execute(f"PRAGMA max_page_count = {pages}")

    def fill(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO t (pad) VALUES (zeroblob(100000))")

    with pytest.raises(HeldError, match=r"the queue cannot be written: the disk is full \(") as held:
        bench.writer.call("fill", fill)
    assert held.value.scope == "queue"
    assert bench.writer.failures == {"fill": 1}
    bench.connection.execute("PRAGMA max_page_count = 1000000")
    bench.writer.call("fill", fill)
    assert bench.numbers() == [None]


def test_changes_are_told_after_the_commit_and_only_then(bench: Bench, tmp_path: Path) -> None:
    seen: list[int] = []
    bench.writer._publish = lambda _: seen.append(len(bench.numbers()))
    change = Change(None, None, State.WANTED, 0.0)  # type: ignore[arg-type]

    def operation(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO t (n) VALUES (1)")
        transaction.changes.append(change)
        transaction.tally[State.WANTED] += 1

    def failing(transaction: Transaction) -> None:
        operation(transaction)
        raise ZeroDivisionError

    bench.writer.call("one", operation)
    with pytest.raises(sqlite3.IntegrityError):
        bench.writer.call("two", operation, guarded=True)
    bench.connection.execute("DELETE FROM t")
    with pytest.raises(ZeroDivisionError):
        bench.writer.call("three", failing, guarded=True)
    assert seen == [1]
    (row,) = bench.connection.execute("SELECT state, jobs FROM state_counts")
    assert row == ("wanted", 1)


def test_the_observer_is_told_each_call(bench: Bench) -> None:
    told: list[tuple[str, bool]] = []
    bench.writer.observe = lambda name, seconds: told.append((name, seconds >= 0))
    bench.add(1)
    assert told == [("add", True)]


def test_what_was_handed_in_before_the_end_is_done(bench: Bench) -> None:
    with Held(bench.writer):
        threads = [threading.Thread(target=bench.add, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        while bench.writer._calls.qsize() < 5:
            time.sleep(0)
        closing = threading.Thread(target=bench.writer.close)
        closing.start()
    closing.join()
    for thread in threads:
        thread.join()
    assert sorted(bench.numbers()) == [0, 1, 2, 3, 4]
    assert not bench.writer.alive
    bench.writer.close()
    with pytest.raises(StoreError, match="the store is closed"):
        bench.add(9)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, HeldError),
        (sqlite3.SQLITE_IOERR | 3 << 8, HeldError),
        (sqlite3.SQLITE_BUSY, HeldError),
        (sqlite3.SQLITE_READONLY, HeldError),
        (sqlite3.SQLITE_CORRUPT, DamagedError),
        (sqlite3.SQLITE_NOTADB, DamagedError),
        (None, StoreError),
    ],
)
def test_what_may_pass_and_what_not(code: int | None, kind: type[Exception]) -> None:
    error = sqlite3.OperationalError("words")
    if code is not None:
        error.sqlite_errorcode = code
    explained = explain(error)
    assert type(explained) is kind
    assert "words" in str(explained)


# the store on top of it


def damage(queue: Queue) -> None:
    """Overwrite where the jobs and their indexes begin with nonsense, as a dying disk does."""
    queue.store.writer.call("test", lambda _: None)
    queue.close()
    path = queue.folder / "queue.db"
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        roots = connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'jobs'").fetchall()
    content = bytearray(path.read_bytes())
    for (page,) in roots:
        content[(page - 1) * size : page * size] = b"\xaa" * size
    path.write_bytes(content)
    queue.store = SqliteStore(path, queue.changes.append)


def test_a_damaged_database_is_said_in_one_line(queue: Queue) -> None:
    queue.add(*(Want(title=f"Tale {number}", line=1, raw="x" * 500) for number in range(50)))
    damage(queue)
    calls: list[Callable[[], object]] = [
        lambda: queue.store.claim(State.WANTED),
        lambda: queue.store.job(1),
    ]
    for call in calls:
        told: list[DamagedError] = []
        queue.store.on_damage = told.append
        with pytest.raises(DamagedError, match="the queue's database is damaged") as failed:
            call()
        assert told == [failed.value]
        assert "\n" not in str(failed.value)
    assert queue.store.writer.alive


def test_a_pause_that_ended_in_a_claim_that_failed_has_ended(queue: Queue) -> None:
    job = queue.downloading(want(), candidate()).id
    queue.store.move(Move(job, State.DOWNLOADING, State.QUEUED, not_before=time.time() - 1))
    connection = queue.store._connection
    fails = [True]

    def authorize(action: int, table: str | None, column: str | None, *_: object) -> int:
        denied = action == sqlite3.SQLITE_UPDATE and column == "state" and bool(fails)
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)
    with pytest.raises(StoreError):
        queue.store.claim(State.QUEUED)
    fails.clear()
    connection.set_authorizer(None)
    claimed = queue.store.claim(State.QUEUED)
    assert claimed is not None
    assert claimed.id == job


def test_a_note_on_the_way_does_not_begin_the_clock_again(queue: Queue) -> None:
    job = queue.downloading(want(), candidate())
    queue.store.writer.call("test", lambda t: t.execute("UPDATE jobs SET changed = changed - 100"))
    noted = queue.store.move(Move(job.id, State.DOWNLOADING, State.DOWNLOADING, "a note"))
    assert noted.changed == job.changed - 100
    done = queue.store.move(Move(job.id, State.DOWNLOADING, State.DONE))
    assert queue.changes[-1].seconds >= 100
    assert done.changed >= job.changed


def test_threads_that_ended_leave_no_connection_open(queue: Queue) -> None:
    for _ in range(20):
        thread = threading.Thread(target=queue.store.counts)
        thread.start()
        thread.join()
    queue.store.job(1)
    queue.store.counts()
    alive = threading.Thread(target=queue.store.counts)
    alive.start()
    alive.join()
    assert len(queue.store._read._opened) <= 2


def test_readers_cannot_write(queue: Queue) -> None:
    with pytest.raises((HeldError, StoreError)):
        queue.store._read.all("DELETE FROM jobs")
