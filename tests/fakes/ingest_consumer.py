"""The consumer of an ingest folder, with the rules of Calibre-Web-Automated and without its conversions.

Each rule is a fact of `reference/calibre-ingest.md`, kept as it is there even where it is a fault of the
consumer: a file is taken at the first event, whole or not, and is gone afterwards, imported or not.  It can
be asked step by step (`handle`, `poll`, `refresh_library`) or be left alone with a folder (`consuming`).
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.inotify import CLOSE_WRITE, MOVED_TO, Event, Inotify

TAKEN = frozenset(
    [
        "epub", "mobi", "azw3", "azw", "pdf", "txt", "rtf", "cbz", "cbr", "cb7", "cbc", "fb2", "fbz", "docx",
        "html", "htmlz", "lit", "lrf", "odt", "prc", "pdb", "pml", "rb", "snb", "tcr", "txtz", "kepub",
        "m4b", "m4a", "mp4", "acsm", "kfx", "kfx-zip",
    ]
)  # fmt: skip
"""The extensions that its watcher matches, in lower case only."""

IGNORED = (".crdownload", ".download", ".part", ".uploading")
SIDECAR = ".cwa.json"
LONGEST_NAME = 150
REPEAT_SECONDS = 120.0
RESTING_SECONDS = 1.5
STALE_SECONDS = 120 * 60.0


@dataclass(frozen=True, slots=True)
class Eaten:
    """One file that was taken: by which event, under which name it lay, and what it was."""

    how: str
    path: Path
    cut_to: str
    content: bytes
    mode: int
    record: int | None
    """The book in its library that came of it; None where the import failed."""

    @property
    def name(self) -> str:
        return self.path.name


@dataclass
class IngestConsumer:
    """Takes files out of a folder into `library`, a record of formats by number.

    `imports` says whether a file's content can be imported; `now` is the clock.
    """

    folder: Path
    imports: Callable[[bytes], bool] = lambda _: True
    now: Callable[[], float] = time.time
    eaten: list[Eaten] = field(default_factory=list)
    library: dict[int, list[str]] = field(default_factory=dict)
    unnoticed: Counter[str] = field(default_factory=Counter)
    """Names that made an event and are none that it takes."""
    repeats: list[str] = field(default_factory=list)
    overwritten: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """What it removed without ever importing it: unsupported, or a temporary file that was left."""
    _seen: dict[tuple[Path, int, int], float] = field(default_factory=dict)
    _sighted: set[Path] = field(default_factory=set)
    watches: Callable[[Path], bool] = lambda _: False
    """Whether it would hear of what happens in a folder."""

    @property
    def names(self) -> list[str]:
        """The names of what was eaten, in order."""
        return [each.name for each in self.eaten]

    # by events

    def handle(self, event: Event) -> None:
        """Hear of an event, as of a line of `inotifywait -r -e close_write -e moved_to`."""
        if event.mask & MOVED_TO:
            self.notice("moved_to", event.path)
        elif event.mask & CLOSE_WRITE:
            self.notice("close_write", event.path)

    # by looking, as in its mode for network shares

    def poll(self) -> None:
        """Look at every file: one that was there the last time and has rested since is taken."""
        found = {path for path in self.folder.rglob("*") if path.is_file()}
        for path in sorted(found & self._sighted):
            if self.now() - path.stat().st_mtime >= RESTING_SECONDS:
                self.notice("poll", path)
        self._sighted = found

    # on demand

    def refresh_library(self) -> None:
        """Walk the whole folder: take what is supported, delete what is not, but for temporary names."""
        for path in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            if path.name.endswith(IGNORED):
                if self.now() - path.stat().st_mtime > STALE_SECONDS:
                    self._delete(path)
            elif path.name.endswith(SIDECAR):
                continue
            elif _is_taken(path):
                self._process("refresh", path)
            else:
                self._delete(path)

    def _delete(self, path: Path) -> None:
        path.unlink()
        self.deleted.append(path.name)

    # one file

    def notice(self, how: str, path: Path) -> None:
        """Look at a file that something happened to, and take it if its name is one to take."""
        if path.name.endswith(IGNORED):
            return
        if not _is_taken(path):
            self.unnoticed[path.name] += 1
        elif path.is_file():  # a folder that is called like a book is none
            self._process(how, path)

    def _process(self, how: str, path: Path) -> None:
        status = path.stat()
        key = (path, status.st_size, int(status.st_mtime))
        if self.now() - self._seen.get(key, float("-inf")) < REPEAT_SECONDS:
            self.repeats.append(path.name)
            return
        self._seen[key] = self.now()
        cut = self._cut(path)
        content = cut.read_bytes()
        record = self._import(cut) if self.imports(content) else None
        self.eaten.append(Eaten(how, path, cut.name, content, status.st_mode & 0o777, record))
        cut.unlink()  # also when the import failed
        if cut.parent != self.folder:
            _prune(cut.parent, self.folder)

    def _cut(self, path: Path) -> Path:
        """Shorten a long name by a rename that looks at nothing."""
        room = LONGEST_NAME - len(path.suffix)
        if len(path.stem) <= room:
            return path
        short = path.with_name(path.stem[:room] + path.suffix)
        if short.exists():
            self.overwritten.append(short.name)
        path.replace(short)
        return short

    def _import(self, path: Path) -> int:
        """Add a record, though the same book be there already, or a format where a sidecar says so."""
        form = path.suffix.removeprefix(".")
        sidecar = path.with_name(path.name + SIDECAR)
        if sidecar.exists():
            asked = json.loads(sidecar.read_text(encoding="utf-8"))
            sidecar.unlink()
            if asked.get("action") == "add_format":
                number = int(asked["book_id"])
                self.library.setdefault(number, []).append(form)
                return number
        number = max(self.library, default=0) + 1
        self.library[number] = [form]
        return number


def _is_taken(path: Path) -> bool:
    return path.name.rpartition(".")[2] in TAKEN


def _prune(folder: Path, root: Path) -> None:
    with suppress(OSError):  # it holds something, or who put the book there has removed it meanwhile
        while folder != root:
            folder.rmdir()
            folder = folder.parent


@contextmanager
def consuming(consumer: IngestConsumer) -> Iterator[IngestConsumer]:
    """Let it eat at every event, in a thread of its own, until the block ends and all were handled.

    What lies there already makes no event, and so is never taken.
    """
    inotify = Inotify(consumer.folder, CLOSE_WRITE | MOVED_TO, recursive=True)
    consumer.watches = inotify.watches

    def eat() -> None:
        for event in inotify.events():
            consumer.handle(event)

    try:
        with _running(eat, inotify.stop):
            yield consumer
    finally:
        inotify.close()


@contextmanager
def polling(consumer: IngestConsumer, seconds: float = 5.0) -> Iterator[IngestConsumer]:
    """Let it look every so many seconds, in a thread of its own, until the block ends."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(seconds):
            consumer.poll()

    with _running(look, ended.set):
        yield consumer


@contextmanager
def _running(run: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=run, name="ingest consumer")
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()
