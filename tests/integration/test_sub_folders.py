"""Books in sub-folders of ingest: made, waited in and left again, and never a way out of ingest."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bookhopper.delivery import deliver
from bookhopper.delivery.deliver import CONSUMERS_KEEP_SECONDS, Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.place import Book
from bookhopper.errors import HeldError
from bookhopper.model import Candidate, Delivery, Job, State
from bookhopper.naming_settings import NamingSettings
from bookhopper.store.base import DuplicateError
from bookhopper.ticket import Ticket
from tests import books
from tests.breaking import breaking
from tests.queues import Queue, candidate, want

EPUB = books.epub()
NAME = "Ann Author/A Tale.epub"
STAGED = f"{NAME}.uploading"


class Bench:
    """A deliverer whose books lie in a folder for each author."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.parts = base / "parts"
        self.parts.mkdir()
        self.ingest = base / "ingest"
        self.ingest.mkdir()
        self.queue = Queue(base)
        self.begin()

    def begin(self) -> None:
        """Start as the daemon does."""
        self.folder = IngestFolder(self.ingest, mode=0o664, require_mount=True)
        naming = NamingSettings(folder="{author}", file="{title}")
        self.deliverer = Deliverer(self.queue.store, self.folder, self.parts, naming=naming)

    def restart(self) -> None:
        """Let the daemon be killed and begin anew."""
        self.deliverer.close()
        self.queue.reopen()
        self.queue.store.recover()
        self.begin()

    def close(self) -> None:
        self.deliverer.close()
        self.queue.close()

    def deliver(self, job: Job, content: bytes = EPUB, of: Candidate | None = None) -> None:
        part = self.parts / f"{job.id}.part"
        part.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        book = Book(part, "epub", digest, len(content), of or candidate())
        self.deliverer.deliver(job, book, Ticket(job.id))

    def waiting(self) -> Job:
        """Deliver a book that then waits for its name."""
        job = self.queue.downloading(want())
        self.deliver(job)
        assert self.state(job) is State.PLACED
        assert self.listed() == [STAGED]
        return job

    def line(self, job: Job) -> Delivery:
        line = self.queue.store.delivery(job.id)
        assert line is not None
        return line

    def state(self, job: Job) -> State:
        return self.queue.job(job.id).state

    def listed(self) -> list[str]:
        """List the files in ingest, and the folders in which there is none."""
        found = [path for path in self.ingest.rglob("*") if not path.is_dir() or not list(path.iterdir())]
        return sorted(str(path.relative_to(self.ingest)) for path in found)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sub-folders be watched as soon as they are there."""
    monkeypatch.setattr(deliver, "WATCH_SECONDS", 0.0)


@contextmanager
def later(monkeypatch: pytest.MonkeyPatch, seconds: float = deliver.WATCH_SECONDS) -> Iterator[None]:
    """Let so much time have passed in the block, as far as deliveries are concerned."""
    with monkeypatch.context() as patch:
        now = time.monotonic
        patch.setattr(time, "monotonic", lambda: now() + seconds)
        yield


# the wait


def test_a_book_waits_in_its_folder_until_that_is_watched(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.waiting()
    assert bench.deliverer.finish_placed() == 0
    assert bench.listed() == [STAGED]
    with later(monkeypatch):
        assert bench.deliverer.finish_placed() == 1
    assert bench.listed() == [NAME]
    assert bench.state(job) is State.DONE
    assert bench.line(job).name == NAME
    assert bench.deliverer.finish_placed() == 0


def test_it_waits_anew_after_a_start(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.waiting()
    bench.restart()
    assert bench.deliverer.clear_strays() == 0
    with later(monkeypatch):
        assert bench.deliverer.finish_placed() == 0, "nobody knows since when the folder is there"
        with later(monkeypatch):
            assert bench.deliverer.finish_placed() == 1
    assert bench.listed() == [NAME]
    assert bench.state(job) is State.DONE


def test_it_waits_whatever_the_clock_on_the_wall_says(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.waiting()
    now = time.time
    for by in (-1e6, 3600.0):
        monkeypatch.setattr(time, "time", lambda by=by: now() + by)
        assert bench.deliverer.finish_placed() == 0
    with later(monkeypatch):
        assert bench.deliverer.finish_placed() == 1


def test_the_root_is_watched_always(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    bench.deliverer.name_by(NamingSettings(file="{title}"))
    bench.deliver(job)
    assert bench.listed() == ["A Tale.epub"]
    assert bench.state(job) is State.DONE


def test_other_templates_hold_from_the_next_book_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.waiting()
    bench.deliverer.name_by(NamingSettings(folder="Tales", file="{author}"))
    bench.deliver(bench.queue.downloading(want("Two")), books.epub("Two"), candidate("2"))
    with later(monkeypatch):
        assert bench.deliverer.finish_placed() == 2
    assert bench.listed() == [NAME, "Tales/Ann Author.epub"]


def test_the_name_of_its_list_may_name_a_folder(bench: Bench, at_once: None) -> None:
    job = bench.queue.downloading(want())
    request = bench.queue.store.request(job.request)
    assert request is not None
    bench.deliverer.name_by(NamingSettings(folder="{request}"))
    bench.deliver(job)
    assert bench.listed() == [f"{Path(request.name).stem}/A Tale - Ann Author.epub"]


# what may go away meanwhile


def test_a_book_whose_folder_was_removed_while_it_waited_is_delivered_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it had no name yet is known here, so it cannot have been taken."""
    job = bench.waiting()
    shutil.rmtree(bench.ingest / "Ann Author")
    with later(monkeypatch):
        assert bench.deliverer.finish_placed() == 1
    again = bench.queue.job(job.id)
    assert (again.state, again.attempts) == (State.QUEUED, 0)
    assert again.error == "its folder was removed before it got its name: delivered anew"
    claimed = bench.queue.store.claim(State.QUEUED)
    assert claimed is not None
    bench.deliver(claimed)
    with later(monkeypatch):
        assert bench.deliverer.finish_placed() == 1
    assert bench.listed() == [NAME]
    assert bench.state(job) is State.DONE


