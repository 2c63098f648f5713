"""Our own copies of delivered books: never the same file, never in the way of a delivery."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bookhopper.delivery.copies import Copies
from bookhopper.delivery.deliver import Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.place import Book
from bookhopper.errors import HeldError
from bookhopper.model import State
from bookhopper.store.base import DuplicateError
from bookhopper.ticket import Ticket
from tests import books
from tests.queues import Queue, candidate, want

DAY = 86400.0
FICLONE = 0x40049409
EPUB = books.epub()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copies"


@pytest.fixture
def copies(folder: Path) -> Copies:
    return Copies(folder, keep=DAY, keep_free=0)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "7.part"
    path.write_bytes(EPUB)
    return path


def aged(path: Path, seconds: float) -> None:
    status = path.stat()
    os.utime(path, (status.st_atime - seconds, status.st_mtime - seconds))


# keeping


def test_a_copy_is_another_file_of_the_same_content(copies: Copies, folder: Path, book: Path) -> None:
    copies.keep(7, book)
    copy = copies.path(7)
    assert copy == folder / "7"
    assert copy.read_bytes() == EPUB
    assert copy.stat().st_ino != book.stat().st_ino
    assert copy.stat().st_nlink == 1
    assert [path.name for path in folder.iterdir()] == ["7"]


def test_editing_the_book_in_place_leaves_the_copy_alone(copies: Copies, book: Path) -> None:
    copies.keep(7, book)
    with book.open("r+b") as file:
        file.write(b"edited")
    copy = copies.path(7)
    assert copy.read_bytes() == EPUB


def test_blocks_are_shared_where_the_filesystem_can(
    copies: Copies, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def clone(goal: int, request: int, source: int) -> int:
        """Do what a filesystem with reflinks does, as far as a reader can tell."""
        asked.append(request)
        os.pwrite(goal, os.pread(source, 1 << 20, 0), 0)
        return 0

    def refuse(*args: object) -> None:
        raise AssertionError("the content was copied although it was shared")

    monkeypatch.setattr(fcntl, "ioctl", clone)
    monkeypatch.setattr(shutil, "copyfileobj", refuse)
    copies.keep(7, book)
    copy = copies.path(7)
    assert copy.read_bytes() == EPUB
    assert asked == [FICLONE]


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EINVAL])
def test_where_it_cannot_the_content_is_copied(
    copies: Copies, book: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(goal: int, request: int, source: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    copies.keep(7, book)
    copy = copies.path(7)
    assert copy.read_bytes() == EPUB


def test_a_reflink_is_asked_of_this_filesystem_too(copies: Copies, book: Path) -> None:
    """Whether it can or not, the outcome is the same; the kernel must know the request that is made of it."""
    with book.open("rb") as source, (book.parent / "goal").open("wb") as goal:
        try:
            fcntl.ioctl(goal.fileno(), FICLONE, source.fileno())
        except OSError as error:
            assert error.errno in {errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EINVAL}  # noqa: PT017
    copies.keep(7, book)
    assert copies.jobs() == {7}


def test_another_delivery_replaces_the_copy(copies: Copies, book: Path) -> None:
    copies.keep(7, book)
    copies.keep(7, book)
    copies.keep(70, book)
    assert copies.jobs() == {7, 70}


def test_nothing_is_kept_where_it_is_turned_off(folder: Path, book: Path) -> None:
    copies = Copies(folder, keep=0.0, keep_free=0)
    copies.keep(7, book)
    assert (copies.jobs(), copies.clear()) == (frozenset(), 0)
    assert not folder.exists()


# what cannot be done


def test_room_is_left_on_the_disk(folder: Path, book: Path, caplog: pytest.LogCaptureFixture) -> None:
    copies = Copies(folder, keep=DAY, keep_free=shutil.disk_usage(book).free + (1 << 30))
    copies.keep(7, book)
    copies.keep(8, book)
    assert copies.jobs() == frozenset()
    (said,) = caplog.messages
    assert said == f"{folder}: books are delivered without a copy being kept: the disk is nearly full"


def test_the_oldest_copies_make_room(copies: Copies, folder: Path, book: Path) -> None:
    for job, age in ((1, 50.0), (2, 200.0), (3, 100.0)):
        copies.keep(job, book)
        with copies.path(job).open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, 8 << 20)
        aged(copies.path(job), age)
    free = shutil.disk_usage(folder).free
    Copies(folder, keep=DAY, keep_free=free + (6 << 20)).keep(4, book)
    assert 2 not in copies.jobs()
    assert Copies(folder, keep=DAY, keep_free=1 << 60).clear() > 0
    assert copies.jobs() == frozenset()


def test_a_fault_is_said_once_and_leaves_nothing(
    copies: Copies,
    folder: Path,
    book: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(shutil, "copyfileobj", fail)
        broken.setattr(fcntl, "ioctl", fail)
        copies.keep(7, book)
        copies.keep(7, book)
    (said,) = caplog.messages
    assert said.endswith("Input/output error")
    assert list(folder.iterdir()) == []
    copies.keep(7, book)
    assert copies.jobs() == {7}


def test_a_folder_that_is_none(folder: Path, book: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.write_text("in the way")
    copies = Copies(folder, keep=DAY, keep_free=0)
    copies.keep(7, book)
    copies.discard(7)
    assert (copies.jobs(), copies.clear()) == (frozenset(), 0)
    assert len(caplog.messages) == 3


def test_a_book_that_is_gone(copies: Copies, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    copies.keep(7, folder / "never.part")
    assert copies.jobs() == frozenset()
    assert len(caplog.messages) == 1


# clearing


def test_old_copies_and_abandoned_halves_are_cleared(copies: Copies, folder: Path, book: Path) -> None:
    for job in (1, 2):
        copies.keep(job, book)
    aged(folder / "1", DAY + 60)
    for name, age in (("3.tmp", 7200.0), ("4.tmp", 0.0), ("notes.txt", 2 * DAY)):
        (folder / name).write_bytes(b"x")
        aged(folder / name, age)
    assert copies.clear() == 2
    assert sorted(path.name for path in folder.iterdir()) == ["2", "4.tmp", "notes.txt"]
    assert copies.jobs() == {2}


def test_once_it_is_turned_off_what_was_kept_goes(copies: Copies, folder: Path, book: Path) -> None:
    copies.keep(7, book)
    assert Copies(folder, keep=0.0, keep_free=0).clear() == 1
    assert copies.jobs() == frozenset()


def test_links_are_left_alone(copies: Copies, folder: Path, book: Path) -> None:
    folder.mkdir()
    (folder / "9").symlink_to(book)
    aged(book, 2 * DAY)
    assert copies.clear() == 0
    assert book.exists()


# with deliveries


@dataclass
class Bench:
    queue: Queue
    copies: Copies
    ingest: Path
    deliverer: Deliverer

    def deliver(self, key: str, content: bytes = EPUB) -> int:
        job = self.queue.downloading(want(f"Tale {key}"), candidate(key))
        part = self.queue.folder / f"{job.id}.part"
        part.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        self.deliverer.deliver(job, Book(part, "epub", sha256, len(content), candidate(key)), Ticket(job.id))
        return job.id


@pytest.fixture
def bench(tmp_path: Path, copies: Copies) -> Iterator[Bench]:
    ingest, notes = tmp_path / "ingest", tmp_path / "notes"
    for made in (ingest, notes):
        made.mkdir()
    queue = Queue(tmp_path)
    folder = IngestFolder(ingest, mode=0o664, require_mount=False)
    deliverer = Deliverer(queue.store, folder, notes, copies)
    yield Bench(queue, copies, ingest, deliverer)
    deliverer.close()
    queue.close()


def test_a_delivered_book_leaves_a_copy_that_its_consumer_cannot_reach(bench: Bench) -> None:
    job = bench.deliver("1")
    (delivered,) = bench.ingest.iterdir()
    with delivered.open("r+b") as file:
        file.write(b"edited in place")
    copy = bench.copies.path(job)
    assert copy.read_bytes() == EPUB
    delivered.unlink()
    assert bench.copies.jobs() == {job}


def test_a_duplicate_leaves_no_copy(bench: Bench) -> None:
    first = bench.deliver("1")
    with pytest.raises(DuplicateError):
        bench.deliver("2")
    assert bench.copies.jobs() == {first}


def test_a_placing_that_fails_leaves_no_copy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(IngestFolder, "stage", full)
    with pytest.raises(HeldError):
        bench.deliver("1")
    assert bench.copies.jobs() == frozenset()


def test_without_a_copy_a_book_is_delivered_all_the_same(
    bench: Bench, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_text("in the way")
    job = bench.deliver("1")
    assert bench.queue.job(job).state is State.DONE
    assert len(list(bench.ingest.iterdir())) == 1
    assert any("without a copy" in message for message in caplog.messages)
