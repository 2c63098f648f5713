"""How many request files and lines came in, by what became of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from bookhopper.intake.taking import Taken

_FILES = ("accepted", "partial", "rejected")
_LINES = ("new", "known", "bad")


class Tally:
    """Counts since the start of the process; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: Counter[tuple[str]] = Counter({(outcome,): 0 for outcome in _FILES})
        self._lines: Counter[tuple[str]] = Counter({(outcome,): 0 for outcome in _LINES})

    def add(self, taken: Taken) -> None:
        """Count a file; one with bad lines among good ones is `partial`."""
        intake = taken.intake
        with self._lock:
            if intake is None:
                self._files["rejected",] += 1
                return
            self._files["partial" if intake.bad else "accepted",] += 1
            self._lines.update({("new",): intake.new, ("known",): intake.known, ("bad",): intake.bad})

    def files(self) -> Mapping[tuple[str], int]:
        """Give the number of files by outcome."""
        with self._lock:
            return dict(self._files)

    def lines(self) -> Mapping[tuple[str], int]:
        """Give the number of lines by outcome."""
        with self._lock:
            return dict(self._lines)
