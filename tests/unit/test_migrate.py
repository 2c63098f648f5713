"""Migrations: in order, each whole, with a copy of what was; and databases that cannot be used."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from bookhopper.errors import DamagedError, StoreError
from bookhopper.model import State
from bookhopper.store import migrate as module
from bookhopper.store.codec import want_to_json
from bookhopper.store.migrate import migrate, migrations
from bookhopper.store.queries import JobFilter, Totals
from bookhopper.store.sqlite import SqliteStore
from tests.queues import FILE, Queue, want


def open_(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def version(path: Path) -> int:
    connection = open_(path)
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(found)


def test_they_are_numbered_without_gaps() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_new_database_gets_the_newest_schema_and_no_copy(tmp_path: Path) -> None:
    Queue(tmp_path).close()
    assert version(tmp_path / FILE) == migrations()[-1][0]
    assert list(tmp_path.glob("*.schema-*")) == []


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    Queue(tmp_path).close()
    path = tmp_path / FILE
    newest = migrations()[-1][0]
    connection = open_(path)
    connection.execute(f"PRAGMA user_version = {newest + 1}")
    connection.close()
    with pytest.raises(StoreError) as refused:
        SqliteStore(path, lambda _: None)
    assert str(refused.value) == (
        f"{path}: the database has schema {newest + 1}, this bookhopper knows {newest}: "
        "start a newer bookhopper, or set the file aside"
    )
    assert version(path) == newest + 1


def test_nothing_is_migrated_without_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Queue(tmp_path).close()
    path, newest = tmp_path / FILE, migrations()[-1][0]
    path.with_name(f"{FILE}.schema-{newest}").mkdir()
    monkeypatch.setattr(
        module, "migrations", lambda: [*migrations(), (newest + 1, "CREATE TABLE extra (a);")]
    )
    with pytest.raises(StoreError, match="make room there; nothing was changed"):
        SqliteStore(path, lambda _: None)
    assert version(path) == newest


def test_the_next_migration_keeps_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(tmp_path)
    queue.add(want())
    queue.close()
    path = tmp_path / FILE
    first = migrations()
    newest = first[-1][0]
    later = [*first, (newest + 1, "ALTER TABLE jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';")]
    monkeypatch.setattr(module, "migrations", lambda: later)
    connection = open_(path)
    migrate(connection, path)
    assert connection.execute("SELECT colour FROM jobs").fetchall() == [("red",)]
    migrate(connection, path)
    connection.close()
    copy = path.with_name(f"{FILE}.schema-{newest}")
    assert version(path) == newest + 1
    assert version(copy) == newest
    kept = open_(copy)
    assert kept.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
    kept.close()


def test_a_queue_of_the_first_version_goes_on(tmp_path: Path) -> None:
    path = tmp_path / FILE
    connection = open_(path)
    connection.executescript(f"PRAGMA journal_mode = WAL; {migrations()[0][1]} PRAGMA user_version = 1;")
    connection.execute("INSERT INTO requests VALUES (1, 't', 'list.txt', 'd', '', 'r', 3, 1.0)")
    for job, state, paused in ((1, "wanted", 0), (2, "queued", 1), (3, "done", 0), (4, "placed", 0)):
        connection.execute(
            "INSERT INTO jobs (id, request, identity, want, state, paused, priority, created, changed) "
            "VALUES (?, 1, ?, ?, ?, ?, 1, 1.0, 2.0)",
            (job, bytes([job]), want_to_json(want()), state, paused),
        )
        connection.execute("INSERT INTO state_counts VALUES (?, 1)", (state,))
    for job, done_at in ((3, 9.0), (4, None)):
        connection.execute(
            "INSERT INTO ledger VALUES (?, 'shelf', ?, 'epub', ?, '', '', ?, 10, 0, 5.0, ?)",
            (job, job, job, job, done_at),
        )
    connection.close()
    store = SqliteStore(path, lambda _: None)
    assert store.totals() == store.totals(1.0) == Totals(1, 0, 10, 0.0)
    assert [job.id for job in store.queue(limit=9)] == [1, 2]
    assert store.count(JobFilter(paused=True)) == 1
    assert store.claim(State.QUEUED) is None
    claimed = store.claim(State.WANTED)
    assert claimed is not None
    assert (claimed.id, claimed.asked) == (1, "")
    (placed,) = store.placed()
    assert (placed.job, placed.seconds) == (4, None)
    store.complete(4)
    assert store.totals() == store.totals(1.0) == Totals(2, 0, 20, 0.0)  # of none is known how long it took
    store.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Queue(tmp_path).close()
    path = tmp_path / FILE
    first = migrations()
    newest = first[-1][0]
    broken = "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);"
    monkeypatch.setattr(module, "migrations", lambda: [*first, (newest + 1, broken)])
    with pytest.raises(StoreError, match="this database cannot be used: no such table: nowhere"):
        SqliteStore(path, lambda _: None)
    assert version(path) == newest
    connection = open_(path)
    assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchone() is None
    connection.close()
    monkeypatch.setattr(module, "migrations", lambda: first)
    SqliteStore(path, lambda _: None).close()


def a_text(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to be looked at" * 100)


def a_torn_file(path: Path) -> None:
    SqliteStore(path, lambda _: None).close()
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


@pytest.mark.parametrize("make", [a_text, a_torn_file])
def test_a_damaged_database_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / FILE
    make(path)
    content = path.read_bytes()
    with pytest.raises(DamagedError) as refused:
        SqliteStore(path, lambda _: None)
    assert str(refused.value).startswith("the queue's database is damaged (")
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == content


def test_what_is_no_file_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.mkdir()
    with pytest.raises(StoreError) as refused:
        SqliteStore(path, lambda _: None)
    assert str(refused.value).startswith(f"{path}: this database cannot be used: ")
    assert "mend its rights, or make room" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used: unable to open database file"):
        SqliteStore(tmp_path / "nope" / FILE, lambda _: None)


def test_what_a_kill_left_in_the_log_is_there_again(tmp_path: Path) -> None:
    """The write-ahead log of a process that never closed the database."""
    queue = Queue(tmp_path)
    queue.add(want())
    for name in (FILE, f"{FILE}-wal"):
        (tmp_path / f"copy-{name}").write_bytes((tmp_path / name).read_bytes())
    queue.close()
    other = SqliteStore(tmp_path / f"copy-{FILE}", lambda _: None)
    assert sum(other.counts().values()) == 1
    other.close()