def test_what_was_eaten_and_pruned_during_a_crash_does_not_come_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.waiting()
    with later(monkeypatch):
        breaking(bench.queue.store, "complete", HeldError("the disk is full", scope="queue"))
        assert bench.deliverer.finish_placed() == 0
    assert bench.listed() == [NAME]
    shutil.rmtree(bench.ingest / "Ann Author")
    bench.restart()
    assert bench.deliverer.finish_placed() == 1
    assert bench.state(job) is State.DONE


def test_what_a_consumer_threw_away_after_hours_is_delivered_anew(bench: Bench) -> None:
    job = bench.waiting()
    (bench.ingest / STAGED).unlink()
    bench.restart()
    moment = time.time() - CONSUMERS_KEEP_SECONDS - 60
    bench.queue.store.writer.call("test", lambda t: t.execute("UPDATE ledger SET placed_at = ?", (moment,)))
    assert bench.deliverer.finish_placed() == 1
    assert bench.state(job) is State.QUEUED


def test_a_folder_that_is_removed_as_soon_as_it_is_made_is_made_again(bench: Bench, at_once: None) -> None:
    left = iter(range(5))
    make = bench.folder._make_folders

    def pruned(name: str) -> None:
        make(name)
        if next(left, None) is not None:
            (bench.ingest / "Ann Author").rmdir()

    bench.folder._make_folders = pruned  # type: ignore[method-assign]
    bench.deliver(bench.queue.downloading(want()))
    assert bench.listed() == [NAME]


def test_a_folder_that_never_stays_holds_the_queue(bench: Bench) -> None:
    make = bench.folder._make_folders

    def pruned(name: str) -> None:
        make(name)
        (bench.ingest / "Ann Author").rmdir()

    bench.folder._make_folders = pruned  # type: ignore[method-assign]
    job = bench.queue.downloading(want())
    with pytest.raises(HeldError, match=r"ingest/Ann Author cannot be written: No such file") as held:
        bench.deliver(job)
    assert held.value.scope == "queue"
    assert bench.listed() == []


