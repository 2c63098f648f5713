"""What the ingest folder's consumer sees: the facts that it asks for, looked at from its side by inotify."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.events import FileClosedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers.inotify import InotifyObserver

from bookhopper.deliver import Book, Deliverer
from bookhopper.ingest import IngestFolder
from bookhopper.ticket import Ticket
from tests import books
from tests.queues import Queue, candidate, want
from tests.waiting import until

EPUB = books.epub()
IGNORED = (".crdownload", ".download", ".part", ".uploading")
TAKEN = frozenset(("epub", "mobi", "azw3", "pdf", "txt", "cbz", "fb2", "kfx"))


class Consumer(FileSystemEventHandler):
    """Takes a file as Calibre-Web-Automated does: on `close_write` and `moved_to`, at once, and eats it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.eaten: list[tuple[str, str, bytes, int]] = []
        self.foreign: list[str] = []

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, FileMovedEvent):
            self._see("moved_to", Path(str(event.dest_path)))
        elif isinstance(event, FileClosedEvent):
            self._see("close_write", Path(str(event.src_path)))

    def _see(self, how: str, path: Path) -> None:
        if path.name.endswith(IGNORED):
            return
        if path.suffix.removeprefix(".") not in TAKEN:
            self.foreign.append(path.name)
            return
        self.eaten.append((how, path.name, path.read_bytes(), path.stat().st_mode & 0o777))
        path.unlink()


class Bench:
    def __init__(self, base: Path, ingest: Path) -> None:
        self.parts = base / "parts"
        self.parts.mkdir()
        self.ingest = ingest
        self.queue = Queue(base)
        self.consumer = Consumer(ingest)
        self.deliverer = Deliverer(
            self.queue.store, IngestFolder(ingest, mode=0o664, require_mount=True), self.parts
        )

    def deliver(self, title: str, format_: str = "epub", content: bytes = EPUB) -> str:
        job = self.queue.downloading(want(title, force=True))
        part = self.parts / f"{job.id}.part"
        part.write_bytes(content)
        book = Book(part, format_, f"sha-{job.id}", len(content), candidate(str(job.id), title))
        self.deliverer.deliver(job, book, Ticket(job.id))
        line = self.queue.store.delivery(job.id)
        assert line is not None
        return line.name


@pytest.fixture(params=["rename", "copy"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    shm = Path("/dev/shm")
    if request.param == "copy" and (not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev):
        pytest.skip("/dev/shm is no other device here")
    with tempfile.TemporaryDirectory(dir=shm if request.param == "copy" else tmp_path) as folder:
        bench = Bench(tmp_path, Path(folder))
        observer = InotifyObserver()
        observer.schedule(bench.consumer, folder, recursive=True)
        observer.start()
        yield bench
        observer.stop()
        observer.join()
        bench.deliverer.close()
        bench.queue.close()


def test_each_book_is_seen_once_whole_and_by_its_rename(bench: Bench) -> None:
    names = [bench.deliver(f"Tale {number}") for number in range(8)]
    until(lambda: len(bench.consumer.eaten) == 8)
    assert {how for how, *_ in bench.consumer.eaten} == {"moved_to"}
    assert [name for _, name, *_ in bench.consumer.eaten] == names
    assert {content for *_, content, _ in bench.consumer.eaten} == {EPUB}
    assert {mode & 0o444 for *_, mode in bench.consumer.eaten} == {0o444}
    assert bench.consumer.foreign == []
    until(lambda: list(bench.ingest.iterdir()) == [])
    assert bench.queue.states() == {"done": 8}
    assert bench.deliverer.finish_placed() == 0


def test_the_same_title_again_gets_another_name_although_the_first_is_eaten(bench: Bench) -> None:
    for times in (1, 2):
        bench.deliver("Tale")
        until(lambda times=times: len(bench.consumer.eaten) == times)  # type: ignore[misc]
    names = [name for _, name, *_ in bench.consumer.eaten]
    assert names == ["Tale - Ann Author.epub", "Tale - Ann Author_1.epub"]


@pytest.mark.parametrize("format_", ["epub", "azw3", "mobi", "pdf", "fb2", "cbz", "txt", "kfx"])
def test_extensions_are_those_that_it_takes(bench: Bench, format_: str) -> None:
    bench.deliver("Tale", format_.upper())
    until(lambda: bench.consumer.eaten)
    assert bench.consumer.eaten[0][1] == f"Tale - Ann Author.{format_}"


def test_names_are_never_cut_by_it(bench: Bench) -> None:
    for title in ("x" * 400, "本" * 400, "two\nlines"):
        bench.deliver(title)
    until(lambda: len(bench.consumer.eaten) == 3)
    for _, name, *_ in bench.consumer.eaten:
        assert len(name) <= 150
        assert "\n" not in name
