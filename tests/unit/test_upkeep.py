"""The queue's database looked after: checked, made small again, backed up."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bookhopper.errors import BookhopperError, DamagedError
from bookhopper.keep.backups import Backups
from bookhopper.model import State
from bookhopper.store.backups import backups, keep_latest
from bookhopper.store.sqlite import SqliteStore
from bookhopper.store.upkeep import Upkeep
from bookhopper.ticket import Interrupted
from tests.queues import FILE, Queue, want

_PAGE = 4096
_CANCEL = "UPDATE jobs SET state = 'cancelled' WHERE id <> ?"


@pytest.fixture
def damages() -> list[DamagedError]:
    return []


@pytest.fixture
def upkeep(queue: Queue, damages: list[DamagedError]) -> Upkeep:
    return Upkeep(queue.folder / FILE, damages.append)


def spoil(path: Path) -> None:
    """Overwrite the middle of a database."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // _PAGE * _PAGE)
        file.write(b"\xa5" * _PAGE * 4)


def test_a_sound_database_is_in_order(queue: Queue, upkeep: Upkeep, damages: list[DamagedError]) -> None:
    queue.add(*(want(f"Tale {number}") for number in range(100)))
    upkeep.check()
    assert damages == []


def test_damage_is_found_and_told(queue: Queue, upkeep: Upkeep, damages: list[DamagedError]) -> None:
    queue.add(*(want(f"Tale {number}") for number in range(500)))
    spoil(upkeep.path)
    with pytest.raises(DamagedError, match="the queue's database is damaged") as found:
        upkeep.check()
    assert damages == [found.value]
    assert "\n" not in str(found.value)