def test_a_consumer_that_prunes_all_the_time_gets_every_book(bench: Bench, at_once: None) -> None:
    ended = threading.Event()

    def prune() -> None:
        while not ended.wait(0.0005):
            for path in bench.ingest.iterdir():
                try:
                    path.rmdir()
                except OSError:
                    continue

    pruner = threading.Thread(target=prune)
    pruner.start()
    try:
        for number in range(40):
            of = replace(candidate(str(number)), authors=(f"Author {number % 4}",))
            bench.deliver(bench.queue.downloading(want(f"Tale {number}")), books.epub(f"Tale {number}"), of)
            for path in bench.ingest.glob("*/*.epub"):
                path.unlink()
    finally:
        ended.set()
        pruner.join()
    assert bench.queue.states() == {"done": 40}


# a failure leaves no folder


@pytest.mark.parametrize("step", ["stage", "_put", "place"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), HeldError("away", scope="queue")])
def test_a_delivery_that_fails_leaves_no_folder(bench: Bench, step: str, error: Exception) -> None:
    job = bench.queue.downloading(want())
    breaking(bench.queue.store if step == "place" else bench.folder, step, error)
    with pytest.raises(HeldError):
        bench.deliver(job)
    assert bench.listed() == []


def test_a_duplicate_leaves_no_folder(bench: Bench, at_once: None) -> None:
    bench.deliver(bench.queue.downloading(want()))
    with pytest.raises(DuplicateError):
        bench.deliver(bench.queue.downloading(want("Two")), of=replace(candidate("2"), authors=("Bob",)))
    assert bench.listed() == [NAME]


def test_a_folder_that_was_there_stays(bench: Bench) -> None:
    (bench.ingest / "Ann Author").mkdir()
    breaking(bench.folder, "stage", OSError(errno.EIO, "broken"))
    with pytest.raises(HeldError):
        bench.deliver(bench.queue.downloading(want()))
    assert bench.listed() == ["Ann Author"]


def test_a_folder_whose_other_book_was_eaten_meanwhile_is_removed(bench: Bench, at_once: None) -> None:
    """Its consumer could not remove it, since a book waited in it."""
    bench.deliver(bench.queue.downloading(want()))
    job = bench.queue.downloading(want("Two"))

    def eaten(*_: object, **__: object) -> None:
        (bench.ingest / NAME).unlink()
        raise HeldError("the disk is full", scope="queue")

    bench.queue.store.place = eaten  # type: ignore[assignment, method-assign]
    with pytest.raises(HeldError):
        bench.deliver(job, books.epub("Two"), candidate("2", "Two"))
    assert bench.listed() == []


def test_two_that_fail_in_one_new_folder_leave_none(bench: Bench) -> None:
    """The second finds the folder that the first has made, and both have to go."""
    both = threading.Barrier(2, timeout=30)
    failed: list[str] = []

    def refuse(delivery: Delivery, *, force: bool = False) -> None:
        both.wait()
        raise DuplicateError(delivery.name, job=1)

    bench.queue.store.place = refuse  # type: ignore[assignment, method-assign]
    jobs = [bench.queue.downloading(want(f"Tale {number}")) for number in (1, 2)]

    def run(job: Job) -> None:
        try:
            bench.deliver(job, books.epub(f"Tale {job.id}"), candidate(str(job.id), f"Tale {job.id}"))
        except DuplicateError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 2
    assert bench.listed() == []


def test_a_crash_leaves_no_folder_of_ours(bench: Bench) -> None:
    (bench.ingest / "Theirs").mkdir()
    (bench.ingest / "A" / "B").mkdir(parents=True)
    (bench.ingest / "C").mkdir()
    (bench.ingest / "C" / "x.epub.uploading").write_bytes(b"x")
    log = bench.parts / "staging.log"
    log.write_text(
        "7\tA/B/x.epub.uploading\tA/\tA/B/\n8\tC/x.epub.uploading\tC/\n9\tTheirs/y.epub.uploading\n"
    )
    bench.restart()
    assert bench.deliverer.clear_strays() == 1
    assert bench.listed() == ["Theirs"]


# no way out


def outside(bench: Bench) -> Path:
    folder = bench.base / "outside"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("what", ["file", "link", "dangling link"])
