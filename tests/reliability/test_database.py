"""The database locked by another program, damaged, or gone: said in one line, and nothing begins anew."""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bookhopper.cli import EXIT_DAMAGED
from tests.reliability.faults_home import Home

_PAGE = 4096


def test_a_database_that_another_program_holds(tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    with closing(sqlite3.connect(home.daemon.state / "queue.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        home.wish(2)
        home.await_said("waits: the queue cannot be written: another program holds the database")
        assert len(home.daemon.delivered()) == 1
        other.execute("ROLLBACK")
    home.await_all()
    home.end()


def test_a_database_that_is_held_at_the_start(tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    assert home.daemon.stop() == 0
    with closing(sqlite3.connect(home.daemon.state / "queue.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        home.daemon.spawn()
        assert home.daemon.wait() == 1  # a service manager starts it again
        other.execute("ROLLBACK")
    assert home.said("^bookhopper: ") == home.daemon.log.splitlines()[-1:]
    assert "another program holds the database" in home.daemon.log
    home.daemon.start()
    home.wish()
    home.await_all()
    home.end()


def _spoil(database: Path, first: int) -> None:
    """Overwrite every page from one on."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(first * _PAGE)
        file.write(b"\xa5" * (size - first * _PAGE))


@pytest.mark.parametrize("first", [0, 1], ids=["whole", "all but its first page"])
def test_a_damaged_database_at_the_start(first: int, tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    assert home.daemon.stop() == 0
    database = home.daemon.state / "queue.db"
    _spoil(database, first)
    spoiled = database.read_bytes()
    for _ in range(2):
        home.daemon.spawn()
        assert home.daemon.wait() == EXIT_DAMAGED
        line = home.daemon.log.splitlines()[-1]
        assert line.startswith(f"bookhopper: {database}: the queue's database is damaged (")
        assert "queue.db.damaged: put a backup of yours in its place, or move it away" in line
        assert database.read_bytes() == spoiled
        assert (home.daemon.state / "queue.db.damaged").read_bytes() == spoiled
    home.check()


def test_a_database_of_which_an_empty_file_is_left(tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    home.daemon.kill()
    database, journal = home.daemon.state / "queue.db", home.daemon.state / "queue.db-wal"
    written = journal.read_bytes()
    os.truncate(database, 0)
    for _ in range(2):
        home.daemon.spawn()
        assert home.daemon.wait() == EXIT_DAMAGED
        line = home.daemon.log.splitlines()[-1]
        assert line.startswith(f"bookhopper: {database}: the queue's database is damaged (the file is empty")
        assert "queue.db.damaged: put a backup of yours in its place, or move it away" in line
        assert database.read_bytes() == b""
        assert journal.read_bytes() == written
        assert (home.daemon.state / "queue.db.damaged-wal").read_bytes() == written
    home.check()


def test_an_empty_file_that_the_first_start_left_is_no_damage(tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.state.mkdir(parents=True, exist_ok=True)
    (home.daemon.state / "queue.db").touch()
    home.daemon.start()
    home.wish()
    home.await_all()
    home.end()


def test_a_database_that_is_damaged_while_the_daemon_runs(tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    database = home.daemon.state / "queue.db"
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _spoil(database, 1)
    home.wish()
    assert home.daemon.wait() == EXIT_DAMAGED
    line = home.daemon.log.splitlines()[-1]
    assert line.startswith(f"bookhopper: {database}: the queue's database is damaged (")
    home.wished.pop()
    home.check()


def test_a_database_that_is_gone_is_missed(tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    assert home.daemon.stop() == 0
    for file in home.daemon.state.glob("queue.db*"):
        file.unlink()
    home.daemon.start()
    home.await_said(r"queue.db is not there, though this folder was in use: beginning with an empty queue")
    home.end()