def test_the_journal_is_written_back(queue: Queue, upkeep: Upkeep) -> None:
    assert upkeep.trim() == 0
    queue.add(*(want(f"Tale {number}") for number in range(6000)))
    journal = Path(f"{upkeep.path}-wal")
    before = journal.stat().st_size
    with closing(sqlite3.connect(upkeep.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM jobs").fetchone()
        queue.add(want("One more"))
        assert upkeep.trim() == 0, "somebody reads in it"
    assert upkeep.trim() >= before
    assert journal.stat().st_size == 0
    queue.add(want("Another"))


def test_the_file_shrinks_where_most_of_it_is_free(
    queue: Queue, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookhopper.store.upkeep._WORTH_SHRINKING", 1 << 20)
    jobs = queue.add(*(want(f"Tale {number} {'x' * 500}") for number in range(4000)))
    assert upkeep.shrink(0) == 0, "all of it is used"
    (kept,) = queue.add(want("Kept"))
    queue.store.writer.call("settle", lambda transaction: transaction.execute(_CANCEL, (kept,)) and None)
    for start in range(0, len(jobs), 500):
        queue.store.forget(jobs[start : start + 500])
    size = upkeep.path.stat().st_size
    assert upkeep.shrink(10**18) == 0, "no room to rewrite it in"
    assert upkeep.shrink(0) > size // 2
    assert upkeep.path.stat().st_size < size // 2
    claimed = queue.store.claim(State.WANTED)
    assert claimed is not None
    assert claimed.id == kept
    upkeep.check()


def test_looking_at_the_tables_changes_nothing(queue: Queue, upkeep: Upkeep) -> None:
    queue.add(*(want(f"Tale {number}") for number in range(1000)))
    queue.store.optimise()
    assert queue.store.counts()[State.WANTED] == 1000
    assert queue.store.claim(State.WANTED) is not None
    upkeep.check()


def made(kept: Backups, number: int = 3) -> Path:
    return kept.make(number=number, keep_free=0)


def test_backups_are_whole_and_the_latest_few(queue: Queue, upkeep: Upkeep) -> None:
    kept = Backups(queue.folder, upkeep)
    paths = []
    for number in range(5):
        queue.add(want(f"Tale {number}"))
        paths.append(made(kept))
    assert backups(queue.folder) == paths[:1:-1]
    assert [path.name[:10] for path in paths] == [f"queue-000{number}" for number in range(1, 6)]
    (queue.folder / "backups" / "queue-mine.db").touch()
    paths.append(made(kept, number=1))
    assert backups(queue.folder) == paths[-1:]
    assert (queue.folder / "backups" / "queue-mine.db").exists(), "what is not ours stays"


def test_a_backup_is_a_queue_to_go_on_with(queue: Queue, upkeep: Upkeep, tmp_path: Path) -> None:
    jobs = queue.add(want("Emma"), want("Persuasion"))
    path = made(Backups(queue.folder, upkeep))
    queue.add(want("Later"))
    restored = tmp_path / "restored.db"
    shutil.copyfile(path, restored)
    store = SqliteStore(restored, lambda _: None)
    try:
        assert [job.id for job in store.queue(limit=9)] == jobs
        assert store.claim(State.WANTED) is not None
    finally:
        store.close()


def test_no_backup_is_made_where_there_is_no_room(queue: Queue, upkeep: Upkeep) -> None:
    kept = Backups(queue.folder, upkeep)
    first = made(kept, number=1)
    (queue.folder / "backups" / ".queue.db.new").write_bytes(b"half a backup, of a kill")
    with pytest.raises(BookhopperError, match=r"backups: no backup is made: .* make room there"):
        kept.make(number=1, keep_free=10**18)
    assert list((queue.folder / "backups").iterdir()) == [first]


def test_no_backup_is_made_of_a_damaged_database(
    queue: Queue, upkeep: Upkeep, damages: list[DamagedError]
) -> None:
    queue.add(*(want(f"Tale {number}") for number in range(500)))
    kept = Backups(queue.folder, upkeep)
    first = made(kept, number=1)
    spoil(upkeep.path)
    with pytest.raises(DamagedError):
        made(kept, number=1)
    assert len(damages) == 1
    assert list((queue.folder / "backups").iterdir()) == [first]


def test_a_copy_that_is_damaged_is_no_backup_and_no_damage_to_the_queue(
    queue: Queue, upkeep: Upkeep, damages: list[DamagedError], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.add(*(want(f"Tale {number}") for number in range(500)))
    look_through = Upkeep._check_copy

    def damage(self: Upkeep, target: Path) -> None:
        spoil(target)
        look_through(self, target)

    monkeypatch.setattr(Upkeep, "_check_copy", damage)
    with pytest.raises(
        BookhopperError, match="no backup is made: it does not read as it was written"
    ) as said:
        made(Backups(queue.folder, upkeep))
    assert not isinstance(said.value, DamagedError)
    assert damages == []
    assert list((queue.folder / "backups").iterdir()) == []


def test_the_look_through_a_copy_is_broken_off_as_well(
    queue: Queue, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_through = Upkeep._check_copy

    def stop_before(self: Upkeep, target: Path) -> None:
        self.stop()
        look_through(self, target)

    monkeypatch.setattr(Upkeep, "_check_copy", stop_before)
    with pytest.raises(Interrupted):
        made(Backups(queue.folder, upkeep))
    assert backups(queue.folder) == []


def test_what_a_kill_left_half_way_is_written_over(queue: Queue, upkeep: Upkeep) -> None:
    (queue.folder / "backups").mkdir()
    (queue.folder / "backups" / ".queue.db.new").write_bytes(b"half a backup")
    path = made(Backups(queue.folder, upkeep))
    assert list((queue.folder / "backups").iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_the_latest_backup_of_a_lost_queue_outlives_those_of_the_next(
    queue: Queue, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr("os.link", refuse)
    assert keep_latest(upkeep.path) is None
    kept = Backups(queue.folder, upkeep)
    made(kept)
    queue.add(want("Emma"))
    lost = made(kept).read_bytes()
    assert [keep_latest(upkeep.path), keep_latest(upkeep.path)] == [
        queue.folder / f"{FILE}.lost",
        queue.folder / f"{FILE}.lost-2",
    ]
    for _ in range(3):
        made(kept)
    assert (queue.folder / f"{FILE}.lost").read_bytes() == lost


def test_nothing_begins_once_it_is_stopped(queue: Queue, upkeep: Upkeep) -> None:
    upkeep.stop()
    for work in (upkeep.check, lambda: made(Backups(queue.folder, upkeep))):
        with pytest.raises(Interrupted):
            work()
    assert backups(queue.folder) == []


def test_what_runs_is_broken_off(upkeep: Upkeep) -> None:
    def work() -> None:
        with upkeep._connection() as connection:
            connection.create_function("stop", 0, upkeep.stop)
            connection.execute("SELECT stop()").fetchall()
            connection.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + stop() FROM n) SELECT max(i) FROM n"
            ).fetchall()

    with pytest.raises(Interrupted):
        work()
