"""Exactly once into ingest: every way to break off before DONE, and every name that may be taken."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bookhopper import power_cut
from bookhopper.chores import Placing
from bookhopper.delivery import deliver, ingest, place
from bookhopper.delivery.deliver import CONSUMERS_KEEP_SECONDS, Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.place import Book
from bookhopper.delivery.staging import StagingLog
from bookhopper.errors import HeldError, PermanentError
from bookhopper.model import Candidate, Delivery, Job, State
from bookhopper.naming_settings import NamingSettings
from bookhopper.power_cut import PowerCut
from bookhopper.store.base import DuplicateError, Move, StaleError
from bookhopper.ticket import Reason, Ticket
from tests import books
from tests.breaking import breaking
from tests.fakes import crashing
from tests.queues import Queue, candidate, want

ROOT = Path(__file__).resolve().parents[2]
EPUB = books.epub()
NAME = "A Tale - Ann Author.epub"
STAGED = f"{NAME}.uploading"


class Bench:
    """A queue, an ingest folder, and a deliverer between them that can be started anew."""

    def __init__(self, base: Path, folder: Path, sub_folder: str = "") -> None:
        self.base = base
        self.parts = base / "parts"
        self.parts.mkdir()
        self.root = folder
        self.sub_folder = sub_folder
        self.queue = Queue(self.parts)
        self.opened = ExitStack()
        self.restart()

    @property
    def ingest(self) -> Path:
        """Where books come to lie."""
        return self.root / self.sub_folder

    @ingest.setter
    def ingest(self, folder: Path) -> None:
        self.root = folder

    def name(self, file: str) -> str:
        """Give a file's name as the ledger has it."""
        return f"{self.sub_folder}/{file}" if self.sub_folder else file

    def close(self) -> None:
        self.opened.close()
        self.queue.close()

    def begin(self, folder: IngestFolder) -> None:
        """Deliver to this folder from now on."""
        self.folder = folder
        naming = NamingSettings(folder=self.sub_folder)
        self.deliverer = Deliverer(self.queue.store, folder, self.parts, naming=naming)
        self.opened.callback(self.deliverer.close)

    def restart(self) -> None:
        """Begin as the daemon does after its end."""
        self.queue.reopen()
        self.queue.store.recover()
        self.begin(IngestFolder(self.root, mode=0o664, require_mount=True))

    def book(self, job: Job, content: bytes = EPUB, of: Candidate | None = None) -> Book:
        part = self.parts / f"{job.id}.part"
        part.write_bytes(content)
        return Book(part, "epub", hashlib.sha256(content).hexdigest(), len(content), of or candidate())

    def deliver(self, job: Job, content: bytes = EPUB, of: Candidate | None = None) -> None:
        self.deliverer.deliver(job, self.book(job, content, of), Ticket(job.id))

    def place_only(self, job: Job) -> Delivery:
        """Leave a job PLACED, as when the folder went away before the rename."""
        self.breaking("reveal", OSError(errno.EIO, "broken"))
        self.deliver(job)
        del self.folder.reveal
        assert self.queue.job(job.id).state is State.PLACED
        (line,) = [line for line in self.queue.store.placed() if line.job == job.id]
        return line

    def breaking(self, name: str, error: BaseException, times: int = 10**9, owner: object = None) -> None:
        """Let a step of the folder, or of another part, fail the next few times."""
        breaking(owner or self.folder, name, error, times)

    def listed(self) -> list[str]:
        """List what lies where books come to lie; nothing else is in ingest, and no folder without a book."""
        found = [path for path in self.root.rglob("*") if path.parent != self.ingest]
        holding = {path for path in self.ingest.parents if path.is_relative_to(self.root)}
        assert {path for path in found if path not in {self.ingest, *holding}} == set()
        names = sorted(path.name for path in self.ingest.iterdir()) if self.ingest.exists() else []
        assert names or not found
        return names

    def left(self) -> list[str]:
        """What lies beside the database."""
        kept = ("queue.db", "staging.log")
        return sorted(path.name for path in self.parts.iterdir() if not path.name.startswith(kept))

    def note(self, line: str) -> None:
        """Add to the staging log."""
        with (self.parts / "staging.log").open("a", encoding="utf-8") as log:
            log.write(line)

    def noted(self) -> str:
        return (self.parts / "staging.log").read_text(encoding="utf-8")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "ingest"
    folder.mkdir()
    bench = Bench(tmp_path, folder)
    yield bench
    bench.close()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another device."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no other device here")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _watched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sub-folders be watched as soon as they are there."""
    monkeypatch.setattr(deliver, "WATCH_SECONDS", 0.0)


@pytest.fixture(params=["rename", "copy", "rename, sub-folder", "copy, sub-folder"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Ingest on the same device or on another one, books in it or in a folder inside it."""
    way, _, sub_folder = request.param.partition(", ")
    if way == "copy":
        folder = request.getfixturevalue("elsewhere")
    else:
        folder = tmp_path / "ingest"
        folder.mkdir()
    bench = Bench(tmp_path, folder, sub_folder and "Ann Author/Tales")
    yield bench
    bench.close()


