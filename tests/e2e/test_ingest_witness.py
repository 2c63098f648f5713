"""A witness at the ingest folder: no book is ever seen there under its name before it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.inotify import InotifyObserver

from bookhopper.verify import verify
from tests.e2e.conftest import TITLES, MakeDaemon
from tests.waiting import until

LIST = "".join(f"{title} — {author.partition(',')[0]}\n" for title, author in TITLES.values())
STAGED = ".uploading"


class Witness(FileSystemEventHandler):
    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def on_any_event(self, event: FileSystemEvent) -> None:
        if not event.is_directory:
            kind, source, goal = event.event_type, str(event.src_path), str(event.dest_path)
            self.events.append((kind, Path(source).name, Path(goal).name))


@contextmanager
def witness(folder: Path) -> Iterator[Witness]:
    seen = Witness()
    observer = InotifyObserver()
    observer.schedule(seen, str(folder))
    observer.start()
    try:
        yield seen
    finally:
        observer.stop()
        observer.join()


def test_a_book_appears_by_one_rename_and_in_no_other_way(
    make_daemon: MakeDaemon, tmp_path: Path, ingest: Path | None
) -> None:
    daemon = make_daemon(ingest=ingest, download={"workers": 4, "keep_free": 0})
    daemon.start()
    with witness(daemon.ingest) as seen:
        daemon.drop("list.txt", LIST)
        daemon.await_counts(done=len(TITLES))
        last = len(TITLES)
        until(lambda: sum(kind == "moved" for kind, _, _ in seen.events) == last, "the last rename's event")
    assert daemon.stop() == 0

    names = daemon.delivered()
    moves = [(source, goal) for kind, source, goal in seen.events if kind == "moved"]
    assert sorted(goal for _, goal in moves) == names
    assert all(source == goal + STAGED for source, goal in moves)
    others = {source for kind, source, _ in seen.events if kind != "moved"}
    assert {name for name in others if not name.endswith(STAGED)} == set()
    assert all(verify(daemon.ingest / name, "epub").ok for name in names)
