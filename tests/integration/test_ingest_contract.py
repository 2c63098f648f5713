"""What the ingest folder's consumer asks of us, looked at from its side, with its own rules.

The points of `reference/calibre-ingest.md`, and what holds each:

   1 integration/test_ingest_contract.py test_each_book_is_seen_once_whole_and_by_its_rename
   2 integration/test_ingest_contract.py test_each_book_is_seen_once_whole_and_by_its_rename
   2 integration/test_ingest_contract.py test_each_step_is_on_the_disk_before_the_next
   2 e2e/test_ingest_witness.py          test_a_book_appears_by_one_rename_and_in_no_other_way
   3 integration/test_ingest_contract.py test_nothing_lies_in_ingest_that_its_consumer_would_delete
   3 unit/test_config.py                 test_a_link_does_not_hide_that_a_folder_lies_inside_ingest
   4 integration/test_ingest_contract.py test_what_is_verified_has_an_extension_that_it_takes
   4 unit/test_config.py                 test_a_format_that_the_usual_consumer_passes_over_is_warned_of
   5 integration/test_ingest_contract.py test_names_are_never_cut_by_it
   6 integration/test_ingest_contract.py test_a_book_that_came_before_its_consumer_is_eaten_after_a_nudge
   6 integration/test_ingest_contract.py test_a_nudge_comes_once_and_never_soon
   6 integration/test_ingest_contract.py test_a_book_that_is_eaten_during_its_nudge_does_not_come_back
   7 integration/test_ingest_contract.py test_a_book_whose_import_failed_is_in_the_ledger_and_in_the_copies
   8 integration/test_ingest_contract.py test_books_lie_in_the_root_whatever_they_are_called
   8 integration/test_ingest_contract.py test_a_book_in_a_new_folder_is_named_once_its_consumer_watches_that
   8 integration/test_ingest_contract.py test_a_consumer_that_removes_empty_folders_gets_every_book
   8 integration/test_ingest_contract.py test_a_book_that_was_missed_in_its_folder_is_eaten_after_a_nudge
   8 reliability/test_crash.py           test_kills_lose_nothing_and_double_nothing_in_sub_folders
   9 integration/test_ingest_contract.py test_whoever_consumes_may_read_it
   9 integration/test_deliver.py         test_the_mode_is_what_is_set_less_the_umask
  10 integration/test_ingest_contract.py test_a_consumer_that_polls_at_every_step_gets_it_whole
  11 integration/test_ingest_contract.py test_the_same_book_twice_is_one_record
  11 e2e/test_life.py                    test_two_wants_that_come_to_one_book_deliver_one
  12 integration/test_ingest_contract.py test_another_format_of_an_owned_book_comes_without_a_sidecar
  13 integration/test_ingest_contract.py test_an_ingest_folder_that_is_a_mount_of_its_own
  13 e2e/test_ingest_witness.py          test_a_book_appears_by_one_rename_and_in_no_other_way
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bookhopper.delivery import deliver, ingest, nudge
from bookhopper.delivery.copies import Copies
from bookhopper.delivery.deliver import Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.nudge import Nudges
from bookhopper.delivery.place import Book
from bookhopper.model import FORMATS, UNNOTICED_FORMATS, Delivery
from bookhopper.naming_settings import NamingSettings
from bookhopper.store.base import DuplicateError
from bookhopper.ticket import Ticket
from bookhopper.verify import verify
from tests import books
from tests.calibre import FakeLibrary
from tests.daemon import Daemon
from tests.fakes.ingest_consumer import TAKEN, IngestConsumer, consuming
from tests.fakes.inotify import CHANGES, MOVED_FROM, MOVED_TO, Event, Inotify
from tests.namespaces import in_namespace
from tests.points import check_points
from tests.queues import Queue, candidate, want
from tests.waiting import until

EPUB = books.epub()
HOURS = 7 * 3600.0


class Bench:
    """A deliverer, the folder that it delivers to, and the folder's consumer."""

    def __init__(self, base: Path, folder: Path) -> None:
        self.base = base
        self.parts = base / "parts"
        self.parts.mkdir()
        self.path = folder
        self.queue = Queue(base)
        self.folder = IngestFolder(folder, mode=0o664, require_mount=True)
        self.copies = Copies(base / "copies", 3600.0, keep_free=0)
        self.deliverer = Deliverer(self.queue.store, self.folder, self.parts, self.copies)
        self.consumer = IngestConsumer(folder)

    def close(self) -> None:
        self.deliverer.close()
        self.queue.close()

    def deliver(
        self, title: str, format_: str = "epub", content: bytes = EPUB, *, force: bool = True
    ) -> Delivery:
        job = self.queue.downloading(want(title, force=force))
        part = self.parts / f"{job.id}.part"
        part.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        book = Book(part, format_, digest, len(content), candidate(str(job.id), title))
        self.deliverer.deliver(job, book, Ticket(job.id))
        line = self.queue.store.delivery(job.id)
        assert line is not None
        return line

    def listed(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())

    def at_each_step(self, do: Callable[[], object]) -> None:
        """Call something after each step of a delivery."""
        for owner, name in ((self.folder, "stage"), (self.queue.store, "place"), (self.folder, "reveal")):
            setattr(owner, name, _then(getattr(owner, name), do))

    def nudges(self, after: float = 6 * 3600.0) -> Nudges:
        return Nudges(self.queue.store, self.folder, after)


