"""What eats the ingest folder, as Calibre-Web-Automated does: at once, and it remembers all that it saw."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.ingest_consumer import IGNORED, TAKEN, IngestConsumer
from tests.reliability.witness import Seen, witness


class Consumer:
    """Eats by the rules of `IngestConsumer` and judges what it eats; `is_whole` knows the books' digests."""

    def __init__(self, folder: Path, is_whole: Callable[[str], bool]) -> None:
        self.eaten: Counter[str] = Counter()
        """How often each sha256 came."""
        self.names: list[str] = []
        """The names in the order in which they were eaten."""
        self.digest_of: dict[str, str] = {}
        """The sha256 that came under each name."""
        self.partial: list[str] = []
        """What had a name to be taken and was no whole book, or came in another way than by a rename."""
        self.foreign: list[str] = []
        self.staged = 0
        self.trigger: Callable[[Seen], None] = lambda _: None
        """Called with each event before anything is eaten."""
        self._folder = folder
        self._is_whole = is_whole
        self.restart()

    def restart(self) -> None:
        """Forget what it noticed lately, as it does when its machine starts again."""
        self._rules = IngestConsumer(self._folder)

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
            self._eat(kind, name)

    def _eat(self, kind: str, name: str) -> None:
        self._rules.notice(kind, self._rules.folder / name)
        if not self._rules.eaten:
            return  # a repeat, by its rules, which then lies there
        eaten = self._rules.eaten.pop()  # a long sweep is not to keep every book
        digest = hashlib.sha256(eaten.content).hexdigest()
        called = Path(name).name
        if not self._is_whole(digest) or eaten.name != called or eaten.cut_to != called:
            self.partial.append(f"{name} was no whole book, or not as it was named")
        self.eaten[digest] += 1
        self.names.append(name)
        self.digest_of[name] = digest


@contextmanager
def consuming(folder: Path, is_whole: Callable[[str], bool]) -> Iterator[Consumer]:
    """Eat what comes into a folder for the block."""
    consumer = Consumer(folder, is_whole)
    with witness(folder, consumer.saw):
        yield consumer