# the plain way


def test_a_book_appears_whole_under_its_name(either: Bench) -> None:
    job = either.queue.downloading(want())
    either.deliver(job)
    assert either.listed() == [NAME]
    assert (either.ingest / NAME).read_bytes() == EPUB
    assert either.left() == []
    assert either.queue.job(job.id).state is State.DONE
    line = either.queue.store.delivery(job.id)
    assert line is not None
    assert (line.source, line.key) == ("shelf", "1")
    assert (line.name, line.staged) == (either.name(NAME), either.name(STAGED))
    assert (line.sha256, line.size, line.format) == (hashlib.sha256(EPUB).hexdigest(), len(EPUB), "epub")
    assert line.done_at is not None
    assert [change.after for change in either.queue.changes[-2:]] == [State.PLACED, State.DONE]


def test_it_is_seen_as_uploading_only_before(either: Bench) -> None:
    seen: list[tuple[str, list[str], str]] = []
    job = either.queue.downloading(want())

    def watched(owner: object, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def step(*args: Any, **named: Any) -> Any:
            seen.append((name, either.listed(), either.queue.job(job.id).state.value))
            return real(*args, **named)

        setattr(owner, name, step)

    watched(either.folder, "stage")
    watched(either.queue.store, "place")
    watched(either.folder, "reveal")
    watched(either.queue.store, "complete")
    either.deliver(job)
    assert seen == [
        ("stage", [], "downloading"),
        ("place", [STAGED], "downloading"),
        ("reveal", [STAGED], "placed"),
        ("complete", [NAME], "placed"),
    ]


@pytest.mark.parametrize(
    ("mode", "umask", "expected"),
    [(0o664, 0o002, 0o664), (0o664, 0o022, 0o644), (0o660, 0o077, 0o600), (0o640, 0o000, 0o640)],
)
def test_the_mode_is_what_is_set_less_the_umask(either: Bench, mode: int, umask: int, expected: int) -> None:
    before = os.umask(umask)
    try:
        either.begin(IngestFolder(either.root, mode=mode, require_mount=True))
        job = either.queue.downloading(want())
        book = either.book(job)
        book.path.chmod(0o600)
        either.deliverer.deliver(job, book, Ticket(job.id))
    finally:
        os.umask(before)
    assert (either.ingest / NAME).stat().st_mode & 0o777 == expected


def test_a_share_without_modes_is_good_enough(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fchmod

    def refusing(handle: int, mode: int) -> None:
        if os.fstat(handle).st_dev == elsewhere.stat().st_dev:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(handle, mode)

    monkeypatch.setattr(os, "fchmod", refusing)
    with tempfile.TemporaryDirectory() as base:
        bench = Bench(Path(base), elsewhere)
        bench.deliver(bench.queue.downloading(want()))
        assert bench.listed() == [NAME]
        bench.close()


def test_nothing_interrupts_between_placed_and_done(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    ticket = Ticket(job.id)
    ticket.interrupt(Reason.SHUTDOWN)
    bench.deliverer.deliver(job, bench.book(job), ticket)
    assert bench.queue.job(job.id).state is State.DONE


# a crash at any step

STEPS = [
    "before-note",
    "after-note",
    "after-make",
    "after-stage",
    "before-place",
    "after-place",
    "before-reveal",
    "after-reveal",
    "before-complete",
    "after-complete",
]
SETTLED = {"after-place", "before-reveal", "after-reveal", "before-complete", "after-complete"}
SEEN = {"after-reveal", "before-complete", "after-complete"}


def crash(bench: Bench, step: str) -> int:
    """Let another process deliver a job and die at a step."""
    job = bench.queue.queued(want(), candidate())
    bench.queue.close()
    command = [sys.executable, "-m", "tests.fakes.crashing", str(bench.parts), str(bench.root)]
    path = os.pathsep.join([str(ROOT / "daemon"), str(ROOT)])
    command += [bench.sub_folder, step]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False, timeout=60)
    assert ended.returncode == crashing.STATUS
    return job


def take_up(bench: Bench) -> None:
    """Start again, and deliver whatever is queued."""
    bench.restart()
    bench.deliverer.clear_strays()
    bench.deliverer.finish_placed()
    while (job := bench.queue.store.claim(State.QUEUED)) is not None:
        bench.deliver(job)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_neither_loses_nor_doubles(either: Bench, step: str) -> None:
    crash(either, step)
    take_up(either)
    assert either.listed() == [NAME]
    assert (either.ingest / NAME).read_bytes() == EPUB
    assert either.queue.states() == {"done": 1}
    assert either.deliverer.clear_strays() == 0
    assert either.noted() == ""


@pytest.mark.parametrize("step", sorted(SEEN))
def test_a_book_that_was_eaten_meanwhile_does_not_come_again(either: Bench, step: str) -> None:
    crash(either, step)
    (either.ingest / NAME).unlink()
    if either.sub_folder:
        (either.root / either.sub_folder).rmdir()
        (either.root / either.sub_folder).parent.rmdir()
    take_up(either)
    assert either.listed() == []
    assert either.queue.states() == {"done": 1}


@pytest.mark.parametrize("step", sorted(set(STEPS) - SETTLED))
def test_a_crash_before_the_ledger_costs_no_attempt(either: Bench, step: str) -> None:
    job = crash(either, step)
    either.restart()
    again = either.queue.job(job)
    assert (again.state, again.attempts) == (State.QUEUED, 0)
    staged = step in {"after-stage", "before-place"}
    assert either.deliverer.clear_strays() == staged
    assert either.listed() == []
    by_copy = either.root.stat().st_dev != either.base.stat().st_dev
    assert either.left() == ([] if staged and not by_copy else [f"{job}.part"])


def test_a_crash_in_the_middle_of_a_copy(elsewhere: Path, tmp_path: Path) -> None:
    bench = Bench(tmp_path, elsewhere)
    crash(bench, "in-copy")
    assert bench.listed() == [STAGED]
    take_up(bench)
    assert bench.listed() == [NAME]
    assert (bench.ingest / NAME).read_bytes() == EPUB
    bench.close()


def test_a_crash_between_two_names(bench: Bench) -> None:
    """The name was taken under the daemon's hands: the ledger says the next one, and then it dies."""
    job = bench.queue.downloading(want())
    bench.place_only(job)
    bench.queue.store.rename(job.id, "A Tale - Ann Author_1.epub")
    (bench.ingest / NAME).write_bytes(b"another's")
    take_up(bench)
    assert bench.listed() == [NAME, "A Tale - Ann Author_1.epub"]
    assert (bench.ingest / NAME).read_bytes() == b"another's"


def test_a_crash_while_it_is_given_another_place_to_wait(bench: Bench) -> None:
    """Both names stand in the note, for nobody knows which of them the file has."""
    bench.note("7\ta.epub.uploading\n7\ta.epub.uploading\tb.epub.uploading\n")
    for staged in ("a.epub.uploading", "b.epub.uploading", "c.epub.uploading"):
        (bench.ingest / staged).write_bytes(b"x")
    assert bench.deliverer.clear_strays() == 1
    assert bench.listed() == ["c.epub.uploading"]
    assert bench.left() == []


# what a start finds


def test_a_stray_of_one_job_is_not_the_placed_book_of_another(bench: Bench) -> None:
    placed = bench.queue.downloading(want())
    bench.place_only(placed)
    bench.note(f"99\t{STAGED}\n")
    take_up(bench)
    assert bench.listed() == [NAME]
    assert bench.queue.job(placed.id).state is State.DONE


def test_another_s_upload_is_left_alone(bench: Bench) -> None:
    (bench.ingest / STAGED).write_bytes(b"somebody uploads")
    bench.deliver(bench.queue.downloading(want()))
    assert bench.listed() == [STAGED, "A Tale - Ann Author_1.epub"]
    assert (bench.ingest / STAGED).read_bytes() == b"somebody uploads"


def test_the_note_of_a_closed_delivery_touches_nothing(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    bench.deliver(job)
    bench.queue.settle()
    bench.note(f"{job.id}\t{STAGED}\n")
    (bench.ingest / STAGED).write_bytes(b"somebody uploads")
    assert bench.deliverer.clear_strays() == 0
    assert bench.listed() == [NAME, STAGED]
    assert bench.left() == []


@pytest.mark.parametrize(
    "content",
    [
        *(
            "../outside.uploading",
            "book.epub",
            "",
            "\n\n",
            "/etc/x.uploading",
            "a.upl",
            "a/../../x.uploading",
        ),
        *(
            "/outside.uploading",
            "..//",
            "/",
            "./",
            "a/\tKids/",
            "a\0/b.uploading",
            "a" * 300 + "/b.uploading",
        ),
    ],
)
def test_a_damaged_note_removes_nothing_else(bench: Bench, content: str) -> None:
    outside = bench.base / "outside.uploading"
    outside.write_bytes(b"x")
    (bench.ingest / "book.epub").write_bytes(b"x")
    bench.note(f"x\t{content}\n\t{content}\n7\t{content}")
    bench.deliverer.clear_strays()
    assert outside.exists()
    assert bench.listed() == ["book.epub"]
    assert bench.left() == []


def test_a_job_that_left_nothing_touches_nothing(bench: Bench) -> None:
    """Its book was a double, and was taken back; meanwhile somebody else uploads under that name."""
    bench.note(f"7\t{STAGED}\n7\n")
    (bench.ingest / STAGED).write_bytes(b"somebody uploads")
    assert bench.deliverer.clear_strays() == 0
    assert bench.listed() == [STAGED]


def test_the_log_is_cleared_when_it_is_long_and_nobody_needs_it(bench: Bench) -> None:
    bench.note("7\tx\n" * 100_000)
    bench.deliver(bench.queue.downloading(want()))
    assert bench.noted().count("\n") == 1


def test_nothing_is_placed_after_the_end(bench: Bench) -> None:
    """A worker that outlasts the grace time must not write to a file that is no longer the log."""
    job = bench.queue.downloading(want())
    book = bench.book(job)
    bench.deliverer.close()
    with pytest.raises(HeldError, match="the daemon has stopped"):
        bench.deliverer.deliver(job, book, Ticket(job.id))
    assert bench.listed() == []


def test_notes_wait_for_a_folder_that_is_away(bench: Bench) -> None:
    bench.note("7\ta.epub.uploading\n")
    away = bench.ingest.rename(bench.base / "away")
    (away / "a.epub.uploading").write_bytes(b"x")
    assert bench.deliverer.clear_strays() == 0
    away.rename(bench.ingest)
    assert bench.deliverer.clear_strays() == 1
    assert bench.listed() == []


def test_what_consumers_have_deleted_is_delivered_anew_and_says_so(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    job = bench.queue.downloading(want())
    line = bench.place_only(job)
    (bench.ingest / line.staged).unlink()
    age(bench, job.id, CONSUMERS_KEEP_SECONDS + 60)
    bench.restart()
    assert bench.deliverer.finish_placed() == 1
    again = bench.queue.job(job.id)
    assert (again.state, again.attempts) == (State.QUEUED, 0)
    assert again.error.startswith("placed 2 h ago and gone, and the disk does not tell whether")
    assert again.error.endswith("delivered anew, so see whether it has it twice")
    assert again.error in caplog.text
    take_up(bench)
    assert bench.listed() == [NAME]
    assert bench.queue.states() == {"done": 1}
    assert bench.queue.job(job.id).error == again.error


def test_what_was_eaten_long_before_a_start_comes_again_and_the_doubt_stays_said(bench: Bench) -> None:
    job = crash(bench, "after-reveal")
    (bench.ingest / NAME).unlink()
    bench.restart()
    age(bench, job, CONSUMERS_KEEP_SECONDS + 60)
    assert bench.deliverer.finish_placed() == 1
    claimed = bench.queue.store.claim(State.QUEUED)
    assert claimed is not None
    bench.queue.store.move(Move(job, State.DOWNLOADING, State.QUEUED, "the source is away"))
    take_up(bench)
    assert bench.listed() == [NAME]
    assert bench.queue.job(job).state is State.DONE
    assert "see whether it has it twice" in bench.queue.job(job).error


def test_what_is_gone_within_two_hours_was_renamed(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    line = bench.place_only(job)
    (bench.ingest / line.staged).unlink()
    age(bench, job.id, CONSUMERS_KEEP_SECONDS - 60)
    bench.restart()
    assert bench.deliverer.finish_placed() == 1
    assert bench.queue.job(job.id).state is State.DONE


@pytest.mark.parametrize("eaten", [True, False])
def test_what_a_power_cut_leaves_open_is_said_and_stays_said(bench: Bench, eaten: bool) -> None:
    job = bench.queue.downloading(want())
    line = bench.place_only(job)
    if eaten:
        (bench.ingest / line.staged).unlink()
    bench.restart()
    assert bench.deliverer.doubt_placed() == 1
    assert bench.deliverer.finish_placed() == 1
    assert bench.queue.job(job.id).state is State.DONE
    assert "the machine went down while this book was handed over" in bench.queue.job(job.id).error
    assert bench.deliverer.doubt_placed() == 0


def test_a_store_that_is_away_after_a_power_cut_takes_no_doubt_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = bench.base / "boot"
    monkeypatch.setattr(power_cut, "_BOOT", boot)
    boot.write_text("first")
    PowerCut(bench.queue.store).begun()
    job = bench.queue.downloading(want())
    line = bench.place_only(job)
    (bench.ingest / line.staged).unlink()
    boot.write_text("second")
    bench.restart()
    store = bench.queue.store
    placing = Placing(bench.deliverer, bench.folder, bench.base / "identity", PowerCut(store))
    for step in ("move", "set_setting"):
        bench.breaking(step, HeldError("another program holds the database", scope="queue"), 1, store)
        with pytest.raises(HeldError):
            placing.finish()
        assert bench.queue.job(job.id).state is State.PLACED
        assert PowerCut(store).noticed
    assert placing.finish() == 1
    assert bench.queue.job(job.id).state is State.DONE
    assert "the machine went down while this book was handed over" in bench.queue.job(job.id).error
    assert not PowerCut(store).noticed


def test_an_old_placed_book_whose_file_is_there_gets_its_name(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    bench.place_only(job)
    age(bench, job.id, 10 * CONSUMERS_KEEP_SECONDS)
    take_up(bench)
    assert bench.listed() == [NAME]


def test_a_book_from_another_ingest_folder_is_delivered_anew(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    line = bench.place_only(job)
    (bench.ingest / line.staged).unlink()
    bench.ingest.rmdir()
    bench.ingest = bench.base / "other"
    bench.ingest.mkdir()
    take_up(bench)
    assert bench.listed() == [NAME]


@pytest.mark.parametrize("restarted", [True, False])
def test_a_book_whose_ingest_folder_was_made_anew_at_its_place_is_delivered_anew(
    bench: Bench, restarted: bool
) -> None:
    job = bench.queue.downloading(want())
    bench.place_only(job)
    shutil.rmtree(bench.ingest)
    bench.ingest.mkdir()  # it often gets the same inode
    if restarted:
        bench.restart()
    assert bench.deliverer.finish_placed() == 1
    assert bench.queue.job(job.id).state is State.QUEUED
    take_up(bench)
    assert bench.listed() == [NAME]
    assert bench.queue.job(job.id).state is State.DONE
    assert bench.queue.job(job.id).error.startswith("the ingest folder it was placed in is another now")


def test_a_disk_that_has_another_device_after_a_restart_is_still_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.queue.downloading(want())
    line = bench.place_only(job)
    (bench.ingest / line.staged).unlink()
    bench.restart()
    monkeypatch.setattr(bench.folder, "identity", lambda: f"{bench.ingest} on /dev/sdz9 (ext4) on /")
    assert bench.deliverer.finish_placed() == 1
    assert bench.queue.job(job.id).state is State.DONE


def test_a_folder_whose_birth_is_not_known_is_told_by_its_mount(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "birth_mark", lambda _: "")
    assert bench.folder.itself() == f"{bench.folder.identity()}, inode {bench.ingest.stat().st_ino}"


def test_a_folder_that_was_away_is_still_itself(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    line = bench.place_only(job)
    away = bench.ingest.rename(bench.base / "away")
    assert bench.deliverer.finish_placed() == 0
    (away / line.staged).unlink()  # renamed on the other side, and eaten
    away.rename(bench.ingest)
    bench.restart()
    assert bench.deliverer.finish_placed() == 1
    assert bench.queue.job(job.id).state is State.DONE


def age(bench: Bench, job: int, seconds: float) -> None:
    """Let a ledger line be older than it is."""
    moment = time.time() - seconds
    bench.queue.store.writer.call(
        "test", lambda t: t.execute("UPDATE ledger SET placed_at = ? WHERE job = ?", (moment, job))
    )


# a failure at any step, with the daemon alive


def test_a_rename_that_fails_is_made_up_for(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    job = bench.queue.downloading(want())
    bench.place_only(job)
    assert "is placed and waits for its name" in caplog.text
    assert bench.listed() == [STAGED]
    assert bench.deliverer.finish_placed() == 1
    assert bench.listed() == [NAME]
    assert bench.left() == []


def test_a_rename_that_fails_again_waits_on(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.place_only(bench.queue.downloading(want()))
    bench.breaking("reveal", OSError(errno.EIO, "broken"), 2)
    for _ in range(2):
        assert bench.deliverer.finish_placed() == 0
    assert caplog.text.count("cannot get its name yet") == 1  # it is tried every few seconds
    assert bench.deliverer.finish_placed() == 1


def test_a_store_that_goes_away_before_done_loses_nothing(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    bench.breaking("complete", HeldError("the disk is full", scope="queue"), 1, bench.queue.store)
    bench.deliver(job)
    assert (bench.listed(), bench.queue.job(job.id).state) == ([NAME], State.PLACED)
    assert bench.deliverer.finish_placed() == 1
    assert bench.queue.job(job.id).state is State.DONE


def test_a_store_that_is_away_for_hours_does_not_double_a_book(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    bench.breaking("complete", HeldError("the disk is full", scope="queue"), 1, bench.queue.store)
    bench.deliver(job)
    (bench.ingest / NAME).unlink()
    age(bench, job.id, 2 * CONSUMERS_KEEP_SECONDS)
    assert bench.deliverer.finish_placed() == 1
    assert bench.queue.job(job.id).state is State.DONE


@pytest.mark.parametrize("error", [HeldError("away", scope="queue"), StaleError("job 1 is cancelled")])
def test_a_ledger_that_refuses_leaves_nothing_in_ingest(bench: Bench, error: Exception) -> None:
    job = bench.queue.downloading(want())
    bench.breaking("place", error, 1, bench.queue.store)
    with pytest.raises(type(error)):
        bench.deliver(job)
    assert bench.listed() == bench.left() == []
    assert bench.queue.job(job.id).state is State.DOWNLOADING


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_a_folder_that_refuses_holds_the_queue(either: Bench, number: int) -> None:
    job = either.queue.downloading(want())
    either.breaking("stage", OSError(number, os.strerror(number)), 1)
    with pytest.raises(HeldError, match=r"the ingest folder .* cannot be written: .*: make room") as held:
        either.deliver(job)
    assert held.value.scope == "queue"
    assert either.listed() == []
    assert either.left() == [f"{job.id}.part"]
    either.deliver(job)
    assert either.listed() == [NAME]


def test_a_copy_that_fails_half_way_leaves_nothing(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(source: Any, goal: Any, length: int) -> None:
        goal.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    bench = Bench(tmp_path, elsewhere)
    job = bench.queue.downloading(want())
    monkeypatch.setattr(shutil, "copyfileobj", failing)
    with pytest.raises(HeldError, match="No space left"):
        bench.deliver(job)
    assert bench.listed() == []
    assert bench.left() == [f"{job.id}.part"]
    bench.close()


def test_a_folder_that_cannot_be_synced_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.queue.downloading(want())
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "sync_folder", raising(errno.EIO))
        with pytest.raises(HeldError, match="Input/output error"):
            bench.deliver(job)
    assert bench.listed() == []
    bench.deliver(job)
    assert bench.listed() == [NAME]


def test_a_share_that_knows_no_sync_of_folders_is_good_enough(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def refusing(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112 - a link to follow
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", refusing)
    bench.deliver(bench.queue.downloading(want()))
    assert bench.listed() == [NAME]


def raising(number: int) -> Callable[..., None]:
    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return failing


def test_a_state_folder_that_is_full_holds_the_queue(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.queue.downloading(want())
    book = bench.book(job)
    with monkeypatch.context() as patch:
        patch.setattr(StagingLog, "note", raising(errno.ENOSPC))
        with pytest.raises(HeldError, match="cannot be written: No space left") as held:
            bench.deliverer.deliver(job, book, Ticket(job.id))
    assert held.value.scope == "queue"
    assert bench.listed() == []
    assert book.path.exists()


class OldKernel:
    """A filesystem that knows no flags of a rename."""

    def renameat2(self, *_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1


def test_two_books_never_get_one_name_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_libc", OldKernel())
    both, lexists = threading.Barrier(2), os.path.lexists

    def looking(path: Path) -> bool:
        found = lexists(path)
        with suppress(threading.BrokenBarrierError):  # the other one is kept from looking
            both.wait(0.2)
        return found

    def take(source: Path) -> bool:
        source.touch()
        try:
            ingest.rename_without_replacing(source, tmp_path / "target")
        except FileExistsError:
            return False
        return True

    monkeypatch.setattr(os.path, "lexists", looking)
    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(take, (tmp_path / "one", tmp_path / "two"))) == [False, True]


def test_a_filesystem_without_renameat2_looks_first(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_libc", OldKernel())
    (bench.ingest / NAME).write_bytes(b"another's")
    bench.deliver(bench.queue.downloading(want()))
    assert bench.listed() == [NAME, "A Tale - Ann Author_1.epub"]
    with pytest.raises(FileExistsError):
        bench.folder.reveal(NAME, "A Tale - Ann Author_1.epub")
    assert (bench.ingest / NAME).read_bytes() == b"another's"


# names


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ])
def test_a_name_that_the_filesystem_does_not_take_holds_nobody_up(
    either: Bench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As a mount that encrypts names refuses long ones, and FAT what its code page lacks."""
    stage = either.folder.stage

    def refusing(book: Path, name: str) -> str:
        if "Tale" in name:
            raise OSError(number, os.strerror(number))
        return stage(book, name)

    monkeypatch.setattr(either.folder, "stage", refusing)
    job = either.queue.downloading(want())
    either.deliver(job)
    assert [path.name for path in either.root.iterdir()] == [f"Book {job.id}.epub"]
    assert either.queue.job(job.id).state is State.DONE
    assert either.left() == []


def test_an_existing_file_is_never_replaced(either: Bench) -> None:
    either.ingest.mkdir(parents=True, exist_ok=True)
    (either.ingest / NAME).write_bytes(b"another's")
    (either.ingest / "A Tale - Ann Author_1.epub").symlink_to("nowhere")
    either.deliver(either.queue.downloading(want()))
    assert either.listed() == [NAME, "A Tale - Ann Author_1.epub", "A Tale - Ann Author_2.epub"]
    assert (either.ingest / NAME).read_bytes() == b"another's"
    assert (either.ingest / "A Tale - Ann Author_2.epub").read_bytes() == EPUB


def test_a_name_in_the_ledger_is_not_given_again(either: Bench) -> None:
    either.deliver(either.queue.downloading(want("One")))
    (either.ingest / NAME).unlink()
    second = either.queue.downloading(want("Two"))
    either.deliver(second, books.epub("Two"), candidate("2"))
    assert either.listed() == ["A Tale - Ann Author_1.epub"]
    line = either.queue.store.delivery(second.id)
    assert line is not None
    assert line.name == either.name("A Tale - Ann Author_1.epub")
    assert line.staged == f"{line.name}.uploading"
    assert either.left() == []


def test_a_name_that_is_taken_at_the_last_moment(bench: Bench) -> None:
    real = bench.folder.reveal

    def late(staged: str, name: str) -> None:
        if name == NAME:
            (bench.ingest / NAME).write_bytes(b"another's")
        real(staged, name)

    bench.folder.reveal = late  # type: ignore[method-assign]
    job = bench.queue.downloading(want())
    bench.deliver(job)
    assert bench.listed() == [NAME, "A Tale - Ann Author_1.epub"]
    assert (bench.ingest / NAME).read_bytes() == b"another's"
    line = bench.queue.store.delivery(job.id)
    assert line is not None
    assert line.name == "A Tale - Ann Author_1.epub"


def test_a_name_that_is_taken_at_the_last_moment_and_in_the_ledger(bench: Bench) -> None:
    bench.deliver(bench.queue.downloading(want("One")), of=candidate("0"))
    (bench.ingest / NAME).unlink()
    second = bench.queue.downloading(want("Two"))
    bench.deliver(second, books.epub("Two"), candidate("2"))
    (bench.ingest / "A Tale - Ann Author_1.epub").unlink()
    third = bench.queue.downloading(want("Three"))
    other = replace(candidate("3"), title="A Tale ", authors=("Ann Author_",))
    bench.queue.store.writer.call("test", lambda t: t.execute("UPDATE ledger SET name = 'x' WHERE job = 1"))
    bench.breaking("reveal", FileExistsError(errno.EEXIST, "there"), 1)
    bench.deliver(third, books.epub("Three"), other)
    assert bench.listed() == ["A Tale - Ann Author_2.epub"]


def test_a_staging_name_that_is_taken_at_the_last_moment(bench: Bench) -> None:
    bench.breaking("stage", FileExistsError(errno.EEXIST, "there"), 1)
    bench.deliver(bench.queue.downloading(want()))
    assert bench.listed() == ["A Tale - Ann Author_1.epub"]


def test_a_second_staging_name_that_is_taken_at_the_last_moment(bench: Bench) -> None:
    bench.deliver(bench.queue.downloading(want("One")))
    (bench.ingest / NAME).unlink()
    bench.breaking("restage", FileExistsError(errno.EEXIST, "there"), 1)
    bench.deliver(bench.queue.downloading(want("Two")), books.epub("Two"), candidate("2"))
    assert bench.listed() == ["A Tale - Ann Author_2.epub"]


def test_restaging_that_fails_leaves_nothing(bench: Bench) -> None:
    bench.deliver(bench.queue.downloading(want("One")))
    (bench.ingest / NAME).unlink()
    job = bench.queue.downloading(want("Two"))
    bench.breaking("restage", OSError(errno.EIO, os.strerror(errno.EIO)), 1)
    with pytest.raises(HeldError, match="Input/output error"):
        bench.deliver(job, books.epub("Two"), candidate("2"))
    assert bench.listed() == bench.left() == []


def test_restaging_that_cannot_be_synced_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.ingest / STAGED).write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "sync_folder", raising(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            bench.folder.restage(STAGED, "other.epub")
    assert bench.listed() == []


def test_every_name_taken_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (deliver, place):
        monkeypatch.setattr(module, "variants", lambda name: iter([name]))
    (bench.ingest / NAME).write_bytes(b"x")
    job = bench.queue.downloading(want())
    with pytest.raises(PermanentError, match=r"every name for it is taken in .*: clear the folder"):
        bench.deliver(job)
    (bench.ingest / NAME).unlink()
    bench.place_only(job)
    (bench.ingest / NAME).write_bytes(b"x")
    assert bench.deliverer.finish_placed() == 0
    other = bench.queue.downloading(want("Two"))
    (bench.ingest / NAME).unlink()
    (bench.ingest / STAGED).unlink()
    with pytest.raises(PermanentError, match="every name for it is taken"):
        bench.deliver(other, books.epub("Two"), candidate("2"))
    assert bench.listed() == []


def test_the_name_comes_from_the_book_then_from_the_want(bench: Bench) -> None:
    job = bench.queue.downloading(want("Wish", "Wisher"))
    bench.deliver(job, of=replace(candidate(), title="", authors=()))
    assert bench.listed() == ["Wish - Wisher.epub"]


def test_a_long_name_fits_with_its_suffix(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    bench.deliver(job, of=replace(candidate(), title="本" * 300))
    (name,) = bench.listed()
    assert len(name) <= 150
    assert len(f"{name}.uploading".encode()) <= 255
    assert name.endswith(".epub")


# once


def test_the_same_book_by_key_or_bytes_is_a_duplicate(bench: Bench) -> None:
    first = bench.queue.downloading(want("One"))
    bench.deliver(first)
    second = bench.queue.downloading(want("Two"))
    for content, of in ((books.epub("Two"), candidate("1")), (EPUB, candidate("2"))):
        with pytest.raises(DuplicateError) as double:
            bench.deliver(second, content, of)
        assert double.value.job == first.id
        assert NAME in str(double.value)
    assert bench.listed() == [NAME]
    assert bench.left() == []


def test_force_delivers_the_same_book_again(bench: Bench) -> None:
    bench.deliver(bench.queue.downloading(want()))
    bench.deliver(bench.queue.downloading(want(force=True)))
    assert bench.listed() == [NAME, "A Tale - Ann Author_1.epub"]


def test_many_at_once_get_names_of_their_own(bench: Bench) -> None:
    jobs = [bench.queue.downloading(want(f"Book {number}")) for number in range(12)]
    tales = {job.id: books.epub(f"Book {job.id}") for job in jobs}
    threads = [
        threading.Thread(target=bench.deliver, args=(job, tales[job.id], candidate(str(job.id))))
        for job in jobs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.queue.states() == {"done": 12}
    assert len(bench.listed()) == 12
    assert {(bench.ingest / name).read_bytes() for name in bench.listed()} == set(tales.values())


def test_a_book_on_its_way_is_not_taken_up_by_others(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    real = bench.folder.reveal
    taken: list[int] = []

    def meanwhile(staged: str, name: str) -> None:
        taken.append(bench.deliverer.finish_placed())
        real(staged, name)

    bench.folder.reveal = meanwhile  # type: ignore[method-assign]
    bench.deliver(job)
    assert taken == [0]
    assert bench.queue.job(job.id).state is State.DONE


def test_a_job_that_somebody_else_settled_is_left(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    bench.place_only(job)
    bench.breaking("complete", StaleError("settled"), 1, bench.queue.store)
    assert bench.deliverer.finish_placed() == 0


def test_nothing_placed_is_nothing_to_do(bench: Bench) -> None:
    assert bench.deliverer.finish_placed() == 0
    assert bench.deliverer.clear_strays() == 0


# the folder is away


def test_a_folder_that_is_not_there_holds_the_queue(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    book = bench.book(job)
    bench.ingest.rmdir()
    with pytest.raises(HeldError, match="is not there: create it, or mount it again") as held:
        bench.deliverer.deliver(job, book, Ticket(job.id))
    assert held.value.scope == "queue"
    assert book.path.exists()
    with pytest.raises(HeldError):
        bench.deliverer.ready()
    bench.ingest.mkdir()
    bench.deliverer.ready()
    bench.deliverer.deliver(job, book, Ticket(job.id))
    assert bench.listed() == [NAME]


def test_placed_books_wait_for_their_folder_and_say_so_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.place_only(bench.queue.downloading(want()))
    away = bench.ingest.rename(bench.base / "away")
    assert [bench.deliverer.finish_placed() for _ in range(3)] == [0, 0, 0]
    assert caplog.text.count("1 placed book still without a name: the ingest folder") == 1
    away.rename(bench.ingest)
    assert bench.deliverer.finish_placed() == 1
    assert bench.listed() == [NAME]


def test_a_folder_without_the_right_to_write(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(HeldError, match="cannot be written to: give bookhopper's user the right"):
        bench.folder.ready()


def test_the_identity_is_kept_and_stays(bench: Bench) -> None:
    identity = bench.folder.ready()
    assert bench.folder.expected == identity
    assert str(bench.ingest) in identity
    bench.restart()
    assert bench.folder.ready() == identity


@pytest.mark.parametrize(("required", "held"), [(True, True), (False, False)])
def test_a_folder_whose_mount_is_gone(bench: Bench, required: bool, held: bool) -> None:
    expected = f"{bench.ingest} on //nas/books (cifs) on {bench.ingest}"
    folder = IngestFolder(bench.ingest, mode=0o664, require_mount=required, expected=expected)
    if held:
        with pytest.raises(HeldError, match=r"is another than it was .*deliver\.require_mount: false"):
            folder.ready()
        assert folder.expected == expected
    else:
        assert folder.ready() == folder.expected != expected


def test_a_folder_that_moved_to_a_mount_of_its_own_is_taken(elsewhere: Path) -> None:
    was = f"{elsewhere} on /dev/sda1 (ext4) on /"
    folder = IngestFolder(elsewhere, mode=0o664, require_mount=True, expected=was)
    assert folder.ready() == folder.identity() != was


def test_the_umask_has_a_fallback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tx\n")
    monkeypatch.setattr(ingest, "Path", lambda _: tmp_path / "status")
    assert ingest._umask() == 0o022


def test_a_job_that_was_cancelled_before_the_ledger_leaves_nothing(bench: Bench) -> None:
    job = bench.queue.downloading(want())
    bench.queue.store.move(Move(job.id, State.DOWNLOADING, State.CANCELLED))
    with pytest.raises(StaleError):
        bench.deliver(job)
    assert bench.listed() == bench.left() == []