def _then(step: Callable[..., Any], do: Callable[[], object]) -> Callable[..., Any]:
    def both(*args: Any, **named: Any) -> Any:
        result = step(*args, **named)
        do()
        return result

    return both


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder for what is the daemon's own, where another user may look into."""
    with tempfile.TemporaryDirectory(prefix="bookhopper-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(params=["rename", "copy"])
def bench(request: pytest.FixtureRequest, base: Path) -> Iterator[Bench]:
    shm = Path("/dev/shm")
    if request.param == "copy" and (not shm.is_dir() or shm.stat().st_dev == base.stat().st_dev):
        pytest.skip("/dev/shm is no other device here")
    with tempfile.TemporaryDirectory(dir=shm if request.param == "copy" else base) as folder:
        Path(folder).chmod(0o755)
        bench = Bench(base, Path(folder))
        yield bench
        bench.close()


@contextmanager
def witnessed(folder: Path) -> Iterator[list[Event]]:
    """Collect the kernel's events of a folder for the block, and have them all at its end."""
    events: list[Event] = []
    inotify = Inotify(folder, CHANGES, recursive=True)
    try:
        yield events
        events.extend(inotify.pending())
    finally:
        inotify.close()


def test_every_point_has_a_test() -> None:
    check_points(__doc__, 13)


# how a book appears


def test_each_book_is_seen_once_whole_and_by_its_rename(bench: Bench) -> None:
    with witnessed(bench.path) as events, consuming(bench.consumer):
        lines = [bench.deliver(f"Tale {number}") for number in range(8)]
    names = [line.name for line in lines]
    assert bench.consumer.names == names
    assert {(each.how, each.content) for each in bench.consumer.eaten} == {("moved_to", EPUB)}
    assert bench.listed() == []
    sources = {event.cookie: event.path.name for event in events if event.mask & MOVED_FROM}
    moves = [
        (sources.get(event.cookie), event.path.name)
        for event in events
        if event.mask & MOVED_TO and event.path.name in names
    ]
    assert moves == [(line.staged, line.name) for line in lines]
    copies = [bench.copies.path(line.job) for line in lines]
    assert {copy.stat().st_nlink for copy in copies} == {1}, "what is linked is edited with the book"
    assert bench.queue.states() == {"done": 8}
    assert bench.deliverer.finish_placed() == 0


def test_each_step_is_on_the_disk_before_the_next(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    store, fsync, rename = bench.queue.store, os.fsync, ingest._rename

    def syncing(handle: int) -> None:
        fsync(handle)
        path = os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115 - text is wanted
        if "queue.db" not in path:
            steps.append("folder synced" if os.path.isdir(path) else "book synced")  # noqa: PTH112

    def renaming(source: Path, target: Path, flags: int) -> None:
        rename(source, target, flags)
        steps.append("placed" if target.name.endswith(".uploading") else "named")

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(ingest, "_rename", renaming)
    for name in ("place", "complete"):
        monkeypatch.setattr(store, name, _then(getattr(store, name), partial(steps.append, name)))
    bench.deliver("Tale")
    copied = bench.path.stat().st_dev != bench.base.stat().st_dev
    placed = ["book synced", "book synced"] if copied else ["book synced", "placed"]
    assert steps == [*placed, "folder synced", "place", "named", "folder synced", "complete"]


def test_nothing_lies_in_ingest_that_its_consumer_would_delete(bench: Bench) -> None:
    bench.at_each_step(bench.consumer.refresh_library)
    with witnessed(bench.path) as events:
        lines = [bench.deliver(f"Tale {number}") for number in range(3)]
    bench.consumer.refresh_library()
    assert bench.consumer.deleted == []
    assert bench.consumer.names == [line.name for line in lines]
    seen = {event.path.name for event in events}
    assert seen == {name for line in lines for name in (line.name, line.staged)}


BOOKS: Mapping[str, bytes] = {
    "epub": EPUB,
    "azw3": books.azw3(),
    "mobi": books.mobi(),
    "kfx": books.kfx(),
    "pdf": books.pdf(),
    "cbz": books.cbz(),
    "cbr": books.cbr(),
    "cb7": books.cb7(),
    "fb2": books.fb2(),
    "fbz": books.fbz(),
    "txt": books.txt(),
    "html": books.html("A Tale"),
    "htm": books.html("A Tale"),
    "rtf": books.rtf(),
    "docx": books.docx(),
    "odt": books.odt(),
    "djvu": books.djvu(),
    "azw": books.azw3(),
    "prc": books.mobi(),
    "pdb": books.palmdoc(),
}


@pytest.mark.parametrize("claim", sorted(FORMATS))
def test_what_is_verified_has_an_extension_that_it_takes(base: Path, claim: str) -> None:
    bench = Bench(base, base)
    book = base / "book"
    book.write_bytes(BOOKS[claim])
    verdict = verify(book, claim)
    assert verdict.ok, verdict.reason
    with consuming(bench.consumer):
        line = bench.deliver("Tale", verdict.format.upper(), BOOKS[claim])
    if verdict.format in UNNOTICED_FORMATS:
        assert bench.consumer.unnoticed[line.name] == 1
    else:
        assert verdict.format in TAKEN
        assert [each.cut_to for each in bench.consumer.eaten] == [f"Tale - Ann Author.{verdict.format}"]
    bench.close()


def test_names_are_never_cut_by_it(bench: Bench) -> None:
    titles = ("x" * 400, "x" * 401, "本" * 400, "本" * 401, "two\nlines", ".hidden", "half.part", "")
    with consuming(bench.consumer):
        for title in (*titles, *titles):
            bench.deliver(title)
    assert len(bench.consumer.eaten) == 2 * len(titles)
    assert bench.consumer.overwritten == bench.consumer.repeats == []
    for each in bench.consumer.eaten:
        assert each.cut_to == each.name
        assert len(each.name) <= 150
        assert len(os.fsencode(each.name)) <= 255
        assert "\n" not in each.name
        assert not each.name.startswith(".")


def test_the_same_title_again_gets_another_name_although_the_first_is_eaten(bench: Bench) -> None:
    with consuming(bench.consumer):
        for number in (1, 2):
            bench.deliver("Tale")
            until(lambda number=number: len(bench.consumer.eaten) == number)  # type: ignore[misc]
    assert bench.consumer.names == ["Tale - Ann Author.epub", "Tale - Ann Author_1.epub"]


def test_books_lie_in_the_root_whatever_they_are_called(bench: Bench) -> None:
    with witnessed(bench.path) as events, consuming(bench.consumer):
        for title in ("user/Tale", "../../Tale", "/etc/passwd", "a\\b", "."):
            bench.deliver(title)
    assert not any(event.of_folder for event in events)
    assert {event.path.parent for event in events} == {bench.path}
    assert {each.path.parent for each in bench.consumer.eaten} == {bench.path}
    assert len(bench.consumer.eaten) == 5


def in_folders(bench: Bench) -> None:
    """Let each book lie in a folder of its own from now on."""
    bench.deliverer.name_by(NamingSettings(folder="{title}"))


def test_a_book_in_a_new_folder_is_named_once_its_consumer_watches_that(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folders(bench)
    with witnessed(bench.path) as events, consuming(bench.consumer) as consumer:
        line = bench.deliver("Tale")
        assert line.done_at is None
        assert bench.deliverer.finish_placed() == 0
        until(lambda: consumer.watches(bench.path / "Tale"))
        monkeypatch.setattr(deliver, "WATCH_SECONDS", 0.0)
        assert bench.deliverer.finish_placed() == 1
    (eaten,) = bench.consumer.eaten
    assert (eaten.how, str(eaten.path.relative_to(bench.path)), eaten.content) == (
        "moved_to",
        line.name,
        EPUB,
    )
    assert line.name == "Tale/Tale - Ann Author.epub"
    assert bench.listed() == []
    folders = [event.path for event in events if event.of_folder]
    assert set(folders) == {bench.path / "Tale"}
    assert bench.queue.states() == {"done": 1}


def test_a_consumer_that_removes_empty_folders_gets_every_book(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the folder is removed, it is made again; its consumer sees that before the next book."""
    monkeypatch.setattr(deliver, "WATCH_SECONDS", 0.0)
    bench.deliverer.name_by(NamingSettings(folder="{author}", file="{title}"))
    with consuming(bench.consumer) as consumer:
        for number in range(24):
            (bench.path / "Ann Author").mkdir(exist_ok=True)
            until(lambda: consumer.watches(bench.path / "Ann Author"))
            bench.deliver(f"Tale {number}")
            until(lambda number=number: len(bench.consumer.eaten) == number + 1)  # type: ignore[misc]
    assert bench.queue.states() == {"done": 24}
    assert len(set(bench.consumer.names)) == 24
    assert {each.content for each in bench.consumer.eaten} == {EPUB}
    assert bench.consumer.repeats == bench.consumer.overwritten == []


def test_a_book_that_was_missed_in_its_folder_is_eaten_after_a_nudge(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "WATCH_SECONDS", 0.0)
    in_folders(bench)
    line = bench.deliver("Tale")
    (bench.path / "Link").symlink_to(bench.base)
    with consuming(bench.consumer):
        later(monkeypatch)
        nudges = bench.nudges()
        assert [nudges.run(), nudges.run()] == [1, 0]
    assert bench.consumer.names == ["Tale - Ann Author.epub"]
    assert bench.consumer.eaten[0].path == bench.path / line.name
    assert bench.listed() == ["Link"]


def test_whoever_consumes_may_read_it(bench: Bench) -> None:
    line = bench.deliver("Tale")
    book = bench.path / line.name
    assert book.stat().st_mode & 0o444 == 0o444
    if os.getuid() == 0:
        read = subprocess.run(["cat", book], user=65534, group=65534, capture_output=True, check=True)
        assert read.stdout == EPUB


def test_a_consumer_that_polls_at_every_step_gets_it_whole(bench: Bench) -> None:
    bench.consumer.now = lambda: time.time() + 3600.0  # nothing is too young for it
    bench.at_each_step(bench.consumer.poll)
    bench.at_each_step(bench.consumer.poll)  # it takes what it sees for the second time
    for number in range(4):
        bench.deliver(f"Tale {number}")
    assert [(each.how, each.content) for each in bench.consumer.eaten] == [("poll", EPUB)] * 4
    assert bench.listed() == []
    assert bench.queue.states() == {"done": 4}


# what became of it


def test_a_book_whose_import_failed_is_in_the_ledger_and_in_the_copies(bench: Bench) -> None:
    bench.consumer.imports = lambda _: False
    with consuming(bench.consumer):
        line = bench.deliver("Tale", force=False)
    assert [each.record for each in bench.consumer.eaten] == [None]
    assert bench.listed() == []
    assert (line.name, line.size) == ("Tale - Ann Author.epub", len(EPUB))
    assert line.sha256 == hashlib.sha256(EPUB).hexdigest()
    assert line.done_at is not None
    assert line.done_at >= line.placed_at
    assert bench.copies.path(line.job).read_bytes() == EPUB
    assert bench.deliverer.finish_placed() == 0, "that it is gone is no reason to bring it again"
    assert bench.queue.states() == {"done": 1}


def test_the_same_book_twice_is_one_record(bench: Bench) -> None:
    with consuming(bench.consumer):
        bench.deliver("Tale", force=False)
        with pytest.raises(DuplicateError):
            bench.deliver("The Same Tale", force=False)
    assert bench.consumer.library == {1: ["epub"]}


# books that lie there


def later(monkeypatch: pytest.MonkeyPatch, seconds: float = HOURS) -> None:
    """Let it be later, as far as nudges are concerned."""
    monkeypatch.setattr(nudge, "time", SimpleNamespace(time=lambda: time.time() + seconds))


def test_a_book_that_came_before_its_consumer_is_eaten_after_a_nudge(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = bench.deliver("Tale")
    mode = (bench.path / line.name).stat().st_mode
    nudges = bench.nudges()
    with consuming(bench.consumer):
        pass
    assert bench.consumer.names == []
    with witnessed(bench.path) as events, consuming(bench.consumer):
        assert nudges.run() == 0
        later(monkeypatch)
        assert nudges.run() == nudges.given == 1
    (eaten,) = bench.consumer.eaten
    assert (eaten.how, eaten.name, eaten.content) == ("moved_to", line.name, EPUB)
    assert eaten.mode == mode & 0o777
    assert bench.consumer.repeats == []
    assert bench.listed() == []
    named = [event.mask for event in events if event.path.name == line.name]
    assert {mask for mask in named if mask & (MOVED_FROM | MOVED_TO)} == {MOVED_FROM, MOVED_TO}
    assert nudges.run() == 0


def test_a_nudge_comes_once_and_never_soon(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    line = bench.deliver("Tale")
    (bench.path / "another.epub").write_bytes(EPUB)
    changed = bench.deliver("Changed")
    (bench.path / changed.name).write_bytes(b"another's by now")
    assert bench.nudges().run() == 0
    later(monkeypatch, 6 * 3600.0 - 60.0)
    assert bench.nudges().run() == 0
    later(monkeypatch)
    with witnessed(bench.path) as events:
        assert bench.nudges(after=0.0).run() == 0
        nudges = bench.nudges()
        assert [nudges.run(), nudges.run(), bench.nudges().run()] == [1, 0, 0]
    assert {event.path.name for event in events} == {line.name, line.staged}
    assert (bench.path / line.name).read_bytes() == EPUB
    assert bench.listed() == sorted((line.name, changed.name, "another.epub"))


@pytest.mark.parametrize("folder", ["", "Kids/Tales"])
@pytest.mark.parametrize("moment", ["before", "copied"])
def test_a_book_that_is_eaten_during_its_nudge_does_not_come_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: str, folder: str
) -> None:
    monkeypatch.setattr(deliver, "WATCH_SECONDS", 0.0)
    bench.deliverer.name_by(NamingSettings(folder=folder))
    line = bench.deliver("Tale")
    later(monkeypatch)
    copy = bench.folder._copy

    def eaten(source: Path, goal: Path) -> None:
        if moment == "before":
            source.unlink()
        copy(source, goal)
        source.unlink()

    monkeypatch.setattr(bench.folder, "_copy", eaten)
    assert bench.nudges().run() == 0
    assert bench.listed() == []
    assert bench.queue.store.delivery(line.job) == line


def test_a_book_that_is_changed_during_its_nudge_stays_as_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = bench.deliver("Tale")
    (bench.path / line.staged).write_bytes(b"of a nudge that was cut short")
    later(monkeypatch)
    copy = bench.folder._copy

    def changed(source: Path, goal: Path) -> None:
        copy(source, goal)
        with source.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(bench.folder, "_copy", changed)
    assert bench.nudges().run() == 0
    assert bench.listed() == [line.name]
    assert (bench.path / line.name).read_bytes() == EPUB + b"more"


def test_where_files_cannot_be_exchanged_books_stay_as_they_are(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class OldKernel:
        def renameat2(self, *_: object) -> int:
            ctypes.set_errno(errno.EINVAL)
            return -1

    line = bench.deliver("Tale")
    later(monkeypatch)
    monkeypatch.setattr(ingest, "_libc", OldKernel())
    nudges = bench.nudges()
    with caplog.at_level("INFO", "bookhopper.deliver"):
        assert [nudges.run(), nudges.run()] == [0, 0]
    assert caplog.text.count("stay as they are") == 1
    assert bench.listed() == [line.name]


def test_nobody_is_nudged_while_the_folder_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deliver("Tale")
    later(monkeypatch)
    away = bench.path.rename(bench.path.with_name("away"))
    assert bench.nudges().run() == 0
    away.rename(bench.path)
    assert bench.nudges().run() == 1


# the daemon


TITLES = [(f"The Tale of {name}", f"{name} Author") for name in ("Ann", "Ben", "Cleo", "Dan", "Eve", "Fay")]


@pytest.fixture
def shelf(base: Path) -> Path:
    folder = base / "shelf"
    folder.mkdir()
    for title, author in TITLES:
        (folder / f"{title} - {author}.epub").write_bytes(books.epub(title, author))
    return folder


@contextmanager
def running(base: Path, shelf: Path, under: tuple[str, ...] = (), **settings: Any) -> Iterator[Daemon]:
    source = {"kind": "folder", "name": "shelf", "path": str(shelf)}
    daemon = Daemon(base / "home", {"sources": [source], **settings})
    daemon.under = under
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()


LIST = "".join(f"{title} — {author}\n" for title, author in TITLES)


def test_an_ingest_folder_that_is_a_mount_of_its_own(base: Path, shelf: Path) -> None:
    """As under systemd with ReadWritePaths=: on the same disk, and yet no rename leads there."""
    ingest_folder = base / "home" / "ingest"
    under = in_namespace(f"mount --bind {ingest_folder} {ingest_folder}")
    with running(base, shelf, under) as daemon:
        consumer = IngestConsumer(daemon.ingest)
        with consuming(consumer):
            daemon.drop("list.txt", LIST)
            daemon.await_counts(done=len(TITLES))
        consumer.refresh_library()
        assert f"on {ingest_folder}" in (daemon.state / "ingest-folder").read_text()
        assert daemon.stop() == 0
    originals = {path.read_bytes() for path in shelf.iterdir()}
    assert {each.how for each in consumer.eaten} == {"moved_to"}
    assert len(consumer.eaten) == len(TITLES)
    assert {each.content for each in consumer.eaten} == originals
    assert list(consumer.library.values()) == [["epub"]] * len(TITLES)
    assert not consumer.unnoticed
    assert consumer.deleted == consumer.repeats == []


def test_another_format_of_an_owned_book_comes_without_a_sidecar(base: Path, shelf: Path) -> None:
    """That a match may be wrong costs a record of its own, and no format of another book."""
    library = FakeLibrary(base / "library")
    title, author = TITLES[0]
    library.add(title, author, formats=("MOBI",))
    with running(base, shelf, calibre_library=str(library.folder)) as daemon:
        consumer = IngestConsumer(daemon.ingest)
        with witnessed(daemon.ingest) as events, consuming(consumer):
            daemon.drop("list.yaml", f"- {{title: {title}, author: {author}, formats: [epub]}}\n")
            daemon.await_counts(done=1)
        assert daemon.stop() == 0
    assert consumer.library == {1: ["epub"]}
    names = {event.path.name for event in events}
    assert names == {consumer.names[0], f"{consumer.names[0]}.uploading"}
