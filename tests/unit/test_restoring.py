"""A backup put in the place of the queue's database: what is taken for one, and what is taken over."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bookhopper.core import of_the_queue
from bookhopper.errors import BookhopperError
from bookhopper.keep.backups import Backups
from bookhopper.model import State
from bookhopper.restoring import restore
from bookhopper.store.migrate import migrations
from bookhopper.store.upkeep import Upkeep
from tests.queues import FILE, Queue, candidate, want


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    state = tmp_path / "state"
    state.mkdir()
    queue = Queue(state)
    yield queue
    queue.close()


def backup_of(queue: Queue) -> Path:
    upkeep = Upkeep(queue.folder / FILE, lambda _: None)
    return Backups(queue.folder, upkeep).make(number=9, keep_free=0)


def restored(queue: Queue, backup: Path) -> int:
    """Stop, restore a backup and start again; how many delivered books were taken over."""
    queue.store.close()
    done = restore(queue.folder / FILE, backup, of_the_queue(queue.folder))
    queue.reopen()
    return done.rescued


def states(queue: Queue) -> list[str]:
    return [job.state.value for number in range(1, 9) if (job := queue.store.job(number))]


def test_what_a_kill_left_in_the_journal_is_restored_as_well(queue: Queue, tmp_path: Path) -> None:
    mine = tmp_path / "mine.db"
    queue.add(want("Emma"), want("Persuasion"))
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{queue.folder / FILE}{suffix}", f"{mine}{suffix}")
    queue.add(want("Sanditon"))
    restored(queue, mine)
    assert states(queue) == ["wanted"] * 2


def test_a_journal_of_another_try_is_not_written_into_a_backup(queue: Queue) -> None:
    queue.add(want("Emma"))
    backup = backup_of(queue)
    queue.add(want("Persuasion"))
    shutil.copyfile(f"{queue.folder / FILE}-wal", queue.folder / f"{FILE}.restoring-wal")
    restored(queue, backup)
    assert states(queue) == ["wanted"]
    Upkeep(queue.folder / FILE, lambda _: None).check()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE books (id INTEGER PRIMARY KEY)")
        other.execute("PRAGMA user_version = 3")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 999")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (emptied, "holds no queue of bookhopper's: name one of its backups"),
        (foreign, "holds no queue of bookhopper's: name one of its backups"),
        (newer, ": the database has schema 999, this bookhopper knows .*: start a newer bookhopper"),
    ],
)
def test_what_is_no_backup_is_refused(queue: Queue, spoil: object, said: str) -> None:
    queue.add(want("Emma"))
    backup = backup_of(queue)
    assert callable(spoil)
    spoil(backup)
    queue.add(want("Persuasion"))
    with pytest.raises(BookhopperError, match=rf"^{backup}:? ?{said}"):
        restored(queue, backup)
    queue.reopen()
    assert states(queue) == ["wanted"] * 2
    assert not list(queue.folder.glob("*.re*"))


def test_a_backup_of_an_older_version_is_brought_up_to_date(queue: Queue, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as connection:
        for number, sql in migrations()[:-1]:
            connection.executescript(f"{sql}\nPRAGMA user_version = {number};")
    queue.add(want("Emma"))
    restored(queue, old)
    assert states(queue) == []
    assert not list(queue.folder.glob("*.schema-*"))


def test_a_book_that_had_still_to_get_its_name_has_it(queue: Queue) -> None:
    """Else it would come again, once its consumer has had it for long."""
    job = queue.downloading(want("Emma"), candidate())
    queue.place(job, candidate())
    backup = backup_of(queue)
    queue.store.rename(job.id, "Emma (2).epub")
    queue.store.complete(job.id)
    assert restored(queue, backup) == 1
    assert (states(queue), queue.store.placed()) == (["done"], [])
    assert (queue.store.counts()[State.PLACED], queue.store.counts()[State.DONE]) == (0, 1)
    line = queue.store.delivery_named("Emma (2).epub")
    assert line is not None
    assert line.done_at is not None


def test_a_book_that_has_come_since_is_known_by_the_job_that_brought_it(queue: Queue) -> None:
    early = queue.downloading(want("Emma"), candidate("1"))
    backup = backup_of(queue)
    late = queue.downloading(want("Persuasion"), candidate("2"))
    for job, key in ((early, "1"), (late, "2")):
        queue.place(job, candidate(key))
        queue.store.complete(job.id)
    for _ in range(2):
        assert restored(queue, backup) == 2
        lines = {key: queue.store.delivered("shelf", key, "epub") for key in ("1", "2")}
        assert lines == {"1": -early.id, "2": late.id}, "the first may bring another one yet"


def test_no_number_of_the_old_queue_is_given_again(queue: Queue) -> None:
    """A report of it may still be there, with a line to pick by that names the job."""
    queue.add(want("Emma"))
    backup = backup_of(queue)
    queue.add(want("Persuasion"), want("Sanditon"))
    restored(queue, backup)
    assert queue.add(want("The Watsons")) == [4]
    restored(queue, backup)
    restored(queue, backup)
    assert queue.add(want("Lady Susan")) == [5]


def test_the_numbers_begin_far_away_where_the_old_queue_cannot_be_asked(queue: Queue) -> None:
    queue.add(want("Emma"))
    backup = backup_of(queue)
    queue.store.close()
    (queue.folder / FILE).unlink()
    restored(queue, backup)
    assert queue.add(want("Persuasion")) == [1_000_002]


def test_a_journal_without_its_database_is_not_written_into_the_backup(queue: Queue) -> None:
    queue.add(want("Emma"))
    backup = backup_of(queue)
    queue.add(want("Persuasion"))
    journal = queue.folder / f"{FILE}-wal"
    kept = journal.read_bytes()
    queue.store.close()
    (queue.folder / FILE).unlink()  # as by somebody who moves it away, and forgets the rest
    journal.write_bytes(kept)
    restored(queue, backup)
    assert states(queue) == ["wanted"]
    assert (queue.folder / f"{FILE}.replaced-wal").read_bytes() == kept
    restored(queue, backup)
    assert (queue.folder / f"{FILE}.replaced-wal").read_bytes() == kept, "it is of no other database"


def test_what_tells_of_the_old_queue_goes(queue: Queue) -> None:
    """A part file may be of another candidate, and a polled list would not be asked for what is in it."""
    told = {queue.folder / "parts" / "1.part", queue.folder / "lists" / "shelf.json"}
    others = {queue.folder / "lists" / "mine.txt", queue.folder / "parts" / "mine"}
    for path in told | others:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    queue.add(want("Emma"))
    backup = backup_of(queue)
    restored(queue, backup)
    assert not any(path.exists() for path in told)
    assert all(path.exists() for path in others)
