"""What eats the ingest folder, as Calibre-Web-Automated does: at once, and it remembers all that it saw."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.reliability.witness import Seen, witness

IGNORED = (".crdownload", ".download", ".part", ".uploading")
TAKEN = frozenset(("epub", "azw3", "mobi", "pdf", "txt", "fb2", "cbz", "kfx"))
"""Of what it takes, the formats that books come in here."""


class Consumer:
    """Eats what is closed or moved in under a name that it takes; `is_whole` knows the digests of books."""

    def __init__(self, folder: Path, is_whole: Callable[[str], bool]) -> None:
        self.eaten: Counter[str] = Counter()
        """How often each sha256 came."""
        self.names: list[str] = []
        """The names in the order in which they were eaten."""
        self.partial: list[str] = []
        """What had a name to be taken and was no whole book, or came in another way than by a rename."""
        self.foreign: list[str] = []
        self.staged = 0
        self.trigger: Callable[[Seen], None] = lambda _: None
        """Called with each event before anything is eaten."""
        self._folder = folder
        self._is_whole = is_whole

    def saw(self, seen: Seen) -> None:
        self.trigger(seen)
        kind, name = seen
        if kind == "overflow":
            self.partial.append("events were lost, so nothing is known")
        elif name.endswith(IGNORED):
            self.staged += kind in {"created", "moved_to"}
        elif Path(name).suffix.removeprefix(".") not in TAKEN:
            self.foreign.append(name)
        elif kind in {"created", "modified"}:
            self.partial.append(f"{name} was {kind} under its own name")
        elif kind in {"closed", "moved_to"}:
            self._eat(name)

    def _eat(self, name: str) -> None:
        book = self._folder / name
        digest = hashlib.sha256(book.read_bytes()).hexdigest()
        if not self._is_whole(digest):
            self.partial.append(f"{name} was no whole book")
        self.eaten[digest] += 1
        self.names.append(name)
        book.unlink()


@contextmanager
def consuming(folder: Path, is_whole: Callable[[str], bool]) -> Iterator[Consumer]:
    """Eat what comes into a folder for the block."""
    consumer = Consumer(folder, is_whole)
    with witness(folder, consumer.saw):
        yield consumer
