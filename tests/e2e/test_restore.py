"""A damaged database and its backup: what a person does, and what comes of books that came in between."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bookhopper.cli import EXIT_DAMAGED
from tests import books
from tests.daemon import Daemon
from tests.e2e.conftest import MakeDaemon
from tests.waiting import until

TITLES = ("Emma", "Persuasion", "Sanditon")


@pytest.fixture
def daemon(make_daemon: MakeDaemon, tmp_path: Path) -> Daemon:
    """A daemon with a backup, a book that was delivered before it, and two that were since."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for title in TITLES:
        (shelf / f"{title} - Jane Austen.epub").write_bytes(books.epub(title, "Jane Austen"))
    daemon = make_daemon(sources=[{"kind": "folder", "name": "shelf", "path": str(shelf)}])
    daemon.start()
    daemon.drop("first.txt", "Emma — Jane Austen")
    daemon.await_counts(done=1)
    daemon.ask("POST", "/api/downloads/pause")
    daemon.drop("second.txt", "Persuasion — Jane Austen")
    until(lambda: daemon.counts() == {"done": 1, "queued": 1})
    assert daemon.command("schedule", "run", "backup").returncode == 0
    daemon.ask("POST", "/api/downloads/resume")
    daemon.drop("third.txt", "Sanditon — Jane Austen")
    daemon.await_counts(done=3)
    return daemon


def empty_ingest(daemon: Daemon) -> None:
    """Eat what was delivered, as a consumer does."""
    for book in daemon.ingest.iterdir():
        book.unlink()


def spoil(database: Path, table: str) -> None:
    """Overwrite the root page of a table."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        where = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = connection.execute(where, (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


def test_a_backup_takes_the_place_of_a_damaged_database(daemon: Daemon) -> None:
    assert "stop it first" in daemon.command("restore", "--yes").stderr, "a daemon works with it"
    empty_ingest(daemon)
    daemon.kill()
    database = daemon.state / "queue.db"
    spoil(database, "jobs")
    daemon.spawn()
    assert daemon.wait() == EXIT_DAMAGED
    assert "(`bookhopper restore` does so with queue-0001-" in daemon.log.splitlines()[-1]

    spoilt = database.read_bytes()
    restored = daemon.command("restore", "--yes")
    assert (restored.returncode, restored.stderr) == (0, "")
    assert "2 books delivered since then are known from it" in restored.stdout
    assert (daemon.state / "queue.db.replaced").read_bytes() == spoilt
    assert not list(daemon.state.glob("queue.db-*"))
    assert not list(daemon.state.glob("*.restoring*"))
    daemon.start()
    daemon.await_counts(done=1, queued=1)
    daemon.ask("POST", "/api/downloads/resume")
    daemon.await_counts(done=1, duplicate=1)
    daemon.drop("third.txt", "Sanditon — Jane Austen")
    daemon.await_counts(done=1, duplicate=2)
    assert daemon.delivered() == [], "nothing came twice"
    assert daemon.stop() == 0


def test_what_root_restores_belongs_to_the_daemon(daemon: Daemon) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    assert daemon.stop() == 0
    for path in (daemon.state, *daemon.state.rglob("*")):
        os.chown(path, 1234, 1235)
    (daemon.state / "lock").unlink()
    assert daemon.command("restore", "--yes").returncode == 0
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in daemon.state.iterdir()}
    assert owners == {(1234, 1235)}


def test_what_the_old_database_does_not_tell_comes_again(daemon: Daemon) -> None:
    empty_ingest(daemon)
    assert daemon.stop() == 0
    spoil(daemon.state / "queue.db", "ledger")
    restored = daemon.command("restore", "--yes")
    assert "0 books delivered since then are known from it; any other may come again" in restored.stdout
    daemon.start()
    until((daemon.state / "server.json").exists)
    daemon.ask("POST", "/api/downloads/resume")
    daemon.await_counts(done=2)
    assert daemon.delivered() == ["Persuasion - Jane Austen.epub"]
    assert daemon.stop() == 0


def test_a_lost_database_comes_back_from_the_backup_that_is_named(daemon: Daemon) -> None:
    assert daemon.stop() == 0
    (daemon.state / "queue.db").unlink()
    seen = daemon.state / "lists" / "shelf.json"
    seen.parent.mkdir(exist_ok=True)
    seen.touch()
    daemon.start()
    assert not seen.exists(), "another queue knows nothing of what was in it"
    lost = daemon.state / "queue.db.lost"
    assert f"may come again; stop, and `bookhopper restore {lost}` gives the last" in daemon.log
    assert daemon.counts() == {}
    assert daemon.stop() == 0
    restored = daemon.command("restore", str(lost), "--yes")
    assert (restored.returncode, restored.stderr) == (0, "")
    daemon.start()
    until(lambda: daemon.counts() == {"done": 1, "queued": 1})
    assert daemon.stop() == 0


def test_what_is_no_backup_changes_nothing(daemon: Daemon, tmp_path: Path) -> None:
    assert daemon.stop() == 0
    database = daemon.state / "queue.db"
    before, names = database.read_bytes(), sorted(daemon.state.iterdir())
    other = tmp_path / "other.db"
    (backup,) = (daemon.state / "backups").iterdir()
    for content in (b"no database at all" * 1000, backup.read_bytes()[:20_000]):
        other.write_bytes(content)
        refused = daemon.command("restore", str(other), "--yes")
        assert refused.returncode == 1
        assert "other.db is damaged, too, or no backup: name an older one" in refused.stderr
    assert daemon.command("restore").returncode == 1, "nobody says yes"
    assert database.read_bytes() == before
    assert sorted(daemon.state.iterdir()) == names
    backup.unlink()
    assert "holds no backup" in daemon.command("restore", "--yes").stderr