def test_what_is_no_folder_is_gone_around(bench: Bench, at_once: None, what: str) -> None:
    elsewhere, there = outside(bench), bench.ingest / "Ann Author"
    if what == "file":
        there.write_bytes(b"x")
    else:
        there.symlink_to(elsewhere if what == "link" else "nowhere")
    bench.deliver(bench.queue.downloading(want()))
    assert (bench.ingest / "Ann Author_1" / "A Tale.epub").read_bytes() == EPUB
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("step", ["place_for", "_make_folders"])
def test_a_link_that_comes_between_is_not_followed(bench: Bench, at_once: None, step: str) -> None:
    elsewhere, there = outside(bench), bench.ingest / "Ann Author"
    real = getattr(bench.folder, step)

    def meanwhile(name: str) -> Any:
        result = real(name)
        if there.is_dir():
            there.rmdir()
        there.symlink_to(elsewhere)
        return result

    setattr(bench.folder, step, meanwhile)
    job = bench.queue.downloading(want())
    with pytest.raises(HeldError, match=r"Ann Author is not a folder any more, but a file or a link: remove"):
        bench.deliver(job)
    assert list(elsewhere.iterdir()) == []
    setattr(bench.folder, step, real)
    bench.deliver(job)
    assert (bench.ingest / "Ann Author_1" / "A Tale.epub").read_bytes() == EPUB
    assert list(elsewhere.iterdir()) == []


def test_a_link_in_the_place_of_a_waiting_book_s_folder_is_waited_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = bench.waiting()
    elsewhere, there = outside(bench), bench.ingest / "Ann Author"
    (elsewhere / "A Tale.epub.uploading").write_bytes(b"another's")
    away = there.rename(bench.base / "away")
    there.symlink_to(elsewhere)
    with later(monkeypatch):
        assert bench.deliverer.finish_placed() == 0
        assert bench.state(job) is State.PLACED, "it is not known to be gone"
        assert "is not a folder any more, but a file or a link: remove that" in caplog.text
        there.unlink()
        away.rename(there)
        assert bench.deliverer.finish_placed() == 1
    assert bench.listed() == [NAME]
    assert [path.name for path in elsewhere.iterdir()] == ["A Tale.epub.uploading"]


def test_strays_are_not_sought_behind_a_link(bench: Bench) -> None:
    elsewhere = outside(bench)
    (elsewhere / "x.epub.uploading").write_bytes(b"another's")
    (bench.ingest / "Ann Author").symlink_to(elsewhere)
    (bench.parts / "staging.log").write_text("7\tAnn Author/x.epub.uploading\tAnn Author/\n")
    bench.restart()
    assert bench.deliverer.clear_strays() == 0
    assert (elsewhere / "x.epub.uploading").exists()
    assert (bench.ingest / "Ann Author").is_symlink()


def test_nothing_behind_a_link_lies_in_ingest(bench: Bench, at_once: None) -> None:
    elsewhere = outside(bench)
    (elsewhere / "x.epub").write_bytes(b"another's")
    (bench.ingest / "Link").symlink_to(elsewhere)
    bench.deliver(bench.queue.downloading(want()))
    assert [name for name, _ in bench.folder.lying()] == [NAME]
    with pytest.raises(HeldError):
        bench.folder.exists("Link/x.epub")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a//x", "./x", "a\0/x"])
def test_a_name_that_leads_out_is_not_there(bench: Bench, name: str) -> None:
    (bench.base / "x").write_bytes(b"x")
    (bench.ingest / "a").mkdir()
    assert not bench.folder.exists(name)
    bench.folder.discard(f"{name}.uploading")
    with pytest.raises(FileNotFoundError):
        bench.folder.reveal(f"{name}.uploading", name)


# rights


@pytest.mark.parametrize("mode", [0o2775, 0o755, 0o700])
def test_whoever_may_take_books_from_ingest_may_take_them_from_its_folders(
    bench: Bench, at_once: None, mode: int
) -> None:
    bench.ingest.chmod(mode)
    before = os.umask(0o077)
    try:
        bench.deliver(bench.queue.downloading(want()))
    finally:
        os.umask(before)
    assert (bench.ingest / "Ann Author").stat().st_mode & 0o7777 == mode
